//! Taking a model out of the cache: what is its alone goes, what others use stays.
//!
//! Only what this crate knows to be the model's is removed, one file after the other: links of its snapshots and blobs
//! that nothing else points to. What somebody else put into its folder stays, and the folder with it.

use super::cache::{RepoFolder, Snapshot, blob_of, entries, repos};
use super::listing::Hash;
use super::parts::is_ours;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What a removal would do; nothing is touched until [`Removal::run`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    repo: RepoFolder,
    snapshots: Vec<Snapshot>,
    /// The whole model, not one of several revisions.
    whole: bool,
    /// Content that nothing else uses.
    blobs: Vec<PathBuf>,
    /// Bytes that become free.
    pub bytes: u64,
    /// Blobs that stay because another revision or model uses them.
    pub shared: usize,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// What is left in the model's folder because it is not the model's.
    pub left: Vec<PathBuf>,
}

impl Removal {
    /// Of all revisions, or of the one that `revision` names by a ref or the beginning of a commit. `None`: there is no
    /// such thing.
    pub fn plan(repo: &RepoFolder, revision: Option<&str>) -> Option<Removal> {
        if !repo.exists() {
            return None;
        }
        let all = repo.snapshots();
        let named = |snapshot: &Snapshot| match revision {
            None => true,
            Some(revision) => {
                snapshot.refs.iter().any(|name| name == revision)
                    || revision.len() >= 7 && snapshot.commit.starts_with(revision)
            }
        };
        let (snapshots, others): (Vec<Snapshot>, Vec<Snapshot>) = all.into_iter().partition(named);
        if revision.is_some() && snapshots.is_empty() {
            return None;
        }
        let whole = others.is_empty();
        let mut used: BTreeSet<PathBuf> = others.iter().flat_map(|s| pointed(&s.path)).collect();
        for other in repos(&repo.cache).into_iter().filter(|other| other != repo) {
            used.extend(other.snapshots().iter().flat_map(|s| pointed(&s.path)));
        }
        // Never what a link leads to, but blobs of this model's own by the names of their hashes.
        let candidates: BTreeSet<PathBuf> = if whole {
            let known = |name: &str| Hash::of_name(name).is_some() || is_ours(name);
            let files = repo.entries("blobs").into_iter();
            files
                .filter(|(name, _)| known(name))
                .map(|(_, path)| path)
                .collect()
        } else {
            let files = snapshots.iter().flat_map(|s| entries(&s.path));
            files
                .filter_map(|(_, path)| blob_of(&path))
                .map(|(blob, _)| blob)
                .collect()
        };
        let candidates = candidates.into_iter().filter(|path| is_file(path));
        let (shared, blobs): (Vec<PathBuf>, Vec<PathBuf>) = candidates
            .into_iter()
            .partition(|blob| used.contains(&canonical(blob)));
        let size = |path: &PathBuf| std::fs::symlink_metadata(path).map_or(0, |m| m.len());
        Some(Removal {
            bytes: blobs.iter().map(size).sum(),
            shared: shared.len(),
            repo: repo.clone(),
            snapshots,
            whole,
            blobs,
        })
    }

    pub fn folder(&self) -> &Path {
        self.repo.path()
    }

    /// The revisions that go.
    pub fn commits(&self) -> impl Iterator<Item = &str> {
        self.snapshots.iter().map(|s| s.commit.as_str())
    }

    /// Names first, content after: whoever is interrupted leaves content without a name, which the next run removes.
    ///
    /// # Errors
    /// The first file that cannot be removed.
    pub fn run(self) -> std::io::Result<Removed> {
        let gone: BTreeSet<&str> = self.snapshots.iter().map(|s| s.commit.as_str()).collect();
        let refs = self.repo.path().join("refs");
        for (name, commit) in self.repo.refs() {
            if gone.contains(commit.as_str()) || self.whole {
                std::fs::remove_file(refs.join(name))?;
            }
        }
        for snapshot in &self.snapshots {
            for (_, path) in entries(&snapshot.path) {
                // A link of ours, or a file where links cannot be; never what a link leads to, never a folder.
                let metadata = std::fs::symlink_metadata(&path)?;
                if blob_of(&path).is_some() || metadata.is_file() {
                    std::fs::remove_file(&path)?;
                }
            }
            remove_empty(&snapshot.path);
        }
        for blob in &self.blobs {
            std::fs::remove_file(blob)?;
        }
        if self.whole {
            for folder in ["snapshots", "blobs"] {
                remove_empty(&self.repo.path().join(folder));
            }
            remove_empty_tree(&refs, 4);
            remove_empty(self.repo.path());
        }
        let mut left = Vec::new();
        if self.whole {
            remaining(self.repo.path(), 4, &mut left);
        }
        Ok(Removed { left })
    }
}

/// The blobs that a snapshot's links lead to, as the system names them.
fn pointed(snapshot: &Path) -> Vec<PathBuf> {
    let files = entries(snapshot).into_iter();
    files
        .filter_map(|(_, path)| std::fs::canonicalize(path).ok())
        .collect()
}

fn canonical(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn is_file(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|m| m.is_file())
}

/// A folder that is not empty, or a link, stays.
fn remove_empty(folder: &Path) {
    let _ = std::fs::remove_dir(folder);
}

fn remove_empty_tree(folder: &Path, depth: usize) {
    for (_, path) in entries(folder) {
        if depth > 0 && std::fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir()) {
            remove_empty_tree(&path, depth - 1);
        }
    }
    remove_empty(folder);
}

fn remaining(folder: &Path, depth: usize, out: &mut Vec<PathBuf>) {
    for (_, path) in entries(folder) {
        match std::fs::symlink_metadata(&path) {
            Ok(m) if m.is_dir() && depth > 0 => remaining(&path, depth - 1, out),
            Ok(_) | Err(_) => out.push(path),
        }
    }
}
