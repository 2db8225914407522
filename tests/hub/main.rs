//! Downloads against a stand-in for the hub that goes wrong in every way a network, a server and a disk do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod faults;
mod program;
mod stand_in;
mod whole;

use descant::hub::{HubError, HubSettings, Patience, Pull, PullPlan, RepoRef, Token};
use stand_in::{REPO, StandIn, noise};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Weights of five chunks and a bit, and what goes with them.
const WEIGHTS: usize = 5 * (4 << 20) + 12_345;

fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (".gitattributes", b"*.safetensors filter=lfs".to_vec()),
        ("README.md", b"# Tiny".to_vec()),
        ("config.json", br#"{"model_type":"llama"}"#.to_vec()),
        // The same bytes under another name, as in the index.
        ("generation_config.json", b"{}".to_vec()),
        ("model-00001-of-00002.safetensors", noise(WEIGHTS, 1)),
        ("model-00002-of-00002.safetensors", noise(70_000, 2)),
        ("model.safetensors.index.json", b"{}".to_vec()),
        ("original/model.safetensors", noise(1000, 3)),
        ("tokenizer.json", noise(9_000, 4)),
    ]
}

/// A cache of its own, and a hub.
struct Rig {
    hub: StandIn,
    dir: TempDir,
}

impl Rig {
    fn new() -> Rig {
        Rig {
            hub: StandIn::start(&files()),
            dir: TempDir::new().unwrap(),
        }
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("hub")
    }

    fn settings(&self) -> HubSettings {
        HubSettings {
            endpoint: self.hub.endpoint(),
            token: Token::new("hf_secret"),
            cache: self.cache(),
        }
    }

    fn pull(&self) -> Pull {
        Pull::with(
            &self.settings(),
            RepoRef::parse(REPO).unwrap(),
            patience(),
            4,
        )
        .unwrap()
    }

    async fn run(&self) -> Result<PathBuf, HubError> {
        let pull = self.pull();
        let plan = pull.plan().await?;
        run(&pull, &plan).await
    }

    fn repo(&self) -> PathBuf {
        self.cache().join("models--someone--tiny")
    }

    /// Every file of the snapshot is there, byte for byte, and nothing unfinished beside it.
    fn check(&self, folder: &Path) {
        for (name, bytes) in files() {
            let wanted = !name.contains('/') && name != "README.md" && name != ".gitattributes";
            let path = folder.join(name);
            assert_eq!(path.exists(), wanted, "{name}");
            if wanted {
                assert!(
                    std::fs::read(&path).unwrap() == bytes,
                    "{name} has other bytes"
                );
            }
        }
        let left: Vec<String> = names(&self.repo().join("blobs"))
            .into_iter()
            .filter(|n| n.contains("descant"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Fast to try again, slow to give a busy machine up.
fn patience() -> Patience {
    Patience {
        tries: 4,
        base: Duration::from_millis(5),
        most: Duration::from_millis(20),
        stall: Duration::from_secs(60),
        asked: Duration::from_secs(2),
    }
}

async fn run(pull: &Pull, plan: &PullPlan) -> Result<PathBuf, HubError> {
    pull.run(plan, |_| {}, &CancellationToken::new()).await
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|e| e.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
