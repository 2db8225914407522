//! The folder Descant works in, and the only door to its files.
//!
//! [`WorkspacePath`] is a relative path that was checked and cannot leave the root; [`Workspace`] holds a
//! directory handle (cap-std) and resolves every path beneath it, so that a check and the use cannot be
//! raced. Nothing else in the crate opens a file of the user's tree. git is never run, and of a repository's
//! configuration nothing is believed: the root is where `.git` lies, whatever `core.worktree` says.

mod error;
mod files;
mod path;
#[cfg(test)]
mod tests;
mod write;

pub use error::WorkspaceError;
pub use files::{FileContent, FileMetadata, MAX_READ};
pub use path::{PathError, WorkspacePath};
pub use write::{SYNC_BATCH, Staged, WriteMode, sync_staged};

use std::collections::BTreeSet;
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
    reserved: OnceLock<Reserved>,
}

#[derive(Debug, Default)]
struct Reserved {
    git_dirs: Vec<String>,
    submodules: BTreeSet<String>,
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

    /// Opened without searching upward. libgit2 reads the configuration but runs nothing named in it.
    fn repository(&self) -> Option<git2::Repository> {
        if !self.is_git {
            return None;
        }
        let none: [&std::ffi::OsStr; 0] = [];
        git2::Repository::open_ext(&self.root, git2::RepositoryOpenFlags::NO_SEARCH, none).ok()
    }

    fn reserved(&self) -> &Reserved {
        self.reserved.get_or_init(|| {
            let Some(repository) = self.repository() else {
                return Reserved::default();
            };
            let beneath = |folder: &Path| {
                let folder = folder.canonicalize().ok()?;
                let below = folder
                    .strip_prefix(&self.root)
                    .ok()?
                    .to_str()?
                    .replace('\\', "/");
                (!below.is_empty()).then_some(below)
            };
            let git_dirs = [repository.path(), repository.commondir()]
                .into_iter()
                .filter_map(beneath)
                .collect();
            let mut submodules = BTreeSet::new();
            if let Ok(index) = repository.index() {
                for entry in index.iter().filter(|entry| entry.mode == GITLINK) {
                    submodules.insert(String::from_utf8_lossy(&entry.path).into_owned());
                }
            }
            Reserved {
                git_dirs,
                submodules,
            }
        })
    }
}

/// Mode of a submodule's entry in git's index.
const GITLINK: u32 = 0o160000;

fn is_git_root(folder: &Path) -> bool {
    folder.join(".git").symlink_metadata().is_ok()
}

fn absolute(path: &Path) -> io::Result<PathBuf> {
    std::path::absolute(path)
}
