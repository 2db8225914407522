//! What a choice from a list does, one arm for each subject.

use super::{choices, panes, past, pull, sandbox};
use crate::tui::keymap::Action;
use crate::tui::model::{Effect, Model, Update};
use crate::tui::picker::{Picked, Subject};
use crate::tui::theme::choice;
use crate::tui::view::picker_page;
use crossterm::event::KeyEvent;
use std::sync::Arc;

/// A key while a list is open.
pub fn key(model: &mut Model, key: KeyEvent, out: &mut Update) {
    let page = picker_page(model.size.1);
    let keys = Arc::clone(&model.keys);
    let Some(picker) = &mut model.picker else {
        return;
    };
    match picker.key(&keys, &key, page) {
        Picked::Other(Action::Suspend) => out.effects.push(Effect::Suspend),
        Picked::Other(Action::Redraw) => out.effects.push(Effect::Redraw),
        picked => came(model, picked, out),
    }
}

/// A paste while a list is open goes to its search.
pub fn paste(model: &mut Model, text: &str, out: &mut Update) {
    if let Some(picker) = &mut model.picker {
        let picked = picker.paste(text);
        came(model, picked, out);
    }
}

/// A turn of the mouse wheel while a list is open.
pub fn wheel(model: &mut Model, rows: i64, out: &mut Update) {
    if let Some(picker) = &mut model.picker {
        let picked = picker.step(rows.signum());
        came(model, picked, out);
    }
}

fn came(model: &mut Model, picked: Picked, out: &mut Update) {
    let Some(picker) = &model.picker else {
        return;
    };
    match &picker.subject {
        Subject::Theme { before } => {
            let before = before.clone();
            choice::came(model, picked, &before, out);
        }
        Subject::Sessions { .. } => past::session_picked(model, picked, out),
        Subject::Rewind => past::message_picked(model, picked, out),
        Subject::Palette => choices::command(model, picked, out),
        Subject::Code { answer } => {
            let answer = *answer;
            if let Some(number) = choices::chosen(model, picked) {
                let number = number.parse().unwrap_or_default();
                panes::copy_block(model, answer, number, out);
            }
        }
        Subject::Effort => choices::effort(model, picked, out),
        Subject::Approvals => choices::approvals(model, picked, out),
        Subject::Sandbox => sandbox::picked(model, picked, out),
        Subject::Model => choices::model(model, picked, out),
        Subject::Pull | Subject::Start => pull::picked(model, picked, out),
    }
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
    use crate::tui::model::Msg;
    use crate::tui::testing::{Session, start_turn};

    #[test]
    fn an_open_list_takes_keys_pastes_and_the_wheel() {
        let mut session = Session::new(80, 24);
        start_turn(&mut session.model);
        choice::open(&mut session.model, &mut Update::default());
        session.send(Msg::Paste("ans".into()));
        let picker = session.model.picker.as_ref().unwrap();
        assert_eq!((picker.query(), picker.shown().len()), ("ans", 2));
        session.keys("<Ctrl+U><Ctrl+Z>");
        assert_eq!(session.took(), ["suspend"]);
        session.send(Msg::Mouse(crossterm::event::MouseEvent {
            kind: crossterm::event::MouseEventKind::ScrollDown,
            column: 1,
            row: 1,
            modifiers: crossterm::event::KeyModifiers::NONE,
        }));
        assert_eq!(session.model.picker.as_ref().unwrap().choice(), 1);
        assert_eq!(session.model.composer.text(), "");
    }
}
