//! Every screen at four sizes, with the styles each cell has, by their names. A new screen is one row of [`SCREENS`].

use super::{answered, ready, review, thinking, tools};
use crate::agent::{
    AgentEvent, Answer, ApprovalPolicy, Check, Facts, HistoryEvent, Listed, LoadProgress, Message,
    ModelChoice, RunId, SessionFile,
};
use crate::conversation::{TurnId, Usage};
use crate::patch::{Overall, OverallFile, Since};
use crate::tui::model::Msg;
use crate::tui::testing::{Session, plan};
use crate::tui::theme::{self, STYLES, Theme};
use ratatui::style::{Color, Modifier};
use std::time::Duration;

const SIZES: [(u16, u16); 4] = [(40, 12), (80, 24), (120, 40), (200, 60)];
/// Where nothing can be read and nothing may break.
const TINY: [(u16, u16); 6] = [(20, 5), (1, 1), (2, 1), (1, 2), (5, 3), (39, 4)];

type Prepare = fn(&mut Session);

const SCREENS: &[(&str, Prepare)] = &[
    ("loading", loading),
    ("empty", ready),
    ("streaming", thinking),
    ("cards", tools),
    ("answered", answered),
    ("unfolded", |session| {
        answered(session);
        session.keys("<Ctrl+O>");
    }),
    ("reasoning_focused", |session| {
        answered(session);
        session.keys("<Shift+Tab>");
    }),
    ("error", error),
    ("queued", |session| {
        thinking(session);
        session.agent(AgentEvent::Queued {
            text: "and then the tests".into(),
        });
    }),
    ("review", review),
    ("review_second", |session| {
        review(session);
        session.keys("y");
    }),
    ("review_note", |session| {
        review(session);
        session.keys("nkeep this one");
    }),
    ("review_finish", |session| {
        review(session);
        session.keys("yq");
    }),
    ("help", |session| session.keys("/help<Enter>")),
    ("help_search", |session| session.keys("/help<Enter>/theme")),
    ("keys", |session| session.keys("/keys<Enter>")),
    ("commands", |session| {
        ready(session);
        session.keys("/");
    }),
    ("palette", |session| {
        ready(session);
        session.keys("<Ctrl+P>");
    }),
    ("efforts", |session| {
        ready(session);
        session.keys("/effort <Esc><Enter>");
    }),
    ("status", |session| {
        answered(session);
        session.agent(AgentEvent::Answer(Box::new(Answer::Facts(Facts {
            asking: crate::config::Asking::default(),
            context_files: vec!["AGENTS.md".into()],
            workspace: "/work/shop".into(),
            session: Some(SessionFile {
                id: "20260722T101500Z-0a1b2c3d".into(),
                path: "/state/sessions/20260722T101500Z-0a1b2c3d.jsonl".into(),
            }),
            patches: 1,
            journal: Ok(("/state/journal/5f2c".into(), 5000)),
        }))));
    }),
    ("doctor", |session| {
        ready(session);
        session.agent(AgentEvent::Answer(Box::new(Answer::Checkup(vec![
            check("model", true, "gpt-oss-20b at /models/gpt-oss-20b", None),
            check(
                "container",
                false,
                "nothing answers at /var/run/docker.sock",
                Some("start docker, or set DOCKER_HOST"),
            ),
        ]))));
    }),
    ("changes", |session| {
        answered(session);
        session.agent(changes());
    }),
    ("changes_search", |session| {
        answered(session);
        session.agent(changes());
        session.keys("/new");
    }),
    ("search", |session| {
        answered(session);
        session.keys("<Tab>/total");
    }),
    ("search_kept", |session| {
        answered(session);
        session.keys("<Tab>/total<Enter>n");
    }),
    ("history_search", |session| {
        ready(session);
        session.send(Msg::History(vec![
            "rename total".into(),
            "add a test for total".into(),
        ]));
        session.keys("<Ctrl+R>total");
    }),
    ("shell", |session| {
        ready(session);
        let run = RunId(1);
        let command = "cargo test --lib".to_owned();
        session.agent(AgentEvent::ShellStarted { run, command });
        session.agent(AgentEvent::ShellOutput {
            run,
            text: "running 3 tests\n\u{1b}[32mok\u{1b}[0m\n".into(),
        });
        session.now += Duration::from_secs(3);
        session.send(Msg::Tick);
    }),
    ("approvals", |session| {
        ready(session);
        session.agent(AgentEvent::Approvals(ApprovalPolicy::ApplyAll));
        session.keys("/approvals<Enter>");
    }),
    ("models", |session| {
        ready(session);
        let choice = |name: &str, place: &str| ModelChoice {
            name: name.into(),
            place: place.into(),
        };
        session.agent(AgentEvent::Answer(Box::new(Answer::Models(vec![
            choice("demo", "built in"),
            choice("gpt-oss-20b", "/models/gpt-oss-20b"),
        ]))));
    }),
    ("sessions", |session| {
        ready(session);
        let listed = |id: &str, title: &str, age| Listed {
            path: format!("/state/sessions/{id}.jsonl").into(),
            id: id.into(),
            title: title.into(),
            folder: "/work/shop".into(),
            here: true,
            branch: Some("main".into()),
            messages: 3,
            age: Duration::from_secs(age),
        };
        session.agent(AgentEvent::History(HistoryEvent::Sessions(vec![
            listed("b", "make total add the prices", 120),
            listed("a", "why does the discount come twice?", 90_000),
        ])));
    }),
    ("rewind", |session| {
        answered(session);
        let message = |turn, text: &str, patches| Message {
            turn: TurnId(turn),
            text: text.into(),
            patches,
        };
        session.agent(AgentEvent::History(HistoryEvent::Messages(vec![
            message(1, "make total add the prices", 1),
            message(2, "and round them", 0),
        ])));
    }),
    ("themes", |session| {
        ready(session);
        session.keys("/theme<Enter>");
    }),
];

fn check(name: &'static str, ok: bool, detail: &str, hint: Option<&str>) -> Check {
    Check {
        name,
        ok,
        detail: detail.into(),
        hint: hint.map(str::to_owned),
    }
}

fn changes() -> AgentEvent {
    let files = plan().files.into_iter().map(|plan| OverallFile {
        since: Since::AsWritten,
        plan,
        note: None,
    });
    let overall = Overall {
        files: files.collect(),
        undone: 0,
    };
    AgentEvent::Answer(Box::new(Answer::Changes(Ok(overall))))
}

fn loading(session: &mut Session) {
    session.agent(AgentEvent::ModelLoading(LoadProgress {
        stage: "reading weights",
        bytes: Some((3 << 30, 12 << 30)),
        elapsed: Duration::from_secs(4),
    }));
    session.keys("fix the");
}

fn error(session: &mut Session) {
    thinking(session);
    session.agent(AgentEvent::TurnFailed {
        turn: TurnId(1),
        usage: Usage::default(),
        error: "the model ran out of memory\nclose other programs, or take a smaller context"
            .into(),
        unavailable: true,
    });
    session.send(Msg::Warning(
        "the history cannot be written: disk full".into(),
    ));
}

/// A theme in which every style has a colour of its own, so that a cell tells which style it has.
fn marked() -> Theme {
    let dark = Theme::named("dark").unwrap();
    let mut theme = Theme::default();
    for (n, row) in STYLES.iter().enumerate() {
        let mut style = (row.get)(&dark);
        let mark = Color::Indexed(u8::try_from(n + 16).unwrap());
        style.fg = Some(mark);
        style.bg = style.bg.map(|_own| mark);
        theme::set(&mut theme, row.name, style);
    }
    theme
}

fn name(colour: Color) -> &'static str {
    match colour {
        Color::Indexed(n) => STYLES.get(usize::from(n) - 16).map_or("?", |row| row.name),
        Color::Reset => "-",
        other => panic!("a colour that is not the theme's: {other}"),
    }
}

/// `0+9 heading, 10+4 dim/popup`: from which column, how many cells, which style, over which other one.
fn styles(session: &mut Session) -> String {
    let buffer = session.buffer();
    let width = usize::from(buffer.area.width);
    let mut out = String::new();
    for (y, row) in buffer.content().chunks(width).enumerate() {
        let mut runs: Vec<(usize, usize, String)> = Vec::new();
        for (x, cell) in row.iter().enumerate() {
            let (fg, bg) = (name(cell.fg), name(cell.bg));
            let mut look = match (fg, bg) {
                (fg, "-") => fg.to_owned(),
                (fg, bg) if fg == bg => fg.to_owned(),
                (fg, bg) => format!("{fg}/{bg}"),
            };
            if cell.modifier.contains(Modifier::REVERSED) {
                look.push_str(" reversed");
            }
            // What is empty shows no colour of its own, and ends no run.
            if cell.symbol() == " " && bg == "-" && !look.contains("reversed") {
                continue;
            }
            match runs.last_mut() {
                Some((start, count, last)) if *last == look => *count = x + 1 - *start,
                _ => runs.push((x, 1, look)),
            }
        }
        let told: Vec<String> = runs
            .into_iter()
            .map(|(x, count, look)| format!("{x}+{count} {look}"))
            .collect();
        if !told.is_empty() {
            out.push_str(&format!("{y}: {}\n", told.join(", ")));
        }
    }
    out
}

fn screen(prepare: Prepare, (width, height): (u16, u16)) -> String {
    let mut session = Session::new(width, height);
    session.model.theme = marked();
    prepare(&mut session);
    let text = session.screen();
    format!(
        "{width}x{height}\n{text}-- styles\n{}",
        styles(&mut session)
    )
}

#[test]
fn every_screen_looks_as_it_did() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots/screens");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, prepare) in SCREENS {
            let sizes = SIZES.map(|size| screen(*prepare, size));
            insta::assert_snapshot!(*name, sizes.join("\n"));
        }
    });
}

#[test]
fn no_screen_breaks_where_it_has_no_room() {
    for (_, prepare) in SCREENS {
        for (width, height) in TINY {
            let mut session = Session::new(width, height);
            prepare(&mut session);
            session.screen();
            // Smaller than it was when it opened, and larger.
            session.send(Msg::Resize(1, 1));
            session.screen();
            session.send(Msg::Resize(80, 24));
            session.screen();
        }
    }
}

/// The terminal may be smaller than the model believes, until the message about it comes.
#[test]
fn a_screen_drawn_too_large_is_cut() {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    for (_, prepare) in SCREENS {
        let mut session = Session::new(80, 24);
        prepare(&mut session);
        super::super::settle(&mut session.model, &mut session.cache);
        let mut terminal = Terminal::new(TestBackend::new(17, 3)).unwrap();
        terminal
            .draw(|frame| super::super::view(&session.model, &mut session.cache, frame))
            .unwrap();
    }
}

#[test]
fn without_utf_8_every_cell_is_ascii() {
    for (name, prepare) in SCREENS {
        let mut session = Session::new(80, 24);
        session.model.look.ascii = true;
        prepare(&mut session);
        let screen = session.screen();
        assert!(screen.is_ascii(), "{name}:\n{screen}");
        assert_eq!(screen.lines().count(), 24, "{name}");
    }
}
