//! The interface on a real pseudo-terminal, against an agent that plays a part: what is on screen, what
//! keys do, and that every way out leaves the terminal as it was.
//!
//! Each test starts this test binary again as the program under the terminal (`the_program`), so nothing
//! but the library is needed: no model, no container.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use descant::agent::{AgentCommand, AgentEvent, ReviewId};
use descant::config::UiSettings;
use descant::conversation::{CallId, Effort, TurnId, Usage};
use descant::patch::{
    ChangeKind, Decision, Encoding, FilePlan, Hunk, HunkId, HunkLine, LineKind, LocateStage, Plan,
};
use descant::tui;
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const PART: &str = "DESCANT_TEST_PART";
/// Machines that are busy get this long for what takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Not a test of its own: the program under the terminal.
#[test]
#[ignore = "started by the other tests"]
fn the_program() {
    let Ok(part) = std::env::var(PART) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    if part == "interface panics" {
        runtime.block_on(tui::terminal::marked(async {
            let screen = tui::terminal::Screen::take(true).unwrap();
            let _guard = screen.guard_panics(|_| {});
            panic!("the interface broke");
        }));
    }
    let result = runtime.block_on(async {
        let (commands, inbox) = mpsc::channel(16);
        let (outbox, events) = mpsc::channel(64);
        tokio::spawn(agent(part, inbox, outbox));
        let options = tui::TuiOptions {
            theme: "auto".into(),
            no_color: std::env::var_os("NO_COLOR").is_some(),
            config: "/nowhere".into(),
            screen_reader: false,
            effort: Effort::Medium,
            approvals: descant::agent::ApprovalPolicy::Review,
            branch: Some("main".into()),
            workspace: "/somewhere/project".into(),
            model: "gpt-oss-20b".into(),
            first_start: false,
            editor: "false".into(),
            history_file: std::env::var_os("DESCANT_TEST_HISTORY").map(Into::into),
            state: std::env::var_os("DESCANT_TEST_STATE").map(Into::into),
            ui: UiSettings::default(),
            git: None,
            keys: Default::default(),
            prompt: None,
        };
        tui::run(options, commands, events).await
    });
    assert!(result.is_ok(), "{result:?}");
}

async fn agent(
    part: String,
    mut inbox: mpsc::Receiver<AgentCommand>,
    events: mpsc::Sender<AgentEvent>,
) {
    if part == "agent goes" {
        return;
    }
    if part == "agent panics" {
        tokio::time::sleep(Duration::from_millis(300)).await;
        tokio::spawn(async { panic!("a worker broke") });
    }
    let turn = TurnId(1);
    while let Some(command) = inbox.recv().await {
        let answer = match command {
            AgentCommand::Submit(prompt) if part == "review" => {
                let _ = events.send(AgentEvent::TurnStarted { turn, prompt }).await;
                let _ = events
                    .send(AgentEvent::ReasoningDelta("I change both.".into()))
                    .await;
                AgentEvent::ReviewRequested {
                    review: ReviewId(1),
                    call: CallId(1),
                    plan: Box::new(plan()),
                }
            }
            AgentCommand::Submit(prompt) => {
                let notice = format!("got {} bytes", prompt.len());
                let short: String = prompt.chars().take(20).collect();
                let _ = events
                    .send(AgentEvent::TurnStarted {
                        turn,
                        prompt: short,
                    })
                    .await;
                let _ = events.send(AgentEvent::Notice(notice)).await;
                AgentEvent::TurnDone {
                    turn,
                    usage: Usage::default(),
                    answered: true,
                }
            }
            AgentCommand::Review { decisions, .. } => {
                let words: Vec<String> = decisions
                    .hunks
                    .values()
                    .map(|d| match d {
                        Decision::Accept => "accepted".to_owned(),
                        Decision::Reject { note } => {
                            format!("rejected ({})", note.as_deref().unwrap_or("-"))
                        }
                    })
                    .collect();
                let _ = events
                    .send(AgentEvent::Notice(format!("decided: {}", words.join(", "))))
                    .await;
                AgentEvent::TurnDone {
                    turn,
                    usage: Usage::default(),
                    answered: true,
                }
            }
            AgentCommand::Shutdown => return,
            _ => continue,
        };
        let _ = events.send(answer).await;
    }
}

fn plan() -> Plan {
    let hunk = |id: usize, start: usize, old: &str, new: &str| Hunk {
        id: HunkId(id),
        old_start: start,
        old_lines: 1,
        new_start: start,
        new_lines: 1,
        lines: vec![
            HunkLine {
                kind: LineKind::Removed,
                text: old.into(),
            },
            HunkLine {
                kind: LineKind::Added,
                text: new.into(),
            },
        ],
    };
    Plan {
        files: vec![FilePlan {
            kind: ChangeKind::Update,
            path: "calc.py".to_owned().try_into().unwrap(),
            target: None,
            pre: Some(b"a = 1\nb = 2\n".to_vec()),
            post: Some(b"a = 3\nb = 4\n".to_vec()),
            encoding: Encoding::Utf8,
            mode: 0o644,
            new_mode: None,
            stage: LocateStage::Exact,
            hunks: vec![hunk(0, 1, "a = 1", "a = 3"), hunk(1, 2, "b = 2", "b = 4")],
        }],
    }
}

fn cells(n: u16) -> NonZero<u16> {
    NonZero::new(n).unwrap()
}

/// The terminal and the program on it.
struct Session {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    raw: Vec<u8>,
    before: String,
}

impl Session {
    fn start(part: &str) -> Session {
        Session::with(part, &[])
    }

    fn with(part: &str, variables: &[(&str, &str)]) -> Session {
        let size = PtySize {
            rows: 24,
            cols: 80,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "--nocapture", "the_program"]);
        for unset in [
            "NO_COLOR",
            "COLORFGBG",
            "COLORTERM",
            "TMUX",
            "STY",
            "TERM_PROGRAM",
        ] {
            command.env_remove(unset);
        }
        command.env("TERM", "xterm-256color");
        command.env(PART, part);
        for (name, value) in variables {
            command.env(name, value);
        }
        let before = format!("{:?}", pair.master.get_termios());
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let writer = pair.master.take_writer().unwrap();
        Session {
            master: pair.master,
            child,
            writer,
            output,
            screen: vt100::Parser::new(cells(24), cells(80), 0),
            raw: Vec::new(),
            before,
        }
    }

    fn type_in(&mut self, text: &str) {
        self.writer.write_all(text.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    /// Takes in what comes for `time`, or until the program closed its side; how much came.
    fn take_in(&mut self, time: Duration) -> usize {
        match self.output.recv_timeout(time) {
            Ok(bytes) => {
                self.screen.process(&bytes);
                self.raw.extend_from_slice(&bytes);
                bytes.len()
            }
            Err(RecvTimeoutError::Timeout) => 0,
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(Duration::from_millis(5));
                0
            }
        }
    }

    fn text(&self) -> String {
        self.screen.screen().contents()
    }

    fn wait_for(&mut self, what: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.text().contains(what) {
            assert!(Instant::now() < until, "no {what:?} on\n{}", self.text());
            self.take_in(Duration::from_millis(50));
        }
    }

    /// Until nothing came for a while.
    fn settle(&mut self) {
        while self.take_in(Duration::from_millis(400)) > 0 {}
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.process_id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Waits for the end and checks that no mode is left set.
    fn ended(&mut self, how: &str) -> u32 {
        let until = Instant::now() + PATIENCE;
        let status = loop {
            self.take_in(Duration::from_millis(20));
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < until,
                "{how}: still running\n{}",
                self.text()
            );
        };
        self.settle();
        let screen = self.screen.screen();
        assert!(!screen.alternate_screen(), "{how}: alternate screen");
        assert!(!screen.bracketed_paste(), "{how}: bracketed paste");
        assert!(!screen.hide_cursor(), "{how}: hidden cursor");
        assert_eq!(
            screen.mouse_protocol_mode(),
            vt100::MouseProtocolMode::None,
            "{how}: mouse"
        );
        assert_eq!(
            format!("{:?}", self.master.get_termios()),
            self.before,
            "{how}: line discipline"
        );
        status.exit_code()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn one_types_while_the_model_loads_and_the_message_is_sent() {
    let mut session = Session::start("answer");
    session.wait_for("loading gpt-oss-20b");
    assert!(session.screen.screen().alternate_screen());
    session.type_in("hello there");
    session.wait_for("› hello there");
    session.type_in("\r");
    session.wait_for("got 11 bytes");
}

#[test]
fn every_way_out_restores_the_terminal() {
    type Leave = fn(&mut Session);
    let ways: [(&str, Leave); 5] = [
        ("Ctrl+D", |s| s.type_in("\x04")),
        ("Ctrl+C twice", |s| s.type_in("\x03\x03")),
        ("/quit", |s| s.type_in("/quit\r")),
        ("SIGTERM", |s| s.signal(Signal::TERM)),
        ("SIGHUP", |s| s.signal(Signal::HUP)),
    ];
    for (how, leave) in ways {
        let mut session = Session::start("answer");
        session.wait_for("loading");
        session.settle();
        leave(&mut session);
        assert_eq!(session.ended(how), 0, "{how}");
    }
}

#[test]
fn a_panic_of_the_interface_is_readable_on_a_restored_terminal() {
    let mut session = Session::start("interface panics");
    assert_ne!(session.ended("panic"), 0);
    let raw = String::from_utf8_lossy(&session.raw).into_owned();
    let restored = raw.find("\x1b[?1049l").unwrap();
    assert!(
        raw[restored..].contains("the interface broke"),
        "printed after the screen is back: {raw}"
    );
}

#[test]
fn a_panic_elsewhere_is_reported_and_the_interface_lives() {
    let mut session = Session::start("agent panics");
    session.wait_for("a worker broke");
    assert!(session.screen.screen().alternate_screen());
    session.type_in("still here");
    session.wait_for("› still here");
}

#[test]
fn an_agent_that_ends_is_reported() {
    let mut session = Session::start("agent goes");
    session.wait_for("the agent stopped");
    session.type_in("\x04");
    assert_eq!(session.ended("agent goes"), 0);
}

#[test]
fn a_megabyte_of_paste_is_taken_at_once_and_sent_whole() {
    let mut session = Session::start("answer");
    session.wait_for("loading");
    session.settle();
    let paste = "0123456789abcde\n".repeat(65_536);
    session.type_in(&format!("\x1b[200~{paste}\x1b[201~"));
    session.wait_for("[pasted 65536 lines]");
    session.type_in("\r");
    session.wait_for("got 1048576 bytes");
}

#[test]
fn nothing_is_written_while_nothing_happens() {
    let mut session = Session::start("answer");
    session.wait_for("loading");
    session.settle();
    assert_eq!(session.take_in(Duration::from_millis(1500)), 0);
}

#[test]
fn a_review_is_decided_by_keys_and_the_note_arrives() {
    let mut session = Session::start("review");
    session.wait_for("loading");
    session.type_in("change both\r");
    session.wait_for("hunk 1 of 2");
    assert!(session.text().contains("update calc.py"));
    session.type_in("y");
    session.wait_for("hunk 2 of 2");
    session.type_in("n");
    session.wait_for("note to the model");
    session.type_in("keep b\r");
    session.wait_for("decided: accepted, rejected (keep b)");
}

#[test]
fn the_screen_follows_the_size() {
    let mut session = Session::start("answer");
    session.wait_for("loading");
    session.settle();
    session
        .master
        .resize(PtySize {
            rows: 12,
            cols: 40,
            pixel_width: 0,
            pixel_height: 0,
        })
        .unwrap();
    session.screen.screen_mut().set_size(cells(12), cells(40));
    let until = Instant::now() + PATIENCE;
    loop {
        session.take_in(Duration::from_millis(50));
        let rows: Vec<String> = session.screen.screen().rows(0, 40).collect();
        if rows[11].contains("loading") && rows[10].contains("Ask for a change") {
            break;
        }
        assert!(Instant::now() < until, "{}", session.text());
    }
}

#[test]
fn a_light_background_gives_the_light_theme() {
    // The background of the status bar: 254 in the light theme, 236 in the dark one.
    let bar = |s: &Session| s.screen.screen().cell(23, 1).map(|c| c.bgcolor());
    // A busy machine may answer later than we ask for: then once more.
    for _ in 0..5 {
        let mut session = Session::start("answer");
        let until = Instant::now() + PATIENCE;
        while !String::from_utf8_lossy(&session.raw).contains("\x1b]11;?") {
            assert!(Instant::now() < until, "the background was not asked for");
            session.take_in(Duration::from_millis(5));
        }
        session.type_in("\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[?62;c");
        session.wait_for("loading");
        session.settle();
        if bar(&session) == Some(vt100::Color::Idx(254)) {
            return;
        }
    }
    panic!("the light theme never came");
}

#[test]
fn an_answer_that_comes_too_late_is_not_typed() {
    let mut session = Session::start("answer");
    session.wait_for("loading");
    session.settle();
    session.type_in("\x1b]11;rgb:ffff/ffff/ffff\x1b\\");
    session.type_in("typed");
    session.wait_for("› typed");
    session.settle();
    assert!(!session.text().contains("rgb"), "{}", session.text());
}

#[test]
fn no_color_gets_no_colour() {
    let mut session = Session::with("review", &[("NO_COLOR", "1")]);
    session.wait_for("loading");
    session.type_in("go\r");
    session.wait_for("+ a = 3");
    session.settle();
    let raw = String::from_utf8_lossy(&session.raw).into_owned();
    let colour = regex::Regex::new("\u{1b}\\[([0-9]+;)*([34][0-8]|9[0-7]|10[0-7])[;m]").unwrap();
    assert!(!colour.is_match(&raw), "{raw:?}");
    assert!(raw.contains("\x1b[1m"), "weight is no colour: {raw:?}");
}

#[test]
fn a_dumb_terminal_gets_lines_and_no_escape() {
    let mut session = Session::with("review", &[("TERM", "dumb")]);
    session.wait_for("line by line");
    session.type_in("go\r");
    session.wait_for("a = 3");
    session.settle();
    let raw = String::from_utf8_lossy(&session.raw).into_owned();
    assert!(!raw.contains('\x1b'), "{raw:?}");
}

#[test]
fn the_history_outlives_the_session_and_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history");
    let variables = [("DESCANT_TEST_HISTORY", path.to_str().unwrap())];
    let mut first = Session::with("answer", &variables);
    first.wait_for("loading");
    first.type_in("remember me\r");
    first.wait_for("got 11 bytes");
    first.type_in("\x04");
    first.ended("history");
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let mut second = Session::with("answer", &variables);
    second.wait_for("loading");
    second.settle();
    second.type_in("\x1b[A");
    second.wait_for("› remember me");
}

impl Session {
    fn raw(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    fn wait_for_bytes(&mut self, what: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.raw().contains(what) {
            assert!(Instant::now() < until, "no {what:?} in {:?}", self.raw());
            self.take_in(Duration::from_millis(50));
        }
    }

    /// A turn, its notice selected and copied.
    fn copy_a_notice(&mut self) {
        self.wait_for("loading");
        self.settle();
        self.type_in("hello\r");
        self.wait_for("got 5 bytes");
        self.settle();
        self.type_in("\tKy");
    }
}

/// `got 5 bytes` in base64.
const COPIED: &str = "\x1b]52;c;Z290IDUgYnl0ZXM=\x07";

#[test]
fn a_copy_is_sent_to_the_terminal_and_in_tmux_through_it() {
    let mut bare = Session::start("answer");
    bare.copy_a_notice();
    bare.wait_for_bytes(COPIED);
    bare.wait_for("sent to the terminal's clipboard (OSC 52)");
    assert!(!bare.raw().contains("\x1bPtmux;"));
    let mut tmux = Session::with("answer", &[("TMUX", "/nowhere/tmux,1,0")]);
    tmux.copy_a_notice();
    tmux.wait_for_bytes(&format!(
        "{COPIED}\x1bPtmux;{}\x1b\\",
        COPIED.replace('\x1b', "\x1b\x1b")
    ));
}

#[test]
fn where_the_terminal_takes_no_copy_it_is_in_a_file_and_its_path_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let mut session = Session::with(
        "answer",
        &[("TERM", "linux"), ("DESCANT_TEST_STATE", state)],
    );
    session.copy_a_notice();
    session.wait_for("this terminal has no clipboard we could reach");
    assert!(!session.raw().contains("\x1b]52;"));
    let path = folder.path().join("clipboard.txt");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "got 5 bytes");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

#[test]
fn the_title_is_ours_while_we_run_and_given_back() {
    let mut session = Session::start("answer");
    session.wait_for("loading");
    session.type_in("x");
    session.wait_for_bytes("\x1b]2;Descant: project\x07");
    session.type_in("\x7f\x04");
    session.ended("title");
    let raw = session.raw();
    let kept = raw.find("\x1b[22;2t").unwrap();
    assert!(kept < raw.find("\x1b]2;").unwrap());
    assert!(raw.rfind("\x1b[23;2t").unwrap() > raw.rfind("\x1b]2;").unwrap());
}

#[test]
fn a_turn_that_ends_calls_only_when_nobody_looks() {
    let mut session = Session::start("answer");
    session.wait_for("loading");
    session.settle();
    session.type_in("one\r");
    session.wait_for("got 3 bytes");
    session.wait_for_bytes("\x1b[?1004h");
    session.settle();
    assert!(
        !session.raw().contains("\x1b]9;"),
        "nothing told of the focus"
    );
    session.type_in("\x1b[O");
    session.type_in("four\r");
    session.wait_for("got 4 bytes");
    session.wait_for_bytes("\x1b]9;Descant: the turn is over\x07");
    session.type_in("\x1b[I");
    session.type_in("fives\r");
    session.wait_for("got 5 bytes");
    session.settle();
    assert_eq!(session.raw().matches("\x1b]9;").count(), 1);
    session.type_in("\x04");
    session.ended("focus");
    assert!(session.raw().contains("\x1b[?1004l"));
}

#[test]
fn the_mouse_can_be_left_to_the_terminal() {
    let mut session = Session::start("answer");
    session.wait_for("loading");
    session.settle();
    let mode = |session: &Session| session.screen.screen().mouse_protocol_mode();
    assert_ne!(mode(&session), vt100::MouseProtocolMode::None);
    session.type_in("/mouse\r");
    session.wait_for("the mouse is the terminal's");
    assert_eq!(mode(&session), vt100::MouseProtocolMode::None);
}

#[test]
fn the_raw_view_is_on_the_normal_screen_until_a_key() {
    let mut session = Session::start("answer");
    session.wait_for("loading");
    session.settle();
    session.type_in("hello\r");
    session.wait_for("got 5 bytes");
    session.type_in("/raw\r");
    session.wait_for("any key returns to Descant");
    assert!(!session.screen.screen().alternate_screen());
    assert!(session.text().contains("got 5 bytes"));
    session.type_in("x");
    session.wait_for("following");
    assert!(session.screen.screen().alternate_screen());
    session.type_in("\x04");
    session.ended("raw view");
}
