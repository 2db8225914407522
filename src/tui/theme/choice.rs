//! `/theme`: the list of themes, where the whole screen shows the one under the cursor at once.
//!
//! The files are read when the list opens, so that a theme one is working on can be looked at again.

use super::catalogue::{Themes, UserFile};
use super::depth::Background;
use crate::tui::keymap::Action;
use crate::tui::model::{Effect, Model, Update};
use crate::tui::picker::{Picked, Picker, Row, Subject};

/// What the loop tells about themes.
#[derive(Debug)]
pub enum ThemeMsg {
    /// The terminal's background.
    Background(Background),
    /// The theme files of the user.
    Read(Vec<UserFile>),
    /// The choice is in this file; or why it is not.
    Saved(Result<String, String>),
}

/// What the loop is asked to do about themes.
#[derive(Debug, PartialEq, Eq)]
pub enum ThemeRequest {
    Read,
    /// Write the choice to the user's configuration.
    Save(String),
}

pub fn open(model: &mut Model, out: &mut Update) {
    let before = model.themes.chosen.clone();
    let mut list = Picker::new(
        Subject::Theme {
            before: before.clone(),
        },
        "Themes",
        rows(&model.themes),
    )
    .with_letter_keys();
    list.choose(&before);
    model.picker = Some(list);
    out.effects.push(Effect::Themes(ThemeRequest::Read));
}

fn rows(themes: &Themes) -> Vec<Row> {
    themes
        .names()
        .map(|name| Row::new(name, name, ""))
        .collect()
}

/// Shows a theme by its name; an unknown or a broken one changes nothing and is named.
pub fn choose(model: &mut Model, name: &str) {
    match model.themes.theme(name) {
        Ok(theme) => {
            model.theme = theme;
            name.clone_into(&mut model.themes.chosen);
        }
        Err(error) => {
            let text = format!("{error}\n/theme lists the themes");
            model.conversation.transcript.problem(&text);
        }
    }
}

/// The chosen theme again, after something about it changed.
fn again(model: &mut Model) {
    model.theme = model.themes.current().0;
}

pub fn event(model: &mut Model, event: ThemeMsg) {
    match event {
        ThemeMsg::Background(background) => {
            model.themes.background = Some(background);
            again(model);
        }
        ThemeMsg::Read(files) => {
            model.themes.read(files);
            let rows = rows(&model.themes);
            if let Some(list) = &mut model.picker
                && matches!(list.subject, Subject::Theme { .. })
            {
                list.set_rows(rows);
            }
            again(model);
        }
        ThemeMsg::Saved(Ok(file)) => {
            let text = format!("theme = \"{}\" is in {file} now", model.themes.chosen);
            model.conversation.transcript.notice(&text);
        }
        ThemeMsg::Saved(Err(problem)) => {
            let text = format!(
                "the theme is chosen for this session and could not be written down: {problem}\n\
                 the line of config.toml is: theme = \"{}\"",
                model.themes.chosen
            );
            model.conversation.transcript.problem(&text);
        }
    }
}

/// What a key in the list came to.
pub fn came(model: &mut Model, picked: Picked, before: &str, out: &mut Update) {
    match picked {
        Picked::Moved => {
            let row = model.picker.as_ref().and_then(Picker::chosen);
            let name = row.map_or_else(|| before.to_owned(), |row| row.id.clone());
            model.themes.chosen = name;
            again(model);
        }
        Picked::Chosen(_shown_already) => {
            if keep(model) && model.themes.chosen != before {
                let chosen = &model.themes.chosen;
                let text = format!(
                    "theme {chosen} for this session; `w` in /theme writes theme = \"{chosen}\" to config.toml"
                );
                model.conversation.transcript.notice(&text);
            }
        }
        Picked::Other(Action::SaveTheme) => {
            if keep(model) {
                let request = ThemeRequest::Save(model.themes.chosen.clone());
                out.effects.push(Effect::Themes(request));
            }
        }
        Picked::Closed => {
            model.picker = None;
            before.clone_into(&mut model.themes.chosen);
            again(model);
        }
        Picked::Nothing | Picked::Other(_) => {}
    }
}

/// Closes the list with the theme that is shown. One whose file is wrong cannot be kept; the list says what is wrong.
fn keep(model: &mut Model) -> bool {
    let usable = model.themes.current().1.is_none();
    if usable {
        model.picker = None;
    }
    usable
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::super::Theme;
    use super::*;
    use crate::tui::model::Msg;
    use crate::tui::testing::Session;

    fn session() -> Session {
        let mut session = Session::new(80, 24);
        session.model.themes = Themes::fixed("auto");
        session.model.theme = Theme::named("dark").unwrap();
        session
    }

    fn user(name: &str, text: &str) -> UserFile {
        UserFile {
            name: name.into(),
            path: format!("/c/themes/{name}.toml"),
            text: Ok(text.into()),
        }
    }

    #[test]
    fn moving_shows_at_once_and_esc_goes_back() {
        let mut session = session();
        session.keys("/theme<Enter>");
        assert_eq!(session.took(), ["themes(read)"]);
        session.keys("<Down><Down>");
        assert_eq!(session.model.themes.chosen, "light");
        assert_eq!(
            session.model.theme.heading,
            Theme::named("light").unwrap().heading
        );
        session.keys("<Esc>");
        assert_eq!(session.model.themes.chosen, "auto");
        assert_eq!(session.model.theme, Theme::named("dark").unwrap());
        assert!(session.model.picker.is_none());
    }

    #[test]
    fn enter_keeps_and_w_writes() {
        let mut session = session();
        session.keys("/theme<Enter><End><Enter>");
        assert_eq!(session.model.theme, Theme::plain());
        assert!(session.screen().contains("theme = \"plain\""));
        session.took();
        session.keys("/theme<Enter><Home>w");
        assert_eq!(session.took(), ["themes(read)", "themes(save(\"auto\"))"]);
        session.send(Msg::Themes(ThemeMsg::Saved(Ok("/c/config.toml".into()))));
        assert!(session.screen().contains("/c/config.toml"));
        session.send(Msg::Themes(ThemeMsg::Saved(Err("disk full".into()))));
        let screen = session.screen();
        assert!(screen.contains("disk full") && screen.contains("theme = \"auto\""));
    }

    #[test]
    fn files_that_come_late_keep_the_place_and_a_broken_one_cannot_be_kept() {
        let mut session = session();
        session.keys("/theme<Enter><Down><Down>");
        let files = vec![user("aaa", "[styles]\nkee = {}")];
        session.send(Msg::Themes(ThemeMsg::Read(files)));
        assert_eq!(session.model.themes.chosen, "light");
        // The user's themes come after the built-in ones, before plain.
        session.keys("<End><Up>");
        assert_eq!(session.model.themes.chosen, "aaa");
        let screen = session.screen();
        assert!(
            screen.contains("line 2") && screen.contains("`key`"),
            "{screen}"
        );
        session.keys("<Enter>");
        assert!(session.model.picker.is_some(), "still open");
        session.keys("<Esc>");
        assert_eq!(session.model.themes.chosen, "auto");
    }

    #[test]
    fn a_name_is_shown_and_an_unknown_one_is_named() {
        let mut session = session();
        session.keys("/theme light<Enter>");
        assert_eq!(session.model.themes.chosen, "light");
        session.keys("/theme lihgt<Enter>");
        assert_eq!(session.model.themes.chosen, "light");
        assert!(session.screen().contains("`light`"), "{}", session.screen());
    }

    #[test]
    fn the_background_counts_unless_a_theme_was_chosen() {
        use Background::Light;
        let mut session = session();
        session.send(Msg::Themes(ThemeMsg::Background(Light)));
        assert_eq!(
            session.model.theme,
            Theme::named("light")
                .map(|theme| Theme {
                    painted: false,
                    ..theme
                })
                .unwrap()
        );
        session.keys("/theme dark<Enter>");
        assert!(session.model.theme.painted, "dark on a light terminal");
    }
}
