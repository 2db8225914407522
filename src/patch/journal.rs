//! The journal of applied patches: exact images, undo, redo, and what a crash left.
//!
//! Every workspace has a folder of its own under the state directory: `images/` with the bytes of every file
//! before and after, one pack for each checkpoint, and `journal.jsonl`, one record a line, each synced before
//! what it announces. The user's own repository is never written. To change how files are written, read `run`
//! first: a record comes before the files, another after them, and [`Journal::open`] settles whatever lies
//! between. `step` is undo and redo, `merge` what they make of files that changed since, `limits` what is
//! kept.

mod legacy;
mod limits;
mod merge;
mod record;
mod recover;
mod run;
mod span;
mod step;
mod store;
#[cfg(test)]
mod tests;

pub use limits::Limits;
pub use merge::{ChangedFile, Obstacle, OnChanged, Prospect};
pub(crate) use run::{Mode, State, Transition};
pub use step::{Direction, UndoError, Undone};

use super::Change;
use crate::workspace::{Workspace, WorkspaceError, WorkspacePath};
use record::{Log, RecordedOperation};
use run::Operation;
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
    limits: Limits,
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
    /// What its images take on disk.
    pub bytes: u64,
}

/// What the journal of this workspace takes on disk, and may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    pub folder: PathBuf,
    pub bytes: u64,
    pub limits: Limits,
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
    #[error("the journal {path} is a link or no folder\n  remove it, or set another state directory", path = path.display())]
    Foreign { path: PathBuf },
    #[error("the journal {path} has lost the image {blob}\n  the checkpoint cannot be restored", path = path.display())]
    Lost { path: PathBuf, blob: String },
}

impl Journal {
    /// Opens or creates the workspace's journal with the default limits, and settles what a crash left.
    pub fn open(state_dir: &Path, workspace: &Workspace) -> Result<Self, JournalError> {
        Self::open_with(state_dir, workspace, Limits::default())
    }

    /// As [`Self::open`]; checkpoints beyond the limits are dropped, now and after every patch.
    pub fn open_with(
        state_dir: &Path,
        workspace: &Workspace,
        limits: Limits,
    ) -> Result<Self, JournalError> {
        let folder = store::folder_for(state_dir, workspace.root())?;
        let store = Store::open(&folder)?;
        let log = Log::new(&folder);
        let mut journal = Self {
            folder,
            store,
            log,
            limits,
            recovered: None,
            #[cfg(test)]
            faults: run::Faults::default(),
        };
        let lock = journal.lock()?;
        let history = journal.settled(workspace)?;
        journal.tidy(history);
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
                bytes: self.store.size(&entry),
                number: entry.number,
                time: entry.time,
                title: entry.title.clone(),
                changes: entry.changes.clone(),
                undone: entry.undone,
            })
            .collect())
    }

    /// What the images and the log take.
    pub fn usage(&self) -> Result<Usage, JournalError> {
        let history = self.log.read()?;
        let images: u64 = history
            .checkpoints
            .iter()
            .map(|entry| self.store.size(entry))
            .sum();
        Ok(Usage {
            folder: self.folder.clone(),
            bytes: images + self.log.size(),
            limits: self.limits,
        })
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

    /// Writes an accepted patch as a new checkpoint and answers with its number.
    pub(crate) fn apply(
        &mut self,
        workspace: &Workspace,
        title: String,
        changes: Vec<Change>,
        transitions: Vec<Transition>,
    ) -> Result<u64, JournalError> {
        let lock = self.lock()?;
        let mut history = self.settled(workspace)?;
        let operation = Operation {
            kind: RecordedOperation::Apply,
            number: None,
            title,
            changes,
            transitions,
            known: None,
            emptied: Vec::new(),
        };
        let number = self.run(workspace, &mut history, operation)?;
        self.tidy(history);
        drop(lock);
        Ok(number)
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
