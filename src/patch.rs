//! Edits: from the text of an `apply_patch` call to bytes on disk, and back.
//!
//! V4A text (or a unified diff) -> [`v4a`] -> `Patch` -> [`locate`] against the bytes on disk -> [`Plan`] (pre-image, post-image
//! and hunks of every file) -> the user's [`Decisions`] -> [`mod@apply`] (git2 selects the hunks, the journal
//! keeps both images, temp file + rename per file). Nothing is written while any part fails. It does not
//! know about models or terminals; all file access goes through [`crate::workspace`].

pub mod apply;
mod compare;
pub mod diff;
pub mod encoding;
pub mod journal;
pub mod locate;
mod overall;
mod parallel;
pub mod plan;
pub mod report;
mod select;
mod text;
mod unified;
pub mod v4a;

pub use apply::{ApplyError, apply};
pub use compare::{FileState, between};
pub use encoding::Encoding;
pub use journal::{
    ChangedFile, Checkpoint, Direction, Journal, JournalError, Limits, Obstacle, OnChanged,
    Prospect, Recovered, UndoError, Undone, Usage,
};
pub use overall::{Overall, OverallFile, Since, overall};
pub use plan::{EditError, PlanError, plan};
pub use select::{SelectError, selected};
pub use text::lines_of;
pub use v4a::{ParseError, Patch, parse};

use crate::workspace::WorkspacePath;
use serde::{Deserialize, Serialize};

/// Numbers the hunks of a plan from 0, through all its files in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HunkId(pub usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Add,
    Update,
    Delete,
    /// Moved to `FilePlan::target`, with or without changed lines.
    Move,
}

/// How a hunk's context was found; shown to user and model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocateStage {
    Exact,
    TrailingSpace,
    Indentation,
    Punctuation,
    /// The lines most like the hunk's, by a score.
    Fuzzy,
}

impl LocateStage {
    /// The stage in words, for user and model; `None` where the context was found as written.
    pub fn words(self) -> Option<&'static str> {
        match self {
            Self::Exact => None,
            Self::TrailingSpace => Some("found ignoring trailing space"),
            Self::Indentation => Some("found ignoring indentation"),
            Self::Punctuation => Some("found with punctuation folded"),
            Self::Fuzzy => Some("found by likeness"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    Context,
    Removed,
    Added,
}

/// A line of a hunk without its line ending; bytes that are not UTF-8 are shown as U+FFFD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HunkLine {
    pub kind: LineKind,
    pub text: String,
}

/// A hunk of the unified diff between pre- and post-image. Line numbers count from 1, as in `@@ -a,b +c,d @@`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hunk {
    pub id: HunkId,
    pub old_start: usize,
    pub old_lines: usize,
    pub new_start: usize,
    pub new_lines: usize,
    pub lines: Vec<HunkLine>,
}

impl Hunk {
    /// `@@ -8,2 +8,3` with a length of 1 left out, as git writes it.
    pub fn range(&self) -> String {
        let part = |start: usize, len: usize| {
            if len == 1 {
                start.to_string()
            } else {
                format!("{start},{len}")
            }
        };
        format!(
            "@@ -{} +{}",
            part(self.old_start, self.old_lines),
            part(self.new_start, self.new_lines)
        )
    }
}

/// What a plan does to one file. `pre` is `None` for an added file, `post` for a deleted one. Both are text in
/// UTF-8, whatever `encoding` the bytes on disk have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePlan {
    pub kind: ChangeKind,
    pub path: WorkspacePath,
    /// Where a moved file goes.
    pub target: Option<WorkspacePath>,
    /// A record of the plan leaves the images out: the journal has them.
    #[serde(skip)]
    pub pre: Option<Vec<u8>>,
    #[serde(skip)]
    pub post: Option<Vec<u8>>,
    /// Of the file on disk, before and after.
    pub encoding: Encoding,
    /// Unix mode bits of the pre-image (or 0o644 for an added file).
    pub mode: u32,
    /// The mode that the patch gives the file, where that is another one.
    pub new_mode: Option<u32>,
    /// The loosest stage any hunk needed.
    pub stage: LocateStage,
    /// Reviewed one by one. A delete has one hunk with every line; an empty file none (reviewed whole:
    /// its decision is that of [`Decisions::files`]).
    pub hunks: Vec<Hunk>,
}

impl FilePlan {
    /// What a reviewer should know besides the lines: how they were found, the encoding, the new mode.
    pub fn notes(&self) -> Vec<String> {
        let stage = self.stage.words().map(str::to_owned);
        let encoding = match self.encoding {
            Encoding::Utf8 => None,
            Encoding::Binary => Some(self.sizes()),
            other => Some(other.name().to_owned()),
        };
        let mode = self
            .new_mode
            .map(|new| format!("mode {:o} \u{2192} {:o}", self.mode & 0o777, new & 0o777));
        [stage, encoding, mode].into_iter().flatten().collect()
    }

    /// Of a file without lines: how long it was and is, as far as the images are at hand.
    fn sizes(&self) -> String {
        let name = Encoding::Binary.name();
        match (&self.pre, &self.post) {
            (Some(pre), Some(post)) => {
                format!("{name}, {} \u{2192} {} bytes", pre.len(), post.len())
            }
            (Some(one), None) | (None, Some(one)) => format!("{name}, {} bytes", one.len()),
            (None, None) => name.to_owned(),
        }
    }
}

/// A patch located against the files as they are; nothing is written yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub files: Vec<FilePlan>,
}

/// The user's word on one hunk or file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Accept,
    Reject { note: Option<String> },
}

/// A decision for every hunk of a plan, and one for every file that has no hunks. What is absent is rejected.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Decisions {
    pub hunks: std::collections::BTreeMap<HunkId, Decision>,
    /// By index in [`Plan::files`], for files without hunks.
    pub files: std::collections::BTreeMap<usize, Decision>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The journal's number of this checkpoint.
    pub checkpoint: u64,
    /// In plan order; only files that changed.
    pub changes: Vec<Change>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub kind: ChangeKind,
    pub path: WorkspacePath,
    pub target: Option<WorkspacePath>,
}
