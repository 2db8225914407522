//! What lies over the panes and takes the keys: the help.
//!
//! State only: [`super::update`] gives it keys, [`super::view`] draws it.

pub mod help;

use help::Help;

#[derive(Debug)]
pub enum Overlay {
    Help(Help),
}

impl Overlay {
    /// Rows that the mouse wheel turned, down is positive.
    pub fn wheel(&mut self, rows: i64) {
        match self {
            Overlay::Help(help) => help.scroll_by(rows),
        }
    }
}
