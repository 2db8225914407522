//! Hunks as lines on screen: numbers, signs, colours, the changed words, and every hidden character.
//!
//! It draws what the plan says and decides nothing. Signs come before colour, so the plain theme loses
//! nothing. One column ([`hunk`]) where the width is ordinary, old and new beside each other ([`beside`])
//! where it is large.

mod words;

use crate::patch::{ChangeKind, FilePlan, Hunk, LineKind};
use crate::text;
use crate::tui::render::syntax::HunkTokens;
use crate::tui::render::wrap::{self, Source};
use crate::tui::theme::Theme;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
pub use words::token_style;
use words::{CodeLine, Words};

/// In a longer run of changed lines, the lines rarely belong to one another.
const WORD_DIFF_LINES: usize = 200;
/// Below this width one column of line numbers has to do.
const NARROW: u16 = 60;
/// From this width on, old and new stand beside each other.
pub const BESIDE: u16 = 140;
/// Between the two.
const DIVIDER: &str = " \u{2502} ";

pub fn file_title(file: &FilePlan) -> String {
    let path = text::exact(&String::from(file.path.clone()));
    let verb = match file.kind {
        ChangeKind::Add => "add",
        ChangeKind::Update => "update",
        ChangeKind::Delete => "delete",
        ChangeKind::Move => "move",
    };
    match &file.target {
        Some(target) => format!(
            "{verb} {path} \u{2192} {}",
            text::exact(&String::from(target.clone()))
        ),
        None => format!("{verb} {path}"),
    }
}

/// Lines that follow one another and are either unchanged or a change: what goes, then what comes.
enum Block<'a> {
    Context(CodeLine<'a>),
    Change {
        removed: Vec<CodeLine<'a>>,
        added: Vec<CodeLine<'a>>,
    },
}

fn blocks<'a>(hunk: &'a Hunk, tokens: &'a HunkTokens) -> Vec<Block<'a>> {
    let mut out: Vec<Block<'a>> = Vec::new();
    for (at, line) in hunk.lines.iter().enumerate() {
        let line = CodeLine {
            line,
            tokens: tokens.get(at),
        };
        match (line.line.kind, out.last_mut()) {
            (LineKind::Context, _) => out.push(Block::Context(line)),
            (LineKind::Removed, Some(Block::Change { removed, added })) if added.is_empty() => {
                removed.push(line);
            }
            (LineKind::Added, Some(Block::Change { added, .. })) => added.push(line),
            (LineKind::Removed, _) => out.push(Block::Change {
                removed: vec![line],
                added: Vec::new(),
            }),
            (LineKind::Added, _) => out.push(Block::Change {
                removed: Vec::new(),
                added: vec![line],
            }),
        }
    }
    out
}

/// The texts of a change, line by line: `None` where the other side has more.
fn paired(
    removed: &[CodeLine<'_>],
    added: &[CodeLine<'_>],
    theme: &Theme,
) -> Vec<(Option<Words>, Option<Words>)> {
    let rows = removed.len().max(added.len());
    (0..rows)
        .map(|row| match (removed.get(row), added.get(row)) {
            (Some(old), Some(new)) if rows <= WORD_DIFF_LINES => {
                let (old, new) = words::pair(*old, *new, theme);
                (Some(old), Some(new))
            }
            (old, new) => (
                old.map(|line| words::plain(*line, theme.diff_remove, theme)),
                new.map(|line| words::plain(*line, theme.diff_add, theme)),
            ),
        })
        .collect()
}

/// One line below the other.
pub fn hunk(hunk: &Hunk, tokens: &HunkTokens, theme: &Theme, columns: u16) -> Vec<Source> {
    let mut out = vec![Source::plain(hunk.range(), theme.diff_header)];
    let both = columns >= NARROW;
    let width = number_width(hunk);
    let line = |old: Option<usize>, new: Option<usize>, sign, style, text| {
        let gutter = if both {
            format!("{} {} ", number(old, width), number(new, width))
        } else {
            format!("{} ", number(new.or(old), width))
        };
        numbered(gutter, sign, style, text, theme)
    };
    let (mut old, mut new) = (hunk.old_start, hunk.new_start);
    for block in blocks(hunk, tokens) {
        match block {
            Block::Context(context) => {
                let style = theme.diff_context;
                let text = words::plain(context, style, theme);
                out.push(line(Some(old), Some(new), ' ', style, text));
                (old, new) = (old + 1, new + 1);
            }
            Block::Change { removed, added } => {
                let (before, after): (Vec<_>, Vec<_>) =
                    paired(&removed, &added, theme).into_iter().unzip();
                for text in before.into_iter().flatten() {
                    out.push(line(Some(old), None, '-', theme.diff_remove, text));
                    old += 1;
                }
                for text in after.into_iter().flatten() {
                    out.push(line(None, Some(new), '+', theme.diff_add, text));
                    new += 1;
                }
            }
        }
    }
    out
}

/// Whether old and new side say more beside each other: both have lines, and there is room.
pub fn fits_beside(hunk: &Hunk, columns: u16) -> bool {
    columns >= BESIDE && hunk.old_lines > 0 && hunk.new_lines > 0
}

/// The old side on the left, the new one on the right, each wrapped in its half. Rows, not sources: the two
/// halves of a row must stay together.
pub fn beside(hunk: &Hunk, tokens: &HunkTokens, theme: &Theme, columns: u16) -> Vec<Line<'static>> {
    let room = usize::from(columns).saturating_sub(wrap::width(DIVIDER));
    let (left, right) = (room / 2, room - room / 2);
    let width = number_width(hunk);
    let mut out = vec![Line::styled(hunk.range(), theme.diff_header)];
    let mut row = |old: Option<Source>, new: Option<Source>| {
        let wrapped = |source: Option<Source>, columns: usize| {
            let mut rows = Vec::new();
            if let Some(source) = source {
                wrap::wrap(&source, columns, &mut rows);
            }
            rows
        };
        let (old, new) = (wrapped(old, left), wrapped(new, right));
        let rows = old.len().max(new.len());
        let (mut old, mut new) = (old.into_iter(), new.into_iter());
        for _ in 0..rows {
            let old = old.next().unwrap_or_default();
            let mut spans = old.spans;
            let used: usize = spans.iter().map(|span| wrap::width(&span.content)).sum();
            let rest = " ".repeat(left.saturating_sub(used));
            spans.push(Span::styled(rest, old.style));
            spans.push(Span::styled(DIVIDER, theme.rule));
            let new = new.next().unwrap_or_default();
            spans.extend(new.spans);
            out.push(Line::from(spans).style(new.style));
        }
    };
    let (mut old, mut new) = (hunk.old_start, hunk.new_start);
    let line = |at: usize, sign, style, text| {
        numbered(
            format!("{} ", number(Some(at), width)),
            sign,
            style,
            text,
            theme,
        )
    };
    for block in blocks(hunk, tokens) {
        match block {
            Block::Context(context) => {
                let style = theme.diff_context;
                let text = words::plain(context, style, theme);
                row(
                    Some(line(old, ' ', style, text.clone())),
                    Some(line(new, ' ', style, text)),
                );
                (old, new) = (old + 1, new + 1);
            }
            Block::Change { removed, added } => {
                for (before, after) in paired(&removed, &added, theme) {
                    let (goes, comes) = (before.is_some(), after.is_some());
                    row(
                        before.map(|text| line(old, '-', theme.diff_remove, text)),
                        after.map(|text| line(new, '+', theme.diff_add, text)),
                    );
                    old += usize::from(goes);
                    new += usize::from(comes);
                }
            }
        }
    }
    out
}

/// Columns of the largest line number.
fn number_width(hunk: &Hunk) -> usize {
    let last = (hunk.old_start + hunk.old_lines).max(hunk.new_start + hunk.new_lines);
    last.to_string().len()
}

fn number(number: Option<usize>, width: usize) -> String {
    number.map_or_else(|| " ".repeat(width), |n| format!("{n:>width$}"))
}

/// Of a style nothing but its background.
fn background(style: Style) -> Style {
    style
        .bg
        .map_or_else(Style::default, |bg| Style::new().bg(bg))
}

fn numbered(gutter: String, sign: char, style: Style, text: Words, theme: &Theme) -> Source {
    let blank = " ".repeat(gutter.chars().count() + 2);
    let mut source = Source::spans(text).verbatim();
    source.first = vec![
        Span::styled(gutter, theme.line_number),
        Span::styled(format!("{sign} "), style),
    ];
    source.rest = vec![Span::raw(blank)];
    source.fill = background(style);
    source
}

#[cfg(test)]
mod tests;
