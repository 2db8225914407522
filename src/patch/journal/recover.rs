//! Back from half way: after a failure at once, after a crash at the next start.

use super::record::{Begin, History, Record, RecordedOperation};
use super::run::{State, Transition, file_token};
use super::{Journal, JournalError, Recovered};
use crate::workspace::{Workspace, WorkspaceError, WorkspacePath};

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

    fn recover(
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
            completed &= is_in(workspace, &transition.path, transition.after.as_ref())?;
        }
        if completed {
            if begin.operation == RecordedOperation::Undo
                && let Some(entry) = history
                    .checkpoints
                    .iter()
                    .find(|entry| entry.number == checkpoint)
            {
                remove_folders(workspace, &entry.folders)?;
            }
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

    /// Every file that is as after becomes as before. Answers with those that are neither.
    pub(super) fn put_back(
        &self,
        workspace: &Workspace,
        begin: &Begin,
        transitions: &[Transition],
    ) -> Result<Vec<WorkspacePath>, JournalError> {
        let mut untouched = Vec::new();
        for (index, transition) in transitions.iter().enumerate() {
            let token = file_token(begin, index);
            if !settle(put_one_back(workspace, transition, &token))?.unwrap_or(false) {
                untouched.push(transition.path.clone());
            }
        }
        remove_folders(workspace, &begin.folders)?;
        self.log.append(&Record::Abort {
            number: begin.number,
        })?;
        Ok(untouched)
    }
}

/// `false` when the file is neither as before nor as after.
fn put_one_back(
    workspace: &Workspace,
    transition: &Transition,
    token: &str,
) -> Result<bool, WorkspaceError> {
    let Transition {
        path,
        before,
        after,
    } = transition;
    workspace.remove_staged(path, token)?;
    if is_in(workspace, path, before.as_ref())? {
        return Ok(true);
    }
    if !is_in(workspace, path, after.as_ref())? {
        return Ok(false);
    }
    let Some(before) = before else {
        workspace.remove(path)?;
        return Ok(true);
    };
    for folder in workspace.missing_parents(path)? {
        workspace.create_folder(&folder)?;
    }
    let token = format!("{token}-back");
    workspace.remove_staged(path, &token)?;
    let staged = workspace.stage(
        path,
        &before.bytes,
        before.clone().exact().write_mode(),
        &token,
    )?;
    if after.is_some() {
        staged.replace()?
    } else {
        staged.create()?
    }
    Ok(true)
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

/// Whether the path is in the state. What cannot be read as a plain file is in none.
fn is_in(
    workspace: &Workspace,
    path: &WorkspacePath,
    state: Option<&State>,
) -> Result<bool, WorkspaceError> {
    match (workspace.read(path), state) {
        (Ok(found), Some(state)) => Ok(found.bytes == state.bytes),
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
