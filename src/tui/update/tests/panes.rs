//! Items, links, folds, the divider and the mouse.

use super::*;
use crate::agent::ToolStatus;
use crate::tui::model::{Effect, Focus};
use crate::tui::transcript::Body;
use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

/// Two turns: thought, tool, thought, answer; then thought, answer.
fn session(width: u16, height: u16) -> Session {
    let mut session = Session::new(width, height);
    for turn in 1..=2 {
        session.agent(AgentEvent::TurnStarted {
            turn: TurnId(turn),
            prompt: format!("question {turn}"),
        });
        session.agent(AgentEvent::ReasoningDone(format!("thought {turn}a")));
        if turn == 1 {
            session.agent(AgentEvent::ToolStarted {
                call: CallId(turn),
                tool: "python".into(),
                arguments: "print(1)".into(),
                summary: "python print(1)".into(),
            });
            session.agent(AgentEvent::ToolFinished {
                call: CallId(turn),
                status: ToolStatus::Completed,
                output: (1..=9).map(|n| format!("row {n}\n")).collect(),
                exit_code: Some(0),
                elapsed: Duration::from_secs(1),
            });
            session.agent(AgentEvent::ReasoningDone("thought 1b".into()));
        }
        session.agent(AgentEvent::AnswerDone {
            text: format!("answer {turn}"),
            last: true,
        });
        session.agent(AgentEvent::TurnDone {
            turn: TurnId(turn),
            usage: Usage::default(),
            answered: true,
        });
    }
    session.screen();
    session
}

fn named(session: &Session, side: Side, at: Option<usize>) -> String {
    let Some(at) = at else {
        return "-".into();
    };
    match &session.model.pane(side).transcript.cells()[at].body {
        Body::Prompt(text) | Body::Answer { text, .. } | Body::Reasoning { text, .. } => {
            text.clone()
        }
        Body::Thought(thought) => format!("turn {}", thought.prompt),
        Body::Tool(card) => card.tool.clone(),
        other => format!("{other:?}"),
    }
}

use crate::tui::pane::Side;

#[test]
fn an_item_and_what_belongs_to_it_are_marked_together() {
    let mut session = session(120, 40);
    session.keys("<Tab>");
    let mut pairs = Vec::new();
    for _ in 0..5 {
        session.keys("K");
        pairs.push((
            named(
                &session,
                Side::Conversation,
                session.model.conversation.selected,
            ),
            named(&session, Side::Reasoning, session.model.reasoning.linked),
        ));
    }
    // Folded turns stand for what is in them.
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        pairs,
        [
            pair("answer 2", "turn question 2"),
            pair("question 2", "turn question 2"),
            pair("answer 1", "turn question 1"),
            pair("python", "turn question 1"),
            pair("question 1", "turn question 1"),
        ]
    );
    // Unfolded, each part of a turn has its own.
    session.keys("<Esc><Tab>gJ<Enter>");
    assert_eq!(
        named(
            &session,
            Side::Conversation,
            session.model.conversation.linked
        ),
        "question 1"
    );
    session.keys("]");
    assert_eq!(
        named(
            &session,
            Side::Conversation,
            session.model.conversation.linked
        ),
        "python"
    );
    session.keys("]");
    assert_eq!(
        named(
            &session,
            Side::Conversation,
            session.model.conversation.linked
        ),
        "answer 1"
    );
    let screen = session.screen();
    let marked: Vec<&str> = screen
        .lines()
        .filter(|line| line.contains('▌') || line.contains('┆'))
        .collect();
    assert!(
        marked
            .iter()
            .any(|line| line.starts_with("answer 1") && line.contains('┆'))
            && marked.iter().any(|line| line.contains("│▌thought 1b")),
        "{screen}"
    );
    session.keys("<Esc>");
    assert!(!session.screen().contains('▌'));
}

#[test]
fn the_reasoning_of_a_turn_that_is_over_is_one_line_until_it_is_opened() {
    let mut session = session(120, 40);
    let screen = session.screen();
    assert!(screen.contains("▸ question 1 · 0.0s · 2 lines"), "{screen}");
    assert!(!screen.contains("thought"), "{screen}");
    session.keys("<Shift+Tab><Enter>");
    let screen = session.screen();
    assert!(
        screen.contains("▾ question 2") && screen.contains("thought 2a"),
        "{screen}"
    );
    assert!(!screen.contains("thought 1a"), "{screen}");
    // All of them, and all of them again.
    session.keys("<Ctrl+O>");
    assert!(session.screen().contains("thought 1a"));
    session.keys("<Ctrl+O>");
    assert!(!session.screen().contains("thought 1a"));
}

#[test]
fn reasoning_is_not_folded_under_the_eyes_of_its_reader() {
    let mut session = Session::new(120, 40);
    session.agent(AgentEvent::TurnStarted {
        turn: TurnId(1),
        prompt: "why".into(),
    });
    session.agent(AgentEvent::ReasoningDelta("because".into()));
    session.keys("<Shift+Tab>");
    session.agent(AgentEvent::TurnDone {
        turn: TurnId(1),
        usage: Usage::default(),
        answered: true,
    });
    assert!(session.screen().contains("because"));
}

fn mouse(session: &mut Session, kind: MouseEventKind, column: u16, row: u16) {
    session.send(Msg::Mouse(MouseEvent {
        kind,
        column,
        row,
        modifiers: KeyModifiers::NONE,
    }));
    session.screen();
}

use crossterm::event::KeyModifiers;

const LEFT: MouseButton = MouseButton::Left;

fn row_of(session: &mut Session, text: &str) -> u16 {
    let screen = session.screen();
    let at = screen.lines().position(|line| line.contains(text));
    u16::try_from(at.unwrap_or_else(|| panic!("no {text:?} in\n{screen}"))).unwrap()
}

#[test]
fn a_click_selects_and_unfolds_and_the_wheel_scrolls() {
    let mut session = session(120, 24);
    let row = row_of(&mut session, "✓ python");
    assert!(!session.screen().contains("row 1\n"));
    mouse(&mut session, MouseEventKind::Down(LEFT), 3, row);
    mouse(&mut session, MouseEventKind::Up(LEFT), 3, row);
    assert_eq!(session.model.look.focus, Focus::Conversation);
    assert!(
        session.screen().contains("│ row 1 "),
        "{}",
        session.screen()
    );
    assert!(session.took().is_empty(), "a click copies nothing");
    let row = row_of(&mut session, "▸ question 1");
    mouse(&mut session, MouseEventKind::Down(LEFT), 80, row);
    mouse(&mut session, MouseEventKind::Up(LEFT), 80, row);
    assert!(session.screen().contains("thought 1b"));
    assert_eq!(session.model.look.focus, Focus::Reasoning);
}

#[test]
fn the_divider_is_dragged_and_stepped_and_kept() {
    let mut session = session(120, 24);
    mouse(&mut session, MouseEventKind::Down(LEFT), 72, 5);
    mouse(&mut session, MouseEventKind::Drag(LEFT), 90, 5);
    assert!(session.took().is_empty(), "kept when it is let go");
    mouse(&mut session, MouseEventKind::Up(LEFT), 90, 5);
    assert_eq!(layout::areas(&session.model).divider.x, 90);
    session.keys("<Tab><<");
    assert_eq!(layout::areas(&session.model).divider.x, 80);
    session.keys(">");
    assert_eq!(layout::areas(&session.model).divider.x, 85);
    assert!(
        session
            .took()
            .iter()
            .all(|effect| effect.starts_with("savesplit"))
    );
    // Stacked, it is a row.
    session.send(Msg::Resize(80, 40));
    let before = layout::areas(&session.model).divider;
    assert_eq!(before.height, 1);
    mouse(&mut session, MouseEventKind::Down(LEFT), 10, before.y);
    mouse(&mut session, MouseEventKind::Drag(LEFT), 10, before.y + 5);
    mouse(&mut session, MouseEventKind::Up(LEFT), 10, before.y + 5);
    assert_eq!(layout::areas(&session.model).divider.y, before.y + 5);
}

/// The text of the selection that a drag between the two places copies.
fn dragged(session: &mut Session, from: (u16, u16), to: (u16, u16)) -> String {
    mouse(session, MouseEventKind::Down(LEFT), from.0, from.1);
    mouse(session, MouseEventKind::Drag(LEFT), to.0, to.1);
    mouse(session, MouseEventKind::Up(LEFT), to.0, to.1);
    let selections: Vec<_> = session
        .effects
        .drain(..)
        .filter_map(|effect| match effect {
            Effect::CopySelection(selection) => Some(selection),
            _ => None,
        })
        .collect();
    assert_eq!(selections.len(), 1);
    crate::tui::view::selected_text(&session.model, &mut session.cache, &selections[0]).unwrap()
}

#[test]
fn a_drag_takes_the_text_of_one_pane_as_it_was_before_it_was_wrapped() {
    let mut session = Session::new(120, 24);
    session.agent(AgentEvent::TurnStarted {
        turn: TurnId(1),
        prompt: "go".into(),
    });
    session.agent(AgentEvent::ReasoningDelta("a thought ".repeat(20)));
    let words: Vec<String> = (1..=30).map(|n| format!("word{n}")).collect();
    let text = format!(
        "{}\n\n- first of the list\n- 漢字漢字 wide\n\n```\nif x:\n    y()\n```",
        words.join(" ")
    );
    session.agent(AgentEvent::AnswerDelta(text));
    let first = row_of(&mut session, "word1 ");
    // Across wrapped rows and to the right of the divider: one line, and nothing of the other pane.
    let copied = dragged(&mut session, (0, first), (110, first + 1));
    assert!(
        words.join(" ").starts_with(&copied) && copied.contains("word14"),
        "{copied}"
    );
    assert!(
        !copied.contains('\n') && !copied.contains("thought"),
        "{copied}"
    );
    // From the right to the left is the same.
    let back = dragged(&mut session, (5, first + 1), (4, first));
    let there = dragged(&mut session, (4, first), (5, first + 1));
    assert_eq!(back, there);
    let list = row_of(&mut session, "first of the list");
    assert_eq!(
        dragged(&mut session, (0, list), (70, list)),
        "• first of the list"
    );
    // Half of a wide character is all of it.
    assert_eq!(dragged(&mut session, (3, list + 1), (4, list + 1)), "漢字");
    let code = row_of(&mut session, "if x:");
    assert_eq!(
        dragged(&mut session, (0, code), (70, code + 1)),
        "if x:\n    y()",
        "the inset of code is ours"
    );
    let said = row_of(&mut session, "a thought");
    let copied = dragged(&mut session, (100, said), (10, said + 2));
    assert!(
        copied.starts_with("ought") || copied.contains("thought"),
        "{copied}"
    );
    assert!(!copied.contains("word"), "{copied}");
}

#[test]
fn a_drag_beyond_the_edge_scrolls_and_takes_what_comes() {
    let mut session = Session::new(80, 24);
    let text: String = (1..=60).map(|n| format!("line {n}\n\n")).collect();
    session.agent(AgentEvent::AnswerDone { text, last: true });
    session.screen();
    let row = row_of(&mut session, "line 60");
    mouse(&mut session, MouseEventKind::Down(LEFT), 6, row);
    // The pane begins at the top of the screen: its first row is as far as the pointer goes.
    mouse(&mut session, MouseEventKind::Drag(LEFT), 0, 0);
    assert!(
        crate::tui::view::moves_on(&session.model),
        "there is more above"
    );
    let area = layout::areas(&session.model).conversation;
    mouse(
        &mut session,
        MouseEventKind::Drag(LEFT),
        6,
        area.bottom() + 1,
    );
    assert!(
        !crate::tui::view::moves_on(&session.model),
        "the end is on screen"
    );
    mouse(&mut session, MouseEventKind::Up(LEFT), 6, area.bottom() + 1);
    session.keys("g");
    session.screen();
    let row = row_of(&mut session, "line 1");
    mouse(&mut session, MouseEventKind::Down(LEFT), 0, row);
    mouse(
        &mut session,
        MouseEventKind::Drag(LEFT),
        0,
        area.bottom() + 1,
    );
    let mut frames = 0;
    while crate::tui::view::moves_on(&session.model) {
        session.screen();
        frames += 1;
        assert!(frames < 200, "it never ends");
    }
    mouse(&mut session, MouseEventKind::Up(LEFT), 0, area.bottom() + 1);
    let Some(Effect::CopySelection(selection)) = session.effects.pop() else {
        panic!("nothing is copied");
    };
    let copied =
        crate::tui::view::selected_text(&session.model, &mut session.cache, &selection).unwrap();
    assert!(copied.starts_with("line 1\n\nline 2\n"), "{copied}");
    assert!(copied.ends_with("line 60"), "{copied}");
}

#[test]
fn copies() {
    let mut session = session(120, 40);
    let copied = |session: &mut Session| -> Vec<String> {
        session
            .effects
            .drain(..)
            .filter_map(|effect| match effect {
                Effect::Copy(copied) => Some(copied.text),
                _ => None,
            })
            .collect()
    };
    session.keys("/copy<Enter>");
    assert_eq!(copied(&mut session), ["answer 2"]);
    session.keys("<Tab>KKKKy");
    assert!(copied(&mut session)[0].starts_with("row 1\n"));
    session.keys("<Esc>i/copy 1<Enter>");
    assert!(copied(&mut session).is_empty());
    assert!(session.screen().contains("the answer has no code block"));
    // A word in the status bar is gone with the next key.
    session.keys("x");
    assert!(!session.screen().contains("code block"));
}

#[test]
fn the_mouse_can_be_left_to_the_terminal() {
    let mut session = Session::new(80, 24);
    session.model.look.mouse = true;
    session.keys("<Tab>m");
    assert_eq!(session.took(), ["mouse(false)"]);
    session.keys("m");
    assert_eq!(session.took(), ["mouse(true)"]);
}

#[test]
fn what_is_new_below_is_announced() {
    let mut session = session(80, 24);
    session.keys("<Tab>g");
    assert!(session.screen().contains("─ following ─"), "all of it fits");
    let text: String = (1..=60).map(|n| format!("line {n}\n\n")).collect();
    session.agent(AgentEvent::AnswerDone { text, last: true });
    assert!(session.screen().contains("─ following ─"));
    session.keys("k");
    assert!(session.screen().contains("scrolled · G follows"));
    session.agent(AgentEvent::Notice("news".into()));
    assert!(session.screen().contains("new text below · G follows"));
    session.keys("G");
    assert!(session.screen().contains("─ following ─"));
}
