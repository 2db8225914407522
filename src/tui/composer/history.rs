//! The file of messages sent before: one JSON string a line, oldest first, readable by its owner only.
//!
//! Reading forgives (a damaged line is passed over), writing appends a whole line at once, so that two
//! sessions may share the file.

use crate::tui::composer::HISTORY_LIMIT;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

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

/// The latest messages; none when there is no file yet. A file that grew far past what is read is cut
/// down to that.
pub fn load(path: &Path) -> io::Result<Vec<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut lines = 0;
    let mut entries = std::collections::VecDeque::new();
    for line in BufReader::new(file).split(b'\n') {
        lines += 1;
        if let Ok(entry) = serde_json::from_slice::<String>(&line?) {
            entries.push_back(entry);
            if entries.len() > HISTORY_LIMIT {
                entries.pop_front();
            }
        }
    }
    let entries = Vec::from(entries);
    if lines > 4 * HISTORY_LIMIT {
        rewrite(path, &entries)?;
    }
    Ok(entries)
}

fn rewrite(path: &Path, entries: &[String]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // A temporary file is 0600 from the start.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    for entry in entries {
        file.write_all(&line(entry)?)?;
    }
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

fn line(entry: &str) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(entry).map_err(io::Error::from)?;
    line.push(b'\n');
    Ok(line)
}

pub fn append(path: &Path, entry: &str) -> io::Result<()> {
    if entry.len() > ENTRY_LIMIT {
        return Ok(());
    }
    open(path)?.write_all(&line(entry)?)
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

    #[test]
    fn what_is_appended_is_loaded_and_damage_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        assert_eq!(load(&path).unwrap(), [""; 0]);
        append(&path, "one\nline").unwrap();
        OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"{broken\n\xff\n")
            .unwrap();
        append(&path, "two").unwrap();
        append(&path, &"x".repeat(ENTRY_LIMIT + 1)).unwrap();
        assert_eq!(load(&path).unwrap(), ["one\nline", "two"]);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it_also_after_a_rewrite() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        for n in 0..4 * HISTORY_LIMIT + 1 {
            append(&path, &n.to_string()).unwrap();
        }
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        let entries = load(&path).unwrap();
        assert_eq!(
            (entries.len(), entries[HISTORY_LIMIT - 1].as_str()),
            (HISTORY_LIMIT, "4000")
        );
        assert_eq!(
            std::fs::read_to_string(&path).unwrap().lines().count(),
            HISTORY_LIMIT
        );
        assert_eq!(mode(), 0o600);
    }
}
