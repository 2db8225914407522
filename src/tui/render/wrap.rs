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
mod tests;
