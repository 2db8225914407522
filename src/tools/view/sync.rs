//! From the work tree into the view: before a command, what changed since; after a review, what was not taken.

use super::{State, View, ViewAccess, on_disk};
use crate::sandbox::{EntryKind, SandboxError};
use crate::workspace::{Seen, SeenKind, Survey};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

impl View {
    /// Brings the view up to date. Errors of single files are passed over: the container's user may not be
    /// allowed to write them, and then shows what it has.
    pub async fn sync(&self, access: &dyn ViewAccess) -> Result<(), SandboxError> {
        let mut state = self.state.lock().await;
        self.begin(&mut state, access).await?;
        let now = self.look().await?;
        let Some(before) = &state.survey else {
            return Ok(());
        };
        let gone = gone(before, &now, self.overlay);
        let changed: Vec<(String, Seen)> = now
            .seen()
            .iter()
            .filter(|(path, seen)| {
                let known = before.seen().get(*path);
                seen.kind != SeenKind::Folder && !known.is_some_and(|known| known.is_same(seen))
            })
            .map(|(path, seen)| (path.clone(), seen.clone()))
            .collect();
        for path in gone {
            passed(access.remove(path.as_bytes()).await)?;
            let below = format!("{path}/");
            state
                .same
                .retain(|known, _| *known != path && !known.starts_with(&below));
            state
                .kept
                .retain(|kept| *kept != path && !kept.starts_with(&below));
        }
        for (path, seen) in changed {
            self.push(&mut state, access, &path, Some(&seen)).await?;
        }
        state.survey = Some(now);
        Ok(())
    }

    /// The survey that the view was made from; of a copy also what was copied.
    async fn begin(&self, state: &mut State, access: &dyn ViewAccess) -> Result<(), SandboxError> {
        if state.survey.is_some() {
            return Ok(());
        }
        let tree = Arc::clone(&self.tree);
        let survey = on_disk(move || tree.take()).await?;
        if !self.overlay {
            let mut level = vec![Vec::new()];
            while !level.is_empty() {
                let mut next = Vec::new();
                for listed in access.list(&level).await? {
                    let folder = String::from_utf8(listed.folder).unwrap_or_default();
                    for entry in listed.entries {
                        let Ok(name) = String::from_utf8(entry.name) else {
                            continue;
                        };
                        let path = super::join(&folder, &name);
                        if !survey.seen().contains_key(&path) {
                            continue;
                        }
                        match entry.kind {
                            EntryKind::Folder => next.push(path.into_bytes()),
                            EntryKind::File | EntryKind::Link => {
                                state.same.insert(path, entry.stamp);
                            }
                            EntryKind::Whiteout | EntryKind::Other => {}
                        }
                    }
                }
                level = next;
            }
        }
        // Nobody else has it any more; a copy where a reader of the tree still holds it.
        let survey = match Arc::try_unwrap(survey) {
            Ok(survey) => survey,
            Err(_shared) => self.look().await?,
        };
        state.survey = Some(survey);
        Ok(())
    }

    /// Makes a path of the view what it is in the work tree. `seen`: `None` where nothing is there.
    pub(super) async fn push(
        &self,
        state: &mut State,
        access: &dyn ViewAccess,
        path: &str,
        seen: Option<&Seen>,
    ) -> Result<(), SandboxError> {
        state.same.remove(path);
        state.kept.remove(path);
        let done = match seen.map(|seen| &seen.kind) {
            None | Some(SeenKind::Folder) => {
                // A folder is made with what is in it; a file in its place must go.
                return match seen {
                    None => passed(access.remove(path.as_bytes()).await).map(|_| ()),
                    Some(_) => Ok(()),
                };
            }
            Some(SeenKind::Link { target }) => passed(access.link(path, target).await)?,
            Some(SeenKind::File) => {
                let (tree, name) = (Arc::clone(&self.tree), path.to_owned());
                let read = on_disk(move || tree.workspace.read_seen(&name)).await;
                match read {
                    Ok(bytes) => {
                        let mode = seen.map_or(0o644, |seen| seen.mode);
                        passed(access.write(path, mode, &bytes).await)?
                    }
                    // Gone again, or not readable: the container must not show what was there before.
                    Err(_) => {
                        passed(access.remove(path.as_bytes()).await)?;
                        None
                    }
                }
            }
        };
        if let Some(entry) = done.flatten() {
            state.same.insert(path.to_owned(), entry.stamp);
        }
        Ok(())
    }
}

/// What is not to be seen any more: removed, or hidden since; a folder for all that was in it. An overlay also shows
/// what is new and hidden, until it is covered.
fn gone(before: &Survey, now: &Survey, overlay: bool) -> BTreeSet<String> {
    let mut gone: BTreeSet<String> = BTreeSet::new();
    for path in before.seen().keys() {
        let above = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        if !now.seen().contains_key(path) && !above.clone().any(|above| gone.contains(above)) {
            gone.insert(path.clone());
        }
    }
    if overlay {
        let is_git = |path: &Path| path.file_name().is_some_and(|name| name == ".git");
        let fresh = now.hidden().difference(before.hidden());
        gone.extend(
            fresh
                .filter(|path| !is_git(path))
                .filter_map(|path| path.to_str().map(str::to_owned)),
        );
    }
    gone
}

/// A refusal of the view's own is no failure of the connection.
pub(super) fn passed<T>(answer: Result<T, SandboxError>) -> Result<Option<T>, SandboxError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(SandboxError::Refused(why)) => {
            tracing::info!(why, "the view of the work tree refused a change");
            Ok(None)
        }
        Err(other) => Err(other),
    }
}
