//! Images of earlier versions: loose objects of a bare git repository, `images.git`, beside the journal.
//!
//! They are read and dropped, never written; the folder goes with the last checkpoint that needs it.

use super::record::{Entry, Image};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Legacy {
    path: PathBuf,
}

impl Legacy {
    pub fn new(folder: &Path) -> Self {
        Self {
            path: folder.join("images.git"),
        }
    }

    fn repository(&self) -> Option<git2::Repository> {
        let flags = git2::RepositoryOpenFlags::NO_SEARCH | git2::RepositoryOpenFlags::BARE;
        let none: [&std::ffi::OsStr; 0] = [];
        git2::Repository::open_ext(&self.path, flags, none).ok()
    }

    pub fn read(&self, blob: &str) -> Option<Vec<u8>> {
        let id = git2::Oid::from_str(blob).ok()?;
        let repository = self.repository()?;
        let blob = repository.find_blob(id).ok()?;
        Some(blob.content().to_vec())
    }

    /// Bytes on disk of the images that lie here.
    pub fn size(&self, entry: &Entry) -> u64 {
        let blobs: BTreeSet<&str> = blobs(entry).collect();
        let loose = blobs.into_iter().filter_map(|blob| self.loose(blob));
        loose
            .filter_map(|path| path.metadata().ok())
            .map(|found| found.len())
            .sum()
    }

    /// Removes what none of `entries` needs, and the whole repository after the last.
    pub fn sweep(&self, entries: &[Arc<Entry>]) {
        if self.path.symlink_metadata().is_err() {
            return;
        }
        let needed: BTreeSet<&str> = entries.iter().flat_map(|entry| blobs(entry)).collect();
        if needed.is_empty() {
            if let Err(error) = std::fs::remove_dir_all(&self.path) {
                tracing::warn!(%error, "images of an earlier version stay in the journal");
            }
            return;
        }
        let Some(repository) = self.repository() else {
            return;
        };
        let live: BTreeSet<String> = entries
            .iter()
            .map(|entry| format!("refs/descant/{}", entry.number))
            .collect();
        let references = repository.references_glob("refs/descant/*");
        for mut reference in references.into_iter().flatten().flatten() {
            let Ok(name) = reference.name().map(str::to_owned) else {
                continue;
            };
            if live.contains(&name) {
                continue;
            }
            if let Ok(tree) = reference.peel_to_tree() {
                for item in tree.iter() {
                    let blob = item.id().to_string();
                    if !needed.contains(blob.as_str())
                        && let Some(path) = self.loose(&blob)
                    {
                        let _ = std::fs::remove_file(path);
                    }
                }
            }
            if let Err(error) = reference.delete() {
                tracing::warn!(%error, name, "a checkpoint's images stay in the journal");
            }
        }
    }

    fn loose(&self, blob: &str) -> Option<PathBuf> {
        let (folder, name) = blob.split_at_checked(2)?;
        Some(self.path.join("objects").join(folder).join(name))
    }
}

/// The ids of the images that lie here.
fn blobs(entry: &Entry) -> impl Iterator<Item = &str> {
    let here = |image: &&Image| image.at.is_none();
    entry.images().filter(here).map(|image| image.blob.as_str())
}
