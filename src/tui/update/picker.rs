//! What a choice from a list does, one arm for each subject.

use super::super::keymap::Action;
use super::super::model::{Effect, Model, Update};
use super::super::picker::{Picked, Picker, Row, Subject};
use super::super::theme::ThemeName;
use super::super::view::picker_page;
use super::set_theme;
use crossterm::event::KeyEvent;

/// The names that can be chosen, and what they are.
const THEMES: [(&str, &str); 4] = [
    ("dark", "for a dark background"),
    ("light", "for a light background"),
    ("ansi16", "the terminal's own 16 colours"),
    ("plain", "no colour"),
];

/// Lets the user choose a theme; each is shown while it is the choice.
pub fn open_themes(model: &mut Model) {
    let before = model.theme_name;
    let rows = THEMES.map(|(name, doc)| Row::new(name, name, doc));
    let mut picker = Picker::new(
        Subject::Theme { before },
        "Colours of this session",
        rows.into(),
    );
    let now = THEMES
        .iter()
        .find(|(name, _)| name.parse().is_ok_and(|named: ThemeName| named == before));
    if let Some((name, _)) = now {
        picker.choose(name);
    }
    model.picker = Some(picker);
}

/// A key while a list is open.
pub fn key(model: &mut Model, key: KeyEvent, out: &mut Update) {
    let page = picker_page(model.size.1);
    let Some(picker) = &mut model.picker else {
        return;
    };
    match picker.key(&key, page) {
        Picked::Other(Action::Suspend) => out.effects.push(Effect::Suspend),
        Picked::Other(Action::Redraw) => out.effects.push(Effect::Redraw),
        picked => came(model, picked),
    }
}

/// A paste while a list is open goes to its search.
pub fn paste(model: &mut Model, text: &str) {
    if let Some(picker) = &mut model.picker {
        let picked = picker.paste(text);
        came(model, picked);
    }
}

/// A turn of the mouse wheel while a list is open.
pub fn wheel(model: &mut Model, rows: i64) {
    if let Some(picker) = &mut model.picker {
        let picked = picker.step(rows.signum());
        came(model, picked);
    }
}

fn came(model: &mut Model, picked: Picked) {
    let Some(picker) = &model.picker else {
        return;
    };
    match picker.subject {
        Subject::Theme { before } => theme(model, picked, before),
    }
}

fn theme(model: &mut Model, picked: Picked, before: ThemeName) {
    let shown = match &picked {
        Picked::Moved => {
            let row = model.picker.as_ref().and_then(Picker::chosen);
            row.map_or(Ok(before), |row| row.id.parse())
        }
        Picked::Chosen(name) => name.parse(),
        Picked::Closed => Ok(before),
        Picked::Nothing | Picked::Other(_) => return,
    };
    if matches!(picked, Picked::Chosen(_) | Picked::Closed) {
        model.picker = None;
    }
    match shown {
        Ok(name) => set_theme(model, name),
        Err(error) => model.conversation.transcript.problem(&error.to_string()),
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
    use super::super::super::model::Msg;
    use super::super::super::testing::{Session, start_turn};
    use super::*;

    #[test]
    fn a_theme_shows_while_it_is_the_choice_and_goes_back_on_escape() {
        for (keys, during, after) in [
            ("<Up>", ThemeName::Ansi16, ThemeName::Plain),
            ("dark", ThemeName::Dark, ThemeName::Plain),
            ("zzz", ThemeName::Plain, ThemeName::Plain),
        ] {
            let mut session = Session::new(80, 24);
            open_themes(&mut session.model);
            session.keys(keys);
            assert_eq!(session.model.theme_name, during, "{keys}");
            session.keys("<Esc>");
            assert_eq!(session.model.theme_name, after, "{keys}");
            assert!(session.model.picker.is_none());
        }
        let mut session = Session::new(80, 24);
        open_themes(&mut session.model);
        session.keys("lig<Enter>");
        assert_eq!(session.model.theme_name, ThemeName::Light);
        assert!(session.model.picker.is_none());
    }

    #[test]
    fn an_open_list_takes_keys_pastes_and_the_wheel() {
        let mut session = Session::new(80, 24);
        start_turn(&mut session.model);
        open_themes(&mut session.model);
        session.send(Msg::Paste("ans".into()));
        let picker = session.model.picker.as_ref().unwrap();
        assert_eq!((picker.query(), picker.shown().len()), ("ans", 1));
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
