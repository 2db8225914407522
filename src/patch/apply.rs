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
    #[error(
        "{path}: `{character}` cannot be written in {encoding}, the file's encoding; nothing was written"
    )]
    Encoding {
        path: WorkspacePath,
        character: char,
        encoding: &'static str,
    },
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
    for (index, (file, image)) in plan.files.iter().zip(selected).enumerate() {
        let whole = decisions.accepts_file(index, file);
        if let Some(change) = transition(file, image, whole, &mut transitions)? {
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

/// What the file becomes, as before and after states of the paths it touches. `whole`: also what is more than
/// its lines, that it is created, removed, moved or has another mode.
fn transition(
    file: &FilePlan,
    image: Vec<u8>,
    whole: bool,
    out: &mut Vec<Transition>,
) -> Result<Option<Change>, ApplyError> {
    let changed = file.pre.as_deref() != Some(image.as_slice());
    let path = || file.path.clone();
    let (kind, target) = match (file.kind, &file.target) {
        (ChangeKind::Move, Some(target)) if whole => (ChangeKind::Move, Some(target.clone())),
        (ChangeKind::Add | ChangeKind::Delete, _) if whole => (file.kind, None),
        (ChangeKind::Add | ChangeKind::Delete, _) => return Ok(None),
        (ChangeKind::Update | ChangeKind::Move, _)
            if changed || (whole && file.new_mode.is_some()) =>
        {
            (ChangeKind::Update, None)
        }
        (ChangeKind::Update | ChangeKind::Move, _) => return Ok(None),
    };
    let before = match &file.pre {
        Some(pre) => Some(State {
            bytes: encoded(file, pre.clone())?,
            mode: Mode::Exact(file.mode),
        }),
        None => None,
    };
    let after = match kind {
        ChangeKind::Delete => None,
        ChangeKind::Add => Some(State {
            mode: Mode::New {
                executable: file.mode & 0o111 != 0,
            },
            bytes: encoded(file, image)?,
        }),
        ChangeKind::Update | ChangeKind::Move => Some(State {
            bytes: encoded(file, image)?,
            mode: Mode::Exact(match file.new_mode {
                Some(mode) if whole => mode,
                Some(_) | None => file.mode,
            }),
        }),
    };
    match &target {
        Some(target) => {
            out.push(Transition {
                path: target.clone(),
                before: None,
                after,
            });
            out.push(Transition {
                path: path(),
                before,
                after: None,
            });
        }
        None => out.push(Transition {
            path: path(),
            before,
            after,
        }),
    }
    Ok(Some(Change {
        kind,
        path: path(),
        target,
    }))
}

fn encoded(file: &FilePlan, image: Vec<u8>) -> Result<Vec<u8>, ApplyError> {
    file.encoding
        .encode(image)
        .map_err(|missing| ApplyError::Encoding {
            path: file.path.clone(),
            character: missing.character,
            encoding: file.encoding.name(),
        })
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
