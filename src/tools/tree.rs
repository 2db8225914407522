//! The one way the tools reach files: reading through [`crate::workspace`], walking with ignore rules.

use super::ToolError;
use crate::patch;
use crate::workspace::{Workspace, WorkspaceError, WorkspacePath};
use ignore::overrides::{Override, OverrideBuilder};
use ignore::{DirEntry, WalkBuilder};
use std::borrow::Cow;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// Bytes at a file's start that are looked at for NUL, as git does.
const BINARY_PROBE: usize = 8_000;

fn said(error: impl std::fmt::Display) -> ToolError {
    ToolError::Workspace(error.to_string())
}

/// The bytes of a file named as the model wrote it.
pub(super) fn read(workspace: &Workspace, path: &str) -> Result<Vec<u8>, ToolError> {
    let path = workspace.relative(path).map_err(said)?;
    Ok(workspace.read(&path).map_err(said)?.bytes)
}

/// The text that a patch to the file would be written against, whatever its encoding. What is no text that can
/// be edited is still shown if it holds no NUL; `None` for the rest.
pub(super) fn text(bytes: &[u8]) -> Option<Cow<'_, str>> {
    match patch::encoding::text_of(bytes) {
        Some((_, text)) => Some(text),
        None if bytes.iter().take(BINARY_PROBE).any(|byte| *byte == 0) => None,
        None => Some(String::from_utf8_lossy(bytes)),
    }
}

/// Whether a walk goes on after a file.
pub(super) enum Walk {
    On,
    Stop,
}

/// What a listing or search is limited to.
pub(super) struct Scope<'a> {
    workspace: &'a Workspace,
    /// `None`: the whole tree.
    below: Option<WorkspacePath>,
    glob: Option<Override>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(
        workspace: &'a Workspace,
        path: Option<&str>,
        glob: Option<&str>,
    ) -> Result<Scope<'a>, ToolError> {
        let below = match path.map(str::trim) {
            None | Some("." | "./" | "/" | "/workspace" | "/workspace/") => None,
            Some(path) => Some(workspace.relative(path).map_err(said)?),
        };
        let glob = glob
            .map(|glob| parse_glob(workspace.root(), glob))
            .transpose()?;
        Ok(Scope {
            workspace,
            below,
            glob,
        })
    }

    /// Whether the scope is this one file.
    pub(super) fn is_file(&self, path: &str) -> bool {
        self.below
            .as_ref()
            .is_some_and(|below| below.as_str() == path)
    }

    /// Calls `visit` with every regular file of the scope, in the order of their names. Ignored files,
    /// `.git` and symbolic links are passed over; a path that names a file visits it even if it is ignored.
    pub(super) fn walk(
        &self,
        cancel: &CancellationToken,
        mut visit: impl FnMut(&str) -> Result<Walk, ToolError>,
    ) -> Result<(), ToolError> {
        if let Some(path) = &self.below {
            match self.workspace.metadata(path) {
                Ok(Some(_)) => return visit(path.as_str()).map(|_| ()),
                Ok(None) => return Err(said(WorkspaceError::NotFound { path: path.clone() })),
                Err(WorkspaceError::NotAFile {
                    what: "a folder", ..
                }) => {}
                Err(error) => return Err(said(error)),
            }
        }
        let root = self.workspace.root();
        for entry in self.builder(root).build() {
            if cancel.is_cancelled() {
                return Err(ToolError::Interrupted);
            }
            // A folder that may not be read is passed over; the rest of the tree still counts.
            let Ok(entry) = entry else { continue };
            if !entry.file_type().is_some_and(|kind| kind.is_file()) {
                continue;
            }
            // A name that is not UTF-8 cannot be said to the model, nor asked for by it.
            let Some(relative) = relative(root, entry.path()) else {
                continue;
            };
            if let Some(glob) = &self.glob
                && !glob.matched(relative, false).is_whitelist()
            {
                continue;
            }
            if let Walk::Stop = visit(relative)? {
                break;
            }
        }
        Ok(())
    }

    /// Always from the root, pruned to the scope: the ignore files above a folder count for it, and a link
    /// on the way to it is never followed.
    fn builder(&self, root: &Path) -> WalkBuilder {
        let mut builder = WalkBuilder::new(root);
        builder
            .hidden(false)
            .follow_links(false)
            .require_git(false)
            // What lies above the root or in the user's own configuration must not decide what the model sees.
            .parents(false)
            .git_global(false)
            .sort_by_file_name(std::ffi::OsStr::cmp);
        let root = root.to_owned();
        let below = self.below.clone();
        builder.filter_entry(move |entry| {
            // git's own folder, and repositories inside this one: what is not readable is not listed either.
            if entry.depth() > 0 && (entry.file_name() == ".git" || is_repository(entry)) {
                return false;
            }
            let (Some(below), Some(path)) = (&below, relative(&root, entry.path())) else {
                return true;
            };
            leads_to(path, below.as_str()) || leads_to(below.as_str(), path)
        });
        builder
    }
}

/// Whether a walk of the whole tree comes past this file: no ignore file leaves it out.
pub(super) fn lists(workspace: &Workspace, path: &WorkspacePath) -> bool {
    let scope = Scope {
        workspace,
        below: Some(path.clone()),
        glob: None,
    };
    let root = workspace.root();
    scope.builder(root).build().flatten().any(|entry| {
        entry.file_type().is_some_and(|kind| kind.is_file())
            && relative(root, entry.path()) == Some(path.as_str())
    })
}

fn is_repository(entry: &DirEntry) -> bool {
    entry.file_type().is_some_and(|kind| kind.is_dir())
        && entry.path().join(".git").symlink_metadata().is_ok()
}

/// Whether `path` is `to` or a folder on the way to it.
fn leads_to(path: &str, to: &str) -> bool {
    path.is_empty()
        || to
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn relative<'p>(root: &Path, path: &'p Path) -> Option<&'p str> {
    path.strip_prefix(root).ok()?.to_str()
}

/// A glob as in `.gitignore`: without a slash it matches at any depth. It only narrows: unlike ripgrep's
/// `-g` it never brings an ignored file back.
fn parse_glob(root: &Path, glob: &str) -> Result<Override, ToolError> {
    let glob = glob.trim();
    let bad = |error: ignore::Error| ToolError::Glob {
        glob: glob.to_owned(),
        reason: error.to_string(),
    };
    if glob.starts_with('!') {
        return Err(ToolError::Glob {
            glob: glob.to_owned(),
            reason: "a glob says which files to take, not which to leave out".to_owned(),
        });
    }
    let mut builder = OverrideBuilder::new(root);
    builder.add(glob).map_err(bad)?;
    builder.build().map_err(bad)
}
