//! From a reviewed plan to files on disk.
//!
//! It decides what the accepted hunks mean for every file; the bytes come from `select`, the writing and
//! its durability are the journal's. Before anything is written every file must still be the pre-image.

use super::journal::{Journal, JournalError, Mode, State, Transition};
use super::select::{self, SelectError};
use super::{Applied, Change, ChangeKind, Decisions, FilePlan, Plan};
use crate::workspace::{Workspace, WorkspacePath};

#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error(
        "{path}: changed on disk since the patch was made; nothing was written\n  read the file again and make a new patch"
    )]
    Changed { path: WorkspacePath },
    #[error(transparent)]
    Select(#[from] SelectError),
    #[error(transparent)]
    Journal(JournalError),
}

impl From<JournalError> for ApplyError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Changed { path } => Self::Changed { path },
            other => Self::Journal(other),
        }
    }
}

/// Writes the accepted hunks, all or nothing, as one checkpoint of the journal. Where nothing was accepted
/// nothing is written and there is no new checkpoint: `changes` is empty, `checkpoint` the latest one (or 0).
pub fn apply(
    workspace: &Workspace,
    plan: &Plan,
    decisions: &Decisions,
    journal: &mut Journal,
) -> Result<Applied, ApplyError> {
    let selected = select::selected(plan, decisions)?;
    let mut changes = Vec::new();
    let mut transitions = Vec::new();
    for (index, (file, bytes)) in plan.files.iter().zip(selected).enumerate() {
        if let Some(change) = transition(
            file,
            bytes,
            decisions.accepts_file(index, file),
            &mut transitions,
        ) {
            changes.push(change);
        }
    }
    if changes.is_empty() {
        return Ok(Applied {
            checkpoint: journal.latest(),
            changes,
        });
    }
    let title = title(&changes);
    let checkpoint = journal.apply(workspace, title, changes.clone(), transitions)?;
    Ok(Applied {
        checkpoint,
        changes,
    })
}

/// What the file becomes, as before and after states of the paths it touches.
fn transition(
    file: &FilePlan,
    bytes: Vec<u8>,
    whole: bool,
    out: &mut Vec<Transition>,
) -> Option<Change> {
    let before = file.pre.as_ref().map(|pre| State {
        bytes: pre.clone(),
        mode: Mode::Exact(file.mode),
    });
    let changed = file.pre.as_deref() != Some(bytes.as_slice());
    let exact = |bytes| {
        Some(State {
            bytes,
            mode: Mode::Exact(file.mode),
        })
    };
    let change = |kind, target| {
        Some(Change {
            kind,
            path: file.path.clone(),
            target,
        })
    };
    let path = file.path.clone();
    match (&file.kind, &file.target) {
        (ChangeKind::Add, _) if whole => {
            let mode = Mode::New {
                executable: bytes.starts_with(b"#!"),
            };
            out.push(Transition {
                path,
                before: None,
                after: Some(State { bytes, mode }),
            });
            change(ChangeKind::Add, None)
        }
        (ChangeKind::Delete, _) if whole => {
            out.push(Transition {
                path,
                before,
                after: None,
            });
            change(ChangeKind::Delete, None)
        }
        (ChangeKind::Add | ChangeKind::Delete, _) => None,
        (ChangeKind::Move, Some(target)) if whole => {
            out.push(Transition {
                path: target.clone(),
                before: None,
                after: exact(bytes),
            });
            out.push(Transition {
                path,
                before,
                after: None,
            });
            change(ChangeKind::Move, Some(target.clone()))
        }
        (ChangeKind::Update | ChangeKind::Move, _) if changed => {
            out.push(Transition {
                path,
                before,
                after: exact(bytes),
            });
            change(ChangeKind::Update, None)
        }
        (ChangeKind::Update | ChangeKind::Move, _) => None,
    }
}

fn title(changes: &[Change]) -> String {
    let one = |change: &Change| match (&change.kind, &change.target) {
        (ChangeKind::Add, _) => format!("Add {}", change.path),
        (ChangeKind::Delete, _) => format!("Delete {}", change.path),
        (ChangeKind::Move, Some(target)) => format!("Move {} to {target}", change.path),
        (ChangeKind::Update | ChangeKind::Move, _) => format!("Update {}", change.path),
    };
    match changes {
        [first, rest @ ..] if rest.len() > 1 => {
            format!("{} and {} more files", one(first), rest.len())
        }
        changes => changes.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}
