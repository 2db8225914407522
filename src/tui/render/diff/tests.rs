#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use super::*;
use crate::patch::{HunkId, HunkLine};
use crate::tui::render::syntax::Token;

fn sample(lines: &[(char, &str)]) -> Hunk {
    let lines: Vec<HunkLine> = lines
        .iter()
        .map(|(sign, text)| HunkLine {
            kind: match sign {
                '-' => LineKind::Removed,
                '+' => LineKind::Added,
                _ => LineKind::Context,
            },
            text: (*text).to_owned(),
        })
        .collect();
    let count = |skip| lines.iter().filter(|l| l.kind != skip).count();
    Hunk {
        id: HunkId(0),
        old_start: 9,
        new_start: 9,
        old_lines: count(LineKind::Added),
        new_lines: count(LineKind::Removed),
        lines,
    }
}

fn text(sources: &[Source]) -> Vec<String> {
    sources
        .iter()
        .map(|s| {
            s.first
                .iter()
                .chain(&s.spans)
                .map(|s| s.content.as_ref())
                .collect()
        })
        .collect()
}

#[test]
fn numbers_signs_and_hidden_characters() {
    let hunk_lines = sample(&[
        (' ', "a"),
        ('-', "b\tc"),
        ('+', "b    c "),
        ('+', "x\u{202e}y"),
        (' ', "z "),
    ]);
    let wide = text(&hunk(&hunk_lines, &HunkTokens::new(), &Theme::plain(), 80));
    assert_eq!(
        wide,
        [
            "@@ -9,3 +9,4",
            " 9  9   a",
            "10    - b→  c",
            "   10 + b    c·",
            "   11 + x<U+202E>y",
            "11 12   z "
        ]
    );
    let narrow = text(&hunk(&hunk_lines, &HunkTokens::new(), &Theme::plain(), 40));
    assert_eq!(narrow[2], "10 - b→  c");
}

#[test]
fn changed_words_are_marked_in_both_lines() {
    let theme = Theme::named("dark").unwrap();
    let lines = hunk(
        &sample(&[
            ('-', "let total = count + 1;"),
            ('+', "let total = count + 2;"),
        ]),
        &HunkTokens::new(),
        &theme,
        80,
    );
    let marked = |s: &Source, style| -> String {
        s.spans
            .iter()
            .filter(|s| s.style == style)
            .map(|s| s.content.as_ref())
            .collect()
    };
    assert_eq!(marked(&lines[1], theme.diff_remove_word), "1;");
    assert_eq!(marked(&lines[2], theme.diff_add_word), "2;");
}

#[test]
fn different_lines_are_not_paired() {
    let theme = Theme::named("dark").unwrap();
    let lines = hunk(
        &sample(&[('-', "import os"), ('+', "return compute(x, y)")]),
        &HunkTokens::new(),
        &theme,
        80,
    );
    assert!(
        lines
            .iter()
            .all(|l| l.spans.iter().all(|s| s.style != theme.diff_add_word))
    );
}

#[test]
fn tokens_colour_what_is_not_marked() {
    let theme = Theme::named("dark").unwrap();
    let lines = sample(&[('-', "\treturn 1;"), ('+', "\treturn 2;")]);
    let tokens = vec![vec![(1..7, Token::Keyword), (8..9, Token::Constant)]; 2];
    let sources = hunk(&lines, &tokens, &theme, 80);
    let spans: Vec<(&str, Style)> = sources[2]
        .spans
        .iter()
        .map(|s| (s.content.as_ref(), s.style))
        .collect();
    assert_eq!(
        spans,
        [
            ("\u{2192}   ", theme.diff_add),
            ("return", theme.diff_add.patch(theme.syntax_keyword)),
            (" ", theme.diff_add),
            ("2;", theme.diff_add_word),
        ]
    );
}

fn rows(lines: &[Line<'_>]) -> Vec<String> {
    lines
        .iter()
        .map(|l| l.to_string().trim_end().to_owned())
        .collect()
}

#[test]
fn old_and_new_beside_each_other() {
    let lines = sample(&[
        (' ', "same"),
        ('-', "one"),
        ('-', "two"),
        ('+', "ONE"),
        (' ', "between"),
        ('+', "more that does not fit"),
    ]);
    let shown = beside(&lines, &HunkTokens::new(), &Theme::plain(), 43);
    assert_eq!(
        rows(&shown),
        [
            "@@ -9,4 +9,4",
            " 9   same            \u{2502}  9   same",
            "10 - one             \u{2502} 10 + ONE",
            "11 - two             \u{2502}",
            "12   between         \u{2502} 11   between",
            "                     \u{2502} 12 + more that does",
            "                     \u{2502}      not fit",
        ]
    );
    assert!(fits_beside(&lines, 140) && !fits_beside(&lines, 139));
    let only_new = sample(&[('+', "a")]);
    assert!(!fits_beside(&only_new, 200));
}
