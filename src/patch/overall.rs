//! What some checkpoints changed altogether: the files as they were before the first of them, against the
//! files as they are now.
//!
//! Nothing is written, and nothing is guessed: a file that somebody else changed since is compared as it is
//! now, and said to be so.

use super::journal::{Journal, JournalError, State};
use super::{ChangeKind, Encoding, FilePlan, HunkId, LocateStage, diff, encoding};
use crate::workspace::{Workspace, WorkspaceError, WorkspacePath};
use std::collections::BTreeSet;

/// The changes of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overall {
    pub files: Vec<OverallFile>,
    /// Checkpoints that were taken back, and are not in it.
    pub undone: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverallFile {
    /// From before the first checkpoint to now. Its hunks are none where the bytes are no text.
    pub plan: FilePlan,
    pub since: Since,
    /// Why there are no lines, where there could be some.
    pub note: Option<String>,
}

/// What happened to a file besides the checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// It is as the last of them left it.
    AsWritten,
    /// Somebody else changed it, after them or in between.
    Edited,
    /// It is as it was before all of them.
    Back,
}

/// A path before the first and after the last of some checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub path: WorkspacePath,
    pub before: Option<State>,
    pub after: Option<State>,
    /// Between two of them it was changed by somebody else.
    pub between: bool,
}

/// What the checkpoints of these numbers changed, file by file in the order of their names.
pub fn overall(
    journal: &Journal,
    workspace: &Workspace,
    numbers: &BTreeSet<u64>,
) -> Result<Overall, JournalError> {
    let (spans, undone) = journal.spans(numbers)?;
    let mut files = Vec::with_capacity(spans.len());
    let mut next_hunk = 0;
    for span in spans {
        let mut file = compared(workspace, span);
        for hunk in &mut file.plan.hunks {
            hunk.id = HunkId(next_hunk);
            next_hunk += 1;
        }
        files.push(file);
    }
    Ok(Overall { files, undone })
}

fn compared(workspace: &Workspace, span: Span) -> OverallFile {
    let now = match workspace.read(&span.path) {
        Ok(found) => Ok(Some(found)),
        Err(WorkspaceError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.to_string()),
    };
    let (now, unread) = match now {
        Ok(now) => (now, None),
        Err(problem) => (None, Some(problem)),
    };
    let bytes_now = now.as_ref().map(|found| found.bytes.as_slice());
    let bytes_of = |state: &Option<State>| state.as_ref().map(|state| state.bytes.clone());
    let (before, after) = (bytes_of(&span.before), bytes_of(&span.after));
    let since = if unread.is_some() {
        Since::Edited
    } else if bytes_now == before.as_deref() {
        Since::Back
    } else if span.between || bytes_now != after.as_deref() {
        Since::Edited
    } else {
        Since::AsWritten
    };
    let kind = match (&before, &bytes_now) {
        (None, Some(_)) => ChangeKind::Add,
        (Some(_), None) => ChangeKind::Delete,
        (Some(_), Some(_)) | (None, None) => ChangeKind::Update,
    };
    let mode = span.before.as_ref().map_or(0o644, State::mode);
    let new_mode = now
        .as_ref()
        .map(|found| found.mode)
        .filter(|new| before.is_some() && new & 0o111 != mode & 0o111);
    let mut plan = FilePlan {
        kind,
        path: span.path,
        target: None,
        pre: None,
        post: None,
        encoding: Encoding::Utf8,
        mode,
        new_mode,
        stage: LocateStage::Exact,
        hunks: Vec::new(),
    };
    let mut note = unread;
    if note.is_none() {
        let now = now.map(|found| found.bytes);
        match (text(before), text(now)) {
            (Ok(old), Ok(new)) => {
                plan.encoding = new
                    .as_ref()
                    .or(old.as_ref())
                    .map_or(Encoding::Utf8, |t| t.0);
                let bytes = |text: &Option<(Encoding, Vec<u8>)>| {
                    text.as_ref()
                        .map_or_else(Vec::new, |(_, bytes)| bytes.clone())
                };
                plan.hunks = diff::hunks(&bytes(&old), &bytes(&new));
                plan.pre = old.map(|(_, bytes)| bytes);
                plan.post = new.map(|(_, bytes)| bytes);
            }
            (Err(()), _) | (_, Err(())) => note = Some("not text; its lines are not shown".into()),
        }
    }
    OverallFile { plan, since, note }
}

type Text = Option<(Encoding, Vec<u8>)>;

/// As text in UTF-8; `Err` where it is none.
fn text(bytes: Option<Vec<u8>>) -> Result<Text, ()> {
    match bytes {
        None => Ok(None),
        Some(bytes) => encoding::decode(bytes).map(Some).map_err(|_no_text| ()),
    }
}

#[cfg(test)]
mod tests;
