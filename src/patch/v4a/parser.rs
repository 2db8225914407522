//! The parser proper: a small machine that is given one line at a time.

use super::marker::{Marker, header_of, is_end_patch, is_word, strip_word};
use super::{FileOperation, FilePatch, ParseError, Patch, PatchHunk, PatchLine, PatchLineKind};

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

    pub fn push_line(&mut self, line: &str) -> Result<(), ParseError> {
        self.line += 1;
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = match self.line {
            1 => line.strip_prefix('\u{feff}').unwrap_or(line),
            _ => line,
        };
        let line = line.strip_prefix(self.indent.as_str()).unwrap_or(line);
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
        if let Some(line) = self.maybe_end
            && let Some(hunk) = self.hunks().and_then(|hunks| hunks.last_mut())
        {
            hunk.lines.truncate(line);
        }
        self.close_file()?;
        if self.state == State::Outside {
            return Err(self.error(
                "no patch in the text",
                "expected `*** Begin Patch` on a line of its own, then the files, then `*** End Patch`",
            ));
        }
        if self.files.is_empty() {
            return Err(self.error("the patch names no file", EXPECT_FILE));
        }
        Ok(Patch { files: self.files })
    }

    fn error(&self, found: &str, expected: &str) -> ParseError {
        let mut shown: String = found
            .chars()
            .take(120)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        if found.chars().nth(120).is_some() {
            shown.push('…');
        }
        ParseError {
            line: self.line.max(1),
            found: shown,
            expected: expected.to_owned(),
        }
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
        let rest = rest.trim();
        let named = |word: &str| strip_word(rest, word);
        if self.state == State::Outside || self.state == State::Done {
            // Prose and shell around the patch may hold anything else.
            if is_word(rest, "begin patch") {
                return Ok(Some(Marker::Begin));
            }
            if self.state == State::Done {
                return Ok(None);
            }
        }
        let marker = if is_word(rest, "begin patch") {
            Marker::Begin
        } else if is_word(rest, "end patch") {
            Marker::End
        } else if is_word(rest, "end of file") {
            Marker::EndOfFile
        } else if let Some(path) = named("add file").or_else(|| named("create file")) {
            Marker::Add(path)
        } else if let Some(path) = named("delete file").or_else(|| named("remove file")) {
            Marker::Delete(path)
        } else if let Some(path) = named("update file").or_else(|| named("modify file")) {
            Marker::Update(path)
        } else if let Some(path) = named("move to").or_else(|| named("move file to")) {
            Marker::MoveTo(path)
        } else if self.state == State::Outside {
            return Ok(None);
        } else {
            return Err(self.error(
                line,
                "an unknown `***` marker; file lines start with a space, `-` or `+`",
            ));
        };
        if let Marker::Add(path)
        | Marker::Delete(path)
        | Marker::Update(path)
        | Marker::MoveTo(path) = marker
            && path.is_empty()
        {
            return Err(self.error(line, "expected a path after the colon"));
        }
        Ok(Some(marker))
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
                self.open_file(path, FileOperation::Add { lines: Vec::new() }, State::Add)?
            }
            Marker::Delete(path) => self.open_file(path, FileOperation::Delete, State::Delete)?,
            Marker::Update(path) => {
                self.open_file(
                    path,
                    FileOperation::Update {
                        move_to: None,
                        hunks: Vec::new(),
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
        operation: FileOperation,
        state: State,
    ) -> Result<(), ParseError> {
        self.close_file()?;
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
        let Some(FilePatch {
            path,
            line,
            operation: FileOperation::Update { move_to, hunks },
        }) = self.files.last()
        else {
            return Ok(());
        };
        if hunks.is_empty() && move_to.is_none() {
            return Err(ParseError {
                line: *line,
                found: format!("*** Update File: {path}"),
                expected: "the update has no hunks; expected `@@` and lines that start with a space, `-` or `+`".to_owned(),
            });
        }
        for hunk in hunks {
            if !hunk
                .lines
                .iter()
                .any(|line| matches!(line.kind, PatchLineKind::Added | PatchLineKind::Removed))
            {
                return Err(ParseError {
                    line: hunk.line,
                    found: "a hunk that changes nothing".to_owned(),
                    expected: "put `-` before the lines to remove and `+` before the lines to add"
                        .to_owned(),
                });
            }
        }
        Ok(())
    }

    fn hunks(&mut self) -> Option<&mut Vec<PatchHunk>> {
        match self.files.last_mut().map(|file| &mut file.operation) {
            Some(FileOperation::Update { hunks, .. }) => Some(hunks),
            _ => None,
        }
    }

    fn has_hunks(&self) -> bool {
        match self.files.last().map(|file| &file.operation) {
            Some(FileOperation::Update { hunks, .. }) => !hunks.is_empty(),
            _ => false,
        }
    }

    fn has_lines(&self) -> bool {
        match self.files.last().map(|file| &file.operation) {
            Some(FileOperation::Update { hunks, .. }) => {
                hunks.last().is_some_and(|hunk| !hunk.lines.is_empty())
            }
            _ => false,
        }
    }

    /// A `@@` with nothing but blank lines under it, left at the end by a model that stopped there.
    fn drop_empty_hunk(&mut self) {
        if let Some(hunks) = self.hunks()
            && hunks.last().is_some_and(|hunk| {
                hunk.lines
                    .iter()
                    .all(|line| line.kind == PatchLineKind::Blank)
            })
        {
            hunks.pop();
        }
    }

    fn take_added(&mut self, line: &str) -> Result<(), ParseError> {
        let number = self.pending_blank;
        let Some(FileOperation::Add { lines }) =
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
        lines.extend(std::iter::repeat_n(String::new(), number));
        lines.push(text.to_owned());
        self.pending_blank = 0;
        Ok(())
    }

    fn take_body(&mut self, line: &str) -> Result<(), ParseError> {
        let number = self.line;
        if let Some(header) = header_of(line, self.has_lines()) {
            let Some(hunks) = self.hunks() else {
                return Ok(());
            };
            // Headers directly above one another belong to one hunk.
            let fresh = hunks.last().is_some_and(|hunk| {
                hunk.lines
                    .iter()
                    .all(|line| line.kind == PatchLineKind::Blank)
            });
            if !fresh {
                hunks.push(PatchHunk {
                    line: number,
                    ..PatchHunk::default()
                });
            }
            if let Some(hunk) = hunks.last_mut() {
                hunk.lines.clear();
                hunk.headers.extend(header);
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
        let Some(hunks) = self.hunks() else {
            return Ok(());
        };
        if hunks.is_empty() {
            hunks.push(PatchHunk {
                line: number,
                ..PatchHunk::default()
            });
        }
        if let Some(hunk) = hunks.last_mut() {
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
