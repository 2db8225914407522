//! The mouse: the wheel scrolls the pane under it, a drag selects text or moves the divider, a click focuses,
//! selects and unfolds.

use super::{panes, picker};
use crate::tui::layout::{self, Areas};
use crate::tui::model::{Dirty, Effect, Focus, Model, Update};
use crate::tui::pane::Side;
use crate::tui::pane::select::{self, Drag, Selection};
use crate::tui::pane::split::Direction;
use crate::tui::transcript::Body;
use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

/// Rows of a turn of the mouse wheel.
const WHEEL: i64 = 3;

pub(super) fn event(model: &mut Model, event: MouseEvent, out: &mut Update) {
    let areas = layout::areas(model);
    match event.kind {
        MouseEventKind::ScrollUp => wheel(model, &areas, event, -WHEEL, out),
        MouseEventKind::ScrollDown => wheel(model, &areas, event, WHEEL, out),
        MouseEventKind::Down(MouseButton::Left) => press(model, &areas, event),
        MouseEventKind::Drag(MouseButton::Left) => drag(model, &areas, event),
        MouseEventKind::Up(MouseButton::Left) => release(model, &areas, event, out),
        MouseEventKind::Down(_)
        | MouseEventKind::Up(_)
        | MouseEventKind::Drag(_)
        | MouseEventKind::Moved
        | MouseEventKind::ScrollLeft
        | MouseEventKind::ScrollRight => out.dirty = Dirty::No,
    }
}

/// The panes are covered.
fn covered(model: &Model) -> bool {
    model.overlay.is_some() || model.picker.is_some() || model.review.is_some()
}

fn wheel(model: &mut Model, areas: &Areas, event: MouseEvent, rows: i64, out: &mut Update) {
    if let Some(open) = &mut model.overlay {
        open.wheel(rows);
    } else if model.picker.is_some() {
        picker::wheel(model, rows, out);
    } else if let Some(review) = &mut model.review {
        let delta = isize::try_from(rows).unwrap_or_default();
        review.scroll = review
            .scroll
            .saturating_add_signed(delta)
            .min(review.max_scroll);
    } else {
        let side = side_at(areas, event).unwrap_or(Side::Conversation);
        model.pane_mut(side).scroll_by(rows);
    }
}

fn side_at(areas: &Areas, event: MouseEvent) -> Option<Side> {
    let at = Position::new(event.column, event.row);
    let over = |side: Side| areas.text(side).contains(at) || areas.marks(side).contains(at);
    if over(Side::Reasoning) || areas.reasoning_title.contains(at) {
        Some(Side::Reasoning)
    } else {
        over(Side::Conversation).then_some(Side::Conversation)
    }
}

fn press(model: &mut Model, areas: &Areas, event: MouseEvent) {
    model.look.drag = None;
    model.look.selection = None;
    if covered(model) {
        return;
    }
    let at = Position::new(event.column, event.row);
    if areas.divider.contains(at) {
        let direction = areas.direction();
        model.look.drag = direction.map(Drag::Divider);
    } else if areas.composer.contains(at) {
        model.look.focus = Focus::Composer;
    } else if let Some(side) = side_at(areas, event) {
        model.look.focus = side.focus();
        let pane = model.pane(side);
        let layout = (areas.text(side).width, pane.transcript.generation);
        if areas.text(side).contains(at)
            && usize::from(event.row - areas.text(side).y) < pane.shown.len()
            && let Some(spot) = select::spot(pane, areas, side, event.column, event.row)
        {
            model.look.selection = Some(Selection::new(side, spot, layout));
            model.look.drag = Some(Drag::Text {
                moved: false,
                beyond: 0,
            });
        }
    }
}

fn drag(model: &mut Model, areas: &Areas, event: MouseEvent) {
    match (model.look.drag, model.look.selection) {
        (Some(Drag::Divider(direction)), _) => {
            let at = match direction {
                Direction::Beside => event.column,
                // Above the divider lie the title and the reasoning.
                Direction::Stacked => event.row.saturating_sub(1),
            };
            model.look.split.drag(direction, at, areas.room(direction));
        }
        (Some(Drag::Text { .. }), Some(selection)) => {
            let side = selection.side;
            let area = areas.text(side);
            let beyond = if event.row < area.y {
                i32::from(event.row) - i32::from(area.y)
            } else if event.row == 0 {
                // There is nothing above the screen to point at.
                -1
            } else {
                (i32::from(event.row) + 1 - i32::from(area.bottom())).max(0)
            };
            let pane = model.pane(side);
            if let Some(head) = select::spot(pane, areas, side, event.column, event.row) {
                model.look.selection = Some(selection.to(head));
            }
            model.look.drag = Some(Drag::Text {
                moved: true,
                beyond: i16::try_from(beyond).unwrap_or_default(),
            });
        }
        (Some(Drag::Text { .. }), None) | (None, _) => {}
    }
}

fn release(model: &mut Model, areas: &Areas, event: MouseEvent, out: &mut Update) {
    match (model.look.drag.take(), model.look.selection) {
        (Some(Drag::Divider(_)), _) => out.effects.push(Effect::SaveSplit(model.look.split)),
        (Some(Drag::Text { moved: true, .. }), Some(selection)) => {
            out.effects.push(Effect::CopySelection(selection));
        }
        (Some(Drag::Text { moved: false, .. }), Some(selection)) => {
            model.look.selection = None;
            click(model, areas, selection.side, event);
        }
        (Some(Drag::Text { .. }), None) | (None, _) => out.dirty = Dirty::No,
    }
}

/// Selects the item; on the first row of a card, or on the head of a turn, folds or unfolds it.
fn click(model: &mut Model, areas: &Areas, side: Side, event: MouseEvent) {
    let row = event.row.saturating_sub(areas.text(side).y);
    let pane = model.pane(side);
    let Some(at) = pane.shown.get(usize::from(row)).copied() else {
        return;
    };
    let folds =
        pane.transcript.cells().get(at.cell).is_some_and(|cell| {
            matches!(cell.body, Body::Tool(_) | Body::Diff(_) | Body::Thought(_))
        });
    panes::select(model, side, Some(at.cell));
    if folds && at.row == 0 {
        panes::toggle(model, side, at.cell);
    }
}
