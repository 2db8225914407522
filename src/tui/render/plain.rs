//! Text as it was written, to lines, incrementally: the model's reasoning.
//!
//! Like [`crate::tui::render::markdown`] it reads a line once, a long one in pieces.

use crate::tui::render::markdown::piece;
use crate::tui::render::wrap::Source;
use ratatui::style::Style;

/// How far a text was read.
#[derive(Debug, Clone, Default)]
pub struct Plain {
    read: usize,
    /// The line so far is a part of a long one.
    within: bool,
}

impl Plain {
    /// Lines that can no longer change.
    pub fn advance(&mut self, text: &str, style: Style, out: &mut Vec<Source>) {
        while let Some(rest) = text.get(self.read..).filter(|rest| !rest.is_empty()) {
            let (line, whole) = match rest.find('\n') {
                Some(at) => (rest.get(..at).unwrap_or(rest), true),
                None => (rest, false),
            };
            let length = piece(line).or(whole.then_some(line.len()));
            let Some(part) = length.and_then(|length| line.get(..length)) else {
                return;
            };
            self.push(part, style, out);
            let ends = whole && part.len() == line.len();
            self.within = !ends;
            self.read += part.len() + usize::from(ends);
        }
    }

    /// The rest, whose end is the end of the text so far.
    pub fn tail(&self, text: &str, style: Style, out: &mut Vec<Source>) {
        if let Some(rest) = text.get(self.read..).filter(|rest| !rest.is_empty()) {
            self.push(rest, style, out);
        }
    }

    fn push(&self, text: &str, style: Style, out: &mut Vec<Source>) {
        let mut source = Source::plain(text.to_owned(), style);
        source.continues = self.within;
        out.push(source);
    }
}
