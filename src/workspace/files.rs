//! Files of the workspace: reading them and looking at them, all relative to the root's handle.
//!
//! Every parent is opened one part at a time without following links, and the file itself is used through
//! its parent's handle. So what was checked is what is used, also while another process swaps folders for
//! links. A file with a second name (hard link), a device, a pipe and everything behind a repository
//! boundary is refused with the reason.

use super::error::io_error;
use super::path::shown;
use super::{Workspace, WorkspaceError, WorkspacePath};
use cap_fs_ext::{
    DirExt as _, FollowSymlinks, MetadataExt as _, OpenOptionsFollowExt as _,
    OpenOptionsSyncExt as _,
};
use cap_std::fs::{Dir, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::ops::Deref;

/// Largest file that [`Workspace::read`] takes into memory.
pub const MAX_READ: u64 = 64 * 1024 * 1024;

/// A file as it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileContent {
    pub bytes: Vec<u8>,
    /// Unix permission bits, 0o644 elsewhere.
    pub mode: u32,
}

/// Length and permission bits of a regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMetadata {
    pub len: u64,
    pub mode: u32,
}

/// A folder of the workspace, open.
pub(super) enum Folder<'a> {
    /// Held open by the workspace itself.
    Root(&'a Dir),
    Below(Dir),
}

impl Deref for Folder<'_> {
    type Target = Dir;

    fn deref(&self) -> &Dir {
        match self {
            Self::Root(dir) => dir,
            Self::Below(dir) => dir,
        }
    }
}

impl Workspace {
    /// The whole file, up to [`MAX_READ`] bytes.
    pub fn read(&self, path: &WorkspacePath) -> Result<FileContent, WorkspaceError> {
        self.read_up_to(path, MAX_READ)
    }

    /// The whole file, or an error when it is longer than `limit` bytes.
    pub fn read_up_to(
        &self,
        path: &WorkspacePath,
        limit: u64,
    ) -> Result<FileContent, WorkspaceError> {
        let missing = || WorkspaceError::NotFound { path: path.clone() };
        let parent = self.parent(path)?.ok_or_else(missing)?;
        let (_, name) = path.split_name();
        // Looked at before it is opened: opening a device or a pipe can already act.
        self.look(&parent, path, name)?.ok_or_else(missing)?;
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No).nonblock(true);
        let file = parent
            .open_with(name, &options)
            .map_err(io_error(path, "opening"))?;
        let metadata = file.metadata().map_err(io_error(path, "opening"))?;
        let found = regular(path, &metadata)?;
        let too_large = |len| WorkspaceError::TooLarge {
            path: path.clone(),
            len,
            limit,
        };
        if found.len > limit {
            return Err(too_large(found.len));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(found.len).unwrap_or(0));
        file.take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(io_error(path, "reading"))?;
        if bytes.len() as u64 > limit {
            return Err(too_large(bytes.len() as u64));
        }
        Ok(FileContent {
            bytes,
            mode: found.mode,
        })
    }

    /// What lies at the path: `None` when nothing does, an error when it is not a plain file of this
    /// workspace.
    pub fn metadata(&self, path: &WorkspacePath) -> Result<Option<FileMetadata>, WorkspaceError> {
        match self.parent(path)? {
            Some(parent) => self.look(&parent, path, path.split_name().1),
            None => Ok(None),
        }
    }

    /// As [`Self::metadata`]; an error is neither yes nor no.
    pub fn exists(&self, path: &WorkspacePath) -> Result<bool, WorkspaceError> {
        Ok(self.metadata(path)?.is_some())
    }

    /// The folders above `path` that do not exist yet, outermost first.
    pub fn missing_parents(
        &self,
        path: &WorkspacePath,
    ) -> Result<Vec<WorkspacePath>, WorkspaceError> {
        let mut missing = path.ancestors();
        while let Some(folder) = missing.first() {
            let inside = WorkspacePath::parse(&format!("{folder}/x"));
            let there = match inside {
                Ok(inside) => self.parent(&inside)?.is_some(),
                Err(_) => false,
            };
            if !there {
                break;
            }
            missing.remove(0);
        }
        Ok(missing)
    }

    /// A name on disk that differs from a part of `path` only in case: `README.md` for `readme.md`. Writing
    /// the path would make two files that one checkout on macOS or Windows cannot hold.
    pub fn case_twin(&self, path: &WorkspacePath) -> Result<Option<String>, WorkspaceError> {
        let mut dir = self
            .dir
            .try_clone()
            .map_err(io_error(path, "opening its folder"))?;
        let mut walked = String::new();
        for part in path.parts() {
            let folded = part.to_lowercase();
            let mut exact = false;
            let mut twin = None;
            for entry in dir
                .entries()
                .map_err(io_error(path, "listing its folder"))?
            {
                let entry = entry.map_err(io_error(path, "listing its folder"))?;
                let name = entry.file_name();
                let Some(name) = name.to_str() else { continue };
                if name == part {
                    exact = true;
                } else if name.to_lowercase() == folded {
                    twin = Some(format!("{walked}{name}"));
                }
            }
            if exact {
                walked.push_str(part);
                walked.push('/');
                match dir.open_dir_nofollow(part) {
                    Ok(next) => dir = next,
                    Err(_) => return Ok(None),
                }
            } else {
                return Ok(twin);
            }
        }
        Ok(None)
    }

    /// The folder of `path`, opened part by part; `None` when a part does not exist.
    pub(super) fn parent(
        &self,
        path: &WorkspacePath,
    ) -> Result<Option<Folder<'_>>, WorkspaceError> {
        self.refuse_reserved(path)?;
        let mut dir = Folder::Root(&self.dir);
        for folder in path.ancestors() {
            let name = folder.split_name().1;
            let at = || shown(folder.as_str());
            dir = match dir.open_dir_nofollow(name) {
                Ok(next) => Folder::Below(next),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => {
                    return Err(match dir.symlink_metadata(name) {
                        Ok(found) if found.is_symlink() => WorkspaceError::Link {
                            path: path.clone(),
                            at: at(),
                        },
                        Ok(found) if !found.is_dir() => WorkspaceError::NotAFolder {
                            path: path.clone(),
                            at: at(),
                        },
                        Ok(_) | Err(_) => io_error(path, "opening its folder")(error),
                    });
                }
            };
            if is_repository(&dir) {
                return Err(WorkspaceError::NestedRepository {
                    path: path.clone(),
                    at: at(),
                });
            }
        }
        Ok(Some(dir))
    }

    pub(super) fn look(
        &self,
        parent: &Dir,
        path: &WorkspacePath,
        name: &str,
    ) -> Result<Option<FileMetadata>, WorkspaceError> {
        match parent.symlink_metadata(name) {
            Ok(found) => regular(path, &found).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(path, "looking at it")(error)),
        }
    }
}

/// Only a plain file with one name and without set-id bits is anybody's to read or write here.
fn regular(path: &WorkspacePath, found: &Metadata) -> Result<FileMetadata, WorkspaceError> {
    let path = || path.clone();
    if found.is_symlink() {
        return Err(WorkspaceError::Link {
            path: path(),
            at: "it".to_owned(),
        });
    }
    if found.is_dir() {
        return Err(WorkspaceError::NotAFile {
            path: path(),
            what: "a folder",
        });
    }
    if !found.is_file() {
        return Err(WorkspaceError::NotAFile {
            path: path(),
            what: "a device, pipe or socket",
        });
    }
    if found.nlink() > 1 {
        return Err(WorkspaceError::HardLink { path: path() });
    }
    let mode = mode_of(found);
    if mode & 0o6000 != 0 {
        return Err(WorkspaceError::SetId { path: path(), mode });
    }
    Ok(FileMetadata {
        len: found.len(),
        mode,
    })
}

#[cfg(unix)]
fn mode_of(found: &Metadata) -> u32 {
    use cap_std::fs::MetadataExt as _;
    found.mode() & 0o7777
}

#[cfg(not(unix))]
fn mode_of(_: &Metadata) -> u32 {
    0o644
}

/// A work tree (`.git` of any kind) or a bare repository, whose hooks and configuration git would obey.
fn is_repository(dir: &Dir) -> bool {
    let has = |name| dir.symlink_metadata(name).is_ok();
    has(".git") || (has("HEAD") && has("objects") && has("refs"))
}
