//! `models rm`: a model out of the hub cache, or out of Descant's own folder; never out of anybody else's.

use super::repo_of;
use crate::app::{Setup, UsageError};
use crate::cli::confirm;
use crate::cli::exit::Exit;
use crate::cli::output::{stderr_line, stdout_text};
use crate::engine::models::{is_in_use, own_folder};
use crate::hub::bytes;
use crate::hub::cache::RepoFolder;
use crate::hub::remove::Removal;
use crate::text;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};

/// # Errors
/// A model that is not there, is in use, is downloaded, or is somebody else's; no terminal to ask on.
pub(super) fn remove(setup: &Setup, name: &str, yes: bool) -> anyhow::Result<Exit> {
    if name == "demo" {
        bail!("the demo model is part of the program and cannot be removed");
    }
    if let Some(folder) = own_folder(name, &setup.places) {
        return own(setup, name, &folder, yes);
    }
    let repo = repo_of(name)?;
    let cache = setup
        .places
        .hub_cache
        .as_deref()
        .context("there is no home folder; set HF_HUB_CACHE")?;
    let folder = RepoFolder::new(cache, &repo);
    let Some(removal) = Removal::plan(&folder, repo.named_revision()) else {
        bail!(
            "{name} is not in {} and not in {}\n  descant models list shows what there is; files elsewhere are yours to remove",
            cache.display(),
            setup.places.models_dir.display()
        );
    };
    if folder.is_locked() {
        bail!("{name} is being downloaded\n  stop that first");
    }
    let used = folder
        .snapshots()
        .into_iter()
        .any(|s| removal.commits().any(|c| c == s.commit) && is_in_use(&s.path));
    refuse_used(name, used)?;
    let revisions = removal.commits().count();
    let mut what = format!(
        "Remove {repo}, {}, from {}",
        bytes(removal.bytes),
        cache.display()
    );
    if revisions > 1 {
        what.push_str(&format!(", all {revisions} revisions"));
    }
    if removal.shared > 0 {
        what.push_str(&format!(" ({} files that others use stay)", removal.shared));
    }
    if !agreed(setup, &what, yes)? {
        return Ok(Exit::Failed);
    }
    let free = removal.bytes;
    let removed = removal
        .run()
        .with_context(|| format!("{name} is not wholly removed; run it again"))?;
    stdout_text(&format!(
        "{} is removed, {} are free again\n",
        text::label(name),
        bytes(free)
    ))?;
    for left in removed.left {
        stderr_line(&text::label(&format!(
            "left, because it is not the model's: {}",
            left.display()
        )));
    }
    Ok(Exit::Done)
}

/// A folder below `models/` of ours: the files of the checkpoint, and the folder when nothing else is in it.
fn own(setup: &Setup, name: &str, folder: &Path, yes: bool) -> anyhow::Result<Exit> {
    refuse_used(name, is_in_use(folder))?;
    let files = own_files(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let size = files.iter().map(|(_, size)| size).sum();
    let what = format!(
        "Remove {name}, {} files, {}, from {}",
        files.len(),
        bytes(size),
        folder.display()
    );
    if !agreed(setup, &what, yes)? {
        return Ok(Exit::Failed);
    }
    for (path, _) in &files {
        std::fs::remove_file(path)
            .with_context(|| format!("{} cannot be removed", path.display()))?;
    }
    stdout_text(&format!(
        "{} is removed, {} are free again\n",
        text::label(name),
        bytes(size)
    ))?;
    if std::fs::remove_dir(folder).is_err() {
        stderr_line(&text::label(&format!(
            "left, because it is not empty: {}",
            folder.display()
        )));
    }
    Ok(Exit::Done)
}

/// Weights and what goes with them. A link goes, what it leads to stays.
fn own_files(folder: &Path) -> std::io::Result<Vec<(PathBuf, u64)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let metadata = std::fs::symlink_metadata(&path)?;
        let known = path.extension().is_some_and(|e| {
            ["safetensors", "json", "jinja"]
                .iter()
                .any(|known| e == *known)
        });
        if known && !metadata.is_dir() {
            files.push((
                path,
                if metadata.is_file() {
                    metadata.len()
                } else {
                    0
                },
            ));
        }
    }
    Ok(files)
}

fn refuse_used(name: &str, used: bool) -> anyhow::Result<()> {
    if used {
        bail!(
            "{name} is loaded by a running Descant\n  leave that first, or choose another model there with /model"
        );
    }
    Ok(())
}

fn agreed(setup: &Setup, what: &str, yes: bool) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    if !setup.streams.stdin_terminal {
        bail!(UsageError(format!(
            "{what}? There is no terminal to ask on; --yes says so"
        )));
    }
    let agreed = confirm::on_terminal(&text::label(&format!("{what}?")))?;
    if !agreed {
        stderr_line("nothing was removed");
    }
    Ok(agreed)
}
