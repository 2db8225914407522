//! What the user does to a plan in a review: split a hunk, edit a hunk.
//!
//! Both keep the plan's one invariant: the post-image is the pre-image with every hunk applied.

use crate::patch::diff::{self, NO_NEWLINE};
use crate::patch::text::{BOM, Text, byte_lines};
use crate::patch::{ChangeKind, Encoding, FilePlan, Hunk, HunkId, HunkLine, LineKind, Plan};

/// Why an edited hunk is not taken. Line numbers count the lines of the edited text from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error("there is no such hunk")]
    NoSuchHunk,
    #[error("line {line}: `{text}` starts with none of space, `-` and `+`")]
    Prefix { line: usize, text: String },
    #[error(
        "line {line}: the unchanged and `-` lines must stay as the file has them\n  expected `{expected}`, found `{found}`"
    )]
    NotTheFile {
        line: usize,
        expected: String,
        found: String,
    },
    #[error(
        "`{}` (U+{:04X}) cannot be written in {encoding}, the file's encoding\n  use other characters, or save the file as UTF-8 first",
        character.escape_debug(),
        u32::from(*character)
    )]
    Unencodable {
        character: char,
        encoding: &'static str,
    },
    #[error("the edited hunk changes nothing\n  decline the hunk instead")]
    NoChange,
}

impl Plan {
    /// Splits the hunk at its unchanged lines, into as many as there are groups of changes, and renumbers.
    /// `false` when there is only one group.
    pub fn split_hunk(&mut self, id: HunkId) -> bool {
        for file in &mut self.files {
            let Some(at) = file.hunks.iter().position(|hunk| hunk.id == id) else {
                continue;
            };
            let parts = file.hunks.get(at).map(split).unwrap_or_default();
            if parts.len() < 2 {
                return false;
            }
            file.hunks.splice(at..=at, parts);
            self.renumber();
            return true;
        }
        false
    }

    /// Takes the hunk's lines as the user left them in the editor: each with its ` `, `-` or `+`; lines that
    /// start with `#` or `@@` are passed over. The old side must still be the file's.
    pub fn edit_hunk(&mut self, id: HunkId, new_text: &str) -> Result<(), EditError> {
        for file in &mut self.files {
            if let Some(at) = file.hunks.iter().position(|hunk| hunk.id == id) {
                edit(file, at, new_text)?;
                self.renumber();
                return Ok(());
            }
        }
        Err(EditError::NoSuchHunk)
    }
}

impl Hunk {
    /// The text that [`Plan::edit_hunk`] takes back.
    pub fn edit_text(&self) -> String {
        self.lines
            .iter()
            .map(|line| format!("{}{}\n", sign(line.kind), line.text))
            .collect()
    }
}

fn sign(kind: LineKind) -> char {
    match kind {
        LineKind::Context => ' ',
        LineKind::Removed => '-',
        LineKind::Added => '+',
    }
}

/// The unchanged lines between two groups are shared out, the upper half first: hunks that overlapped
/// would be refused by `git apply`, and one without a line below its change is taken for the file's end.
fn split(hunk: &Hunk) -> Vec<Hunk> {
    let lines = &hunk.lines;
    let mut cuts = Vec::new();
    let mut last_change: Option<usize> = None;
    for (index, line) in lines.iter().enumerate() {
        if line.kind == LineKind::Context {
            continue;
        }
        if let Some(before) = last_change
            && index - before > 1
        {
            let gap = index - before - 1;
            cuts.push(before + 1 + gap.div_ceil(2));
        }
        last_change = Some(index);
    }
    let (mut old_from, mut new_from) = (hunk.old_range().start, hunk.new_range().start);
    let mut parts = Vec::with_capacity(cuts.len() + 1);
    let mut from = 0;
    for to in cuts.into_iter().chain([lines.len()]) {
        let part = diff::from_lines(
            hunk.id,
            old_from,
            new_from,
            lines.get(from..to).unwrap_or_default().to_vec(),
        );
        old_from += part.old_lines;
        new_from += part.new_lines;
        from = to;
        parts.push(part);
    }
    parts
}

fn edit(file: &mut FilePlan, at: usize, new_text: &str) -> Result<(), EditError> {
    let Some(hunk) = file.hunks.get(at) else {
        return Err(EditError::NoSuchHunk);
    };
    let (old, new) = diff::images(file);
    let lines = parsed(hunk, &old, new_text)?;
    if lines.iter().all(|line| line.kind == LineKind::Context) {
        return Err(EditError::NoChange);
    }

    let pre = file.pre.as_deref().unwrap_or_default();
    let text = Text::parse(pre).unwrap_or_else(|_| Text::empty());
    let mut ending = &b"\n"[..];
    let mut brought: Vec<u8> = Vec::new();
    let mut old_at = hunk.old_range().start;
    // The removed lines of the run of changes that we are in, and how many lines came in their place.
    let mut run = (old_at..old_at, 0);
    for (index, line) in lines.iter().enumerate() {
        let starts_run = index
            .checked_sub(1)
            .and_then(|before| lines.get(before))
            .is_none_or(|before| before.kind == LineKind::Context);
        if starts_run {
            let rest = lines.get(index..).unwrap_or_default().iter();
            let removed = rest
                .take_while(|line| line.kind != LineKind::Context)
                .filter(|line| line.kind == LineKind::Removed)
                .count();
            run = (old_at..old_at + removed, 0);
        }
        match line.kind {
            LineKind::Context => {
                brought.extend_from_slice(old.get(old_at).copied().unwrap_or_default())
            }
            LineKind::Removed => {}
            LineKind::Added => {
                ending = text.ending_of(&run.0, run.1).as_bytes();
                run.1 += 1;
                // A context line that was the last without a newline is not the last any more.
                if !brought.is_empty() && !brought.ends_with(b"\n") {
                    brought.extend_from_slice(ending);
                }
                brought.extend_from_slice(line.text.as_bytes());
                brought.extend_from_slice(ending);
            }
        }
        old_at += usize::from(line.kind != LineKind::Added);
    }
    let at_end = hunk.old_range().end == old.len();
    if at_end && file.pre.is_some() && !pre.is_empty() && !pre.ends_with(b"\n") {
        let bare = brought.strip_suffix(ending).unwrap_or(&brought).len();
        brought.truncate(bare);
    }
    let range = hunk.new_range();
    let mut post: Vec<u8> = new
        .iter()
        .take(range.start)
        .copied()
        .flatten()
        .copied()
        .collect();
    let untouched_head = post.len();
    post.extend_from_slice(&brought);
    post.extend(new.iter().skip(range.end).copied().flatten());
    if untouched_head == 0
        && pre.starts_with(BOM.as_bytes())
        && !post.is_empty()
        && !post.starts_with(BOM.as_bytes())
    {
        post.splice(0..0, BOM.bytes());
    }
    if post == pre {
        return Err(EditError::NoChange);
    }
    if file.encoding != Encoding::Utf8
        && let Err(missing) = file.encoding.encode(post.clone())
    {
        return Err(EditError::Unencodable {
            character: missing.character,
            encoding: file.encoding.name(),
        });
    }

    // The hunk keeps its place; what it became is compared anew, the others only move.
    let old_range = hunk.old_range();
    let post_lines = byte_lines(&post);
    let grown = post_lines.len() as isize - new.len() as isize;
    let new_range = range.start..range.end.saturating_add_signed(grown);
    let fresh = between(hunk.id, &old, &post_lines, old_range, new_range);
    if let Some(slot) = file.hunks.get_mut(at) {
        *slot = fresh;
    }
    for later in file.hunks.iter_mut().skip(at + 1) {
        later.new_start = later.new_start.saturating_add_signed(grown);
    }
    // A delete that keeps lines is an update; an added file whose lines all went cannot be (NoChange).
    if file.kind == ChangeKind::Delete && !post.is_empty() {
        file.kind = ChangeKind::Update;
    }
    file.post = (file.kind != ChangeKind::Delete).then_some(post);
    Ok(())
}

/// The edited lines, checked against the old side of the hunk.
fn parsed(hunk: &Hunk, old: &[&[u8]], new_text: &str) -> Result<Vec<HunkLine>, EditError> {
    let mut lines = Vec::new();
    let mut expected = old
        .get(hunk.old_range())
        .unwrap_or_default()
        .iter()
        .map(|line| diff::display(line));
    let text_lines: Vec<&str> = new_text.lines().collect();
    let blank_tail = text_lines
        .iter()
        .rev()
        .take_while(|line| line.trim().is_empty())
        .count();
    for (index, line) in text_lines.iter().enumerate() {
        let number = index + 1;
        if line.starts_with('#') || line.starts_with("@@") || *line == NO_NEWLINE {
            continue;
        }
        let kind = match line.chars().next() {
            Some(' ') => LineKind::Context,
            Some('-') => LineKind::Removed,
            Some('+') => LineKind::Added,
            // Editors trim the space of an empty context line, and add empty lines at the end.
            None if index >= text_lines.len() - blank_tail && expected.len() == 0 => continue,
            None => LineKind::Context,
            Some(_) => {
                return Err(EditError::Prefix {
                    line: number,
                    text: (*line).to_owned(),
                });
            }
        };
        let text = line.get(1..).unwrap_or_default();
        if kind != LineKind::Added {
            let wanted = expected.next();
            let same = |wanted: &String| {
                wanted == text
                    || wanted.strip_prefix(BOM) == Some(text)
                    || (line.is_empty() && wanted.trim().is_empty())
            };
            if !wanted.as_ref().is_some_and(same) {
                return Err(EditError::NotTheFile {
                    line: number,
                    expected: wanted.unwrap_or_else(|| "no further line".to_owned()),
                    found: text.to_owned(),
                });
            }
        }
        lines.push(HunkLine {
            kind,
            text: text.to_owned(),
        });
    }
    match expected.next() {
        Some(missing) => Err(EditError::NotTheFile {
            line: text_lines.len() + 1,
            expected: missing,
            found: "the end of the hunk".to_owned(),
        }),
        None => Ok(lines),
    }
}

/// One hunk over exactly these ranges of the two images.
fn between(
    id: HunkId,
    old: &[&[u8]],
    new: &[&[u8]],
    old_range: std::ops::Range<usize>,
    new_range: std::ops::Range<usize>,
) -> Hunk {
    let old_part = old.get(old_range.clone()).unwrap_or_default();
    let new_part = new.get(new_range.clone()).unwrap_or_default();
    let mut lines = Vec::new();
    let mut push = |kind, from: &[&[u8]]| {
        lines.extend(from.iter().map(|line| HunkLine {
            kind,
            text: diff::display(line),
        }))
    };
    for op in similar::capture_diff_slices(similar::Algorithm::Myers, old_part, new_part) {
        let (removed, added) = (old_part.get(op.old_range()), new_part.get(op.new_range()));
        match op {
            similar::DiffOp::Equal { .. } => push(LineKind::Context, removed.unwrap_or_default()),
            similar::DiffOp::Delete { .. }
            | similar::DiffOp::Insert { .. }
            | similar::DiffOp::Replace { .. } => {
                push(LineKind::Removed, removed.unwrap_or_default());
                push(LineKind::Added, added.unwrap_or_default());
            }
        }
    }
    diff::from_lines(id, old_range.start, new_range.start, lines)
}
