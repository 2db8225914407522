//! A list to choose from, with search: one component for everything that is chosen from a list.
//!
//! It holds rows, the query and the choice, and knows its keys; it draws nothing (`view/picker`) and acts on
//! nothing. What a list is about is its [`Subject`]; what a choice then does is in `update/picker`, with one
//! arm for each subject. Text is made safe as it enters.

use crate::agent::Listed;
use crate::text;
use crate::tui::keymap::{Action, Context, Keymap};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// More than any match scores.
const TEXT_FIRST: u32 = 1 << 20;

/// What is chosen from, with what has to be remembered until the choice is made.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// The rows are the themes' names; `before` is the one to go back to.
    Theme {
        before: String,
    },
    /// The rows are commands, `/name`, and actions by their names.
    Palette,
    Effort,
    Approvals,
    Sandbox,
    Model,
    /// A model's download: what there is to download, or how far it is.
    Pull,
    /// What to go on with where no model can be.
    Start,
    /// The rows are the code blocks of this cell, by number.
    Code {
        answer: usize,
    },
    /// The rows are conversations; `all` or those of this folder.
    Sessions {
        all: bool,
        listed: Vec<Listed>,
    },
    /// The rows are messages of the user's own, by their turn.
    Rewind,
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Names the row to whoever acts on it; never shown.
    pub id: String,
    pub text: String,
    /// Shown dim at the right, left out where there is no room; searched as well.
    pub detail: String,
}

impl Row {
    pub fn new(id: impl Into<String>, text: &str, detail: &str) -> Row {
        Row {
            id: id.into(),
            text: text::label(text),
            detail: text::label(detail),
        }
    }
}

/// What a key came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picked {
    /// Nothing that anybody else has to know.
    Nothing,
    /// Another row is the choice now, or none is.
    Moved,
    /// The user chose the row with this id.
    Chosen(String),
    Closed,
    /// A key of the table that only the subject knows.
    Other(Action),
}

#[derive(Debug)]
pub struct Picker {
    pub subject: Subject,
    pub title: String,
    /// What an empty list says.
    pub empty: &'static str,
    rows: Vec<Row>,
    query: String,
    /// Letters go to the query; else they are keys, and `/` begins the search.
    searching: bool,
    /// Indices of the rows that match, best first.
    shown: Vec<usize>,
    choice: usize,
}

impl Picker {
    pub fn new(subject: Subject, title: &str, rows: Vec<Row>) -> Picker {
        Picker {
            subject,
            title: text::label(title),
            empty: "nothing to choose from",
            shown: (0..rows.len()).collect(),
            rows,
            query: String::new(),
            searching: true,
            choice: 0,
        }
    }

    /// Letters are keys until `/` begins a search.
    pub fn with_letter_keys(mut self) -> Picker {
        self.searching = false;
        self
    }

    pub fn saying_when_empty(mut self, empty: &'static str) -> Picker {
        self.empty = empty;
        self
    }

    /// Makes the row with this id the choice, where it is shown.
    pub fn choose(&mut self, id: &str) {
        let is_it = |at: &usize| self.rows.get(*at).is_some_and(|row| row.id == id);
        if let Some(at) = self.shown.iter().position(is_it) {
            self.choice = at;
        }
    }

    /// Other rows under the same query, with the same choice where it is still there.
    pub fn set_rows(&mut self, rows: Vec<Row>) {
        let chosen = self.chosen().map(|row| row.id.clone());
        self.rows = rows;
        self.search();
        if let Some(id) = chosen {
            self.choose(&id);
        }
    }

    pub fn query(&self) -> &str {
        &self.query
    }

    pub fn searching(&self) -> bool {
        self.searching
    }

    /// The rows that match, best first.
    pub fn shown(&self) -> impl ExactSizeIterator<Item = &Row> {
        self.shown
            .iter()
            .filter_map(|at| self.rows.get(*at))
            .collect::<Vec<_>>()
            .into_iter()
    }

    pub fn total(&self) -> usize {
        self.rows.len()
    }

    pub fn choice(&self) -> usize {
        self.choice
    }

    pub fn chosen(&self) -> Option<&Row> {
        self.rows.get(*self.shown.get(self.choice)?)
    }

    /// `page`: rows that a page key moves by.
    pub fn key(&mut self, keys: &Keymap, key: &KeyEvent, page: usize) -> Picked {
        let plain = !key
            .modifiers
            .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        match key.code {
            KeyCode::Char(c) if plain && self.searching => {
                self.query.push(c);
                return self.searched();
            }
            KeyCode::Char('/') if plain => {
                self.searching = true;
                return Picked::Nothing;
            }
            KeyCode::Backspace if self.searching => {
                self.query.pop();
                return self.searched();
            }
            _ => {}
        }
        let last = self.shown.len().saturating_sub(1);
        match keys.lookup(Context::Picker, key) {
            Some(Action::Cancel | Action::ClearInterruptQuit) => Picked::Closed,
            Some(Action::Confirm) => self
                .chosen()
                .map_or(Picked::Nothing, |row| Picked::Chosen(row.id.clone())),
            // A list that ends where it began is walked through with one key.
            Some(Action::LineUp) => self.go(self.choice.checked_sub(1).unwrap_or(last)),
            Some(Action::LineDown) => self.go(if self.choice >= last {
                0
            } else {
                self.choice + 1
            }),
            Some(Action::PageUp) => self.go(self.choice.saturating_sub(page.max(1))),
            Some(Action::PageDown) => self.go((self.choice + page.max(1)).min(last)),
            Some(Action::Top) => self.go(0),
            Some(Action::Bottom) => self.go(last),
            Some(Action::DeleteToLineStart) => {
                self.query.clear();
                self.searched()
            }
            Some(action) => Picked::Other(action),
            None => Picked::Nothing,
        }
    }

    pub fn paste(&mut self, pasted: &str) -> Picked {
        let first = pasted.lines().next().unwrap_or_default();
        self.searching = true;
        self.query.push_str(&text::typed(first));
        self.searched()
    }

    /// Up or down by one, and not past the ends.
    pub fn step(&mut self, by: i64) -> Picked {
        let last = self.shown.len().saturating_sub(1);
        let by = isize::try_from(by).unwrap_or_default();
        self.go(self.choice.saturating_add_signed(by).min(last))
    }

    fn go(&mut self, to: usize) -> Picked {
        if to == self.choice {
            return Picked::Nothing;
        }
        self.choice = to;
        Picked::Moved
    }

    fn searched(&mut self) -> Picked {
        self.search();
        Picked::Moved
    }

    /// Every word of the query must be found in a row, its letters in order; the better match comes first.
    fn search(&mut self) {
        self.choice = 0;
        if self.query.trim().is_empty() {
            self.shown = (0..self.rows.len()).collect();
            return;
        }
        let pattern = Pattern::parse(&self.query, CaseMatching::Smart, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut room = Vec::new();
        let mut found: Vec<(u32, usize)> = Vec::new();
        for (at, row) in self.rows.iter().enumerate() {
            let both = format!("{} {}", row.text, row.detail);
            let mut score =
                |text: &str| pattern.score(Utf32Str::new(text, &mut room), &mut matcher);
            // What the row is says more than what is told of it.
            let score = score(&row.text)
                .map(|score| score + TEXT_FIRST)
                .or_else(|| score(&both));
            found.extend(score.map(|score| (score, at)));
        }
        found.sort_by(|(a, first), (b, second)| b.cmp(a).then(first.cmp(second)));
        self.shown = found.into_iter().map(|(_, at)| at).collect();
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
    use crate::tui::testing::script;

    fn picker() -> Picker {
        let rows = [
            ("1", "make total add the prices", "2 h ago · main"),
            ("2", "rename greet to welcome", "yesterday · greeting"),
            ("3", "why is the total wrong?", "3 days ago · main"),
        ];
        let rows = rows
            .iter()
            .map(|(id, text, detail)| Row::new(*id, text, detail));
        let subject = Subject::Theme {
            before: "dark".into(),
        };
        Picker::new(subject, "Choose", rows.collect())
    }

    fn keys(picker: &mut Picker, keys: &str) -> Picked {
        let mut last = Picked::Nothing;
        for key in script(keys) {
            last = picker.key(&Keymap::default(), &key, 2);
        }
        last
    }

    fn ids(picker: &Picker) -> Vec<&str> {
        picker.shown().map(|row| row.id.as_str()).collect()
    }

    #[test]
    fn search_finds_words_and_letters_in_order_in_text_and_detail() {
        for (query, found) in [
            ("", vec!["1", "2", "3"]),
            ("total", vec!["1", "3"]),
            ("total wrong", vec!["3"]),
            ("rngrt", vec!["2"]),
            ("greeting", vec!["2"]),
            ("Total", vec![]),
            ("zz", vec![]),
        ] {
            let mut picker = picker();
            keys(&mut picker, query);
            let mut shown = ids(&picker);
            shown.sort_unstable();
            assert_eq!(shown, found, "{query:?}");
        }
    }

    #[test]
    fn keys_move_choose_and_close() {
        let mut picker = picker();
        for (typed, came, chosen) in [
            ("<Down>", Picked::Moved, "2"),
            ("<Down>", Picked::Moved, "3"),
            ("<Down>", Picked::Moved, "1"),
            ("<Up>", Picked::Moved, "3"),
            ("<PageUp>", Picked::Moved, "1"),
            ("<PageUp>", Picked::Nothing, "1"),
            ("<End>", Picked::Moved, "3"),
            ("<Home>", Picked::Moved, "1"),
            ("gre", Picked::Moved, "2"),
            ("<Enter>", Picked::Chosen("2".into()), "2"),
            ("<Ctrl+U>", Picked::Moved, "1"),
            ("<Esc>", Picked::Closed, "1"),
            ("<Ctrl+C>", Picked::Closed, "1"),
        ] {
            assert_eq!(keys(&mut picker, typed), came, "{typed}");
            assert_eq!(picker.chosen().unwrap().id, chosen, "{typed}");
        }
        keys(&mut picker, "nothing like it");
        assert_eq!(picker.chosen(), None);
        assert_eq!(keys(&mut picker, "<Enter>"), Picked::Nothing);
        assert_eq!(keys(&mut picker, "<Down>"), Picked::Nothing);
    }

    #[test]
    fn letters_are_keys_until_a_slash() {
        let mut picker = picker().with_letter_keys();
        keys(&mut picker, "x");
        assert_eq!(picker.query(), "");
        keys(&mut picker, "/wel");
        assert_eq!(
            (picker.query(), picker.chosen().unwrap().id.as_str()),
            ("wel", "2")
        );
        keys(&mut picker, "<Backspace><Backspace>");
        assert_eq!(picker.query(), "w");
    }

    #[test]
    fn other_rows_keep_query_and_choice_and_nothing_unsafe_enters() {
        let mut picker = picker();
        keys(&mut picker, "<Down>");
        picker.set_rows(vec![Row::new("9", "new", ""), Row::new("2", "old", "")]);
        assert_eq!(picker.chosen().unwrap().id, "2");
        picker.paste("e\u{1b}w\nsecond line");
        assert_eq!((picker.query(), ids(&picker)), ("ew", vec!["9"]));
        let row = Row::new("1", "\u{1b}[31mred\nline", "\u{202e}");
        assert_eq!(
            (row.text.as_str(), row.detail.as_str()),
            ("␛[31mred␊line", "<U+202E>")
        );
    }
}
