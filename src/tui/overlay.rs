//! What lies over the panes and takes the keys: the help, and the changes of the conversation.
//!
//! State only: [`crate::tui::update`] gives it keys, [`crate::tui::view`] draws it.

pub mod changes;
pub mod help;

use changes::Changes;
use help::Help;

#[derive(Debug)]
pub enum Overlay {
    Help(Help),
    Changes(Box<Changes>),
}

impl Overlay {
    /// Rows that the mouse wheel turned, down is positive.
    pub fn wheel(&mut self, rows: i64) {
        match self {
            Overlay::Help(help) => help.scroll_by(rows),
            Overlay::Changes(changes) => changes.scroll_by(rows),
        }
    }
}
