//! The lines of one hunk, counted against its header.

use crate::patch::v4a::{
    Content, FileOperation, FinalNewline, ParseError, PatchHunk, PatchLine, PatchLineKind,
};

/// A hunk while it is read.
#[derive(Debug)]
pub(super) struct Body {
    /// Of its `@@`, and what stands there.
    pub line: usize,
    pub header: String,
    old_start: usize,
    old_count: usize,
    new_count: usize,
    old_left: usize,
    new_left: usize,
    /// The diff's own lines end with CRLF.
    crlf: bool,
    /// Of each line: what it does and whether a CR was dropped from it. One without newline has no ending.
    endings: Vec<(PatchLineKind, Option<bool>)>,
    last: Option<PatchLineKind>,
    old_no_newline: bool,
    new_no_newline: bool,
}

impl Body {
    pub fn opened(line: usize, header: &str, crlf: bool) -> Result<Self, ParseError> {
        let expected = "expected `@@ -start,count +start,count @@` with the line numbers and line counts of both sides";
        let Some((old, new)) = ranges(header) else {
            return Err(ParseError::new(line, 1, header, expected));
        };
        Ok(Self {
            line,
            header: header.to_owned(),
            old_start: old.0,
            old_count: old.1,
            new_count: new.1,
            old_left: old.1,
            new_left: new.1,
            crlf,
            endings: Vec::new(),
            last: None,
            old_no_newline: false,
            new_no_newline: false,
        })
    }

    /// The hunk before its lines.
    pub fn hunk(&self) -> PatchHunk {
        PatchHunk {
            old_start: Some(self.old_start),
            line: self.line,
            ..PatchHunk::default()
        }
    }

    /// A new file has no old lines, a deleted one no new ones, and both one hunk.
    pub fn check_side(
        &self,
        operation: Option<&mut FileOperation>,
        line: usize,
        header: &str,
    ) -> Result<(), ParseError> {
        let expected = match operation {
            Some(FileOperation::Add { content, .. }) => {
                if self.old_count == 0 && content.lines.is_empty() {
                    return Ok(());
                }
                "a new file has one hunk of `+` lines alone, under `@@ -0,0 +1,count @@`"
            }
            Some(FileOperation::Delete { content }) => {
                let fresh = content.as_ref().is_none_or(|it| it.lines.is_empty());
                if self.new_count == 0 && fresh {
                    return Ok(());
                }
                "a deleted file has one hunk of `-` lines alone, under `@@ -1,count +0,0 @@`"
            }
            Some(FileOperation::Update { .. }) if self.old_count == 0 && self.old_start > 0 => {
                "the hunk has only `+` lines; give unchanged lines around them, which say where they go"
            }
            Some(FileOperation::Update { .. }) | None => return Ok(()),
        };
        Err(ParseError::new(line, 1, header, expected))
    }

    pub fn is_complete(&self) -> bool {
        self.old_left == 0 && self.new_left == 0
    }

    pub fn has_room(&self, kind: PatchLineKind) -> bool {
        match kind {
            PatchLineKind::Context | PatchLineKind::Blank => self.old_left > 0 && self.new_left > 0,
            PatchLineKind::Removed => self.old_left > 0,
            PatchLineKind::Added => self.new_left > 0,
        }
    }

    /// The error is what was expected.
    pub fn take_line(
        &mut self,
        operation: Option<&mut FileOperation>,
        raw: &str,
    ) -> Result<(), String> {
        let bare = raw.strip_suffix('\r');
        let line = match bare {
            Some(bare) if self.crlf => bare,
            _ => raw,
        };
        let kind = match line.chars().next() {
            // Tools trim the space of an empty context line.
            None | Some(' ') => PatchLineKind::Context,
            Some('\r') if line == "\r" => PatchLineKind::Context,
            Some('-') => PatchLineKind::Removed,
            Some('+') => PatchLineKind::Added,
            Some('\\') => return self.take_no_newline(operation),
            Some(_) => return Err(self.too_few("this line")),
        };
        if !self.has_room(kind) {
            return Err(self.too_many());
        }
        let after_end = match kind {
            PatchLineKind::Context | PatchLineKind::Blank => {
                self.old_no_newline || self.new_no_newline
            }
            PatchLineKind::Removed => self.old_no_newline,
            PatchLineKind::Added => self.new_no_newline,
        };
        if after_end {
            return Err(
                "a line after `\\ No newline at end of file`, which closes its side".into(),
            );
        }
        let text = line.get(1..).unwrap_or_default();
        // A new file is written byte for byte; other lines take the ending the file has there.
        let added_file = matches!(operation, Some(FileOperation::Add { .. }));
        let (text, cr) = match text.strip_suffix('\r') {
            Some(text) if !added_file => (text, true),
            Some(_) | None => (text, line == "\r"),
        };
        self.endings.push((kind, Some(cr)));
        self.last = Some(kind);
        self.old_left -= usize::from(kind != PatchLineKind::Added);
        self.new_left -= usize::from(kind != PatchLineKind::Removed);
        push(
            operation,
            PatchLine {
                kind,
                text: text.to_owned(),
            },
        );
        Ok(())
    }

    /// `\ No newline at end of file`, of the line above.
    pub fn take_no_newline(
        &mut self,
        mut operation: Option<&mut FileOperation>,
    ) -> Result<(), String> {
        let (old, new) = match self.last {
            Some(PatchLineKind::Context | PatchLineKind::Blank) => (true, true),
            Some(PatchLineKind::Removed) => (true, false),
            Some(PatchLineKind::Added) => (false, true),
            None => return Err("expected a line of the hunk above it".into()),
        };
        if (old && self.old_left > 0) || (new && self.new_left > 0) {
            return Err(self.too_few("the file's last line"));
        }
        self.old_no_newline |= old;
        self.new_no_newline |= new;
        if let Some((_, ending)) = self.endings.last_mut()
            && ending.take() == Some(true)
            && let Some(text) = last_text(operation.as_deref_mut())
        {
            // A CR without its LF is content.
            text.push('\r');
        }
        let content = match operation {
            Some(FileOperation::Add { content, .. }) => Some(content),
            Some(FileOperation::Delete { content }) => content.as_mut(),
            Some(FileOperation::Update { .. }) | None => None,
        };
        if let Some(content) = content {
            content.ends_without_newline = true;
        }
        Ok(())
    }

    /// Settles what only the whole hunk tells.
    pub fn close(self, hunk: &mut PatchHunk) -> Result<(), ParseError> {
        hunk.at_end = self.old_no_newline || self.new_no_newline;
        hunk.final_newline = match (self.old_no_newline, self.new_no_newline) {
            (true, false) => FinalNewline::Add,
            (false, true) => FinalNewline::Remove,
            (true, true) | (false, false) => FinalNewline::Keep,
        };
        let error = |expected: &str| ParseError::new(self.line, 1, &self.header, expected);
        if hunk.changes_nothing() {
            return Err(error(
                "the hunk changes nothing; put `-` before the lines to remove and `+` before the lines to add",
            ));
        }
        if !self.crlf && self.changes_endings() {
            return Err(error(
                "the hunk changes line endings (CRLF and LF); lines keep the ending that the file has, so leave the CRs as they are",
            ));
        }
        Ok(())
    }

    /// Whether an added line ends otherwise than the line it stands for: the first one removed with it, or
    /// else the one above, or below.
    fn changes_endings(&self) -> bool {
        let old_ending = |(kind, ending): &(PatchLineKind, Option<bool>)| {
            ending.filter(|_| *kind != PatchLineKind::Added)
        };
        let mut above: Option<bool> = None;
        let mut rest = self.endings.as_slice();
        while let Some(first) = rest.first() {
            let run = rest
                .iter()
                .position(|(kind, _)| *kind == PatchLineKind::Context)
                .unwrap_or(rest.len());
            if run == 0 {
                above = old_ending(first).or(above);
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let (lines, after) = rest.split_at(run);
            let expected = lines
                .iter()
                .find_map(old_ending)
                .or(above)
                .or_else(|| after.first().and_then(old_ending))
                .unwrap_or(false);
            if lines.iter().any(|(kind, ending)| {
                *kind == PatchLineKind::Added && ending.is_some_and(|ending| ending != expected)
            }) {
                return true;
            }
            above = lines.iter().rev().find_map(old_ending).or(above);
            rest = after;
        }
        false
    }

    pub fn too_few(&self, where_: &str) -> String {
        format!(
            "the hunk's header promises {} old and {} new lines; {} old and {} new are missing at {where_}; make the counts fit the lines, each of which starts with a space, `-` or `+`",
            self.old_count, self.new_count, self.old_left, self.new_left
        )
    }

    pub fn too_many(&self) -> String {
        format!(
            "a line more than the hunk's header promises ({} old and {} new lines); make the counts of `@@ -start,count +start,count @@` fit the lines",
            self.old_count, self.new_count
        )
    }
}

pub(super) fn is_header(line: &str) -> bool {
    ranges(line).is_some()
}

/// Start and count of both sides; a count left out is 1.
fn ranges(header: &str) -> Option<((usize, usize), (usize, usize))> {
    let rest = header.strip_prefix("@@ -")?;
    let (old, rest) = rest.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let range = |text: &str| -> Option<(usize, usize)> {
        match text.split_once(',') {
            Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
            None => Some((text.parse().ok()?, 1)),
        }
    };
    Some((range(old)?, range(new)?))
}

pub(super) fn push(operation: Option<&mut FileOperation>, line: PatchLine) -> bool {
    match operation {
        Some(FileOperation::Add { content, .. }) => content.lines.push(line.text),
        Some(FileOperation::Delete { content }) => content
            .get_or_insert_with(Content::default)
            .lines
            .push(line.text),
        Some(FileOperation::Update { hunks, .. }) => match hunks.last_mut() {
            Some(hunk) => hunk.lines.push(line),
            None => return false,
        },
        None => return false,
    }
    true
}

pub(super) fn last_text(operation: Option<&mut FileOperation>) -> Option<&mut String> {
    match operation? {
        FileOperation::Add { content, .. } => content.lines.last_mut(),
        FileOperation::Delete { content } => content.as_mut()?.lines.last_mut(),
        FileOperation::Update { hunks, .. } => hunks
            .last_mut()?
            .lines
            .last_mut()
            .map(|line| &mut line.text),
    }
}

pub(super) fn pop(operation: Option<&mut FileOperation>) {
    match operation {
        Some(FileOperation::Add { content, .. }) => {
            content.lines.pop();
        }
        Some(FileOperation::Delete { content }) => {
            content.as_mut().and_then(|content| content.lines.pop());
        }
        Some(FileOperation::Update { hunks, .. }) => {
            hunks.last_mut().and_then(|hunk| hunk.lines.pop());
        }
        None => {}
    }
}
