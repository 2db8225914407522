//! Back from half way: after a failure at once, after a crash at the next start.

use super::record::{Begin, History, Record};
use super::run::{State, Transition, file_token};
use super::{Journal, JournalError, Recovered};
use crate::workspace::{Workspace, WorkspaceError, WorkspacePath};

impl Journal {
    /// Every file that is as after becomes as before. Answers with those that are neither.
    pub(super) fn put_back(
        &self,
        workspace: &Workspace,
        begin: &Begin,
        transitions: &[Transition],
    ) -> Result<Vec<WorkspacePath>, JournalError> {
        let mut untouched = Vec::new();
        for (index, transition) in transitions.iter().enumerate() {
            let Transition {
                path,
                before,
                after,
            } = transition;
            workspace.remove_staged(path, &file_token(begin, index))?;
            if is_in(workspace, path, before.as_ref())? {
                continue;
            }
            if !is_in(workspace, path, after.as_ref())? {
                untouched.push(path.clone());
                continue;
            }
            let Some(before) = before else {
                workspace.remove(path)?;
                continue;
            };
            let token = format!("{}-back", file_token(begin, index));
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
        }
        remove_folders(workspace, &begin.folders);
        self.log.append(&Record::Abort {
            number: begin.number,
        })?;
        Ok(untouched)
    }

    /// Settles an operation that has begun and not ended.
    pub(super) fn recover(
        &self,
        workspace: &Workspace,
        history: &History,
    ) -> Result<Option<Recovered>, JournalError> {
        let Some(begin) = &history.in_flight else {
            return Ok(None);
        };
        let mut transitions = Vec::with_capacity(begin.files.len());
        for file in &begin.files {
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
            for (index, transition) in transitions.iter().enumerate() {
                workspace.remove_staged(&transition.path, &file_token(begin, index))?;
            }
            self.log.append(&Record::Commit {
                number: begin.number,
            })?;
            return Ok(Some(Recovered {
                checkpoint: begin.number,
                completed,
                untouched: Vec::new(),
            }));
        }
        let untouched = self.put_back(workspace, begin, &transitions)?;
        Ok(Some(Recovered {
            checkpoint: begin.number,
            completed,
            untouched,
        }))
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
pub(super) fn remove_folders(workspace: &Workspace, folders: &[WorkspacePath]) {
    for folder in folders.iter().rev() {
        if let Err(error) = workspace.remove_empty_folder(folder) {
            tracing::warn!(%folder, %error, "a folder the patch created could not be removed");
        }
    }
}
