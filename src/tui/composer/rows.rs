//! The text in rows of the screen, laid out only where it is looked at.
//!
//! A row ends after a space where it can, else between graphemes. Nothing is dropped, so every place of the
//! text has a cell. One column is left free: the cursor stands there at a row's end.

use super::buffer::Buffer;
use super::paste::Pastes;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Columns of a tab.
pub const TAB: usize = 4;

/// Cells of a grapheme as it is drawn.
pub fn cells(grapheme: &str, pastes: &Pastes) -> usize {
    match grapheme.chars().next() {
        Some('\t') => TAB,
        Some(c) if super::paste::is_mark(c) => pastes.label(c).map_or(1, UnicodeWidthStr::width),
        _ => grapheme.width(),
    }
}

/// The text in rows of a width.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    text: &'a str,
    pastes: &'a Pastes,
    columns: usize,
}

impl<'a> Rows<'a> {
    pub fn of(buffer: &'a Buffer, width: u16) -> Rows<'a> {
        Rows {
            text: buffer.marked(),
            pastes: &buffer.pastes,
            columns: usize::from(width).saturating_sub(1).max(1),
        }
    }

    /// The row that begins at `start`, and where the next one begins; `None` after the last.
    fn row(&self, start: usize) -> (Range<usize>, Option<usize>) {
        let rest = self.text.get(start..).unwrap_or_default();
        let mut used = 0;
        let mut break_at = None;
        for (offset, grapheme) in rest.grapheme_indices(true) {
            let at = start + offset;
            if grapheme == "\n" || grapheme == "\r\n" {
                return (start..at, Some(at + grapheme.len()));
            }
            let cells = cells(grapheme, self.pastes);
            if used + cells > self.columns && at > start {
                let end = break_at.filter(|end| *end > start).unwrap_or(at);
                return (start..end, Some(end));
            }
            used += cells;
            if grapheme == " " || grapheme == "\t" {
                break_at = Some(at + grapheme.len());
            }
        }
        (start..self.text.len(), None)
    }

    /// Rows from the one that begins at `start`.
    pub fn from(self, start: usize) -> impl Iterator<Item = Range<usize>> + use<'a> {
        let mut next = Some(start);
        std::iter::from_fn(move || {
            let (row, following) = self.row(next?);
            next = following;
            Some(row)
        })
    }

    /// Rows in all, counted up to `most`.
    pub fn count(&self, most: usize) -> usize {
        self.from(0).take(most).count()
    }

    fn line_start(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or_default();
        before.rfind('\n').map_or(0, |newline| newline + 1)
    }

    /// The row that the place `at` is drawn in.
    pub fn at(&self, at: usize) -> Range<usize> {
        let mut found = 0..0;
        for row in self.from(self.line_start(at)) {
            if row.start > at {
                break;
            }
            found = row;
        }
        found
    }

    /// The row above the one that begins at `start`.
    pub fn above(&self, start: usize) -> Option<Range<usize>> {
        Some(self.at(start.checked_sub(1)?))
    }

    pub fn below(&self, start: usize) -> Option<Range<usize>> {
        let (_, next) = self.row(start);
        next.map(|next| self.row(next).0)
    }

    /// The column in which the place `at` of a row is drawn.
    pub fn column(&self, row: &Range<usize>, at: usize) -> usize {
        let text = self
            .text
            .get(row.start..at.min(row.end))
            .unwrap_or_default();
        text.graphemes(true).map(|g| cells(g, self.pastes)).sum()
    }

    /// The place in `row` nearest to `column` from the left.
    pub fn place(&self, row: &Range<usize>, column: usize) -> usize {
        let text = self.text.get(row.clone()).unwrap_or_default();
        let mut used = 0;
        let mut last = row.start;
        for (offset, grapheme) in text.grapheme_indices(true) {
            used += cells(grapheme, self.pastes);
            if used > column {
                return row.start + offset;
            }
            last = row.start + offset;
        }
        // The end of a row that goes on is the start of the next.
        let (_, next) = self.row(row.start);
        if next == Some(row.end) { last } else { row.end }
    }
}
