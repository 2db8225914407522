//! The hunks of the file that the parser is in.

use super::Parser;
use crate::patch::v4a::error::shown;
use crate::patch::v4a::{FileOperation, ParseError, PatchHunk, PatchLineKind};

impl Parser {
    /// The last hunk, when another one or the end of the file follows.
    pub(super) fn check_hunk(&mut self) -> Result<(), ParseError> {
        let Some(line) = self
            .hunks()
            .and_then(|hunks| hunks.last())
            .filter(|hunk| hunk.changes_nothing())
            .map(|hunk| hunk.line)
        else {
            return Ok(());
        };
        let expected = "the hunk changes nothing; put `-` before the lines to remove and `+` before the lines to add";
        Err(self.error_in(line, &self.hunk_line, expected))
    }

    pub(super) fn hunks(&mut self) -> Option<&mut Vec<PatchHunk>> {
        match self.files.last_mut().map(|file| &mut file.operation) {
            Some(FileOperation::Update { hunks, .. }) => Some(hunks),
            _ => None,
        }
    }

    pub(super) fn has_hunks(&self) -> bool {
        match self.files.last().map(|file| &file.operation) {
            Some(FileOperation::Update { hunks, .. }) => !hunks.is_empty(),
            _ => false,
        }
    }

    pub(super) fn has_lines(&self) -> bool {
        match self.files.last().map(|file| &file.operation) {
            Some(FileOperation::Update { hunks, .. }) => {
                hunks.last().is_some_and(|hunk| !hunk.lines.is_empty())
            }
            _ => false,
        }
    }

    /// A `@@` with nothing but blank lines under it, left at the end by a model that stopped there.
    pub(super) fn drop_empty_hunk(&mut self) {
        if let Some(hunks) = self.hunks()
            && hunks.last().is_some_and(only_blank)
        {
            hunks.pop();
        }
    }

    pub(super) fn open_hunk(&mut self, line: &str) {
        self.hunk_line = shown(line);
        let line = self.line;
        if let Some(hunks) = self.hunks() {
            hunks.push(PatchHunk {
                line,
                ..PatchHunk::default()
            });
        }
    }
}

pub(super) fn only_blank(hunk: &PatchHunk) -> bool {
    hunk.lines
        .iter()
        .all(|line| line.kind == PatchLineKind::Blank)
}
