//! What the user said about the settings of repositories, by the hash of each.
//!
//! A line a decision in `trusted-projects` in the state folder, 0600: `use HASH PLACE` or `leave HASH PLACE`; the
//! last of a hash counts. A file that changed has another hash and is asked about again.

use super::create_private_dir;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The decisions so far.
#[derive(Debug, Clone)]
pub struct Trust {
    file: PathBuf,
}

impl Trust {
    pub fn new(state: &Path) -> Trust {
        Trust {
            file: state.join("trusted-projects"),
        }
    }

    /// What was said about this hash; `None`: nothing yet, or it cannot be read.
    pub fn of(&self, hash: &str) -> Option<bool> {
        let text = fs::read_to_string(&self.file).ok()?;
        let said = text.lines().rev().find_map(|line| {
            let mut words = line.split(' ');
            let (word, of) = (words.next()?, words.next()?);
            (of == hash).then_some(word)
        })?;
        match said {
            "use" => Some(true),
            "leave" => Some(false),
            _ => None,
        }
    }

    /// Remembers what the user said.
    ///
    /// # Errors
    /// When the state folder cannot be written; nothing is trusted then.
    pub fn say(&self, hash: &str, place: &Path, uses: bool) -> io::Result<()> {
        if let Some(folder) = self.file.parent() {
            create_private_dir(folder)?;
        }
        if fs::symlink_metadata(&self.file).is_ok_and(|found| found.is_symlink()) {
            return Err(io::Error::other(format!(
                "{} is a symbolic link",
                self.file.display()
            )));
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let word = if uses { "use" } else { "leave" };
        // For who reads the file; a newline in a name must not begin a line.
        let place = place.display().to_string().replace(char::is_control, "?");
        options
            .open(&self.file)?
            .write_all(format!("{word} {hash} {place}\n").as_bytes())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_about_a_hash_counts() {
        let folder = tempfile::tempdir().unwrap();
        let trust = Trust::new(&folder.path().join("state"));
        assert_eq!(trust.of("a"), None);
        trust.say("a", Path::new("/x"), true).unwrap();
        trust.say("b", Path::new("/y\nuse c /z"), false).unwrap();
        assert_eq!(
            (trust.of("a"), trust.of("b"), trust.of("c")),
            (Some(true), Some(false), None)
        );
        trust.say("a", Path::new("/x"), false).unwrap();
        assert_eq!(trust.of("a"), Some(false));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(folder.path().join("state")), 0o700);
            assert_eq!(mode(folder.path().join("state/trusted-projects")), 0o600);
        }
    }
}
