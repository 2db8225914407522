//! Checksums: of what was downloaded, and of what lies in the cache.

use super::cache::{RepoFolder, blob_of, entries};
use super::listing::Hash;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use tokio_util::sync::CancellationToken;

const BUFFER: usize = 1 << 20;

/// What a file of a model was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Good,
    /// Its checksum is another one.
    Bad {
        want: String,
        have: String,
    },
    /// It cannot be read to its end.
    Unreadable(String),
    /// Nothing says what it should be.
    Unknown,
}

/// A file that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub name: String,
    pub size: u64,
    pub verdict: Verdict,
}

/// The hash of a file's content, of the kind that `like` is, in hex. `seen` is told of bytes as they are read.
///
/// # Errors
/// What reading fails with, and [`std::io::ErrorKind::Interrupted`] when it was cancelled.
pub(super) fn hash(
    path: &Path,
    like: &Hash,
    cancel: &CancellationToken,
    mut seen: impl FnMut(u64),
) -> std::io::Result<String> {
    match like {
        Hash::GitBlob(_) => {
            // Small, as git's files are on the hub.
            let oid = git2::Oid::hash_file(git2::ObjectType::Blob, path)
                .map_err(std::io::Error::other)?;
            seen(std::fs::metadata(path)?.len());
            Ok(oid.to_string())
        }
        Hash::Sha256(_) => {
            let mut file = File::open(path)?;
            let mut hasher = Sha256::new();
            let mut buffer = vec![0; BUFFER];
            loop {
                if cancel.is_cancelled() {
                    return Err(std::io::ErrorKind::Interrupted.into());
                }
                match file.read(&mut buffer)? {
                    0 => return Ok(hex::encode(hasher.finalize())),
                    count => {
                        hasher.update(&buffer[..count]);
                        seen(count as u64);
                    }
                }
            }
        }
    }
}

/// Hashes every file of a folder again. In the hub cache the names of blobs say what they must be; elsewhere nothing
/// does. `told` gets the file that is read, and the bytes so far.
///
/// # Errors
/// [`std::io::ErrorKind::Interrupted`] when it was cancelled.
pub fn folder(
    folder: &Path,
    cancel: &CancellationToken,
    mut told: impl FnMut(&str, u64),
) -> std::io::Result<Vec<Checked>> {
    let mut names = entries(folder);
    names.sort();
    let mut checked = Vec::new();
    let mut before = 0;
    for (name, path) in names {
        let is_file = std::fs::metadata(&path).map(|m| (m.is_file(), m.len()));
        let (size, verdict) = match (is_file, blob_of(&path)) {
            (Ok((false, _)), _) => continue,
            (Err(error), _) => (0, Verdict::Unreadable(error.to_string())),
            (Ok((true, size)), None) => (size, Verdict::Unknown),
            (Ok((true, size)), Some((_, want))) => {
                let mut so_far = 0;
                let hashed = hash(&path, &want, cancel, |count| {
                    so_far += count;
                    told(&name, before + so_far);
                });
                let verdict = match hashed {
                    Ok(have) if have == want.hex() => Verdict::Good,
                    Ok(have) => Verdict::Bad {
                        want: want.hex().to_owned(),
                        have,
                    },
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
                        return Err(error);
                    }
                    Err(error) => Verdict::Unreadable(error.to_string()),
                };
                (size, verdict)
            }
        };
        before += size;
        checked.push(Checked {
            name,
            size,
            verdict,
        });
    }
    Ok(checked)
}

/// Marks the blobs that are not what they should be, so that the next download replaces them; nothing is removed.
///
/// # Errors
/// When a mark cannot be written.
pub fn mark(repo: &RepoFolder, snapshot: &Path, checked: &[Checked]) -> std::io::Result<()> {
    for file in checked {
        let Some((_, hash)) = blob_of(&snapshot.join(&file.name)) else {
            continue;
        };
        let mark = repo.bad_mark(hash.hex());
        match file.verdict {
            Verdict::Bad { .. } => drop(File::create(mark)?),
            Verdict::Good if mark.exists() => std::fs::remove_file(mark)?,
            Verdict::Good | Verdict::Unreadable(_) | Verdict::Unknown => {}
        }
    }
    Ok(())
}
