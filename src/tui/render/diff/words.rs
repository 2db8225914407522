//! A changed line as styled pieces: what the syntax says, and which words differ from the line it replaces.

use crate::patch::{HunkLine, LineKind};
use crate::text;
use crate::tui::render::syntax::{Token, Tokens};
use crate::tui::theme::Theme;
use ratatui::style::Style;
use ratatui::text::Span;
use similar::{ChangeTag, TextDiff};
use std::ops::Range;

/// Longer lines get no word diff; nobody compares them by eye.
const WORD_DIFF_LIMIT: usize = 1000;
/// Lines that share less than this are two lines, not one that changed.
const ALIKE: f32 = 0.4;

pub(super) type Words = Vec<Span<'static>>;

/// A line of a hunk with its tokens.
#[derive(Clone, Copy)]
pub(super) struct CodeLine<'a> {
    pub line: &'a HunkLine,
    pub tokens: Option<&'a Tokens>,
}

/// The text with everything visible; on changed lines also the spaces at the end.
struct Shown {
    text: String,
    /// For every byte of `text` the byte of the line it stands for.
    origin: Vec<usize>,
}

impl Shown {
    fn of(line: &HunkLine) -> Shown {
        let (mut text, mut origin) = text::exact_with_origin(&line.text);
        if line.kind != LineKind::Context {
            let kept = text.trim_end_matches(' ').len();
            let spaces = text.len() - kept;
            text.truncate(kept);
            origin.truncate(kept);
            for _ in 0..spaces {
                text.push('\u{b7}');
                origin.extend([usize::MAX; '\u{b7}'.len_utf8()]);
            }
        }
        Shown { text, origin }
    }
}

pub(super) fn plain(line: CodeLine<'_>, style: Style, theme: &Theme) -> Words {
    spans(&Shown::of(line.line), line.tokens, style, &[], style, theme)
}

/// A removed line and the added one in its place, the words that differ marked in both.
pub(super) fn pair(old: CodeLine<'_>, new: CodeLine<'_>, theme: &Theme) -> (Words, Words) {
    let whole = || {
        (
            plain(old, theme.diff_remove, theme),
            plain(new, theme.diff_add, theme),
        )
    };
    let (before, after) = (Shown::of(old.line), Shown::of(new.line));
    if before.text.len() > WORD_DIFF_LIMIT || after.text.len() > WORD_DIFF_LIMIT {
        return whole();
    }
    let diff = TextDiff::from_words(before.text.as_str(), after.text.as_str());
    if diff.ratio() < ALIKE {
        return whole();
    }
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    let (mut old_at, mut new_at) = (0, 0);
    for change in diff.iter_all_changes() {
        let len = change.value().len();
        match change.tag() {
            ChangeTag::Equal => {
                old_at += len;
                new_at += len;
            }
            ChangeTag::Delete => {
                removed.push(old_at..old_at + len);
                old_at += len;
            }
            ChangeTag::Insert => {
                added.push(new_at..new_at + len);
                new_at += len;
            }
        }
    }
    (
        spans(
            &before,
            old.tokens,
            theme.diff_remove,
            &removed,
            theme.diff_remove_word,
            theme,
        ),
        spans(
            &after,
            new.tokens,
            theme.diff_add,
            &added,
            theme.diff_add_word,
            theme,
        ),
    )
}

/// `base`, with the colours of the tokens; `marked` bytes of the shown text in `mark` alone, so that they stand out.
fn spans(
    shown: &Shown,
    tokens: Option<&Tokens>,
    base: Style,
    marked: &[Range<usize>],
    mark: Style,
    theme: &Theme,
) -> Words {
    let tokens = tokens.map(Vec::as_slice).unwrap_or_default();
    let mut out: Words = Vec::new();
    let mut run = String::new();
    let mut run_style = base;
    let mut marks = marked.iter().peekable();
    let mut pieces = tokens.iter().peekable();
    for (at, c) in shown.text.char_indices() {
        while marks.next_if(|range| range.end <= at).is_some() {}
        let origin = shown.origin.get(at).copied().unwrap_or(usize::MAX);
        while pieces.next_if(|(range, _)| range.end <= origin).is_some() {}
        let style = if marks.peek().is_some_and(|range| range.contains(&at)) {
            mark
        } else {
            match pieces.peek() {
                Some((range, token)) if range.contains(&origin) => {
                    base.patch(token_style(*token, theme))
                }
                _ => base,
            }
        };
        if style != run_style && !run.is_empty() {
            out.push(Span::styled(std::mem::take(&mut run), run_style));
        }
        run_style = style;
        run.push(c);
    }
    if !run.is_empty() {
        out.push(Span::styled(run, run_style));
    }
    out
}

/// The colour of a part of code.
pub fn token_style(token: Token, theme: &Theme) -> Style {
    match token {
        Token::Comment => theme.syntax_comment,
        Token::Constant => theme.syntax_constant,
        Token::Function => theme.syntax_function,
        Token::Keyword => theme.syntax_keyword,
        Token::String => theme.syntax_string,
        Token::Type => theme.syntax_type,
    }
}
