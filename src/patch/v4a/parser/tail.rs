//! The line that a model is still writing, shown as soon as it can only become a line of a file.

use super::{Parser, State};
use crate::patch::v4a::{FileOperation, PatchLine, PatchLineKind};

impl Parser {
    /// Shows a line that is still being written, where it can only become a line of a file. The next call,
    /// or the whole line, takes its place.
    pub(in super::super) fn show_tail(&mut self, line: &str) -> bool {
        let Some(line) = line.strip_prefix(self.indent.as_str()) else {
            return false;
        };
        let line = line.strip_suffix('\r').unwrap_or(line);
        if self.tail.is_none() {
            let has_lines = self.has_lines();
            let mut chars = line.chars();
            let kind = match (chars.next(), chars.next()) {
                (Some('+'), _) => PatchLineKind::Added,
                (Some('-'), _) => PatchLineKind::Removed,
                // Above the first line of a hunk ` @@` is a header.
                (Some(' '), Some(c)) if has_lines || !(c.is_whitespace() || c == '@') => {
                    PatchLineKind::Context
                }
                _ => return false,
            };
            let blanks = std::mem::take(&mut self.pending_blank);
            match (
                self.state,
                self.files.last_mut().map(|file| &mut file.operation),
            ) {
                (State::Add, Some(FileOperation::Add { content, .. }))
                    if kind == PatchLineKind::Added =>
                {
                    content
                        .lines
                        .extend(std::iter::repeat_n(String::new(), blanks + 1));
                }
                (State::Update, Some(FileOperation::Update { hunks, .. })) => {
                    let Some(hunk) = hunks.last_mut() else {
                        return false;
                    };
                    let text = String::new();
                    hunk.lines.push(PatchLine { kind, text });
                }
                _ => {
                    self.pending_blank = blanks;
                    return false;
                }
            }
            self.tail = Some(1);
        }
        let from = self.tail.unwrap_or(1);
        let more = line.get(from..).unwrap_or_default();
        let slot = match self.files.last_mut().map(|file| &mut file.operation) {
            Some(FileOperation::Add { content, .. }) => content.lines.last_mut(),
            Some(FileOperation::Update { hunks, .. }) => hunks
                .last_mut()
                .and_then(|hunk| hunk.lines.last_mut())
                .map(|line| &mut line.text),
            Some(FileOperation::Delete { .. }) | None => None,
        };
        if let Some(text) = slot {
            text.push_str(more);
        }
        self.tail = Some(line.len().max(from));
        true
    }

    pub(super) fn drop_tail(&mut self) {
        if self.tail.take().is_none() {
            return;
        }
        match self.files.last_mut().map(|file| &mut file.operation) {
            Some(FileOperation::Add { content, .. }) => {
                content.lines.pop();
            }
            Some(FileOperation::Update { hunks, .. }) => {
                if let Some(hunk) = hunks.last_mut() {
                    hunk.lines.pop();
                }
            }
            Some(FileOperation::Delete { .. }) | None => {}
        }
    }
}
