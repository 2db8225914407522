//! A patch followed while the model writes it.
//!
//! It owns what can be shown of an unfinished text: the files and hunks so far, with the line that is being
//! written. Each piece is looked at once. What the whole text means is [`parse`]'s word alone, which
//! [`Stream::finish`] gives: a wrapper's last line, or JSON that breaks off, is known only at the end.

use super::json::{Decoder, Step};
use super::reader::Reader;
use super::{FilePatch, ParseError, Patch, parse};

/// Takes the text of a patch in pieces, cut anywhere between two characters.
#[derive(Debug, Default)]
pub struct Stream {
    text: String,
    form: Form,
    lines: Lines,
    revision: u64,
}

/// How the patch is written down.
#[derive(Debug, Default)]
enum Form {
    /// Only white space so far.
    #[default]
    Open,
    Plain,
    /// In a string of JSON.
    Json(Decoder),
    /// In JSON, and the string with the patch is over.
    Closed,
}

impl Stream {
    pub fn push(&mut self, chunk: &str) {
        let seen = self.text.len();
        self.text.push_str(chunk);
        let changed = match &mut self.form {
            Form::Open => {
                let Some(start) = chunk.find(|c: char| c != '\u{feff}' && !c.is_whitespace())
                else {
                    return;
                };
                let start = seen + start;
                let rest = self.text.get(start..).unwrap_or_default();
                if rest.starts_with(['{', '[', '"']) {
                    self.form = Form::Json(Decoder::default());
                    self.push_json(start)
                } else {
                    self.form = Form::Plain;
                    self.lines.push(&self.text)
                }
            }
            Form::Plain => self.lines.push(chunk),
            Form::Json(_) => self.push_json(seen),
            Form::Closed => false,
        };
        self.revision += u64::from(changed);
    }

    /// The files so far. The last hunk, and its last line, may still grow.
    pub fn files(&self) -> &[FilePatch] {
        self.lines.reader.files()
    }

    /// Grows with every push that changed [`Stream::files`].
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// All text that was pushed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The patch, exactly as [`parse`] reads the whole text.
    pub fn finish(self) -> Result<Patch, ParseError> {
        parse(&self.text)
    }

    /// Decodes the text from byte `from` on.
    fn push_json(&mut self, from: usize) -> bool {
        let Form::Json(decoder) = &mut self.form else {
            return false;
        };
        let mut changed = false;
        let mut decoded = String::new();
        for c in self.text.get(from..).unwrap_or_default().chars() {
            match decoder.push(c) {
                Step::Nothing => {}
                Step::Text(c) => decoded.push(c),
                Step::Begin => {
                    self.lines = Lines::default();
                    decoded.clear();
                }
                Step::End => {
                    changed |= self.lines.push(&decoded);
                    decoded.clear();
                    if !self.lines.open.is_empty() {
                        changed |= self.lines.end();
                    }
                    if !self.lines.reader.files().is_empty() {
                        self.form = Form::Closed;
                        return changed;
                    }
                }
                Step::NotJson => {
                    // The one time that text is looked at again, as what it then is.
                    let had = !self.lines.reader.files().is_empty();
                    self.form = Form::Plain;
                    self.lines = Lines::default();
                    return self.lines.push(&self.text) || had;
                }
            }
        }
        self.lines.push(&decoded) || changed
    }
}

/// Text cut into lines.
#[derive(Debug, Default)]
struct Lines {
    reader: Reader,
    /// The line that is not over yet.
    open: String,
    /// A line that is no patch came; what follows is not shown.
    failed: bool,
}

impl Lines {
    fn push(&mut self, text: &str) -> bool {
        let mut changed = false;
        for piece in text.split_inclusive('\n') {
            match piece.strip_suffix('\n') {
                Some(end) => {
                    self.open.push_str(end);
                    changed |= self.end();
                }
                None => {
                    self.open.push_str(piece);
                    changed |= !self.failed && self.reader.show_tail(&self.open);
                }
            }
        }
        changed
    }

    /// The open line is over.
    fn end(&mut self) -> bool {
        if self.failed {
            self.open.clear();
            return false;
        }
        self.failed = self.reader.push_line(&self.open).is_err();
        self.open.clear();
        !self.reader.files().is_empty()
    }
}

#[cfg(test)]
mod tests;
