//! Reading records back: everything that is whole, and a warning for what is not.

use super::folder::io_error;
use super::{Head, Record, SessionError, State, Unread, VERSION};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// A conversation as its file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub head: Head,
    pub records: Vec<Record>,
    /// One line each, for the user.
    pub warnings: Vec<String>,
}

impl Loaded {
    /// What the model is told of it.
    pub fn into_state(self) -> State {
        State::of(self.records)
    }
}

/// Reads a record whole. A line that is not valid is left out with a warning; only a file without a valid
/// first line is an error.
pub fn load(path: &Path) -> Result<Loaded, SessionError> {
    Unread::read(path)?.load()
}

pub(super) fn parse_head(path: &Path, line: &[u8]) -> Result<Head, SessionError> {
    #[derive(serde::Deserialize)]
    struct Version {
        descant_session: u32,
    }
    let not_ours = |error: serde_json::Error| SessionError::NotASession {
        path: path.to_owned(),
        reason: format!("its first line: {error}"),
    };
    let version: Version = serde_json::from_slice(line).map_err(not_ours)?;
    if version.descant_session > VERSION {
        return Err(SessionError::TooNew {
            path: path.to_owned(),
            found: version.descant_session,
        });
    }
    serde_json::from_slice(line).map_err(not_ours)
}

/// The first line alone.
pub(super) fn head(path: &Path) -> Result<Head, SessionError> {
    /// Far above any head; a file without a newline is not read whole.
    const HEAD_LIMIT: u64 = 64 * 1024;
    let file = fs::File::open(path).map_err(|error| io_error("read", path, error))?;
    let mut line = Vec::new();
    BufReader::new(file.take(HEAD_LIMIT))
        .read_until(b'\n', &mut line)
        .map_err(|error| io_error("read", path, error))?;
    parse_head(path, &line)
}

/// The sessions of a state folder, newest first. Files that are not sessions are passed over.
pub fn recent(state_dir: &Path) -> Result<Vec<(Head, PathBuf)>, SessionError> {
    let folder = state_dir.join("sessions");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error("read", &folder, error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|error| io_error("read", &folder, error))?
            .path();
        if path
            .extension()
            .is_some_and(|extension| extension == "jsonl")
            && let Ok(head) = head(&path)
        {
            found.push((head, path));
        }
    }
    found.sort_by(|(a, _), (b, _)| b.id.cmp(&a.id));
    Ok(found)
}
