//! The journal's folder and its private bare repository.

use super::JournalError;
use super::record::Image;
use super::run::{Mode, State};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

pub(super) struct Store {
    path: PathBuf,
    repository: git2::Repository,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The folder of this root's journal, created with mode 0700. A link in its place is somebody's trap.
pub(super) fn folder_for(state_dir: &Path, root: &Path) -> Result<PathBuf, JournalError> {
    let digest = Sha256::digest(root.as_os_str().as_encoded_bytes());
    let key: String = hex::encode(digest).chars().take(24).collect();
    let journals = state_dir.join("journal");
    let folder = journals.join(key);
    for path in [state_dir, &journals, &folder] {
        let io = |doing| {
            move |source| JournalError::Io {
                path: path.to_owned(),
                doing,
                source,
            }
        };
        private_folder(path).map_err(io("creating"))?;
        let found = path.symlink_metadata().map_err(io("opening"))?;
        if !found.is_dir() && path != state_dir {
            return Err(JournalError::Foreign {
                path: path.to_owned(),
            });
        }
    }
    // For people who look around; the key is a digest.
    let name = folder.join("root");
    if !name.exists()
        && let Ok(mut file) = private_file(&name)
    {
        use io::Write as _;
        let _ = writeln!(file, "{}", root.display());
    }
    Ok(folder)
}

fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    match path.symlink_metadata() {
        Ok(_) => Ok(()),
        Err(_) => builder.create(path),
    }
}

/// Opened for reading and writing, created with mode 0600, not emptied.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    // The folder above is 0700 already; this only makes every single file say so.
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode));
}

#[cfg(not(unix))]
fn restrict(_: &Path, _: u32) {}

fn restrict_all(folder: &Path) {
    restrict(folder, 0o700);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => restrict_all(&entry.path()),
            Ok(kind) if kind.is_file() => restrict(&entry.path(), 0o600),
            Ok(_) | Err(_) => {}
        }
    }
}

impl Store {
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let path = folder.join("images.git");
        let git = |source| JournalError::Git {
            path: path.clone(),
            source,
        };
        let repository = if path.join("HEAD").exists() {
            let flags = git2::RepositoryOpenFlags::NO_SEARCH | git2::RepositoryOpenFlags::BARE;
            let none: [&std::ffi::OsStr; 0] = [];
            git2::Repository::open_ext(&path, flags, none).map_err(git)?
        } else {
            let mut options = git2::RepositoryInitOptions::new();
            // The user's template folder can hold hooks.
            options.bare(true).external_template(false);
            let repository = git2::Repository::init_opts(&path, &options).map_err(git)?;
            let mut config = repository.config().map_err(git)?;
            config
                .set_bool("core.fsyncObjectFiles", true)
                .map_err(git)?;
            restrict_all(&path);
            repository
        };
        Ok(Self { path, repository })
    }

    fn git(&self) -> impl FnOnce(git2::Error) -> JournalError + '_ {
        |source| JournalError::Git {
            path: self.path.clone(),
            source,
        }
    }

    /// Keeps the images under a ref of the checkpoint's number. The ids come back in order.
    pub fn pin(&self, number: u64, images: &[&[u8]]) -> Result<Vec<git2::Oid>, JournalError> {
        let mut ids = Vec::with_capacity(images.len());
        let mut tree = self.repository.treebuilder(None).map_err(self.git())?;
        for (index, bytes) in images.iter().enumerate() {
            let id = self.repository.blob(bytes).map_err(self.git())?;
            tree.insert(format!("{index:06}"), id, 0o100_644)
                .map_err(self.git())?;
            ids.push(id);
        }
        let tree = self
            .repository
            .find_tree(tree.write().map_err(self.git())?)
            .map_err(self.git())?;
        let by = git2::Signature::now("Descant", "descant@localhost").map_err(self.git())?;
        let message = format!("checkpoint {number}");
        let commit = self
            .repository
            .commit(None, &by, &by, &message, &tree, &[])
            .map_err(self.git())?;
        self.repository
            .reference(&ref_name(number), commit, true, &message)
            .map_err(self.git())?;
        for id in ids.iter().chain([&tree.id(), &commit]) {
            self.restrict_object(id);
        }
        let refs = self.path.join("refs");
        restrict_all(&refs);
        Ok(ids)
    }

    /// Lets go of a checkpoint that cannot be reached any more.
    pub fn unpin(&self, number: u64) {
        if let Ok(mut reference) = self.repository.find_reference(&ref_name(number))
            && let Err(error) = reference.delete()
        {
            tracing::warn!(%error, number, "a checkpoint's images stay in the journal");
        }
    }

    pub fn state(&self, image: Option<&Image>) -> Result<Option<State>, JournalError> {
        let Some(image) = image else { return Ok(None) };
        let lost = || JournalError::Lost {
            path: self.path.clone(),
            blob: image.blob.clone(),
        };
        let id = git2::Oid::from_str(&image.blob).or(Err(lost()))?;
        let blob = self.repository.find_blob(id).or(Err(lost()))?;
        let mode = match image.new {
            true => Mode::New {
                executable: image.mode & 0o111 != 0,
            },
            false => Mode::Exact(image.mode),
        };
        Ok(Some(State {
            bytes: blob.content().to_vec(),
            mode,
        }))
    }

    fn restrict_object(&self, id: &git2::Oid) {
        let hex = id.to_string();
        if let Some((folder, name)) = hex.split_at_checked(2) {
            let folder = self.path.join("objects").join(folder);
            restrict(&folder, 0o700);
            restrict(&folder.join(name), 0o600);
        }
    }
}

fn ref_name(number: u64) -> String {
    format!("refs/descant/{number}")
}
