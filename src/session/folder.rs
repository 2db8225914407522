//! The folder the records lie in: ours alone, reached through no link.

use super::SessionError;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const DISK_HINT: &str =
    "check the free space and the rights of the folder, or set DESCANT_HOME to another place";

pub(super) fn io_error(doing: &'static str, path: &Path, source: io::Error) -> SessionError {
    SessionError::Io {
        doing,
        path: path.to_owned(),
        source,
        hint: DISK_HINT,
    }
}

/// `STATE/sessions`, created where absent; both folders end up 0700 and owned by us.
pub(super) fn prepare(state_dir: &Path) -> Result<PathBuf, SessionError> {
    own_folder(state_dir)?;
    let sessions = state_dir.join("sessions");
    own_folder(&sessions)?;
    Ok(sessions)
}

/// Creates or checks one folder. The parents of the state folder may be links (a home often is); the
/// folder itself may not.
fn own_folder(path: &Path) -> Result<(), SessionError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => return Err(SessionError::Symlink(path.to_owned())),
        Ok(found) if !found.is_dir() => return Err(SessionError::NotAFolder(path.to_owned())),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path)?,
        Err(error) => return Err(io_error("open", path, error)),
    }
    let found = fs::symlink_metadata(path).map_err(|error| io_error("open", path, error))?;
    if found.is_symlink() {
        return Err(SessionError::Symlink(path.to_owned()));
    }
    if found.uid() != our_uid()? {
        return Err(SessionError::ForeignOwner(path.to_owned()));
    }
    fs::set_permissions(path, Permissions::from_mode(0o700))
        .map_err(|error| io_error("protect", path, error))
}

/// A file we create belongs to us, so its owner is who we are: no call into libc is needed to ask.
fn our_uid() -> Result<u32, SessionError> {
    tempfile::tempfile()
        .and_then(|file| file.metadata())
        .map(|metadata| metadata.uid())
        .map_err(|error| io_error("write in", &std::env::temp_dir(), error))
}

fn create(path: &Path) -> Result<(), SessionError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|error| io_error("create", parent, error))?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        // Another Descant was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io_error("create", path, error)),
    }
    // The umask may have taken even our own bits away.
    fs::set_permissions(path, Permissions::from_mode(0o700))
        .map_err(|error| io_error("protect", path, error))
}

/// A new file of mode 0600 that did not exist before; a link in its place is refused by `O_EXCL`.
pub(super) fn create_file(path: &Path) -> Result<fs::File, SessionError> {
    let file = OpenOptions::new()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| io_error("create", path, error))?;
    file.set_permissions(Permissions::from_mode(0o600))
        .map_err(|error| io_error("protect", path, error))?;
    Ok(file)
}

/// An existing record, to be continued.
pub(super) fn open_file(path: &Path) -> Result<fs::File, SessionError> {
    let found = fs::symlink_metadata(path).map_err(|error| io_error("open", path, error))?;
    if found.is_symlink() {
        return Err(SessionError::Symlink(path.to_owned()));
    }
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .open(path)
        .map_err(|error| io_error("open", path, error))?;
    file.set_permissions(Permissions::from_mode(0o600))
        .map_err(|error| io_error("protect", path, error))?;
    Ok(file)
}

/// Copies the files of a folder of ours into a new one; nothing where it does not exist.
pub(super) fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    DirBuilder::new().mode(0o700).create(to)?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            // With the mode of the original, 0600.
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
