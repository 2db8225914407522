//! Scrolling over wrapped rows: what was asked of a pane, resolved against its layout.
//!
//! A pane that follows its end stands still while text comes. When the text has reached the bottom the view moves on
//! by several rows at once and leaves them empty, so what is read stays where it is, and a terminal is not sent the
//! whole pane for every line. The end is on screen at all times. [`Pane::held`] is where such a view stands.

use super::{Pane, PaneCache, RowAt, Scroll, Style};
use crate::tui::transcript::Transcript;

/// Rows above a cell that was scrolled to, as a part of the pane's height.
const LEAD: usize = 4;
/// Rows left empty below text that grows, as a part of the pane's height (docs/benchmarks.md, `stream`).
const STEP: usize = 4;

/// The place a pane has on screen.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// In rows.
    pub height: u16,
    /// Text is to be expected: a turn or a command runs.
    pub grows: bool,
}

/// Where the view of a pane stands that follows its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    top: RowAt,
    /// It means something only in the layout it was seen in.
    columns: u16,
    generation: u64,
    earlier: usize,
}

/// Rows that may be left empty below the end; none in a pane of a few rows.
fn step(height: usize) -> usize {
    height / STEP
}

impl PaneCache {
    /// Resolves what was asked of the pane; returns where the first row is.
    pub fn settle(&mut self, pane: &mut Pane, style: Style<'_>, room: Room) -> RowAt {
        let height = usize::from(room.height);
        self.search(pane, style);
        let tail = self.tail_top(&pane.transcript, style, height);
        let follows = pane.follows();
        let from = match pane.scroll {
            Scroll::FollowTail => self.following(pane, tail, style, room),
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
        let pending = std::mem::take(&mut pane.pending);
        let rows = usize::try_from(pending.unsigned_abs()).unwrap_or(usize::MAX);
        let mut top = if pending < 0 {
            self.up(&pane.transcript, from, rows, style)
        } else {
            self.down(&pane.transcript, from, rows, Some(tail), style)
        };
        let goal = pane.goal.take();
        if let Some(goal) = goal {
            top = self.with_goal(&pane.transcript, top, goal, height, style);
        }
        // Folded reasoning between here and the tail is no distance.
        while top.cell < tail.cell && self.height(&pane.transcript, top.cell, style) == 0 {
            top = RowAt {
                cell: top.cell + 1,
                row: 0,
            };
        }
        // Who scrolls up wants to stay there, though the end may still be on screen.
        let stays = if follows {
            pending < 0 && top < from
        } else {
            pending <= 0 && goal.is_none()
        };
        let unmoved = follows && top == from;
        if top < tail {
            pane.scroll = Scroll::at(top);
        } else {
            pane.seen = pane.transcript.revision;
            let some_above = tail > RowAt::default();
            if stays && some_above && self.fits(pane, tail, top, style, height) {
                pane.scroll = Scroll::at(top);
            } else if !unmoved {
                top = tail;
                pane.scroll = Scroll::FollowTail;
            }
        }
        if pane.follows() {
            pane.held = Some(Held {
                top,
                columns: style.columns,
                generation: pane.transcript.generation,
                earlier: pane.transcript.earlier,
            });
        }
        pane.shown = self.screen(&pane.transcript, top, height, style);
        pane.lead = 0;
        if pane.from_below && pane.shown.len() < height {
            // The gap below the last cell has no row where the screen is full.
            let ends = pane.shown.last().is_some_and(|at| {
                self.measured(&pane.transcript, at.cell, style) == (at.row + 1, true)
            });
            if ends {
                pane.shown.pop();
            }
            pane.lead = u16::try_from(height - pane.shown.len()).unwrap_or(u16::MAX);
        }
        let last = pane.shown.last().map_or(top.cell, |at| at.cell);
        self.seen = top.cell..last + 1;
        top
    }

    /// The first row of a pane that follows its end: where it was, as long as the end is on screen.
    fn following(&mut self, pane: &Pane, tail: RowAt, style: Style<'_>, room: Room) -> RowAt {
        let height = usize::from(room.height);
        let held = pane.held.filter(|held| {
            let transcript = &pane.transcript;
            (held.columns, held.generation, held.earlier)
                == (style.columns, transcript.generation, transcript.earlier)
        });
        match held {
            // All of it has room.
            _ if tail == RowAt::default() => tail,
            Some(held) if held.top < tail && room.grows => {
                let rows = step(height);
                self.down(&pane.transcript, tail, rows, None, style)
            }
            Some(held) if held.top >= tail && self.fits(pane, tail, held.top, style, height) => {
                held.top
            }
            Some(_) | None => tail,
        }
    }

    /// Whether `top` is a row, and leaves no more of the pane empty than may be; `tail` leaves nothing.
    fn fits(
        &mut self,
        pane: &Pane,
        tail: RowAt,
        top: RowAt,
        style: Style<'_>,
        height: usize,
    ) -> bool {
        let mut empty = top.row;
        for cell in tail.cell..top.cell {
            empty += self.height(&pane.transcript, cell, style);
            if empty > step(height) + tail.row {
                return false;
            }
        }
        empty <= step(height) + tail.row && top.row < self.height(&pane.transcript, top.cell, style)
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

    /// No further than `to`.
    fn down(
        &mut self,
        transcript: &Transcript,
        mut top: RowAt,
        mut rows: usize,
        to: Option<RowAt>,
        style: Style<'_>,
    ) -> RowAt {
        let cells = transcript.cells().len();
        while rows > 0 && top.cell < cells && to.is_none_or(|to| top < to) {
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
            let (mut rows, gap) = self.measured(transcript, cell, style);
            if rows > 0 && std::mem::take(&mut is_last) {
                // The gap after the last cell needs no row; the head of an open turn has none.
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
