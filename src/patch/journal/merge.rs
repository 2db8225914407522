//! What undo and redo make of files that changed since: a three-way merge, by libgit2.
//!
//! The ancestor is what the step before left, ours is the file on disk, theirs is what the step would bring
//! back. Nothing is written here. A file that is to go, or to come where another is now, has no third
//! side to merge with, and is named instead.

use super::JournalError;
use super::run::{Mode, State, Transition};
use crate::workspace::{Workspace, WorkspaceError, WorkspacePath};
use std::collections::{HashMap, HashSet};

/// What may happen to files that changed since the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnChanged {
    /// Nothing is written, and the error says what a merge would do.
    #[default]
    Refuse,
    /// They are merged where that leaves no conflict in any of them.
    Merge,
    /// They are merged; conflicts are left in them between markers.
    MergeWithMarkers,
}

/// What a merge of one file comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prospect {
    Clean,
    /// So many places between markers.
    Conflicts(usize),
    Impossible(Obstacle),
}

/// Why a file cannot be merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    #[error("it was deleted meanwhile")]
    Deleted,
    #[error("it would be deleted, and your changes with it")]
    Edited,
    #[error("another file is there now")]
    Recreated,
    #[error("it is binary")]
    Binary,
    #[error("it is not UTF-8 text")]
    NotUtf8,
    #[error("{0}")]
    NotPlain(String),
    #[error("the merge failed: {0}")]
    Failed(String),
}

/// A file that is not as the checkpoint left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedFile {
    pub path: WorkspacePath,
    pub prospect: Prospect,
}

impl std::fmt::Display for ChangedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.prospect {
            Prospect::Clean => write!(f, "{}: your changes are kept", self.path),
            Prospect::Conflicts(count) => {
                let s = if *count == 1 { "" } else { "s" };
                write!(
                    f,
                    "{}: {count} conflict{s} to solve, between markers in the file",
                    self.path
                )
            }
            Prospect::Impossible(obstacle) => write!(f, "{}: {obstacle}", self.path),
        }
    }
}

/// How the sides of a conflict are called in the file.
#[derive(Debug, Clone)]
pub(super) struct Labels {
    pub ancestor: String,
    pub ours: String,
    pub theirs: String,
}

/// The step as it can be done: real transitions, and which files were not as recorded.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub transitions: Vec<Transition>,
    pub changed: Vec<ChangedFile>,
}

/// Compares every file with what the record expects of it. `moves` leads from a path that goes to the one
/// where its content comes.
pub(super) fn resolve(
    workspace: &Workspace,
    expected: Vec<Transition>,
    moves: &HashMap<WorkspacePath, WorkspacePath>,
    labels: &Labels,
) -> Result<Resolved, JournalError> {
    let mut resolved = Resolved::default();
    let targets: HashSet<&WorkspacePath> = moves.values().collect();
    let (arrivals, rest): (Vec<_>, Vec<_>) = expected
        .into_iter()
        .partition(|transition| targets.contains(&transition.path));
    let mut coming: HashMap<WorkspacePath, Transition> = arrivals
        .into_iter()
        .map(|arrival| (arrival.path.clone(), arrival))
        .collect();
    for transition in rest {
        let arrival = moves.get(&transition.path).and_then(|to| coming.remove(to));
        match arrival {
            Some(arrival) => resolved.moved(workspace, transition, arrival, labels)?,
            None => resolved.single(workspace, transition, labels)?,
        }
    }
    // A move whose other half is not in the record: then each is a file by itself.
    for (_, transition) in coming {
        resolved.single(workspace, transition, labels)?;
    }
    Ok(resolved)
}

/// What lies at a path now.
enum Found {
    Nothing,
    File(State),
    Other(String),
}

fn look(workspace: &Workspace, path: &WorkspacePath) -> Result<Found, JournalError> {
    match workspace.read(path) {
        Ok(content) => Ok(Found::File(State {
            bytes: content.bytes,
            mode: Mode::Exact(content.mode),
        })),
        Err(WorkspaceError::NotFound { .. }) => Ok(Found::Nothing),
        Err(error @ WorkspaceError::Io { .. }) => Err(error.into()),
        Err(other) => {
            let text = other.to_string();
            let line = text.lines().next().unwrap_or_default();
            let prefix = format!("{path}: ");
            Ok(Found::Other(
                line.strip_prefix(&prefix).unwrap_or(line).to_owned(),
            ))
        }
    }
}

impl Resolved {
    fn single(
        &mut self,
        workspace: &Workspace,
        expected: Transition,
        labels: &Labels,
    ) -> Result<(), JournalError> {
        let Transition {
            path,
            before: from,
            after: to,
        } = expected;
        let found = match look(workspace, &path)? {
            Found::Nothing => None,
            Found::File(state) => Some(state),
            Found::Other(what) => return self.refuse(path, Obstacle::NotPlain(what)),
        };
        if bytes(&found) == bytes(&from) {
            self.transitions.push(Transition {
                path,
                before: from,
                after: to,
            });
            return Ok(());
        }
        let result = match (&found, from, to) {
            // Somebody has done by hand what the step is for.
            (found, _, to) if bytes(found) == bytes(&to) => Ok((found.clone(), 0)),
            (None, _, Some(_)) => Err(Obstacle::Deleted),
            (_, _, None) => Err(Obstacle::Edited),
            (Some(ours), from, Some(theirs)) => {
                let ancestor = from.map(|state| state.bytes).unwrap_or_default();
                merged(&ancestor, &ours.bytes, &theirs.bytes, labels).map(|(bytes, conflicts)| {
                    let mode = ours.mode;
                    (Some(State { bytes, mode }), conflicts)
                })
            }
        };
        match result {
            Err(obstacle) => return self.refuse(path, obstacle),
            Ok((after, conflicts)) => {
                self.note(path.clone(), conflicts);
                self.transitions.push(Transition {
                    path,
                    before: found,
                    after,
                });
            }
        }
        Ok(())
    }

    /// `leaving` is the file that goes, with what the user may have made of it; `arriving` where it goes.
    fn moved(
        &mut self,
        workspace: &Workspace,
        leaving: Transition,
        arriving: Transition,
        labels: &Labels,
    ) -> Result<(), JournalError> {
        let (Some(from), Some(to)) = (&leaving.before, &arriving.after) else {
            self.single(workspace, leaving, labels)?;
            return self.single(workspace, arriving, labels);
        };
        match look(workspace, &arriving.path)? {
            Found::Nothing => {}
            Found::File(_) => return self.refuse(arriving.path, Obstacle::Recreated),
            Found::Other(what) => {
                return self.refuse(arriving.path, Obstacle::NotPlain(what));
            }
        }
        let ours = match look(workspace, &leaving.path)? {
            Found::Nothing => return self.refuse(leaving.path, Obstacle::Deleted),
            Found::Other(what) => {
                return self.refuse(leaving.path, Obstacle::NotPlain(what));
            }
            Found::File(state) => state,
        };
        if ours.bytes == from.bytes {
            self.transitions.push(arriving);
            self.transitions.push(leaving);
            return Ok(());
        }
        match merged(&from.bytes, &ours.bytes, &to.bytes, labels) {
            Err(obstacle) => return self.refuse(leaving.path, obstacle),
            Ok((bytes, conflicts)) => {
                self.note(leaving.path.clone(), conflicts);
                let mode = ours.mode;
                self.transitions.push(Transition {
                    path: arriving.path,
                    before: None,
                    after: Some(State { bytes, mode }),
                });
                self.transitions.push(Transition {
                    path: leaving.path,
                    before: Some(ours),
                    after: None,
                });
            }
        }
        Ok(())
    }

    fn refuse(&mut self, path: WorkspacePath, obstacle: Obstacle) -> Result<(), JournalError> {
        let prospect = Prospect::Impossible(obstacle);
        self.changed.push(ChangedFile { path, prospect });
        Ok(())
    }

    fn note(&mut self, path: WorkspacePath, conflicts: usize) {
        let prospect = match conflicts {
            0 => Prospect::Clean,
            some => Prospect::Conflicts(some),
        };
        self.changed.push(ChangedFile { path, prospect });
    }
}

fn bytes(state: &Option<State>) -> Option<&[u8]> {
    state.as_ref().map(|state| state.bytes.as_slice())
}

/// The merge with its number of conflicts, which lie in it between markers.
fn merged(
    ancestor: &[u8],
    ours: &[u8],
    theirs: &[u8],
    labels: &Labels,
) -> Result<(Vec<u8>, usize), Obstacle> {
    for side in [ancestor, ours, theirs] {
        if side.contains(&0) {
            return Err(Obstacle::Binary);
        }
        if std::str::from_utf8(side).is_err() {
            return Err(Obstacle::NotUtf8);
        }
    }
    // Starts libgit2, which `merge_file` forgets; without a repository nothing else may have done it.
    let _started = git2::Buf::new();
    let (mut base, mut left, mut right) = (
        git2::MergeFileInput::new(),
        git2::MergeFileInput::new(),
        git2::MergeFileInput::new(),
    );
    base.content(ancestor);
    left.content(ours);
    right.content(theirs);
    let mut options = git2::MergeFileOptions::new();
    options
        .ancestor_label(labels.ancestor.as_str())
        .our_label(labels.ours.as_str())
        .their_label(labels.theirs.as_str());
    let result = git2::merge_file(&base, &left, &right, Some(&mut options))
        .map_err(|error| Obstacle::Failed(error.message().to_owned()))?;
    let content = result.content().to_vec();
    let conflicts = match result.is_automergeable() {
        true => 0,
        // The file may hold markers of an earlier merge.
        false => opened(&content, labels)
            .saturating_sub(opened(ours, labels))
            .max(1),
    };
    Ok((content, conflicts))
}

/// How many conflicts are marked in a text.
fn opened(text: &[u8], labels: &Labels) -> usize {
    let marker = format!("<<<<<<< {}", labels.ours);
    text.split(|byte| *byte == b'\n')
        .filter(|line| line.strip_suffix(b"\r").unwrap_or(line) == marker.as_bytes())
        .count()
}
