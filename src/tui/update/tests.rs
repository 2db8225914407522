#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use super::*;
use crate::agent::{AgentEvent, ReviewId, SandboxState};
use crate::conversation::{CallId, TurnId, Usage};
use crate::tui::model::Purpose;
use crate::tui::pane::Scroll;
use crate::tui::testing::{Session, plan, start_turn};
use crossterm::event::{MouseEvent, MouseEventKind};

fn open_review(session: &mut Session) {
    session.agent(AgentEvent::ReviewRequested {
        review: ReviewId(7),
        call: CallId(1),
        plan: Box::new(plan()),
    });
}

/// From an idle interface: keys, what the loop is asked to do, what the composer then holds.
#[test]
fn keys_when_idle() {
    let submit = |text: &str| vec![format!("history {text:?}"), format!("submit {text:?}")];
    let quit = || vec!["shutdown".to_owned(), "quit".to_owned()];
    let none = Vec::new;
    let rows: Vec<(&str, Vec<String>, &str)> = vec![
        ("hello<Enter>", submit("hello"), ""),
        ("<Enter>", none(), ""),
        ("   <Enter>", none(), "   "),
        ("a<Alt+Enter>b<Enter>", submit("a\nb"), ""),
        ("a<Ctrl+J>b<Enter>", submit("a\nb"), ""),
        ("a<Shift+Enter>b<Enter>", submit("a\nb"), ""),
        ("a\\<Enter>b<Enter>", submit("a\nb"), ""),
        ("hi<Ctrl+C>", none(), ""),
        ("<Ctrl+C>", none(), ""),
        ("<Ctrl+C><Ctrl+C>", quit(), ""),
        ("hi<Ctrl+C><Ctrl+C><Ctrl+C>", quit(), ""),
        ("<Ctrl+C>x<Ctrl+C><Ctrl+C>", none(), ""),
        ("<Ctrl+D>", quit(), ""),
        ("ab<Home><Ctrl+D>", none(), "b"),
        ("ab<Ctrl+U>", none(), ""),
        ("/undo<Enter>", vec!["undo(refuse)".into()], ""),
        ("/und<Enter>", vec!["undo(refuse)".into()], ""),
        ("/undo merge<Enter>", vec!["undo(merge)".into()], ""),
        ("/redo<Enter>", vec!["redo(refuse)".into()], ""),
        (
            "/redo markers<Enter>",
            vec!["redo(mergewithmarkers)".into()],
            "",
        ),
        ("/new<Enter>", vec!["newconversation".into()], ""),
        ("/effort high<Enter>", vec!["effort high".into()], ""),
        ("/eff<Enter>l<Enter>", vec!["effort low".into()], ""),
        ("/eff<Tab>", none(), "/effort "),
        ("/rea<Enter>", none(), ""),
        ("/q<Enter>", quit(), ""),
        ("/quit<Esc><Enter>", quit(), ""),
        ("/udno<Enter>", none(), "/udno"),
        (
            "/effort<Esc><Enter>hi<Enter>",
            vec!["effort high".into()],
            "",
        ),
        ("/exit<Enter>", quit(), ""),
        ("/model<Enter>", vec!["inquire(models)".into()], ""),
        (
            "/model demo<Enter>",
            vec!["switchmodel(\"demo\")".into()],
            "",
        ),
        ("/diff<Enter>", vec!["inquire(changes)".into()], ""),
        ("/status<Enter>", vec!["inquire(facts)".into()], ""),
        ("/doctor<Enter>", vec!["inquire(checkup)".into()], ""),
        (
            "/approvals none<Enter>",
            vec!["setapprovals(proposeonly)".into()],
            "",
        ),
        (
            "<Ctrl+P>approvals<Enter>auto<Enter>",
            vec!["setapprovals(applyall)".into()],
            "",
        ),
        (
            "<Ctrl+P>effort<Enter><Down><Enter>",
            vec!["effort high".into()],
            "",
        ),
        ("<Ctrl+P>und<Enter>", vec!["undo(refuse)".into()], ""),
        ("x<Ctrl+P>redraw<Enter>", vec!["redraw".into()], "x"),
        ("x<Ctrl+P>und<Esc>y", none(), "xy"),
        ("<Ctrl+P><Ctrl+C>", none(), ""),
        ("<F1>q<Ctrl+D>", quit(), ""),
        ("<F1>/undo<Enter>x<Esc><Esc>y", none(), "y"),
        ("/keys<Enter>qz", none(), "z"),
        ("/usr/bin is gone<Enter>", submit("/usr/bin is gone"), ""),
        ("<Ctrl+Z>", vec!["suspend".into()], ""),
        ("<Ctrl+L>", vec!["redraw".into()], ""),
        ("<Esc>", none(), ""),
        ("one<Enter>two<Up>", submit("one"), "one"),
        ("one<Enter>two<Up><Down>", submit("one"), "two"),
        ("<Tab>x<Tab>y", none(), "y"),
    ];
    for (keys, expected, text) in rows {
        let mut session = Session::new(80, 24);
        session.keys(keys);
        assert_eq!(
            (session.took(), session.model.composer.text().as_str()),
            (expected, text),
            "{keys}"
        );
    }
}

#[test]
fn keys_while_a_turn_runs() {
    let rows: &[(&str, &[&str], &str)] = &[
        ("<Esc>", &["interrupt"], ""),
        ("<Ctrl+C>", &["interrupt"], ""),
        // The text is cleared first, the turn runs on.
        ("hi<Ctrl+C>", &[], ""),
        ("hi<Esc>", &["interrupt"], "hi"),
        // An agent that does not stop does not hold the user.
        (
            "<Ctrl+C><Ctrl+C><Ctrl+C>",
            &["interrupt", "interrupt", "shutdown", "quit"],
            "",
        ),
        ("/<Esc>", &[], "/"),
        ("next<Enter>", &["history \"next\"", "submit \"next\""], ""),
        ("<Tab><Esc>", &["interrupt"], ""),
    ];
    for (keys, expected, text) in rows {
        let mut session = Session::new(80, 24);
        start_turn(&mut session.model);
        session.keys(keys);
        assert_eq!(session.took(), *expected, "{keys}");
        assert_eq!(session.model.composer.text(), *text, "{keys}");
    }
}

#[test]
fn keys_in_a_review() {
    let rows: &[(&str, &[&str], bool)] = &[
        ("yyyyy", &["review 7 5/5"], false),
        ("A", &["review 7 5/5"], false),
        ("yn<Enter>A", &["review 7 4/5"], false),
        ("ynnot this<Enter>qy", &["review 7 1/5"], false),
        ("qn", &[], true),
        ("e", &["edit"], true),
        ("<Esc>", &[], true),
        ("<Ctrl+C>", &["interrupt"], true),
        ("<F1>q", &[], true),
        ("?q", &[], true),
        ("zZ0", &[], true),
        ("n<Ctrl+C>", &[], true),
    ];
    for (keys, expected, open) in rows {
        let mut session = Session::new(80, 24);
        start_turn(&mut session.model);
        open_review(&mut session);
        session.keys(keys);
        assert_eq!(session.took(), *expected, "{keys}");
        assert_eq!(session.model.review.is_some(), *open, "{keys}");
        assert_eq!(
            session.model.composer.text(),
            "",
            "{keys}: nothing was typed behind the review"
        );
    }
}

#[test]
fn a_review_that_opens_while_one_types_takes_no_keys_until_a_pause() {
    let mut session = Session::new(80, 24);
    start_turn(&mut session.model);
    session.keys("sa");
    session.now += Duration::from_millis(100);
    open_review(&mut session);
    for _ in 0..8 {
        session.now += Duration::from_millis(200);
        session.keys("y");
    }
    assert_eq!(session.model.composer.text(), "sayyyyyyyy");
    assert!(session.took().is_empty());
    session.now += REVIEW_GUARD;
    session.keys("A");
    assert_eq!(session.took(), ["review 7 5/5"]);
    // Who sent the message waits for the review and may answer at once.
    let mut session = Session::new(80, 24);
    session.keys("do it<Enter>");
    session.took();
    open_review(&mut session);
    session.keys("A");
    assert_eq!(session.took(), ["review 7 5/5"]);
}

#[test]
fn a_turn_that_ends_closes_its_review() {
    for ending in [
        AgentEvent::TurnInterrupted {
            turn: TurnId(1),
            usage: Usage::default(),
        },
        AgentEvent::TurnFailed {
            turn: TurnId(1),
            usage: Usage::default(),
            error: "broke".into(),
            unavailable: false,
        },
    ] {
        let mut session = Session::new(80, 24);
        start_turn(&mut session.model);
        open_review(&mut session);
        session.agent(ending);
        assert!(session.model.review.is_none() && session.model.running.is_none());
        session.keys("y");
        assert_eq!(session.model.composer.text(), "y");
    }
}

#[test]
fn queued_messages_show_until_their_turn() {
    let mut session = Session::new(80, 24);
    start_turn(&mut session.model);
    session.agent(AgentEvent::Queued {
        text: "later".into(),
    });
    assert!(session.screen().contains("queued: later"));
    session.agent(AgentEvent::TurnDone {
        turn: TurnId(1),
        usage: Usage::default(),
        answered: true,
    });
    session.agent(AgentEvent::TurnStarted {
        turn: TurnId(2),
        prompt: "later".into(),
    });
    assert!(!session.screen().contains("queued: later"));
    assert!(session.screen().contains("› later"));
}

#[test]
fn the_wheel_scrolls_the_pane_under_it() {
    let mut session = Session::new(120, 40);
    start_turn(&mut session.model);
    for n in 0..100 {
        session.agent(AgentEvent::ReasoningDelta(format!("thought {n}\n")));
        session.agent(AgentEvent::Notice(format!("notice {n}")));
    }
    session.screen();
    let wheel = |column| {
        Msg::Mouse(MouseEvent {
            kind: MouseEventKind::ScrollUp,
            column,
            row: 5,
            modifiers: crossterm::event::KeyModifiers::NONE,
        })
    };
    session.send(wheel(100));
    session.screen();
    assert_ne!(session.model.reasoning.scroll, Scroll::FollowTail);
    assert_eq!(session.model.conversation.scroll, Scroll::FollowTail);
    session.send(wheel(5));
    session.screen();
    assert_ne!(session.model.conversation.scroll, Scroll::FollowTail);
    session.keys("<PageDown><PageDown>");
    assert_eq!(session.model.conversation.scroll, Scroll::FollowTail);
}

#[test]
fn a_megabyte_pasted_is_sent_whole_and_costs_no_screen() {
    let mut session = Session::new(80, 24);
    let paste = "x".repeat(1 << 20);
    session.send(Msg::Paste(paste.clone()));
    assert_eq!(session.model.composer.rows(), 1);
    session.keys("!<Enter>");
    assert!(
        matches!(&session.effects[1], Effect::Agent(AgentCommand::Submit(text)) if *text == paste.clone() + "!")
    );
}

#[test]
fn release_events_of_enhanced_keyboards_are_no_keys() {
    let mut session = Session::new(80, 24);
    let mut key = KeyEvent::from(KeyCode::Char('a'));
    key.kind = KeyEventKind::Release;
    session.send(Msg::Key(key));
    assert!(session.model.composer.is_empty());
}

#[test]
fn an_idle_interface_has_nothing_to_draw() {
    let mut session = Session::new(80, 24);
    let update = update(&mut session.model, Msg::Tick, Duration::from_secs(9));
    assert_eq!(update.dirty, Dirty::No);
    assert!(!session.model.animates());
}

/// Every text from outside, through every event, onto the screen: no character of it moves the terminal.
#[test]
fn nothing_from_outside_moves_the_terminal() {
    let corpus = escapes();
    assert!(corpus.len() >= 500, "{}", corpus.len());
    for (n, chunk) in corpus.chunks(25).enumerate() {
        // Every entry at the usual size, a part at the others.
        let sizes = [(80, 24), (120, 40), (40, 12)];
        for (width, height) in sizes.into_iter().take(if n % 4 == 0 { 3 } else { 1 }) {
            let mut session = Session::new(width, height);
            for evil in chunk {
                everywhere(&mut session, evil);
            }
            check(&mut session, chunk);
            session.keys("<Ctrl+O>");
            check(&mut session, chunk);
            for evil in chunk {
                review_of(&mut session, evil);
            }
            check(&mut session, chunk);
        }
    }
}

fn check(session: &mut Session, chunk: &[String]) {
    for cell in session.buffer().content() {
        let symbol = cell.symbol();
        assert!(
            !symbol.chars().any(text::is_unsafe),
            "{symbol:?} on screen, one of {chunk:?}"
        );
    }
}

/// Control sequences of every family, raw and hidden as entities, and characters that mislead.
fn escapes() -> Vec<String> {
    let mut out = Vec::new();
    for introducer in ["\u{1b}[", "\u{9b}", "&#27;[", "&#x9b;"] {
        for body in [
            "31m", "2J", "H", "?1049l", "?25l", "6n", "c", "5i", "1;1H", "999B", ">c", "?2004l",
            "20t", "0;0;0u", "3J",
        ] {
            out.push(format!("{introducer}{body}text"));
        }
    }
    for introducer in [
        "\u{1b}]", "\u{9d}", "\u{1b}P", "\u{90}", "\u{1b}_", "\u{9f}", "\u{1b}^", "\u{1b}X",
    ] {
        for body in [
            "0;title",
            "8;;http://evil/",
            "52;c;QUJD",
            "10;?",
            "11;?",
            "1337;File=:QUJD",
            "+q544e",
            "$qm",
        ] {
            for end in ["\u{7}", "\u{1b}\\", "\u{9c}", ""] {
                out.push(format!("{introducer}{body}{end}text"));
            }
        }
    }
    let controls = (0u32..0x20).chain(0x7f..0xa0);
    let hidden = [
        0xadu32, 0x61c, 0x180e, 0x200b, 0x200e, 0x200f, 0x2028, 0x2029, 0x2060, 0xfeff, 0xfff9,
        0x3164,
    ];
    let bidi = (0x202a..=0x202e).chain(0x2066..=0x2069);
    let tags = (0xe0001u32..=0xe007f).step_by(2);
    for code in controls.chain(hidden).chain(bidi).chain(tags) {
        if let Some(c) = char::from_u32(code)
            && c != '\n'
        {
            out.push(format!("a{c}b"));
            out.push(format!("&#x{code:x};"));
        }
    }
    out
}

fn everywhere(session: &mut Session, evil: &str) {
    let text = || evil.to_owned();
    let call = CallId(1);
    session.model.status.branch = Some(text());
    for event in [
        AgentEvent::TurnStarted {
            turn: TurnId(1),
            prompt: text(),
        },
        AgentEvent::Queued { text: text() },
        AgentEvent::ReasoningDelta(text()),
        AgentEvent::ReasoningDone(text()),
        AgentEvent::AnswerDelta(text()),
        AgentEvent::AnswerDone {
            text: text(),
            last: false,
        },
        AgentEvent::AnswerDelta(format!("```\n{evil}\n")),
        AgentEvent::AnswerDone {
            text: format!("- [{evil}]({evil}) `{evil}` # {evil}"),
            last: true,
        },
        AgentEvent::ToolCallDelta {
            call,
            tool: text(),
            delta: text(),
        },
        AgentEvent::ToolStarted {
            call,
            tool: text(),
            arguments: text(),
            summary: text(),
        },
        AgentEvent::ToolOutput { call, text: text() },
        AgentEvent::ToolUnavailable {
            tool: text(),
            reason: text(),
        },
        AgentEvent::Sandbox(SandboxState::Unavailable { reason: text() }),
        AgentEvent::Sandbox(SandboxState::Ready {
            description: text(),
        }),
        AgentEvent::Notice(text()),
        AgentEvent::Problem(text()),
    ] {
        session.agent(event);
    }
    session.send(Msg::Paste(text()));
    session.send(Msg::Warning(text()));
}

fn review_of(session: &mut Session, evil: &str) {
    let mut plan = plan();
    let odd_path = format!("src/{evil}").replace('\0', "");
    if let Ok(path) = odd_path.try_into() {
        plan.files[0].path = path;
    }
    for line in &mut plan.files[0].hunks[0].lines {
        line.text = format!("{}{evil}", line.text);
    }
    session.agent(AgentEvent::ReviewRequested {
        review: ReviewId(1),
        call: CallId(1),
        plan: Box::new(plan.clone()),
    });
    // In a review what hides is not dropped but shown.
    let screen = session.screen();
    check(session, &[evil.to_owned()]);
    let hides = evil.chars().any(text::is_unsafe);
    if hides && session.model.size.0 >= 80 {
        let marked = screen.contains("<U+")
            || screen
                .chars()
                .any(|c| ('\u{2400}'..='\u{2421}').contains(&c));
        assert!(marked, "{evil:?} hides in\n{screen}");
    }
    session.agent(AgentEvent::ReviewDone {
        review: ReviewId(1),
        plan: Box::new(plan),
        applied: None,
        declined_hunks: 1,
    });
    session.model.review = None;
}

#[test]
fn the_first_patch_and_no_other_loads_what_colours_code() {
    let mut session = Session::new(80, 24);
    let loads = |session: &Session| {
        let asked = |effect: &&Effect| matches!(effect, Effect::LoadGrammars);
        session.effects.iter().filter(asked).count()
    };
    start_turn(&mut session.model);
    assert_eq!(loads(&session), 0);
    open_review(&mut session);
    session.keys("A");
    open_review(&mut session);
    assert_eq!(loads(&session), 1);
}

#[test]
fn a_review_without_a_conversation_ends_with_it() {
    for (keys, expected) in [
        ("A", &["review 7 5/5", "quit"][..]),
        ("<Ctrl+C>", &["shutdown", "quit"]),
        ("<Esc>", &[]),
        ("n<Esc>qn", &[]),
    ] {
        let mut session = Session::new(80, 24);
        session.model.purpose = Purpose::Review;
        open_review(&mut session);
        session.keys(keys);
        assert_eq!(session.took(), expected, "{keys}");
    }
}

mod commands;
mod panes;
mod search;
