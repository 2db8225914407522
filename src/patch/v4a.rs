//! The V4A text of an `apply_patch` call, parsed.
//!
//! It owns the grammar and its tolerance: wrappers that models put around a patch, white space around
//! markers, headers of other diff formats. It does not know the workspace: paths are kept as written. A
//! [`Parser`] takes one line after the other, so a call can be followed while it streams.
//!
//! One rule decides the doubtful cases: inside the hunks of an update a line that starts with a space, `-`
//! or `+` is file content, whatever follows; everywhere else white space before a marker is ignored.

mod marker;
mod parser;
mod wrapper;

pub use parser::Parser;

#[cfg(test)]
mod tests;

/// A parsed patch: files in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patch {
    pub files: Vec<FilePatch>,
}

/// One `*** … File:` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePatch {
    /// As written.
    pub path: String,
    /// Line of the marker in the patch text, from 1.
    pub line: usize,
    pub operation: FileOperation,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileOperation {
    Add {
        lines: Vec<String>,
    },
    Delete,
    Update {
        move_to: Option<String>,
        hunks: Vec<PatchHunk>,
    },
}

/// Lines under one or more `@@`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PatchHunk {
    /// What follows each `@@`, outermost first; bare ones are left out.
    pub headers: Vec<String>,
    pub lines: Vec<PatchLine>,
    /// `*** End of File` follows: the lines are the file's last.
    pub at_end: bool,
    /// Line of its first `@@` or first body line in the patch text, from 1.
    pub line: usize,
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

/// The text is no patch. Says where, what stands there, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the patch: {found}\n  {expected}")]
pub struct ParseError {
    pub line: usize,
    pub found: String,
    pub expected: String,
}

/// Parses a whole patch, out of whatever the model wrapped it in.
pub fn parse(text: &str) -> Result<Patch, ParseError> {
    let text = wrapper::unwrap(text);
    let mut parser = Parser::default();
    for line in text.lines() {
        parser.push_line(line)?;
    }
    parser.finish()
}
