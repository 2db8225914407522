//! Which checkpoint a model's name means, and where it lies.
//!
//! `demo`, a folder, a name or hub id looked up in Descant's own models folder and in the Hugging Face
//! cache, `MODEL@SERVER`, or (for tests of the program) `scripted:FILE`. It only looks: nothing is downloaded, created or
//! read but directory entries and a revision's name.

use super::EngineError;
use super::server::profile::{Servers, Target};
use std::fs::{File, TryLockError};
use std::path::{Component, Path, PathBuf};

/// Where models are looked for. The application fills it in: nothing here reads the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPlaces {
    /// `$XDG_DATA_HOME/descant/models`: one folder a model, named as the model or `ORG/NAME`.
    pub models_dir: PathBuf,
    /// The Hugging Face hub cache; `None` where no home folder is known.
    pub hub_cache: Option<PathBuf>,
    /// LM Studio's folders: `ORG/NAME` each. Only checkpoints of safetensors are of use.
    pub lm_studio: Vec<PathBuf>,
    /// What a relative path and `~` start from.
    pub current_dir: PathBuf,
    pub home_dir: Option<PathBuf>,
    /// Servers that have models of their own.
    pub servers: Servers,
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

    /// Where LM Studio keeps models: below the folder that its pointer file names, else its folders of now and before.
    pub fn lm_studio_from(home: Option<&Path>) -> Vec<PathBuf> {
        let Some(home) = home else { return Vec::new() };
        let pointed = std::fs::read_to_string(home.join(".lmstudio-home-pointer")).ok();
        let pointed = pointed.map(|text| PathBuf::from(text.trim()).join("models"));
        let usual = [".lmstudio/models", ".cache/lm-studio/models"].map(|place| home.join(place));
        let mut places: Vec<PathBuf> = pointed
            .filter(|p| p.is_absolute())
            .into_iter()
            .chain(usual)
            .collect();
        places.dedup();
        places
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// The built-in demo.
    Demo,
    Folder(PathBuf),
    /// Recorded generations, for tests of the program.
    Scripted(PathBuf),
    /// `MODEL@SERVER`.
    Server(Box<Target>),
}

/// The hub ids of the names users type.
pub const SHORT_NAMES: [(&str, &str); 2] = [
    ("gpt-oss-20b", "openai/gpt-oss-20b"),
    ("gpt-oss-120b", "openai/gpt-oss-120b"),
];

/// The hub id of a name that users type; others are their own.
pub fn hub_id(name: &str) -> &str {
    let known = SHORT_NAMES.iter().find(|(short, _)| *short == name);
    known.map_or(name, |(_, id)| id)
}

/// Checkpoints in a folder of models, as `NAME` or `ORG/NAME`.
pub fn checkpoints_in(models: &Path) -> Vec<(String, PathBuf)> {
    let folders = |of: &Path| -> Vec<(String, PathBuf)> {
        let entries = std::fs::read_dir(of).into_iter().flatten().flatten();
        let named = entries.filter_map(|e| Some((e.file_name().into_string().ok()?, e.path())));
        named.filter(|(name, _)| !name.starts_with('.')).collect()
    };
    let whole = |folder: &Path| folder.join("config.json").is_file();
    let mut found = Vec::new();
    for (name, folder) in folders(models) {
        if whole(&folder) {
            found.push((name, folder));
            continue;
        }
        let below = folders(&folder)
            .into_iter()
            .filter(|(_, folder)| whole(folder));
        found.extend(below.map(|(inner, folder)| (format!("{name}/{inner}"), folder)));
    }
    found
}

/// Where a model of that name lies in Descant's own folder.
pub fn own_folder(name: &str, places: &ModelPlaces) -> Option<PathBuf> {
    let id = hub_id(name);
    let fine = is_hub_id(name) && is_hub_id(id);
    let both = [places.models_dir.join(name), places.models_dir.join(id)];
    both.into_iter()
        .find(|f| fine && f.join("config.json").is_file())
}

/// Says, for as long as it is held, that the checkpoint in `folder` is loaded. `None` where that cannot be said.
pub fn mark_in_use(folder: &Path) -> Option<File> {
    let file = File::open(folder.join("config.json")).ok()?;
    file.try_lock_shared().ok()?;
    Some(file)
}

/// A running process has it loaded.
pub fn is_in_use(folder: &Path) -> bool {
    let file = File::open(folder.join("config.json"));
    file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

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
    if let Some(target) = places.servers.target(name) {
        return Ok(ModelSource::Server(Box::new(target?)));
    }
    let (base, revision) = match name.split_once('@') {
        Some((base, revision)) => (base, Some(revision)),
        None => (name, None),
    };
    let hub_id = hub_id(base);
    if !is_hub_id(hub_id) {
        return Err(unavailable(
            name,
            "this is neither a model's name nor a folder".to_owned(),
            "use demo, gpt-oss-20b, gpt-oss-120b, a hub id such as openai/gpt-oss-20b, or the path of a checkpoint folder",
        ));
    }
    if revision.is_none()
        && let Some(folder) = own_folder(name, places)
    {
        return Ok(ModelSource::Folder(folder));
    }
    if let Some(cache) = &places.hub_cache
        && let Some(folder) = in_hub_cache(cache, hub_id, revision)
    {
        return Ok(ModelSource::Folder(folder));
    }
    if revision.is_some() {
        return Err(missing(name, hub_id, places));
    }
    let lm_studio = places.lm_studio.iter().map(|place| place.join(hub_id));
    if let Some(folder) = lm_studio
        .into_iter()
        .find(|f| f.join("config.json").is_file())
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

/// The snapshot of the named revision (a ref, or the beginning of a commit); without one that of `main`, or the only one
/// there is.
fn in_hub_cache(cache: &Path, hub_id: &str, revision: Option<&str>) -> Option<PathBuf> {
    let repository = cache.join(format!("models--{}", hub_id.replace('/', "--")));
    let snapshots = repository.join("snapshots");
    let whole = |folder: &PathBuf| folder.join("config.json").is_file();
    let reference = revision.unwrap_or("main");
    if reference.split('/').all(is_hub_id)
        && let Ok(commit) = std::fs::read_to_string(repository.join("refs").join(reference))
    {
        let commit = commit.trim();
        if commit.bytes().all(|b| b.is_ascii_alphanumeric()) && !commit.is_empty() {
            let snapshot = snapshots.join(commit);
            if whole(&snapshot) {
                return Some(snapshot);
            }
        }
    }
    let commit = |path: &PathBuf| path.file_name().map(|n| n.to_string_lossy().into_owned());
    let mut found = std::fs::read_dir(snapshots)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(whole)
        .filter(|path| match revision {
            None => true,
            Some(start) => start.len() >= 7 && commit(path).is_some_and(|c| c.starts_with(start)),
        });
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
