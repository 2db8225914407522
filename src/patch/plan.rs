//! From a parsed patch to a [`Plan`]: every file read, every hunk placed, nothing written.
//!
//! All or nothing: the first thing that does not fit refuses the whole patch, with words that help a model
//! to write a better one. The user's changes to a plan (splitting and editing hunks) are in `edit`.

mod edit;
mod error;
mod names;
#[cfg(test)]
mod tests;

pub use edit::EditError;
pub use error::PlanError;

use super::diff;
use super::encoding::{self, Encoding};
use super::locate;
use super::parallel;
use super::text::{Ending, MAX_EDITED, NotText, Text};
use super::v4a::{Content, FileOperation, FilePatch, FinalNewline, Patch, PatchHunk};
use super::{ChangeKind, FilePlan, Hunk, HunkId, LocateStage, Plan};
use crate::workspace::{FileContent, LeftOut, Workspace, WorkspaceError, WorkspacePath};
use names::Names;

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
    let left_out = LeftOut::of(workspace);
    let source = Source {
        workspace,
        left_out: &left_out,
    };
    let files: Vec<_> = patch.files.iter().zip(targets).collect();
    let planned = parallel::map(&files, |(file, (path, target))| {
        let path = path.clone();
        match &file.operation {
            FileOperation::Add { content, mode } => added(source, path, content, *mode),
            FileOperation::Delete { content } => deleted(source, path, content.as_ref()),
            FileOperation::Update { hunks, mode, .. } => {
                updated(source, path, target.clone(), hunks, *mode)
            }
        }
    });
    let mut plan = Plan {
        files: planned.into_iter().collect::<Result<_, _>>()?,
    };
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
    source: Source<'_>,
    path: WorkspacePath,
    content: &Content,
    asked: Option<u32>,
) -> Result<FilePlan, PlanError> {
    if source.workspace.exists(&path)? {
        return Err(PlanError::AddExists { path });
    }
    source.refuse_new(&path)?;
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
    let mode = match asked {
        Some(mode) => mode,
        None if post.starts_with(b"#!") => 0o755,
        None => 0o644,
    };
    Ok(FilePlan {
        kind: ChangeKind::Add,
        path,
        target: None,
        hunks: diff::hunks(&[], &post),
        pre: None,
        post: Some(post),
        encoding: Encoding::Utf8,
        mode,
        new_mode: None,
        stage: LocateStage::Exact,
    })
}

fn deleted(
    source: Source<'_>,
    path: WorkspacePath,
    expected: Option<&Content>,
) -> Result<FilePlan, PlanError> {
    let FileContent { bytes, mode } = source.read(&path)?;
    let refused = |why| binary(path.clone(), why);
    let (encoding, pre) = encoding::decode(bytes).map_err(refused)?;
    if let Some(expected) = expected {
        still_holds(&path, &Text::parse(&pre).map_err(refused)?, expected)?;
    }
    Ok(FilePlan {
        kind: ChangeKind::Delete,
        path,
        target: None,
        hunks: diff::hunks(&pre, &[]),
        pre: Some(pre),
        post: None,
        encoding,
        mode,
        new_mode: None,
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

/// `asked`: the mode that the patch asks for, 0o644 or 0o755.
fn updated(
    source: Source<'_>,
    path: WorkspacePath,
    target: Option<WorkspacePath>,
    hunks: &[PatchHunk],
    asked: Option<u32>,
) -> Result<FilePlan, PlanError> {
    let FileContent { bytes, mode } = source.read(&path)?;
    if let Some(target) = &target {
        if source.workspace.exists(target)? {
            return Err(PlanError::MoveExists {
                path,
                target: target.clone(),
            });
        }
        source.refuse_new(target)?;
    }
    let edited = edited(&path, bytes, hunks)?;
    let new_mode = asked
        .map(|asked| with_executable(mode, asked))
        .filter(|new_mode| *new_mode != mode);
    if target.is_none() && new_mode.is_none() && edited.post == edited.pre {
        return Err(PlanError::NoChange { path });
    }
    let kind = if target.is_some() {
        ChangeKind::Move
    } else {
        ChangeKind::Update
    };
    Ok(FilePlan {
        kind,
        path,
        target,
        pre: Some(edited.pre),
        post: Some(edited.post),
        encoding: edited.encoding,
        mode,
        new_mode,
        stage: edited.stage,
        hunks: edited.hunks,
    })
}

/// The file's mode with the executable bits of `asked`: executable for whoever may read it, or for nobody.
pub(crate) fn with_executable(mode: u32, asked: u32) -> u32 {
    if asked & 0o111 == 0 {
        mode & !0o111
    } else {
        mode | ((mode & 0o444) >> 2)
    }
}

struct Edited {
    encoding: Encoding,
    pre: Vec<u8>,
    post: Vec<u8>,
    hunks: Vec<Hunk>,
    stage: LocateStage,
}

fn edited(path: &WorkspacePath, bytes: Vec<u8>, hunks: &[PatchHunk]) -> Result<Edited, PlanError> {
    if hunks.is_empty() {
        // A file moved as it is need not be text.
        return Ok(Edited {
            encoding: Encoding::Utf8,
            post: bytes.clone(),
            pre: bytes,
            hunks: Vec::new(),
            stage: LocateStage::Exact,
        });
    }
    if is_lfs_pointer(&bytes) {
        return Err(PlanError::LfsPointer { path: path.clone() });
    }
    let refused = |why| binary(path.clone(), why);
    let (encoding, pre) = encoding::decode(bytes).map_err(refused)?;
    let text = Text::parse(&pre).map_err(refused)?;
    let lines: Vec<&str> = text.lines.iter().map(|line| line.text).collect();
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
    let mut changes: Vec<_> = located
        .into_iter()
        .flat_map(|place| place.changes)
        .collect();
    changes.sort_by_key(|(range, _)| (range.start, range.end));
    // A hunk that says so was placed at the end of the file.
    let final_newline = hunks.iter().find_map(|hunk| match hunk.final_newline {
        FinalNewline::Keep => None,
        FinalNewline::Add => Some(true),
        FinalNewline::Remove => Some(false),
    });
    let brings_nul = |(_, added): &(_, Vec<String>)| added.iter().any(|line| line.contains('\0'));
    if changes.iter().any(brings_nul) {
        return Err(PlanError::Binary {
            path: path.clone(),
            why: "it would contain a NUL byte",
        });
    }
    let (post, differing) = text.replace(&changes, final_newline);
    if encoding != Encoding::Utf8
        && let Err(missing) = encoding.encode(post.clone())
    {
        return Err(PlanError::Unencodable {
            path: path.clone(),
            line: missing.line,
            character: missing.character,
            encoding: encoding.name(),
        });
    }
    // A BOM belongs to the first line of an image, whichever line that is.
    let hunks = if text.bom || final_newline.is_some() {
        diff::hunks(&pre, &post)
    } else {
        diff::hunks_within(&pre, &post, &differing)
    };
    Ok(Edited {
        encoding,
        pre,
        post,
        hunks,
        stage,
    })
}

/// What Git LFS leaves in the place of a file that it has not fetched (its specification, version 1).
fn is_lfs_pointer(bytes: &[u8]) -> bool {
    const LONGEST: usize = 1024;
    if bytes.len() > LONGEST {
        return false;
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let mut lines = text.lines();
    let version = lines.next().is_some_and(|line| {
        line == "version https://git-lfs.github.com/spec/v1"
            || line == "version https://hawser.github.com/spec/v1"
    });
    let has = |name: &str| {
        text.lines()
            .any(|line| line.strip_prefix(name).is_some_and(|rest| !rest.is_empty()))
    };
    version && has("oid sha256:") && has("size ")
}

/// Where the files come from.
#[derive(Clone, Copy)]
struct Source<'a> {
    workspace: &'a Workspace,
    left_out: &'a LeftOut<'a>,
}

impl Source<'_> {
    fn read(self, path: &WorkspacePath) -> Result<FileContent, PlanError> {
        match self.workspace.read_up_to(path, MAX_EDITED) {
            Ok(content) => Ok(content),
            Err(WorkspaceError::NotFound { path }) => {
                self.left_out.refuse(&path)?;
                Err(PlanError::Missing { path })
            }
            Err(other) => Err(other.into()),
        }
    }

    /// Of a path where nothing is: whether something may come there.
    fn refuse_new(self, path: &WorkspacePath) -> Result<(), PlanError> {
        self.left_out.refuse(path)?;
        match self.workspace.case_twin(path)? {
            Some(other) => Err(PlanError::CaseTwin {
                path: path.clone(),
                other,
            }),
            None => Ok(()),
        }
    }
}

fn binary(path: WorkspacePath, why: NotText) -> PlanError {
    let why = match why {
        NotText::Nul => "it contains a NUL byte",
        NotText::NotUtf8 => "it is neither UTF-8 nor Latin-1",
        NotText::DamagedUtf8 => "it is UTF-8 with damaged characters",
        NotText::DamagedUtf16 => "it is UTF-16 with damaged characters",
    };
    PlanError::Binary { path, why }
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
