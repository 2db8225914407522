//! `models verify`: every byte against its checksum, where one is known.

use super::catalog::{Entry, Keeper, State, entries};
use crate::app::Setup;
use crate::cli::exit::Exit;
use crate::cli::output::{stderr_line, stderr_text, stdout_text};
use crate::cli::signals::Signals;
use crate::engine::checkpoint::Checkpoint;
use crate::engine::models::{ModelSource, resolve};
use crate::hub::verify::{Checked, Verdict, folder, mark};
use crate::hub::{bytes, cache};
use crate::text;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// The model of that name, or every one that is whole.
///
/// # Errors
/// A name that stands for nothing; when a folder cannot be read.
pub(super) async fn verify(setup: &Setup, name: Option<&str>) -> anyhow::Result<Exit> {
    let all = entries(&setup.places);
    let wanted: Vec<(String, PathBuf)> = match name {
        Some(name) => match resolve(name, &setup.places)? {
            ModelSource::Folder(folder) => vec![(name.to_owned(), folder)],
            ModelSource::Demo => {
                bail!("the demo model is part of the program; there is nothing to verify")
            }
            ModelSource::Scripted(_) => bail!("{name} is no checkpoint"),
            ModelSource::Server(_) => {
                bail!("{name} is at a server: what lies there is its own to verify")
            }
        },
        None => {
            let whole = |entry: &&Entry| !matches!(entry.state, State::Downloading);
            let named = |entry: &Entry| (entry.name.clone(), entry.folder.clone());
            all.iter().filter(whole).map(named).collect()
        }
    };
    let mut signals = Signals::listen()?;
    let mut exit = Exit::Done;
    for (name, folder) in wanted {
        let cancel = CancellationToken::new();
        let checking = check(setup, folder.clone(), cancel.clone());
        let checked = tokio::select! {
            checked = checking => checked.with_context(|| format!("cannot read {}", folder.display()))?,
            () = signals.next() => {
                cancel.cancel();
                stderr_line("");
                return Ok(Exit::Interrupted);
            }
        };
        if !told(setup, &name, &folder, &checked, &all)? {
            exit = Exit::Failed;
        }
    }
    Ok(exit)
}

async fn check(
    setup: &Setup,
    path: PathBuf,
    cancel: CancellationToken,
) -> anyhow::Result<Vec<Checked>> {
    let shows = setup.streams.stderr_terminal && !setup.streams.dumb;
    let checked = tokio::task::spawn_blocking(move || {
        let mut shown = 0;
        let checked = folder(&path, &cancel, |name, done| {
            if shows && done - shown >= 64 << 20 {
                shown = done;
                stderr_text(&format!("\r\x1b[K{}: {}", text::label(name), bytes(done)));
            }
        });
        if shows {
            stderr_text("\r\x1b[K");
        }
        checked
    });
    Ok(checked.await??)
}

/// Says what was found; false when something is wrong.
fn told(
    setup: &Setup,
    name: &str,
    folder: &Path,
    checked: &[Checked],
    all: &[Entry],
) -> anyhow::Result<bool> {
    let mut bad = Vec::new();
    let mut out = String::new();
    for file in checked {
        let what = match &file.verdict {
            Verdict::Good => "ok".to_owned(),
            Verdict::Unknown => "no checksum known".to_owned(),
            Verdict::Bad { want, have } => format!("BAD: its checksum is {have}, not {want}"),
            Verdict::Unreadable(why) => format!("BAD: {why}"),
        };
        if matches!(file.verdict, Verdict::Bad { .. } | Verdict::Unreadable(_)) {
            bad.push(file.name.as_str());
        }
        out.push_str(&text::label(&format!("{name}/{}: {what}", file.name)));
        out.push('\n');
    }
    stdout_text(&out)?;
    // Sizes, headers and the index say more than nothing where no checksum is known.
    let whole = Checkpoint::open(folder);
    let keeper = all
        .iter()
        .find(|entry| entry.folder == folder)
        .map(|entry| entry.keeper);
    let ours = keeper == Some(Keeper::HuggingFace);
    if let Some(repo) = setup
        .places
        .hub_cache
        .as_deref()
        .filter(|_| ours)
        .and_then(|cache| {
            cache::repos(cache)
                .into_iter()
                .find(|repo| folder.starts_with(repo.path()))
        })
    {
        mark(&repo, folder, checked).context("cannot mark the bad files")?;
    }
    match (bad.as_slice(), whole) {
        ([], Ok(_)) => {
            stderr_line(&text::label(&format!(
                "{name}: {} files are in order",
                checked.len()
            )));
            Ok(true)
        }
        (bad, whole) => {
            let what = match (bad, whole) {
                ([], Err(error)) => error.to_string(),
                (bad, _) => format!(
                    "{} damaged: {}",
                    if bad.len() == 1 {
                        "a file is"
                    } else {
                        "files are"
                    },
                    bad.join(", ")
                ),
            };
            let next = if ours {
                format!("descant models pull {name} downloads that again, and only that")
            } else {
                format!("put good files in {}, or remove it", folder.display())
            };
            stderr_line(&text::visible(&format!("{name}: {what}\n  {next}")));
            Ok(false)
        }
    }
}
