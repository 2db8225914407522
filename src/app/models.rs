//! `descant models`: what is on this machine, and fetching a checkpoint by name.

use super::{Setup, UsageError};
use crate::agent::ModelChoice;
use crate::cli::exit::Exit;
use crate::cli::output::{stderr_line, stdout_text};
use crate::engine::models::{ModelPlaces, ModelSource, SHORT_NAMES, resolve};
use crate::text;
use anyhow::{Context, bail};
use hf_hub::api::tokio::ApiBuilder;
use std::path::{Path, PathBuf};

/// `models list`: a line a model, `NAME<TAB>WHERE`.
///
/// # Errors
/// When stdout fails.
pub fn list(places: &ModelPlaces) -> anyhow::Result<Exit> {
    let mut out = String::new();
    for model in found(places) {
        let (name, place) = (text::label(&model.name), text::label(&model.place));
        out.push_str(&format!("{name}\t{place}\n"));
    }
    stdout_text(&out)?;
    if !cfg!(any(feature = "cuda", feature = "metal")) {
        stderr_line(
            "This build has no acceleration; GPT-OSS needs one with --features cuda or --features metal.",
        );
    }
    Ok(Exit::Done)
}

/// The models on this machine, the built-in one first.
pub fn found(places: &ModelPlaces) -> Vec<ModelChoice> {
    let demo = ModelChoice {
        name: "demo".to_owned(),
        place: "built in: small requests on small files, to try Descant with".to_owned(),
    };
    let installed = installed(places)
        .into_iter()
        .filter_map(|name| match resolve(&name, places) {
            Ok(ModelSource::Folder(folder)) => Some(ModelChoice {
                name,
                place: folder.display().to_string(),
            }),
            Ok(ModelSource::Demo | ModelSource::Scripted(_)) | Err(_) => None,
        });
    std::iter::once(demo).chain(installed).collect()
}

/// `models pull`: the files a checkpoint needs, into the Hugging Face cache, where other tools find them too.
/// What is there already is not fetched again.
///
/// # Errors
/// Offline, an unknown name, and whatever the hub or the disk refuses.
pub async fn pull(name: &str, setup: &Setup) -> anyhow::Result<Exit> {
    if setup.config.offline {
        bail!(UsageError(format!(
            "--offline forbids the download of {name}; run it without"
        )));
    }
    let id = SHORT_NAMES
        .iter()
        .find(|(short, _)| *short == name)
        .map_or(name, |(_, id)| id)
        .to_owned();
    if !id.contains('/') {
        bail!(
            "there is no model {name}; use gpt-oss-20b, gpt-oss-120b, or a hub id such as openai/gpt-oss-20b"
        );
    }
    let mut builder = ApiBuilder::from_env().with_progress(true);
    // Where Descant looks for it afterwards; hf-hub itself knows HF_HOME but not HF_HUB_CACHE.
    if let Some(cache) = &setup.places.hub_cache {
        builder = builder.with_cache_dir(cache.clone());
    }
    let api = builder.build().context("cannot prepare the download")?;
    let repo = api.model(id.clone());
    let info = repo.info().await.with_context(|| {
        format!("cannot ask the hub for {id}; check the name and the connection, then run it again")
    })?;
    let wanted: Vec<String> = info
        .siblings
        .into_iter()
        .map(|s| s.rfilename)
        .filter(|f| needed(f))
        .collect();
    if !wanted.iter().any(|f| f.ends_with(".safetensors")) {
        bail!("{id} has no safetensors files; Descant runs none other");
    }
    for (number, file) in wanted.iter().enumerate() {
        stderr_line(&text::label(&format!(
            "{id}: {file} ({} of {})",
            number + 1,
            wanted.len()
        )));
        repo.get(file).await.with_context(|| {
            format!("the download of {file} broke off; run the command again, it goes on with the files that are missing")
        })?;
    }
    let ready = text::label(&format!("{id} is ready: descant -m {name}"));
    stdout_text(&format!("{ready}\n"))?;
    Ok(Exit::Done)
}

/// Files of the checkpoint itself: weights and JSON at the top. Copies in other formats lie in folders.
fn needed(file: &str) -> bool {
    !file.contains('/') && (file.ends_with(".safetensors") || file.ends_with(".json"))
}

/// Checkpoints in Descant's own folder, as `NAME` or `ORG/NAME`.
fn own(models: &Path) -> Vec<String> {
    let folders = |of: &Path| -> Vec<(String, PathBuf)> {
        let entries = std::fs::read_dir(of).into_iter().flatten().flatten();
        entries
            .map(|entry| {
                (
                    entry.file_name().to_string_lossy().into_owned(),
                    entry.path(),
                )
            })
            .collect()
    };
    let whole = |folder: &Path| folder.join("config.json").is_file();
    let mut names = Vec::new();
    for (name, folder) in folders(models) {
        if whole(&folder) {
            names.push(name);
            continue;
        }
        let below = folders(&folder).into_iter();
        names.extend(
            below
                .filter(|(_, folder)| whole(folder))
                .map(|(inner, _)| format!("{name}/{inner}")),
        );
    }
    names
}

/// Names that may be installed: ours, every repository of the hub cache, and what lies in our own folder.
fn installed(places: &ModelPlaces) -> Vec<String> {
    let mut names: Vec<String> = SHORT_NAMES
        .iter()
        .map(|(short, _)| (*short).to_owned())
        .collect();
    let cached = places
        .hub_cache
        .iter()
        .filter_map(|cache| std::fs::read_dir(cache).ok())
        .flatten();
    for entry in cached.flatten() {
        let folder = entry.file_name().to_string_lossy().into_owned();
        let Some(id) = folder
            .strip_prefix("models--")
            .map(|rest| rest.replacen("--", "/", 1))
        else {
            continue;
        };
        if !SHORT_NAMES.iter().any(|(_, known)| *known == id) {
            names.push(id);
        }
    }
    names.extend(own(&places.models_dir));
    names.sort_unstable();
    names.dedup();
    names
}
