//! An edited hunk's text as lines, and as the bytes they bring.

use super::EditError;
use crate::patch::diff::{self, NO_NEWLINE};
use crate::patch::text::{BOM, Text};
use crate::patch::{HunkLine, LineKind};
use std::ops::Range;

/// A line of the edited text.
pub(super) struct Edited {
    /// Where it stands, from 1.
    pub number: usize,
    /// Without its space, as editors leave an empty context line.
    pub is_bare: bool,
    pub line: HunkLine,
}

/// The edited lines; `old` is how many old lines the hunk had.
pub(super) fn parsed(new_text: &str, old: usize) -> Result<Vec<Edited>, EditError> {
    let mut lines = Vec::new();
    let mut old_seen = 0;
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
            None if index >= text_lines.len() - blank_tail && old_seen >= old => continue,
            None => LineKind::Context,
            Some(_) => {
                return Err(EditError::Prefix {
                    line: number,
                    text: (*line).to_owned(),
                });
            }
        };
        old_seen += usize::from(kind != LineKind::Added);
        let text = line.get(1..).unwrap_or_default().to_owned();
        lines.push(Edited {
            number,
            is_bare: line.is_empty(),
            line: HunkLine { kind, text },
        });
    }
    Ok(lines)
}

/// Whether the edited lines still have the hunk's old side.
pub(super) fn check_old_side(lines: &[Edited], old: &[&[u8]], end: usize) -> Result<(), EditError> {
    let mut expected = old.iter().map(|line| diff::display(line));
    for edited in lines {
        if edited.line.kind == LineKind::Added {
            continue;
        }
        let text = edited.line.text.as_str();
        let wanted = expected.next();
        let same = |wanted: &String| {
            wanted == text
                || wanted.strip_prefix(BOM) == Some(text)
                || (edited.is_bare && wanted.trim().is_empty())
        };
        if !wanted.as_ref().is_some_and(same) {
            return Err(EditError::NotTheFile {
                line: edited.number,
                expected: wanted.unwrap_or_else(|| "no further line".to_owned()),
                found: text.to_owned(),
            });
        }
    }
    match expected.next() {
        Some(missing) => Err(EditError::NotTheFile {
            line: end,
            expected: missing,
            found: "the end of the hunk".to_owned(),
        }),
        None => Ok(()),
    }
}

/// The bytes that the edited lines bring in place of `range`.
pub(super) fn brought(
    pre: &[u8],
    old: &[&[u8]],
    range: &Range<usize>,
    lines: &[HunkLine],
) -> Vec<u8> {
    let text = Text::parse(pre).unwrap_or_else(|_| Text::empty());
    let mut ending = &b"\n"[..];
    let mut brought: Vec<u8> = Vec::new();
    let mut old_at = range.start;
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
    if range.end == old.len() && !pre.is_empty() && !pre.ends_with(b"\n") {
        let bare = brought.strip_suffix(ending).unwrap_or(&brought).len();
        brought.truncate(bare);
    }
    brought
}
