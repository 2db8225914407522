//! What the mouse does between press and release: text being selected, the divider being moved.

use crate::tui::layout::Areas;
use crate::tui::model::Model;
use crate::tui::pane::split::Direction;
use crate::tui::pane::{Pane, RowAt, Side};
use std::ops::Range;

/// A cell of the screen, by the text it shows: it stays on it when the pane scrolls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    pub at: RowAt,
    /// From the pane's left edge.
    pub column: usize,
}

/// Text of one pane, from where the button went down to where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    pub side: Side,
    anchor: Spot,
    head: Spot,
    /// Of the pane's width and generation: rows of another layout are other rows.
    layout: (u16, u64),
}

impl Selection {
    pub fn new(side: Side, spot: Spot, layout: (u16, u64)) -> Selection {
        Selection {
            side,
            anchor: spot,
            head: spot,
            layout,
        }
    }

    pub fn to(self, head: Spot) -> Selection {
        Selection { head, ..self }
    }

    /// So many cells came before the one it is in.
    pub fn moved(&mut self, by: usize) {
        self.anchor.at.cell += by;
        self.head.at.cell += by;
    }

    pub fn holds(&self, layout: (u16, u64)) -> bool {
        self.layout == layout
    }

    /// First and last character, both taken.
    pub fn ends(&self) -> (Spot, Spot) {
        (self.anchor.min(self.head), self.anchor.max(self.head))
    }

    /// The columns of a row that are selected.
    pub fn columns(&self, at: RowAt) -> Option<Range<usize>> {
        let (from, to) = self.ends();
        if at < from.at || at > to.at {
            return None;
        }
        let start = if at == from.at { from.column } else { 0 };
        let end = if at == to.at {
            to.column + 1
        } else {
            usize::MAX
        };
        Some(start..end)
    }
}

/// The button is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drag {
    Divider(Direction),
    /// In a pane: a click until it moves. `beyond` is how many rows above (negative) or below it the pointer is.
    Text {
        moved: bool,
        beyond: i16,
    },
}

/// The spot under a screen position, brought into the pane; `None` where it shows nothing.
pub fn spot(pane: &Pane, areas: &Areas, side: Side, column: u16, row: u16) -> Option<Spot> {
    let area = areas.text(side);
    let last = u16::try_from(pane.shown.len())
        .unwrap_or(u16::MAX)
        .checked_sub(1)?;
    let line = row.saturating_sub(area.y);
    // Below the last line of text: its end.
    let (line, column) = if line > last {
        (last, area.width)
    } else if row < area.y {
        (0, 0)
    } else {
        (line, column.saturating_sub(area.x).min(area.width))
    };
    Some(Spot {
        at: *pane.shown.get(usize::from(line))?,
        column: usize::from(column),
    })
}

/// Before a frame: a pointer held beyond the edge scrolls on, and takes what comes into view.
pub fn scroll_on(model: &mut Model) {
    if let (Some(Drag::Text { beyond, .. }), Some(selection)) =
        (model.look.drag, model.look.selection)
        && beyond != 0
    {
        model
            .pane_mut(selection.side)
            .scroll_by(i64::from(beyond.clamp(-3, 3)));
    }
}

/// After the rows are settled: the selection reaches to the edge the pointer is beyond.
pub fn reach_edge(model: &mut Model) {
    let (Some(Drag::Text { beyond, .. }), Some(selection)) =
        (model.look.drag, model.look.selection)
    else {
        return;
    };
    let shown = &model.pane(selection.side).shown;
    let head = match beyond {
        0 => None,
        ..0 => shown.first().map(|at| Spot { at: *at, column: 0 }),
        1.. => shown.last().map(|at| Spot {
            at: *at,
            column: usize::MAX - 1,
        }),
    };
    if let Some(head) = head {
        model.look.selection = Some(selection.to(head));
    }
}

/// The frame after this one will differ without anything happening.
pub fn scrolls_on(model: &Model) -> bool {
    let (Some(Drag::Text { beyond, .. }), Some(selection)) =
        (model.look.drag, model.look.selection)
    else {
        return false;
    };
    let pane = model.pane(selection.side);
    match beyond {
        0 => false,
        ..0 => pane.shown.first().is_some_and(|at| *at > RowAt::default()),
        1.. => !pane.follows(),
    }
}
