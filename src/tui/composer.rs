//! The composer: what the user is typing, and the messages typed before.
//!
//! The text and its undo are [`buffer`]'s, large pastes [`paste`]'s, the history and its search [`recall`]'s, the
//! rows on screen [`rows`]'s, what `@` offers [`mentions`]'s. Here they are one thing to type into. It does no
//! I/O and reads no keys but those that write; what other keys mean is in [`crate::tui::update`].

mod buffer;
pub mod files;
pub(super) mod history;
mod mentions;
mod paste;
mod recall;
mod rows;
mod words;

pub use buffer::{Buffer, Cut, Motion};
pub use mentions::{Asked, FileMatch, Mentions, OFFERED, Pending, Wanted};
pub use paste::is_mark;
pub use recall::{HISTORY_LIMIT, Search, SearchStep};
pub use rows::{Rows, TAB};

use crate::agent::mention;
use crate::tui::command::{self, Candidate};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use recall::Recall;
use std::ops::Range;
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Composer {
    buffer: Buffer,
    recall: Recall,
    pub search: Option<Search>,
    pub mentions: Mentions,
    /// The popup was closed with Esc for this text.
    popup_closed: bool,
    pub popup_choice: usize,
    /// Ctrl+X was pressed: Ctrl+E makes it the editor.
    pub chord: bool,
    /// The terminal can tell Shift+Enter from Enter.
    pub shift_enter: bool,
    window: Window,
}

/// What is seen of the text.
#[derive(Debug, Default)]
struct Window {
    width: u16,
    /// Rows of the text, counted up to what is ever shown.
    rows: u16,
    /// Where the first row that is shown begins.
    top: usize,
    /// The column that Up and Down keep to.
    column: Option<usize>,
}

impl Composer {
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// What is on screen: labels for large pastes.
    pub fn shown(&self) -> String {
        self.buffer.shown()
    }

    /// What would be sent.
    pub fn text(&self) -> String {
        self.buffer.whole()
    }

    /// The text that is drawn, which a search puts in the place of the one being written.
    pub fn drawn(&self) -> (&Buffer, Option<Range<usize>>) {
        match self.search.as_ref().and_then(Search::found) {
            Some((found, hit)) => (found, Some(hit)),
            None => (&self.buffer, None),
        }
    }

    /// Rows of the text, up to the most that are ever shown.
    pub fn rows(&self) -> u16 {
        self.window.rows.max(1)
    }

    /// Whether it is a command for the user's own shell.
    pub fn is_shell(&self) -> bool {
        self.buffer.marked().starts_with('!')
    }

    /// Other text in its place; one step back undoes it.
    pub fn set(&mut self, text: &str) {
        let text = Buffer::of(text);
        self.buffer.replace_all(text.marked());
        self.touched();
    }

    pub fn clear(&mut self) {
        self.set("");
    }

    /// Text that comes from somewhere else in its place: long, it is folded.
    pub fn replace(&mut self, text: &str) {
        self.clear();
        self.paste(text);
    }

    /// Puts text before what is being written.
    pub fn prepend(&mut self, text: &str) {
        let rest = !self.is_empty();
        self.buffer.go(Motion::Start);
        self.paste(text);
        if rest {
            self.buffer.insert("\n");
            self.touched();
        }
    }

    /// Empties the composer; the message joins the history.
    pub fn take(&mut self) -> String {
        let text = self.text();
        self.recall.remember(&text);
        self.buffer = Buffer::default();
        self.touched();
        text
    }

    pub fn load_history(&mut self, older: Vec<String>) {
        self.recall.load(older);
    }

    pub fn paste(&mut self, text: &str) {
        if paste::is_large(text) && self.buffer.pastes.has_room() {
            self.buffer.fold(text);
        } else {
            self.buffer.insert(text);
        }
        self.touched();
    }

    /// Puts the text of the paste beside the cursor in the place of its chip; `false` when there is none.
    pub fn unfold(&mut self) -> bool {
        let Some((at, text)) = self.buffer.mark_at_cursor() else {
            return false;
        };
        let text = text.to_owned();
        let mark = self
            .buffer
            .marked()
            .get(at..)
            .and_then(|t| t.chars().next());
        self.buffer
            .replace(at, mark.map_or(0, char::len_utf8), &text);
        self.touched();
        true
    }

    pub fn newline(&mut self) {
        self.buffer.insert("\n");
        self.touched();
    }

    /// A backslash right before the cursor asks for a newline: removes it and says so.
    pub fn take_continuation(&mut self) -> bool {
        if !self.buffer.before().ends_with('\\') {
            return false;
        }
        let at = self.buffer.cursor() - 1;
        self.buffer.replace(at, 1, "\n");
        self.touched();
        true
    }

    /// A key of writing that the keymap does not bind.
    pub fn key(&mut self, key: KeyEvent) {
        let plain = !key
            .modifiers
            .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        match key.code {
            KeyCode::Char(c) if plain => self.buffer.typed(c),
            KeyCode::Backspace if plain => self.buffer.backspace(),
            KeyCode::Delete if plain => self.buffer.delete(),
            KeyCode::Left if plain => self.buffer.go(Motion::Left),
            KeyCode::Right if plain => self.buffer.go(Motion::Right),
            _ => return,
        }
        self.touched();
    }

    pub fn backspace(&mut self) {
        self.buffer.backspace();
        self.touched();
    }

    pub fn delete(&mut self) {
        self.buffer.delete();
        self.touched();
    }

    pub fn go(&mut self, motion: Motion) {
        self.buffer.go(motion);
        self.window.column = None;
    }

    pub fn cut(&mut self, what: Cut) {
        self.buffer.cut(what);
        self.touched();
    }

    pub fn yank(&mut self) {
        self.buffer.yank();
        self.touched();
    }

    pub fn undo(&mut self) {
        self.buffer.undo();
        self.touched();
    }

    pub fn redo(&mut self) {
        self.buffer.redo();
        self.touched();
    }

    fn touched(&mut self) {
        self.popup_closed = false;
        self.popup_choice = 0;
        self.window.column = None;
    }

    /// Up: within the text, and from its first row to the previous message.
    pub fn up(&mut self) {
        if !self.row(|rows, row| rows.above(row.start)) && self.recall.older(&mut self.buffer) {
            self.touched();
            self.buffer.go(Motion::Start);
            self.buffer.go(Motion::LineEnd);
        }
    }

    /// Down: within the text, and from its last row to the next message, at last to the draft.
    pub fn down(&mut self) {
        if !self.row(|rows, row| rows.below(row.start)) && self.recall.newer(&mut self.buffer) {
            self.touched();
            self.buffer.go(Motion::End);
        }
    }

    /// Goes to another row, in the same column; `false` when there is none.
    fn row(&mut self, to: impl FnOnce(&Rows<'_>, &Range<usize>) -> Option<Range<usize>>) -> bool {
        let rows = Rows::of(&self.buffer, self.window.width);
        let row = rows.at(self.buffer.cursor());
        let column = self.window.column;
        let column = column.unwrap_or_else(|| rows.column(&row, self.buffer.cursor()));
        let Some(other) = to(&rows, &row) else {
            return false;
        };
        let place = rows.place(&other, column);
        self.buffer.place(place);
        self.window.column = Some(column);
        true
    }

    /// A step of the search through the history, which the first one opens.
    pub fn searched(&mut self, step: SearchStep) {
        match (&mut self.search, step) {
            (None, SearchStep::Older) => self.search = Some(Search::default()),
            (None, SearchStep::Typed(_) | SearchStep::Erased | SearchStep::Newer) => {}
            (Some(search), step) => search.step(step, &self.recall),
        }
    }

    /// Ends the search; `take`: with what it found, else as it was before.
    pub fn end_search(&mut self, take: bool) {
        let found = self.search.take().filter(|_| take).and_then(Search::take);
        if let Some(found) = found {
            // A step back brings the draft back.
            self.set(&found.whole());
        }
    }

    /// The popup of commands; none while it is closed.
    pub fn completions(&self) -> Vec<Candidate> {
        let text = self.buffer.marked();
        if self.popup_closed || self.recall.browsing() || !text.starts_with('/') {
            return Vec::new();
        }
        command::completions(text)
    }

    pub fn close_popup(&mut self) {
        self.popup_closed = true;
    }

    /// What has to be asked for the `@` at the cursor, if there is one.
    pub fn mentioning(&mut self, now: Duration) -> Asked {
        let closed = self.popup_closed || self.search.is_some() || self.is_shell();
        let query = (!closed)
            .then(|| mention::open_at(self.buffer.before()))
            .flatten()
            .map(|(_, query)| query);
        self.mentions.typed(query, now)
    }

    /// Puts the chosen file in the place of what was typed of it; a folder can be gone on from.
    pub fn take_mention(&mut self, path: &str) {
        let Some((at, _)) = mention::open_at(self.buffer.before()) else {
            return;
        };
        let mut written = mention::write(path);
        if !path.ends_with('/') {
            written.push(' ');
        } else if written.ends_with('"') {
            // Open, so that what follows still belongs to it.
            written.pop();
        }
        let length = self.buffer.cursor() - at;
        self.buffer.replace(at, length, &written);
        self.touched();
    }

    /// Lays out what will be seen: `width` columns, at most `tallest` rows.
    pub fn measure(&mut self, width: u16, tallest: u16) {
        let (buffer, _) = self.drawn();
        let rows = Rows::of(buffer, width);
        let counted = rows.count(usize::from(tallest.max(1)));
        let height = counted;
        // The rows above the cursor's that may be seen with it, nearest first.
        let mut row = rows.at(buffer.cursor());
        let (cursor, mut top) = (row.start, row.start);
        let wanted = self.window.top;
        for _ in 1..height {
            if row.start <= wanted {
                break;
            }
            match rows.above(row.start) {
                Some(above) => {
                    top = above.start;
                    row = above;
                }
                None => break,
            }
        }
        // Nothing below the text is shown while there is text above.
        let shown = rows.from(top).take(height).count();
        for _ in shown..height {
            match rows.above(top) {
                Some(above) => top = above.start,
                None => break,
            }
        }
        self.window = Window {
            width,
            rows: u16::try_from(counted).unwrap_or(u16::MAX),
            top: top.min(cursor),
            column: self.window.column,
        };
    }

    /// The rows that are seen, and in which row and column of them the cursor is.
    pub fn visible(&self, height: u16) -> (Vec<Range<usize>>, (u16, u16)) {
        let (buffer, _) = self.drawn();
        let rows = Rows::of(buffer, self.window.width);
        let shown: Vec<_> = rows
            .from(self.window.top)
            .take(usize::from(height))
            .collect();
        let cursor = buffer.cursor();
        let at = shown
            .iter()
            .rposition(|row| row.start <= cursor)
            .unwrap_or(0);
        let column = shown.get(at).map_or(0, |row| rows.column(row, cursor));
        let cell = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        (shown, (cell(at), cell(column)))
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
