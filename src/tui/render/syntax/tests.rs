#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use super::*;
use crate::patch::{ChangeKind, diff};
use crate::tui::testing;

/// The plan of an update, with its hunks.
fn update(path: &str, pre: &str, post: &str) -> FilePlan {
    let hunks = diff::hunks(pre.as_bytes(), post.as_bytes());
    let mut file = testing::plan().files.remove(0);
    file.kind = ChangeKind::Update;
    file.path = path.to_owned().try_into().unwrap();
    file.pre = Some(pre.as_bytes().to_vec());
    file.post = Some(post.as_bytes().to_vec());
    file.hunks = hunks;
    file
}

/// The tokens of the only hunk, in words: `-def:Keyword`.
fn words(grammars: &Grammars, file: &FilePlan) -> Vec<Vec<String>> {
    let hunk = &file.hunks[0];
    grammars
        .hunk(file, hunk)
        .iter()
        .zip(&hunk.lines)
        .map(|(tokens, line)| {
            tokens
                .iter()
                .map(|(range, token)| format!("{}:{token:?}", &line.text[range.clone()]))
                .collect()
        })
        .collect()
}

#[test]
fn both_sides_are_read_in_their_own_text() {
    let grammars = Grammars::load();
    let file = update(
        "a.py",
        "def f():\n    return 1  # one\n",
        "def f():\n    return \"two\"\n",
    );
    assert_eq!(
        words(&grammars, &file),
        [
            vec!["def:Keyword", "f:Function"],
            vec!["return:Keyword", "1:Constant", "# one:Comment"],
            vec!["return:Keyword", "\"two\":String"],
        ]
    );
}

#[test]
fn a_hunk_inside_a_string_of_many_lines_is_one() {
    let grammars = Grammars::load();
    let filler = "text\n".repeat(20);
    let file = update(
        "a.py",
        &format!("x = \"\"\"\n{filler}old = 1\n{filler}\"\"\"\n"),
        &format!("x = \"\"\"\n{filler}new = 1\n{filler}\"\"\"\n"),
    );
    for line in words(&grammars, &file) {
        assert!(
            line.iter().all(|word| word.ends_with(":String")),
            "{line:?}"
        );
    }
}

#[test]
fn the_grammar_follows_name_extension_and_first_line() {
    let grammars = Grammars::load();
    let name = |path: &str, first: &str| grammars.grammar(path, first).map(|g| g.name.clone());
    assert_eq!(name("src/main.rs", "").as_deref(), Some("Rust"));
    assert_eq!(name("Makefile", "").as_deref(), Some("Makefile"));
    assert_eq!(name("a/b.toml", "").as_deref(), Some("TOML"));
    assert_eq!(
        name("run", "#!/bin/sh").as_deref(),
        Some("Bourne Again Shell (bash)")
    );
    assert_eq!(name("notes.unheard-of", "Dear diary"), None);
}

#[test]
fn any_text_in_any_grammar_gives_ranges_within_the_lines() {
    let grammars = Grammars::load();
    let odd = "\u{1b}[2J \"unclosed 'both \u{202e} ä漢 /* <!-- {{ `` $( # \\\n\n\t}\n";
    let long = format!("{}\n", "x".repeat(5_000));
    for path in [
        "a.py", "a.rs", "a.c", "a.sh", "a.md", "a.html", "a.yaml", "a.json",
    ] {
        let file = update(path, &format!("{odd}one\n"), &format!("{odd}{long}two\n"));
        let tokens = grammars.hunk(&file, &file.hunks[0]);
        for (tokens, line) in tokens.iter().zip(&file.hunks[0].lines) {
            for (range, _) in tokens {
                assert!(line.text.get(range.clone()).is_some(), "{path}: {range:?}");
            }
        }
    }
}
