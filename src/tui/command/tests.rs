#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use super::*;
use std::collections::BTreeSet;

#[test]
fn every_row_parses_with_every_argument_it_names() {
    for spec in COMMANDS {
        for name in [spec.name].iter().chain(spec.aliases) {
            let bare = parse(&format!("/{name}"));
            assert!(bare.is_some_and(|r| r.is_ok()), "/{name}");
        }
        let mut seen = vec![parse(&format!("/{}", spec.name)).unwrap().unwrap()];
        for word in spec.words() {
            let text = format!("/{} {word}", spec.name);
            let command = parse(&text).unwrap().unwrap();
            assert!(!seen.contains(&command), "{text} means what another does");
            seen.push(command);
        }
    }
}

#[test]
fn no_name_is_used_twice() {
    let mut seen = BTreeSet::new();
    for spec in COMMANDS {
        for name in [spec.name].iter().chain(spec.aliases) {
            assert!(seen.insert(*name), "/{name}");
        }
    }
}

#[test]
fn messages_are_not_commands() {
    for text in [
        "hello",
        "/usr/bin/env is missing",
        "/",
        "",
        "a /undo",
        "/undo\nthat",
        "/etc/passwd",
    ] {
        assert_eq!(parse(text), None, "{text:?}");
    }
}

#[test]
fn an_argument_may_have_spaces_where_it_is_text() {
    let export = |path: &str| Some(Ok(Command::Export(Some(path.into()))));
    assert_eq!(parse("/export my notes.md"), export("my notes.md"));
    assert_eq!(parse("  /export   a.md  "), export("a.md"));
    assert_eq!(parse("/export "), Some(Ok(Command::Export(None))));
}

#[test]
fn a_model_can_be_told_how_to_answer() {
    let asked = |change: &str| Some(Ok(Command::Sampling(Some(change.to_owned()))));
    assert_eq!(parse("/model seed=7"), asked("seed=7"));
    assert_eq!(
        parse("/model sampling.top_p = 0.5"),
        asked("sampling.top_p = 0.5")
    );
    let effort = Some(Ok(Command::Effort(Some(Effort::High))));
    assert_eq!(parse("/model effort=high"), effort);
    assert!(
        matches!(parse("/model effort=most"), Some(Err(said)) if said.contains("low, medium or high"))
    );
    // A folder may be called so.
    let folder = Command::Model(Some("models/a=b".to_owned()));
    assert_eq!(parse("/model models/a=b"), Some(Ok(folder)));
}

#[test]
fn mistakes_name_the_nearest() {
    for (typed, expected) in [
        (
            "/udno",
            "there is no command /udno; did you mean /undo? /help lists all",
        ),
        (
            "/hlep",
            "there is no command /hlep; did you mean /help? /help lists all",
        ),
        (
            "/reason",
            "there is no command /reason; did you mean /reasoning? /help lists all",
        ),
        (
            "/effort hihg",
            "/effort takes nothing, low, medium or high, not `hihg`; did you mean /effort high?",
        ),
        (
            "/undo merg",
            "/undo takes nothing, merge or markers, not `merg`; did you mean /undo merge?",
        ),
        (
            "/help 3",
            "/help takes no argument; /help lists all commands",
        ),
        (
            "/exit now",
            "/quit takes no argument; /help lists all commands",
        ),
    ] {
        assert_eq!(parse(typed), Some(Err(expected.to_owned())), "{typed}");
    }
}

#[test]
fn completion_offers_names_then_arguments() {
    let texts = |text: &str| {
        completions(text)
            .into_iter()
            .map(|c| c.text)
            .collect::<Vec<_>>()
    };
    assert_eq!(texts("/re"), ["/redo ", "/resume", "/rewind", "/reasoning"]);
    assert_eq!(texts("/eff"), ["/effort "]);
    // An alias finds its command.
    assert_eq!(texts("/cle"), ["/new"]);
    assert_eq!(texts("/e"), ["/effort ", "/export", "/quit"]);
    assert_eq!(
        texts("/effort "),
        ["/effort low", "/effort medium", "/effort high"]
    );
    assert_eq!(texts("/effort h"), ["/effort high"]);
    assert_eq!(texts("/redo m"), ["/redo merge", "/redo markers"]);
    assert_eq!(
        texts("/model g"),
        ["/model gpt-oss-20b", "/model gpt-oss-120b"]
    );
    assert_eq!(texts("/model "), [""; 0]);
    assert_eq!(texts("/export "), [""; 0]);
    assert_eq!(texts("/usr/x"), [""; 0]);
    assert_eq!(texts("hello"), [""; 0]);
    assert_eq!(texts("/").len(), COMMANDS.len());
}
