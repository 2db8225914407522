//! The text of an `apply_patch` call, parsed: V4A, or a unified diff as git writes it.
//!
//! It owns the grammar and its tolerance: wrappers that models put around a patch, white space around
//! markers, headers of other diff formats. It does not know the workspace: paths are kept as written. A
//! [`Stream`] takes the text in pieces, so a call can be followed while it is generated.
//!
//! One rule decides the doubtful cases: inside the hunks of an update a line that starts with a space, `-`
//! or `+` is file content, whatever follows; everywhere else white space before a marker is ignored.

mod error;
mod json;
mod marker;
mod parser;
mod reader;
mod stream;
mod wrapper;

pub use error::ParseError;
pub(crate) use error::first_column;
pub use parser::Parser;
pub use stream::Stream;

#[cfg(test)]
mod tests;

/// A parsed patch: files in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patch {
    pub files: Vec<FilePatch>,
}

/// One `*** … File:` section, or one file of a unified diff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePatch {
    /// As written.
    pub path: String,
    /// Line of the marker in the patch text, from 1.
    pub line: usize,
    pub operation: FileOperation,
}

/// A `mode` is 0o644 or 0o755, and there only where a unified diff gives one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileOperation {
    Add {
        content: Content,
        mode: Option<u32>,
    },
    Delete {
        /// What the file must hold: a unified diff shows it, V4A does not.
        content: Option<Content>,
    },
    Update {
        move_to: Option<String>,
        hunks: Vec<PatchHunk>,
        mode: Option<u32>,
    },
}

/// A whole file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    pub lines: Vec<String>,
    /// `\ No newline at end of file` follows the last line.
    pub ends_without_newline: bool,
}

/// Lines under one or more `@@`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PatchHunk {
    /// What follows each `@@`, outermost first; bare ones are left out.
    pub headers: Vec<String>,
    /// The line its old lines begin at, from 1, where `@@ -a,b +c,d @@` says so. Of several equal places it
    /// means the one that begins there; it is no place by itself.
    pub old_start: Option<usize>,
    pub lines: Vec<PatchLine>,
    /// `*** End of File` follows: the lines are the file's last.
    pub at_end: bool,
    pub final_newline: FinalNewline,
    /// Line of its first `@@` or first body line in the patch text, from 1.
    pub line: usize,
}

/// What a hunk at the file's end does to the newline there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FinalNewline {
    /// As the file has it. V4A cannot say anything else.
    #[default]
    Keep,
    Add,
    Remove,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchLine {
    pub kind: PatchLineKind,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchLineKind {
    Context,
    /// A wholly empty line: a context line that lost its space, or only layout of the patch.
    Blank,
    Removed,
    Added,
}

impl PatchHunk {
    pub(crate) fn changes_nothing(&self) -> bool {
        !self
            .lines
            .iter()
            .any(|line| matches!(line.kind, PatchLineKind::Added | PatchLineKind::Removed))
    }
}

/// Parses a whole patch, out of whatever the model wrapped it in.
pub fn parse(text: &str) -> Result<Patch, ParseError> {
    let text = wrapper::unwrap(text);
    let mut reader = reader::Reader::default();
    for line in text.split_terminator('\n') {
        reader.push_line(line)?;
    }
    reader.finish()
}
