//! The composer: what the user is typing, and the messages typed before.
//!
//! Editing is the text area's; newline rules, history and large pastes are here. A paste of more than
//! [`LARGE_PASTE`] bytes is kept aside and shown as a label, so that a megabyte costs nothing per key; the
//! message that is sent holds the whole text.

use super::command::{self, Candidate};
use crate::text;
use crossterm::event::{KeyCode, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::widgets::Widget;
use tui_textarea::{CursorMove, TextArea, WrapMode};

/// Longer pastes become a label.
pub const LARGE_PASTE: usize = 4096;
/// So do pastes of more lines.
const LARGE_PASTE_LINES: usize = 60;
/// Entries that Up can reach.
pub const HISTORY_LIMIT: usize = 1000;

#[derive(Debug)]
pub struct Composer {
    pub area: TextArea<'static>,
    /// Large pastes and the labels that stand for them.
    pastes: Vec<(String, String)>,
    paste_count: usize,
    history: Vec<String>,
    /// Where in the history we are, and what was being typed before.
    browsing: Option<(usize, String)>,
    /// The popup was closed with Esc for this text.
    popup_closed: bool,
    pub popup_choice: usize,
    /// Rows the text takes at the width last measured.
    pub rows: u16,
}

impl Default for Composer {
    fn default() -> Self {
        Composer {
            area: new_area(Vec::new()),
            pastes: Vec::new(),
            paste_count: 0,
            history: Vec::new(),
            browsing: None,
            popup_closed: false,
            popup_choice: 0,
            rows: 1,
        }
    }
}

fn new_area(lines: Vec<String>) -> TextArea<'static> {
    let mut area = TextArea::new(lines);
    area.set_wrap_mode(WrapMode::WordOrGlyph);
    area.set_cursor_line_style(Style::default());
    // The terminal's own cursor is placed there (input methods follow it).
    area.set_cursor_style(Style::default());
    area
}

impl Composer {
    pub fn is_empty(&self) -> bool {
        self.area.is_empty()
    }

    /// What is on screen, labels unexpanded.
    pub fn shown(&self) -> String {
        self.area.lines().join("\n")
    }

    /// What would be sent.
    pub fn text(&self) -> String {
        let mut text = self.shown();
        for (label, paste) in &self.pastes {
            text = text.replace(label.as_str(), paste);
        }
        text
    }

    pub fn set(&mut self, text: &str) {
        self.pastes.clear();
        self.area = new_area(Vec::new());
        self.browsing = None;
        self.insert_text(text);
        self.touched();
    }

    pub fn clear(&mut self) {
        self.set("");
    }

    /// Empties the composer; the message joins the history.
    pub fn take(&mut self) -> String {
        let text = self.text();
        self.remember(&text);
        self.clear();
        text
    }

    fn remember(&mut self, text: &str) {
        if self.history.last().is_none_or(|last| last != text) && !text.trim().is_empty() {
            self.history.push(text.to_owned());
            if self.history.len() > HISTORY_LIMIT {
                self.history.remove(0);
            }
        }
    }

    /// Older messages, oldest first, from the file; what was sent meanwhile stays the latest.
    pub fn load_history(&mut self, mut older: Vec<String>) {
        older.append(&mut self.history);
        let excess = older.len().saturating_sub(HISTORY_LIMIT);
        older.drain(..excess);
        if let Some((position, _)) = &mut self.browsing {
            *position = older.len().saturating_sub(1);
        }
        self.history = older;
    }

    pub fn paste(&mut self, text: &str) {
        let text = text::typed(text);
        if text.len() > LARGE_PASTE || text.lines().count() > LARGE_PASTE_LINES {
            self.paste_count += 1;
            let label = format!(
                "[paste {}: {} characters]",
                self.paste_count,
                text.chars().count()
            );
            self.area.insert_str(&label);
            self.pastes.push((label, text));
        } else {
            self.area.insert_str(&text);
        }
        self.touched();
    }

    /// Text that may be long (history, a restored draft): as a paste when it is.
    fn insert_text(&mut self, text: &str) {
        if text.len() > LARGE_PASTE {
            self.paste(text);
        } else {
            self.area.insert_str(text::typed(text));
        }
    }

    pub fn newline(&mut self) {
        self.area.insert_newline();
        self.touched();
    }

    /// A backslash right before the cursor asks for a newline: removes it and says so.
    pub fn take_continuation(&mut self) -> bool {
        let (row, column) = self.cursor();
        let before = self
            .area
            .lines()
            .get(row)
            .and_then(|l| l.chars().nth(column.checked_sub(1)?));
        if before != Some('\\') {
            return false;
        }
        self.area.delete_char();
        self.newline();
        true
    }

    fn cursor(&self) -> (usize, usize) {
        let cursor = self.area.cursor();
        (cursor.0, cursor.1)
    }

    pub fn delete_to_line_start(&mut self) {
        self.area.delete_line_by_head();
        self.touched();
    }

    /// An editing key that the keymap does not bind. A label goes as a whole.
    pub fn key(&mut self, key: KeyEvent) {
        if key.code == KeyCode::Backspace && self.delete_label() {
            self.touched();
            return;
        }
        if let KeyCode::Char(c) = key.code
            && text::is_unsafe(c)
        {
            return;
        }
        if self.area.input(key) {
            self.touched();
        }
    }

    fn delete_label(&mut self) -> bool {
        let (row, column) = self.cursor();
        let Some(line) = self.area.lines().get(row) else {
            return false;
        };
        let before: String = line.chars().take(column).collect();
        let Some(at) = self
            .pastes
            .iter()
            .position(|(label, _)| before.ends_with(label.as_str()))
        else {
            return false;
        };
        let (label, _) = self.pastes.remove(at);
        for _ in label.chars() {
            self.area.delete_char();
        }
        true
    }

    fn touched(&mut self) {
        self.popup_closed = false;
        self.popup_choice = 0;
    }

    /// Up: within the text, and from its first row to the previous message.
    pub fn up(&mut self) {
        if self.area.screen_cursor().row > 0 {
            self.area.move_cursor(CursorMove::Up);
            return;
        }
        let position = match &self.browsing {
            None => self.history.len(),
            Some((position, _)) => *position,
        };
        let Some(previous) = position.checked_sub(1) else {
            return;
        };
        let draft = match self.browsing.take() {
            None => self.text(),
            Some((_, draft)) => draft,
        };
        self.browse(previous, draft);
        self.area.move_cursor(CursorMove::Top);
        self.area.move_cursor(CursorMove::End);
    }

    /// Down: within the text, and from its last row to the next message, at last to the draft.
    pub fn down(&mut self) {
        if self.area.screen_cursor().row + 1 < usize::from(self.rows) {
            self.area.move_cursor(CursorMove::Down);
            return;
        }
        let Some((position, draft)) = self.browsing.take() else {
            return;
        };
        if position + 1 < self.history.len() {
            self.browse(position + 1, draft);
        } else {
            self.set(&draft);
        }
    }

    fn browse(&mut self, position: usize, draft: String) {
        let text = self.history.get(position).cloned().unwrap_or_default();
        self.set(&text);
        self.browsing = Some((position, draft));
    }

    /// The popup's lines; none while it is closed.
    pub fn completions(&self) -> Vec<Candidate> {
        if self.popup_closed || self.browsing.is_some() || self.area.lines().len() > 1 {
            return Vec::new();
        }
        self.area
            .lines()
            .first()
            .map_or_else(Vec::new, |l| command::completions(l))
    }

    pub fn close_popup(&mut self) {
        self.popup_closed = true;
    }

    /// Lays the text out at `width`, so that cursor keys move by rows on screen, and counts its rows.
    pub fn measure(&mut self, width: u16) {
        let lay_out = |area: &TextArea<'static>, rows: u16| {
            let place = Rect::new(0, 0, width.max(1), rows);
            area.render(place, &mut Buffer::empty(place));
        };
        let mut end = self.area.clone();
        lay_out(&end, 1);
        end.move_cursor(CursorMove::Bottom);
        end.move_cursor(CursorMove::End);
        self.rows = u16::try_from(end.screen_cursor().row + 1).unwrap_or(u16::MAX);
        // All rows at once: a text area that was ever drawn with fewer keeps scrolled.
        lay_out(&self.area, self.rows);
    }

    /// Draws the rows around the cursor, and says where the cursor is.
    pub fn render(&self, place: Rect, buffer: &mut Buffer) -> Position {
        let whole = Rect::new(0, 0, place.width, self.rows.max(1));
        let mut text = Buffer::empty(whole);
        (&self.area).render(whole, &mut text);
        let cursor = self.area.screen_cursor();
        let row = u16::try_from(cursor.row).unwrap_or(u16::MAX);
        let column = u16::try_from(cursor.col).unwrap_or(u16::MAX);
        let top = (row + 1).saturating_sub(place.height);
        for y in 0..place.height.min(whole.height.saturating_sub(top)) {
            for x in 0..place.width {
                if let (Some(from), Some(to)) = (
                    text.cell((x, top + y)),
                    buffer.cell_mut((place.x + x, place.y + y)),
                ) {
                    to.clone_from(from);
                }
            }
        }
        Position::new(
            place.x + column.min(place.width - 1),
            place.y + (row - top).min(place.height - 1),
        )
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
    use super::super::keymap;
    use super::*;

    fn typed(composer: &mut Composer, text: &str) {
        for c in text.chars() {
            composer.key(keymap::parse(&c.to_string()).unwrap());
        }
        composer.measure(40);
    }

    #[test]
    fn history_walks_and_returns_to_the_draft() {
        let mut composer = Composer::default();
        composer.load_history(vec!["one".into(), "two\nlines".into()]);
        typed(&mut composer, "draft");
        let mut step = |up: bool| {
            if up {
                composer.up()
            } else {
                composer.down()
            }
            composer.measure(40);
            composer.text()
        };
        assert_eq!(step(true), "two\nlines");
        assert_eq!(step(true), "one");
        assert_eq!(step(true), "one");
        assert_eq!(step(false), "two\nlines");
        // The cursor is on the last line, so Down leaves the entry.
        assert_eq!(step(false), "draft");
        assert_eq!(step(false), "draft");
    }

    #[test]
    fn a_megabyte_is_a_label_and_is_sent_whole() {
        let mut composer = Composer::default();
        typed(&mut composer, "see ");
        let paste = "0123456789\n".repeat(100_000);
        composer.paste(&paste);
        typed(&mut composer, " end");
        assert_eq!(composer.shown(), "see [paste 1: 1100000 characters] end");
        assert_eq!(composer.text(), format!("see {paste} end"));
        for _ in 0..4 {
            composer.key(keymap::parse("Backspace").unwrap());
        }
        composer.key(keymap::parse("Backspace").unwrap());
        assert_eq!(composer.shown(), "see ", "the label goes with one key");
        assert_eq!(composer.text(), "see ");
    }

    #[test]
    fn small_pastes_are_text_without_what_hides() {
        let mut composer = Composer::default();
        composer.paste("a\r\nb\u{1b}[31m\u{202e}");
        assert_eq!(composer.text(), "a\nb[31m");
    }

    #[test]
    fn backslash_continues() {
        let mut composer = Composer::default();
        typed(&mut composer, "one\\");
        assert!(composer.take_continuation());
        typed(&mut composer, "two");
        assert!(!composer.take_continuation());
        assert_eq!(composer.text(), "one\ntwo");
    }

    #[test]
    fn rows_are_counted_wrapped() {
        let mut composer = Composer::default();
        typed(&mut composer, &"word ".repeat(20));
        composer.measure(40);
        assert_eq!(composer.rows, 3);
        composer.measure(120);
        assert_eq!(composer.rows, 1);
    }

    #[test]
    fn what_is_drawn_is_the_rows_around_the_cursor() {
        let mut composer = Composer::default();
        composer.paste("a\nb\nc");
        let draw = |composer: &mut Composer, height| {
            composer.measure(10);
            let place = Rect::new(0, 0, 10, height);
            let mut buffer = Buffer::empty(place);
            let cursor = composer.render(place, &mut buffer);
            let rows: Vec<String> = buffer
                .content()
                .chunks(10)
                .map(|r| {
                    r.iter()
                        .map(|c| c.symbol())
                        .collect::<String>()
                        .trim()
                        .into()
                })
                .collect();
            (rows.join("/"), cursor.y)
        };
        assert_eq!(draw(&mut composer, 3), ("a/b/c".into(), 2));
        assert_eq!(draw(&mut composer, 2), ("b/c".into(), 1));
        composer.key(keymap::parse("Backspace").unwrap());
        composer.key(keymap::parse("Backspace").unwrap());
        assert_eq!(draw(&mut composer, 2), ("a/b".into(), 1));
        composer.up();
        assert_eq!(draw(&mut composer, 1), ("a".into(), 0));
    }

    #[test]
    fn the_history_has_a_limit_and_no_repeats() {
        let mut composer = Composer::default();
        for n in 0..HISTORY_LIMIT + 10 {
            composer.set(&n.to_string());
            composer.take();
            composer.set(&n.to_string());
            composer.take();
        }
        assert_eq!(composer.history.len(), HISTORY_LIMIT);
        assert_eq!(composer.history[0], "10");
    }
}
