//! Messages sent before: walking through them, and searching them.
//!
//! Whatever was typed into one of them, or into the message that was being written, is still there when one
//! comes back to it; only sending ends that.

use super::buffer::Buffer;
use std::collections::BTreeMap;
use std::ops::Range;

/// Entries that Up can reach.
pub const HISTORY_LIMIT: usize = 1000;
/// An entry longer than this, in bytes, comes back as a folded paste.
const LONG_ENTRY: usize = 16 * 1024;

#[derive(Debug, Default)]
pub struct Recall {
    /// Oldest first.
    entries: Vec<String>,
    /// The entry that is shown; `None`: the message being written.
    at: Option<usize>,
    /// What was left behind where one has been; the message being written under the number of entries.
    left: BTreeMap<usize, Buffer>,
}

impl Recall {
    /// A sent message; who walked through the older ones is back at the end.
    pub fn remember(&mut self, text: &str) {
        self.at = None;
        self.left.clear();
        if self.entries.last().is_none_or(|last| last != text) && !text.trim().is_empty() {
            self.entries.push(text.to_owned());
            if self.entries.len() > HISTORY_LIMIT {
                self.entries.remove(0);
            }
        }
    }

    /// Older messages, oldest first, from the file; what was sent meanwhile stays the latest.
    pub fn load(&mut self, mut older: Vec<String>) {
        let room = HISTORY_LIMIT.saturating_sub(self.entries.len());
        older.drain(..older.len().saturating_sub(room));
        let by = older.len();
        self.at = self.at.map(|at| at + by);
        let left = std::mem::take(&mut self.left);
        self.left = left.into_iter().map(|(at, b)| (at + by, b)).collect();
        older.append(&mut self.entries);
        self.entries = older;
    }

    pub fn browsing(&self) -> bool {
        self.at.is_some()
    }

    pub fn older(&mut self, shown: &mut Buffer) -> bool {
        let at = self.at.unwrap_or(self.entries.len());
        match at.checked_sub(1) {
            Some(previous) => {
                self.go(previous, shown);
                true
            }
            None => false,
        }
    }

    pub fn newer(&mut self, shown: &mut Buffer) -> bool {
        match self.at {
            Some(at) => {
                self.go(at + 1, shown);
                true
            }
            None => false,
        }
    }

    fn go(&mut self, to: usize, shown: &mut Buffer) {
        let here = self.at.unwrap_or(self.entries.len());
        let there = self.left.remove(&to).unwrap_or_else(|| self.entry(to));
        self.left.insert(here, std::mem::replace(shown, there));
        self.at = (to < self.entries.len()).then_some(to);
    }

    fn entry(&self, at: usize) -> Buffer {
        let text = self.entries.get(at).map_or("", String::as_str);
        if text.len() > LONG_ENTRY {
            let mut buffer = Buffer::default();
            buffer.fold(text);
            buffer
        } else {
            Buffer::of(text)
        }
    }
}

/// What a key of the search does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchStep {
    Typed(char),
    Erased,
    Older,
    Newer,
}

/// A search through the history, from the latest entry back.
#[derive(Debug, Default)]
pub struct Search {
    pub query: String,
    /// The entry found last, the text it is shown as, and where the query is in it.
    found: Option<(usize, Buffer, Range<usize>)>,
    /// Nothing older matches.
    pub failed: bool,
}

impl Search {
    /// The entry found, and where the query stands in it.
    pub fn found(&self) -> Option<(&Buffer, Range<usize>)> {
        let (_, buffer, hit) = self.found.as_ref()?;
        Some((buffer, hit.clone()))
    }

    pub fn step(&mut self, step: SearchStep, recall: &Recall) {
        match step {
            SearchStep::Typed(c) => self.typed(c, recall),
            SearchStep::Erased => self.erased(recall),
            SearchStep::Older => self.older(recall),
            SearchStep::Newer => self.newer(recall),
        }
    }

    fn typed(&mut self, c: char, recall: &Recall) {
        self.query.push(c);
        // What is found may still match: the search stays there.
        let from = self.found.as_ref().map(|(at, ..)| at + 1);
        self.look(from, None, recall);
    }

    fn erased(&mut self, recall: &Recall) {
        self.query.pop();
        self.found = None;
        self.look(None, None, recall);
    }

    /// The next match further back that says something else.
    fn older(&mut self, recall: &Recall) {
        let Some((at, ..)) = &self.found else {
            return;
        };
        let at = *at;
        let same = recall.entries.get(at).cloned();
        self.look(Some(at), same.as_deref(), recall);
    }

    /// The next match towards the latest.
    fn newer(&mut self, recall: &Recall) {
        let Some((at, ..)) = &self.found else {
            return;
        };
        let same = recall.entries.get(*at);
        let mut later = recall.entries.iter().enumerate().skip(at + 1);
        let found = later.find(|(_, e)| Some(*e) != same && find(e, &self.query).is_some());
        if let Some((at, _)) = found {
            self.look(Some(at + 1), None, recall);
        }
    }

    fn look(&mut self, below: Option<usize>, not: Option<&str>, recall: &Recall) {
        self.failed = false;
        if self.query.is_empty() {
            self.found = None;
            return;
        }
        let below = below.unwrap_or(recall.entries.len());
        let older = recall.entries.iter().enumerate().take(below).rev();
        for (at, entry) in older.filter(|(_, entry)| Some(entry.as_str()) != not) {
            if find(entry, &self.query).is_none() {
                continue;
            }
            let mut buffer = recall.entry(at);
            // In what is shown, or in the folded text: then nothing can be marked.
            let hit = find(buffer.marked(), &self.query).unwrap_or(0..0);
            buffer.place(hit.start);
            self.found = Some((at, buffer, hit));
            return;
        }
        self.failed = true;
    }

    /// The entry found, for the composer.
    pub fn take(self) -> Option<Buffer> {
        self.found.map(|(_, buffer, _)| buffer)
    }
}

/// Where `query` first stands in `text`. In small letters it matches capitals too, else only itself.
pub fn find(text: &str, query: &str) -> Option<Range<usize>> {
    if query.chars().any(char::is_uppercase) {
        return text.find(query).map(|at| at..at + query.len());
    }
    text.char_indices().find_map(|(at, _)| {
        let rest = text.get(at..)?;
        let length = folded_prefix(rest, query)?;
        Some(at..at + length)
    })
}

/// Bytes of `text` that say `query` in whatever letters, if it begins with it.
fn folded_prefix(text: &str, query: &str) -> Option<usize> {
    let mut wanted = query.chars().flat_map(char::to_lowercase).peekable();
    let mut length = 0;
    let mut chars = text.chars();
    while wanted.peek().is_some() {
        let c = chars.next()?;
        for folded in c.to_lowercase() {
            if wanted.next()? != folded {
                return None;
            }
        }
        length += c.len_utf8();
    }
    Some(length)
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

    fn of(entries: &[&str]) -> Recall {
        let mut recall = Recall::default();
        recall.load(entries.iter().map(|e| (*e).to_owned()).collect());
        recall
    }

    #[test]
    fn small_letters_match_capitals_and_capitals_only_themselves() {
        for (text, query, at) in [
            ("Fix the Build", "build", Some(8..13)),
            ("Fix the Build", "Build", Some(8..13)),
            ("fix the build", "Build", None),
            ("ÄÖ über", "ö ü", Some(2..7)),
            ("STRASSE", "straße", None),
            ("x", "", Some(0..0)),
            ("", "x", None),
        ] {
            assert_eq!(find(text, query), at, "{query} in {text}");
        }
    }

    #[test]
    fn a_search_goes_back_and_forth_past_what_says_the_same() {
        let recall = of(&["make all", "cargo test", "make all", "ls", "Make doc"]);
        let mut search = Search::default();
        let shown = |search: &Search| {
            let (buffer, hit) = search.found().unwrap();
            (buffer.marked().to_owned(), hit)
        };
        for c in "ma".chars() {
            search.typed(c, &recall);
        }
        assert_eq!(shown(&search), ("Make doc".into(), 0..2));
        search.older(&recall);
        assert_eq!(shown(&search), ("make all".into(), 0..2));
        search.older(&recall);
        assert!(search.failed, "the oldest says the same");
        assert_eq!(shown(&search), ("make all".into(), 0..2));
        search.newer(&recall);
        assert_eq!(shown(&search).0, "Make doc");
        search.typed('x', &recall);
        assert!(search.failed);
        assert_eq!(shown(&search).0, "Make doc", "the last match stays");
        search.erased(&recall);
        assert!(!search.failed);
        for _ in 0..2 {
            search.erased(&recall);
        }
        assert!(search.found().is_none());
    }

    #[test]
    fn what_was_changed_on_the_way_is_still_there() {
        let mut recall = of(&["one", "two"]);
        let mut shown = Buffer::of("draft");
        recall.older(&mut shown);
        shown.insert(" more");
        recall.older(&mut shown);
        assert_eq!(shown.whole(), "one");
        assert!(!recall.older(&mut shown));
        // The file comes late.
        recall.load(vec!["zero".into()]);
        recall.older(&mut shown);
        assert_eq!(shown.whole(), "zero");
        for expected in ["one", "two more", "draft"] {
            recall.newer(&mut shown);
            assert_eq!(shown.whole(), expected);
        }
        assert!(!recall.newer(&mut shown));
        shown.undo();
        recall.older(&mut shown);
        recall.remember("sent");
        let mut shown = Buffer::default();
        recall.older(&mut shown);
        assert_eq!(shown.whole(), "sent");
        recall.older(&mut shown);
        assert_eq!(shown.whole(), "two", "sending ends it");
    }

    #[test]
    fn the_history_has_a_limit_and_no_repeats() {
        let mut recall = Recall::default();
        for n in 0..HISTORY_LIMIT + 10 {
            recall.remember(&n.to_string());
            recall.remember(&n.to_string());
        }
        assert_eq!(recall.entries.len(), HISTORY_LIMIT);
        assert_eq!(recall.entries[0], "10");
        recall.load(vec!["older".into()]);
        assert_eq!(recall.entries[0], "10", "the latest are kept");
    }
}
