//! What was on screen when the process was killed is on record, and on screen again when it is resumed.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

mod support;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::time::Duration;
use support::{Bench, pty::Pty};

/// Moments of a stream at which the process is killed.
const ROUNDS: usize = 6;

/// `w0007 w0008 ...`: whatever part of them is on screen can be named.
fn words(range: std::ops::Range<usize>) -> String {
    let words: Vec<String> = range.map(|n| format!("w{n:04}")).collect();
    words.join(" ")
}

fn script() -> String {
    let text = format!(
        "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>{}<|return|>",
        words(0..60),
        words(100..900)
    );
    serde_json::json!({"generations": [{"text": text, "token_ms": 4}]}).to_string()
}

/// The words of a text that are there in full.
fn whole_words(text: &str) -> BTreeSet<&str> {
    let is_word = |at: &usize| {
        let digits = text.get(at + 1..at + 5).unwrap_or_default();
        digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let starts = text.match_indices('w').map(|(at, _)| at).filter(is_word);
    starts.map(|at| &text[at..at + 5]).collect()
}

#[test]
fn a_killed_process_loses_nothing_that_was_on_screen() {
    let mut random = StdRng::seed_from_u64(9);
    for round in 0..ROUNDS {
        let bench = Bench::without_sandbox();
        let model = bench.scripted(&script());
        let mut pty = Pty::start(&bench, 30, 120, &["-m", &model]);
        pty.wait_for("Ask for a change");
        pty.send("count for me\r");
        pty.wait_for("w0003");
        std::thread::sleep(Duration::from_millis(random.random_range(0..1500)));
        let process = Pid::from_raw(pty.child.process_id().unwrap().cast_signed()).unwrap();
        kill_process(process, Signal::KILL).unwrap();
        pty.wait_exit();
        let screen = pty.screen();
        let seen = whole_words(&screen);
        assert!(seen.len() > 3, "round {round}\n{screen}");

        let list = bench.run(&["sessions"]).stdout;
        assert!(list.ends_with("\tcount for me\n"), "{list}");
        let id = list.split('\t').next().unwrap();
        let shown = bench.run(&["sessions", "show", id]);
        assert_eq!(shown.stderr, "", "round {round}");
        let kept = whole_words(&shown.stdout);
        let lost: Vec<_> = seen.difference(&kept).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?}\n{screen}");

        let mut again = Pty::start(&bench, 30, 120, &["resume", "--last", "-m", &model]);
        again.wait_for("interrupted when Descant ended");
        let last = seen.last().unwrap();
        again.wait_for(last);
        again.wait_for("count for me");
        again.send("\x04");
        assert_eq!(again.wait_exit(), 0);
    }
}

#[test]
fn resume_offers_a_list_and_a_conversation_that_is_open_is_forked() {
    let bench = Bench::without_sandbox();
    let answers =
        r#"{"generations": [{"text": "<|channel|>final<|message|>An answer.<|return|>"}]}"#;
    let model = bench.scripted(answers);
    for message in ["about apples", "about pears"] {
        let ran = bench.run(&["--once", message, "-m", &model]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let mut pty = Pty::start(&bench, 24, 80, &["resume", "-m", &model]);
    pty.wait_for("about apples");
    pty.wait_for("about pears");
    pty.send("pears");
    pty.wait("the search", |screen| !screen.contains("apples"));
    pty.send("\r");
    pty.wait_for("An answer.");
    // The same one, while it is open.
    let list = bench.run(&["sessions"]).stdout;
    let line = list.lines().find(|line| line.contains("pears")).unwrap();
    let id = line.split('\t').next().unwrap();
    let mut second = Pty::start(&bench, 24, 80, &["resume", id, "-m", &model]);
    second.wait_for("open in another Descant");
    second.wait_for("An answer.");
    second.send("\x04");
    assert_eq!(second.wait_exit(), 0);
    pty.send("\x04");
    assert_eq!(pty.wait_exit(), 0);
    assert_eq!(bench.run(&["sessions"]).stdout.lines().count(), 3);
}

#[test]
fn records_are_the_owners_alone_under_any_umask() {
    use std::os::unix::fs::PermissionsExt;
    for umask in ["000", "022", "077", "277"] {
        let bench = Bench::without_sandbox();
        let answer = r#"{"generations": [{"text": "<|channel|>final<|message|>Yes.<|return|>"}]}"#;
        let model = bench.scripted(answer);
        let mut shell = std::process::Command::new("sh");
        let program = env!("CARGO_BIN_EXE_descant");
        let line = format!("umask {umask} && exec {program} --once hello -m {model}");
        shell.args(["-c", &line]).current_dir(bench.work());
        shell.envs(bench.environment());
        let ran = shell.output().unwrap();
        assert!(ran.status.success(), "{umask}: {ran:?}");
        let home = bench
            .environment()
            .into_iter()
            .find(|(name, _)| *name == "DESCANT_HOME");
        let sessions = std::path::PathBuf::from(home.unwrap().1).join("sessions");
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&sessions), 0o700, "{umask}");
        let files: Vec<_> = std::fs::read_dir(&sessions).unwrap().collect();
        assert_eq!(files.len(), 1, "{umask}");
        for file in files {
            assert_eq!(mode(&file.unwrap().path()), 0o600, "{umask}");
        }
    }
}
