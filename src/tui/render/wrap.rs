//! Soft wrapping of styled lines.
//!
//! It turns one logical line into the rows that fit a width. Words break at spaces and between wide characters, a
//! word longer than a row breaks between graphemes, a verbatim line (code, output) only there. It never drops
//! anything but the spaces at which it broke. A line may come in pieces ([`Rows`]): only its last row is laid out
//! again, so a stream costs the same however long its line has become. Nothing here knows about panes or caches.

mod row;

use ratatui::buffer::CellWidth;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use row::{Piece, pieces, push_pieces, row_end};
use unicode_segmentation::UnicodeSegmentation;

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
    /// More of the line before this one, in the same gutter.
    pub continues: bool,
    /// Its background goes on behind the text to the end of each row: it becomes the lines' own style, for
    /// [`super::paint::rows`].
    pub fill: Style,
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

/// Cells that ratatui gives a text: the sum over its graphemes, which is not always the width of the whole.
pub fn width(text: &str) -> usize {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.len();
    }
    text.graphemes(true).map(grapheme_width).sum()
}

fn grapheme_width(grapheme: &str) -> usize {
    match grapheme.len() {
        1 => 1,
        _ => usize::from(grapheme.cell_width()),
    }
}

fn spans_width(spans: &[Span<'_>]) -> usize {
    spans.iter().map(|s| width(&s.content)).sum()
}

/// The rows of `source` at `columns` (at least 1), appended to `out`. An empty line is one row.
pub fn wrap(source: &Source, columns: usize, out: &mut Vec<Line<'static>>) {
    let mut rows = Rows::default();
    rows.push(source, columns);
    out.append(&mut rows.lines);
}

/// Spaces for the tabs of a whole line, as they are laid out.
pub fn untab(spans: &mut [Span<'_>]) {
    if spans.iter().all(|span| !span.content.contains('\t')) {
        return;
    }
    let mut column = 0;
    for span in spans {
        let mut text = String::with_capacity(span.content.len() + 8);
        for part in span.content.split_inclusive('\t') {
            let before = part.strip_suffix('\t');
            text.push_str(before.unwrap_or(part));
            column += width(before.unwrap_or(part));
            if before.is_some() {
                let stop = row::TAB - column % row::TAB;
                text.extend(std::iter::repeat_n(' ', stop));
                column += stop;
            }
        }
        span.content = text.into();
    }
}

/// A row's place in its logical line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Row {
    /// A logical line begins here.
    pub first: bool,
    /// Columns of the gutter, which is no text.
    pub gutter: usize,
    /// Of those, how many stand before a list's marker; all of them where there is none.
    pub bare: usize,
    /// Spaces that were dropped where the line was broken, before this row.
    pub spaces: usize,
}

/// Rows of lines that come one after the other or in pieces.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    pub lines: Vec<Line<'static>>,
    /// As many as `lines`.
    pub rows: Vec<Row>,
    /// The terminal draws joined emoji as one sign; else they are laid out one by one.
    pub joined: bool,
    open: Option<Open>,
}

/// The last row as it was before it was laid out, to go on with it.
#[derive(Debug, Clone)]
struct Open {
    pieces: Vec<Piece<'static>>,
    gutter: Gutter,
    /// Cells of the line before that row, for tab stops.
    column: usize,
    /// How it follows the one before.
    row: Row,
}

#[derive(Debug, Clone)]
struct Gutter {
    first: Vec<Span<'static>>,
    rest: Vec<Span<'static>>,
    verbatim: bool,
    fill: Style,
}

impl Gutter {
    fn of(source: &Source) -> Gutter {
        Gutter {
            first: source.first.clone(),
            rest: source.rest.clone(),
            verbatim: source.verbatim,
            fill: source.fill,
        }
    }
}

/// Where [`Rows`] stood.
#[derive(Debug, Clone, Default)]
pub struct Mark {
    lines: usize,
    last: Option<Line<'static>>,
    open: Option<Open>,
}

impl Rows {
    pub fn push(&mut self, source: &Source, columns: usize) {
        let mut open = match self.open.take() {
            Some(open) if source.continues => {
                self.lines.pop();
                self.rows.pop();
                open
            }
            _ => Open {
                pieces: Vec::new(),
                gutter: Gutter::of(source),
                column: 0,
                row: Row {
                    first: true,
                    ..Row::default()
                },
            },
        };
        let before: usize = open.pieces.iter().map(|piece| piece.cells).sum();
        let more = pieces(&source.spans, open.column + before, self.joined);
        open.pieces.extend(more.into_iter().map(Piece::owned));
        self.lay(&mut open, columns.max(1));
        self.open = Some(open);
    }

    /// Lays the open pieces out and leaves those of the last row open.
    fn lay(&mut self, open: &mut Open, columns: usize) {
        let mut start = 0;
        loop {
            let prefix = if open.row.first {
                &open.gutter.first
            } else {
                &open.gutter.rest
            };
            // A gutter that leaves no room is dropped rather than the text.
            let cells =
                Some(spans_width(prefix)).filter(|cells| *cells > 0 && cells + 4 <= columns);
            let mut spans = cells.map_or_else(Vec::new, |_| prefix.clone());
            let gutter = cells.unwrap_or(0);
            let (end, next) = row_end(&open.pieces, start, columns - gutter, open.gutter.verbatim);
            push_pieces(&open.pieces, start, end, &mut spans);
            self.lines.push(Line::from(spans).style(open.gutter.fill));
            open.row.gutter = gutter;
            open.row.bare = match marker(prefix) {
                Some(before) if open.row.first && !open.gutter.verbatim => before.min(gutter),
                _ => gutter,
            };
            self.rows.push(open.row);
            if next >= open.pieces.len() {
                break;
            }
            start = next;
            open.row = Row {
                spaces: next - end,
                ..Row::default()
            };
        }
        let done = open.pieces.drain(..start);
        open.column += done.map(|piece| piece.cells).sum::<usize>();
    }

    pub fn mark(&self) -> Mark {
        Mark {
            lines: self.lines.len(),
            last: self.lines.last().cloned(),
            open: self.open.clone(),
        }
    }

    /// Takes back what was pushed since.
    pub fn rewind(&mut self, mark: &Mark) {
        self.lines.truncate(mark.lines);
        self.rows.truncate(mark.lines);
        if let Some((line, last)) = self.lines.last_mut().zip(mark.last.clone()) {
            *line = last;
        }
        self.open.clone_from(&mark.open);
    }

    /// An empty row, which nothing goes on with.
    pub fn gap(&mut self) {
        self.push(&Source::default(), 1);
        self.open = None;
    }
}

/// Columns before the first mark in a gutter that is neither a space nor a bar.
fn marker(gutter: &[Span<'_>]) -> Option<usize> {
    let text: String = gutter.iter().map(|span| span.content.as_ref()).collect();
    let at = text.find(|c: char| c != ' ' && c != '\u{2502}')?;
    text.get(..at).map(width)
}

/// `text` cut to `columns` cells with `…` where something is missing.
pub fn clip(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let cells = grapheme_width(grapheme);
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
        let mut rows = Rows {
            joined: true,
            ..Rows::default()
        };
        rows.push(&Source::plain(text, Style::default()), columns);
        rows.lines
            .iter()
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
            ("see 漢字漢字", 8, &["see 漢字", "漢字"]),
            ("「漢字」。", 6, &["「漢", "字」。"]),
            ("a\tb\tc", 20, &["a   b   c"]),
            ("\u{301}x", 5, &["\u{25cc}\u{301}x"]),
            ("👍🏽👍🏽👍🏽", 5, &["👍🏽👍🏽", "👍🏽"]),
            ("🇩🇪🇫🇷", 3, &["🇩🇪", "🇫🇷"]),
            ("👨‍👩‍👧x", 2, &["👨‍👩‍👧", "x"]),
            ("לא נכון", 4, &["לא", "נכון"]),
        ];
        for (text, columns, expected) in cases {
            assert_eq!(rows(text, *columns), *expected, "{text:?} at {columns}");
        }
    }

    #[test]
    fn joined_emoji_stand_one_by_one_where_a_terminal_counts_them_so() {
        let mut out = Vec::new();
        let text = "👩🏽\u{200d}🚀 ❤\u{fe0f}\u{200d}🔥 नी\u{200d}क";
        wrap(&Source::plain(text, Style::default()), 40, &mut out);
        assert_eq!(out[0].to_string(), "👩🏽🚀 ❤\u{fe0f}🔥 नी\u{200d}क");
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

    /// Text of every kind that is hard on a width.
    fn any_text() -> impl Strategy<Value = String> {
        let parts = prop::sample::select(vec![
            "a",
            "word",
            " ",
            "  ",
            "\t",
            "漢",
            "ｶﾞ",
            "é",
            "e\u{301}",
            "\u{301}",
            "🙂",
            "👍🏽",
            "👨‍👩‍👧",
            "🇩🇪",
            "❤\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            "لا",
            "שלום",
            "نی\u{200c}",
            "กำ",
            "नमस्ते",
            "각",
            "\u{1160}",
            "。",
            "（",
            "https://example.org/a/b",
            "—",
        ]);
        prop::collection::vec(parts, 0..40).prop_map(|parts| parts.concat())
    }

    fn squeeze(text: &str) -> String {
        text.replace([' ', '\t', '\u{25cc}'], "")
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn nothing_but_break_spaces_is_lost(text in any_text(), columns in 2usize..60) {
            prop_assert_eq!(squeeze(&rows(&text, columns).concat()), squeeze(&text));
        }

        #[test]
        fn no_row_is_wider_than_the_pane_and_ratatui_agrees(text in any_text(), columns in 3u16..60, verbatim: bool, joined: bool) {
            use ratatui::buffer::Buffer;
            use ratatui::layout::Rect;
            let mut source = Source::plain(text, Style::default());
            source.verbatim = verbatim;
            let mut rows = Rows { joined, ..Rows::default() };
            rows.push(&source, usize::from(columns));
            for row in rows.lines {
                let cells: usize = row.spans.iter().map(|span| width(&span.content)).sum();
                prop_assert!(cells <= usize::from(columns), "{row:?}");
                // Twice as wide as need be: what does not fit shows.
                let mut buffer = Buffer::empty(Rect::new(0, 0, columns * 2, 1));
                let (end, _) = buffer.set_line(0, 0, &row, columns * 2);
                prop_assert_eq!(usize::from(end), cells, "{:?}", row);
            }
        }

        #[test]
        fn a_line_in_pieces_equals_the_whole(
            pieces in prop::collection::vec((any_text(), any::<bool>()), 1..8),
            columns in 2usize..40,
            verbatim: bool,
        ) {
            let style = |bold: &bool| if *bold { Style::new().bold() } else { Style::new() };
            let source = |spans: Vec<Span<'static>>, continues| Source {
                fill: Style::default(),
                spans,
                first: vec![Span::raw("- ")],
                rest: vec![Span::raw("  ")],
                verbatim,
                continues,
            };
            let spans: Vec<Span<'static>> = pieces.iter().map(|(text, bold)| Span::styled(text.clone(), style(bold))).collect();
            let mut rows = Rows::default();
            let mut kept = Mark::default();
            for (n, span) in spans.iter().enumerate() {
                rows.rewind(&kept);
                rows.push(&source(vec![span.clone()], n > 0), columns);
                kept = rows.mark();
                rows.push(&source(vec![Span::raw("tail that is taken back")], true), columns);
            }
            rows.rewind(&kept);
            let mut whole = Rows::default();
            whole.push(&source(spans, false), columns);
            prop_assert_eq!(rows.lines, whole.lines);
            prop_assert_eq!(rows.rows, whole.rows);
        }
    }
}
