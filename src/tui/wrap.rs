//! Soft wrapping of styled lines.
//!
//! It turns one logical line into the rows that fit a width. Words break at spaces, a word longer than a
//! row breaks between graphemes, a verbatim line (code, output) only there. It never drops anything but
//! the spaces at which it broke. Nothing here knows about panes or caches.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// A logical line: what to draw and how its continuation rows begin.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Source {
    pub spans: Vec<Span<'static>>,
    /// Drawn before the first row.
    pub first: Vec<Span<'static>>,
    /// Drawn before every further row; as wide as `first` or narrower.
    pub rest: Vec<Span<'static>>,
    /// Break only where a row is full; keep every space.
    pub verbatim: bool,
}

impl Source {
    pub fn plain(text: impl Into<String>, style: Style) -> Source {
        Source {
            spans: vec![Span::styled(text.into(), style)],
            ..Source::default()
        }
    }

    pub fn spans(spans: Vec<Span<'static>>) -> Source {
        Source {
            spans,
            ..Source::default()
        }
    }

    pub fn gutter(mut self, first: Span<'static>, rest: Span<'static>) -> Source {
        self.first.insert(0, first);
        self.rest.insert(0, rest);
        self
    }

    pub fn verbatim(mut self) -> Source {
        self.verbatim = true;
        self
    }
}

pub fn width(text: &str) -> usize {
    text.width()
}

fn spans_width(spans: &[Span<'_>]) -> usize {
    spans.iter().map(|s| width(&s.content)).sum()
}

/// The rows of `source` at `columns` (at least 1), appended to `out`. An empty line is one row.
pub fn wrap(source: &Source, columns: usize, out: &mut Vec<Line<'static>>) {
    let columns = columns.max(1);
    let pieces: Vec<(&str, usize, Style)> = source
        .spans
        .iter()
        .flat_map(|s| s.content.graphemes(true).map(|g| (g, width(g), s.style)))
        .collect();
    let mut prefix = &source.first;
    let mut start = 0;
    loop {
        // A gutter that leaves no room is dropped rather than the text.
        let gutter = spans_width(prefix);
        let (gutter, room) = if gutter + 4 <= columns {
            (gutter, columns - gutter)
        } else {
            (0, columns)
        };
        let (end, next) = row_end(&pieces, start, room, source.verbatim);
        let mut spans = if gutter > 0 {
            prefix.clone()
        } else {
            Vec::new()
        };
        push_pieces(&pieces, start, end, &mut spans);
        out.push(Line::from(spans));
        if next >= pieces.len() {
            return;
        }
        start = next;
        prefix = &source.rest;
    }
}

/// Where the row that begins at `start` ends, and where the next one begins.
fn row_end(
    pieces: &[(&str, usize, Style)],
    start: usize,
    room: usize,
    verbatim: bool,
) -> (usize, usize) {
    let mut used = 0;
    let mut space: Option<usize> = None;
    for (at, (grapheme, cells, _)) in pieces.iter().enumerate().skip(start) {
        if used + cells > room && at > start {
            if verbatim {
                return (at, at);
            }
            if *grapheme == " " {
                let trailing = pieces[start..at]
                    .iter()
                    .rev()
                    .take_while(|(g, _, _)| *g == " ")
                    .count();
                // A row of nothing but spaces keeps them.
                let end = if start + trailing == at {
                    at
                } else {
                    at - trailing
                };
                return (end, skip_spaces(pieces, at));
            }
            return match space {
                Some(space) => (space, skip_spaces(pieces, space)),
                None => (at, at),
            };
        }
        // Leading spaces are indentation, not a place to break.
        let after_word = at > start && pieces[at - 1].0 != " ";
        if *grapheme == " " && after_word {
            space = Some(at);
        }
        used += cells;
    }
    (pieces.len(), pieces.len())
}

fn skip_spaces(pieces: &[(&str, usize, Style)], from: usize) -> usize {
    pieces[from..]
        .iter()
        .position(|(g, _, _)| *g != " ")
        .map_or(pieces.len(), |n| from + n)
}

fn push_pieces(
    pieces: &[(&str, usize, Style)],
    start: usize,
    end: usize,
    spans: &mut Vec<Span<'static>>,
) {
    let mut text = String::new();
    let mut style = Style::default();
    for (grapheme, _, piece_style) in &pieces[start..end] {
        if *piece_style != style && !text.is_empty() {
            spans.push(Span::styled(std::mem::take(&mut text), style));
        }
        style = *piece_style;
        text.push_str(grapheme);
    }
    if !text.is_empty() {
        spans.push(Span::styled(text, style));
    }
}

/// `text` cut to `columns` cells with `…` where something is missing.
pub fn clip(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let cells = width(grapheme);
        if used + cells + 1 > columns {
            break;
        }
        out.push_str(grapheme);
        used += cells;
    }
    if columns > 0 {
        out.push('\u{2026}');
    }
    out
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(text: &str, columns: usize) -> Vec<String> {
        let mut out = Vec::new();
        wrap(&Source::plain(text, Style::default()), columns, &mut out);
        out.iter()
            .map(|l| l.spans.iter().map(|s| s.content.as_ref()).collect())
            .collect()
    }

    #[test]
    fn table() {
        let cases: &[(&str, usize, &[&str])] = &[
            ("", 10, &[""]),
            ("one two three", 20, &["one two three"]),
            ("one two three", 7, &["one two", "three"]),
            ("one two three", 8, &["one two", "three"]),
            ("  indented words here", 12, &["  indented", "words here"]),
            ("abcdefghij", 4, &["abcd", "efgh", "ij"]),
            ("a bcdefghij", 4, &["a", "bcde", "fghi", "j"]),
            ("漢字漢字", 5, &["漢字", "漢字"]),
            ("x    y", 3, &["x", "y"]),
            ("   ", 2, &["  "]),
        ];
        for (text, columns, expected) in cases {
            assert_eq!(rows(text, *columns), *expected, "{text:?} at {columns}");
        }
    }

    #[test]
    fn gutters_repeat_and_yield_to_narrow_columns() {
        let source = Source::plain("alpha beta gamma", Style::default())
            .gutter(Span::raw("> "), Span::raw("| "));
        let mut out = Vec::new();
        wrap(&source, 12, &mut out);
        let text: Vec<String> = out.iter().map(|l| l.to_string()).collect();
        assert_eq!(text, ["> alpha beta", "| gamma"]);
        out.clear();
        wrap(&source, 5, &mut out);
        assert_eq!(out[0].to_string(), "alpha");
    }

    #[test]
    fn clip_marks_what_is_missing() {
        assert_eq!(clip("short", 5), "short");
        assert_eq!(clip("longer", 5), "long…");
        assert_eq!(clip("漢字漢", 4), "漢…");
        assert_eq!(clip("x", 0), "");
    }

    proptest! {
        #[test]
        fn nothing_but_break_spaces_is_lost(text in "[a-z 漢é🙂]{0,60}", columns in 1usize..20) {
            let joined: String = rows(&text, columns).concat();
            let squeeze = |s: &str| s.replace(' ', "");
            prop_assert_eq!(squeeze(&joined), squeeze(&text));
        }

        #[test]
        fn rows_fit(text in "[a-z 漢]{0,60}", columns in 2usize..20) {
            for row in rows(&text, columns) {
                prop_assert!(width(&row) <= columns, "{row:?}");
            }
        }
    }
}
