//! A scrolling transcript: where it stands, what is selected in it, and what the user has seen of it.
//!
//! Positions are a cell and a row of it, or the tail, never a count of all rows. What depends on wrapping is
//! asked for here (`pending`, `goal`) and settled against the layout by [`PaneCache::settle`], which leaves
//! behind what is on screen in `shown`, so that a click can be understood without it.

mod cache;
mod kept;
mod rows;
mod search;
pub(super) mod select;
mod settle;
pub(super) mod split;

pub use crate::tui::render::wrap::Row;
pub use kept::PaneCache;
pub use rows::{Style, plain};
pub use search::{Hit, Marked, Search};
pub use settle::{Held, Room};

use crate::tui::model::Focus;
use crate::tui::transcript::Transcript;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Conversation,
    Reasoning,
}

impl Side {
    pub fn focus(self) -> Focus {
        match self {
            Side::Conversation => Focus::Conversation,
            Side::Reasoning => Focus::Reasoning,
        }
    }

    pub fn other(self) -> Side {
        match self {
            Side::Conversation => Side::Reasoning,
            Side::Reasoning => Side::Conversation,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scroll {
    #[default]
    FollowTail,
    /// The first row on screen.
    Anchored { cell: usize, line: usize },
}

impl Scroll {
    fn at(top: RowAt) -> Scroll {
        Scroll::Anchored {
            cell: top.cell,
            line: top.row,
        }
    }
}

/// A row of the transcript as it is wrapped now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct RowAt {
    pub cell: usize,
    pub row: usize,
}

#[derive(Debug, Default)]
pub struct Pane {
    pub transcript: Transcript,
    pub scroll: Scroll,
    /// Where the view stood when the end was followed last.
    pub held: Option<Held>,
    /// Rows asked for since the last frame, down is positive; settled against the layout.
    pub pending: i64,
    /// A row that must be seen in the next frame.
    pub goal: Option<RowAt>,
    /// The rows on screen, as settled.
    pub shown: Vec<RowAt>,
    /// The item that keys act on.
    pub selected: Option<usize>,
    /// What belongs to the item selected in the other pane.
    pub linked: Option<usize>,
    /// [`Transcript::revision`] when the end was last on screen.
    pub seen: u64,
    pub search: Option<Search>,
    /// What was said earlier is still to come, or came, above: what there is stands at the bottom, so that it stays
    /// in its place.
    pub from_below: bool,
    /// Rows left empty above the first one for that, as settled.
    pub lead: u16,
}

impl Pane {
    pub fn scroll_by(&mut self, rows: i64) {
        self.pending = self.pending.saturating_add(rows);
    }

    pub fn go_to_top(&mut self) {
        self.pending = 0;
        self.scroll = Scroll::Anchored { cell: 0, line: 0 };
    }

    /// The end is at the bottom of the pane, and followed.
    pub fn go_to_end(&mut self) {
        self.pending = 0;
        self.scroll = Scroll::FollowTail;
        self.held = None;
    }

    /// The end is followed; a view that does so already stays where it is.
    pub fn follow_tail(&mut self) {
        self.pending = 0;
        if !self.follows() {
            self.go_to_end();
        }
    }

    pub fn follows(&self) -> bool {
        self.scroll == Scroll::FollowTail
    }

    /// Something was added below while the end was not followed.
    pub fn has_news(&self) -> bool {
        !self.follows() && self.seen != self.transcript.revision
    }

    /// Selects the next item (`step` 1) or the one before; without a selection the nearest on screen.
    pub fn select_next(&mut self, step: isize) {
        let next = match self.selected {
            Some(at) => at
                .checked_add_signed(step)
                .and_then(|at| self.transcript.item(at, step)),
            None if step > 0 => self
                .shown
                .first()
                .and_then(|row| self.transcript.item(row.cell, 1)),
            None => self
                .shown
                .last()
                .and_then(|row| self.transcript.item(row.cell, -1)),
        };
        if let Some(cell) = next {
            self.selected = next;
            self.show(cell);
        }
    }

    /// The beginning of `cell` is to be on screen.
    pub fn show(&mut self, cell: usize) {
        self.goal = Some(RowAt { cell, row: 0 });
    }

    /// Begins a search from what is on screen.
    pub fn begin_search(&mut self) {
        let from = self.shown.first().map_or(0, |at| at.cell);
        self.search = Some(Search::new(self.scroll, from));
    }

    /// Puts what was said earlier above the rest; what is on screen stays there.
    pub fn prepend(&mut self, earlier: Transcript, turns: u32) -> usize {
        let by = self.transcript.prepend(earlier, turns);
        if let Scroll::Anchored { cell, .. } = &mut self.scroll {
            *cell += by;
        }
        let rows = self.shown.iter_mut().chain(&mut self.goal);
        rows.for_each(|at| at.cell += by);
        let items = self.selected.iter_mut().chain(&mut self.linked);
        items.for_each(|at| *at += by);
        if let Some(search) = &mut self.search {
            search.moved(by);
        }
        by
    }

    /// Nothing of what was there is left.
    pub fn clear(&mut self) {
        self.transcript.clear();
        *self = Pane {
            transcript: std::mem::take(&mut self.transcript),
            ..Pane::default()
        };
    }
}

#[cfg(test)]
mod tests;
