//! From a parsed patch to a [`Plan`]: every file read, every hunk placed, nothing written.
//!
//! All or nothing: the first thing that does not fit refuses the whole patch, with words that help a model
//! to write a better one. The user's changes to a plan (splitting and editing hunks) are in `edit`.

mod edit;
mod error;
#[cfg(test)]
mod tests;

pub use edit::EditError;
pub use error::PlanError;

use super::diff;
use super::locate;
use super::text::{Ending, MAX_EDITED, NotText, Text};
use super::v4a::{Content, FileOperation, FilePatch, FinalNewline, Patch, PatchHunk};
use super::{ChangeKind, FilePlan, HunkId, LocateStage, Plan};
use crate::workspace::{FileContent, Workspace, WorkspaceError, WorkspacePath};
use std::collections::BTreeMap;

/// Locates the patch against the files as they are now.
pub fn plan(workspace: &Workspace, patch: &Patch) -> Result<Plan, PlanError> {
    let mut names = Names::default();
    let mut targets = Vec::new();
    // All names first: what is wrong with a path is said before any file is read.
    for file in &patch.files {
        let path = checked(workspace, file, &file.path)?;
        names.claim(&path)?;
        let target = match &file.operation {
            FileOperation::Update {
                move_to: Some(target),
                ..
            } => {
                let target = checked(workspace, file, target)?;
                (target != path).then_some(target)
            }
            FileOperation::Update { move_to: None, .. }
            | FileOperation::Add { .. }
            | FileOperation::Delete { .. } => None,
        };
        if let Some(target) = &target {
            names.claim(target)?;
        }
        targets.push((path, target));
    }
    let mut plan = Plan {
        files: Vec::with_capacity(patch.files.len()),
    };
    for (file, (path, target)) in patch.files.iter().zip(targets) {
        plan.files.push(match &file.operation {
            FileOperation::Add { content, .. } => added(workspace, path, content)?,
            FileOperation::Delete { content } => deleted(workspace, path, content.as_ref())?,
            FileOperation::Update { hunks, .. } => updated(workspace, path, target, hunks)?,
        });
    }
    plan.renumber();
    Ok(plan)
}

fn checked(
    workspace: &Workspace,
    file: &FilePatch,
    written: &str,
) -> Result<WorkspacePath, PlanError> {
    workspace
        .relative(written)
        .map_err(|error| PlanError::Path {
            line: file.line,
            error,
        })
}

fn added(
    workspace: &Workspace,
    path: WorkspacePath,
    content: &Content,
) -> Result<FilePlan, PlanError> {
    if workspace.exists(&path)? {
        return Err(PlanError::AddExists { path });
    }
    refuse_case_twin(workspace, &path)?;
    let mut post = content.lines.join("\n");
    if !content.lines.is_empty() && !content.ends_without_newline {
        post.push('\n');
    }
    if post.contains('\0') {
        return Err(PlanError::Binary {
            path,
            why: "it would contain a NUL byte",
        });
    }
    let post = post.into_bytes();
    let mode = if post.starts_with(b"#!") {
        0o755
    } else {
        0o644
    };
    Ok(FilePlan {
        kind: ChangeKind::Add,
        path,
        target: None,
        hunks: diff::hunks(&[], &post),
        pre: None,
        post: Some(post),
        mode,
        stage: LocateStage::Exact,
    })
}

fn deleted(
    workspace: &Workspace,
    path: WorkspacePath,
    expected: Option<&Content>,
) -> Result<FilePlan, PlanError> {
    let content = read(workspace, &path)?;
    match Text::parse(&content.bytes) {
        Err(why) => return Err(binary(path, why)),
        Ok(text) => {
            if let Some(expected) = expected {
                still_holds(&path, &text, expected)?;
            }
        }
    }
    Ok(FilePlan {
        kind: ChangeKind::Delete,
        path,
        target: None,
        hunks: diff::hunks(&content.bytes, &[]),
        pre: Some(content.bytes),
        post: None,
        mode: content.mode,
        stage: LocateStage::Exact,
    })
}

/// Whether the file is what the patch shows of it; line endings apart, which lines do not have.
fn still_holds(path: &WorkspacePath, text: &Text<'_>, expected: &Content) -> Result<(), PlanError> {
    let pairs = text.lines.iter().zip(&expected.lines);
    let same = pairs.take_while(|(file, patch)| file.text == patch.as_str());
    let same = same.count();
    let length = text.lines.len().max(expected.lines.len());
    let newline_kept = text
        .lines
        .last()
        .is_none_or(|last| (last.ending == Ending::None) == expected.ends_without_newline);
    if same == length && newline_kept {
        return Ok(());
    }
    Err(PlanError::DeletedDiffers {
        path: path.clone(),
        line: (same + 1).min(length.max(1)),
    })
}

fn updated(
    workspace: &Workspace,
    path: WorkspacePath,
    target: Option<WorkspacePath>,
    hunks: &[PatchHunk],
) -> Result<FilePlan, PlanError> {
    let FileContent { bytes, mode } = read(workspace, &path)?;
    if let Some(target) = &target {
        if workspace.exists(target)? {
            return Err(PlanError::MoveExists {
                path,
                target: target.clone(),
            });
        }
        refuse_case_twin(workspace, target)?;
    }
    let (post, stage) = match Text::parse(&bytes) {
        // A file moved as it is need not be text.
        _ if hunks.is_empty() => (bytes.clone(), LocateStage::Exact),
        Ok(text) => replaced(&path, &text, hunks)?,
        Err(why) => return Err(binary(path, why)),
    };
    if target.is_none() && post == bytes {
        return Err(PlanError::NoChange { path });
    }
    let kind = if target.is_some() {
        ChangeKind::Move
    } else {
        ChangeKind::Update
    };
    let hunks = diff::hunks(&bytes, &post);
    Ok(FilePlan {
        kind,
        path,
        target,
        hunks,
        pre: Some(bytes),
        post: Some(post),
        mode,
        stage,
    })
}

fn replaced(
    path: &WorkspacePath,
    text: &Text<'_>,
    hunks: &[PatchHunk],
) -> Result<(Vec<u8>, LocateStage), PlanError> {
    let lines: Vec<&str> = text.lines.iter().map(|line| line.text.as_ref()).collect();
    let located = locate::locate(&lines, hunks).map_err(|error| PlanError::Locate {
        path: path.clone(),
        count: hunks.len(),
        hunk_lines: hunks.iter().map(|hunk| hunk.line).collect(),
        error: Box::new(error),
    })?;
    let stage = located
        .iter()
        .map(|place| place.stage)
        .max()
        .unwrap_or(LocateStage::Exact);
    // A hunk that says so was placed at the end of the file.
    let ends_with_newline = hunks.iter().find_map(|hunk| match hunk.final_newline {
        FinalNewline::Keep => None,
        FinalNewline::Add => Some(true),
        FinalNewline::Remove => Some(false),
    });
    let mut changes: Vec<_> = located
        .into_iter()
        .flat_map(|place| place.changes)
        .collect();
    changes.sort_by_key(|(range, _)| (range.start, range.end));
    let post = match ends_with_newline {
        Some(ends_with_newline) => text.replace_and_end(&changes, ends_with_newline),
        None => text.replace(&changes),
    };
    Ok((post, stage))
}

fn read(workspace: &Workspace, path: &WorkspacePath) -> Result<FileContent, PlanError> {
    workspace
        .read_up_to(path, MAX_EDITED)
        .map_err(|error| match error {
            WorkspaceError::NotFound { path } => PlanError::Missing { path },
            other => PlanError::Workspace(other),
        })
}

fn binary(path: WorkspacePath, why: NotText) -> PlanError {
    let why = match why {
        NotText::Nul => "it contains a NUL byte",
        NotText::NotUtf8 => "it is not UTF-8",
    };
    PlanError::Binary { path, why }
}

fn refuse_case_twin(workspace: &Workspace, path: &WorkspacePath) -> Result<(), PlanError> {
    match workspace.case_twin(path)? {
        Some(other) => Err(PlanError::CaseTwin {
            path: path.clone(),
            other,
        }),
        None => Ok(()),
    }
}

/// Every name that the patch uses, by its folded form, with all folders above it.
#[derive(Default)]
struct Names {
    files: BTreeMap<String, WorkspacePath>,
    folders: BTreeMap<String, WorkspacePath>,
}

impl Names {
    fn claim(&mut self, path: &WorkspacePath) -> Result<(), PlanError> {
        let folded = path.as_str().to_lowercase();
        if let Some(other) = self
            .files
            .get(&folded)
            .or_else(|| self.folders.get(&folded))
        {
            return Err(self.clash(path, other));
        }
        for folder in path.ancestors() {
            let folded = folder.as_str().to_lowercase();
            if let Some(other) = self.files.get(&folded) {
                return Err(self.clash(path, other));
            }
            match self.folders.get(&folded) {
                Some(other) if *other != folder => {
                    return Err(PlanError::CaseTwin {
                        path: path.clone(),
                        other: other.to_string(),
                    });
                }
                _ => self.folders.insert(folded, folder),
            };
        }
        self.files.insert(folded, path.clone());
        Ok(())
    }

    fn clash(&self, path: &WorkspacePath, other: &WorkspacePath) -> PlanError {
        if path == other {
            PlanError::Twice { path: path.clone() }
        } else if path.as_str().len() == other.as_str().len() {
            PlanError::CaseTwin {
                path: path.clone(),
                other: other.to_string(),
            }
        } else {
            PlanError::FileAndFolder {
                path: path.clone(),
                other: other.clone(),
            }
        }
    }
}

impl Plan {
    /// Numbers the hunks from 0 through all files.
    pub(crate) fn renumber(&mut self) {
        for (number, hunk) in self
            .files
            .iter_mut()
            .flat_map(|file| &mut file.hunks)
            .enumerate()
        {
            hunk.id = HunkId(number);
        }
    }

    pub fn hunks(&self) -> impl Iterator<Item = &super::Hunk> {
        self.files.iter().flat_map(|file| &file.hunks)
    }
}
