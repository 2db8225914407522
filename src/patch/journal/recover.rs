//! Back from half way: after a failure at once, after a crash at the next start.

use super::record::{Begin, History, Record, RecordedOperation};
use super::run::{State, Transition, file_token};
use super::{Journal, JournalError, Recovered};
use crate::workspace::{SYNC_BATCH, Staged, Workspace, WorkspaceError, WorkspacePath, sync_staged};
use std::collections::BTreeSet;

impl Journal {
    /// The history, with what an operation cut short had left settled. The caller holds the lock.
    pub(super) fn settled(&mut self, workspace: &Workspace) -> Result<History, JournalError> {
        let history = self.log.read()?;
        match &history.in_flight {
            None => Ok(history),
            Some(begin) => {
                self.recovered = Some(self.recover(workspace, &history, begin)?);
                self.log.read()
            }
        }
    }

    pub(super) fn recover(
        &self,
        workspace: &Workspace,
        history: &History,
        begin: &Begin,
    ) -> Result<Recovered, JournalError> {
        let checkpoint = begin.number;
        let mut transitions = Vec::with_capacity(begin.files.len());
        for (index, file) in begin.files.iter().enumerate() {
            // First of all: a new file whose temporary name is still there has two names, and is no plain file.
            settle(workspace.remove_staged(&file.path, &file_token(begin, index)))?;
            transitions.push(Transition {
                path: file.path.clone(),
                before: self.store.state(file.before.as_ref())?,
                after: self.store.state(file.after.as_ref())?,
            });
        }
        let mut completed = true;
        for transition in &transitions {
            completed &= is_in(workspace, transition, transition.after.as_ref())?;
        }
        if completed {
            let undone = history.checkpoints.iter().find(|entry| {
                begin.operation == RecordedOperation::Undo && entry.number == checkpoint
            });
            let emptied = undone.map_or(&[][..], |entry| &entry.folders);
            remove_folders(workspace, emptied)?;
            // They may have been renamed without a sync, and the record would say that they are there.
            let files = transitions.iter().map(|transition| &transition.path);
            workspace.sync_folders_of(files.chain(&begin.folders).chain(emptied))?;
            self.log.append(&Record::Commit { number: checkpoint })?;
            return Ok(Recovered {
                checkpoint,
                completed,
                untouched: Vec::new(),
            });
        }
        let untouched = self.put_back(workspace, begin, &transitions)?;
        Ok(Recovered {
            checkpoint,
            completed,
            untouched,
        })
    }

    /// Every file that is as after becomes as before. Answers with those that are neither. The order is that
    /// of [`Journal::run`], so a crash in the middle of it is settled in the same way.
    pub(super) fn put_back(
        &self,
        workspace: &Workspace,
        begin: &Begin,
        transitions: &[Transition],
    ) -> Result<Vec<WorkspacePath>, JournalError> {
        let mut untouched = Vec::new();
        let mut back: Vec<(usize, &Transition)> = Vec::new();
        for (index, transition) in transitions.iter().enumerate() {
            let path = &transition.path;
            let token = file_token(begin, index);
            self.step_point()?;
            settle(workspace.remove_staged(path, &token))?;
            settle(workspace.remove_staged(path, &back_token(&token)))?;
            if is_in(workspace, transition, transition.before.as_ref())? {
                continue;
            }
            if is_in(workspace, transition, transition.after.as_ref())? {
                back.push((index, transition));
            } else {
                untouched.push(path.clone());
            }
        }
        let mut folders = BTreeSet::new();
        let mut staged: Vec<(Staged<'_>, bool)> = Vec::new();
        for (
            index,
            Transition {
                path,
                before,
                after,
            },
        ) in &back
        {
            self.step_point()?;
            let Some(before) = before else {
                if settle(workspace.remove(path))?.is_none() {
                    untouched.push(path.clone());
                }
                continue;
            };
            for folder in settle(workspace.missing_parents(path))?.unwrap_or_default() {
                settle(workspace.create_folder(&folder))?;
                folders.insert(folder);
            }
            let token = back_token(&file_token(begin, *index));
            let mode = before.clone().exact().write_mode();
            match settle(workspace.stage(path, &before.bytes, mode, &token))? {
                Some(file) => staged.push((file, after.is_some())),
                None => untouched.push(path.clone()),
            }
            if staged.len().is_multiple_of(SYNC_BATCH) {
                sync_staged(staged.iter_mut().map(|(staged, _)| staged))?;
            }
        }
        sync_staged(staged.iter_mut().map(|(staged, _)| staged))?;
        for (file, exists) in staged {
            let path = file.path().clone();
            self.step_point()?;
            let done = if exists {
                file.replace()
            } else {
                file.create()
            };
            if settle(done)?.is_none() {
                untouched.push(path);
            }
        }
        self.step_point()?;
        remove_folders(workspace, &begin.folders)?;
        self.step_point()?;
        let files = transitions.iter().map(|transition| &transition.path);
        workspace.sync_folders_of(files.chain(&begin.folders).chain(&folders))?;
        self.step_point()?;
        self.log.append(&Record::Abort {
            number: begin.number,
        })?;
        Ok(untouched)
    }
}

fn back_token(token: &str) -> String {
    format!("{token}-back")
}

/// A path that is no longer a plain file of this workspace is the user's doing and left alone; a disk that
/// fails is an error, and the next start tries again.
fn settle<T>(result: Result<T, WorkspaceError>) -> Result<Option<T>, WorkspaceError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error @ WorkspaceError::Io { .. }) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Whether the transition's path is in the state. What cannot be read as a plain file is in none. The mode counts where
/// nothing else tells before and after apart.
fn is_in(
    workspace: &Workspace,
    transition: &Transition,
    state: Option<&State>,
) -> Result<bool, WorkspaceError> {
    let modes_count = match (&transition.before, &transition.after) {
        (Some(before), Some(after)) => before.bytes == after.bytes,
        _ => false,
    };
    match (workspace.read(&transition.path), state) {
        (Ok(found), Some(state)) => {
            Ok(found.bytes == state.bytes && (!modes_count || state.has_mode(found.mode)))
        }
        (Err(WorkspaceError::NotFound { .. }), None) => Ok(true),
        (Ok(_), None) | (Err(WorkspaceError::NotFound { .. }), Some(_)) => Ok(false),
        (Err(error @ WorkspaceError::Io { .. }), _) => Err(error),
        (Err(_), _) => Ok(false),
    }
}

/// Innermost first; those with something in them stay.
pub(super) fn remove_folders(
    workspace: &Workspace,
    folders: &[WorkspacePath],
) -> Result<(), WorkspaceError> {
    for folder in folders.iter().rev() {
        settle(workspace.remove_empty_folder(folder))?;
    }
    Ok(())
}
