//! Where things are on screen: a pure function of the model.
//!
//! `update` asks it for the pane under the mouse and the size of a page, `view` draws into it.

use crate::tui::model::{Focus, Model};
use crate::tui::pane::Side;
use crate::tui::pane::split::Direction;
use crate::tui::transcript::Body;
use ratatui::layout::Rect;

/// From this width on, reasoning stands beside the conversation.
pub const SIDE_BY_SIDE: u16 = 100;
/// Rows the composer grows to.
const COMPOSER_ROWS: u16 = 8;
/// From this height on, the stacked reasoning pane stays open between turns.
const TALL: u16 = 36;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Areas {
    pub conversation: Rect,
    /// The reasoning text; empty while it is hidden or folded.
    pub reasoning: Rect,
    /// The line that names the reasoning pane; empty while it is hidden.
    pub reasoning_title: Rect,
    /// The column between the panes when they are side by side, else the row.
    pub divider: Rect,
    /// Beside each pane's text: the column that marks the selected item.
    pub conversation_marks: Rect,
    pub reasoning_marks: Rect,
    pub queued: Rect,
    pub composer_rule: Rect,
    /// The prompt sign and the text.
    pub composer: Rect,
    pub status: Rect,
    /// Everything above the status bar: reviews and help.
    pub overlay: Rect,
}

impl Areas {
    /// Where a pane's text is.
    pub fn text(&self, side: Side) -> Rect {
        match side {
            Side::Conversation => self.conversation,
            Side::Reasoning => self.reasoning,
        }
    }

    pub fn marks(&self, side: Side) -> Rect {
        match side {
            Side::Conversation => self.conversation_marks,
            Side::Reasoning => self.reasoning_marks,
        }
    }

    /// Which way the panes are divided; `None` where there is one only.
    pub fn direction(&self) -> Option<Direction> {
        if self.divider.width == 1 {
            Some(Direction::Beside)
        } else {
            (self.divider.height == 1).then_some(Direction::Stacked)
        }
    }

    /// What the panes share: columns, or rows.
    pub fn room(&self, direction: Direction) -> u16 {
        match direction {
            Direction::Beside => self.overlay.width,
            Direction::Stacked => self.conversation.bottom(),
        }
    }
}

/// Columns of the prompt sign.
pub const PROMPT_WIDTH: u16 = 2;

/// Rows the composer may take of so high a screen.
fn composer_rows(height: u16) -> u16 {
    COMPOSER_ROWS.min((height / 3).max(1))
}

pub fn measure_composer(model: &mut Model) {
    let tallest = composer_rows(model.size.1);
    model
        .composer
        .measure(model.size.0.saturating_sub(PROMPT_WIDTH), tallest);
}

/// Whether the stacked reasoning pane shows text: while it streams, while it has the focus, or with room.
fn unfolded(model: &Model) -> bool {
    let streams = model
        .reasoning
        .transcript
        .cells()
        .last()
        .is_some_and(|c| matches!(&c.body, Body::Reasoning { open: true, .. }));
    model.running.is_some()
        || streams
        || model.look.focus == Focus::Reasoning
        || model.size.1 >= TALL
}

enum Edge {
    Left,
    Right,
}

/// Cuts a column off; none from an area that is only one wide.
fn column(area: &mut Rect, edge: Edge) -> Rect {
    if area.width < 2 {
        return Rect::default();
    }
    area.width -= 1;
    let x = match edge {
        Edge::Left => {
            area.x += 1;
            area.x - 1
        }
        Edge::Right => area.right(),
    };
    Rect {
        x,
        width: 1,
        ..*area
    }
}

pub fn areas(model: &Model) -> Areas {
    let mut out = rooms(model);
    let lower = |area: &mut Rect, lead: u16| {
        let lead = lead.min(area.height);
        area.y += lead;
        area.height -= lead;
    };
    for area in [&mut out.conversation, &mut out.conversation_marks] {
        lower(area, model.conversation.lead);
    }
    for area in [&mut out.reasoning, &mut out.reasoning_marks] {
        lower(area, model.reasoning.lead);
    }
    out
}

/// The same, where every pane has all of its rows.
pub fn rooms(model: &Model) -> Areas {
    let (width, height) = model.size;
    let mut out = Areas::default();
    let mut bottom = height;
    let mut take = |rows: u16| {
        let rows = rows.min(bottom);
        bottom -= rows;
        Rect::new(0, bottom, width, rows)
    };
    out.status = take(1);
    out.overlay = Rect::new(0, 0, width, height.saturating_sub(1));
    out.composer = take(model.composer.rows().clamp(1, composer_rows(height)));
    out.composer_rule = take(1);
    let queued = u16::try_from(model.queued.len()).unwrap_or(u16::MAX).min(3);
    out.queued = take(queued);
    let rest = Rect::new(0, 0, width, bottom);

    let nothing_yet = model.reasoning.transcript.is_empty();
    let split = &model.look.split;
    if model.look.hide_reasoning || rest.height < 4 {
        out.conversation = rest;
    } else if width >= SIDE_BY_SIDE {
        let left = split.beside(width);
        out.conversation = Rect::new(0, 0, left, rest.height);
        out.divider = Rect::new(left, 0, 1, rest.height);
        let right = width - left - 1;
        out.reasoning_title = Rect::new(left + 2, 0, right - 1, 1);
        out.reasoning = Rect::new(left + 1, 1, right, rest.height - 1);
        out.reasoning_marks = column(&mut out.reasoning, Edge::Left);
        out.conversation_marks = column(&mut out.conversation, Edge::Right);
        return out;
    } else if nothing_yet {
        out.conversation = rest;
    } else {
        let rows = if unfolded(model) {
            split.stacked(rest.height)
        } else {
            0
        };
        out.reasoning_title = Rect::new(0, 0, width, 1);
        out.reasoning = Rect::new(0, 1, width, rows);
        out.conversation = Rect::new(0, rows + 1, width, rest.height - rows - 1);
        if rows > 0 {
            // A rule between the texts.
            out.divider = Rect::new(0, rows + 1, width, 1);
            out.conversation = Rect::new(0, rows + 2, width, rest.height - rows - 2);
        }
    }
    out.reasoning_marks = column(&mut out.reasoning, Edge::Right);
    out.conversation_marks = column(&mut out.conversation, Edge::Right);
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
    use crate::tui::testing;

    #[test]
    fn areas_never_overlap_and_fill_the_screen_at_any_size() {
        for (reasoning, running) in [(false, false), (true, false), (true, true)] {
            let mut model = testing::model(1, 1);
            if reasoning {
                model.reasoning.transcript.reasoning_delta("thought");
                model.reasoning.transcript.reasoning_done("thought");
            }
            if running {
                testing::start_turn(&mut model);
            }
            model.queued = vec!["later".into(); 5];
            for width in 1..140 {
                for height in 1..50 {
                    model.size = (width, height);
                    let a = areas(&model);
                    let mut cells = vec![0u8; usize::from(width) * usize::from(height)];
                    for area in [
                        a.conversation,
                        a.reasoning,
                        a.reasoning_title,
                        a.divider,
                        a.conversation_marks,
                        a.reasoning_marks,
                        a.queued,
                        a.composer_rule,
                        a.composer,
                        a.status,
                    ] {
                        for y in area.top()..area.bottom() {
                            for x in area.left()..area.right() {
                                let at = usize::from(y) * usize::from(width) + usize::from(x);
                                assert_eq!(cells[at], 0, "{width}x{height} at {x},{y}: {a:?}");
                                cells[at] = 1;
                            }
                        }
                    }
                    assert!(a.status.height == 1, "{width}x{height}");
                }
            }
        }
    }
}
