//! [`WorkspacePath`]: the lexical half of "a path cannot leave the root".
//!
//! Everything here is a function of the text alone, so that a refused path is refused before anything is
//! opened. Links, submodules and races are the other half, in `files`. The spellings of `.git` are those
//! that NTFS and HFS+ resolve to it (git's own `verify_dotfile`, `is_ntfs_dotgit`, `is_hfs_dotgit`): a
//! repository is carried between file systems, so they are refused on all of them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest name of one part, in bytes (NAME_MAX of every common file system).
const MAX_PART: usize = 255;
/// Longest path, in bytes (PATH_MAX less room for the root).
const MAX_PATH: usize = 3072;

/// A checked path relative to the root, `/` between its parts, never empty, never `.git`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkspacePath(String);

/// Why a text is not a path of the workspace. `path` is shown with control characters escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error(
        "the path is empty\n  name a file relative to the repository root, such as src/main.rs"
    )]
    Empty,
    #[error(
        "{path}: an absolute path\n  name the file relative to the repository root, such as src/main.rs"
    )]
    Absolute { path: String },
    #[error("{path}: `~` is not expanded\n  name the file relative to the repository root")]
    Home { path: String },
    #[error("{path}: a drive or network path\n  name the file relative to the repository root")]
    Drive { path: String },
    #[error("{path}: a backslash in the path\n  separate its parts with `/`")]
    Backslash { path: String },
    #[error(
        "{path}: a control, invisible or direction-changing character in the path\n  such names are refused: they can look like another file"
    )]
    Character { path: String },
    #[error(
        "{path}: `..` leaves the folder\n  name the file relative to the repository root, without `..`"
    )]
    Parent { path: String },
    #[error("{path}: inside `.git`, which is never touched")]
    GitFolder { path: String },
    #[error(
        "{path}: `.gitmodules` is never edited, it decides where git writes\n  edit it by hand"
    )]
    GitModules { path: String },
    #[error("{path}: the name is too long")]
    TooLong { path: String },
}

impl WorkspacePath {
    /// Checks `text` and drops `.` parts, repeated and trailing `/`.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let path = || shown(text);
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.contains(is_deceptive) {
            return Err(PathError::Character { path: path() });
        }
        if text.starts_with("\\\\") || text.starts_with("//") || has_drive(text) {
            return Err(PathError::Drive { path: path() });
        }
        if text.contains('\\') {
            return Err(PathError::Backslash { path: path() });
        }
        if text.starts_with('/') {
            return Err(PathError::Absolute { path: path() });
        }
        if text.starts_with('~') {
            return Err(PathError::Home { path: path() });
        }
        let mut parts = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => continue,
                ".." => return Err(PathError::Parent { path: path() }),
                _ => {}
            }
            let folded = fold_for_git(part);
            if folded == ".git" || is_short_name(&folded, "git") {
                return Err(PathError::GitFolder { path: path() });
            }
            if folded == ".gitmodules"
                || is_short_name(&folded, "gitmod")
                || is_short_name(&folded, "gi7eba")
            {
                return Err(PathError::GitModules { path: path() });
            }
            // NTFS and Win32 drop trailing dots and spaces, so `.. ` is `..` there.
            if folded.chars().all(|c| c == '.') {
                return Err(PathError::Parent { path: path() });
            }
            if part.len() > MAX_PART {
                return Err(PathError::TooLong { path: path() });
            }
            parts.push(part);
        }
        if parts.is_empty() {
            return Err(PathError::Empty);
        }
        let joined = parts.join("/");
        if joined.len() > MAX_PATH {
            return Err(PathError::TooLong { path: path() });
        }
        Ok(Self(joined))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts from the root down; the last is the file's name.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The folders above the file, from the outermost in; none for a file in the root.
    pub(crate) fn ancestors(&self) -> Vec<WorkspacePath> {
        self.0
            .match_indices('/')
            .filter_map(|(at, _)| self.0.get(..at))
            .map(|folder| WorkspacePath(folder.to_owned()))
            .collect()
    }

    /// The folders above the file as one text, if any, and its name.
    pub(crate) fn split_name(&self) -> (Option<&str>, &str) {
        match self.0.rsplit_once('/') {
            Some((folder, name)) => (Some(folder), name),
            None => (None, &self.0),
        }
    }
}

impl fmt::Display for WorkspacePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for WorkspacePath {
    type Error = PathError;
    fn try_from(text: String) -> Result<Self, PathError> {
        Self::parse(&text)
    }
}

impl From<WorkspacePath> for String {
    fn from(path: WorkspacePath) -> String {
        path.0
    }
}

impl std::str::FromStr for WorkspacePath {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::parse(text)
    }
}

fn has_drive(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic()) && chars.next() == Some(':')
}

/// Characters that a terminal or a reader does not see as they are. They are refused in names, not escaped:
/// a name that looks like another one is the attack.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The name as NTFS and HFS+ compare it: case folded, alternate stream cut off, trailing dots and spaces
/// dropped. (Ignorable code points were refused before.)
fn fold_for_git(part: &str) -> String {
    let name = part.split(':').next().unwrap_or_default();
    let folded = name.to_lowercase();
    if folded.chars().all(|c| c == '.' || c == ' ') {
        return folded.trim_end_matches(' ').to_owned();
    }
    folded.trim_end_matches(['.', ' ']).to_owned()
}

/// `git~1`: the 8.3 name that NTFS gives to `.git`.
fn is_short_name(folded: &str, stem: &str) -> bool {
    folded
        .strip_prefix(stem)
        .and_then(|rest| rest.strip_prefix('~'))
        .is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
}

/// The text with what a terminal would act on made visible, cut to a line's length.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == 200 {
            out.push('…');
            break;
        }
        if is_deceptive(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}
