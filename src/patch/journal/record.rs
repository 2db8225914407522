//! `journal.jsonl`: what was announced and what was done, one JSON record a line.
//!
//! Each line is synced. A line that does not parse is one that a crash cut; the next append starts a line of
//! its own. When most lines say what later ones took back, the whole is written anew beside it and renamed.

use super::JournalError;
use super::store::{private_file, sync_folder, sync_new};
use crate::patch::Change;
use crate::workspace::WorkspacePath;
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::hash::BuildHasher as _;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A log with fewer lines is not worth writing anew.
const FEW_LINES: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub(super) enum Record {
    /// Files are about to be written.
    Begin(Begin),
    /// They all are.
    Commit { number: u64 },
    /// They are all back as they were.
    Abort { number: u64 },
    /// These checkpoints cannot be undone any more: they were beyond the limits.
    Dropped { numbers: Vec<u64> },
    /// A checkpoint as all the lines before left it, when the log was written anew.
    Checkpoint(Entry),
    /// The same of the highest number ever used.
    LastNumber { number: u64 },
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
    /// Names the temporary files, so that a crash's can be found, and the pack, where there is one.
    pub token: String,
    /// Of an undo or redo: files that had changed were merged, so `files` are not the checkpoint's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub merged: bool,
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
    /// SHA-256 of the bytes; without `at` the object id in the repository of earlier versions.
    pub blob: String,
    pub mode: u32,
    /// The mode is that of a new file, subject to the umask.
    pub new: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Place>,
}

/// Where an image lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub pack: String,
    pub offset: u64,
    pub len: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub number: u64,
    pub time: u64,
    pub title: String,
    pub changes: Vec<Change>,
    /// What an undo takes back: the patch, or the redo that was merged.
    pub files: Vec<FileRecord>,
    /// What a redo takes back where it is not the opposite of `files`: the undo that was merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_undo: Option<Vec<FileRecord>>,
    pub folders: Vec<WorkspacePath>,
    pub undone: bool,
}

impl Entry {
    pub fn images(&self) -> impl Iterator<Item = &Image> {
        let files = self.files.iter().chain(self.merged_undo.iter().flatten());
        files.flat_map(|file| [&file.before, &file.after]).flatten()
    }

    /// Names of the packs its images lie in.
    pub fn packs(&self) -> std::collections::BTreeSet<&str> {
        let places = self.images().filter_map(|image| image.at.as_ref());
        places.map(|place| place.pack.as_str()).collect()
    }
}

impl Record {
    /// The same as by its `Deserialize`, which first keeps the whole line in a form that knows no types, to find the
    /// tag; for the long lines that is most of the time.
    fn parse(line: &[u8]) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Tag<'a> {
            #[serde(borrow)]
            record: Cow<'a, str>,
        }
        match serde_json::from_slice::<Tag<'_>>(line)?.record.as_ref() {
            "begin" => serde_json::from_slice(line).map(Self::Begin),
            "checkpoint" => serde_json::from_slice(line).map(Self::Checkpoint),
            _ => serde_json::from_slice(line),
        }
    }
}

fn hash(bytes: &[u8]) -> u64 {
    FxBuildHasher.hash_one(bytes)
}

/// The log, replayed.
#[derive(Debug, Default, Clone)]
pub(super) struct History {
    /// Shared, because the whole history is handed out with every read.
    pub checkpoints: Vec<Arc<Entry>>,
    /// Announced, neither committed nor aborted.
    pub in_flight: Option<Begin>,
    pub last_number: u64,
    pub lines: usize,
}

#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    /// The log's name is new in its folder and not known to be durable.
    renamed: Cell<bool>,
    seen: RefCell<Seen>,
}

/// What was read of the log already: another read takes only what was appended since.
#[derive(Debug, Default)]
struct Seen {
    history: History,
    /// Bytes, to the end of a line.
    len: usize,
    /// Of these bytes: a log that was written anew begins or goes on with others.
    hash: u64,
}

impl Log {
    pub fn new(folder: &Path) -> Self {
        Self {
            path: folder.join("journal.jsonl"),
            renamed: Cell::new(false),
            seen: RefCell::default(),
        }
    }

    /// Bytes on disk.
    pub fn size(&self) -> u64 {
        self.path.metadata().map_or(0, |found| found.len())
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
        let mut seen = self.seen.borrow_mut();
        if seen.len > 0 && bytes.get(..seen.len).map(hash) != Some(seen.hash) {
            *seen = Seen::default();
        }
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let fresh = bytes.get(seen.len..whole).unwrap_or_default();
        if !fresh.is_empty() {
            self.replay(&mut seen.history, fresh);
            seen.len = whole;
            seen.hash = hash(bytes.get(..whole).unwrap_or_default());
        }
        // A line that a crash cut, or that another process is just writing.
        let mut history = seen.history.clone();
        self.replay(&mut history, bytes.get(seen.len..).unwrap_or_default());
        Ok(history)
    }

    fn replay(&self, history: &mut History, lines: &[u8]) {
        for line in lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            history.lines += 1;
            match Record::parse(line) {
                Ok(record) => history.replay(record),
                Err(error) => {
                    tracing::warn!(path = %self.path.display(), %error, "a line of the journal was cut short")
                }
            }
        }
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
            .and_then(|()| file.sync_all())
            .and_then(|()| self.sync_name(end == 0));
        if let Err(error) = written {
            // A cut line would only be passed over; without it the file is as it was.
            let _ = file.set_len(end);
            return Err(self.error("writing")(error));
        }
        Ok(())
    }

    /// A line in a file whose name a power cut takes away announces nothing.
    fn sync_name(&self, new: bool) -> std::io::Result<()> {
        if (new || self.renamed.get())
            && let Some(folder) = self.path.parent()
        {
            self.renamed.set(true);
            match new {
                true => sync_new(folder)?,
                false => sync_folder(folder)?,
            }
            self.renamed.set(false);
        }
        Ok(())
    }

    /// Writes the log anew from what it says, when most of its lines say nothing any more. Nothing may be in
    /// flight.
    pub fn compact(&self, history: &History) -> Result<(), JournalError> {
        if history.lines <= FEW_LINES + 4 * history.checkpoints.len() {
            return Ok(());
        }
        let number = history.last_number;
        let mut records = vec![Record::LastNumber { number }];
        let entries = history.checkpoints.iter();
        records.extend(entries.map(|entry| Record::Checkpoint(Entry::clone(entry))));
        let mut text = Vec::new();
        for record in &records {
            serde_json::to_writer(&mut text, record)
                .map_err(|error| self.error("writing")(error.into()))?;
            text.push(b'\n');
        }
        let temporary = self.path.with_extension("tmp");
        let written = private_file(&temporary)
            .and_then(|mut file| {
                file.set_len(0)?;
                file.write_all(&text)?;
                file.sync_all()
            })
            .and_then(|()| {
                self.renamed.set(true);
                std::fs::rename(&temporary, &self.path)
            })
            .and_then(|()| self.sync_name(false));
        written.map_err(self.error("writing"))
    }
}

impl History {
    pub(super) fn replay(&mut self, record: Record) {
        match record {
            Record::Begin(begin) => {
                self.last_number = self.last_number.max(begin.number);
                self.in_flight = Some(begin);
            }
            Record::Abort { number } => {
                self.in_flight.take_if(|begin| begin.number == number);
            }
            Record::Commit { number } => {
                if let Some(begin) = self.in_flight.take_if(|begin| begin.number == number) {
                    self.commit(begin);
                }
            }
            Record::Dropped { numbers } => {
                self.checkpoints
                    .retain(|entry| !numbers.contains(&entry.number));
            }
            Record::Checkpoint(entry) => {
                self.last_number = self.last_number.max(entry.number);
                self.checkpoints.push(Arc::new(entry));
            }
            Record::LastNumber { number } => self.last_number = self.last_number.max(number),
        }
    }

    fn commit(&mut self, begin: Begin) {
        if begin.operation == RecordedOperation::Apply {
            self.checkpoints.retain(|entry| !entry.undone);
            self.checkpoints.push(Arc::new(Entry {
                number: begin.number,
                time: begin.time,
                title: begin.title,
                changes: begin.changes,
                files: begin.files,
                merged_undo: None,
                folders: begin.folders,
                undone: false,
            }));
            return;
        }
        let mut entries = self.checkpoints.iter_mut();
        let Some(entry) = entries.find(|entry| entry.number == begin.number) else {
            return;
        };
        let entry = Arc::make_mut(entry);
        entry.undone = begin.operation == RecordedOperation::Undo;
        entry.merged_undo = None;
        match (entry.undone, begin.merged) {
            (true, true) => entry.merged_undo = Some(begin.files),
            (false, true) => entry.files = begin.files,
            (_, false) => {}
        }
    }
}
