//! The text of an `apply_patch` call, byte by byte: V4A that parses, and hunks that are found.
//!
//! A [`State`] is a place in the patch (what was said in whole lines) and a line in progress. States are values: a
//! walk over the vocabulary tries bytes and takes them back. Old lines come from the file itself (`target`), and
//! a hunk may only end where it can be nowhere else, so every finished hunk has exactly one place.

mod choice;
mod line;
mod place;
mod target;

use super::PatchTargets;
use line::{Line, Step};
use llguidance::toktrie::{Recognizer, SimpleVob, TokTrie};
use place::Place;
use rustc_hash::FxHashMap;
use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;
use std::thread::JoinHandle;
use target::Target;

/// A file with more lines than this is not indexed: its hunks are free, and the locator finds them or says so.
const MOST_LINES: usize = 200_000;

/// What a patch is checked against: the files, read when they are named.
struct Files {
    source: Option<Arc<dyn PatchTargets>>,
    /// Lists them while the model writes the patch's first line.
    listing: Cell<Option<JoinHandle<Option<Vec<String>>>>>,
    paths: OnceCell<Option<Arc<[Arc<str>]>>>,
    /// `None`: its lines are free.
    opened: RefCell<FxHashMap<Arc<str>, Option<Arc<Target>>>>,
}

impl Files {
    fn new(source: Option<&Arc<dyn PatchTargets>>) -> Files {
        let listing = source.and_then(|source| {
            let source = Arc::clone(source);
            std::thread::Builder::new()
                .name("patch-targets".to_owned())
                .spawn(move || source.paths())
                .ok()
        });
        Files {
            source: source.map(Arc::clone),
            listing: Cell::new(listing),
            paths: OnceCell::new(),
            opened: RefCell::default(),
        }
    }

    /// Sorted; `None` where nothing is known of the files, so that any path may be named.
    fn paths(&self) -> Option<Arc<[Arc<str>]>> {
        let listed = || {
            let paths = self.listing.take()?.join().ok().flatten()?;
            let mut paths: Vec<Arc<str>> = paths
                .into_iter()
                .filter(|path| can_be_named(path))
                .map(Arc::from)
                .collect();
            paths.sort_unstable();
            paths.dedup();
            Some(paths.into())
        };
        self.paths.get_or_init(listed).clone()
    }

    fn open(&self, path: &Arc<str>) -> Option<Arc<Target>> {
        if let Some(known) = self.opened.borrow().get(path) {
            return known.clone();
        }
        let lines = self.source.as_ref().and_then(|source| source.lines(path));
        let target = lines
            .filter(|lines| lines.len() <= MOST_LINES)
            .and_then(Target::new)
            .map(Arc::new);
        self.opened
            .borrow_mut()
            .insert(Arc::clone(path), target.clone());
        target
    }
}

/// Whether a patch can write the path as it is: one line, and no space at an end that would be taken for layout.
fn can_be_named(path: &str) -> bool {
    !path.is_empty() && path.trim() == path && !path.contains(char::is_control)
}

#[derive(Clone)]
struct State {
    place: Arc<Place>,
    line: Line,
}

impl State {
    /// The state after one more byte, if it may come.
    fn step(&self, byte: u8, files: &Files) -> Option<State> {
        Some(match self.line.step(byte, &self.place)? {
            Step::Within(line) => State {
                place: Arc::clone(&self.place),
                line,
            },
            Step::Ended(said) => State {
                place: Arc::new(self.place.after(said, files)?),
                line: Line::default(),
            },
        })
    }
}

/// The patch of one call in progress.
pub(super) struct PatchGuide {
    files: Files,
    state: State,
}

impl PatchGuide {
    pub(super) fn new(source: Option<&Arc<dyn PatchTargets>>) -> PatchGuide {
        PatchGuide {
            files: Files::new(source),
            state: State {
                place: Arc::new(Place::Begin),
                line: Line::default(),
            },
        }
    }

    fn after(&self, bytes: &[u8]) -> Option<State> {
        bytes.iter().try_fold(self.state.clone(), |state, &byte| {
            state.step(byte, &self.files)
        })
    }

    pub(super) fn allows(&self, bytes: &[u8]) -> bool {
        self.after(bytes).is_some()
    }

    /// Takes `bytes`; `false` (and nothing taken) if they may not come.
    pub(super) fn accept(&mut self, bytes: &[u8]) -> bool {
        match self.after(bytes) {
            Some(state) => {
                self.state = state;
                true
            }
            None => false,
        }
    }

    /// Whether the patch may end here.
    pub(super) fn is_complete(&self) -> bool {
        self.state.line.is_end_of_patch(&self.state.place)
    }

    /// Allows every token whose bytes may come.
    pub(super) fn add_allowed(&self, trie: &TokTrie, ids: &mut SimpleVob) {
        let mut walk = Walk {
            files: &self.files,
            states: vec![self.state.clone()],
        };
        trie.add_bias(&mut walk, ids, &[]);
    }
}

/// A walk over the vocabulary from one state.
struct Walk<'a> {
    files: &'a Files,
    /// The state after each byte on the way down; never empty.
    states: Vec<State>,
}

impl Recognizer for Walk<'_> {
    fn pop_bytes(&mut self, num: usize) {
        self.states
            .truncate(self.states.len().saturating_sub(num).max(1));
    }

    fn collapse(&mut self) {
        let top = self.states.len().saturating_sub(1);
        self.states.drain(..top);
    }

    fn trie_finished(&mut self) {
        self.states.truncate(1);
    }

    fn try_push_byte(&mut self, byte: u8) -> bool {
        let next = self
            .states
            .last()
            .and_then(|state| state.step(byte, self.files));
        match next {
            Some(state) => {
                self.states.push(state);
                true
            }
            None => false,
        }
    }
}
