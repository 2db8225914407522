//! `/` in a focused pane.

use super::*;

fn session() -> Session {
    let mut session = Session::new(80, 24);
    for n in 1..=40 {
        session.agent(AgentEvent::AnswerDone {
            text: format!("answer {n} has a Needle\n\nand a second line"),
            last: false,
        });
    }
    session.screen();
    session
}

fn rule(session: &mut Session) -> String {
    let screen = session.screen();
    let line = screen.lines().rfind(|line| line.starts_with("─ /"));
    line.unwrap_or_else(|| panic!("no search in\n{screen}"))
        .to_owned()
}

#[test]
fn the_nearest_match_is_found_as_it_is_typed_and_counted() {
    let mut session = session();
    session.keys("<Tab>/nee");
    // Nothing below the end: the first on screen.
    let rule_now = rule(&mut session);
    assert!(
        rule_now.contains("/nee") && rule_now.contains("/40"),
        "{rule_now}"
    );
    session.keys("dle 12");
    assert!(rule(&mut session).contains("no match"));
    session.keys("<Ctrl+U>answer 12");
    assert!(rule(&mut session).contains("1/1"), "{}", rule(&mut session));
    assert!(session.screen().contains("answer 12 has"));
    // Back to where it began.
    session.keys("<Esc>");
    let screen = session.screen();
    assert!(
        screen.contains("answer 40") && screen.contains("following"),
        "{screen}"
    );
}

#[test]
fn enter_keeps_the_matches_and_n_goes_round() {
    let mut session = session();
    session.keys("<Tab>g/answer 4<Enter>");
    assert!(rule(&mut session).contains("1/2"), "answer 4 and answer 40");
    session.keys("n");
    assert!(rule(&mut session).contains("2/2"));
    assert!(session.screen().contains("answer 40 has"));
    session.keys("n");
    assert!(rule(&mut session).contains("1/2"));
    session.keys("N");
    assert!(rule(&mut session).contains("2/2"));
    session.keys("<Esc>");
    assert!(!session.screen().contains("─ /"));
    assert!(session.took().is_empty(), "Esc interrupted nothing");
}

#[test]
fn a_capital_is_only_itself() {
    for (query, count) in [
        ("needle", "/40"),
        ("Needle", "/40"),
        ("NEEDLE", "no match"),
        (".", "no match"),
    ] {
        let mut session = session();
        session.keys(&format!("<Tab>/{query}"));
        assert!(rule(&mut session).contains(count), "{query}");
    }
}

#[test]
fn a_match_in_what_is_folded_unfolds_it() {
    let mut session = Session::new(120, 40);
    session.agent(AgentEvent::TurnStarted {
        turn: TurnId(1),
        prompt: "why".into(),
    });
    session.agent(AgentEvent::ReasoningDone("the secret reason".into()));
    session.agent(AgentEvent::ToolStarted {
        call: CallId(1),
        tool: "python".into(),
        arguments: "x".into(),
        summary: "python x".into(),
    });
    session.agent(AgentEvent::ToolFinished {
        call: CallId(1),
        status: crate::agent::ToolStatus::Completed,
        output: (1..=30).map(|n| format!("row {n};\n")).collect(),
        exit_code: Some(0),
        elapsed: Duration::ZERO,
    });
    session.agent(AgentEvent::TurnDone {
        turn: TurnId(1),
        usage: Usage::default(),
        answered: true,
    });
    session.screen();
    session.keys("<Tab>/row 2;");
    assert!(session.screen().contains("row 2;"), "{}", session.screen());
    session.keys("<Esc><Tab>/secret<Enter>");
    assert!(session.screen().contains("the secret reason"));
}

#[test]
fn a_match_across_a_wrap_is_marked_on_both_rows() {
    let mut session = Session::new(40, 24);
    session.agent(AgentEvent::AnswerDone {
        text: "some words that fill the row up to needle haystack and then go on".into(),
        last: true,
    });
    session.screen();
    session.keys("<Tab>/needle haystack");
    let style = session.model.theme.selected;
    let buffer = session.buffer();
    let marked: String = buffer
        .content()
        .iter()
        .filter(|cell| cell.modifier.contains(style.add_modifier) && cell.symbol() != " ")
        .map(|cell| cell.symbol())
        .collect();
    assert!(
        marked.contains("needle") && marked.contains("haystack"),
        "{marked}"
    );
}

#[test]
fn a_long_transcript_is_looked_through_in_pieces() {
    let mut session = Session::new(80, 24);
    for n in 0..2_000 {
        let text = format!("{n} {}", "filler ".repeat(60));
        session.agent(AgentEvent::AnswerDone { text, last: true });
    }
    session.agent(AgentEvent::Notice("needle".into()));
    session.screen();
    session.keys("<Tab>g");
    session.screen();
    session.keys("/needle");
    assert!(
        crate::tui::view::moves_on(&session.model),
        "one frame is not enough"
    );
    let mut frames = 0;
    while crate::tui::view::moves_on(&session.model) {
        session.screen();
        frames += 1;
        assert!(frames < 100);
    }
    assert!(frames > 2);
    assert!(rule(&mut session).contains("1/1"));
    // And then nothing more is to be done.
    assert!(!crate::tui::view::moves_on(&session.model));
    // What comes while the search is open is found too.
    session.agent(AgentEvent::Notice("another needle".into()));
    assert!(rule(&mut session).contains("1/2"));
}
