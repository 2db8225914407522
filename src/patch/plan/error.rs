//! Why a patch does not fit the files, in words for the model that wrote it and the user who reads along.

use crate::patch::locate::LocateError;
use crate::text::is_unsafe;
use crate::workspace::{PathError, WorkspaceError, WorkspacePath};
use std::fmt;

#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("line {line} of the patch: {error}")]
    Path { line: usize, error: PathError },
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    #[error(
        "{path}: no such file\n  list the files to find its path, or use `*** Add File:` to create it"
    )]
    Missing { path: WorkspacePath },
    #[error("{path}: exists already\n  use `*** Update File:` to change it")]
    AddExists { path: WorkspacePath },
    #[error("{path}: cannot move to {target}, which exists already")]
    MoveExists {
        path: WorkspacePath,
        target: WorkspacePath,
    },
    #[error("{path}: named twice in the patch\n  put all its hunks under one `*** Update File:`")]
    Twice { path: WorkspacePath },
    #[error("{path}: differs only in case from {other}\n  use the same spelling")]
    CaseTwin { path: WorkspacePath, other: String },
    #[error("{path}: the patch uses {other} both as a file and as a folder")]
    FileAndFolder {
        path: WorkspacePath,
        other: WorkspacePath,
    },
    #[error("{path}: not a text file ({why}); only text files are edited")]
    Binary {
        path: WorkspacePath,
        why: &'static str,
    },
    #[error(
        "{path}: the file is not what the patch deletes, from line {line} on\n  read the file again, or use `*** Delete File:` to delete it as it is"
    )]
    DeletedDiffers { path: WorkspacePath, line: usize },
    #[error(
        "{path}: line {line} would have `{}` (U+{:04X}), which its encoding {encoding} cannot hold\n  write it with other characters, or ask the user to save the file as UTF-8 first",
        character.escape_debug(),
        u32::from(*character)
    )]
    Unencodable {
        path: WorkspacePath,
        /// Of the file as it would be.
        line: usize,
        character: char,
        encoding: &'static str,
    },
    #[error(
        "{path}: a Git LFS pointer; the file's own text is not here\n  ask the user to run `git lfs pull`, then read the file again"
    )]
    LfsPointer { path: WorkspacePath },
    #[error("{path}: the patch leaves the file as it is\n  its `+` lines are already there")]
    NoChange { path: WorkspacePath },
    /// `hunk_lines`: where each hunk stands in the patch text.
    #[error("{}", describe(path, *count, hunk_lines, error))]
    Locate {
        path: WorkspacePath,
        count: usize,
        hunk_lines: Vec<usize>,
        error: Box<LocateError>,
    },
}

fn describe(
    path: &WorkspacePath,
    count: usize,
    hunk_lines: &[usize],
    error: &LocateError,
) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_description(&mut out, path, count, hunk_lines, error);
    out
}

fn write_description(
    out: &mut String,
    path: &WorkspacePath,
    count: usize,
    hunk_lines: &[usize],
    error: &LocateError,
) -> fmt::Result {
    use std::fmt::Write as _;
    let name = |hunk: usize| {
        let line = hunk_lines.get(hunk).copied().unwrap_or_default();
        if count > 1 {
            format!("hunk {} (line {line} of the patch)", hunk + 1)
        } else {
            "the hunk".to_owned()
        }
    };
    match error {
        LocateError::Missing {
            hunk,
            nearest,
            header,
            already_there,
        } => {
            write!(
                out,
                "{path}: {} does not match the file: its unchanged and `-` lines are not there",
                name(*hunk)
            )?;
            if let Some(header) = header {
                write!(out, ", nor is its header `{}`", short(header))?;
            }
            if let Some(line) = already_there {
                write!(
                    out,
                    "\n  the result of the hunk is already in the file, at line {line}"
                )?;
            }
            if let Some(nearest) = nearest {
                let percent = (nearest.ratio * 100.0).round();
                let lines = if nearest.first == nearest.last {
                    format!("line {}", nearest.first)
                } else {
                    format!("lines {}-{}", nearest.first, nearest.last)
                };
                write!(out, "\n  most alike: {lines} ({percent} %)")?;
                if !nearest.diff.is_empty() {
                    write!(out, "; `-` is the patch's, `+` the file's")?;
                }
                for line in &nearest.diff {
                    write!(out, "\n    {}", cut(line))?;
                }
            }
            write!(out, "\n  read the file again and copy its lines exactly")
        }
        LocateError::Ambiguous {
            hunk,
            lines,
            header,
        } => {
            const SHOWN: usize = 8;
            let mut numbers: Vec<String> = lines.iter().take(SHOWN).map(usize::to_string).collect();
            if lines.len() > SHOWN {
                numbers.push(format!("{} more", lines.len() - SHOWN));
            }
            let (hunk, count, numbers) = (name(*hunk), lines.len(), numbers.join(", "));
            write!(
                out,
                "{path}: {hunk} matches {count} places, at lines {numbers}"
            )?;
            if let Some(header) = header {
                write!(out, "\n  its header `{}` is not in the file", short(header))?;
            }
            write!(
                out,
                "\n  add unchanged lines around the change, or a header such as `@@ def name():`"
            )
        }
        LocateError::HeaderMissing { hunk, header } => write!(
            out,
            "{path}: {} has only `+` lines and its header `{}` is not in the file\n  give unchanged lines beside the new ones",
            name(*hunk),
            short(header)
        ),
        LocateError::NotEmpty { hunk } => write!(
            out,
            "{path}: {} is written for an empty file (`-0,0`), and the file has lines\n  read the file again and give unchanged lines beside the new ones",
            name(*hunk)
        ),
        LocateError::Overlap { hunk, other, line } => write!(
            out,
            "{path}: {} changes lines that {} changes already (line {line} of the file)\n  put both changes into one hunk",
            name(*hunk),
            name(*other)
        ),
    }
}

/// A line of code in a message: without indentation, and cut.
fn short(line: &str) -> String {
    cut(line.trim())
}

fn cut(line: &str) -> String {
    const WIDTH: usize = 80;
    let shown = |c: char| c == '\t' || !(c.is_control() || is_unsafe(c));
    let mut out: String = line
        .chars()
        .take(WIDTH)
        .map(|c| if shown(c) { c } else { ' ' })
        .collect();
    if line.chars().nth(WIDTH).is_some() {
        out.push('…');
    }
    out
}
