//! A line of a patch in progress: a head that says what it is, and a tail.

use super::choice::Choice;
use super::place::{Hunk, Named, Place, Said};
use std::sync::Arc;

/// The longest path that a patch may add, in bytes.
const LONGEST_PATH: usize = 200;

/// What a line can begin with. Those with a newline are the whole line; none begins another.
const BEGIN_PATCH: &str = "*** Begin Patch\n";
const END_PATCH: &str = "*** End Patch\n";
const ADD: &str = "*** Add File: ";
const DELETE: &str = "*** Delete File: ";
const UPDATE: &str = "*** Update File: ";
const MOVE_TO: &str = "*** Move to: ";
const HUNK: &str = "@@\n";
const HUNK_UNDER: &str = "@@ ";
const END_OF_FILE: &str = "*** End of File\n";
const CONTEXT: &str = " ";
const REMOVED: &str = "-";
const ADDED: &str = "+";

#[derive(Debug, Clone)]
pub(super) enum Line {
    /// So many bytes of a head, and one head that begins so.
    Head {
        typed: usize,
        like: &'static str,
    },
    Old {
        removed: bool,
        text: Choice,
    },
    FreeOld {
        removed: bool,
        text: Free,
    },
    Added(Free),
    /// What follows `@@ `: only for the reader, the hunk is found by its lines.
    Header(Free),
    OldPath {
        update: bool,
        path: Choice,
    },
    /// A path that an added or moved file gets, or any where nothing is known of the files.
    NewPath {
        what: NewPath,
        path: Arc<Vec<u8>>,
        free: Free,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NewPath {
    Add,
    MoveTo,
    Delete,
    Update,
}

pub(super) enum Step {
    Within(Line),
    Ended(Said),
}

impl Default for Line {
    fn default() -> Line {
        Line::Head { typed: 0, like: "" }
    }
}

impl Line {
    pub(super) fn step(&self, byte: u8, place: &Place) -> Option<Step> {
        Some(match self {
            Line::Head { typed, like } => return head(*typed, like, byte, place),
            Line::Old { removed, text } if byte == b'\n' => Step::Ended(Said::Old {
                removed: *removed,
                text: Arc::clone(text.done()?),
            }),
            Line::Old { removed, text } => Step::Within(Line::Old {
                removed: *removed,
                text: text.step(byte)?,
            }),
            Line::FreeOld { removed, text } if byte == b'\n' => text
                .is_whole()
                .then_some(Step::Ended(Said::FreeOld { removed: *removed }))?,
            Line::FreeOld { removed, text } => Step::Within(Line::FreeOld {
                removed: *removed,
                text: text.step(byte)?,
            }),
            Line::Added(text) if byte == b'\n' => {
                text.is_whole().then_some(Step::Ended(Said::Added))?
            }
            Line::Added(text) => Step::Within(Line::Added(text.step(byte)?)),
            Line::Header(text) if byte == b'\n' => {
                (text.is_whole() && text.shows).then_some(Step::Ended(Said::Hunk))?
            }
            Line::Header(text) => Step::Within(Line::Header(text.step(byte)?)),
            Line::OldPath { update, path } if byte == b'\n' => {
                let path = Arc::clone(path.done()?);
                Step::Ended(if *update {
                    Said::Update(path)
                } else {
                    Said::Delete(path)
                })
            }
            Line::OldPath { update, path } => Step::Within(Line::OldPath {
                update: *update,
                path: path.step(byte)?,
            }),
            Line::NewPath { what, path, free } if byte == b'\n' => {
                if !free.is_whole() {
                    return None;
                }
                Step::Ended(named(*what, path, place.named()?)?)
            }
            Line::NewPath { what, path, free } => {
                if !path_goes_on(path, byte) {
                    return None;
                }
                let mut longer = path.to_vec();
                longer.push(byte);
                Step::Within(Line::NewPath {
                    what: *what,
                    path: Arc::new(longer),
                    free: free.step(byte)?,
                })
            }
        })
    }

    /// Whether the patch may end behind this.
    pub(super) fn is_end_of_patch(&self, place: &Place) -> bool {
        match self {
            Line::Head { typed: 0, .. } => matches!(place, Place::End),
            Line::Head { typed, like } => *like == END_PATCH && typed + 1 == END_PATCH.len(),
            _ => false,
        }
    }
}

/// One more byte of a head: all heads that begin with the `typed` bytes of `like` are still meant.
fn head(typed: usize, like: &str, byte: u8, place: &Place) -> Option<Step> {
    let so_far = like.as_bytes().get(..typed)?;
    let mut found = None;
    heads(place, &mut |head: &'static str| {
        let bytes = head.as_bytes();
        if bytes.get(..typed) == Some(so_far) && bytes.get(typed) == Some(&byte) {
            found = Some(head);
        }
    });
    let head = found?;
    if head.len() > typed + 1 {
        return Some(Step::Within(Line::Head {
            typed: typed + 1,
            like: head,
        }));
    }
    let new = |what| {
        Step::Within(Line::NewPath {
            what,
            path: Arc::default(),
            free: Free::default(),
        })
    };
    let old_path = |update| {
        let named = place.named()?;
        Some(if named.free {
            new(if update {
                NewPath::Update
            } else {
                NewPath::Delete
            })
        } else {
            Step::Within(Line::OldPath {
                update,
                path: Choice::new(Arc::clone(&named.left)),
            })
        })
    };
    let old_line = |removed| {
        let Place::Hunk(_, hunk) = place else {
            return None;
        };
        Some(Step::Within(match hunk.old_lines(removed) {
            Some(lines) if lines.is_empty() => return None,
            Some(lines) => Line::Old {
                removed,
                text: Choice::new(lines),
            },
            None => Line::FreeOld {
                removed,
                text: Free::default(),
            },
        }))
    };
    match head {
        BEGIN_PATCH => Some(Step::Ended(Said::BeginPatch)),
        END_PATCH => Some(Step::Ended(Said::EndPatch)),
        END_OF_FILE => Some(Step::Ended(Said::EndOfFile)),
        HUNK => Some(Step::Ended(Said::Hunk)),
        HUNK_UNDER => Some(Step::Within(Line::Header(Free::default()))),
        ADD => Some(new(NewPath::Add)),
        MOVE_TO => Some(new(NewPath::MoveTo)),
        DELETE => old_path(false),
        UPDATE => old_path(true),
        CONTEXT => old_line(false),
        REMOVED => old_line(true),
        _ => Some(Step::Within(Line::Added(Free::default()))),
    }
}

/// The heads that a line may have.
fn heads(place: &Place, each: &mut dyn FnMut(&'static str)) {
    let sections = |named: &Named, each: &mut dyn FnMut(&'static str)| {
        each(ADD);
        if named.can_update() {
            each(DELETE);
            each(UPDATE);
        }
        if named.any {
            each(END_PATCH);
        }
    };
    match place {
        Place::Begin => each(BEGIN_PATCH),
        Place::Files(named) => sections(named, each),
        Place::Adding { named, any } => {
            each(ADDED);
            if *any {
                sections(named, each);
            }
        }
        Place::Updating {
            named,
            target,
            moved,
        } => {
            if !moved {
                each(MOVE_TO);
            } else {
                sections(named, each);
            }
            if target
                .as_ref()
                .is_none_or(|target| target.is_empty() || target.has_room(0))
            {
                each(HUNK);
            }
            // A header would have to be a line of the file.
            if target.as_ref().is_none_or(|target| target.has_room(0)) {
                each(HUNK_UNDER);
            }
        }
        Place::Hunk(named, hunk) => {
            if !hunk.is_closed() {
                lines(hunk, each);
            }
            if hunk.may_end() {
                sections(named, each);
            }
            if hunk.may_be_followed() && !hunk.is_closed() {
                each(HUNK);
                each(HUNK_UNDER);
            }
        }
        Place::End => {}
    }
}

fn lines(hunk: &Hunk, each: &mut dyn FnMut(&'static str)) {
    each(ADDED);
    let is_empty = hunk.target.as_ref().is_some_and(|target| target.is_empty());
    if !is_empty {
        each(CONTEXT);
        each(REMOVED);
    }
    if hunk.may_end() && hunk.is_at_end() {
        each(END_OF_FILE);
    }
}

fn named(what: NewPath, path: &[u8], known: &Named) -> Option<Said> {
    let ends = path.rsplit(|byte| *byte == b'/').next()?;
    if ends.is_empty() || !component_is_whole(ends) {
        return None;
    }
    let path = std::str::from_utf8(path).ok()?;
    let (path, is_free) = (Arc::from(path), known.can_add(path));
    match what {
        NewPath::Add => is_free.then_some(Said::Add(path)),
        NewPath::MoveTo => is_free.then_some(Said::MoveTo(path)),
        NewPath::Delete => Some(Said::Delete(path)),
        NewPath::Update => Some(Said::Update(path)),
    }
}

/// Whether a path may go on with the byte: plain names with single slashes between them, and room left to end well.
/// Letters beyond ASCII are those of scripts in which every code point shows and none changes direction.
fn path_goes_on(path: &[u8], byte: u8) -> bool {
    let component = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let left = LONGEST_PATH.saturating_sub(path.len());
    match byte {
        b'/' => !component.is_empty() && component_is_whole(component) && left > 5,
        b' ' => !component.is_empty() && left > 5,
        b'.' => left > 5,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'+' | b'@' | b'=' | b',' => {
            left > 0
        }
        // U+3040 to U+30FF, the kana, of all that begins with E3.
        0x80..=0xBF if path.last() == Some(&0xE3) => (0x81..=0x83).contains(&byte),
        0x80..=0xBF => true,
        // Latin; Greek and Cyrillic; kana; CJK; Hangul. A character begun is a character that can be ended.
        0xC3..=0xCA | 0xCE..=0xD1 | 0xE3..=0xE9 | 0xEB..=0xEC => left >= 4,
        _ => false,
    }
}

fn component_is_whole(component: &[u8]) -> bool {
    !matches!(component.last(), Some(b' ' | b'.')) && !component.eq_ignore_ascii_case(b".git")
}

/// Free text on one line: whole characters, no control characters but the tab.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Free {
    /// Continuation bytes still to come, and what the next of them may be.
    missing: u8,
    low: u8,
    high: u8,
    /// It holds something other than white space.
    shows: bool,
}

impl Free {
    fn is_whole(self) -> bool {
        self.missing == 0
    }

    /// Table 3-7 of the Unicode standard: well-formed UTF-8.
    fn step(self, byte: u8) -> Option<Free> {
        let (missing, low, high) = if self.missing > 0 {
            if !(self.low..=self.high).contains(&byte) {
                return None;
            }
            (self.missing - 1, 0x80, 0xBF)
        } else {
            match byte {
                b'\t' | b' '..=b'~' => (0, 0, 0),
                0xC2..=0xDF => (1, 0x80, 0xBF),
                0xE0 => (2, 0xA0, 0xBF),
                0xED => (2, 0x80, 0x9F),
                0xE1..=0xEF => (2, 0x80, 0xBF),
                0xF0 => (3, 0x90, 0xBF),
                0xF4 => (3, 0x80, 0x8F),
                0xF1..=0xF3 => (3, 0x80, 0xBF),
                _ => return None,
            }
        };
        Some(Free {
            missing,
            low,
            high,
            shows: self.shows || (b'!'..=b'~').contains(&byte),
        })
    }
}
