//! The folder Descant works in, and the only door to its files.
//!
//! [`WorkspacePath`] is a relative path that was checked and cannot leave the root; [`Workspace`] holds a
//! directory handle (cap-std) and resolves every path beneath it, so that a check and the use cannot be
//! raced. Nothing else in the crate opens a file of the user's tree.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A checked path relative to the root, `/` between its parts, never empty, never `.git`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkspacePath(String);

/// The folder itself: the git work tree's root, or the current folder outside git.
#[derive(Debug)]
pub struct Workspace {
    root: PathBuf,
    dir: cap_std::fs::Dir,
}
