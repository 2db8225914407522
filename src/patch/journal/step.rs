//! Undo and redo: which states the files go to, and what happens where they are not as we left them.

use super::merge::{ChangedFile, Labels, OnChanged, Prospect, resolve};
use super::record::{Entry, FileRecord, Image, RecordedOperation};
use super::run::{Operation, Transition};
use super::{Journal, JournalError};
use crate::patch::{Change, ChangeKind};
use crate::workspace::{Workspace, WorkspacePath};
use std::collections::HashMap;
use std::fmt::Write as _;

/// What an undo or redo did to the files, as changes of its own: undoing an added file is a delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    pub checkpoint: u64,
    pub title: String,
    pub changes: Vec<Change>,
    /// Files that had changed since, and kept those changes. Never with [`Prospect::Impossible`].
    pub merged: Vec<ChangedFile>,
}

#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    #[error("nothing to {0}")]
    Nothing(&'static str),
    /// Nothing was written. [`UndoError::remedy`] is the choice that would do it.
    #[error("{}", explained(*.checkpoint, *.direction, .files))]
    Changed {
        checkpoint: u64,
        direction: Direction,
        files: Vec<ChangedFile>,
    },
    #[error("{path}: changed just now; no file was touched\n  {0} again when nothing else writes it", .direction.word())]
    Meanwhile {
        path: WorkspacePath,
        direction: Direction,
    },
    #[error(transparent)]
    Journal(JournalError),
}

impl UndoError {
    /// With which choice the same step would be done; `None` when with none.
    pub fn remedy(&self) -> Option<OnChanged> {
        match self {
            Self::Changed { files, .. } => remedy(files),
            Self::Nothing(_) | Self::Meanwhile { .. } | Self::Journal(_) => None,
        }
    }
}

fn remedy(files: &[ChangedFile]) -> Option<OnChanged> {
    let each = files.iter().map(|file| match file.prospect {
        Prospect::Clean => Some(OnChanged::Merge),
        Prospect::Conflicts(_) => Some(OnChanged::MergeWithMarkers),
        Prospect::Impossible(_) => None,
    });
    each.reduce(|one, other| match (one, other) {
        (None, _) | (_, None) => None,
        (Some(OnChanged::MergeWithMarkers), _) | (_, Some(OnChanged::MergeWithMarkers)) => {
            Some(OnChanged::MergeWithMarkers)
        }
        (Some(_), Some(other)) => Some(other),
    })
    .flatten()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Undo,
    Redo,
}

impl Direction {
    pub fn word(self) -> &'static str {
        match self {
            Self::Undo => "undo",
            Self::Redo => "redo",
        }
    }
}

fn explained(checkpoint: u64, direction: Direction, files: &[ChangedFile]) -> String {
    let since = match direction {
        Direction::Undo => "was applied",
        Direction::Redo => "was undone",
    };
    let mut text = String::new();
    for ChangedFile { path, prospect } in files {
        let _ = write!(
            text,
            "{path}: changed since checkpoint {checkpoint} {since}; "
        );
        let _ = match prospect {
            Prospect::Clean => writeln!(text, "a merge would keep your changes, without conflicts"),
            Prospect::Conflicts(1) => {
                writeln!(text, "a merge would leave 1 conflict to solve by hand")
            }
            Prospect::Conflicts(count) => {
                writeln!(
                    text,
                    "a merge would leave {count} conflicts to solve by hand"
                )
            }
            Prospect::Impossible(obstacle) => writeln!(text, "no merge is possible: {obstacle}"),
        };
    }
    let next = match remedy(files) {
        Some(OnChanged::MergeWithMarkers) => {
            "merge, with the conflicts between markers in the files, or put the files back as they were left"
        }
        Some(OnChanged::Merge | OnChanged::Refuse) => {
            "merge, or put the files back as they were left"
        }
        None => {
            "save your changes elsewhere and put the files that cannot be merged back as they were left"
        }
    };
    let _ = write!(text, "  no file was touched\n  {next}");
    text
}

impl Journal {
    /// Takes the latest applied checkpoint back.
    pub fn undo(
        &mut self,
        workspace: &Workspace,
        on_changed: OnChanged,
    ) -> Result<Undone, UndoError> {
        self.step(workspace, Direction::Undo, on_changed)
    }

    /// Applies the checkpoint again that was undone last.
    pub fn redo(
        &mut self,
        workspace: &Workspace,
        on_changed: OnChanged,
    ) -> Result<Undone, UndoError> {
        self.step(workspace, Direction::Redo, on_changed)
    }

    fn step(
        &mut self,
        workspace: &Workspace,
        direction: Direction,
        on_changed: OnChanged,
    ) -> Result<Undone, UndoError> {
        let lock = self.lock().map_err(UndoError::Journal)?;
        let mut history = self.settled(workspace).map_err(UndoError::Journal)?;
        let entry = match direction {
            Direction::Undo => history.checkpoints.iter().rev().find(|entry| !entry.undone),
            Direction::Redo => history.checkpoints.iter().find(|entry| entry.undone),
        };
        let entry = entry.ok_or(UndoError::Nothing(direction.word()))?;
        let changes: Vec<Change> = match direction {
            Direction::Undo => entry.changes.iter().map(inverted).collect(),
            Direction::Redo => entry.changes.clone(),
        };
        let files = recorded(entry, direction);
        let expected = self.transitions(&files).map_err(UndoError::Journal)?;
        let labels = labels(entry.number, direction);
        let resolved = resolve(workspace, expected.clone(), &moves(&changes), &labels)
            .map_err(UndoError::Journal)?;
        let merged = !resolved.changed.is_empty();
        let agreed = match (remedy(&resolved.changed), on_changed) {
            _ if !merged => true,
            (Some(OnChanged::Merge), OnChanged::Merge | OnChanged::MergeWithMarkers)
            | (Some(OnChanged::MergeWithMarkers), OnChanged::MergeWithMarkers) => true,
            (Some(_) | None, _) => false,
        };
        if !agreed {
            return Err(UndoError::Changed {
                checkpoint: entry.number,
                direction,
                files: resolved.changed,
            });
        }
        let operation = Operation {
            kind: match direction {
                Direction::Undo => RecordedOperation::Undo,
                Direction::Redo => RecordedOperation::Redo,
            },
            number: Some(entry.number),
            title: String::new(),
            changes: Vec::new(),
            transitions: match merged {
                true => resolved.transitions,
                false => expected,
            },
            known: (!merged).then_some(files),
            emptied: match direction {
                Direction::Undo => entry.folders.clone(),
                Direction::Redo => Vec::new(),
            },
        };
        let undone = Undone {
            checkpoint: entry.number,
            title: entry.title.clone(),
            changes,
            merged: resolved.changed,
        };
        let result = self.run(workspace, &mut history, operation);
        drop(lock);
        match result {
            Ok(_) => Ok(undone),
            Err(JournalError::Changed { path }) => Err(UndoError::Meanwhile { path, direction }),
            Err(other) => Err(UndoError::Journal(other)),
        }
    }

    fn transitions(&self, files: &[FileRecord]) -> Result<Vec<Transition>, JournalError> {
        let transition = |file: &FileRecord| {
            Ok(Transition {
                path: file.path.clone(),
                before: self.store.state(file.before.as_ref())?,
                after: self.store.state(file.after.as_ref())?,
            })
        };
        files.iter().map(transition).collect()
    }
}

/// The step as the record has it: `before` is what we left, `after` what is to come.
fn recorded(entry: &Entry, direction: Direction) -> Vec<FileRecord> {
    let backwards = |file: &FileRecord| FileRecord {
        path: file.path.clone(),
        before: file.after.clone(),
        // What comes back has the mode it had, whatever the umask is now.
        after: file.before.clone().map(|image| Image {
            new: false,
            ..image
        }),
    };
    match (direction, &entry.merged_undo) {
        (Direction::Undo, _) => entry.files.iter().map(backwards).collect(),
        (Direction::Redo, Some(files)) => files.iter().map(backwards).collect(),
        (Direction::Redo, None) => entry.files.clone(),
    }
}

fn moves(changes: &[Change]) -> HashMap<WorkspacePath, WorkspacePath> {
    changes
        .iter()
        .filter(|change| change.kind == ChangeKind::Move)
        .filter_map(|change| Some((change.path.clone(), change.target.clone()?)))
        .collect()
}

fn labels(checkpoint: u64, direction: Direction) -> Labels {
    match direction {
        Direction::Undo => Labels {
            ancestor: format!("as checkpoint {checkpoint} left it"),
            ours: "your version on disk".to_owned(),
            theirs: format!("before checkpoint {checkpoint}"),
        },
        Direction::Redo => Labels {
            ancestor: format!("before checkpoint {checkpoint}"),
            ours: "your version on disk".to_owned(),
            theirs: format!("with checkpoint {checkpoint}"),
        },
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
