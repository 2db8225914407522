//! The text being written: a string, a cursor, what was undone, what was cut.
//!
//! A text area crate holds lines and lays all of them out on every key; here a key costs the same in a megabyte.
//! A large paste is one private-use character ([`super::paste`]), so that no cursor stands inside it and every
//! motion and deletion takes it whole. Undo goes by words typed and by deletions.

use super::paste::{self, Pastes};
use super::words;
use crate::text;
use unicode_segmentation::UnicodeSegmentation;

/// Steps back that are kept.
const UNDO_LIMIT: usize = 1000;

#[derive(Debug, Clone, Default)]
pub struct Buffer {
    text: String,
    /// A byte, at a character's start.
    cursor: usize,
    pub pastes: Pastes,
    done: Vec<Edit>,
    undone: Vec<Edit>,
    /// What the next edit may be joined with.
    last: Last,
    cut: String,
}

/// `removed` gave way to `inserted` at `at`.
#[derive(Debug, Clone)]
struct Edit {
    at: usize,
    removed: String,
    inserted: String,
    /// Where the cursor was before.
    cursor: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Last {
    #[default]
    Other,
    Typed,
    Erased,
    Cut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    Left,
    Right,
    WordLeft,
    WordRight,
    LineStart,
    LineEnd,
    Start,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// To the start of the word before the cursor.
    WordLeft,
    /// As a shell does: to the white space before it.
    BlankLeft,
    WordRight,
    LineStart,
    LineEnd,
}

impl Buffer {
    pub fn of(text: &str) -> Buffer {
        let text = paste::without_marks(&text::typed(text));
        Buffer {
            cursor: text.len(),
            text,
            ..Buffer::default()
        }
    }

    /// With a mark for every large paste.
    pub fn marked(&self) -> &str {
        &self.text
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// What would be sent.
    pub fn whole(&self) -> String {
        self.pastes.expanded(&self.text)
    }

    /// What is on screen.
    pub fn shown(&self) -> String {
        self.pastes.labelled(&self.text)
    }

    pub fn before(&self) -> &str {
        self.text.get(..self.cursor).unwrap_or_default()
    }

    pub fn after(&self) -> &str {
        self.text.get(self.cursor..).unwrap_or_default()
    }

    pub fn place(&mut self, cursor: usize) {
        let mut cursor = cursor.min(self.text.len());
        while !self.text.is_char_boundary(cursor) {
            cursor -= 1;
        }
        self.cursor = cursor;
        self.last = Last::Other;
    }

    pub fn typed(&mut self, c: char) {
        if text::is_unsafe(c) || paste::is_mark(c) {
            return;
        }
        // A step back takes a word, with the space that follows it.
        let word_begins = !c.is_whitespace()
            && self
                .before()
                .chars()
                .next_back()
                .is_some_and(char::is_whitespace);
        let joins = self.last == Last::Typed && !word_begins && c != '\n';
        let joined = match self.done.last_mut() {
            Some(edit) if joins && edit.at + edit.inserted.len() == self.cursor => {
                edit.inserted.push(c);
                true
            }
            _ => false,
        };
        if joined {
            self.text.insert(self.cursor, c);
            self.cursor += c.len_utf8();
            self.undone.clear();
        } else {
            self.replace(self.cursor, 0, &c.to_string());
        }
        self.last = Last::Typed;
    }

    /// Text that came at once, cleaned of what cannot be seen; a step of its own.
    pub fn insert(&mut self, text: &str) {
        self.replace(self.cursor, 0, &paste::without_marks(&text::typed(text)));
    }

    /// A large paste, as a mark.
    pub fn fold(&mut self, text: &str) {
        let mark = self.pastes.add(text::typed(text));
        self.replace(self.cursor, 0, &mark.to_string());
    }

    /// Puts `text` in the place of `length` bytes from `at` on; the cursor goes behind it.
    pub fn replace(&mut self, at: usize, length: usize, text: &str) {
        let end = at + length;
        let Some(removed) = self.text.get(at..end).map(str::to_owned) else {
            return;
        };
        if removed.is_empty() && text.is_empty() {
            return;
        }
        self.text.replace_range(at..end, text);
        self.undone.clear();
        self.done.push(Edit {
            at,
            removed,
            inserted: text.to_owned(),
            cursor: self.cursor,
        });
        if self.done.len() > UNDO_LIMIT {
            self.done.remove(0);
        }
        self.cursor = at + text.len();
        self.last = Last::Other;
    }

    /// As one step back can undo, also from and to nothing.
    pub fn replace_all(&mut self, text: &str) {
        self.replace(0, self.text.len(), text);
    }

    pub fn backspace(&mut self) {
        let Some(one) = self.before().graphemes(true).next_back().map(str::len) else {
            return;
        };
        let at = self.cursor - one;
        let joins = self.last == Last::Erased;
        let gone = self
            .text
            .get(at..self.cursor)
            .unwrap_or_default()
            .to_owned();
        match self.done.last_mut() {
            Some(edit) if joins && edit.at == self.cursor && edit.inserted.is_empty() => {
                edit.removed.insert_str(0, &gone);
                edit.at = at;
                self.text.replace_range(at..self.cursor, "");
                self.cursor = at;
                self.undone.clear();
            }
            _ => self.replace(at, one, ""),
        }
        self.last = Last::Erased;
    }

    pub fn delete(&mut self) {
        if let Some(one) = self.after().graphemes(true).next().map(str::len) {
            self.replace(self.cursor, one, "");
        }
    }

    pub fn go(&mut self, motion: Motion) {
        self.cursor = self.target(motion);
        self.last = Last::Other;
    }

    fn target(&self, motion: Motion) -> usize {
        let (before, after) = (self.before(), self.after());
        match motion {
            Motion::Left => self.cursor - before.graphemes(true).next_back().map_or(0, str::len),
            Motion::Right => self.cursor + after.graphemes(true).next().map_or(0, str::len),
            Motion::WordLeft => words::left(before),
            Motion::WordRight => self.cursor + words::right(after),
            Motion::LineStart => before.rfind('\n').map_or(0, |at| at + 1),
            Motion::LineEnd => self.cursor + after.find('\n').unwrap_or(after.len()),
            Motion::Start => 0,
            Motion::End => self.text.len(),
        }
    }

    /// Deletes and keeps for [`Buffer::yank`]; cuts in a row are kept together.
    pub fn cut(&mut self, what: Cut) {
        let to = match what {
            Cut::WordLeft => self.target(Motion::WordLeft),
            Cut::BlankLeft => words::blank_left(self.before()),
            Cut::WordRight => self.target(Motion::WordRight),
            // At a line's edge: its newline.
            Cut::LineStart => match self.target(Motion::LineStart) {
                start if start == self.cursor => start.saturating_sub(1),
                start => start,
            },
            Cut::LineEnd => match self.target(Motion::LineEnd) {
                end if end == self.cursor => (end + 1).min(self.text.len()),
                end => end,
            },
        };
        let (from, to) = (to.min(self.cursor), to.max(self.cursor));
        let gone = self.text.get(from..to).unwrap_or_default().to_owned();
        if gone.is_empty() {
            return;
        }
        let joins = self.last == Last::Cut;
        let backwards = from < self.cursor;
        self.replace(from, to - from, "");
        match (joins, backwards) {
            (false, _) => self.cut = gone,
            (true, true) => self.cut.insert_str(0, &gone),
            (true, false) => self.cut.push_str(&gone),
        }
        self.last = Last::Cut;
    }

    /// Inserts what was cut last.
    pub fn yank(&mut self) {
        let cut = self.cut.clone();
        self.replace(self.cursor, 0, &cut);
    }

    pub fn undo(&mut self) -> bool {
        let Some(edit) = self.done.pop() else {
            return false;
        };
        let end = edit.at + edit.inserted.len();
        self.text.replace_range(edit.at..end, &edit.removed);
        self.cursor = edit.cursor;
        self.undone.push(edit);
        self.last = Last::Other;
        true
    }

    pub fn redo(&mut self) -> bool {
        let Some(edit) = self.undone.pop() else {
            return false;
        };
        let end = edit.at + edit.removed.len();
        self.text.replace_range(edit.at..end, &edit.inserted);
        self.cursor = edit.at + edit.inserted.len();
        self.done.push(edit);
        self.last = Last::Other;
        true
    }

    /// The mark right before or at the cursor: where it stands, and the paste.
    pub fn mark_at_cursor(&self) -> Option<(usize, &str)> {
        let before = self.before().chars().next_back();
        let after = self.after().chars().next();
        let at = |c: char, at| self.pastes.get(c).map(|paste| (at, paste));
        before
            .and_then(|c| at(c, self.cursor - c.len_utf8()))
            .or_else(|| after.and_then(|c| at(c, self.cursor)))
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
