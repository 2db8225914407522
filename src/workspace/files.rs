//! Files of the workspace: reading, staging, replacing, removing, all relative to the root's handle.
//!
//! Every parent is opened one part at a time without following links, and the file itself is used through
//! its parent's handle. So what was checked is what is used, also while another process swaps folders for
//! links. A file with a second name (hard link), a device, a pipe and everything behind a repository
//! boundary is refused with the reason.

use super::path::shown;
use super::{Workspace, WorkspacePath};
use cap_fs_ext::{
    DirExt as _, FollowSymlinks, MetadataExt as _, OpenOptionsFollowExt as _,
    OpenOptionsSyncExt as _,
};
use cap_std::fs::{Dir, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};

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

/// Which permissions a written file gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Exactly these bits.
    Exact(u32),
    /// Those of a new file under the user's umask.
    New { executable: bool },
}

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
            | Self::SetId { path, .. }
            | Self::TooLarge { path, .. }
            | Self::Exists { path }
            | Self::Io { path, .. } => path,
        }
    }
}

/// New contents of a file, written and synced beside it under a temporary name.
#[derive(Debug)]
pub struct Staged {
    parent: Dir,
    path: WorkspacePath,
    name: String,
    temporary: String,
}

fn io_error<'a>(
    path: &'a WorkspacePath,
    doing: &'static str,
) -> impl FnOnce(io::Error) -> WorkspaceError + 'a {
    move |source| WorkspaceError::Io {
        path: path.clone(),
        doing,
        source,
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
    fn parent(&self, path: &WorkspacePath) -> Result<Option<Dir>, WorkspaceError> {
        self.refuse_reserved(path)?;
        let mut dir = self
            .dir
            .try_clone()
            .map_err(io_error(path, "opening its folder"))?;
        for folder in path.ancestors() {
            let name = folder.split_name().1;
            let at = || shown(folder.as_str());
            dir = match dir.open_dir_nofollow(name) {
                Ok(next) => next,
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

    fn refuse_reserved(&self, path: &WorkspacePath) -> Result<(), WorkspaceError> {
        let reserved = self.reserved();
        let text = path.as_str();
        for git_dir in &reserved.git_dirs {
            if text == git_dir
                || text
                    .strip_prefix(git_dir.as_str())
                    .is_some_and(|rest| rest.starts_with('/'))
            {
                return Err(WorkspaceError::GitDir {
                    path: path.clone(),
                    at: shown(git_dir),
                });
            }
        }
        if !reserved.submodules.is_empty() {
            for folder in path.ancestors().iter().chain([path]) {
                if reserved.submodules.contains(folder.as_str()) {
                    return Err(WorkspaceError::Submodule {
                        path: path.clone(),
                        at: shown(folder.as_str()),
                    });
                }
            }
        }
        Ok(())
    }

    fn look(
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

/// A work tree (`.git` of any kind) or a bare repository, whose hooks and configuration git would obey.
fn is_repository(dir: &Dir) -> bool {
    let has = |name| dir.symlink_metadata(name).is_ok();
    has(".git") || (has("HEAD") && has("objects") && has("refs"))
}

fn temporary_name(token: &str) -> String {
    format!(".descant-{token}.tmp")
}
