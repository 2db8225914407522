//! Writing and removing, all relative to the root's handle: new contents are staged beside the file, synced,
//! and take its place by a rename; every folder that changed is synced too.

use super::error::io_error;
use super::{Workspace, WorkspaceError, WorkspacePath};
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, OpenOptions};
use std::io::{self, Write as _};

/// Which permissions a written file gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Exactly these bits.
    Exact(u32),
    /// Those of a new file under the user's umask.
    New { executable: bool },
}

/// New contents of a file, written and synced beside it under a temporary name.
#[derive(Debug)]
pub struct Staged {
    parent: Dir,
    path: WorkspacePath,
    name: String,
    temporary: String,
}

impl Workspace {
    /// Creates one folder whose parent exists. `false` when it was there.
    pub fn create_folder(&self, folder: &WorkspacePath) -> Result<bool, WorkspaceError> {
        let parent = self
            .parent(folder)?
            .ok_or_else(|| WorkspaceError::NotFound {
                path: folder.clone(),
            })?;
        match parent.create_dir(folder.split_name().1) {
            Ok(()) => {
                sync_folder(&parent).map_err(io_error(folder, "syncing the folder"))?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(io_error(folder, "creating the folder")(error)),
        }
    }

    /// Removes the folder if it is empty; `false` when it is not, or not there.
    pub fn remove_empty_folder(&self, folder: &WorkspacePath) -> Result<bool, WorkspaceError> {
        let Some(parent) = self.parent(folder)? else {
            return Ok(false);
        };
        match parent.remove_dir(folder.split_name().1) {
            Ok(()) => {
                sync_folder(&parent).map_err(io_error(folder, "syncing the folder"))?;
                Ok(true)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::DirectoryNotEmpty
                        | io::ErrorKind::NotFound
                        | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(io_error(folder, "removing the folder")(error)),
        }
    }

    /// Writes `bytes` beside `path` under the temporary name of `token` and syncs them. Nothing is visible
    /// under the file's own name until [`Staged::replace`] or [`Staged::create`].
    pub fn stage(
        &self,
        path: &WorkspacePath,
        bytes: &[u8],
        mode: WriteMode,
        token: &str,
    ) -> Result<Staged, WorkspaceError> {
        let parent = self
            .parent(path)?
            .ok_or_else(|| WorkspaceError::NotFound { path: path.clone() })?;
        let name = path.split_name().1.to_owned();
        let temporary = temporary_name(token);
        let mut options = OpenOptions::new();
        options
            .write(true)
            .create_new(true)
            .follow(FollowSymlinks::No);
        #[cfg(unix)]
        {
            use cap_std::fs::OpenOptionsExt as _;
            options.mode(match mode {
                WriteMode::Exact(_) => 0o600,
                WriteMode::New { executable: false } => 0o666,
                WriteMode::New { executable: true } => 0o777,
            });
        }
        let mut file = parent
            .open_with(&temporary, &options)
            .map_err(io_error(path, "creating a temporary file"))?;
        let staged = Staged {
            parent,
            path: path.clone(),
            name,
            temporary,
        };
        let written = file
            .write_all(bytes)
            .and_then(|()| set_mode(&file, mode))
            .and_then(|()| file.sync_all());
        match written {
            Ok(()) => Ok(staged),
            Err(error) => {
                staged.discard();
                Err(io_error(path, "writing")(error))
            }
        }
    }

    /// Removes what a crash left of [`Self::stage`] for this file and token.
    pub fn remove_staged(&self, path: &WorkspacePath, token: &str) -> Result<(), WorkspaceError> {
        let Some(parent) = self.parent(path)? else {
            return Ok(());
        };
        match parent.remove_file(temporary_name(token)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error(path, "removing a temporary file")(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Removes a plain file and syncs its folder.
    pub fn remove(&self, path: &WorkspacePath) -> Result<(), WorkspaceError> {
        let missing = || WorkspaceError::NotFound { path: path.clone() };
        let parent = self.parent(path)?.ok_or_else(missing)?;
        let name = path.split_name().1;
        self.look(&parent, path, name)?.ok_or_else(missing)?;
        parent
            .remove_file(name)
            .map_err(io_error(path, "removing"))?;
        sync_folder(&parent).map_err(io_error(path, "syncing the folder"))
    }
}

impl Staged {
    /// Takes the place of the file that is there.
    pub fn replace(self) -> Result<(), WorkspaceError> {
        let Self {
            parent,
            path,
            name,
            temporary,
        } = &self;
        if let Err(error) = parent.rename(temporary, parent, name) {
            let error = io_error(path, "replacing")(error);
            self.discard();
            return Err(error);
        }
        sync_folder(parent).map_err(io_error(path, "syncing the folder"))
    }

    /// Becomes the file where none is; [`WorkspaceError::Exists`] when one appeared meanwhile.
    pub fn create(self) -> Result<(), WorkspaceError> {
        let Self {
            parent,
            path,
            name,
            temporary,
        } = &self;
        // A link fails where a rename would overwrite.
        match parent.hard_link(temporary, parent, name) {
            Ok(()) => {
                parent
                    .remove_file(temporary)
                    .map_err(io_error(path, "removing a temporary file"))?;
                sync_folder(parent).map_err(io_error(path, "syncing the folder"))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let path = path.clone();
                self.discard();
                Err(WorkspaceError::Exists { path })
            }
            // File systems without hard links (FAT, some network mounts).
            Err(_) if parent.symlink_metadata(name).is_err() => self.replace(),
            Err(error) => {
                let error = io_error(path, "creating")(error);
                self.discard();
                Err(error)
            }
        }
    }

    /// Leaves the tree as it was.
    pub fn discard(self) {
        if let Err(error) = self.parent.remove_file(&self.temporary) {
            tracing::warn!(path = %self.path, %error, "a temporary file could not be removed");
        }
    }
}

#[cfg(unix)]
fn set_mode(file: &cap_std::fs::File, mode: WriteMode) -> io::Result<()> {
    use cap_std::fs::PermissionsExt as _;
    match mode {
        WriteMode::Exact(bits) => {
            file.set_permissions(cap_std::fs::Permissions::from_mode(bits & 0o1777))
        }
        WriteMode::New { .. } => Ok(()),
    }
}

#[cfg(not(unix))]
fn set_mode(_: &cap_std::fs::File, _: WriteMode) -> io::Result<()> {
    Ok(())
}

/// A rename is durable only once its folder is. (The handles of this module are `O_PATH` on Linux, which
/// cannot be synced, hence the second one.)
#[cfg(unix)]
fn sync_folder(folder: &Dir) -> io::Result<()> {
    folder.open(".")?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Dir) -> io::Result<()> {
    Ok(())
}

fn temporary_name(token: &str) -> String {
    format!(".descant-{token}.tmp")
}
