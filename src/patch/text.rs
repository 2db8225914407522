//! A text file as lines that keep their bytes.
//!
//! It owns what "the file's line endings, BOM and missing final newline are kept" means; it knows nothing
//! of patches, and of encodings only that images are UTF-8. Line texts are without their ending; everything
//! else of the file is remembered.

use std::cmp::Ordering;
use std::ops::Range;

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
    pub fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::None => b"",
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub text: &'a str,
    pub ending: Ending,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    pub bom: bool,
    pub lines: Vec<Line<'a>>,
    /// What most lines end with; `None` on a tie.
    dominant: Option<Ending>,
}

/// The lines of a file as the hunks of a patch quote them, without their ends. `None` when the bytes are no text
/// that could be edited.
pub fn lines_of(bytes: &[u8]) -> Option<Vec<String>> {
    let (_, text) = super::encoding::text_of(bytes)?;
    let text = Text::parse(text.as_bytes()).ok()?;
    Some(text.lines.iter().map(|line| line.text.to_owned()).collect())
}

/// Lines of the old image (from 0) and what they became in the new one.
pub(crate) type LineChange = (Range<usize>, Range<usize>);

/// Why bytes are not text that a patch may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotText {
    Nul,
    NotUtf8,
    DamagedUtf8,
    DamagedUtf16,
}

impl<'a> Text<'a> {
    pub fn empty() -> Self {
        Self {
            bom: false,
            lines: Vec::new(),
            dominant: None,
        }
    }

    /// Of a text image; `encoding` made it one.
    pub fn parse(image: &'a [u8]) -> Result<Self, NotText> {
        let text = std::str::from_utf8(image).or(Err(NotText::NotUtf8))?;
        let (bom, text) = match text.strip_prefix(BOM) {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut lines: Vec<Line<'a>> = Vec::with_capacity(text.len() / USUAL_LINE + 1);
        let texts = line_ranges(text.as_bytes()).filter_map(|range| text.get(range));
        lines.extend(texts.map(Line::of));
        let count = |ending| lines.iter().filter(|line| line.ending == ending).count();
        let dominant = match count(Ending::Lf).cmp(&count(Ending::CrLf)) {
            Ordering::Greater => Some(Ending::Lf),
            Ordering::Less => Some(Ending::CrLf),
            Ordering::Equal => None,
        };
        Ok(Self {
            bom,
            lines,
            dominant,
        })
    }

    /// The image with the given lines taken out and put in, and which lines differ in it. `changes` are
    /// ranges of old lines, ascending and apart, with what replaces them. Without a `final_newline` whether the
    /// file ends with one stays as it was (an empty file gets one); a change of it alone is not among the lines.
    pub fn replace(
        &self,
        changes: &[(Range<usize>, Vec<String>)],
        final_newline: Option<bool>,
    ) -> (Vec<u8>, Vec<LineChange>) {
        let ends_with_newline = final_newline.unwrap_or_else(|| {
            self.lines
                .last()
                .is_none_or(|line| line.ending != Ending::None)
        });
        let lengths = self
            .lines
            .iter()
            .map(|line| line.text.len() + LONGEST_ENDING);
        let added = changes.iter().flat_map(|(_, added)| added);
        let added = added.map(|line| line.len() + LONGEST_ENDING);
        let mut out = Image::new(self.bom, lengths.chain(added).sum());
        let end_of_file = self.lines.len()..self.lines.len();
        let inner = self.ending_of(&end_of_file, 0);
        let mut differing: Vec<LineChange> = Vec::with_capacity(changes.len());
        let mut at = 0;
        for (range, added) in changes {
            for line in self.lines.get(at..range.start).unwrap_or_default() {
                out.push(*line, inner);
            }
            let new_start = out.lines;
            for (count, text) in added.iter().enumerate() {
                let ending = self.ending_of(range, count);
                out.push(Line { text, ending }, inner);
            }
            differing.push((range.clone(), new_start..out.lines));
            at = range.end.max(at);
        }
        for line in self.lines.get(at..).unwrap_or_default() {
            out.push(*line, inner);
        }
        // Without a final newline the line before the end differs where the end moved: it gains or loses one.
        if !ends_with_newline
            && let Some((old, new)) = differing.last_mut()
            && old.end == self.lines.len()
            && (old.start == old.end || new.start == new.end)
        {
            old.start = old.start.saturating_sub(1);
            new.start = new.start.saturating_sub(1);
        }
        (out.finish(ends_with_newline, inner), joined(differing))
    }

    /// The ending of the `count`-th line put in place of `range`: that of the line it replaces, else the
    /// file's dominant one, else its neighbours'.
    pub fn ending_of(&self, range: &Range<usize>, count: usize) -> Ending {
        let replaced = range.clone().nth(count).and_then(|at| self.ending(at));
        replaced
            .or(self.dominant)
            .unwrap_or_else(|| self.ending_near(range))
    }

    fn ending(&self, line: usize) -> Option<Ending> {
        self.lines
            .get(line)
            .map(|line| line.ending)
            .filter(|ending| *ending != Ending::None)
    }

    /// Of the first line replaced, of the line above, of the line below; of the file with one line and no
    /// newline, LF.
    fn ending_near(&self, range: &Range<usize>) -> Ending {
        range
            .clone()
            .find_map(|at| self.ending(at))
            .or_else(|| {
                (0..range.start)
                    .rev()
                    .take(2)
                    .find_map(|at| self.ending(at))
            })
            .or_else(|| self.ending(range.end))
            .unwrap_or(Ending::Lf)
    }
}

/// Changes that touch are one.
fn joined(changes: Vec<LineChange>) -> Vec<LineChange> {
    let mut out: Vec<LineChange> = Vec::with_capacity(changes.len());
    for (old, new) in changes {
        match out.last_mut() {
            Some((old_before, new_before)) if old_before.end >= old.start => {
                old_before.end = old.end;
                new_before.end = new.end;
            }
            Some(_) | None => out.push((old, new)),
        }
    }
    out
}

/// Bytes of CR LF.
const LONGEST_ENDING: usize = 2;

/// Lines on their way to bytes. An ending is written when the next line comes: only then it is no last one.
struct Image {
    bytes: Vec<u8>,
    lines: usize,
    pending: Option<Ending>,
}

impl Image {
    /// `capacity`: bytes without the BOM.
    fn new(bom: bool, capacity: usize) -> Self {
        let bom = if bom { BOM } else { "" };
        let mut bytes = Vec::with_capacity(bom.len() + capacity);
        bytes.extend_from_slice(bom.as_bytes());
        Self {
            bytes,
            lines: 0,
            pending: None,
        }
    }

    /// `inner`: for a line that was the last without a newline and is not any more.
    fn push(&mut self, line: Line<'_>, inner: Ending) {
        self.end_line(inner);
        self.bytes.extend_from_slice(line.text.as_bytes());
        self.pending = Some(line.ending);
        self.lines += 1;
    }

    fn end_line(&mut self, inner: Ending) {
        let ending = match self.pending.take() {
            Some(Ending::None) => inner,
            Some(ending) => ending,
            None => return,
        };
        self.bytes.extend_from_slice(ending.as_bytes());
    }

    fn finish(mut self, newline: bool, inner: Ending) -> Vec<u8> {
        if newline {
            self.end_line(inner);
        }
        self.bytes
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
        Self { text, ending }
    }
}

/// The lines of a file with their endings, as a diff compares them.
pub(crate) fn byte_lines(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::with_capacity(bytes.len() / USUAL_LINE + 1);
    lines.extend(line_ranges(bytes).filter_map(|range| bytes.get(range)));
    lines
}

/// Bytes of a line, for a first guess of their number.
const USUAL_LINE: usize = 24;

/// Where the lines are, each with its newline.
fn line_ranges(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    let rest = (!bytes.is_empty() && !bytes.ends_with(b"\n")).then_some(bytes.len());
    memchr::memchr_iter(b'\n', bytes)
        .map(|newline| newline + 1)
        .chain(rest)
        .map(move |end| std::mem::replace(&mut at, end)..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(file: &str, range: std::ops::Range<usize>, added: &[&str]) -> String {
        let text = Text::parse(file.as_bytes()).unwrap_or_else(|_| Text::empty());
        let added = added.iter().map(|line| (*line).to_owned()).collect();
        let (image, changes) = text.replace(&[(range, added)], None);
        if !text.bom {
            only_these_differ(file.as_bytes(), &image, &changes);
        }
        String::from_utf8_lossy(&image).into_owned()
    }

    fn only_these_differ(old: &[u8], new: &[u8], changes: &[LineChange]) {
        let (old, new) = (byte_lines(old), byte_lines(new));
        let (mut old_at, mut new_at) = (0, 0);
        let ends = [(old.len()..old.len(), new.len()..new.len())];
        for (old_range, new_range) in changes.iter().chain(&ends) {
            assert_eq!(
                old.get(old_at..old_range.start),
                new.get(new_at..new_range.start)
            );
            (old_at, new_at) = (old_range.end, new_range.end);
        }
    }

    #[test]
    fn a_line_in_place_of_another_keeps_its_ending_and_the_rest_get_the_dominant_one() {
        for (file, range, added, wanted) in [
            ("a\r\nb\r\nc\n", 1..2, &["x", "y"][..], "a\r\nx\r\ny\r\nc\n"),
            ("a\nb\r\nc\n", 1..2, &["x", "y"], "a\nx\r\ny\nc\n"),
            ("a\r\nb\nc\r\n", 0..3, &["x", "y", "z"], "x\r\ny\nz\r\n"),
            ("a\r\nb\r\nc\n", 3..3, &["x"], "a\r\nb\r\nc\nx\r\n"),
            // As many of the one as of the other: the neighbour's.
            ("a\r\nb\n", 2..2, &["x"], "a\r\nb\nx\n"),
            ("a\r\nb\n", 1..1, &["x"], "a\r\nx\r\nb\n"),
            ("a\r\n", 0..0, &["x"], "x\r\na\r\n"),
            ("", 0..0, &["x"], "x\n"),
        ] {
            assert_eq!(replaced(file, range, added), wanted, "{file:?} {added:?}");
        }
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
    fn a_final_line_that_gains_or_loses_its_newline_is_a_change() {
        let text = Text::parse(b"a\nb\nc").unwrap_or_else(|_| Text::empty());
        let changes = |range, added: &[&str]| {
            let added = added.iter().map(|line| (*line).to_owned()).collect();
            text.replace(&[(range, added)], None).1
        };
        assert_eq!(changes(3..3, &["x"]), [(2..3, 2..4)]);
        assert_eq!(changes(2..3, &[]), [(1..3, 1..2)]);
        assert_eq!(changes(2..3, &["x", "y"]), [(2..3, 2..4)]);
        assert_eq!(changes(0..3, &[]), [(0..3, 0..0)]);
        assert_eq!(changes(0..1, &[]), [(0..1, 0..0)]);
        let both = [(2..2, vec!["x".to_owned()]), (2..3, Vec::new())];
        assert_eq!(text.replace(&both, None).1, [(2..3, 2..3)]);
    }
}
