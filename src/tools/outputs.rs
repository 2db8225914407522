//! Answers of tools that are too long to be told whole: kept on disk, to be read in pages by the name in the note.
//!
//! Each conversation has a folder of its own beside its record, 0700, with a file a call, 0600. It is bounded: where
//! there is no room the oldest go. The one thing to know: a name is a number, never a path, so nothing else can be
//! read with it.

use super::ToolError;
use crate::config::create_private_dir;
use crate::conversation::CallId;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What a name begins with; the number of the call follows.
const PREFIX: &str = "tool-output:";
/// Bytes of one conversation's outputs.
const ROOM: u64 = 64 << 20;

/// The outputs of one conversation.
#[derive(Debug, Clone)]
pub struct Outputs {
    folder: PathBuf,
    room: u64,
}

impl Outputs {
    pub fn new(folder: PathBuf) -> Outputs {
        Outputs { folder, room: ROOM }
    }

    /// Keeps what a call answered, and gives the name to read it by. Works on the disk.
    pub fn keep(&self, call: CallId, text: &str) -> io::Result<String> {
        create_private_dir(&self.folder)?;
        if fs::symlink_metadata(&self.folder)?.is_symlink() {
            return Err(io::Error::other("the folder is a symbolic link"));
        }
        let text = text.as_bytes();
        self.make_room(text.len() as u64)?;
        let path = self.path(call.0);
        // One of a process that was killed may have the number.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        create_new(&path)?.write_all(text)?;
        Ok(format!("{PREFIX}{}", call.0))
    }

    /// The text of a name in the note of a cut answer; `None` when `name` is not one.
    pub fn read(&self, name: &str) -> Option<Result<String, ToolError>> {
        let number: u64 = name.trim().strip_prefix(PREFIX)?.parse().ok()?;
        let bytes = fs::read(self.path(number)).map_err(|error| ToolError::File {
            path: name.to_owned(),
            reason: match error.kind() {
                io::ErrorKind::NotFound => {
                    "there is no such output, or it is not kept any more".to_owned()
                }
                _ => error.to_string(),
            },
        });
        Some(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The name of what a call answered, where it is kept.
    pub fn name_of(&self, call: CallId) -> Option<String> {
        let is_there = self.path(call.0).is_file();
        is_there.then(|| format!("{PREFIX}{}", call.0))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number}.txt"))
    }

    /// Removes the oldest until `more` bytes fit.
    fn make_room(&self, more: u64) -> io::Result<()> {
        let mut kept: Vec<(u64, u64)> = fs::read_dir(&self.folder)?
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let number = number_of(&entry.path())?;
                Some((number, entry.metadata().ok()?.len()))
            })
            .collect();
        kept.sort_unstable();
        let mut used: u64 = kept.iter().map(|(_, bytes)| bytes).sum();
        for (number, bytes) in kept {
            if used + more <= self.room {
                break;
            }
            fs::remove_file(self.path(number))?;
            used -= bytes;
        }
        Ok(())
    }
}

fn number_of(path: &Path) -> Option<u64> {
    path.file_name()?
        .to_str()?
        .strip_suffix(".txt")?
        .parse()
        .ok()
}

fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_read_by_its_name_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret.txt"), "no").unwrap();
        let outputs = Outputs::new(folder.path().join("a"));
        let name = outputs.keep(CallId(7), "all of it").unwrap();
        assert_eq!(name, "tool-output:7");
        assert_eq!(outputs.read(&name).unwrap().unwrap(), "all of it");
        for other in [
            "7",
            "src/main.rs",
            "tool-output:",
            "tool-output:../secret",
            "tool-output:7/../..",
        ] {
            assert!(outputs.read(other).is_none(), "{other}");
        }
        let missing = outputs
            .read("tool-output:8")
            .unwrap()
            .unwrap_err()
            .to_string();
        assert!(missing.contains("not kept any more"), "{missing}");
    }

    #[test]
    fn the_oldest_go_when_there_is_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let outputs = Outputs {
            room: 25,
            ..Outputs::new(folder.path().join("a"))
        };
        for call in [2, 9, 10] {
            outputs.keep(CallId(call), "0123456789").unwrap();
        }
        assert!(outputs.read("tool-output:2").unwrap().is_err());
        assert!(outputs.read("tool-output:9").unwrap().is_ok());
        // The same number again is the newer one.
        outputs.keep(CallId(10), "new").unwrap();
        assert_eq!(outputs.read("tool-output:10").unwrap().unwrap(), "new");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_and_no_link_is_followed() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let outputs = Outputs::new(folder.path().join("a"));
        outputs.keep(CallId(1), "x").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.path().join("a")), 0o700);
        assert_eq!(mode(&folder.path().join("a/1.txt")), 0o600);
        let victim = folder.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        std::os::unix::fs::symlink(&victim, folder.path().join("a/2.txt")).unwrap();
        outputs.keep(CallId(2), "x").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
        std::os::unix::fs::symlink(folder.path(), folder.path().join("b")).unwrap();
        assert!(
            Outputs::new(folder.path().join("b"))
                .keep(CallId(1), "x")
                .is_err()
        );
    }
}
