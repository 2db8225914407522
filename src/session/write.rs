//! Appending to a record.

use super::folder::{self, io_error};
use super::read::head;
use super::{Head, Record, SessionError, SessionId, Unread, VERSION, outputs_of};
use std::fs::{File, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where records lie, and what a new one says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelf {
    pub state_dir: PathBuf,
    pub workspace: PathBuf,
    pub model: String,
    pub branch: Option<String>,
}

/// The one writer of a session file. A new file comes with its first record, so that a conversation in
/// which nothing was said leaves none. While it is open the file is locked against other writers.
#[derive(Debug)]
pub struct Writer {
    shelf: Arc<Shelf>,
    head: Head,
    path: PathBuf,
    file: Option<File>,
    /// The last line may be incomplete (a torn write): the next one begins with a newline.
    torn: bool,
}

impl Shelf {
    fn path_of(&self, id: &SessionId) -> PathBuf {
        self.state_dir.join("sessions").join(format!("{id}.jsonl"))
    }

    /// A new record. `now` names it.
    pub fn create(self: &Arc<Self>, now: SystemTime) -> Result<Writer, SessionError> {
        folder::prepare(&self.state_dir)?;
        let id = SessionId::new(now, rand::random());
        Ok(Writer {
            path: self.path_of(&id),
            head: Head {
                descant_session: VERSION,
                id,
                created: now
                    .duration_since(UNIX_EPOCH)
                    .map_or(0, |since| since.as_secs()),
                workspace: self.workspace.clone(),
                model: self.model.clone(),
                branch: self.branch.clone(),
                parent: None,
            },
            shelf: Arc::clone(self),
            file: None,
            torn: false,
        })
    }

    /// A record to be continued, and what it holds. One that another process writes is [`SessionError::InUse`].
    pub fn resume(self: &Arc<Self>, path: &Path) -> Result<(Writer, Unread), SessionError> {
        let head = head(path)?;
        let mut file = folder::open_file(path)?;
        lock(&file, &head.id, path)?;
        // Under the lock: what is read is what will be continued.
        let unread = Unread::read(path)?;
        let torn = !ends_with_newline(&mut file).map_err(|error| io_error("read", path, error))?;
        let writer = Writer {
            shelf: Arc::clone(self),
            head,
            path: path.to_owned(),
            file: Some(file),
            torn,
        };
        Ok((writer, unread))
    }

    /// A new record that begins with all of another, and names it as its parent.
    pub fn fork(self: &Arc<Self>, parent: &Path, now: SystemTime) -> Result<Writer, SessionError> {
        let mut writer = self.create(now)?;
        writer.head.parent = Some(head(parent)?.id);
        let from = File::open(parent).map_err(|error| io_error("read", parent, error))?;
        let mut from = BufReader::new(from);
        from.skip_until(b'\n')
            .map_err(|error| io_error("read", parent, error))?;
        let path = writer.path.clone();
        let file = writer.file()?;
        std::io::copy(&mut from, file)
            .and_then(|_| file.sync_all())
            .map_err(|error| io_error("write", &path, error))?;
        writer.torn = !ends_with_newline(&mut from.into_inner())
            .map_err(|error| io_error("read", parent, error))?;
        let (old, new) = (outputs_of(parent), outputs_of(&writer.path));
        folder::copy_files(&old, &new).map_err(|error| io_error("copy", &old, error))?;
        Ok(writer)
    }
}

impl Writer {
    /// A new record in `STATE_DIR/sessions`. `now` names it; `model` and `workspace` are for the list.
    pub fn create(
        state_dir: &Path,
        workspace: &Path,
        model: &str,
        now: SystemTime,
    ) -> Result<Writer, SessionError> {
        Arc::new(Shelf {
            state_dir: state_dir.to_owned(),
            workspace: workspace.to_owned(),
            model: model.to_owned(),
            branch: None,
        })
        .create(now)
    }

    pub fn shelf(&self) -> &Arc<Shelf> {
        &self.shelf
    }

    pub fn id(&self) -> &SessionId {
        &self.head.id
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a file: something was said.
    pub fn has_begun(&self) -> bool {
        self.file.is_some()
    }

    /// One line, on disk when this returns. After an error the record is still valid: what was written of
    /// the line is closed off by the next append.
    pub fn append(&mut self, record: &Record) -> Result<(), SessionError> {
        self.stream(record)?;
        self.sync()
    }

    fn sync(&self) -> Result<(), SessionError> {
        self.file
            .as_ref()
            .map_or(Ok(()), File::sync_data)
            .map_err(|error| io_error("write", &self.path, error))
    }

    /// One line in the system's hands: a killed process does not lose it, a power cut may. [`Writer::syncer`]
    /// is for the rest.
    pub fn stream(&mut self, record: &Record) -> Result<(), SessionError> {
        self.file()?;
        self.write_line(record)
    }

    /// Brings what was streamed to the disk, on any thread; `None` before the first record.
    pub fn syncer(&self) -> Option<File> {
        self.file.as_ref().and_then(|file| file.try_clone().ok())
    }

    /// The file, made with the first record.
    fn file(&mut self) -> Result<&mut File, SessionError> {
        if self.file.is_none() {
            let file = folder::create_file(&self.path)?;
            lock(&file, &self.head.id, &self.path)?;
            self.file = Some(file);
            let head = self.head.clone();
            self.write_line(&head)?;
            // The name must survive a crash as well as the bytes do.
            let sessions = self.path.parent().unwrap_or(&self.path);
            File::open(sessions)
                .and_then(|folder| folder.sync_all())
                .map_err(|error| io_error("write in", sessions, error))?;
        }
        match &mut self.file {
            Some(file) => Ok(file),
            None => Err(io_error(
                "open",
                &self.path,
                std::io::ErrorKind::NotFound.into(),
            )),
        }
    }

    fn write_line(&mut self, line: &impl serde::Serialize) -> Result<(), SessionError> {
        let mut bytes = Vec::new();
        if self.torn {
            bytes.push(b'\n');
        }
        serde_json::to_writer(&mut bytes, line)
            .map_err(|error| io_error("write", &self.path, error.into()))?;
        bytes.push(b'\n');
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        self.torn = true;
        // One write call: two processes that append at once cannot mix inside a line.
        file.write_all(&bytes)
            .map_err(|error| io_error("write", &self.path, error))?;
        self.torn = false;
        Ok(())
    }
}

/// A file system that knows no locks does without.
fn lock(file: &File, id: &SessionId, path: &Path) -> Result<(), SessionError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(SessionError::InUse(id.clone())),
        Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
            Ok(())
        }
        Err(TryLockError::Error(error)) => Err(io_error("lock", path, error)),
    }
}

fn ends_with_newline(file: &mut File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == [b'\n'])
}

#[cfg(test)]
impl Writer {
    /// As after the disk became read-only: every append fails.
    pub(crate) fn read_only(path: &Path) -> Writer {
        let file = File::open(path).unwrap_or_else(|error| unreachable!("{error}"));
        let mut writer = Writer::on(file);
        writer.path = path.to_owned();
        writer
    }

    pub(super) fn on(file: File) -> Writer {
        let temp = std::env::temp_dir().join("descant-test-state");
        let mut writer = Writer::create(&temp, &temp, "demo", UNIX_EPOCH)
            .unwrap_or_else(|error| unreachable!("{error}"));
        writer.file = Some(file);
        writer
    }
}
