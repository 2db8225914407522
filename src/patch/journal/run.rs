//! One change of files, all or nothing, also across a crash.
//!
//! The order is the guarantee: images pinned, record `begin` synced, new contents staged beside the files
//! and synced, the files still as expected, renames and removals, record `commit` synced. Before `begin`
//! nothing was done; between the two records the next start puts everything back (or finds everything
//! done); after `commit` it is done.

use super::record::{Begin, FileRecord, History, Image, Record, RecordedOperation};
use super::recover::remove_folders;
use super::{Journal, JournalError};
use crate::patch::Change;
use crate::workspace::{Staged, Workspace, WorkspaceError, WorkspacePath, WriteMode};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) enum Operation {
    Apply {
        title: String,
        changes: Vec<Change>,
    },
    /// `folders`: those the checkpoint created, removed when empty.
    Undo {
        number: u64,
        folders: Vec<WorkspacePath>,
    },
    Redo {
        number: u64,
    },
}

/// A path from one state to another; `None` where there is no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transition {
    pub path: WorkspacePath,
    pub before: Option<State>,
    pub after: Option<State>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub bytes: Vec<u8>,
    pub mode: Mode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Exact(u32),
    New { executable: bool },
}

impl State {
    pub fn exact(self) -> Self {
        match self.mode {
            Mode::Exact(_) => self,
            Mode::New { executable } => Self {
                mode: Mode::Exact(if executable { 0o755 } else { 0o644 }),
                ..self
            },
        }
    }

    pub(super) fn write_mode(&self) -> WriteMode {
        match self.mode {
            Mode::Exact(mode) => WriteMode::Exact(mode),
            Mode::New { executable } => WriteMode::New { executable },
        }
    }
}

/// In tests: fail as a crash would (no clean-up) or as a full disk would (with it) before the n-th step.
#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub crash_before: Option<usize>,
    pub fail_before: Option<usize>,
    pub steps: std::cell::Cell<usize>,
    pub crashed: std::cell::Cell<bool>,
}

impl Journal {
    /// Does it, or leaves the files as they were. Answers with the checkpoint's number. The caller holds the
    /// lock and has read `history` under it.
    pub(super) fn run(
        &self,
        workspace: &Workspace,
        history: &History,
        operation: Operation,
        transitions: Vec<Transition>,
    ) -> Result<u64, JournalError> {
        for transition in &transitions {
            expect(workspace, transition, transition.before.as_ref())?;
        }
        let (number, recorded, title, changes) = match &operation {
            Operation::Apply { title, changes } => (
                history.last_number + 1,
                RecordedOperation::Apply,
                title.clone(),
                changes.clone(),
            ),
            Operation::Undo { number, .. } => {
                (*number, RecordedOperation::Undo, String::new(), Vec::new())
            }
            Operation::Redo { number } => {
                (*number, RecordedOperation::Redo, String::new(), Vec::new())
            }
        };
        let begin = Begin {
            number,
            operation: recorded,
            time: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            title,
            changes,
            files: self.images(number, &operation, &transitions)?,
            folders: missing_folders(workspace, &transitions)?,
            token: format!("{number}-{:016x}", rand::random::<u64>()),
        };
        self.step_point()?;
        self.log.append(&Record::Begin(begin.clone()))?;
        let emptied = match &operation {
            Operation::Undo { folders, .. } => folders.as_slice(),
            Operation::Apply { .. } | Operation::Redo { .. } => &[],
        };
        if let Err(first) = self.write(workspace, &begin, &transitions, emptied) {
            #[cfg(test)]
            if self.faults.crashed.get() {
                return Err(first);
            }
            return match self.put_back(workspace, &begin, &transitions) {
                Ok(_) => Err(first),
                Err(then) => Err(JournalError::HalfDone {
                    first: Box::new(first),
                    then: Box::new(then),
                }),
            };
        }
        if let Operation::Apply { .. } = operation {
            for entry in history.checkpoints.iter().filter(|entry| entry.undone) {
                self.store.unpin(entry.number);
            }
        }
        Ok(number)
    }

    fn write(
        &self,
        workspace: &Workspace,
        begin: &Begin,
        transitions: &[Transition],
        emptied: &[WorkspacePath],
    ) -> Result<(), JournalError> {
        for folder in &begin.folders {
            self.step_point()?;
            workspace.create_folder(folder)?;
        }
        let mut staged: Vec<(Staged, bool)> = Vec::new();
        let prepared = self
            .stage_all(workspace, begin, transitions, &mut staged)
            .and_then(|()| {
                // The last look before the first rename: the user may have saved meanwhile.
                transitions.iter().try_for_each(|transition| {
                    expect(workspace, transition, transition.before.as_ref())
                })
            });
        if let Err(error) = prepared {
            if !self.crashed() {
                staged.into_iter().for_each(|(staged, _)| staged.discard());
            }
            return Err(error);
        }
        for (staged, exists) in staged {
            self.step_point()?;
            if exists {
                staged.replace()?
            } else {
                staged.create()?
            }
        }
        for transition in transitions
            .iter()
            .filter(|transition| transition.after.is_none())
        {
            self.step_point()?;
            workspace.remove(&transition.path)?;
        }
        self.step_point()?;
        remove_folders(workspace, emptied)?;
        self.step_point()?;
        self.log.append(&Record::Commit {
            number: begin.number,
        })
    }

    fn stage_all(
        &self,
        workspace: &Workspace,
        begin: &Begin,
        transitions: &[Transition],
        staged: &mut Vec<(Staged, bool)>,
    ) -> Result<(), JournalError> {
        for (index, transition) in transitions.iter().enumerate() {
            let Some(after) = &transition.after else {
                continue;
            };
            self.step_point()?;
            let token = file_token(begin, index);
            let file =
                workspace.stage(&transition.path, &after.bytes, after.write_mode(), &token)?;
            staged.push((file, transition.before.is_some()));
        }
        Ok(())
    }

    fn images(
        &self,
        number: u64,
        operation: &Operation,
        transitions: &[Transition],
    ) -> Result<Vec<FileRecord>, JournalError> {
        let states = transitions
            .iter()
            .flat_map(|transition| [&transition.before, &transition.after])
            .flatten();
        let bytes: Vec<&[u8]> = states.map(|state| state.bytes.as_slice()).collect();
        // An undo or redo uses the images its checkpoint holds.
        let ids: Vec<git2::Oid> = match operation {
            Operation::Apply { .. } => self.store.pin(number, &bytes)?,
            Operation::Undo { .. } | Operation::Redo { .. } => bytes
                .iter()
                .map(|bytes| git2::Oid::hash_object(git2::ObjectType::Blob, bytes))
                .collect::<Result<_, _>>()
                .map_err(|source| JournalError::Git {
                    path: self.folder.clone(),
                    source,
                })?,
        };
        let mut ids = ids.into_iter();
        let mut image = |state: &Option<State>| {
            let state = state.as_ref()?;
            let (mode, new) = match state.mode {
                Mode::Exact(mode) => (mode, false),
                Mode::New { executable: false } => (0o644, true),
                Mode::New { executable: true } => (0o755, true),
            };
            Some(Image {
                blob: ids.next()?.to_string(),
                mode,
                new,
            })
        };
        Ok(transitions
            .iter()
            .map(|transition| FileRecord {
                path: transition.path.clone(),
                before: image(&transition.before),
                after: image(&transition.after),
            })
            .collect())
    }

    #[cfg(not(test))]
    fn step_point(&self) -> Result<(), JournalError> {
        Ok(())
    }

    #[cfg(not(test))]
    fn crashed(&self) -> bool {
        false
    }

    #[cfg(test)]
    fn crashed(&self) -> bool {
        self.faults.crashed.get()
    }

    #[cfg(test)]
    fn step_point(&self) -> Result<(), JournalError> {
        let step = self.faults.steps.get();
        self.faults.steps.set(step + 1);
        let injected = || JournalError::Io {
            path: self.folder.clone(),
            doing: "a test",
            source: std::io::Error::from(std::io::ErrorKind::StorageFull),
        };
        if self.faults.crash_before == Some(step) {
            self.faults.crashed.set(true);
            return Err(injected());
        }
        if self.faults.fail_before == Some(step) {
            return Err(injected());
        }
        Ok(())
    }
}

pub(super) fn file_token(begin: &Begin, index: usize) -> String {
    format!("{}-{index}", begin.token)
}

fn expect(
    workspace: &Workspace,
    transition: &Transition,
    state: Option<&State>,
) -> Result<(), JournalError> {
    match workspace.read(&transition.path) {
        Ok(found) if state.is_some_and(|state| state.bytes == found.bytes) => Ok(()),
        Err(WorkspaceError::NotFound { .. }) if state.is_none() => Ok(()),
        Ok(_) | Err(WorkspaceError::NotFound { .. }) => Err(JournalError::Changed {
            path: transition.path.clone(),
        }),
        Err(error) => Err(error.into()),
    }
}

fn missing_folders(
    workspace: &Workspace,
    transitions: &[Transition],
) -> Result<Vec<WorkspacePath>, WorkspaceError> {
    let mut folders: Vec<WorkspacePath> = Vec::new();
    for transition in transitions
        .iter()
        .filter(|transition| transition.after.is_some())
    {
        for folder in workspace.missing_parents(&transition.path)? {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
    }
    Ok(folders)
}
