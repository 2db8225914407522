//! The folder Descant works in, and the only door to its files.
//!
//! [`WorkspacePath`] is a relative path that was checked and cannot leave the root; [`Workspace`] holds a
//! directory handle (cap-std) and resolves every path beneath it, so that a check and the use cannot be
//! raced. Nothing else in the crate opens a file of the user's tree. git is never run, and of a repository's
//! configuration nothing is believed: the root is where `.git` lies, whatever `core.worktree` says.

mod error;
mod files;
mod git;
mod path;
mod survey;
#[cfg(test)]
mod tests;
mod write;

pub use error::WorkspaceError;
pub use files::{FileContent, FileMetadata, MAX_READ};
pub use git::LeftOut;
pub use path::{PathError, WorkspacePath};
pub use survey::{Seen, SeenKind, Survey};
pub use write::{SYNC_BATCH, Staged, WriteMode, sync_staged};

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Where the container shows the repository; models name files by it.
pub const CONTAINER_ROOT: &str = "/workspace";

/// The folder itself: the git work tree's root, or the current folder outside git.
#[derive(Debug)]
pub struct Workspace {
    root: PathBuf,
    /// The root as the user named it, which may go through a link.
    given_root: PathBuf,
    dir: cap_std::fs::Dir,
    is_git: bool,
    /// Folders beneath the root that belong to git: a separate git directory, submodules of the index.
    /// Read once, at the first path that is checked.
    reserved: OnceLock<git::Reserved>,
}

impl Workspace {
    /// The work tree that `start` lies in, or `start` itself outside git.
    pub fn discover(start: &Path) -> io::Result<Self> {
        let start = absolute(start)?;
        let found = start.canonicalize()?;
        // A walk of our own instead of libgit2's: its work tree follows `core.worktree`, which a hostile
        // repository sets to any folder of the machine.
        let root = found
            .ancestors()
            .find(|folder| is_git_root(folder))
            .unwrap_or(&found);
        let mut workspace = Self::open(root)?;
        if let Ok(below) = found.strip_prefix(root) {
            let depth = below.components().count();
            if let Some(given) = start.ancestors().nth(depth)
                && given
                    .canonicalize()
                    .is_ok_and(|canonical| canonical == workspace.root)
            {
                workspace.given_root = given.to_owned();
            }
        }
        Ok(workspace)
    }

    /// Exactly this folder, in git or not.
    pub fn open(root: &Path) -> io::Result<Self> {
        let given_root = absolute(root)?;
        let root = given_root.canonicalize()?;
        let dir = cap_std::fs::Dir::open_ambient_dir(&root, cap_std::ambient_authority())?;
        let is_git = is_git_root(&root);
        Ok(Self {
            root,
            given_root,
            dir,
            is_git,
            reserved: OnceLock::new(),
        })
    }

    /// Absolute, links resolved.
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn is_git(&self) -> bool {
        self.is_git
    }

    /// The branch that is checked out, also before its first commit; the short id when no branch is.
    pub fn branch(&self) -> Option<String> {
        let repository = self.repository()?;
        if repository.head_detached().unwrap_or(false) {
            let id = repository.head().ok()?.target()?.to_string();
            return id.get(..7).map(str::to_owned);
        }
        let head = repository.find_reference("HEAD").ok()?;
        let target = head.symbolic_target().ok()??;
        target.strip_prefix("refs/heads/").map(str::to_owned)
    }

    /// Whether something is not committed, new files included; `None` outside git and where git cannot tell. It
    /// reads and writes nothing, runs nothing, and leaves submodules alone.
    pub fn is_dirty(&self) -> Option<bool> {
        let repository = self.repository()?;
        let mut options = git2::StatusOptions::new();
        options
            .include_untracked(true)
            .recurse_untracked_dirs(false)
            .exclude_submodules(true)
            .include_ignored(false)
            .update_index(false);
        let statuses = repository.statuses(Some(&mut options)).ok()?;
        Some(!statuses.is_empty())
    }

    /// The path a model or a user wrote, as a path of the workspace: relative, `./`, under the container's
    /// `/workspace`, or absolute beneath the root.
    pub fn relative(&self, written: &str) -> Result<WorkspacePath, PathError> {
        let text = written.trim();
        let bare = |mark| {
            text.strip_prefix(mark)
                .and_then(|rest| rest.strip_suffix(mark))
        };
        let text = bare('`')
            .or_else(|| bare('"'))
            .or_else(|| bare('\''))
            .unwrap_or(text);
        let roots = [
            self.given_root.to_str(),
            self.root.to_str(),
            Some(CONTAINER_ROOT),
        ];
        for root in roots.into_iter().flatten().filter(|root| *root != "/") {
            if let Some(below) = text.strip_prefix(root)
                && let Some(below) = below.strip_prefix('/')
            {
                return WorkspacePath::parse(below.trim_start_matches('/'));
            }
        }
        WorkspacePath::parse(text)
    }
}

fn is_git_root(folder: &Path) -> bool {
    folder.join(".git").symlink_metadata().is_ok()
}

fn absolute(path: &Path) -> io::Result<PathBuf> {
    std::path::absolute(path)
}
