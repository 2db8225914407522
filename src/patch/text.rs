//! A text file as lines that keep their bytes.
//!
//! It owns what "the file's line endings, BOM and missing final newline are kept" means; it knows nothing
//! of patches. Line texts are UTF-8 without their ending; everything else of the file is remembered.

use std::borrow::Cow;

/// Largest file that is edited; a patch to more is a mistake, and the review of it no review.
pub const MAX_EDITED: u64 = 10 * 1024 * 1024;

pub(crate) const BOM: &str = "\u{feff}";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Only the last line of a file.
    None,
    Lf,
    CrLf,
}

impl Ending {
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub text: Cow<'a, str>,
    pub ending: Ending,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    pub bom: bool,
    pub lines: Vec<Line<'a>>,
}

/// Why bytes are not text that a patch may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotText {
    Nul,
    NotUtf8,
}

impl<'a> Text<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NotText> {
        if bytes.contains(&0) {
            return Err(NotText::Nul);
        }
        let text = std::str::from_utf8(bytes).or(Err(NotText::NotUtf8))?;
        let (bom, text) = match text.strip_prefix(BOM) {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        Ok(Self {
            bom,
            lines: text.split_inclusive('\n').map(Line::of).collect(),
        })
    }

    /// The file with the given lines taken out and put in. `changes` are ranges of old lines, ascending and
    /// apart, with what replaces them. New lines get their neighbours' ending; whether the file ends with
    /// a newline stays as it was (an empty file gets one).
    pub fn replace(&self, changes: &[(std::ops::Range<usize>, Vec<String>)]) -> Vec<u8> {
        let ends_with_newline = self
            .lines
            .last()
            .is_none_or(|line| line.ending != Ending::None);
        self.replace_and_end(changes, ends_with_newline)
    }

    /// As [`Text::replace`], with or without a newline at the end.
    pub fn replace_and_end(
        &self,
        changes: &[(std::ops::Range<usize>, Vec<String>)],
        ends_with_newline: bool,
    ) -> Vec<u8> {
        let mut lines: Vec<Line<'_>> = Vec::with_capacity(self.lines.len());
        let mut at = 0;
        for (range, added) in changes {
            lines.extend(self.lines.iter().take(range.start).skip(at).cloned());
            let ending = self.ending_near(range);
            lines.extend(added.iter().map(|text| Line {
                text: Cow::Borrowed(text.as_str()),
                ending,
            }));
            at = range.end.max(at);
        }
        lines.extend(self.lines.iter().skip(at).cloned());

        let last = lines.len().saturating_sub(1);
        let near_end = self.ending_near(&(self.lines.len()..self.lines.len()));
        let mut bytes = Vec::new();
        if self.bom {
            bytes.extend_from_slice(BOM.as_bytes());
        }
        for (index, line) in lines.iter().enumerate() {
            let ending = match (index == last, line.ending) {
                (true, _) if !ends_with_newline => Ending::None,
                (_, Ending::None) => near_end,
                (_, ending) => ending,
            };
            bytes.extend_from_slice(line.text.as_bytes());
            bytes.extend_from_slice(ending.as_str().as_bytes());
        }
        bytes
    }

    /// The ending that lines put in place of `range` get: that of the first line replaced, of the line
    /// above, of the line below; of the file with one line and no newline, LF.
    pub fn ending_near(&self, range: &std::ops::Range<usize>) -> Ending {
        let ending = |index: usize| {
            self.lines
                .get(index)
                .map(|line| line.ending)
                .filter(|e| *e != Ending::None)
        };
        range
            .clone()
            .find_map(ending)
            .or_else(|| (0..range.start).rev().take(2).find_map(ending))
            .or_else(|| ending(range.end))
            .unwrap_or(Ending::Lf)
    }
}

impl<'a> Line<'a> {
    /// Of a line with its ending.
    pub fn of(line: &'a str) -> Self {
        let (text, ending) = match (line.strip_suffix("\r\n"), line.strip_suffix('\n')) {
            (Some(text), _) => (text, Ending::CrLf),
            (None, Some(text)) => (text, Ending::Lf),
            (None, None) => (line, Ending::None),
        };
        Self {
            text: Cow::Borrowed(text),
            ending,
        }
    }
}

/// The lines of a file with their endings, as a diff compares them.
pub(crate) fn byte_lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(file: &str, range: std::ops::Range<usize>, added: &[&str]) -> String {
        let text = Text::parse(file.as_bytes()).unwrap_or(Text {
            bom: false,
            lines: Vec::new(),
        });
        let added = added.iter().map(|line| (*line).to_owned()).collect();
        String::from_utf8_lossy(&text.replace(&[(range, added)])).into_owned()
    }

    #[test]
    fn new_lines_take_the_ending_of_their_neighbours() {
        assert_eq!(
            replaced("a\r\nb\r\nc\n", 1..2, &["x", "y"]),
            "a\r\nx\r\ny\r\nc\n"
        );
        assert_eq!(replaced("a\r\nb\r\nc\n", 3..3, &["x"]), "a\r\nb\r\nc\nx\n");
        assert_eq!(replaced("a\r\n", 0..0, &["x"]), "x\r\na\r\n");
        assert_eq!(replaced("", 0..0, &["x"]), "x\n");
    }

    #[test]
    fn a_missing_final_newline_stays_missing() {
        assert_eq!(replaced("a\nb", 1..2, &["x"]), "a\nx");
        assert_eq!(replaced("a\nb", 2..2, &["x"]), "a\nb\nx");
        assert_eq!(replaced("a\r\nb", 2..2, &["x"]), "a\r\nb\r\nx");
        assert_eq!(replaced("a", 1..1, &["x"]), "a\nx");
        assert_eq!(replaced("a\nb", 1..2, &[]), "a");
        assert_eq!(replaced("a\nb\n", 1..2, &[]), "a\n");
    }

    #[test]
    fn a_bom_is_kept_and_hidden() {
        let file = "\u{feff}a\nb\n";
        assert_eq!(
            Text::parse(file.as_bytes())
                .map(|text| text.lines.first().map(|line| line.text.to_string())),
            Ok(Some("a".to_owned()))
        );
        assert_eq!(replaced(file, 0..1, &["x"]), "\u{feff}x\nb\n");
    }

    #[test]
    fn binary_is_refused() {
        assert_eq!(Text::parse(b"a\0b").err(), Some(NotText::Nul));
        assert_eq!(Text::parse(b"a\xffb").err(), Some(NotText::NotUtf8));
    }
}
