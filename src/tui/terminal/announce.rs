//! What is said outside the screen: the terminal's title, and a call back to a terminal nobody looks at.
//!
//! Pure: texts and sequences. A terminal that never told of its focus is taken to be looked at.

use crate::config::Notify;
use crate::text;
use crate::tui::model::Model;
use crate::tui::terminal::clipboard::{self, Way};

/// Longer titles are cut by every terminal somewhere.
const TITLE: usize = 80;

/// `Descant: project`, and what goes on in it.
pub fn title(model: &Model) -> String {
    let state = if model.review.is_some() {
        " (review waits)"
    } else if model.running.is_some() {
        " (working)"
    } else {
        ""
    };
    let name = format!("Descant: {}{state}", model.status.workspace);
    text::label(&name).chars().take(TITLE).collect()
}

/// OSC 2. No control character is left in a label, so nothing can end it early.
pub fn title_sequence(title: &str) -> String {
    format!("\x1b]2;{title}\x07")
}

/// The terminal keeps its title for us, and gives it back.
pub const KEEP_TITLE: &str = "\x1b[22;2t";
pub const GIVE_TITLE_BACK: &str = "\x1b[23;2t";

/// What calls the user back; a bell needs no passage through a multiplexer.
pub fn call(text: &str, notify: Notify, way: Way) -> String {
    let label = text::label(text);
    let osc9 = || clipboard::through(&format!("\x1b]9;{label}\x07"), way);
    match notify {
        Notify::Off => String::new(),
        Notify::Bell => "\x07".to_owned(),
        Notify::Osc9 => osc9(),
        Notify::Both => format!("{}\x07", osc9()),
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
    use crate::tui::testing;

    #[test]
    fn a_folder_cannot_write_more_than_the_title() {
        let mut model = testing::model(80, 24);
        model.status.workspace = "evil\x07\x1b]52;c;eA==\x07".into();
        let sequence = title_sequence(&title(&model));
        assert_eq!(sequence, "\x1b]2;Descant: evil␇␛]52;c;eA==␇\x07");
        testing::start_turn(&mut model);
        assert!(title(&model).ends_with("(working)"));
    }

    #[test]
    fn calls() {
        for (notify, way, expected) in [
            (Notify::Off, Way::Direct, ""),
            (Notify::Bell, Way::Tmux, "\x07"),
            (Notify::Osc9, Way::Direct, "\x1b]9;done\x07"),
            (Notify::Both, Way::Direct, "\x1b]9;done\x07\x07"),
            (
                Notify::Osc9,
                Way::Tmux,
                "\x1bPtmux;\x1b\x1b]9;done\x07\x1b\\",
            ),
        ] {
            assert_eq!(call("done", notify, way), expected);
        }
    }
}
