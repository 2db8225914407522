//! Where a patch stands between two lines, and what each line leads to.

use super::Files;
use super::target::Target;
use std::sync::Arc;

/// What a whole line said.
#[derive(Debug, Clone)]
pub(super) enum Said {
    BeginPatch,
    Add(Arc<str>),
    Delete(Arc<str>),
    Update(Arc<str>),
    MoveTo(Arc<str>),
    /// `@@`, with or without a header.
    Hunk,
    Old {
        removed: bool,
        text: Arc<str>,
    },
    /// An old line of a file whose lines are not known.
    FreeOld {
        removed: bool,
    },
    Added,
    EndOfFile,
    EndPatch,
}

#[derive(Debug, Clone)]
pub(super) enum Place {
    Begin,
    /// Before a file's section, or the end of the patch if there was one.
    Files(Named),
    /// In a file that is added, after some of its lines.
    Adding {
        named: Named,
        any: bool,
    },
    /// In a file that is updated, before its first hunk.
    Updating {
        named: Named,
        target: Option<Arc<Target>>,
        moved: bool,
    },
    Hunk(Named, Hunk),
    End,
}

/// The files that sections may still name.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// Those that exist and no section has named. Sorted.
    pub(super) left: Arc<[Arc<str>]>,
    /// All that exist and all that were named, which no section can add. Sorted.
    pub(super) taken: Arc<[Arc<str>]>,
    /// Any path may be updated: nothing is known of the files.
    pub(super) free: bool,
    pub(super) any: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Hunk {
    /// `None`: its lines are not known.
    pub(super) target: Option<Arc<Target>>,
    /// Where the hunk before ended, in lines of the file.
    pub(super) cursor: u32,
    /// Every line of the file that the hunk's old lines so far can begin at.
    starts: Arc<[u32]>,
    /// Old lines so far.
    old: u32,
    pub(super) changes: bool,
    /// `*** End of File` was said.
    closed: bool,
}

impl Named {
    fn new(files: &Files) -> Named {
        let paths = files.paths();
        Named {
            left: paths.clone().unwrap_or_default(),
            free: paths.is_none(),
            taken: paths.unwrap_or_default(),
            any: false,
        }
    }

    fn with(&self, path: &Arc<str>) -> Named {
        let mut left = self.left.to_vec();
        if let Ok(at) = left.binary_search(path) {
            left.remove(at);
        }
        let mut taken = self.taken.to_vec();
        if let Err(at) = taken.binary_search(path) {
            taken.insert(at, Arc::clone(path));
        }
        Named {
            left: left.into(),
            taken: taken.into(),
            free: self.free,
            any: true,
        }
    }

    pub(super) fn can_update(&self) -> bool {
        self.free || !self.left.is_empty()
    }

    /// Whether a section may add a file there: nothing has the name, or is a folder on the way to it.
    pub(super) fn can_add(&self, path: &str) -> bool {
        let folder = |known: &str, of: &str| {
            of.strip_prefix(known)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        !self
            .taken
            .iter()
            .any(|known| **known == *path || folder(known, path) || folder(path, known))
    }
}

impl Hunk {
    fn new(target: Option<Arc<Target>>, cursor: u32) -> Hunk {
        Hunk {
            target,
            cursor,
            starts: Arc::default(),
            old: 0,
            changes: false,
            closed: false,
        }
    }

    /// Whether it changes something and can be in one place only.
    pub(super) fn may_end(&self) -> bool {
        let found = match &self.target {
            None => true,
            Some(target) if target.is_empty() => true,
            Some(target) => matches!(*self.starts, [only] if target.can_begin(only, self.cursor)),
        };
        self.changes && found
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether its old lines reach the end of the file.
    pub(super) fn is_at_end(&self) -> bool {
        match (&self.target, &*self.starts) {
            (Some(target), [only]) => only + self.old == target.len(),
            _ => false,
        }
    }

    /// The texts that an old line may have; `None`: any.
    pub(super) fn old_lines(&self, removed: bool) -> Option<Arc<[Arc<str>]>> {
        let target = self.target.as_ref()?;
        if self.old > 0 {
            return Some(target.next_lines(&self.starts, self.old, self.cursor));
        }
        let lines = target.first_lines(self.cursor);
        // ` @@` before any other line of a hunk is read as a header that was indented.
        let like_header = |line: &Arc<str>| line.trim_start().starts_with("@@");
        Some(
            if removed || self.changes || !lines.iter().any(like_header) {
                lines
            } else {
                lines
                    .iter()
                    .filter(|line| !like_header(line))
                    .cloned()
                    .collect()
            },
        )
    }

    /// Where the next hunk may begin.
    fn end(&self) -> u32 {
        self.starts
            .first()
            .map_or(self.cursor, |start| start + self.old)
    }

    /// Whether another hunk may follow.
    pub(super) fn may_be_followed(&self) -> bool {
        self.may_end()
            && !self.is_at_end()
            && self
                .target
                .as_ref()
                .is_none_or(|target| target.has_room(self.end()))
    }
}

impl Place {
    /// The place after a line. `None`: the line cannot stand there.
    pub(super) fn after(&self, said: Said, files: &Files) -> Option<Place> {
        Some(match (self, said) {
            (Place::Begin, Said::BeginPatch) => Place::Files(Named::new(files)),
            (Place::Updating { named, target, .. }, Said::MoveTo(path)) => Place::Updating {
                named: named.with(&path),
                target: target.clone(),
                moved: true,
            },
            (Place::Updating { named, target, .. }, Said::Hunk) => {
                Place::Hunk(named.clone(), Hunk::new(target.clone(), 0))
            }
            (Place::Adding { named, .. }, Said::Added) => Place::Adding {
                named: named.clone(),
                any: true,
            },
            (Place::Hunk(named, hunk), Said::Hunk) => {
                Place::Hunk(named.clone(), Hunk::new(hunk.target.clone(), hunk.end()))
            }
            (Place::Hunk(named, hunk), said)
                if !matches!(
                    said,
                    Said::Add(_) | Said::Delete(_) | Said::Update(_) | Said::EndPatch
                ) =>
            {
                let mut hunk = hunk.clone();
                match said {
                    Said::Old { removed, text } => {
                        let target = hunk.target.as_ref()?;
                        hunk.starts = if hunk.old == 0 {
                            target.all(&text)
                        } else {
                            target.narrowed(&hunk.starts, hunk.old, &text)
                        };
                        hunk.old += 1;
                        hunk.changes |= removed;
                    }
                    Said::FreeOld { removed } => {
                        hunk.old += 1;
                        hunk.changes |= removed;
                    }
                    Said::Added => hunk.changes = true,
                    Said::EndOfFile => hunk.closed = true,
                    _ => return None,
                }
                Place::Hunk(named.clone(), hunk)
            }
            (_, Said::Add(path)) => Place::Adding {
                named: self.named()?.with(&path),
                any: false,
            },
            (_, Said::Delete(path)) => Place::Files(self.named()?.with(&path)),
            (_, Said::Update(path)) => Place::Updating {
                target: files.open(&path),
                named: self.named()?.with(&path),
                moved: false,
            },
            (_, Said::EndPatch) => Place::End,
            _ => return None,
        })
    }

    pub(super) fn named(&self) -> Option<&Named> {
        match self {
            Place::Files(named)
            | Place::Adding { named, .. }
            | Place::Updating { named, .. }
            | Place::Hunk(named, _) => Some(named),
            Place::Begin | Place::End => None,
        }
    }
}
