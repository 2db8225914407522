//! The record of a conversation on disk: append-only JSON lines in `sessions/ID.jsonl`, one a [`Record`].
//!
//! The first line says the version and where the conversation took place; every later line is an
//! [`Item`] or something the user saw. It knows neither the agent nor the model, and never rewrites a line:
//! a crash can only tear the last one, which [`load`] leaves out and says so. [`State`] is what the records
//! add up to, the same for who writes them and who reads them. The one thing to know: an event is on disk
//! (fsync) when [`Writer::append`] returns; what streams is only handed to the system before it is shown,
//! which a killed process cannot take back. The format is described in `docs/sessions.md`.

mod folder;
mod id;
mod line;
mod list;
mod read;
mod state;
mod unread;
mod write;

pub use id::{SessionId, utc_date};
pub use line::{Lines, parse_line};
pub use list::{Summary, summaries};
pub use read::{Loaded, load, recent};
pub use state::{Mark, State};
pub use unread::Unread;
pub use write::{Shelf, Writer};

/// The folder beside a record with the answers of tools that were too long to be told whole.
pub fn outputs_of(record: &Path) -> PathBuf {
    record.with_extension("outputs")
}

use crate::conversation::{CallId, Item, PromptSpec, TokenId, TurnId, Usage};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// The version this build writes; a reader refuses a newer one. 1 had items, turns and `cleared` only.
pub const VERSION: u32 = 2;

/// The first line of a session file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// [`VERSION`] of the writer.
    pub descant_session: u32,
    pub id: SessionId,
    /// Seconds since the Unix epoch.
    pub created: u64,
    /// The root the conversation is about, as shown to the user.
    pub workspace: PathBuf,
    /// The engine's model as the user named it.
    pub model: String,
    /// The git branch it began on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The session this one is a fork of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SessionId>,
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum TurnEnd {
    Answered,
    NoAnswer,
    Failed { error: String },
    Interrupted,
}

/// How a tool call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallEnd {
    Completed,
    Failed,
    Declined,
}

/// Every line after the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// One entry of the history.
    Item(Entry),
    /// More ids of the running generation. It is an item with the `last` of them, or when it is followed by
    /// anything that is not part of it.
    Tokens {
        tokens: Vec<TokenId>,
        #[serde(default, skip_serializing_if = "is_false")]
        last: bool,
    },
    /// Live output of a running call; its result says the whole.
    Output { call: CallId, text: String },
    TurnStarted {
        turn: TurnId,
        /// What the user asked; absent in version 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prompt: Option<String>,
    },
    TurnEnded {
        turn: TurnId,
        usage: Usage,
        end: TurnEnd,
        /// How long it took.
        #[serde(default)]
        seconds: f64,
    },
    /// How a call ended; what the model was told is the item that follows.
    CallEnded {
        call: CallId,
        end: CallEnd,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
        seconds: f64,
    },
    /// What was decided about a patch. `plan` and `decisions` are in the words of the one who asked.
    Reviewed {
        call: CallId,
        /// The journal's number of what was written.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checkpoint: Option<u64>,
        declined: usize,
        plan: serde_json::Value,
        decisions: serde_json::Value,
    },
    /// A line to the user.
    Said {
        text: String,
        #[serde(default, skip_serializing_if = "is_false")]
        problem: bool,
    },
    /// The fixed prompt from here on.
    Prompt { spec: Box<PromptSpec> },
    /// The user went back to before this turn: it and all after it no longer belong to the conversation.
    Rewound {
        turn: TurnId,
        /// The journal's numbers of the patches that were taken back with it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        undone: Vec<u64>,
    },
    /// The history so far was replaced by these.
    Compacted {
        items: Vec<Item>,
        tokens_before: usize,
        tokens_after: usize,
    },
    /// The user began anew: what stands before no longer belongs to the conversation. Version 1 only; now
    /// a new conversation has a record of its own.
    Cleared,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// [`Item`] under a key of its own, so that its tag and the record's cannot meet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub entry: Item,
}

impl From<Item> for Record {
    fn from(entry: Item) -> Record {
        Record::Item(Entry { entry })
    }
}

/// Why a record cannot be written or read. Each names the path and the next step.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("cannot {doing} {}: {source}\n  {hint}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
        hint: &'static str,
    },
    #[error("{} is a symbolic link; conversations are not written through it\n  replace it by a folder of your own, or set DESCANT_HOME", .0.display())]
    Symlink(PathBuf),
    #[error("{} belongs to another user; conversations are not written there\n  set DESCANT_HOME to a folder of your own", .0.display())]
    ForeignOwner(PathBuf),
    #[error("{} is not a folder\n  remove it, or set DESCANT_HOME to another place", .0.display())]
    NotAFolder(PathBuf),
    #[error("{}: not a session of Descant: {reason}\n  descant sessions list shows those that are", path.display())]
    NotASession { path: PathBuf, reason: String },
    #[error("{} was written by a newer Descant (format {found}, this one reads up to {VERSION})\n  use the newer version to open it", path.display())]
    TooNew { path: PathBuf, found: u32 },
    #[error("the conversation {0} is open in another Descant\n  close it there first")]
    InUse(SessionId),
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
