//! Which of the two formats a text is in, found out line by line.

use super::{FilePatch, ParseError, Parser, Patch};
use crate::patch::unified;

/// Takes lines (with a `\r` at their end, without the `\n`) until one of them begins a patch, and then
/// gives them to that format's parser. What comes before, prose or a mail's header, is passed over.
#[derive(Debug, Default)]
pub(super) struct Reader {
    v4a: Parser,
    unified: Option<unified::Parser>,
    /// The line above, when it starts with `--- `: under it `+++ ` begins a diff.
    dashes: Option<String>,
    lines: usize,
}

impl Reader {
    pub fn files(&self) -> &[FilePatch] {
        match &self.unified {
            Some(unified) => unified.files(),
            None => self.v4a.files(),
        }
    }

    pub fn push_line(&mut self, line: &str) -> Result<(), ParseError> {
        if let Some(unified) = &mut self.unified {
            return unified.push_line(line);
        }
        let line = match self.lines {
            0 => line.strip_prefix('\u{feff}').unwrap_or(line),
            _ => line,
        };
        if self.v4a.is_outside() {
            let above = self.dashes.take();
            let begins = line.starts_with("diff --git ");
            if begins || (above.is_some() && line.starts_with("+++ ")) {
                let above = above.filter(|_| !begins);
                let before = self.lines - usize::from(above.is_some());
                let unified = self.unified.insert(unified::Parser::after(before));
                if let Some(above) = above {
                    unified.push_line(&above)?;
                }
                return unified.push_line(line);
            }
            self.dashes = line.starts_with("--- ").then(|| line.to_owned());
        }
        self.lines += 1;
        self.v4a.push_line(line)
    }

    /// Shows a line that is still being written; whether anything is seen of it.
    pub fn show_tail(&mut self, line: &str) -> bool {
        match &mut self.unified {
            Some(unified) => unified.show_tail(line),
            None => self.v4a.show_tail(line),
        }
    }

    pub fn finish(self) -> Result<Patch, ParseError> {
        match self.unified {
            Some(unified) => unified.finish(),
            None => self.v4a.finish(),
        }
    }
}
