//! The journal of applied patches: exact images, undo, redo, and what a crash left.
//!
//! Every workspace has a folder of its own under the state directory: a private bare git repository with
//! the bytes of every file before and after (pinned by a ref for each checkpoint, so that no garbage
//! collection takes them), and `journal.jsonl`, one record a line, each synced before what it announces.
//! The user's own repository is never written. To change how files are written, read `run` first: a record
//! comes before the files, another after them, and [`Journal::open`] settles whatever lies between.

mod record;
mod recover;
mod run;
mod store;
#[cfg(test)]
mod tests;

use run::Operation;
pub(crate) use run::{Mode, State, Transition};

use super::{Change, ChangeKind};
use crate::workspace::{Workspace, WorkspaceError, WorkspacePath};
use record::Log;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use store::Store;

/// How long another Descant may hold the journal before we give up: it does so only while it writes files.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    store: Store,
    log: Log,
    recovered: Option<Recovered>,
    #[cfg(test)]
    faults: run::Faults,
}

/// A checkpoint: one applied patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub number: u64,
    /// Seconds since 1970.
    pub time: u64,
    pub title: String,
    pub changes: Vec<Change>,
    /// Undone checkpoints can be redone until the next patch is applied.
    pub undone: bool,
}

/// What an undo or redo did to the files, as changes of its own: undoing an added file is a delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    pub checkpoint: u64,
    pub title: String,
    pub changes: Vec<Change>,
}

/// What a crash had left half done, as [`Journal::open`] settled it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    pub checkpoint: u64,
    /// All files were written and only the last record was missing.
    pub completed: bool,
    /// Files that are neither as before nor as after, left as they are.
    pub untouched: Vec<WorkspacePath>,
}

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("{path}: changed on disk meanwhile; nothing was written")]
    Changed { path: WorkspacePath },
    #[error("{0}\n  nothing was written")]
    Workspace(#[from] WorkspaceError),
    /// Something failed half way, and so did putting it back.
    #[error(
        "{first}\n  and the files could not be put back: {then}\n  start Descant again in this folder to finish that"
    )]
    HalfDone {
        first: Box<JournalError>,
        then: Box<JournalError>,
    },
    #[error("another Descant is writing files of this folder\n  try again when it is done ({lock})", lock = lock.display())]
    Busy { lock: PathBuf },
    #[error("the journal {path}: {doing} failed: {source}\n  nothing was written", path = path.display())]
    Io {
        path: PathBuf,
        doing: &'static str,
        source: std::io::Error,
    },
    #[error("the journal {path}: {source}\n  nothing was written", path = path.display())]
    Git { path: PathBuf, source: git2::Error },
    #[error("the journal {path} is a link or no folder\n  remove it, or set another state directory", path = path.display())]
    Foreign { path: PathBuf },
    #[error("the journal {path} has lost the image {blob}\n  the checkpoint cannot be restored", path = path.display())]
    Lost { path: PathBuf, blob: String },
}

#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    #[error("nothing to {0}")]
    Nothing(&'static str),
    #[error(
        "{path}: changed since checkpoint {checkpoint}, so it is not overwritten; no file was touched\n  save your changes elsewhere and put the file back as the patch left it, or edit it by hand"
    )]
    Changed {
        path: WorkspacePath,
        checkpoint: u64,
    },
    #[error(transparent)]
    Journal(JournalError),
}

impl Journal {
    /// Opens or creates the workspace's journal, and settles what a crash left.
    pub fn open(state_dir: &Path, workspace: &Workspace) -> Result<Self, JournalError> {
        let folder = store::folder_for(state_dir, workspace.root())?;
        let store = Store::open(&folder)?;
        let log = Log::new(&folder);
        let mut journal = Self {
            folder,
            store,
            log,
            recovered: None,
            #[cfg(test)]
            faults: run::Faults::default(),
        };
        let lock = journal.lock()?;
        journal.settled(workspace)?;
        drop(lock);
        Ok(journal)
    }

    /// What [`Self::open`] found half done, to be told to the user.
    pub fn recovered(&self) -> Option<&Recovered> {
        self.recovered.as_ref()
    }

    /// All checkpoints, oldest first.
    pub fn list(&self) -> Result<Vec<Checkpoint>, JournalError> {
        let history = self.log.read()?;
        Ok(history
            .checkpoints
            .into_iter()
            .map(|entry| Checkpoint {
                number: entry.number,
                time: entry.time,
                title: entry.title,
                changes: entry.changes,
                undone: entry.undone,
            })
            .collect())
    }

    /// Number of the latest checkpoint that is applied, 0 before the first.
    pub fn latest(&self) -> u64 {
        let history = self.log.read().unwrap_or_default();
        history
            .checkpoints
            .iter()
            .rev()
            .find(|entry| !entry.undone)
            .map_or(0, |entry| entry.number)
    }

    /// Takes the latest applied checkpoint back.
    pub fn undo(&mut self, workspace: &Workspace) -> Result<Undone, UndoError> {
        self.step(workspace, Direction::Undo)
    }

    /// Applies the checkpoint again that was undone last.
    pub fn redo(&mut self, workspace: &Workspace) -> Result<Undone, UndoError> {
        self.step(workspace, Direction::Redo)
    }

    fn step(&mut self, workspace: &Workspace, direction: Direction) -> Result<Undone, UndoError> {
        let lock = self.lock().map_err(UndoError::Journal)?;
        let history = self.settled(workspace).map_err(UndoError::Journal)?;
        let entry = match direction {
            Direction::Undo => history.checkpoints.iter().rev().find(|entry| !entry.undone),
            Direction::Redo => history.checkpoints.iter().find(|entry| entry.undone),
        };
        let entry = entry.ok_or(UndoError::Nothing(direction.word()))?;
        let mut transitions = Vec::with_capacity(entry.files.len());
        for file in &entry.files {
            let before = self
                .store
                .state(file.before.as_ref())
                .map_err(UndoError::Journal)?;
            let after = self
                .store
                .state(file.after.as_ref())
                .map_err(UndoError::Journal)?;
            let (before, after) = match direction {
                // What is there now has the mode it has; what comes back has the one it had.
                Direction::Undo => (after, before.map(State::exact)),
                Direction::Redo => (before, after),
            };
            transitions.push(Transition {
                path: file.path.clone(),
                before,
                after,
            });
        }
        let operation = match direction {
            Direction::Undo => Operation::Undo {
                number: entry.number,
                folders: entry.folders.clone(),
            },
            Direction::Redo => Operation::Redo {
                number: entry.number,
            },
        };
        let changes = match direction {
            Direction::Undo => entry.changes.iter().map(inverted).collect(),
            Direction::Redo => entry.changes.clone(),
        };
        let undone = Undone {
            checkpoint: entry.number,
            title: entry.title.clone(),
            changes,
        };
        let result = self.run(workspace, &history, operation, transitions);
        drop(lock);
        match result {
            Ok(_) => Ok(undone),
            Err(JournalError::Changed { path }) => Err(UndoError::Changed {
                path,
                checkpoint: undone.checkpoint,
            }),
            Err(other) => Err(UndoError::Journal(other)),
        }
    }

    /// Writes an accepted patch as a new checkpoint and answers with its number.
    pub(crate) fn apply(
        &mut self,
        workspace: &Workspace,
        title: String,
        changes: Vec<Change>,
        transitions: Vec<Transition>,
    ) -> Result<u64, JournalError> {
        let lock = self.lock()?;
        let history = self.settled(workspace)?;
        let operation = Operation::Apply { title, changes };
        let number = self.run(workspace, &history, operation, transitions);
        drop(lock);
        number
    }

    /// Held while files are read to be changed and written, never while the user thinks.
    fn lock(&self) -> Result<File, JournalError> {
        let path = self.folder.join("lock");
        let io = |doing| {
            let path = path.clone();
            move |source| JournalError::Io {
                path,
                doing,
                source,
            }
        };
        let file = store::private_file(&path).map_err(io("opening"))?;
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(std::fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(std::fs::TryLockError::WouldBlock) => {
                    return Err(JournalError::Busy { lock: path });
                }
                Err(std::fs::TryLockError::Error(source)) => return Err(io("locking")(source)),
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Undo,
    Redo,
}

impl Direction {
    fn word(self) -> &'static str {
        match self {
            Self::Undo => "undo",
            Self::Redo => "redo",
        }
    }
}

fn inverted(change: &Change) -> Change {
    let (kind, path, target) = match (&change.kind, &change.target) {
        (ChangeKind::Add, _) => (ChangeKind::Delete, change.path.clone(), None),
        (ChangeKind::Delete, _) => (ChangeKind::Add, change.path.clone(), None),
        (ChangeKind::Move, Some(target)) => {
            (ChangeKind::Move, target.clone(), Some(change.path.clone()))
        }
        (ChangeKind::Update | ChangeKind::Move, _) => {
            (ChangeKind::Update, change.path.clone(), None)
        }
    };
    Change { kind, path, target }
}
