//! `descant models`: what is on this machine, getting more of it, checking it, and taking it away.

pub(super) mod catalog;
mod list;
pub(super) mod pull;
mod remove;
mod verify;

use super::{Setup, UsageError};
use crate::cli::ModelsCommand;
use crate::cli::exit::Exit;
use crate::engine::models::hub_id;
use crate::hub::{HubError, HubSettings, RepoRef, Token};
use anyhow::bail;
use std::path::{Path, PathBuf};

/// # Errors
/// What the command cannot do, in words for the user.
pub(super) async fn run(setup: &Setup, command: ModelsCommand) -> anyhow::Result<Exit> {
    match command {
        ModelsCommand::List => list::list(setup).await,
        ModelsCommand::Pull { name, yes } => pull::pull(setup, &name, yes).await,
        ModelsCommand::Verify { name } => verify::verify(setup, name.as_deref()).await,
        ModelsCommand::Rm { name, yes } => remove::remove(setup, &name, yes),
    }
}

/// Which exit code a failed download has.
pub(super) fn exit_of(error: &HubError) -> Exit {
    match error {
        HubError::Cancelled => Exit::Interrupted,
        HubError::Name(_) | HubError::Endpoint(_) => Exit::Usage,
        error if error.is_unavailable() => Exit::Unavailable,
        _ => Exit::Failed,
    }
}

/// Where models come from, from the variables that Hugging Face's own tools read. `None` where there is no home folder.
pub(super) fn hub_settings(cache: Option<&Path>, home: Option<&Path>) -> Option<HubSettings> {
    let var = |name: &str| std::env::var(name).ok().filter(|v| !v.trim().is_empty());
    let hf_home = var("HF_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(home?.join(".cache/huggingface")));
    let file = var("HF_TOKEN_PATH")
        .map(PathBuf::from)
        .or_else(|| Some(hf_home?.join("token")));
    let token = var("HF_TOKEN")
        .or_else(|| var("HUGGING_FACE_HUB_TOKEN"))
        .or_else(|| std::fs::read_to_string(file?).ok())
        .and_then(|text| Token::new(&text));
    Some(HubSettings {
        endpoint: var("HF_ENDPOINT").unwrap_or_else(|| crate::hub::ENDPOINT.to_owned()),
        token,
        cache: cache?.to_owned(),
    })
}

/// `gpt-oss-20b` and the like, or a hub id with `@REVISION` perhaps.
pub(super) fn repo_of(name: &str) -> Result<RepoRef, HubError> {
    let (base, revision) = match name.split_once('@') {
        Some((base, revision)) => (base, Some(revision)),
        None => (name, None),
    };
    let id = hub_id(base);
    match revision {
        Some(revision) => RepoRef::parse(&format!("{id}@{revision}")),
        None => RepoRef::parse(id),
    }
}

/// Where downloads go, or why there are none.
pub(super) fn downloads(setup: &Setup) -> anyhow::Result<&HubSettings> {
    if setup.config.offline {
        bail!(UsageError(
            "--offline forbids downloads; run it without (or unset DESCANT_OFFLINE, HF_HUB_OFFLINE)".to_owned()
        ));
    }
    match &setup.hub {
        Some(hub) => Ok(hub),
        None => bail!("there is no home folder to download to; set HF_HUB_CACHE to a folder"),
    }
}
