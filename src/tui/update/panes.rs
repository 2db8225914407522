//! Keys of a focused pane: items and what belongs to them, folds, the divider, copies.

use crate::tui::copying::{self, Copied};
use crate::tui::layout;
use crate::tui::model::{Dirty, Effect, Focus, Model, Update};
use crate::tui::pane::Side;
use crate::tui::pane::split::Split;
use crate::tui::picker::{Picker, Row, Subject};
use crate::tui::transcript::Body;

/// The pane that keys act on; the conversation while the composer has them.
pub(super) fn side(model: &Model) -> Side {
    match model.look.focus {
        Focus::Composer | Focus::Conversation => Side::Conversation,
        Focus::Reasoning => Side::Reasoning,
    }
}

/// Selects an item; the other pane shows what belongs to it.
pub(super) fn select(model: &mut Model, side: Side, cell: Option<usize>) {
    let pane = model.pane_mut(side);
    pane.selected = cell;
    pane.linked = None;
    let moment = cell
        .and_then(|at| pane.transcript.cells().get(at))
        .map(|cell| cell.moment);
    let other = model.pane_mut(side.other());
    other.selected = None;
    other.linked = moment.and_then(|moment| other.transcript.counterpart(moment));
    if let Some(linked) = other.linked {
        other.show(linked);
    }
}

pub(super) fn step(model: &mut Model, step: isize) {
    let side = side(model);
    let pane = model.pane_mut(side);
    pane.select_next(step);
    let selected = pane.selected;
    select(model, side, selected);
}

/// Nothing is selected any more; `false` where nothing was.
pub(super) fn unselect(model: &mut Model) -> bool {
    let marked = [Side::Conversation, Side::Reasoning]
        .iter()
        .any(|side| model.pane(*side).selected.is_some());
    let had = marked || model.look.selection.is_some();
    model.look.selection = None;
    select(model, Side::Conversation, None);
    had
}

pub(super) fn toggle(model: &mut Model, side: Side, cell: usize) -> bool {
    let all = model.look.unfolded;
    let pane = model.pane_mut(side);
    let head = pane.transcript.head(cell);
    let toggled = pane.transcript.toggle(cell, all);
    // What was selected may be folded away now: its head is left of it.
    if toggled
        && pane
            .selected
            .is_some_and(|at| pane.transcript.cells()[at].hidden)
    {
        pane.selected = head;
    }
    toggled
}

/// Enter: the selected item, in the reasoning the last turn on screen; else back to the composer.
pub(super) fn open(model: &mut Model) {
    let side = side(model);
    let pane = model.pane(side);
    let last = match side {
        Side::Conversation => None,
        Side::Reasoning => pane
            .shown
            .last()
            .and_then(|at| pane.transcript.head(at.cell)),
    };
    let toggled = match pane.selected.or(last) {
        Some(cell) => toggle(model, side, cell),
        None => false,
    };
    if !toggled {
        model.look.focus = Focus::Composer;
    }
}

pub(super) fn unfold_all(model: &mut Model) {
    match side(model) {
        Side::Conversation => {
            model.look.unfolded = !model.look.unfolded;
            let unfolded = model.look.unfolded;
            model.conversation.transcript.fold_all(unfolded);
        }
        Side::Reasoning => {
            let transcript = &mut model.reasoning.transcript;
            let hidden = transcript.cells().iter().any(|cell| cell.hidden);
            transcript.fold_all(hidden);
        }
    }
}

/// The pane to the left, or above, gets more (`grow`) or less.
pub(super) fn resize(model: &mut Model, grow: bool, out: &mut Update) {
    let areas = layout::areas(model);
    match areas.direction() {
        Some(direction) => {
            let room = areas.room(direction);
            model.look.split.step(direction, grow, room);
            out.effects.push(Effect::SaveSplit(model.look.split));
        }
        None => out.dirty = Dirty::No,
    }
}

pub(super) fn reset_split(model: &mut Model, out: &mut Update) {
    model.look.split = Split::default();
    out.effects.push(Effect::SaveSplit(model.look.split));
}

pub(super) fn copy_item(model: &mut Model, out: &mut Update) {
    let side = side(model);
    let pane = model.pane(side);
    let last = pane.transcript.cells().len().checked_sub(1);
    let at = pane
        .selected
        .or_else(|| last.and_then(|last| pane.transcript.item(last, -1)));
    match at.and_then(|at| pane.transcript.cells().get(at)) {
        Some(cell) => copy(copying::item(cell), out),
        None => say(model, "there is nothing to copy yet"),
    }
}

/// `/copy`: the last answer; `/copy code` and `/copy 2`: code of it.
pub(super) fn copy_answer(model: &mut Model, what: Option<&str>, out: &mut Update) {
    let transcript = &model.conversation.transcript;
    let Some(at) = copying::last_answer(transcript) else {
        return say(model, "there is no answer to copy yet");
    };
    match what {
        None => copy(copying::item(&transcript.cells()[at]), out),
        Some("code") => offer_code(model, at, out),
        Some(number) => match number.parse() {
            Ok(number) => copy_block(model, at, number, out),
            Err(_) => say(
                model,
                &format!(
                    "/copy takes nothing, code, or the number of a code block, not `{number}`"
                ),
            ),
        },
    }
}

/// Code of the selected answer, else of the last one.
pub(super) fn copy_code(model: &mut Model, out: &mut Update) {
    let transcript = &model.conversation.transcript;
    let selected = model.conversation.selected.filter(|at| {
        let cell = transcript.cells().get(*at);
        cell.is_some_and(|cell| matches!(cell.body, Body::Answer { .. }))
    });
    match selected.or_else(|| copying::last_answer(transcript)) {
        Some(at) => offer_code(model, at, out),
        None => say(model, "there is no answer to copy code of yet"),
    }
}

/// The only block at once, else a list of them.
fn offer_code(model: &mut Model, at: usize, out: &mut Update) {
    let cell = &model.conversation.transcript.cells()[at];
    let blocks = copying::code_blocks(cell);
    if blocks.len() < 2 {
        return copy_block(model, at, 1, out);
    }
    let rows = blocks
        .iter()
        .enumerate()
        .map(|(n, block)| {
            let number = (n + 1).to_string();
            let first = block.text.lines().find(|line| !line.trim().is_empty());
            let lines = block.text.lines().count();
            Row::new(
                number.clone(),
                &format!("{number}  {}", first.unwrap_or_default().trim()),
                &format!("{} {lines} lines", block.language),
            )
        })
        .collect();
    model.picker = Some(Picker::new(Subject::Code { answer: at }, "Copy code", rows));
}

/// A block of the answer at `at`, counted from 1.
pub(super) fn copy_block(model: &mut Model, at: usize, number: usize, out: &mut Update) {
    let Some(cell) = model.conversation.transcript.cells().get(at) else {
        return;
    };
    let blocks = copying::code_blocks(cell);
    match number.checked_sub(1).and_then(|n| blocks.get(n)) {
        Some(block) => copy(copying::code(number, block), out),
        None => {
            let said = match blocks.len() {
                0 => "the answer has no code block".to_owned(),
                1 => "the answer has one code block".to_owned(),
                n => format!("the answer has {n} code blocks"),
            };
            say(model, &said);
        }
    }
}

fn copy(copied: Copied, out: &mut Update) {
    out.effects.push(Effect::Copy(copied));
}

pub(super) fn toggle_mouse(model: &mut Model, out: &mut Update) {
    model.look.mouse = !model.look.mouse;
    model.look.drag = None;
    model.look.selection = None;
    out.effects.push(Effect::Mouse(model.look.mouse));
    let said = if model.look.mouse {
        "the mouse scrolls and selects here"
    } else {
        "the mouse is the terminal's: select text with it, scroll with the keys"
    };
    say(model, said);
}

/// A word to the user that is gone with the next key.
pub(super) fn say(model: &mut Model, text: &str) {
    model.look.said = Some(text.to_owned());
}
