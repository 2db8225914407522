//! The record of a conversation on disk: append-only JSON lines in `sessions/ID.jsonl`, one a [`Record`].
//!
//! The first line says the version and where the conversation took place; every later line is an
//! [`Item`] or a mark of the turn it belongs to. It knows neither the agent nor the model, and never
//! rewrites a line: a crash can only tear the last one, which [`load`] leaves out and says so. The one
//! thing to know: a line is on disk (fsync) when [`Writer::append`] returns, and the files are readable by
//! their owner alone, whatever the umask.

mod folder;
mod id;
mod read;
mod write;

pub use id::{SessionId, utc_date};
pub use read::{Loaded, load, recent};
pub use write::Writer;

use crate::conversation::{Item, TurnId, Usage};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// The version this build writes; a reader refuses a newer one.
pub const VERSION: u32 = 1;

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

/// Every line after the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// One entry of the history.
    Item(Entry),
    TurnStarted {
        turn: TurnId,
    },
    TurnEnded {
        turn: TurnId,
        usage: Usage,
        end: TurnEnd,
    },
    /// The user began anew: what stands before no longer belongs to the conversation.
    Cleared,
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
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
