//! Appending to a record.

use super::folder::{self, io_error};
use super::{Head, Record, SessionError, SessionId, VERSION};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The one writer of a session file.
#[derive(Debug)]
pub struct Writer {
    id: SessionId,
    path: PathBuf,
    file: File,
    /// The last line may be incomplete (a torn write): the next one begins with a newline.
    torn: bool,
}

impl Writer {
    /// A new record in `STATE_DIR/sessions`. `now` names it; `model` and `workspace` are for the list.
    pub fn create(
        state_dir: &Path,
        workspace: &Path,
        model: &str,
        now: SystemTime,
    ) -> Result<Writer, SessionError> {
        let sessions = folder::prepare(state_dir)?;
        let id = SessionId::new(now, rand::random());
        let path = sessions.join(format!("{id}.jsonl"));
        let file = folder::create_file(&path)?;
        let head = Head {
            descant_session: VERSION,
            id: id.clone(),
            created: now
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            workspace: workspace.to_owned(),
            model: model.to_owned(),
        };
        let mut writer = Writer {
            id,
            path,
            file,
            torn: false,
        };
        writer.write_line(&head)?;
        // The name must survive a crash as well as the bytes do.
        File::open(&sessions)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| io_error("write in", &sessions, error))?;
        Ok(writer)
    }

    /// Continues a record that [`super::load`] can read.
    pub fn resume(path: &Path) -> Result<Writer, SessionError> {
        let head = super::read::head(path)?;
        let mut file = folder::open_file(path)?;
        let torn = !ends_with_newline(&mut file).map_err(|error| io_error("read", path, error))?;
        Ok(Writer {
            id: head.id,
            path: path.to_owned(),
            file,
            torn,
        })
    }

    pub fn id(&self) -> &SessionId {
        &self.id
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// One line, on disk when this returns. After an error the record is still valid: what was written of
    /// the line is closed off by the next append.
    pub fn append(&mut self, record: &Record) -> Result<(), SessionError> {
        self.write_line(record)
    }

    fn write_line(&mut self, line: &impl serde::Serialize) -> Result<(), SessionError> {
        let mut bytes = Vec::new();
        if self.torn {
            bytes.push(b'\n');
        }
        serde_json::to_writer(&mut bytes, line)
            .map_err(|error| io_error("write", &self.path, error.into()))?;
        bytes.push(b'\n');
        self.torn = true;
        // One write call: two processes that append at once cannot mix inside a line.
        self.file
            .write_all(&bytes)
            .map_err(|error| io_error("write", &self.path, error))?;
        self.torn = false;
        self.file
            .sync_data()
            .map_err(|error| io_error("write", &self.path, error))
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
        let id = SessionId::new(UNIX_EPOCH, 0);
        Writer {
            id,
            path: path.to_owned(),
            file,
            torn: false,
        }
    }
}
