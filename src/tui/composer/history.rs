//! The file of messages sent before: one JSON object a line with the text and the folder it was about, oldest first,
//! readable by its owner only. Lines of earlier versions are a string alone.
//!
//! Reading forgives (a damaged line is passed over), writing appends a whole line at once, so that two
//! sessions may share the file.

use crate::tui::composer::HISTORY_LIMIT;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// Longer messages are not worth finding again with Up.
const ENTRY_LIMIT: usize = 16 * 1024;

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// The history as it is for one folder.
#[derive(Debug, Clone)]
pub struct History {
    pub path: PathBuf,
    /// Whose messages come first.
    pub folder: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    text: String,
    folder: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Entry(Entry),
    Text(String),
}

impl History {
    fn folder(&self) -> String {
        self.folder.to_string_lossy().into_owned()
    }

    /// The latest messages, the last one to be offered first: those of other folders, then those of this one. None when
    /// there is no file yet. A file that grew far past what is read is cut down to that.
    pub fn load(&self) -> io::Result<Vec<String>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut lines = 0;
        let mut entries = Vec::new();
        for line in BufReader::new(file).split(b'\n') {
            lines += 1;
            match serde_json::from_slice(&line?) {
                Ok(Line::Entry(entry)) => entries.push(entry),
                Ok(Line::Text(text)) => entries.push(Entry {
                    text,
                    folder: String::new(),
                }),
                Err(_) => {}
            }
        }
        if lines > 4 * HISTORY_LIMIT {
            entries.drain(..entries.len().saturating_sub(2 * HISTORY_LIMIT));
            self.rewrite(&entries)?;
        }
        let here = self.folder();
        let (mut own, mut others): (Vec<Entry>, Vec<Entry>) =
            entries.into_iter().partition(|entry| entry.folder == here);
        own.drain(..own.len().saturating_sub(HISTORY_LIMIT));
        let room = HISTORY_LIMIT - own.len();
        others.drain(..others.len().saturating_sub(room));
        Ok(others
            .into_iter()
            .chain(own)
            .map(|entry| entry.text)
            .collect())
    }

    fn rewrite(&self, entries: &[Entry]) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        // A temporary file is 0600 from the start.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        for entry in entries {
            file.write_all(&line(entry)?)?;
        }
        file.persist(&self.path).map_err(|e| e.error)?;
        Ok(())
    }

    pub fn append(&self, text: String) -> io::Result<()> {
        if text.len() > ENTRY_LIMIT {
            return Ok(());
        }
        let folder = self.folder();
        open(&self.path)?.write_all(&line(&Entry { text, folder })?)
    }
}

fn line(entry: &Entry) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(entry).map_err(io::Error::from)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;

    fn history(folder: &tempfile::TempDir, about: &str) -> History {
        History {
            path: folder.path().join("history"),
            folder: about.into(),
        }
    }

    #[test]
    fn what_is_appended_is_loaded_and_damage_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let history = history(&folder, "/a");
        assert_eq!(history.load().unwrap(), [""; 0]);
        history.append("one\nline".into()).unwrap();
        OpenOptions::new()
            .append(true)
            .open(&history.path)
            .unwrap()
            .write_all(b"{broken\n\xff\n{\"text\":1}\n")
            .unwrap();
        history.append("two".into()).unwrap();
        history.append("x".repeat(ENTRY_LIMIT + 1)).unwrap();
        assert_eq!(history.load().unwrap(), ["one\nline", "two"]);
    }

    #[test]
    fn messages_of_this_folder_come_before_those_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (history(&folder, "/a"), history(&folder, "/b"));
        // As an earlier version wrote it.
        std::fs::write(&a.path, "\"old\"\n").unwrap();
        for (history, text) in [(&a, "a1"), (&b, "b1"), (&a, "a2"), (&b, "b2")] {
            history.append(text.into()).unwrap();
        }
        assert_eq!(a.load().unwrap(), ["old", "b1", "b2", "a1", "a2"]);
        assert_eq!(b.load().unwrap(), ["old", "a1", "a2", "b1", "b2"]);
        // However much is said elsewhere meanwhile.
        for n in 0..2 * HISTORY_LIMIT {
            b.append(n.to_string()).unwrap();
        }
        let loaded = a.load().unwrap();
        assert_eq!(loaded.len(), HISTORY_LIMIT);
        assert_eq!(loaded[HISTORY_LIMIT - 3..], ["1999", "a1", "a2"]);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it_also_after_a_rewrite() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let history = history(&folder, "/a");
        for n in 0..4 * HISTORY_LIMIT + 1 {
            history.append(n.to_string()).unwrap();
        }
        let mode = || {
            std::fs::metadata(&history.path)
                .unwrap()
                .permissions()
                .mode()
                & 0o777
        };
        assert_eq!(mode(), 0o600);
        let entries = history.load().unwrap();
        assert_eq!(
            (entries.len(), entries[HISTORY_LIMIT - 1].as_str()),
            (HISTORY_LIMIT, "4000")
        );
        let text = std::fs::read_to_string(&history.path).unwrap();
        assert_eq!(text.lines().count(), 2 * HISTORY_LIMIT);
        assert_eq!(mode(), 0o600);
        assert_eq!(history.load().unwrap(), entries);
    }
}
