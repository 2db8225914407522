//! Why a file of the workspace is not read or written.

use super::WorkspacePath;
use std::io;

#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    #[error("{path}: no such file")]
    NotFound { path: WorkspacePath },
    #[error("{path}: {at} is a symbolic link, which is not followed\n  name the file it points to")]
    Link { path: WorkspacePath, at: String },
    #[error(
        "{path}: the file has a second name (a hard link), which would change with it\n  copy it to a file of its own first"
    )]
    HardLink { path: WorkspacePath },
    #[error("{path}: {what}, not a file")]
    NotAFile {
        path: WorkspacePath,
        what: &'static str,
    },
    #[error("{path}: {at} is a file, not a folder")]
    NotAFolder { path: WorkspacePath, at: String },
    #[error("{path}: {at} is a repository of its own\n  start Descant in it to change its files")]
    NestedRepository { path: WorkspacePath, at: String },
    #[error("{path}: {at} is a submodule\n  start Descant in it to change its files")]
    Submodule { path: WorkspacePath, at: String },
    #[error("{path}: {at} is the repository's git directory, which is never touched")]
    GitDir { path: WorkspacePath, at: String },
    #[error(
        "{path}: in the repository, but the sparse checkout leaves it out\n  ask the user to run `git sparse-checkout add {add}`, then read the file"
    )]
    LeftOut { path: WorkspacePath, add: String },
    #[error(
        "{path}: not on disk, and whether the sparse checkout leaves it out cannot be told from its sparse index\n  ask the user to run `git sparse-checkout reapply --no-sparse-index`"
    )]
    SparseIndex { path: WorkspacePath },
    #[error("{path}: runs with its owner's rights (mode {mode:o})\n  change it by hand")]
    SetId { path: WorkspacePath, mode: u32 },
    #[error("{path}: {len} bytes, more than the limit of {limit}")]
    TooLarge {
        path: WorkspacePath,
        len: u64,
        limit: u64,
    },
    #[error("{path}: exists already")]
    Exists { path: WorkspacePath },
    #[error("{path}: {doing} failed: {source}")]
    Io {
        path: WorkspacePath,
        doing: &'static str,
        source: io::Error,
    },
}

impl WorkspaceError {
    pub fn path(&self) -> &WorkspacePath {
        match self {
            Self::NotFound { path }
            | Self::Link { path, .. }
            | Self::HardLink { path }
            | Self::NotAFile { path, .. }
            | Self::NotAFolder { path, .. }
            | Self::NestedRepository { path, .. }
            | Self::Submodule { path, .. }
            | Self::GitDir { path, .. }
            | Self::LeftOut { path, .. }
            | Self::SparseIndex { path }
            | Self::SetId { path, .. }
            | Self::TooLarge { path, .. }
            | Self::Exists { path }
            | Self::Io { path, .. } => path,
        }
    }
}

pub(super) fn io_error<'a>(
    path: &'a WorkspacePath,
    doing: &'static str,
) -> impl FnOnce(io::Error) -> WorkspaceError + 'a {
    move |source| WorkspaceError::Io {
        path: path.clone(),
        doing,
        source,
    }
}
