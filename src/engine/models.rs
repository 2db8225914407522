//! Which checkpoint a model's name means, and where it lies.
//!
//! `demo`, a folder, a name or hub id looked up in Descant's own models folder and in the Hugging Face
//! cache, or (for tests of the program) `scripted:FILE`. It only looks: nothing is downloaded, created or
//! read but directory entries and a revision's name.

use super::EngineError;
use std::path::{Component, Path, PathBuf};

/// Where models are looked for. The application fills it in: nothing here reads the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPlaces {
    /// `$XDG_DATA_HOME/descant/models`: one folder a model, named as the model or `ORG/NAME`.
    pub models_dir: PathBuf,
    /// The Hugging Face hub cache; `None` where no home folder is known.
    pub hub_cache: Option<PathBuf>,
    /// What a relative path and `~` start from.
    pub current_dir: PathBuf,
    pub home_dir: Option<PathBuf>,
}

impl ModelPlaces {
    /// The hub cache as Hugging Face's tools find it: `HF_HUB_CACHE`, else `HF_HOME/hub`, else
    /// `~/.cache/huggingface/hub`. Arguments are the variables' values and the home folder.
    pub fn hub_cache_from(
        hf_hub_cache: Option<PathBuf>,
        hf_home: Option<PathBuf>,
        home: Option<&Path>,
    ) -> Option<PathBuf> {
        let set = |path: Option<PathBuf>| path.filter(|p| !p.as_os_str().is_empty());
        set(hf_hub_cache)
            .or_else(|| set(hf_home).map(|h| h.join("hub")))
            .or_else(|| home.map(|h| h.join(".cache/huggingface/hub")))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// The built-in demo.
    Demo,
    Folder(PathBuf),
    /// Recorded generations, for tests of the program.
    Scripted(PathBuf),
}

/// The hub ids of the names users type.
pub const SHORT_NAMES: [(&str, &str); 2] = [
    ("gpt-oss-20b", "openai/gpt-oss-20b"),
    ("gpt-oss-120b", "openai/gpt-oss-120b"),
];

pub fn resolve(name: &str, places: &ModelPlaces) -> Result<ModelSource, EngineError> {
    if name == "demo" {
        return Ok(ModelSource::Demo);
    }
    if let Some(file) = name.strip_prefix("scripted:") {
        return Ok(ModelSource::Scripted(places.current_dir.join(file)));
    }
    if let Some(path) = as_path(name, places) {
        return existing_folder(name, path);
    }
    let hub_id = SHORT_NAMES
        .iter()
        .find(|(short, _)| *short == name)
        .map_or(name, |(_, id)| id);
    if !is_hub_id(hub_id) {
        return Err(unavailable(
            name,
            "this is neither a model's name nor a folder".to_owned(),
            "use demo, gpt-oss-20b, gpt-oss-120b, a hub id such as openai/gpt-oss-20b, or the path of a checkpoint folder",
        ));
    }
    let own = [places.models_dir.join(name), places.models_dir.join(hub_id)];
    if let Some(folder) = own.into_iter().find(|f| f.join("config.json").is_file()) {
        return Ok(ModelSource::Folder(folder));
    }
    if let Some(cache) = &places.hub_cache
        && let Some(folder) = in_hub_cache(cache, hub_id)
    {
        return Ok(ModelSource::Folder(folder));
    }
    // A folder of that name in the current folder, when nothing installed has it.
    let here = places.current_dir.join(name);
    if here.join("config.json").is_file() {
        return Ok(ModelSource::Folder(here));
    }
    Err(missing(name, hub_id, places))
}

/// What is clearly meant as a path: absolute, or starting with `.` or `~`.
fn as_path(name: &str, places: &ModelPlaces) -> Option<PathBuf> {
    let path = Path::new(name);
    match path.components().next()? {
        Component::Normal(first) if first == "~" => {
            Some(places.home_dir.as_ref()?.join(path.strip_prefix("~").ok()?))
        }
        Component::Normal(_) => None,
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => {
            Some(places.current_dir.join(path))
        }
    }
}

fn existing_folder(name: &str, path: PathBuf) -> Result<ModelSource, EngineError> {
    let hint = "a checkpoint folder holds config.json, tokenizer.json and model*.safetensors";
    if !path.is_dir() {
        return Err(unavailable(
            name,
            format!("{} is not a folder", path.display()),
            hint,
        ));
    }
    if !path.join("config.json").is_file() {
        return Err(unavailable(
            name,
            format!("there is no config.json in {}", path.display()),
            hint,
        ));
    }
    Ok(ModelSource::Folder(path))
}

/// `NAME` or `ORG/NAME` of the hub's alphabet, so that a name cannot walk out of a models folder.
fn is_hub_id(id: &str) -> bool {
    let parts: Vec<&str> = id.split('/').collect();
    (1..=2).contains(&parts.len())
        && parts.iter().all(|part| {
            !part.is_empty()
                && !part.starts_with(['.', '-'])
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        })
}

/// The snapshot of the main revision, or the only one there is.
fn in_hub_cache(cache: &Path, hub_id: &str) -> Option<PathBuf> {
    let repository = cache.join(format!("models--{}", hub_id.replace('/', "--")));
    let snapshots = repository.join("snapshots");
    if let Ok(revision) = std::fs::read_to_string(repository.join("refs/main")) {
        let revision = revision.trim();
        if revision.bytes().all(|b| b.is_ascii_alphanumeric()) && !revision.is_empty() {
            let snapshot = snapshots.join(revision);
            if snapshot.join("config.json").is_file() {
                return Some(snapshot);
            }
        }
    }
    let mut found = std::fs::read_dir(snapshots)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|folder| folder.join("config.json").is_file());
    let only = found.next()?;
    found.next().is_none().then_some(only)
}

fn missing(name: &str, hub_id: &str, places: &ModelPlaces) -> EngineError {
    let folder = places.models_dir.join(hub_id);
    let looked = match &places.hub_cache {
        Some(cache) => format!("{} and {}", places.models_dir.display(), cache.display()),
        None => places.models_dir.display().to_string(),
    };
    EngineError::Unavailable {
        model: name.to_owned(),
        reason: format!("not found in {looked}"),
        hint: format!(
            "download it: descant models pull {name}; or put its files in {}; or use the built-in demo model (-m demo)",
            folder.display()
        ),
    }
}

fn unavailable(model: &str, reason: String, hint: &str) -> EngineError {
    EngineError::Unavailable {
        model: model.to_owned(),
        reason,
        hint: hint.to_owned(),
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
