//! The real program on terminals that misbehave, and inside the programs people run it in: safety.md T2 and what is
//! around it. No clock is asserted; a deadline only ends a hung program.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use rustix::process::{Pid, Signal, kill_process};
use std::process::Command;
use std::time::{Duration, Instant};
use support::{Bench, pty::Pty, there_or_not_run};

const PATIENCE: Duration = Duration::from_secs(60);

/// A model that says `words` words, one every five milliseconds, and then `DONE`.
fn talking(bench: &Bench, words: usize) -> String {
    let text: Vec<String> = (0..words).map(|n| format!("word{n}")).collect();
    let text = format!(
        "<|channel|>analysis<|message|>Thinking about it.<|end|><|start|>assistant<|channel|>final<|message|>{} DONE<|return|>",
        text.join(" ")
    );
    let script = serde_json::json!({ "generations": [{ "text": text, "token_ms": 5 }] });
    bench.scripted(&script.to_string())
}

fn signal(pty: &Pty, signal: Signal) {
    let pid = i32::try_from(pty.child.process_id().unwrap()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[test]
fn a_storm_of_sizes_while_the_model_speaks() {
    let bench = Bench::new();
    let model = talking(&bench, 300);
    let mut pty = Pty::start(&bench, 24, 80, &["-m", &model]);
    pty.wait_for("scripted");
    pty.send("go\r");
    // A linear congruential sequence: the same storm every time.
    let mut state = 7u32;
    let mut next = |most: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u16::try_from((state >> 16) % most + 1).unwrap()
    };
    for _ in 0..200 {
        pty.resize(next(100), next(300));
        std::thread::sleep(Duration::from_millis(5));
    }
    for (rows, cols) in [(1, 1), (5, 20), (100, 300), (24, 80)] {
        pty.resize(rows, cols);
        std::thread::sleep(Duration::from_millis(100));
    }
    pty.wait_for("DONE");
    pty.send("still here");
    pty.wait_for("still here");
    pty.send("\x03\x04");
    assert_eq!(pty.wait_exit(), 0);
    assert!(!pty.alternate_screen());
}

#[test]
fn twenty_columns_and_five_rows_are_enough_to_talk() {
    let bench = Bench::new();
    let model = talking(&bench, 5);
    let mut pty = Pty::start(&bench, 5, 20, &["-m", &model]);
    std::thread::sleep(Duration::from_millis(500));
    pty.send("hello");
    pty.wait_for("hello");
    pty.send("\r");
    // Under the answer, which two rows of conversation have no room for: what the turn took.
    pty.wait_for("tokens");
    pty.send("\x04");
    assert_eq!(pty.wait_exit(), 0);
}

#[test]
fn what_was_on_screen_is_on_record_after_sigterm() {
    let bench = Bench::new();
    let model = talking(&bench, 2000);
    let mut pty = Pty::start(&bench, 24, 80, &["-m", &model]);
    pty.wait_for("scripted");
    pty.send("tell me\r");
    pty.wait_for("word40");
    signal(&pty, Signal::TERM);
    assert_eq!(pty.wait_exit(), 0);
    assert!(!pty.alternate_screen());
    assert!(!pty.screen().contains("panicked"), "{}", pty.screen());
    let list = bench.run(&["sessions", "list"]);
    assert!(list.stdout.contains("tell me"), "{list:?}");
    let mut again = Pty::start(&bench, 24, 80, &["resume", "--last", "-m", &model]);
    again.wait_for("tell me");
    again.wait_for("word40");
    again.send("\x04");
    assert_eq!(again.wait_exit(), 0);
}

#[test]
fn far_away_the_keys_come_in_order_and_no_answer_of_the_terminal_is_typed() {
    let bench = Bench::new();
    let model = talking(&bench, 5);
    // Each way; what the terminal is asked comes back after both.
    let mut pty = Pty::far(&bench, 24, 80, &["-m", &model], Duration::from_millis(200));
    pty.wait_for("scripted");
    for letter in "the quick brown fox".chars() {
        pty.send(&letter.to_string());
    }
    pty.wait_for("the quick brown fox");
    pty.send("\r");
    pty.wait_for("DONE");
    let screen = pty.screen();
    for typed in ["rgb:", "[?", ";1R"] {
        assert!(!screen.contains(typed), "{typed:?} was typed\n{screen}");
    }
    pty.send("\x04");
    assert_eq!(pty.wait_exit(), 0);
}

#[test]
fn a_paste_while_the_terminal_is_asked_about_itself_is_one_paste() {
    let bench = Bench::new();
    let model = talking(&bench, 5);
    let mut pty = Pty::start(&bench, 24, 80, &["-m", &model]);
    pty.send("\x1b[200~first line\rsecond");
    // Longer than answers are waited for.
    std::thread::sleep(Duration::from_millis(600));
    pty.send(" line\x1b[201~ end");
    pty.wait("both lines in the composer", |screen| {
        screen.contains("first line") && screen.contains("second line end")
    });
    assert!(!pty.screen().contains("DONE"), "{}", pty.screen());
}

#[test]
fn suspended_and_continued_in_a_shell() {
    let bench = Bench::new();
    let model = talking(&bench, 5);
    let program = env!("CARGO_BIN_EXE_descant");
    let mut pty = Pty::program(&bench, 24, 80, "bash", &["--norc", "--noprofile", "-i"]);
    pty.send(&format!("PS1='shell> '; clear; {program} -m {model}\r"));
    pty.wait_for("Ask for a change");
    pty.send("half a message");
    pty.wait_for("half a message");
    pty.send("\x1a");
    pty.wait("the shell again", |screen| screen.contains("Stopped"));
    assert!(!pty.alternate_screen());
    pty.send("echo in-the-$((1+1))nd-place\r");
    pty.wait_for("in-the-2nd-place");
    pty.send("fg\r");
    pty.wait("the program again", |screen| {
        screen.contains("half a message") && screen.contains("scripted")
    });
    assert!(pty.alternate_screen());
    pty.send("\r");
    pty.wait_for("DONE");
    pty.send("\x04");
    pty.wait("the shell at last", |screen| screen.contains("shell>"));
    assert!(!pty.alternate_screen());
    pty.send("stty -a | tr ' ' '\\n' | grep -c '^-\\(icanon\\|echo\\|isig\\);*$'\r");
    pty.wait("the line discipline as it was", |screen| {
        screen.lines().any(|line| line.trim() == "0")
    });
    pty.send("exit\r");
}

/// What a multiplexer shows, waited for.
fn shows(what: &str, capture: impl Fn() -> String) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let screen = capture();
        if screen.contains(what) {
            return screen;
        }
        assert!(Instant::now() < deadline, "never seen: {what}\n{screen}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A server of its own, without anybody's configuration; ended with the test.
struct Tmux<'a> {
    bench: &'a Bench,
    socket: String,
}

impl<'a> Tmux<'a> {
    fn new(bench: &'a Bench) -> Self {
        let socket = bench.home().join("tmux").display().to_string();
        Self { bench, socket }
    }

    fn start(&self, shell: &str) {
        self.run(&["new-session", "-d", "-x", "80", "-y", "24", shell]);
    }

    fn run(&self, words: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-S", &self.socket, "-f", "/dev/null"])
            .args(words)
            .envs(self.bench.environment())
            .env("TERM", "xterm-256color")
            .current_dir(self.bench.work())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn screen(&self) -> String {
        self.run(&["capture-pane", "-p"])
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

fn quoted(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("'{word}'"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn inside_tmux() {
    if !there_or_not_run("tmux") {
        return;
    }
    let bench = Bench::new();
    let model = talking(&bench, 60);
    let tmux = Tmux::new(&bench);
    let program = quoted(&[env!("CARGO_BIN_EXE_descant"), "-m", &model]);
    tmux.start(&format!(
        "echo before; {program}; echo left with $?; exec sleep 60"
    ));
    let capture = || tmux.screen();
    shows("Ask for a change", capture);
    tmux.run(&["send-keys", "say something", "Enter"]);
    tmux.run(&["resize-window", "-x", "120", "-y", "40"]);
    let screen = shows("DONE", capture);
    assert_eq!(screen.lines().count(), 40, "{screen}");
    tmux.run(&["resize-window", "-x", "60", "-y", "15"]);
    tmux.run(&["send-keys", "and narrow"]);
    shows("and narrow", capture);
    tmux.run(&["send-keys", "C-c"]);
    tmux.run(&["send-keys", "C-d"]);
    let screen = shows("left with 0", capture);
    assert!(
        screen.contains("before"),
        "the normal screen is back\n{screen}"
    );
}

#[test]
fn a_terminal_that_goes_away_ends_the_program() {
    if !there_or_not_run("tmux") {
        return;
    }
    let bench = Bench::new();
    let model = talking(&bench, 2000);
    let tmux = Tmux::new(&bench);
    let program = quoted(&[env!("CARGO_BIN_EXE_descant"), "-m", &model]);
    tmux.start(&format!("exec {program}"));
    shows("Ask for a change", || tmux.screen());
    tmux.run(&["send-keys", "tell me", "Enter"]);
    shows("word20", || tmux.screen());
    let pid = tmux.run(&["display-message", "-p", "#{pane_pid}"]);
    tmux.run(&["kill-server"]);
    let deadline = Instant::now() + PATIENCE;
    while std::path::Path::new("/proc").join(pid.trim()).exists() {
        assert!(Instant::now() < deadline, "runs on without a terminal");
        std::thread::sleep(Duration::from_millis(20));
    }
    let list = bench.run(&["sessions", "list"]);
    assert!(list.stdout.contains("tell me"), "{list:?}");
}

#[test]
fn inside_screen() {
    if !there_or_not_run("screen") {
        return;
    }
    let bench = Bench::new();
    let model = talking(&bench, 20);
    let folder = bench.home().join("screens");
    std::fs::create_dir(&folder).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&folder, mode).unwrap();
    let program = quoted(&[env!("CARGO_BIN_EXE_descant"), "-m", &model]);
    let shell = format!("{program}; echo left with $?; exec sleep 60");
    // A screen inside a terminal of ours, so that it has one to be attached to.
    let mut pty = Pty::program_in(
        &bench,
        24,
        80,
        "screen",
        &["-c", "/dev/null", "-S", "descant", "sh", "-c", &shell],
        &[("SCREENDIR", &folder.display().to_string())],
    );
    pty.wait_for("Ask for a change");
    pty.send("say something\r");
    pty.wait_for("DONE");
    pty.resize(30, 100);
    pty.send("wider");
    pty.wait_for("wider");
    pty.send("\x03\x04");
    pty.wait_for("left with 0");
}
