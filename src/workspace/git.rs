//! What git's own data says of paths: which folders are not the work tree's, and which files it left out.
//!
//! Read with libgit2, never by running git, and never written. An index that libgit2 cannot read (a sparse
//! index, another hash) must not open a door: then `.gitmodules` names the submodules, and where there is a
//! sparse checkout no file is taken for new.

use super::path::shown;
use super::{Workspace, WorkspaceError, WorkspacePath};
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _};
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Mode of a submodule's entry in git's index.
const GITLINK: u32 = 0o160000;
/// Of `.gitmodules`; no real one comes near.
const MAX_MODULES: u64 = 1024 * 1024;

/// Folders beneath the root that belong to git, in small letters: some file systems ignore case.
#[derive(Debug, Default)]
pub(super) struct Reserved {
    git_dirs: Vec<String>,
    submodules: BTreeSet<String>,
}

/// Paths of the index that a sparse checkout does not have on disk. Read once for a plan, when a path turns out
/// to be absent.
pub struct LeftOut<'a> {
    workspace: &'a Workspace,
    entries: OnceLock<Entries>,
}

#[derive(Default)]
struct Entries {
    paths: BTreeSet<String>,
    /// There is a sparse checkout and its index cannot be read.
    unknown: bool,
}

impl<'a> LeftOut<'a> {
    pub fn of(workspace: &'a Workspace) -> Self {
        Self {
            workspace,
            entries: OnceLock::new(),
        }
    }

    /// An error for a path that is absent only because the checkout is sparse.
    pub fn refuse(&self, path: &WorkspacePath) -> Result<(), WorkspaceError> {
        let entries = self.entries.get_or_init(|| read_entries(self.workspace));
        if entries.unknown {
            return Err(WorkspaceError::SparseIndex { path: path.clone() });
        }
        let below = format!("{path}/");
        let covered = entries.paths.contains(path.as_str())
            || path
                .ancestors()
                .iter()
                .any(|folder| entries.paths.contains(folder.as_str()))
            || entries
                .paths
                .range(below.clone()..)
                .next()
                .is_some_and(|entry| entry.starts_with(&below));
        if covered {
            let (folder, name) = path.split_name();
            return Err(WorkspaceError::LeftOut {
                path: path.clone(),
                add: folder.unwrap_or(name).to_owned(),
            });
        }
        Ok(())
    }
}

fn read_entries(workspace: &Workspace) -> Entries {
    let Some(repository) = workspace.repository() else {
        return Entries::default();
    };
    let Ok(index) = repository.index() else {
        let sparse = repository.path().join("info/sparse-checkout").exists();
        return Entries {
            paths: BTreeSet::new(),
            unknown: sparse,
        };
    };
    let skipped = git2::IndexEntryExtendedFlag::SKIP_WORKTREE.bits();
    let paths = index
        .iter()
        .filter(|entry| entry.flags_extended & skipped != 0)
        .map(|entry| String::from_utf8_lossy(&entry.path).into_owned())
        .collect();
    Entries {
        paths,
        unknown: false,
    }
}

impl Workspace {
    /// Opened without searching upward. libgit2 reads the configuration but runs nothing named in it.
    pub(super) fn repository(&self) -> Option<git2::Repository> {
        if !self.is_git {
            return None;
        }
        let none: [&std::ffi::OsStr; 0] = [];
        git2::Repository::open_ext(&self.root, git2::RepositoryOpenFlags::NO_SEARCH, none).ok()
    }

    /// Whether a folder is one of git's own, whatever its name: a separate git directory in the tree.
    pub(super) fn is_git_dir(&self, path: &str) -> bool {
        let folded = path.to_lowercase();
        self.reserved().git_dirs.contains(&folded)
    }

    fn reserved(&self) -> &Reserved {
        self.reserved.get_or_init(|| {
            if !self.is_git {
                return Reserved::default();
            }
            let repository = self.repository();
            let git_dirs = match &repository {
                Some(repository) => vec![
                    repository.path().to_owned(),
                    repository.commondir().to_owned(),
                ],
                // Another user's, or of a format that libgit2 does not know.
                None => git_dir_by_name(&self.root).into_iter().collect(),
            };
            let index = repository.and_then(|repository| repository.index().ok());
            let submodules = match index {
                Some(index) => index
                    .iter()
                    .filter(|entry| entry.mode == GITLINK)
                    .map(|entry| String::from_utf8_lossy(&entry.path).to_lowercase())
                    .collect(),
                None => self.named_submodules(),
            };
            Reserved {
                git_dirs: git_dirs
                    .iter()
                    .filter_map(|folder| self.beneath(folder))
                    .collect(),
                submodules,
            }
        })
    }

    fn beneath(&self, folder: &Path) -> Option<String> {
        let folder = folder.canonicalize().ok()?;
        let below = folder.strip_prefix(&self.root).ok()?.to_str()?;
        (!below.is_empty()).then(|| below.replace('\\', "/").to_lowercase())
    }

    /// The paths that `.gitmodules` names.
    fn named_submodules(&self) -> BTreeSet<String> {
        let mut options = cap_std::fs::OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        let mut text = Vec::new();
        if let Ok(file) = self.dir.open_with(".gitmodules", &options) {
            // What cannot be read names nothing.
            let _ = file.take(MAX_MODULES).read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text)
            .lines()
            .filter_map(|line| {
                line.trim()
                    .strip_prefix("path")?
                    .trim_start()
                    .strip_prefix('=')
            })
            .map(|path| {
                path.trim()
                    .trim_matches('"')
                    .trim_end_matches('/')
                    .to_lowercase()
            })
            .filter(|path| !path.is_empty())
            .collect()
    }

    pub(super) fn refuse_reserved(&self, path: &WorkspacePath) -> Result<(), WorkspaceError> {
        let reserved = self.reserved();
        if reserved.git_dirs.is_empty() && reserved.submodules.is_empty() {
            return Ok(());
        }
        for folder in path.ancestors().iter().chain([path]) {
            let folded = folder.as_str().to_lowercase();
            let at = || shown(folder.as_str());
            if reserved.git_dirs.contains(&folded) {
                return Err(WorkspaceError::GitDir {
                    path: path.clone(),
                    at: at(),
                });
            }
            if reserved.submodules.contains(&folded) {
                return Err(WorkspaceError::Submodule {
                    path: path.clone(),
                    at: at(),
                });
            }
        }
        Ok(())
    }
}

/// Where `.git` is or points to, by its own words.
fn git_dir_by_name(root: &Path) -> Option<PathBuf> {
    let entry = root.join(".git");
    if entry.is_dir() {
        return Some(entry);
    }
    let text = std::fs::read_to_string(&entry).ok()?;
    let named = text.strip_prefix("gitdir:")?.trim();
    Some(root.join(named))
}
