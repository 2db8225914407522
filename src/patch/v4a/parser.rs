//! The parser of V4A proper: a small machine that is given one line at a time.

mod hunks;
mod tail;

use super::error::shown;
use super::marker::{Header, Marker, header_of, is_end_patch};
use super::{
    Content, FileOperation, FilePatch, ParseError, Patch, PatchLine, PatchLineKind, first_column,
};
use hunks::only_blank;

/// Takes the lines of a patch one by one (without their line ending; a `\r` at the end is dropped).
#[derive(Debug, Default)]
pub struct Parser {
    files: Vec<FilePatch>,
    line: usize,
    state: State,
    /// White space before `*** Begin Patch`, which every line then carries.
    indent: String,
    /// Blank lines of an added file that count only if more lines follow.
    pending_blank: usize,
    /// Index in the hunk of an indented `*** End Patch`: the patch's end if nothing else follows.
    maybe_end: Option<usize>,
    /// The lines, as an error shows them, that the open file and its last hunk began with, and the last one
    /// before the first file.
    file_line: String,
    hunk_line: String,
    last_line: String,
    /// Bytes of a line still being written that the last line of the last file shows already.
    tail: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Before `*** Begin Patch`.
    #[default]
    Outside,
    /// Between files.
    Between,
    Add,
    Delete,
    Update,
    /// After `*** End Patch`.
    Done,
}

const EXPECT_FILE: &str = "expected `*** Add File: PATH`, `*** Update File: PATH`, `*** Delete File: PATH` or `*** End Patch`";

impl Parser {
    /// The files seen so far; the last may still grow.
    pub fn files(&self) -> &[FilePatch] {
        &self.files
    }

    /// Whether nothing of a patch has come yet.
    pub(super) fn is_outside(&self) -> bool {
        self.state == State::Outside
    }

    pub fn push_line(&mut self, line: &str) -> Result<(), ParseError> {
        self.drop_tail();
        self.line += 1;
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = match self.line {
            1 => line.strip_prefix('\u{feff}').unwrap_or(line),
            _ => line,
        };
        let line = line.strip_prefix(self.indent.as_str()).unwrap_or(line);
        if self.files.is_empty() && !line.trim().is_empty() {
            self.last_line = shown(line);
        }
        if let Some(marker) = self.marker(line)? {
            return self.take_marker(marker, line);
        }
        match self.state {
            State::Outside | State::Done => Ok(()),
            State::Between | State::Delete if line.trim().is_empty() => Ok(()),
            State::Between => Err(self.error(line, EXPECT_FILE)),
            State::Delete => {
                Err(self.error(line, &format!("a deleted file has no lines; {EXPECT_FILE}")))
            }
            State::Add => self.take_added(line),
            State::Update => self.take_body(line),
        }
    }

    pub fn finish(mut self) -> Result<Patch, ParseError> {
        self.drop_tail();
        if let Some(line) = self.maybe_end
            && let Some(hunk) = self.hunks().and_then(|hunks| hunks.last_mut())
        {
            hunk.lines.truncate(line);
        }
        self.close_file()?;
        if self.state == State::Outside {
            return Err(ParseError::new(
                self.line,
                1,
                &self.last_line,
                "no patch in the text; expected `*** Begin Patch` on a line of its own, then the files, then `*** End Patch`",
            ));
        }
        if self.files.is_empty() {
            let expected = format!("the patch names no file; {EXPECT_FILE}");
            return Err(ParseError::new(self.line, 1, &self.last_line, expected));
        }
        Ok(Patch { files: self.files })
    }

    /// Where the text of the line begins.
    fn error(&self, line: &str, expected: &str) -> ParseError {
        self.error_at(line, first_column(line), expected)
    }

    /// In a line above.
    fn error_in(&self, number: usize, line: &str, expected: &str) -> ParseError {
        let line = self.error(line, expected);
        ParseError {
            line: number,
            ..line
        }
    }

    fn error_at(&self, line: &str, column: usize, expected: &str) -> ParseError {
        let column = column + self.indent.chars().count();
        ParseError::new(self.line, column, line, expected)
    }

    /// Whether the line is a marker, given where it stands.
    fn marker<'a>(&self, line: &'a str) -> Result<Option<Marker<'a>>, ParseError> {
        let in_body = self.state == State::Update && self.has_hunks();
        let text = if in_body {
            line.trim_end()
        } else {
            line.trim()
        };
        let Some(rest) = text.strip_prefix("***") else {
            return Ok(None);
        };
        let marker = Marker::named(rest.trim());
        // Prose and shell around the patch may hold anything else.
        if self.state == State::Done {
            return Ok(marker.filter(|marker| *marker == Marker::Begin));
        }
        match marker {
            None if self.state == State::Outside => Ok(None),
            None => Err(self.error(
                line,
                "an unknown `***` marker; file lines start with a space, `-` or `+`",
            )),
            Some(marker) if marker.path() == Some("") => {
                let end = line.trim_end().chars().count() + 1;
                Err(self.error_at(line, end, "expected a path after the colon"))
            }
            marker => Ok(marker),
        }
    }

    fn take_marker(&mut self, marker: Marker<'_>, line: &str) -> Result<(), ParseError> {
        match marker {
            Marker::Begin => {
                self.close_file()?;
                if self.files.is_empty() {
                    self.indent = line
                        .chars()
                        .take_while(|c| *c == ' ' || *c == '\t')
                        .collect();
                }
                self.state = State::Between;
            }
            Marker::End => {
                self.close_file()?;
                self.state = State::Done;
            }
            Marker::Add(path) => {
                let content = Content::default();
                let mode = None;
                self.open_file(path, line, FileOperation::Add { content, mode }, State::Add)?;
            }
            Marker::Delete(path) => {
                let content = None;
                self.open_file(path, line, FileOperation::Delete { content }, State::Delete)?;
            }
            Marker::Update(path) => {
                self.open_file(
                    path,
                    line,
                    FileOperation::Update {
                        move_to: None,
                        hunks: Vec::new(),
                        mode: None,
                    },
                    State::Update,
                )?;
            }
            Marker::MoveTo(target) => {
                let no_hunks = !self.has_hunks();
                match self.files.last_mut().map(|file| &mut file.operation) {
                    Some(FileOperation::Update {
                        move_to: move_to @ None,
                        ..
                    }) if no_hunks => {
                        *move_to = Some(target.to_owned());
                    }
                    _ => {
                        let expected = "`*** Move to: PATH` stands once, directly under `*** Update File: PATH`";
                        return Err(self.error(line, expected));
                    }
                }
            }
            Marker::EndOfFile => {
                match (self.state, self.hunks().and_then(|hunks| hunks.last_mut())) {
                    (State::Update, Some(hunk)) => hunk.at_end = true,
                    (State::Add, _) => {}
                    _ => {
                        return Err(
                            self.error(line, "`*** End of File` stands after the lines of a hunk")
                        );
                    }
                }
            }
        }
        Ok(())
    }

    fn open_file(
        &mut self,
        path: &str,
        line: &str,
        operation: FileOperation,
        state: State,
    ) -> Result<(), ParseError> {
        self.close_file()?;
        self.file_line = shown(line);
        self.files.push(FilePatch {
            path: path.to_owned(),
            line: self.line,
            operation,
        });
        self.state = state;
        Ok(())
    }

    fn close_file(&mut self) -> Result<(), ParseError> {
        self.pending_blank = 0;
        self.maybe_end = None;
        if self.state != State::Update {
            return Ok(());
        }
        self.drop_empty_hunk();
        self.check_hunk()?;
        let Some(FilePatch {
            line,
            operation: FileOperation::Update { move_to, hunks, .. },
            ..
        }) = self.files.last()
        else {
            return Ok(());
        };
        if hunks.is_empty() && move_to.is_none() {
            let expected = "the update has no hunks; expected `@@` and lines that start with a space, `-` or `+`";
            return Err(self.error_in(*line, &self.file_line, expected));
        }
        Ok(())
    }

    fn take_added(&mut self, line: &str) -> Result<(), ParseError> {
        let number = self.pending_blank;
        let Some(FileOperation::Add { content, .. }) =
            self.files.last_mut().map(|file| &mut file.operation)
        else {
            return Ok(());
        };
        if line.trim().is_empty() {
            self.pending_blank += 1;
            return Ok(());
        }
        let Some(text) = line
            .strip_prefix('+')
            .or_else(|| line.trim_start().strip_prefix('+'))
        else {
            return Err(self.error(line, "every line of an added file starts with `+`"));
        };
        let blanks = std::iter::repeat_n(String::new(), number);
        content.lines.extend(blanks);
        content.lines.push(text.to_owned());
        self.pending_blank = 0;
        Ok(())
    }

    fn take_body(&mut self, line: &str) -> Result<(), ParseError> {
        if let Some(Header { text, old_start }) = header_of(line, self.has_lines()) {
            // Headers directly above one another belong to one hunk.
            let fresh = self
                .hunks()
                .and_then(|hunks| hunks.last())
                .is_some_and(only_blank);
            if !fresh {
                self.check_hunk()?;
                self.open_hunk(line);
            }
            if let Some(hunk) = self.hunks().and_then(|hunks| hunks.last_mut()) {
                hunk.lines.clear();
                hunk.headers.extend(text);
                hunk.old_start = old_start.or(hunk.old_start);
            }
            return Ok(());
        }
        let (kind, text) = match line.chars().next() {
            None => (PatchLineKind::Blank, ""),
            Some(' ') => (
                PatchLineKind::Context,
                line.strip_prefix(' ').unwrap_or_default(),
            ),
            Some('-') => (
                PatchLineKind::Removed,
                line.strip_prefix('-').unwrap_or_default(),
            ),
            Some('+') => (
                PatchLineKind::Added,
                line.strip_prefix('+').unwrap_or_default(),
            ),
            // An empty line of a file indented by tabs.
            Some('\t') if line.trim().is_empty() => (PatchLineKind::Blank, ""),
            Some('\\') if line.starts_with("\\ No newline") => return Ok(()),
            Some(_) => {
                return Err(self.error(
                    line,
                    "every line of a hunk starts with a space (unchanged), `-` (removed) or `+` (added); \
                     put a space before an unchanged line",
                ));
            }
        };
        let unified_header =
            !self.has_lines() && (line.starts_with("--- ") || line.starts_with("+++ "));
        if unified_header && !self.has_hunks() {
            return Ok(());
        }
        if kind == PatchLineKind::Blank && !self.has_hunks() {
            return Ok(());
        }
        let indented_end = kind == PatchLineKind::Context && is_end_patch(text);
        if !self.has_hunks() {
            self.open_hunk(line);
        }
        if let Some(hunk) = self.hunks().and_then(|hunks| hunks.last_mut()) {
            hunk.lines.push(PatchLine {
                kind,
                text: text.to_owned(),
            });
            if indented_end {
                self.maybe_end = Some(hunk.lines.len() - 1);
            } else if kind != PatchLineKind::Blank {
                self.maybe_end = None;
            }
        }
        Ok(())
    }
}
