//! The wrapped rows of a pane, and scrolling over them.
//!
//! Only cells that are on screen, or that a scroll passes, are ever laid out; a cell is wrapped again only
//! when it, the width or the theme changed.

use super::rows::{Key, Laid, slice, text_of};
use super::search::Marked;
use super::{Pane, Row, RowAt, Scroll, Style};
use crate::tui::pane::select::Selection;
use crate::tui::render::wrap;
use crate::tui::terminal::links::Links;
use crate::tui::transcript::{Body, Transcript};
use ratatui::text::Line;
use regex::Regex;

/// Rows above a cell that was scrolled to, as a part of the pane's height.
const LEAD: usize = 4;

#[derive(Debug, Default)]
pub struct PaneCache {
    generation: u64,
    cells: Vec<Option<Laid>>,
    links: Links,
}

impl PaneCache {
    pub fn clear(&mut self) {
        self.cells.clear();
    }

    /// Where the links in the rows lead.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// Cells that are laid out.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.cells.iter().flatten().count()
    }

    fn laid(&mut self, transcript: &Transcript, at: usize, style: Style<'_>) -> Option<&Laid> {
        if self.generation != transcript.generation {
            self.cells.clear();
            self.generation = transcript.generation;
        }
        let cell = transcript.cells().get(at)?;
        if self.cells.len() <= at {
            self.cells.resize_with(at + 1, || None);
        }
        // A turn's reasoning is open unless it was folded; cards are folded unless they were opened.
        let all = matches!(cell.body, Body::Thought(_)) || style.unfolded;
        let style = Style {
            unfolded: cell.unfolded.unwrap_or(all),
            ..style
        };
        let key = Key {
            epoch: cell.epoch,
            columns: style.columns,
            unfolded: style.unfolded,
            hidden: cell.hidden,
            coloured: style.grammars.is_some()
                && matches!(cell.body, Body::Answer { .. } | Body::Diff(_)),
        };
        let slot = self.cells.get_mut(at)?;
        let laid = match slot.take() {
            Some(laid) if laid.key == key => laid,
            _ => Laid::new(key),
        };
        Some(slot.insert(laid.lay_out(cell, style, &self.links)))
    }

    /// The lines of a cell, with one empty line after it; none where it is hidden.
    pub fn lines(
        &mut self,
        transcript: &Transcript,
        at: usize,
        style: Style<'_>,
    ) -> &[Line<'static>] {
        self.laid(transcript, at, style)
            .map_or(&[], |laid| laid.rows.lines.as_slice())
    }

    fn height(&mut self, transcript: &Transcript, at: usize, style: Style<'_>) -> usize {
        self.lines(transcript, at, style).len()
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
    fn search(&mut self, pane: &mut Pane, style: Style<'_>) {
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

    /// Resolves what was asked of the pane; returns where the first row is.
    pub fn settle(&mut self, pane: &mut Pane, style: Style<'_>, height: u16) -> RowAt {
        let height = usize::from(height);
        self.search(pane, style);
        let tail = self.tail_top(&pane.transcript, style, height);
        let pending = std::mem::take(&mut pane.pending);
        let mut top = match pane.scroll {
            Scroll::FollowTail => tail,
            Scroll::Anchored { cell, line } => {
                let last = pane.transcript.cells().len().saturating_sub(1);
                let cell = cell.min(last);
                let rows = self.height(&pane.transcript, cell, style);
                RowAt {
                    cell,
                    row: line.min(rows.saturating_sub(1)),
                }
            }
        };
        let rows = usize::try_from(pending.unsigned_abs()).unwrap_or(usize::MAX);
        top = if pending < 0 {
            self.up(&pane.transcript, top, rows, style)
        } else {
            self.down(&pane.transcript, top, rows, tail, style)
        };
        if let Some(goal) = pane.goal.take() {
            top = self.with_goal(&pane.transcript, top.min(tail), goal, height, style);
        }
        // Folded reasoning between here and the tail is no distance.
        while top.cell < tail.cell && self.height(&pane.transcript, top.cell, style) == 0 {
            top = RowAt {
                cell: top.cell + 1,
                row: 0,
            };
        }
        if top >= tail {
            top = tail;
            pane.scroll = Scroll::FollowTail;
            pane.seen = pane.transcript.revision;
        } else {
            pane.scroll = Scroll::Anchored {
                cell: top.cell,
                line: top.row,
            };
        }
        pane.shown = self.screen(&pane.transcript, top, height, style);
        top
    }

    fn up(
        &mut self,
        transcript: &Transcript,
        mut top: RowAt,
        mut rows: usize,
        style: Style<'_>,
    ) -> RowAt {
        loop {
            if top.row >= rows {
                top.row -= rows;
                return top;
            }
            rows -= top.row;
            top.row = 0;
            // Hidden cells have no row to stop at.
            let above = (0..top.cell)
                .rev()
                .map(|at| (at, self.height(transcript, at, style)))
                .find(|(_, height)| *height > 0);
            let Some((cell, height)) = above else {
                return top;
            };
            top = RowAt { cell, row: height };
        }
    }

    fn down(
        &mut self,
        transcript: &Transcript,
        mut top: RowAt,
        mut rows: usize,
        tail: RowAt,
        style: Style<'_>,
    ) -> RowAt {
        while rows > 0 && top < tail {
            let here = self.height(transcript, top.cell, style);
            if top.row + rows < here {
                top.row += rows;
                return top;
            }
            rows -= here.saturating_sub(top.row);
            top = RowAt {
                cell: top.cell + 1,
                row: 0,
            };
        }
        top
    }

    /// `top` moved so that the beginning of `goal` is on screen; left alone where it is already.
    fn with_goal(
        &mut self,
        transcript: &Transcript,
        top: RowAt,
        goal: RowAt,
        height: usize,
        style: Style<'_>,
    ) -> RowAt {
        let screen = self.screen(transcript, top, height, style);
        if screen.contains(&goal) {
            return top;
        }
        self.up(transcript, goal, height / LEAD, style)
    }

    /// The first row on screen when the end is followed.
    fn tail_top(&mut self, transcript: &Transcript, style: Style<'_>, height: usize) -> RowAt {
        let mut room = height;
        let mut is_last = true;
        for cell in (0..transcript.cells().len()).rev() {
            let mut rows = self.height(transcript, cell, style);
            if rows > 0 && std::mem::take(&mut is_last) {
                // The gap after the last cell needs no row; the head of an open turn has none.
                let gap = self
                    .lines(transcript, cell, style)
                    .last()
                    .is_some_and(|line| line.spans.is_empty());
                rows -= usize::from(gap);
            }
            if rows >= room {
                return RowAt {
                    cell,
                    row: rows - room,
                };
            }
            room -= rows;
        }
        RowAt::default()
    }

    /// The rows from `top` on that fit the height.
    fn screen(
        &mut self,
        transcript: &Transcript,
        top: RowAt,
        height: usize,
        style: Style<'_>,
    ) -> Vec<RowAt> {
        let mut out = Vec::with_capacity(height);
        let mut skip = top.row;
        for cell in top.cell..transcript.cells().len() {
            if out.len() >= height {
                break;
            }
            let rows = self.height(transcript, cell, style);
            let room = height - out.len();
            out.extend((skip..rows).take(room).map(|row| RowAt { cell, row }));
            skip = 0;
        }
        out
    }
}
