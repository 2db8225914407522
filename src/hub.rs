//! Models on the hub and on disk: asking the Hugging Face hub what a model is made of, downloading that into the
//! Hugging Face cache, checking and removing what lies there.
//!
//! It knows files and their checksums and nothing of what is in them: whether a checkpoint is whole, fits or runs is
//! `engine`'s. `client` speaks HTTP, `listing` reads what the hub says, `cache` knows the layout on disk, `parts` keeps
//! what of a file is there, `fetch` gets the rest, `pull` does it all in order. The one thing to know: nothing is in its
//! final place before its checksum is right, and nothing else reads the environment: [`HubSettings`] is filled in by
//! the application.

pub mod cache;
mod client;
mod fetch;
mod listing;
mod meter;
mod parts;
pub mod pull;
pub mod remove;
mod sizes;
pub mod verify;

pub use client::{Hub, Patience};
pub use listing::{Hash, RepoFile};
pub use pull::{Pull, PullPlan, PullProgress, Stage};
pub use sizes::{bytes, duration};

use std::path::PathBuf;
use std::time::Duration;

/// Where models come from and go to, as the environment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSettings {
    /// `HF_ENDPOINT`, else the hub itself.
    pub endpoint: String,
    /// Sent to the endpoint alone.
    pub token: Option<Token>,
    /// The hub cache (`HF_HUB_CACHE`, `HF_HOME/hub`).
    pub cache: PathBuf,
}

/// Where the hub is when nothing else is said.
pub const ENDPOINT: &str = "https://huggingface.co";

/// An access token. It never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// `None` for what is empty, or cannot be a header's value.
    pub fn new(text: &str) -> Option<Token> {
        let text = text.trim();
        let fine = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        fine.then(|| Token(text.to_owned()))
    }

    fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A model on the hub: `ORG/NAME`, at a revision where one is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoRef {
    id: String,
    revision: Option<String>,
}

impl RepoRef {
    /// `ORG/NAME` or `ORG/NAME@REVISION`. Neither part can walk out of a folder.
    ///
    /// # Errors
    /// [`HubError::Name`].
    pub fn parse(text: &str) -> Result<RepoRef, HubError> {
        let (id, revision) = match text.split_once('@') {
            Some((id, revision)) => (id, Some(revision)),
            None => (text, None),
        };
        let fine = id.split('/').count() == 2
            && is_name(id)
            && id.len() <= 96
            && revision.is_none_or(|revision| is_name(revision) && revision.len() <= 200);
        if !fine {
            return Err(HubError::Name(text.to_owned()));
        }
        Ok(RepoRef {
            id: id.to_owned(),
            revision: revision.map(str::to_owned),
        })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or("main")
    }

    /// The revision where the user named one.
    pub fn named_revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }
}

impl std::fmt::Display for RepoRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.id)?;
        match &self.revision {
            Some(revision) => write!(f, "@{revision}"),
            None => Ok(()),
        }
    }
}

/// Parts between slashes, each of the hub's alphabet and none of them hidden, above or an option. Two hyphens together
/// are the cache's separator.
fn is_name(text: &str) -> bool {
    !text.contains("--")
        && text.split('/').all(|part| {
            !part.is_empty()
                && !part.starts_with(['.', '-'])
                && !part.ends_with('.')
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        })
}

/// What can go wrong. Every message names the thing and the next step, and none has a token or a signed address in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HubError {
    #[error(
        "{0} is no model's name\n  use gpt-oss-20b, gpt-oss-120b, or a hub id such as openai/gpt-oss-20b, with @REVISION if need be"
    )]
    Name(String),
    #[error(
        "the address of the hub is not usable: {0}\n  set HF_ENDPOINT to an http or https address, or unset it"
    )]
    Endpoint(String),
    #[error(
        "{host} cannot be reached: {reason}\n  check the connection, and HTTPS_PROXY, NO_PROXY and HF_ENDPOINT where they are set; what is there is kept, so run it again then"
    )]
    Unreachable { host: String, reason: String },
    #[error("{host} asks to wait {}, longer than this waits\n  run it again then; what is there is kept", bytes_free_duration(.wait))]
    Busy { host: String, wait: Duration },
    #[error("there is no {repo} on {host}{}\n  check its name{}", .detail, if *.with_token { ", and that your token may read it" } else { "; if it is private, set HF_TOKEN" })]
    NotFound {
        repo: String,
        host: String,
        /// Which part of it, where it is not the whole; begins with a separator.
        detail: String,
        with_token: bool,
    },
    #[error("{repo} is gated\n  accept its terms at {page}{}", if *.with_token { " with the account of your token; it may have to be granted first" } else { ", then set HF_TOKEN to a token of that account" })]
    Gated {
        repo: String,
        page: String,
        with_token: bool,
    },
    #[error("{host} refused {what} ({status})\n  {}", if *.with_token { "check that HF_TOKEN is valid and may read this model" } else { "set HF_TOKEN if the model is private" })]
    Refused {
        host: String,
        what: String,
        status: u16,
        with_token: bool,
    },
    #[error(
        "what {host} says of {what} cannot be read: {reason}\n  check HF_ENDPOINT; if it is right, try again later"
    )]
    Answer {
        host: String,
        what: String,
        reason: String,
    },
    #[error(
        "{0} has no safetensors files\n  Descant runs none other; GGUF files run in a server, used with --server"
    )]
    NoWeights(String),
    #[error(
        "{file} differs from what the hub says it is: its checksum is {have}, not {want}\n  what was downloaded of it is thrown away; run it again, and look at the connection or the mirror if it comes back"
    )]
    Checksum {
        file: String,
        want: String,
        have: String,
    },
    #[error("there is not enough room in {}: {} more are needed and {} are free\n  make room there, or set HF_HUB_CACHE to a folder on another disk; what is there is kept", .folder.display(), bytes(*.need), bytes(*.free))]
    DiskFull {
        folder: PathBuf,
        need: u64,
        free: u64,
    },
    #[error("{}: {reason}\n  check that the folder can be written", .path.display())]
    Io { path: PathBuf, reason: String },
    #[error(
        "{repo} is being downloaded by another process\n  wait for it: descant models list shows how far it is"
    )]
    Locked { repo: String },
    #[error("the download was stopped; what is there is kept\n  run it again to go on")]
    Cancelled,
}

fn bytes_free_duration(wait: &Duration) -> String {
    duration(*wait)
}

impl HubError {
    /// The model, or who has it, is not available: not a fault of this machine.
    pub fn is_unavailable(&self) -> bool {
        match self {
            HubError::Unreachable { .. }
            | HubError::Busy { .. }
            | HubError::NotFound { .. }
            | HubError::Gated { .. }
            | HubError::Refused { .. }
            | HubError::Answer { .. }
            | HubError::NoWeights(_) => true,
            HubError::Name(_)
            | HubError::Endpoint(_)
            | HubError::Checksum { .. }
            | HubError::DiskFull { .. }
            | HubError::Io { .. }
            | HubError::Locked { .. }
            | HubError::Cancelled => false,
        }
    }

    fn io(path: &std::path::Path, error: &std::io::Error) -> HubError {
        HubError::Io {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_walk_out_of_a_folder() {
        let good = RepoRef::parse("openai/gpt-oss-20b").unwrap();
        assert_eq!((good.id(), good.revision()), ("openai/gpt-oss-20b", "main"));
        let at = RepoRef::parse("a/b@refs/pr/1").unwrap();
        assert_eq!(
            (at.revision(), at.to_string().as_str()),
            ("refs/pr/1", "a/b@refs/pr/1")
        );
        for bad in [
            "",
            "gpt",
            "a/b/c",
            "a/..",
            "../b",
            "a/.git",
            "-a/b",
            "a/b@",
            "a/b@../x",
            "a/b@x/../y",
            "a/b@/x",
            "a b/c",
            "a/b@x y",
            "a--b/c",
            "a/b.",
            "a/b?x",
            "a/b#x",
        ] {
            let error = RepoRef::parse(bad).unwrap_err().to_string();
            assert!(error.contains("openai/gpt-oss-20b"), "{bad:?}: {error}");
        }
    }

    #[test]
    fn a_token_never_shows_itself() {
        let token = Token::new(" hf_secret\n").unwrap();
        assert_eq!(token.reveal(), "hf_secret");
        assert_eq!(format!("{token:?}"), "Token(..)");
        for bad in ["", "  ", "a\nb", "a b", "ü"] {
            assert_eq!(Token::new(bad), None, "{bad:?}");
        }
    }
}
