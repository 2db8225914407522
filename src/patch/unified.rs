//! Unified diffs as `git diff`, `git format-patch` and `diff -u` write them.
//!
//! It owns their grammar and yields the same [`Patch`] as V4A. The counts of a hunk's header rule: as many
//! lines as they say are content, whatever they look like. What a text file's patch cannot hold (binary
//! files, links, submodules, copies) is refused by name. It does not decide where a hunk goes.
//!
//! Line endings: where the headers end with CRLF the diff as a whole was converted, and every line loses its
//! CR. Elsewhere a CR belongs to the file; it is dropped too, since lines keep the ending the file has there,
//! and a change of the ending itself is refused.

mod body;
mod name;
mod section;
#[cfg(test)]
mod tests;

use super::v4a::{FileOperation, FilePatch, ParseError, Patch, PatchLine, PatchLineKind};
use body::Body;
use section::Section;

/// Takes the lines of a diff one by one, without the `\n`; a `\r` may end them.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    files: Vec<FilePatch>,
    line: usize,
    section: Option<Section>,
    /// The hunk that is being read; its lines grow in the last of `files`.
    body: Option<Body>,
    /// A `--- ` line: content of nothing, or under it stands `+++ `.
    dashes: Option<String>,
    /// Text that is no diff follows the last hunk.
    outside: bool,
    /// Bytes of a line still being written that are shown already.
    tail: Option<usize>,
}

impl Parser {
    /// A parser for the lines that follow the first `line` ones of a text.
    pub fn after(line: usize) -> Self {
        Self {
            line,
            ..Self::default()
        }
    }

    pub fn files(&self) -> &[FilePatch] {
        &self.files
    }

    pub fn push_line(&mut self, raw: &str) -> Result<(), ParseError> {
        self.drop_tail();
        self.line += 1;
        if self.body.as_ref().is_some_and(|body| !body.is_complete()) {
            return self.take_body(raw);
        }
        let line = raw.strip_suffix('\r').unwrap_or(raw);
        if let Some(above) = self.dashes.take() {
            if line.starts_with("+++ ") {
                return self.take_names(&above, line);
            }
            let expected = "expected `+++ NAME` under `--- NAME`, or, where the line above belongs to the hunk, a higher count in the hunk's `@@ -start,count +start,count @@`";
            if !self.outside {
                return Err(self.error(line, expected));
            }
        }
        if line.starts_with("diff --git ") {
            self.close_section()?;
            self.section = Some(Section::of_git(self.line, line)?);
            self.outside = false;
            return Ok(());
        }
        if line.starts_with("--- ") {
            self.dashes = Some(line.to_owned());
            return Ok(());
        }
        if self.outside {
            if body::is_header(line) {
                return Err(self.error(
                    line,
                    "a hunk below text that is no part of the diff; put it directly under its file's other hunks",
                ));
            }
            return Ok(());
        }
        if line.trim().is_empty() {
            return Ok(());
        }
        if line.starts_with("@@") {
            return self.take_hunk_header(line, raw.len() > line.len());
        }
        if let Some(body) = &mut self.body {
            if line.starts_with('\\') {
                let slot = last_operation(&mut self.files);
                return body
                    .take_no_newline(slot)
                    .map_err(|expected| ParseError::new(self.line, 1, line, expected));
            }
            // The signature of `git format-patch`, and whatever else stands between files.
            let signature = line == "-- " || line == "--";
            if line.starts_with(['+', '-', ' ']) && !signature {
                let expected = body.too_many();
                return Err(self.error(line, &expected));
            }
        }
        if line.starts_with("GIT binary patch")
            || (line.starts_with("Binary files ") && line.ends_with(" differ"))
        {
            return Err(self.error(
                line,
                "a binary file; only text files are edited, leave it out of the patch",
            ));
        }
        match (&mut self.section, &self.body) {
            (Some(section), None) => {
                if !section.take_header(self.line, line)? {
                    return Err(self.error(
                        line,
                        "expected the diff's headers (`--- a/NAME`, `+++ b/NAME`, `new file mode 100644`, ...) and then `@@ -start,count +start,count @@`",
                    ));
                }
            }
            (Some(_) | None, _) => self.outside = true,
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<Patch, ParseError> {
        self.drop_tail();
        if let Some(body) = &self.body
            && !body.is_complete()
        {
            return Err(ParseError::new(
                body.line,
                1,
                &body.header,
                body.too_few("the end of the patch"),
            ));
        }
        if let Some(above) = self.dashes.take()
            && !self.outside
        {
            return Err(self.error(&above, "expected `+++ NAME` under it"));
        }
        self.close_section()?;
        Ok(Patch { files: self.files })
    }

    fn error(&self, line: &str, expected: &str) -> ParseError {
        ParseError::new(self.line, 1, line, expected)
    }

    /// `--- ` and `+++ `: of the section that has no names yet, or of one without `diff --git`.
    fn take_names(&mut self, old: &str, new: &str) -> Result<(), ParseError> {
        let here = self.line;
        let waits = self.section.as_ref().is_some_and(Section::has_no_names);
        if !waits || self.body.is_some() {
            self.close_section()?;
            self.section = Some(Section::bare(here - 1, old));
        }
        self.outside = false;
        match &mut self.section {
            Some(section) => section.take_names(here, old, new),
            None => Ok(()),
        }
    }

    fn take_hunk_header(&mut self, line: &str, crlf: bool) -> Result<(), ParseError> {
        let Some(section) = &self.section else {
            return Err(self.error(
                line,
                "a hunk of no file; expected `--- a/NAME` and `+++ b/NAME` above it",
            ));
        };
        if self.body.is_none() {
            self.files.push(section.opened()?);
        } else {
            self.close_hunk()?;
        }
        let body = Body::opened(self.line, line, crlf)?;
        if let Some(FileOperation::Update { hunks, .. }) = last_operation(&mut self.files) {
            hunks.push(body.hunk());
        }
        body.check_side(last_operation(&mut self.files), self.line, line)?;
        self.body = Some(body);
        Ok(())
    }

    fn take_body(&mut self, raw: &str) -> Result<(), ParseError> {
        let Some(body) = &mut self.body else {
            return Ok(());
        };
        body.take_line(last_operation(&mut self.files), raw)
            .map_err(|expected| ParseError::new(self.line, 1, raw, expected))
    }

    fn close_hunk(&mut self) -> Result<(), ParseError> {
        let Some(body) = self.body.take() else {
            return Ok(());
        };
        match last_operation(&mut self.files) {
            Some(FileOperation::Update { hunks, .. }) => match hunks.last_mut() {
                Some(hunk) => body.close(hunk),
                None => Ok(()),
            },
            Some(FileOperation::Add { .. } | FileOperation::Delete { .. }) | None => Ok(()),
        }
    }

    fn close_section(&mut self) -> Result<(), ParseError> {
        let has_hunks = self.body.is_some();
        self.close_hunk()?;
        if let Some(section) = self.section.take()
            && !has_hunks
        {
            let file = section.opened()?;
            section.check_without_hunks(&file.operation)?;
            self.files.push(file);
        }
        Ok(())
    }

    /// Shows a line that is still being written, where it is a hunk's. The next call takes its place.
    pub fn show_tail(&mut self, line: &str) -> bool {
        let Some(body) = self.body.as_ref().filter(|body| !body.is_complete()) else {
            return false;
        };
        let line = line.strip_suffix('\r').unwrap_or(line);
        if self.tail.is_none() {
            let kind = match line.chars().next() {
                Some(' ') => PatchLineKind::Context,
                Some('-') => PatchLineKind::Removed,
                Some('+') => PatchLineKind::Added,
                _ => return false,
            };
            if !body.has_room(kind) {
                return false;
            }
            let line = PatchLine {
                kind,
                text: String::new(),
            };
            if !body::push(last_operation(&mut self.files), line) {
                return false;
            }
            self.tail = Some(1);
        }
        let from = self.tail.unwrap_or(1);
        if let Some(text) = body::last_text(last_operation(&mut self.files)) {
            text.push_str(line.get(from..).unwrap_or_default());
        }
        self.tail = Some(line.len().max(from));
        true
    }

    fn drop_tail(&mut self) {
        if self.tail.take().is_some() {
            body::pop(last_operation(&mut self.files));
        }
    }
}

fn last_operation(files: &mut [FilePatch]) -> Option<&mut FileOperation> {
    files.last_mut().map(|file| &mut file.operation)
}
