use super::super::tests::snapshot;
use crate::agent::{AgentEvent, FileList, RunId, ShellEnd};
use crate::tui::composer::FileMatch;
use crate::tui::model::{Effect, Msg};
use crate::tui::testing::{Session, start_turn};
use ratatui::style::Modifier;
use std::sync::Arc;
use std::time::Duration;

fn offer(session: &mut Session, paths: &[&str]) {
    let list = FileList {
        paths: paths.iter().map(|p| (*p).to_owned()).collect(),
        whole: true,
    };
    session.agent(AgentEvent::Files(Arc::new(list)));
    let generation = session
        .effects
        .iter()
        .rev()
        .find_map(|effect| match effect {
            Effect::MatchFiles(wanted) => Some(wanted.generation),
            _ => None,
        });
    let matches = paths.iter().map(|path| FileMatch {
        path: (*path).to_owned(),
        hits: vec![4, 5],
    });
    session.send(Msg::Matched(generation.unwrap(), matches.collect()));
}

#[test]
fn pastes_are_chips_among_the_text() {
    snapshot("composer_pastes", |session| {
        session.keys("Why does this fail? ");
        session.send(Msg::Paste("line\n".repeat(120)));
        session.keys(" It worked before ");
        session.send(Msg::Paste("x".repeat(5000)));
    });
}

#[test]
fn a_search_shows_its_query_and_what_it_found() {
    snapshot("composer_search", |session| {
        let older = ["fix the build", "explain the parser in src/parse.rs"];
        session.send(Msg::History(older.map(str::to_owned).to_vec()));
        session.keys("draft<Ctrl+R>parse");
    });
}

#[test]
fn a_mention_offers_files_whatever_their_names() {
    snapshot("composer_files", |session| {
        session.keys("look at @ma");
        offer(
            session,
            &[
                "src/main.rs",
                "docs/manual.md",
                "src/a very long folder name/that goes on and on/until nothing fits any more/main_of_it_all.rs",
                "evil\u{1b}[2J\u{202e}main.rs",
                "漢字/漢字main/",
            ],
        );
        session.keys("<Down>");
    });
}

#[test]
fn a_command_of_the_users_has_a_card_and_a_sign() {
    snapshot("composer_shell", |session| {
        for (n, end) in [(1, ShellEnd::Exited(0)), (2, ShellEnd::Interrupted)] {
            let run = RunId(n);
            session.agent(AgentEvent::ShellStarted {
                run,
                command: format!("cargo test -p part{n}"),
            });
            let text = "running 3 tests\ntest a ... ok\ntest b ... ok\n".into();
            session.agent(AgentEvent::ShellOutput { run, text });
            let elapsed = Duration::from_millis(1500);
            session.agent(AgentEvent::ShellFinished { run, end, elapsed });
        }
        session.keys("!git status");
    });
}

#[test]
fn queued_messages_wait_above_and_can_be_taken_back() {
    snapshot("composer_queue", |session| {
        start_turn(&mut session.model);
        for text in ["then run the tests", "and commit\nwith a good message"] {
            session.agent(AgentEvent::Queued { text: text.into() });
        }
    });
}

#[test]
fn letters_that_match_are_marked_without_colours_too() {
    let mut session = Session::new(80, 24);
    session.keys("@ma");
    offer(&mut session, &["src/main.rs"]);
    let buffer = session.buffer();
    let marked: String = buffer
        .content()
        .iter()
        .filter(|cell| cell.modifier.contains(Modifier::UNDERLINED))
        .map(|cell| cell.symbol())
        .collect();
    assert_eq!(marked, "ma");
}
