//! The Hugging Face cache on disk, so that other tools find what is downloaded and their downloads are found.
//!
//! `models--ORG--NAME/blobs/HASH` has the bytes, `snapshots/COMMIT/FILE` links to them, `refs/REVISION` names the commit.
//! Nothing here follows a link out of a model's folder.

use super::listing::{Hash, RepoFile};
use super::{HubError, RepoRef, parts};
use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// A model's folder in a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoFolder {
    pub(super) cache: PathBuf,
    pub(super) path: PathBuf,
    pub(super) id: String,
}

/// A revision of a model as it lies in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub commit: String,
    pub path: PathBuf,
    /// The refs that name it.
    pub refs: Vec<String>,
}

impl RepoFolder {
    pub fn new(cache: &Path, repo: &RepoRef) -> RepoFolder {
        RepoFolder::of_id(cache, repo.id())
    }

    fn of_id(cache: &Path, id: &str) -> RepoFolder {
        RepoFolder {
            cache: cache.to_owned(),
            path: cache.join(format!("models--{}", id.replace('/', "--"))),
            id: id.to_owned(),
        }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder of the cache itself, not a link to another one.
    pub fn exists(&self) -> bool {
        is_folder(&self.path)
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.path.join("blobs")
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.path.join("snapshots").join(commit)
    }

    /// Says that the content of a blob is not what its name says; the next pull replaces it.
    pub(super) fn bad_mark(&self, hash: &str) -> PathBuf {
        self.blobs().join(format!("{hash}.descant-bad"))
    }

    /// A file's content is there, as far as its size and what was found earlier say.
    pub(super) fn has(&self, file: &RepoFile) -> bool {
        let blob = self.blobs().join(file.hash.hex());
        std::fs::metadata(blob).is_ok_and(|m| m.is_file() && m.len() == file.size)
            && !self.bad_mark(file.hash.hex()).exists()
    }

    /// Bytes of a file that need not be downloaded.
    pub(super) fn present(&self, file: &RepoFile) -> u64 {
        if self.has(file) {
            file.size
        } else {
            parts::Part::present(&self.blobs(), file.hash.hex(), file.size)
        }
    }

    /// The revisions that are there, by commit.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let refs = self.refs();
        let mut found: Vec<Snapshot> = self
            .entries("snapshots")
            .into_iter()
            .filter(|(_, path)| std::fs::symlink_metadata(path).is_ok_and(|m| m.is_dir()))
            .map(|(commit, path)| Snapshot {
                refs: refs
                    .iter()
                    .filter(|(_, to)| *to == commit)
                    .map(|(name, _)| name.clone())
                    .collect(),
                commit,
                path,
            })
            .collect();
        found.sort_by(|a, b| a.commit.cmp(&b.commit));
        found
    }

    /// `(name, commit)`.
    pub(super) fn refs(&self) -> Vec<(String, String)> {
        fn walk(folder: &Path, prefix: &str, depth: usize, out: &mut Vec<(String, String)>) {
            for (name, path) in entries(folder) {
                let name = format!("{prefix}{name}");
                match std::fs::symlink_metadata(&path) {
                    Ok(m) if m.is_dir() && depth > 0 => {
                        walk(&path, &format!("{name}/"), depth - 1, out)
                    }
                    Ok(m) if m.is_file() && m.len() < 1000 => {
                        let text = std::fs::read_to_string(&path).unwrap_or_default();
                        out.push((name, text.trim().to_owned()));
                    }
                    Ok(_) | Err(_) => {}
                }
            }
        }
        let mut out = Vec::new();
        if is_folder(&self.path.join("refs")) {
            walk(&self.path.join("refs"), "", 4, &mut out);
        }
        out.sort();
        out
    }

    /// Bytes on disk of everything in it: blobs, and files of snapshots that are not links.
    pub fn size(&self) -> u64 {
        fn walk(folder: &Path, depth: usize) -> u64 {
            let size = |path: &Path| match std::fs::symlink_metadata(path) {
                Ok(m) if m.is_dir() && depth > 0 => walk(path, depth - 1),
                Ok(m) if m.is_file() => on_disk(&m),
                Ok(_) | Err(_) => 0,
            };
            entries(folder).iter().map(|(_, path)| size(path)).sum()
        }
        walk(&self.path, 6)
    }

    /// Files whose download was begun, by the names of their blobs.
    pub fn unfinished(&self) -> BTreeSet<String> {
        let part = |name: String| name.strip_suffix(".descant-part").map(str::to_owned);
        self.entries("blobs")
            .into_iter()
            .filter_map(|(name, _)| part(name))
            .collect()
    }

    /// What is in one of its own folders; a link to a folder elsewhere has nothing of this model's.
    pub(super) fn entries(&self, folder: &str) -> Vec<(String, PathBuf)> {
        let folder = self.path.join(folder);
        if is_folder(&folder) {
            entries(&folder)
        } else {
            Vec::new()
        }
    }

    /// Makes the folders that a download needs.
    pub(super) fn create(&self) -> Result<(), HubError> {
        let blobs = self.blobs();
        std::fs::create_dir_all(&blobs).map_err(|e| HubError::io(&blobs, &e))
    }

    /// Nobody else downloads this while it is held.
    pub(super) fn lock(&self) -> Result<RepoLock, HubError> {
        let folder = self
            .cache
            .join(".locks")
            .join(self.path.file_name().unwrap_or_default());
        std::fs::create_dir_all(&folder).map_err(|e| HubError::io(&folder, &e))?;
        let path = folder.join("descant.lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| HubError::io(&path, &e))?;
        match file.try_lock() {
            Ok(()) => Ok(RepoLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(HubError::Locked {
                repo: self.id.clone(),
            }),
            Err(TryLockError::Error(error)) => Err(HubError::io(&path, &error)),
        }
    }

    /// Somebody downloads it now.
    pub fn is_locked(&self) -> bool {
        self.exists() && matches!(self.lock(), Err(HubError::Locked { .. }))
    }

    /// Gives the files of a commit their names, the configuration last, and the revision its commit.
    pub(super) fn link(
        &self,
        repo: &RepoRef,
        commit: &str,
        files: &[RepoFile],
    ) -> Result<PathBuf, HubError> {
        let folder = self.snapshot(commit);
        std::fs::create_dir_all(&folder).map_err(|e| HubError::io(&folder, &e))?;
        for file in files {
            let path = folder.join(&file.name);
            point(&path, file.hash.hex()).map_err(|e| HubError::io(&path, &e))?;
        }
        if repo.revision() != commit {
            let path = self.path.join("refs").join(repo.revision());
            let written = path
                .parent()
                .map_or(Ok(()), std::fs::create_dir_all)
                .and_then(|()| std::fs::write(&path, commit));
            written.map_err(|e| HubError::io(&path, &e))?;
        }
        Ok(folder)
    }
}

/// Held by whoever downloads a model; the end of the process lets go of it.
#[derive(Debug)]
pub struct RepoLock {
    _file: File,
}

/// A link in a snapshot to a blob, in the place of what was there.
#[cfg(unix)]
fn point(path: &Path, hash: &str) -> std::io::Result<()> {
    let target = Path::new("../../blobs").join(hash);
    if std::fs::read_link(path).is_ok_and(|there| there == target) {
        return Ok(());
    }
    let fresh = path.with_extension("descant-new");
    let _ = std::fs::remove_file(&fresh);
    std::os::unix::fs::symlink(&target, &fresh)?;
    std::fs::rename(fresh, path)
}

/// Links need a privilege on this system: the bytes themselves, as Hugging Face's own tools do there.
#[cfg(not(unix))]
fn point(path: &Path, hash: &str) -> std::io::Result<()> {
    let blob = path
        .ancestors()
        .nth(3)
        .unwrap_or(path)
        .join("blobs")
        .join(hash);
    if std::fs::metadata(path)
        .is_ok_and(|m| std::fs::metadata(&blob).is_ok_and(|b| b.len() == m.len()))
    {
        return Ok(());
    }
    let _ = std::fs::remove_file(path);
    std::fs::hard_link(&blob, path).or_else(|_| std::fs::copy(&blob, path).map(drop))
}

/// The blob that a file of a snapshot is, where it is one of the same model.
pub(super) fn blob_of(file: &Path) -> Option<(PathBuf, Hash)> {
    let target = std::fs::read_link(file).ok()?;
    let name = target.strip_prefix("../../blobs").ok()?.to_str()?;
    let hash = Hash::of_name(name)?;
    let repo = file.ancestors().nth(3)?;
    Some((repo.join("blobs").join(name), hash))
}

/// Every model of a cache.
pub fn repos(cache: &Path) -> Vec<RepoFolder> {
    let id = |name: &str| {
        name.strip_prefix("models--")
            .map(|rest| rest.replacen("--", "/", 1))
    };
    let mut found: Vec<RepoFolder> = entries(cache)
        .into_iter()
        .filter_map(|(name, _)| Some(RepoFolder::of_id(cache, &id(&name)?)))
        .filter(RepoFolder::exists)
        .collect();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found
}

/// Bytes that a user may still write where `folder` is or would be; `None` where the system does not say.
pub fn free_space(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|path| path.exists())?;
    #[cfg(unix)]
    {
        let stat = rustix::fs::statvfs(there).ok()?;
        stat.f_bavail.checked_mul(stat.f_frsize)
    }
    #[cfg(not(unix))]
    {
        let _ = there;
        None
    }
}

/// Holes take no room: a part has its whole length from the beginning.
fn on_disk(metadata: &std::fs::Metadata) -> u64 {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        metadata.len().min(metadata.blocks().saturating_mul(512))
    }
    #[cfg(not(unix))]
    metadata.len()
}

fn is_folder(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|m| m.is_dir())
}

pub(super) fn entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter_map(|e| Some((e.file_name().into_string().ok()?, e.path())));
    named.collect()
}
