//! Every model on this machine: where it lies, what it takes, whether it is whole and whether it is in use.

use crate::agent::ModelChoice;
use crate::app::Setup;
use crate::engine::checkpoint::{Checkpoint, CheckpointError};
use crate::engine::models::{
    ModelPlaces, ModelSource, SHORT_NAMES, checkpoints_in, is_in_use, resolve,
};
use crate::hub::cache::{self, RepoFolder};
use std::path::{Path, PathBuf};

/// Whose folder a model lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    Descant,
    HuggingFace,
    LmStudio,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Whole,
    /// Somebody downloads it now.
    Downloading,
    /// Some of it is there.
    Unfinished,
    /// It is not a checkpoint that Descant can load, or a damaged one.
    Unusable(String),
}

/// A model on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As `-m` takes it.
    pub name: String,
    /// The checkpoint folder, or the folder of what was begun.
    pub folder: PathBuf,
    pub keeper: Keeper,
    /// Bytes on disk.
    pub size: u64,
    pub state: State,
    /// A running Descant has it loaded.
    pub in_use: bool,
}

/// What lies in the places where models are looked for. It reads folders and the headers of shards.
pub fn entries(places: &ModelPlaces) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    for (name, folder) in checkpoints_in(&places.models_dir) {
        found.push(folder_entry(name, folder, Keeper::Descant));
    }
    for repo in places
        .hub_cache
        .iter()
        .flat_map(|cache| cache::repos(cache))
    {
        found.extend(repo_entry(&repo));
    }
    for place in &places.lm_studio {
        for (name, folder) in checkpoints_in(place) {
            // One that another place has too is found there first.
            if !found.iter().any(|entry| entry.name == name) {
                found.push(folder_entry(name, folder, Keeper::LmStudio));
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn folder_entry(name: String, folder: PathBuf, keeper: Keeper) -> Entry {
    let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let sizes = files.filter_map(|entry| entry.metadata().ok());
    Entry {
        name: short(&name),
        size: sizes.filter(|m| m.is_file()).map(|m| m.len()).sum(),
        state: state(&folder),
        in_use: is_in_use(&folder),
        folder,
        keeper,
    }
}

/// One for each revision; the one that `main` stands for has the plain name.
fn repo_entry(repo: &RepoFolder) -> Vec<Entry> {
    let mut snapshots = repo.snapshots();
    snapshots.retain(|s| s.path.join("config.json").is_file());
    let downloading = repo.is_locked();
    let unfinished = || Entry {
        name: short(repo.id()),
        folder: repo.path().to_owned(),
        keeper: Keeper::HuggingFace,
        size: repo.size(),
        state: if downloading {
            State::Downloading
        } else {
            State::Unfinished
        },
        in_use: false,
    };
    let alone = snapshots.len() == 1;
    let mut found: Vec<Entry> = snapshots
        .into_iter()
        .map(|snapshot| {
            let main = alone || snapshot.refs.iter().any(|name| name == "main");
            let revision = snapshot.refs.first().cloned();
            let revision = revision.unwrap_or_else(|| snapshot.commit.chars().take(12).collect());
            let plain = short(repo.id());
            Entry {
                name: if main {
                    plain
                } else {
                    format!("{plain}@{revision}")
                },
                size: if alone {
                    repo.size()
                } else {
                    linked_size(&snapshot.path)
                },
                state: state(&snapshot.path),
                in_use: is_in_use(&snapshot.path),
                folder: snapshot.path,
                keeper: Keeper::HuggingFace,
            }
        })
        .collect();
    if found.is_empty() && (downloading || !repo.unfinished().is_empty()) {
        found.push(unfinished());
    }
    found
}

fn linked_size(snapshot: &Path) -> u64 {
    let files = std::fs::read_dir(snapshot).into_iter().flatten().flatten();
    let sizes = files.filter_map(|entry| std::fs::metadata(entry.path()).ok());
    sizes.filter(|m| m.is_file()).map(|m| m.len()).sum()
}

fn state(folder: &Path) -> State {
    match Checkpoint::open(folder) {
        Ok(_) => State::Whole,
        Err(CheckpointError::MissingShard { .. }) => State::Unfinished,
        Err(error) => State::Unusable(error.to_string()),
    }
}

fn short(id: &str) -> String {
    let known = SHORT_NAMES.iter().find(|(_, known)| *known == id);
    known.map_or(id, |(name, _)| name).to_owned()
}

/// Something was downloaded already, whole or in part.
pub fn any(places: &ModelPlaces) -> bool {
    !entries(places).is_empty()
}

/// The models to choose from, the built-in one first.
pub fn choices(setup: &Setup) -> Vec<ModelChoice> {
    let demo = ModelChoice {
        name: "demo".to_owned(),
        place: "built in: small requests on small files, to try Descant with".to_owned(),
    };
    let whole = entries(&setup.places)
        .into_iter()
        .filter(|entry| entry.state == State::Whole);
    let usable = whole.filter(|entry| {
        matches!(resolve(&entry.name, &setup.places), Ok(ModelSource::Folder(folder)) if folder == entry.folder)
    });
    let installed = usable.map(|entry| ModelChoice {
        name: entry.name,
        place: format!(
            "{}, {}",
            crate::hub::bytes(entry.size),
            entry.folder.display()
        ),
    });
    std::iter::once(demo).chain(installed).collect()
}
