//! How the interface behaves in its terminal: the `[ui]` section.

use serde::Deserialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UiSettings {
    /// The wheel scrolls panes and a drag selects in them; else the mouse is the terminal's.
    pub mouse: bool,
    /// The terminal's title says what goes on.
    pub title: bool,
    pub notify: Notify,
    /// Lines on the normal screen instead of a drawn one.
    pub screen_reader: bool,
}

impl Default for UiSettings {
    fn default() -> Self {
        UiSettings {
            mouse: true,
            title: true,
            notify: Notify::Both,
            screen_reader: false,
        }
    }
}

/// How the user is called back to a terminal that lost the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notify {
    Off,
    Bell,
    /// A notification of the desktop, where the terminal knows OSC 9.
    Osc9,
    Both,
}
