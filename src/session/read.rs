//! Reading records back: everything that is whole, and a warning for what is not.

use super::folder::io_error;
use super::{Entry, Head, Record, SessionError, VERSION};
use crate::conversation::Item;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// A conversation as its record has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub head: Head,
    /// The history since the user last began anew.
    pub items: Vec<Item>,
    /// The highest turn that began.
    pub turns: u64,
    /// One line each, for the user.
    pub warnings: Vec<String>,
}

/// Reads a record whole. A line that is not valid is left out with a warning; only a file without a valid
/// first line is an error.
pub fn load(path: &Path) -> Result<Loaded, SessionError> {
    let bytes = fs::read(path).map_err(|error| io_error("read", path, error))?;
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let head = parse_head(path, lines.next().unwrap_or_default())?;
    let mut loaded = Loaded {
        head,
        items: Vec::new(),
        turns: 0,
        warnings: Vec::new(),
    };
    for (index, line) in lines.enumerate() {
        if line.is_empty() {
            continue;
        }
        let (records, whole) = parse_line(line);
        for record in records {
            loaded.take(record);
        }
        if !whole {
            loaded.warnings.push(format!(
                "{}: line {} is damaged and was left out",
                path.display(),
                index + 2
            ));
        }
    }
    Ok(loaded)
}

impl Loaded {
    fn take(&mut self, record: Record) {
        match record {
            Record::Item(Entry { entry }) => self.items.push(entry),
            Record::TurnStarted { turn } => self.turns = self.turns.max(turn.0),
            Record::TurnEnded { .. } => {}
            Record::Cleared => self.items.clear(),
        }
    }
}

/// The records of one line: one, or several where two writers' lines were fused. NUL bytes (a block that
/// a crash left unwritten) are skipped. `false`: something of the line could not be read.
fn parse_line(line: &[u8]) -> (Vec<Record>, bool) {
    let trimmed = skip_nul(line);
    let mut whole = trimmed.len() == line.len();
    let mut stream = serde_json::Deserializer::from_slice(trimmed).into_iter::<Record>();
    let mut records = Vec::new();
    loop {
        match stream.next() {
            Some(Ok(record)) => records.push(record),
            Some(Err(_)) => {
                whole = false;
                break;
            }
            None => break,
        }
    }
    (records, whole)
}

fn skip_nul(line: &[u8]) -> &[u8] {
    let begin = line
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(line.len());
    &line[begin..]
}

fn parse_head(path: &Path, line: &[u8]) -> Result<Head, SessionError> {
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
