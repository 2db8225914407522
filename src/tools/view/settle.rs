//! One changed file against the work tree, and the end of a review: the view becomes the work tree again.

use super::changes::Changes;
use super::{State, View, ViewAccess, on_disk};
use crate::patch::{self, FilePlan, FileState};
use crate::sandbox::SandboxError;
use crate::workspace::{Seen, Survey, WorkspaceError, WorkspacePath};
use std::sync::Arc;

impl View {
    /// Makes the view equal to the work tree again: what was accepted is the same on both sides already, the rest
    /// is set back.
    pub async fn settle(
        &self,
        access: &dyn ViewAccess,
        changes: &Changes,
    ) -> Result<(), SandboxError> {
        let mut state = self.state.lock().await;
        let Some(mut survey) = state.survey.take() else {
            return Ok(());
        };
        let settled = self
            .set_back(&mut state, &mut survey, access, changes)
            .await;
        state.survey = Some(survey);
        settled
    }

    async fn set_back(
        &self,
        state: &mut State,
        survey: &mut Survey,
        access: &dyn ViewAccess,
        changes: &Changes,
    ) -> Result<(), SandboxError> {
        for (path, proposed) in &changes.proposed {
            survey.refresh(&self.tree.workspace, path);
            let seen = survey.seen().get(path).cloned();
            let (tree, name) = (Arc::clone(&self.tree), path.clone());
            let now = on_disk(move || Ok(tree.workspace.read_seen(&name).ok())).await?;
            let same = match (&proposed.file, &seen, &now) {
                (Some((file, _)), Some(seen), Some(now)) => {
                    let executable = |mode: u32| mode & 0o111 != 0;
                    file.bytes == *now && executable(file.mode) == executable(seen.mode)
                }
                (None, None, _) => true,
                _ => false,
            };
            match (&proposed.file, same) {
                (Some((_, stamp)), true) => {
                    state.same.insert(path.clone(), *stamp);
                }
                (None, true) => {
                    state.same.remove(path);
                }
                (_, false) => self.push(state, access, path, seen.as_ref()).await?,
            }
        }
        for path in &changes.back {
            survey.refresh(&self.tree.workspace, path);
            let seen = survey.seen().get(path).cloned();
            self.push(state, access, path, seen.as_ref()).await?;
        }
        Ok(())
    }
}

/// The file's part of a plan: `Ok(None)` when nothing differs, the reason when it may not be written.
pub(super) fn compared(
    workspace: &crate::workspace::Workspace,
    path: &str,
    known: Option<Seen>,
    after: Option<FileState>,
) -> Result<Option<FilePlan>, String> {
    let first_line = |error: String| {
        let line = error.lines().next().unwrap_or_default().to_owned();
        line.rsplit_once(": ")
            .map_or(line.clone(), |(_, why)| why.to_owned())
    };
    let checked = WorkspacePath::parse(path).map_err(|error| first_line(error.to_string()))?;
    let before = match workspace.read(&checked) {
        Ok(content) => Some(FileState {
            bytes: content.bytes,
            mode: content.mode,
        }),
        Err(WorkspaceError::NotFound { .. }) => None,
        Err(error) => return Err(first_line(error.to_string())),
    };
    let now = workspace.look_at(path);
    let moved = match (&known, &now) {
        (Some(known), Some(now)) => !known.is_same(now),
        (None, None) => false,
        (Some(_), None) | (None, Some(_)) => true,
    };
    if moved {
        return Err("changed in the work tree while the command ran".to_owned());
    }
    if before.is_none() && after.is_some() {
        match workspace.case_twin(&checked) {
            Ok(None) => {}
            Ok(Some(twin)) => return Err(format!("differs from {twin} only in case")),
            Err(error) => return Err(first_line(error.to_string())),
        }
    }
    Ok(patch::between(checked, before, after))
}
