//! The wrapped rows of a pane.
//!
//! Only cells that are on screen, or that a scroll passes, are ever laid out; what is kept of them is in
//! [`super::kept`].

use super::rows::{slice, text_of};
use super::search::Marked;
use super::{Pane, PaneCache, Row, RowAt, Style};
use crate::tui::pane::select::Selection;
use crate::tui::render::wrap;
use crate::tui::transcript::Transcript;
use ratatui::text::Line;
use regex::Regex;

impl PaneCache {
    /// The lines of a cell, with one empty line after it; none where it is hidden.
    #[cfg(test)]
    pub fn lines(
        &mut self,
        transcript: &Transcript,
        at: usize,
        style: Style<'_>,
    ) -> &[Line<'static>] {
        self.laid(transcript, at, style)
            .map_or(&[], |laid| laid.rows.lines.as_slice())
    }

    pub(super) fn height(&mut self, transcript: &Transcript, at: usize, style: Style<'_>) -> usize {
        self.measured(transcript, at, style).0
    }

    /// A row, and its place in its logical line.
    pub fn row(
        &mut self,
        transcript: &Transcript,
        at: RowAt,
        style: Style<'_>,
    ) -> Option<(&Line<'static>, Row)> {
        let laid = self.laid(transcript, at.cell, style)?;
        Some((laid.rows.lines.get(at.row)?, *laid.rows.rows.get(at.row)?))
    }

    /// The matches of a cell as they are on its rows now; a match across rows has a part on each.
    pub fn matches(
        &mut self,
        transcript: &Transcript,
        cell: usize,
        pattern: &Regex,
        style: Style<'_>,
    ) -> Vec<Marked> {
        let mut out = Vec::new();
        let Some(laid) = self.laid(transcript, cell, style) else {
            return out;
        };
        let mut nth = 0;
        let mut row = 0;
        while row < laid.rows.rows.len() {
            // A logical line: its text before it was wrapped, and the byte at which each row begins.
            let mut text = String::new();
            let mut starts = Vec::new();
            for (n, (line, place)) in laid
                .rows
                .lines
                .iter()
                .zip(&laid.rows.rows)
                .enumerate()
                .skip(row)
            {
                if n > row && place.first {
                    break;
                }
                text.extend(std::iter::repeat_n(' ', place.spaces));
                let own = text_of(line, *place);
                starts.push((text.len(), place.gutter, own.len()));
                text.push_str(&own);
            }
            for found in pattern.find_iter(&text) {
                for (n, (start, gutter, length)) in starts.iter().enumerate() {
                    let from = found.start().max(*start);
                    let to = found.end().min(start + length);
                    if from < to {
                        let width = |from, to| text.get(from..to).map_or(0, wrap::width);
                        let column = gutter + width(*start, from);
                        out.push(Marked {
                            at: RowAt { cell, row: row + n },
                            columns: column..column + width(from, to),
                            nth,
                        });
                    }
                }
                nth += 1;
            }
            row += starts.len().max(1);
        }
        out
    }

    /// Looks for more matches, and brings the current one on screen where it is to be seen.
    pub(super) fn search(&mut self, pane: &mut Pane, style: Style<'_>) {
        let Some(search) = &mut pane.search else {
            return;
        };
        search.advance(&pane.transcript, style);
        let (Some(hit), Some(pattern), true) =
            (search.current, search.pattern().cloned(), search.goes)
        else {
            return;
        };
        search.goes = false;
        pane.transcript.reveal(hit.cell);
        let found = self.matches(&pane.transcript, hit.cell, &pattern, style);
        pane.goal = found
            .iter()
            .find(|marked| marked.nth == hit.nth)
            .map(|marked| marked.at);
    }

    /// The selected text as it was before it was wrapped: no gutters, no line ends of ours.
    pub fn text_of(
        &mut self,
        transcript: &Transcript,
        selection: &Selection,
        style: Style<'_>,
    ) -> String {
        let (from, to) = selection.ends();
        let mut out = String::new();
        let mut begun = false;
        for cell in from.at.cell..=to.at.cell {
            let Some(laid) = self.laid(transcript, cell, style) else {
                break;
            };
            for (row, (line, place)) in laid.rows.lines.iter().zip(&laid.rows.rows).enumerate() {
                let Some(columns) = selection.columns(RowAt { cell, row }) else {
                    continue;
                };
                match (begun, place.first) {
                    (false, _) => {}
                    (true, true) => out.push('\n'),
                    (true, false) => out.extend(std::iter::repeat_n(' ', place.spaces)),
                }
                begun = true;
                slice(line, columns.start.max(place.bare)..columns.end, &mut out);
            }
        }
        out.truncate(out.trim_end_matches('\n').len());
        out
    }
}
