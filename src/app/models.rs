//! `descant models`: what is on this machine, and fetching a checkpoint by name.

use super::{Setup, UsageError};
use crate::cli::exit::Exit;
use crate::cli::output::{stderr_line, stdout_text};
use crate::engine::models::{ModelPlaces, ModelSource, SHORT_NAMES, resolve};
use anyhow::{Context, bail};
use hf_hub::api::tokio::ApiBuilder;

/// `models list`: a line a model, `NAME<TAB>WHERE`.
///
/// # Errors
/// When stdout fails.
pub fn list(places: &ModelPlaces) -> anyhow::Result<Exit> {
    let mut out =
        String::from("demo\tbuilt in: small requests on small files, to try Descant with\n");
    for name in installed(places) {
        if let Ok(ModelSource::Folder(folder)) = resolve(&name, places) {
            out.push_str(&format!("{name}\t{}\n", folder.display()));
        }
    }
    stdout_text(&crate::text::visible(&out))?;
    if !cfg!(any(feature = "cuda", feature = "metal")) {
        stderr_line(
            "This build has no acceleration; GPT-OSS needs one with --features cuda or --features metal.",
        );
    }
    Ok(Exit::Done)
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
        stderr_line(&format!(
            "{id}: {file} ({} of {})",
            number + 1,
            wanted.len()
        ));
        repo.get(file).await.with_context(|| {
            format!("the download of {file} broke off; run the command again, it goes on with the files that are missing")
        })?;
    }
    stdout_text(&format!("{id} is ready: descant -m {name}\n"))?;
    Ok(Exit::Done)
}

/// Files of the checkpoint itself: weights and JSON at the top. Copies in other formats lie in folders.
fn needed(file: &str) -> bool {
    !file.contains('/') && (file.ends_with(".safetensors") || file.ends_with(".json"))
}

/// Names that may be installed: ours, and every repository of the hub cache.
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
    names.sort_unstable();
    names
}
