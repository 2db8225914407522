//! Keys of a search in a focused pane.

use super::panes::side;
use crate::text;
use crate::tui::keymap::is_text;
use crate::tui::model::{Focus, Model};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

pub(super) fn begin(model: &mut Model) {
    let side = side(model);
    model.look.focus = side.focus();
    model.pane_mut(side).begin_search();
}

pub(super) fn step(model: &mut Model, forward: bool) {
    let side = side(model);
    match &mut model.pane_mut(side).search {
        Some(search) => search.step(forward),
        None => begin(model),
    }
}

/// Takes the marks away; `false` where there was no search.
pub(super) fn close(model: &mut Model) -> bool {
    let side = side(model);
    model.pane_mut(side).search.take().is_some()
}

/// A key while the query is typed; `false` where none is.
pub(super) fn key(model: &mut Model, key: &KeyEvent) -> bool {
    let side = side(model);
    if model.look.focus == Focus::Composer {
        return false;
    }
    let pane = model.pane_mut(side);
    let Some(search) = pane.search.as_mut().filter(|search| search.typing) else {
        return false;
    };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Enter if search.query().is_empty() => pane.search = None,
        KeyCode::Enter => search.typing = false,
        KeyCode::Backspace if search.query().is_empty() => pane.search = None,
        KeyCode::Esc => {
            pane.scroll = search.origin;
            pane.search = None;
        }
        KeyCode::Backspace => search.edit(|query| {
            query.pop();
        }),
        KeyCode::Down => search.step(true),
        KeyCode::Up => search.step(false),
        KeyCode::Char('u') if control => search.edit(String::clear),
        KeyCode::Char(c) if is_text(key) && !text::is_unsafe(c) => {
            search.edit(|query| query.push(c));
        }
        // What is no text keeps its meaning: Ctrl+C, PageUp, Ctrl+L.
        _ => return false,
    }
    true
}
