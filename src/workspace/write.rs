//! Writing and removing, all relative to the root's handle: new contents are staged beside the file and take
//! its place by a rename.
//!
//! Nothing here is durable by itself, because a sync per step would make a patch of many files wait for the
//! disk as many times: the caller syncs what it staged with [`sync_staged`] before the first rename, and the
//! folders it changed with [`Workspace::sync_folders_of`] after the last. No folder is held open between two
//! steps, so that a patch may have more files than a process may have handles.

use super::error::io_error;
use super::files::Folder;
use super::{Workspace, WorkspaceError, WorkspacePath};
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, File, OpenOptions};
use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

/// Threads that wait for the disk at a time; file systems write what they wait for together.
const SYNC_THREADS: usize = 16;
/// Fewer syncs than this are done one after the other, and so are more for as long as they take no time:
/// in memory a thread costs more than its syncs.
const FEW_SYNCS: usize = 8;
const NO_TIME: Duration = Duration::from_millis(1);

/// Which permissions a written file gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Exactly these bits.
    Exact(u32),
    /// Those of a new file under the user's umask.
    New { executable: bool },
}

/// New contents of a file, written beside it under a temporary name. Before it takes the file's place it has
/// to be given to [`sync_staged`].
#[derive(Debug)]
pub struct Staged<'a> {
    workspace: &'a Workspace,
    path: WorkspacePath,
    temporary: String,
    /// Open until it is synced.
    file: Option<File>,
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
            Ok(()) => Ok(true),
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
            Ok(()) => Ok(true),
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

    /// Writes `bytes` beside `path` under the temporary name of `token`. Nothing is visible under the file's
    /// own name until [`Staged::replace`] or [`Staged::create`].
    pub fn stage(
        &self,
        path: &WorkspacePath,
        bytes: &[u8],
        mode: WriteMode,
        token: &str,
    ) -> Result<Staged<'_>, WorkspaceError> {
        let parent = self
            .parent(path)?
            .ok_or_else(|| WorkspaceError::NotFound { path: path.clone() })?;
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
        let written = file.write_all(bytes).and_then(|()| set_mode(&file, mode));
        let staged = Staged {
            workspace: self,
            path: path.clone(),
            temporary,
            file: Some(file),
        };
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

    /// Removes a plain file.
    pub fn remove(&self, path: &WorkspacePath) -> Result<(), WorkspaceError> {
        let missing = || WorkspaceError::NotFound { path: path.clone() };
        let parent = self.parent(path)?.ok_or_else(missing)?;
        let name = path.split_name().1;
        self.look(&parent, path, name)?.ok_or_else(missing)?;
        parent.remove_file(name).map_err(io_error(path, "removing"))
    }

    /// Makes what was created, renamed and removed under these names durable: syncs every folder that one of
    /// them lies in, once. A folder that is gone needs none; its own name lies in another.
    pub fn sync_folders_of<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a WorkspacePath>,
    ) -> Result<(), WorkspaceError> {
        let folders: BTreeMap<&str, &WorkspacePath> = paths
            .into_iter()
            .map(|path| (path.split_name().0.unwrap_or_default(), path))
            .collect();
        let mut open = Vec::with_capacity(folders.len().min(SYNC_BATCH));
        let mut folders = folders.into_values().peekable();
        while let Some(path) = folders.next() {
            match self.parent(path) {
                Ok(Some(parent)) => {
                    let handle = syncable(&parent).map_err(io_error(path, "syncing the folder"))?;
                    open.extend(handle.map(|handle| (path, handle)));
                }
                Ok(None) => {}
                Err(error @ WorkspaceError::Io { .. }) => return Err(error),
                // Somebody put something else in its place: not ours any more.
                Err(_) => {}
            }
            if open.len() == SYNC_BATCH || folders.peek().is_none() {
                sync_all(std::mem::take(&mut open), "syncing the folder")?;
            }
        }
        Ok(())
    }
}

/// Handles that are open for their sync at a time, well below the 256 of the tightest default limit.
pub const SYNC_BATCH: usize = 64;

/// Makes what was staged durable: contents and modes, not yet the names.
pub fn sync_staged<'a, 'w: 'a>(
    staged: impl IntoIterator<Item = &'a mut Staged<'w>>,
) -> Result<(), WorkspaceError> {
    let files = staged
        .into_iter()
        .filter_map(|staged| Some((&staged.path, staged.file.take()?)))
        .collect();
    sync_all(files, "writing")
}

fn sync_all(files: Vec<(&WorkspacePath, File)>, doing: &'static str) -> Result<(), WorkspaceError> {
    let sync = |files: &[(&WorkspacePath, File)]| {
        files
            .iter()
            .try_for_each(|(path, file)| file.sync_all().map_err(io_error(path, doing)))
    };
    let start = Instant::now();
    let mut done = 0;
    while done < files.len() && (done < FEW_SYNCS || start.elapsed() < NO_TIME) {
        sync(files.get(done..=done).unwrap_or_default())?;
        done += 1;
    }
    let files = files.get(done..).unwrap_or_default();
    if files.is_empty() {
        return Ok(());
    }
    let share = files.len().div_ceil(SYNC_THREADS);
    std::thread::scope(|scope| {
        let waiting: Vec<_> = files
            .chunks(share)
            .map(|files| {
                std::thread::Builder::new()
                    .spawn_scoped(scope, move || sync(files))
                    // No thread to be had: then without one.
                    .map_err(|_no_thread| sync(files))
            })
            .collect();
        waiting
            .into_iter()
            .map(|thread| match thread {
                Ok(thread) => thread.join().unwrap_or_else(|_panic| sync(files)),
                Err(done) => done,
            })
            .fold(Ok(()), Result::and)
    })
}

impl Staged<'_> {
    pub fn path(&self) -> &WorkspacePath {
        &self.path
    }

    /// Takes the place of the file that is there.
    pub fn replace(self) -> Result<(), WorkspaceError> {
        let renamed = self.parent().and_then(|parent| {
            let name = self.path.split_name().1;
            parent
                .rename(&self.temporary, &parent, name)
                .map_err(io_error(&self.path, "replacing"))
        });
        if renamed.is_err() {
            self.discard();
        }
        renamed
    }

    /// Becomes the file where none is; [`WorkspaceError::Exists`] when one appeared meanwhile.
    pub fn create(self) -> Result<(), WorkspaceError> {
        let parent = match self.parent() {
            Ok(parent) => parent,
            Err(error) => {
                self.discard();
                return Err(error);
            }
        };
        let name = self.path.split_name().1;
        // A link fails where a rename would overwrite.
        match parent.hard_link(&self.temporary, &parent, name) {
            Ok(()) => parent
                .remove_file(&self.temporary)
                .map_err(io_error(&self.path, "removing a temporary file")),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let path = self.path.clone();
                self.discard();
                Err(WorkspaceError::Exists { path })
            }
            // File systems without hard links (FAT, some network mounts).
            Err(_) if parent.symlink_metadata(name).is_err() => self.replace(),
            Err(error) => {
                let error = io_error(&self.path, "creating")(error);
                self.discard();
                Err(error)
            }
        }
    }

    /// Leaves the tree as it was.
    pub fn discard(self) {
        let removed = self.parent().and_then(|parent| {
            parent
                .remove_file(&self.temporary)
                .map_err(io_error(&self.path, "removing a temporary file"))
        });
        if let Err(error) = removed {
            tracing::warn!(path = %self.path, %error, "a temporary file could not be removed");
        }
    }

    fn parent(&self) -> Result<Folder<'_>, WorkspaceError> {
        let missing = || WorkspaceError::NotFound {
            path: self.path.clone(),
        };
        self.workspace.parent(&self.path)?.ok_or_else(missing)
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

/// A second handle of the folder: those of this module are `O_PATH` on Linux, which cannot be synced.
/// `None` where the folder is gone.
#[cfg(unix)]
fn syncable(folder: &Dir) -> io::Result<Option<File>> {
    match folder.open(".") {
        Ok(handle) => Ok(Some(handle)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn syncable(_: &Dir) -> io::Result<Option<File>> {
    Ok(None)
}

fn temporary_name(token: &str) -> String {
    format!(".descant-{token}.tmp")
}
