//! `journal.jsonl`: what was announced and what was done, one JSON record a line.
//!
//! Only appended to, each line synced. A line that does not parse is one that a crash cut; the next append
//! starts a line of its own.

use super::JournalError;
use super::store::private_file;
use crate::patch::Change;
use crate::workspace::WorkspacePath;
use serde::{Deserialize, Serialize};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub(super) enum Record {
    /// Files are about to be written.
    Begin(Begin),
    /// They all are.
    Commit { number: u64 },
    /// They are all back as they were.
    Abort { number: u64 },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begin {
    pub number: u64,
    pub operation: RecordedOperation,
    /// Seconds since 1970.
    pub time: u64,
    pub title: String,
    pub changes: Vec<Change>,
    pub files: Vec<FileRecord>,
    /// Folders that are created, outermost first.
    pub folders: Vec<WorkspacePath>,
    /// Names the temporary files, so that a crash's can be found.
    pub token: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RecordedOperation {
    Apply,
    Undo,
    Redo,
}

/// A path before and after; `None` where there is no file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileRecord {
    pub path: WorkspacePath,
    pub before: Option<Image>,
    pub after: Option<Image>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Image {
    /// Object id in the private repository.
    pub blob: String,
    pub mode: u32,
    /// The mode is that of a new file, subject to the umask.
    pub new: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub number: u64,
    pub time: u64,
    pub title: String,
    pub changes: Vec<Change>,
    pub files: Vec<FileRecord>,
    pub folders: Vec<WorkspacePath>,
    pub undone: bool,
}

/// The log, replayed.
#[derive(Debug, Default)]
pub(super) struct History {
    pub checkpoints: Vec<Entry>,
    /// Announced, neither committed nor aborted.
    pub in_flight: Option<Begin>,
    pub last_number: u64,
}

#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
}

impl Log {
    pub fn new(folder: &Path) -> Self {
        Self {
            path: folder.join("journal.jsonl"),
        }
    }

    fn error(&self, doing: &'static str) -> impl FnOnce(std::io::Error) -> JournalError + '_ {
        move |source| JournalError::Io {
            path: self.path.clone(),
            doing,
            source,
        }
    }

    pub fn read(&self) -> Result<History, JournalError> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(self.error("reading")(error)),
        };
        let mut history = History::default();
        for line in bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            match serde_json::from_slice(line) {
                Ok(record) => history.replay(record),
                Err(error) => {
                    tracing::warn!(path = %self.path.display(), %error, "a line of the journal was cut short")
                }
            }
        }
        Ok(history)
    }

    pub fn append(&self, record: &Record) -> Result<(), JournalError> {
        let json =
            serde_json::to_string(record).map_err(|error| self.error("writing")(error.into()))?;
        let mut file = private_file(&self.path).map_err(self.error("opening"))?;
        let end = file
            .seek(std::io::SeekFrom::End(0))
            .map_err(self.error("opening"))?;
        let mut line = String::new();
        if end > 0 {
            let mut last = [0u8];
            file.seek(std::io::SeekFrom::Start(end - 1))
                .map_err(self.error("reading"))?;
            file.read_exact(&mut last).map_err(self.error("reading"))?;
            if last != [b'\n'] {
                line.push('\n');
            }
        }
        line.push_str(&json);
        line.push('\n');
        let written = file
            .write_all(line.as_bytes())
            .and_then(|()| file.sync_all());
        if let Err(error) = written {
            // A cut line would only be passed over; without it the file is as it was.
            let _ = file.set_len(end);
            return Err(self.error("writing")(error));
        }
        Ok(())
    }
}

impl History {
    fn replay(&mut self, record: Record) {
        match record {
            Record::Begin(begin) => {
                self.last_number = self.last_number.max(begin.number);
                self.in_flight = Some(begin);
            }
            Record::Abort { number } => {
                self.in_flight.take_if(|begin| begin.number == number);
            }
            Record::Commit { number } => {
                let Some(begin) = self.in_flight.take_if(|begin| begin.number == number) else {
                    return;
                };
                match begin.operation {
                    RecordedOperation::Apply => {
                        self.checkpoints.retain(|entry| !entry.undone);
                        self.checkpoints.push(Entry {
                            number: begin.number,
                            time: begin.time,
                            title: begin.title,
                            changes: begin.changes,
                            files: begin.files,
                            folders: begin.folders,
                            undone: false,
                        });
                    }
                    RecordedOperation::Undo => self.mark(number, true),
                    RecordedOperation::Redo => self.mark(number, false),
                }
            }
        }
    }

    fn mark(&mut self, number: u64, undone: bool) {
        if let Some(entry) = self
            .checkpoints
            .iter_mut()
            .find(|entry| entry.number == number)
        {
            entry.undone = undone;
        }
    }
}
