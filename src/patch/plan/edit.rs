//! What the user does to a plan in a review: split a hunk, edit a hunk.
//!
//! Both keep the plan's one invariant: the post-image is the pre-image with every hunk applied. An edited hunk
//! that still has its old lines stays where it is; one whose old lines the user changed is located anew.

mod lines;
mod relocate;

use crate::patch::diff;
use crate::patch::text::{BOM, byte_lines};
use crate::patch::{ChangeKind, Encoding, FilePlan, Hunk, HunkId, HunkLine, LineKind, Plan};
use lines::{Edited, brought, check_old_side, parsed};
use std::ops::Range;

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
    /// `lines`: of the file, from 1.
    #[error(
        "the unchanged and `-` lines are in the file {} times, at lines {}\n  add unchanged lines around the change",
        lines.len(),
        listed(lines)
    )]
    Ambiguous { lines: Vec<usize> },
    /// `line`: of the file, from 1.
    #[error(
        "the edited hunk reaches into another hunk of the file (line {line} of the file)\n  edit that hunk instead, or leave its lines out"
    )]
    Overlap { line: usize },
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
    /// start with `#` or `@@` are passed over. An old side that is not the hunk's any more is looked for in the
    /// file as a patch's is, but never by likeness, and must not reach into another hunk.
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
    let own = hunk.old_range();
    let mut edited = parsed(new_text, own.len())?;
    let old_side = old.get(own.clone()).unwrap_or_default();
    let end = new_text.lines().count() + 1;
    let moved = match check_old_side(&edited, old_side, end) {
        Ok(()) => None,
        Err(error) => match relocate::place(file, at, &old, &mut edited)? {
            Some(range) => Some(range),
            None => return Err(error),
        },
    };
    let range = moved.clone().unwrap_or(own);
    let lines: Vec<HunkLine> = edited.into_iter().map(|edited| edited.line).collect();
    if lines.iter().all(|line| line.kind == LineKind::Context) {
        return Err(EditError::NoChange);
    }

    // The post-image anew: the other hunks bring what they brought, this one the user's lines.
    let pre = file.pre.as_deref().unwrap_or_default();
    let id = hunk.id;
    let mut parts: Vec<Part<'_>> = file
        .hunks
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != at)
        .map(|(_, other)| Part {
            old: other.old_range(),
            new: new.get(other.new_range()).unwrap_or_default().concat(),
            hunk: Some(other),
        })
        .collect();
    let own = if moved.is_some() {
        let before = |old: &Range<usize>| (old.start, old.end) <= (range.start, range.start);
        parts.partition_point(|part| before(&part.old))
    } else {
        at
    };
    let mut range = range;
    let mut brought = brought(pre, &old, &range, &lines);
    let next_is_free = parts.get(own).is_none_or(|next| next.old.start > range.end);
    if let Some(next) = old.get(range.end)
        && (range.start, brought.len()) == (0, 0)
        && next_is_free
        && pre.starts_with(BOM.as_bytes())
    {
        // The file's first line goes; the BOM moves to the one below it.
        brought = [BOM.as_bytes(), next].concat();
        range.end += 1;
    }
    parts.insert(
        own,
        Part {
            old: range,
            new: brought,
            hunk: None,
        },
    );
    let mut post: Vec<u8> = Vec::with_capacity(pre.len());
    let mut hunks = Vec::with_capacity(parts.len());
    let mut done = 0;
    let mut new_lines = 0;
    for part in &parts {
        for line in old.get(done..part.old.start).unwrap_or_default() {
            post.extend_from_slice(line);
            new_lines += 1;
        }
        done = part.old.end;
        if post.is_empty() && bom_is_lost(pre, &part.new) {
            post.extend_from_slice(BOM.as_bytes());
        }
        let before = post.len();
        post.extend_from_slice(&part.new);
        let brought = byte_lines(post.get(before..).unwrap_or_default()).len();
        hunks.push((part.hunk, part.old.clone(), new_lines..new_lines + brought));
        new_lines += brought;
    }
    old.get(done..)
        .unwrap_or_default()
        .iter()
        .for_each(|line| post.extend_from_slice(line));
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
    let post_lines = byte_lines(&post);
    let hunks: Vec<Hunk> = hunks
        .into_iter()
        .map(|(other, old_range, new_range)| match other {
            Some(other) => diff::from_lines(
                other.id,
                old_range.start,
                new_range.start,
                other.lines.clone(),
            ),
            None => between(id, &old, &post_lines, old_range, new_range),
        })
        .collect();
    file.hunks = hunks;
    // A delete that keeps lines is an update; an added file whose lines all went cannot be (NoChange).
    if file.kind == ChangeKind::Delete && !post.is_empty() {
        file.kind = ChangeKind::Update;
    }
    file.post = (file.kind != ChangeKind::Delete).then_some(post);
    Ok(())
}

/// Lines of the pre-image and what takes their place.
struct Part<'a> {
    old: Range<usize>,
    new: Vec<u8>,
    /// `None` for the edited one.
    hunk: Option<&'a Hunk>,
}

fn bom_is_lost(pre: &[u8], first: &[u8]) -> bool {
    let bom = BOM.as_bytes();
    pre.starts_with(bom) && !first.is_empty() && !first.starts_with(bom)
}

fn listed(lines: &[usize]) -> String {
    const SHOWN: usize = 8;
    let mut numbers: Vec<String> = lines.iter().take(SHOWN).map(usize::to_string).collect();
    if lines.len() > SHOWN {
        numbers.push(format!("{} more", lines.len() - SHOWN));
    }
    numbers.join(", ")
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
