use super::*;
use crate::agent::{AgentEvent, ToolStatus};
use crate::conversation::{CallId, Effort};
use crate::tui::testing::{Session, start_turn};
use crate::tui::view::tests::snapshot;

fn listed() -> Vec<Listed> {
    let one = |n: u64, title: &str, folder: &str, minutes: u64| Listed {
        path: format!("/state/{n}").into(),
        id: format!("2026112{n}"),
        title: title.into(),
        folder: folder.into(),
        here: folder == "/work/project",
        branch: Some("main".into()),
        messages: n as usize,
        age: Duration::from_secs(minutes * 60),
    };
    vec![
        one(1, "make total add the prices", "/work/project", 0),
        one(2, "why is the cache cold?", "/work/other", 90),
        one(3, "rename greet to welcome", "/work/project", 60 * 24 * 9),
    ]
}

fn sessions(session: &mut Session) {
    session.agent(HistoryEvent::Sessions(listed()).into());
}

fn messages(session: &mut Session) {
    let message = |turn, text: &str, patches| Message {
        turn: TurnId(turn),
        text: text.into(),
        patches,
    };
    let all = vec![
        message(1, "make total add the prices", 2),
        message(2, "\n  and the taxes\nplease", 1),
        message(3, "thanks", 0),
    ];
    session.agent(HistoryEvent::Messages(all).into());
}

#[test]
fn lists_as_they_are_drawn() {
    snapshot("sessions", |session| {
        sessions(session);
        session.keys("<Tab>");
    });
    snapshot("messages", messages);
    snapshot("restored", restored);
}

#[test]
fn a_conversation_is_chosen_of_this_folder_or_named_with_its_command() {
    for (keys, asked, said) in [
        ("<Enter>", vec![r#"resume("/state/1")"#], ""),
        ("<Down><Enter>", vec![r#"resume("/state/3")"#], ""),
        ("cold<Enter>", vec![], ""),
        (
            "<Tab>cold<Enter>",
            vec![],
            "go on with it by: descant -C /work/other resume 20261122",
        ),
        ("<Esc>", vec![], ""),
    ] {
        let mut session = Session::new(80, 24);
        session.keys("/resume<Enter>");
        assert_eq!(session.took(), ["listsessions"]);
        sessions(&mut session);
        session.keys(keys);
        assert_eq!(session.took(), asked, "{keys}");
        assert!(session.screen().contains(said), "{keys}");
    }
}

#[test]
fn esc_twice_goes_back_when_nothing_else_is_meant() {
    for (keys, asked) in [
        ("<Esc><Esc>", vec!["listmessages"]),
        ("<Esc>a<Backspace><Esc>", vec![]),
        ("draft<Esc><Esc>", vec![]),
        ("/rewind<Enter>", vec!["listmessages"]),
    ] {
        let mut session = Session::new(80, 24);
        session.keys(keys);
        assert_eq!(session.took(), asked, "{keys}");
    }
    let mut session = Session::new(80, 24);
    session.keys("<Esc>");
    assert!(session.screen().contains("Esc again goes back"));
    session.now += TWICE;
    session.keys("<Esc>");
    assert_eq!(session.took(), [""; 0], "too late");
    start_turn(&mut session.model);
    session.keys("<Esc><Esc>");
    assert_eq!(session.took(), ["interrupt", "interrupt"]);
}

#[test]
fn going_back_takes_the_files_along_when_asked() {
    for (keys, asked) in [
        ("<Enter>", "rewind { turn: turnid(3), files: false }"),
        ("<Down><Enter>", "rewind { turn: turnid(2), files: false }"),
        ("<End>f", "rewind { turn: turnid(1), files: true }"),
        ("/total<Ctrl+F>", "rewind { turn: turnid(1), files: true }"),
    ] {
        let mut session = Session::new(80, 24);
        messages(&mut session);
        session.keys(keys);
        assert_eq!(session.took(), [asked], "{keys}");
        let message = "and the taxes".to_owned();
        session.agent(HistoryEvent::Rewound { message }.into());
        assert_eq!(session.model.composer.text(), "and the taxes");
    }
}

fn restored(session: &mut Session) {
    start_turn(&mut session.model);
    session.agent(AgentEvent::AnswerDelta("of another conversation".into()));
    let call = CallId(1);
    let events = [
        AgentEvent::TurnStarted {
            turn: TurnId(1),
            prompt: "make total add the prices".into(),
        },
        AgentEvent::ReasoningDone("I should read it.".into()),
        AgentEvent::ToolStarted {
            call,
            tool: "read_file".into(),
            arguments: "{}".into(),
            summary: "read calc.py".into(),
        },
        AgentEvent::ToolFinished {
            call,
            status: ToolStatus::Completed,
            output: "def total(items):".into(),
            exit_code: None,
            elapsed: Duration::from_secs(2),
        },
        AgentEvent::AnswerDone {
            text: "It adds **nothing** yet.".into(),
            last: true,
        },
    ];
    let mut past: Vec<Past> = events.into_iter().map(Past::Event).collect();
    past.push(Past::Ended {
        end: TurnEnd::Answered,
        usage: Usage {
            generated_tokens: 40,
            reasoning_tokens: 6,
            ..Usage::default()
        },
        elapsed: Duration::from_secs(7),
    });
    let effort = Effort::High;
    session.agent(
        HistoryEvent::Restored(Box::new(Restored {
            past,
            effort,
            more: false,
        }))
        .into(),
    );
}

/// A conversation of `turns`, of which each says something in both panes.
fn long(turns: u64) -> Vec<Vec<Past>> {
    let turn = |number: u64| {
        let call = CallId(number);
        let events = [
            AgentEvent::TurnStarted {
                turn: TurnId(number),
                prompt: format!("question {number}"),
            },
            AgentEvent::ReasoningDone(format!("thought {number}")),
            AgentEvent::ToolStarted {
                call,
                tool: "shell".into(),
                arguments: "{}".into(),
                summary: format!("run {number}"),
            },
            AgentEvent::ToolFinished {
                call,
                status: ToolStatus::Completed,
                output: format!("printed {number}"),
                exit_code: None,
                elapsed: Duration::from_secs(2),
            },
            AgentEvent::AnswerDone {
                text: format!("answer {number}\n\nin two paragraphs"),
                last: true,
            },
        ];
        let mut past: Vec<Past> = events.into_iter().map(Past::Event).collect();
        past.push(Past::Ended {
            end: TurnEnd::Answered,
            usage: Usage::default(),
            elapsed: Duration::from_secs(7),
        });
        past
    };
    (1..=turns).map(turn).collect()
}

fn restored_in(session: &mut Session, turns: &[Vec<Past>]) {
    let restored = Restored {
        past: turns.concat(),
        effort: Effort::Low,
        more: true,
    };
    session.agent(HistoryEvent::Restored(Box::new(restored)).into());
}

#[test]
fn a_conversation_that_comes_from_its_end_is_the_one_that_came_at_once() {
    let turns = long(30);
    let mut whole = Session::new(100, 30);
    restored_in(&mut whole, &turns);
    let mut pieces = Session::new(100, 30);
    restored_in(&mut pieces, &turns[26..]);
    for part in [20..26, 7..20, 0..7] {
        pieces.agent(HistoryEvent::Earlier(turns[part].concat()).into());
    }
    for keys in [
        "",
        "<PageUp>",
        "<PageUp><PageUp>",
        "<Tab>g",
        "G",
        "kkkk<Tab>",
        "g",
    ] {
        whole.keys(keys);
        pieces.keys(keys);
        assert_eq!(pieces.screen(), whole.screen(), "{keys}");
    }
    let moments = |session: &Session| -> Vec<_> {
        let cells = session.model.reasoning.transcript.cells();
        cells.iter().map(|cell| cell.moment).collect()
    };
    assert_eq!(moments(&pieces), moments(&whole));
}

#[test]
fn what_is_read_stays_where_it_is_while_the_rest_comes() {
    let turns = long(30);
    let mut session = Session::new(100, 30);
    restored_in(&mut session, &turns[20..]);
    session.keys("<Tab>");
    for keys in ["<PageUp>", "k", "/answer 25<Enter>", "<Esc>g"] {
        session.keys(keys);
        let before = session.screen();
        let part = match keys {
            "<PageUp>" => 18..20,
            "k" => 15..18,
            "<Esc>g" => 0..10,
            _ => 10..15,
        };
        session.agent(HistoryEvent::Earlier(turns[part].concat()).into());
        // Nothing moves; what was empty above the first line of a pane may fill.
        let after = session.screen();
        assert_eq!(after.lines().count(), before.lines().count());
        for (was, is) in before.lines().zip(after.lines()) {
            let kept = was
                .chars()
                .zip(is.chars())
                .all(|(was, is)| was == ' ' || was == is);
            assert!(
                kept && is.chars().count() >= was.chars().count(),
                "{keys}: {was:?} became {is:?}"
            );
        }
    }
    session.keys("g");
    assert!(
        session.screen().contains("question 1\n") || session.screen().contains("question 1 "),
        "{}",
        session.screen()
    );
    // What is being said meanwhile is no part of it.
    let mut session = Session::new(100, 30);
    restored_in(&mut session, &turns[20..]);
    session.agent(AgentEvent::Queued {
        text: "question 3".into(),
    });
    start_turn(&mut session.model);
    session.agent(HistoryEvent::Earlier(turns[..20].concat()).into());
    assert_eq!(session.model.queued, ["question 3"]);
    assert!(session.model.running.is_some());
    assert!(!session.model.conversation.has_news());
}

#[test]
fn what_was_said_takes_the_place_of_what_was_on_screen() {
    let mut session = Session::new(100, 40);
    restored(&mut session);
    let screen = session.screen();
    assert!(!screen.contains("of another conversation"), "{screen}");
    for part in ["add the prices", "read calc.py", "adds nothing yet", "7.0s"] {
        assert!(screen.contains(part), "{part}\n{screen}");
    }
    assert!(session.model.running.is_none());
    assert_eq!(session.model.status.effort, Effort::High);
}
