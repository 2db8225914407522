//! Which files fit the `@` being typed.
//!
//! Listing and matching happen elsewhere: this says what is wanted ([`Wanted`]) and takes what comes, unless
//! the user typed on meanwhile. What was found last stays on screen until then, but it is not taken.

use crate::agent::FileList;
use std::sync::Arc;
use std::time::Duration;

/// A list older than this is asked for again; the old one serves meanwhile.
const STALE: Duration = Duration::from_secs(10);
/// Files that are offered.
pub const OFFERED: usize = 8;

/// A file that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMatch {
    /// Folders end in `/`.
    pub path: String,
    /// The graphemes that match, ascending.
    pub hits: Vec<u32>,
}

/// A search for files.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Counts the searches; an answer to an older one is dropped.
    pub generation: u64,
    pub query: String,
    pub list: Arc<FileList>,
}

#[derive(Debug, Default)]
pub struct Mentions {
    list: Option<Arc<FileList>>,
    listed: Duration,
    /// A list was asked for and did not come yet.
    listing: bool,
    /// Files may have changed since the list.
    stale: bool,
    open: Option<String>,
    generation: u64,
    answered: u64,
    matches: Vec<FileMatch>,
    /// The user chose before the answer was there.
    pub pending: Option<Pending>,
}

/// What the answer is waited for with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending {
    /// Tab: the first match.
    Take,
    /// Enter: the first match; without one the message is sent.
    TakeOrSend,
}

/// What has to be asked for.
#[derive(Debug, Default)]
pub struct Asked {
    pub list: bool,
    pub search: Option<Wanted>,
}

impl Mentions {
    /// The text changed: `query` is the mention at the cursor, if one is being typed.
    pub fn typed(&mut self, query: Option<String>, now: Duration) -> Asked {
        let mut asked = Asked::default();
        if self.open == query {
            return asked;
        }
        self.pending = None;
        if query.is_none() {
            self.open = None;
            self.matches.clear();
            self.generation += 1;
            self.answered = self.generation;
            return asked;
        }
        let begins = self.open.is_none();
        self.open = query;
        let old = self.stale || now.saturating_sub(self.listed) > STALE;
        if !self.listing && (self.list.is_none() || (begins && old)) {
            self.listing = true;
            asked.list = true;
        }
        asked.search = self.search();
        asked
    }

    fn search(&mut self) -> Option<Wanted> {
        let query = self.open.clone()?;
        self.generation += 1;
        Some(Wanted {
            generation: self.generation,
            query,
            list: self.list.clone()?,
        })
    }

    /// A new list; the open search is made again with it.
    pub fn listed(&mut self, list: Arc<FileList>, now: Duration) -> Option<Wanted> {
        self.list = Some(list);
        self.listed = now;
        self.listing = false;
        self.stale = false;
        self.search()
    }

    /// Whether the answer was still wanted.
    pub fn matched(&mut self, generation: u64, matches: Vec<FileMatch>) -> bool {
        if generation != self.generation {
            return false;
        }
        self.answered = generation;
        self.matches = matches;
        true
    }

    /// Something wrote files.
    pub fn files_changed(&mut self) {
        self.stale = true;
    }

    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// What is shown belongs to what is typed.
    pub fn is_answered(&self) -> bool {
        self.answered == self.generation
    }

    pub fn matches(&self) -> &[FileMatch] {
        &self.matches
    }

    /// Until the first list is there, nothing can be offered.
    pub fn is_waiting(&self) -> bool {
        self.open.is_some() && self.list.is_none()
    }

    /// Names that the list has no room for are not offered.
    pub fn is_partial(&self) -> bool {
        self.list.as_ref().is_some_and(|list| !list.whole)
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

    const NOW: Duration = Duration::from_secs(60);

    fn list(paths: &[&str]) -> Arc<FileList> {
        Arc::new(FileList {
            paths: paths.iter().map(|p| (*p).to_owned()).collect(),
            whole: true,
        })
    }

    fn found(path: &str) -> Vec<FileMatch> {
        vec![FileMatch {
            path: path.into(),
            hits: Vec::new(),
        }]
    }

    #[test]
    fn the_list_is_asked_for_once_and_again_when_it_is_old() {
        let mut mentions = Mentions::default();
        assert!(mentions.typed(Some(String::new()), NOW).list);
        let asked = mentions.typed(Some("a".into()), NOW);
        assert!(!asked.list && asked.search.is_none(), "{asked:?}");
        let wanted = mentions.listed(list(&["a"]), NOW).unwrap();
        assert_eq!(wanted.query, "a");
        mentions.typed(None, NOW);
        assert!(!mentions.typed(Some("a".into()), NOW + STALE).list);
        mentions.typed(None, NOW);
        let later = NOW + STALE + Duration::from_secs(1);
        let asked = mentions.typed(Some("a".into()), later);
        assert!(asked.list && asked.search.is_some(), "the old one serves");
        mentions.listed(list(&[]), later);
        mentions.typed(None, later);
        mentions.files_changed();
        assert!(mentions.typed(Some("a".into()), later).list);
    }

    #[test]
    fn an_answer_to_what_was_typed_before_is_dropped() {
        let mut mentions = Mentions::default();
        mentions.typed(Some("a".into()), NOW);
        let first = mentions.listed(list(&["a", "ab"]), NOW).unwrap();
        let second = mentions.typed(Some("ab".into()), NOW).search.unwrap();
        assert!(!mentions.matched(first.generation, found("a")));
        assert!(!mentions.is_answered());
        assert!(mentions.matched(second.generation, found("ab")));
        assert!(mentions.is_answered());
        assert_eq!(mentions.matches(), found("ab"));
        mentions.typed(None, NOW);
        assert!(!mentions.matched(second.generation, found("ab")));
        assert!(mentions.matches().is_empty());
    }
}
