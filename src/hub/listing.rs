//! What a model is made of: its commit, and the files that running it needs, with their sizes and checksums.

use super::client::Hub;
use super::{HubError, RepoRef};
use serde::Deserialize;

/// Pages of a listing that are read; each has up to a thousand entries.
const PAGES: usize = 20;

/// The names beside weights that running a checkpoint needs.
const NEEDED: [&str; 7] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "vocab.json",
];

/// What a file's content must hash to, which is also its name in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hash {
    /// Hex, of the content: large files.
    Sha256(String),
    /// Hex, of git's blob: the others.
    GitBlob(String),
}

impl Hash {
    pub fn hex(&self) -> &str {
        match self {
            Hash::Sha256(hex) | Hash::GitBlob(hex) => hex,
        }
    }

    /// By its length, as it names a file of the cache.
    pub fn of_name(name: &str) -> Option<Hash> {
        let hex = name
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match name.len() {
            64 if hex => Some(Hash::Sha256(name.to_owned())),
            40 if hex => Some(Hash::GitBlob(name.to_owned())),
            _ => None,
        }
    }
}

/// A file of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoFile {
    /// Without a folder: copies in other formats lie in folders and are not wanted.
    pub name: String,
    pub size: u64,
    pub hash: Hash,
}

#[derive(Deserialize)]
struct Revision {
    sha: String,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    size: u64,
    oid: String,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    oid: String,
    size: u64,
}

impl Hub {
    /// The commit that the revision stands for now.
    pub(super) async fn commit(&self, repo: &RepoRef) -> Result<String, HubError> {
        let (org, name) = repo.id().split_once('/').unwrap_or((repo.id(), ""));
        let url = self.url(&["api", "models", org, name, "revision", repo.revision()]);
        let (body, _) = self.api(repo, url).await?;
        let unreadable = |reason: String| HubError::Answer {
            host: self.host(),
            what: repo.id().to_owned(),
            reason,
        };
        let revision: Revision =
            serde_json::from_slice(&body).map_err(|e| unreadable(e.to_string()))?;
        match Hash::of_name(&revision.sha) {
            Some(Hash::GitBlob(commit)) => Ok(commit),
            Some(Hash::Sha256(_)) | None => Err(unreadable("its commit is not one".to_owned())),
        }
    }

    /// The files that running it needs, weights first.
    pub(super) async fn files(
        &self,
        repo: &RepoRef,
        commit: &str,
    ) -> Result<Vec<RepoFile>, HubError> {
        let (org, name) = repo.id().split_once('/').unwrap_or((repo.id(), ""));
        let mut page = Some(self.url(&["api", "models", org, name, "tree", commit]));
        let mut entries: Vec<Entry> = Vec::new();
        for _ in 0..PAGES {
            let Some(url) = page else { break };
            let (body, next) = self.api(repo, url).await?;
            let more: Vec<Entry> = serde_json::from_slice(&body).map_err(|e| HubError::Answer {
                host: self.host(),
                what: format!("the files of {}", repo.id()),
                reason: e.to_string(),
            })?;
            entries.extend(more);
            page = next;
        }
        let mut files = Vec::new();
        for entry in needed(entries) {
            let (size, hash) = match entry.lfs {
                Some(lfs) => (lfs.size, Hash::of_name(&lfs.oid)),
                None => (entry.size, Hash::of_name(&entry.oid)),
            };
            let Some(hash) = hash else {
                return Err(HubError::Answer {
                    host: self.host(),
                    what: entry.path,
                    reason: "it has no checksum".to_owned(),
                });
            };
            files.push(RepoFile {
                name: entry.path,
                size,
                hash,
            });
        }
        if !files.iter().any(|file| file.name.ends_with(".safetensors")) {
            return Err(HubError::NoWeights(repo.id().to_owned()));
        }
        // What is there says that a model is whole: the configuration comes last.
        files.sort_by(|a, b| (rank(&a.name), &a.name).cmp(&(rank(&b.name), &b.name)));
        Ok(files)
    }
}

fn rank(name: &str) -> u8 {
    match name {
        "config.json" => 2,
        name if name.ends_with(".safetensors") => 0,
        _ => 1,
    }
}

/// Weights in the root, and what goes with them. Where some are named as the index names them, the others are the same
/// weights once more.
fn needed(entries: Vec<Entry>) -> Vec<Entry> {
    let weights = |entry: &Entry| entry.path.ends_with(".safetensors");
    let named = |entry: &Entry| entry.path.starts_with("model");
    let usual = entries.iter().any(|e| weights(e) && named(e));
    let is_name = |name: &str| !name.contains(['/', '\\']) && !name.starts_with('.');
    entries
        .into_iter()
        .filter(|entry| entry.kind == "file" && is_name(&entry.path))
        .filter(|entry| {
            NEEDED.contains(&entry.path.as_str())
                || entry.path.ends_with(".safetensors.index.json")
                || weights(entry) && (named(entry) || !usual)
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn entry(path: &str) -> Entry {
        Entry {
            kind: "file".to_owned(),
            path: path.to_owned(),
            size: 1,
            oid: "0".repeat(40),
            lfs: None,
        }
    }

    #[test]
    fn only_what_running_it_needs() {
        // The listing of openai/gpt-oss-20b.
        let all = [
            ".gitattributes",
            "LICENSE",
            "README.md",
            "USAGE_POLICY",
            "chat_template.jinja",
            "config.json",
            "generation_config.json",
            "metal/model.bin",
            "model-00000-of-00002.safetensors",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "original/model.safetensors",
            "special_tokens_map.json",
            "tokenizer.json",
            "tokenizer_config.json",
        ];
        let kept: Vec<String> = needed(all.map(entry).into())
            .into_iter()
            .map(|e| e.path)
            .collect();
        assert_eq!(kept.len(), 10);
        assert!(
            !kept
                .iter()
                .any(|path| path.contains('/') || path == "LICENSE"),
            "{kept:?}"
        );
        let twice = ["consolidated.safetensors", "model.safetensors"]
            .map(entry)
            .into();
        assert_eq!(needed(twice).len(), 1);
        let other = ["weights.safetensors", "../model.safetensors"]
            .map(entry)
            .into();
        assert_eq!(needed(other)[0].path, "weights.safetensors");
    }

    #[test]
    fn a_name_of_the_cache_says_which_hash_it_is() {
        assert!(matches!(
            Hash::of_name(&"a".repeat(64)),
            Some(Hash::Sha256(_))
        ));
        assert!(matches!(
            Hash::of_name(&"0".repeat(40)),
            Some(Hash::GitBlob(_))
        ));
        for bad in ["", "abc", &"A".repeat(64), &"g".repeat(40), &"/".repeat(40)] {
            assert_eq!(Hash::of_name(bad), None);
        }
    }
}
