//! The journal's folder, and the images in it: one file for each change, the bytes one behind the other.
//!
//! A pack holds every image that its change needs and nothing else, so dropping a checkpoint is removing its
//! pack. A record says where in it an image lies and what its SHA-256 is; an image that does not match is
//! lost, never restored. Packs are not compressed: a patch waits for them. Journals of earlier versions have
//! their images in `legacy`.

use super::JournalError;
use super::legacy::Legacy;
use super::record::{self, Image, Place};
use super::run::{Mode, State};
use crate::patch::parallel;
use rustc_hash::FxHashMap;
use sha2::{Digest as _, Sha256};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Store {
    packs: PathBuf,
    /// The folder of the packs, and those above it, are known to be durable.
    anchored: Cell<bool>,
    legacy: Legacy,
}

/// The folder of this root's journal, created with mode 0700. A link in its place is somebody's trap.
pub(super) fn folder_for(state_dir: &Path, root: &Path) -> Result<PathBuf, JournalError> {
    let digest = Sha256::digest(root.as_os_str().as_encoded_bytes());
    let key: String = hex::encode(digest).chars().take(24).collect();
    let journals = state_dir.join("journal");
    let folder = journals.join(key);
    for path in [state_dir, &journals, &folder] {
        own_folder(path, path != state_dir)?;
    }
    // For people who look around; the key is a digest.
    let name = folder.join("root");
    if !name.exists()
        && let Ok(mut file) = private_file(&name)
    {
        let _ = writeln!(file, "{}", root.display());
    }
    Ok(folder)
}

fn own_folder(path: &Path, must_be_plain: bool) -> Result<(), JournalError> {
    let io = |doing| {
        move |source| JournalError::Io {
            path: path.to_owned(),
            doing,
            source,
        }
    };
    private_folder(path).map_err(io("creating"))?;
    let found = path.symlink_metadata().map_err(io("opening"))?;
    if !found.is_dir() && must_be_plain {
        return Err(JournalError::Foreign {
            path: path.to_owned(),
        });
    }
    Ok(())
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

/// Makes the names of a new journal's folders durable: a journal that a power cut takes away with its folder
/// restores nothing. Whoever created those above it need not have thought of that.
pub(super) fn sync_new(folder: &Path) -> io::Result<()> {
    sync_folder(folder)?;
    for above in folder.ancestors().skip(1) {
        // Some may not be opened by everybody; those have been there for long.
        if let Err(error) = sync_folder(above) {
            tracing::debug!(%error, above = %above.display(), "not synced");
        }
    }
    Ok(())
}

/// Opened for reading and writing, created with mode 0600, not emptied.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    private_options().create(true).truncate(false).open(path)
}

fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

/// A name is durable only once its folder is.
#[cfg(unix)]
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(not(unix))]
pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

impl Store {
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let packs = folder.join("images");
        own_folder(&packs, true)?;
        Ok(Self {
            packs,
            anchored: Cell::new(false),
            legacy: Legacy::new(folder),
        })
    }

    fn io(&self, pack: &str, doing: &'static str) -> impl FnOnce(io::Error) -> JournalError {
        let path = self.packs.join(pack);
        move |source| JournalError::Io {
            path,
            doing,
            source,
        }
    }

    /// Keeps the states' images under this name. They are durable, and come back in order, when it returns.
    pub fn pin(&self, pack: &str, states: &[&State]) -> Result<Vec<Image>, JournalError> {
        let path = self.packs.join(pack);
        let mut file = private_options()
            .create_new(true)
            .open(&path)
            .map_err(self.io(pack, "creating"))?;
        let written = write_pack(&mut file, pack, states)
            .and_then(|images| file.sync_all().map(|()| images))
            .and_then(|images| self.sync_packs().map(|()| images));
        if written.is_err() {
            self.unpin(pack);
        }
        written.map_err(self.io(pack, "writing"))
    }

    /// The names of the packs; the first time also that of their folder, or a record could come through a power cut
    /// without the images it names.
    fn sync_packs(&self) -> io::Result<()> {
        if self.anchored.get() {
            return sync_folder(&self.packs);
        }
        sync_new(&self.packs)?;
        self.anchored.set(true);
        Ok(())
    }

    /// Lets go of images that no record needs.
    pub fn unpin(&self, pack: &str) {
        if let Err(error) = fs::remove_file(self.packs.join(pack)) {
            tracing::warn!(%error, pack, "images stay in the journal until the next start");
        }
    }

    pub fn state(&self, image: Option<&Image>) -> Result<Option<State>, JournalError> {
        let Some(image) = image else { return Ok(None) };
        let bytes = match &image.at {
            Some(place) => self.read(place, &image.blob),
            None => self.legacy.read(&image.blob),
        };
        let bytes = bytes.ok_or_else(|| JournalError::Lost {
            path: self.packs.clone(),
            blob: image.blob.clone(),
        })?;
        let mode = match image.new {
            true => Mode::New {
                executable: image.mode & 0o111 != 0,
            },
            false => Mode::Exact(image.mode),
        };
        Ok(Some(State { bytes, mode }))
    }

    fn read(&self, place: &Place, digest: &str) -> Option<Vec<u8>> {
        if !is_pack_name(&place.pack) {
            return None;
        }
        let mut file = File::open(self.packs.join(&place.pack)).ok()?;
        file.seek(io::SeekFrom::Start(place.offset)).ok()?;
        let mut bytes = Vec::new();
        file.take(place.len).read_to_end(&mut bytes).ok()?;
        (hex::encode(Sha256::digest(&bytes)) == digest).then_some(bytes)
    }

    /// Bytes on disk of a checkpoint's images.
    pub fn size(&self, entry: &record::Entry) -> u64 {
        let packs: u64 = entry
            .packs()
            .into_iter()
            .filter_map(|pack| self.packs.join(pack).metadata().ok())
            .map(|found| found.len())
            .sum();
        packs + self.legacy.size(entry)
    }

    /// Removes every image that none of `entries` needs.
    pub fn sweep(&self, entries: &[Arc<record::Entry>]) {
        let needed: BTreeSet<&str> = entries.iter().flat_map(|entry| entry.packs()).collect();
        for found in fs::read_dir(&self.packs).into_iter().flatten().flatten() {
            if let Some(pack) = found.file_name().to_str()
                && is_pack_name(pack)
                && !needed.contains(pack)
            {
                self.unpin(pack);
            }
        }
        self.legacy.sweep(entries);
    }
}

/// Digits, letters and dashes, as [`super::run`] names them: no record leads elsewhere.
fn is_pack_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// Equal images, such as those of a file that only moves, are written once.
fn write_pack(file: &mut File, pack: &str, states: &[&State]) -> io::Result<Vec<Image>> {
    let (blobs, offsets) = rayon::join(
        || parallel::map(states, |state| hex::encode(Sha256::digest(&state.bytes))),
        || write_images(file, states),
    );
    let images = states.iter().zip(blobs).zip(offsets?);
    Ok(images
        .map(|((state, blob), offset)| Image {
            blob,
            mode: state.mode(),
            new: matches!(state.mode, Mode::New { .. }),
            at: Some(Place {
                pack: pack.to_owned(),
                offset,
                len: state.bytes.len() as u64,
            }),
        })
        .collect())
}

/// Where in the file each image begins.
fn write_images(file: &mut File, states: &[&State]) -> io::Result<Vec<u64>> {
    let mut known: FxHashMap<&[u8], u64> = FxHashMap::default();
    let mut end = 0;
    let mut offsets = Vec::with_capacity(states.len());
    let mut file = io::BufWriter::with_capacity(1 << 18, file);
    for state in states {
        let offset = match known.entry(&state.bytes) {
            Entry::Occupied(twin) => *twin.get(),
            Entry::Vacant(new) => {
                file.write_all(&state.bytes)?;
                end += state.bytes.len() as u64;
                *new.insert(end - state.bytes.len() as u64)
            }
        };
        offsets.push(offset);
    }
    file.flush()?;
    Ok(offsets)
}
