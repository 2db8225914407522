//! The lines of a hunk by what they do to the file, and the doubt about its empty lines.

use crate::patch::v4a::{PatchHunk, PatchLine, PatchLineKind};
use std::ops::Range;

/// How the wholly empty lines of a hunk are read; each is tried only when those before found nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Variant {
    /// Context lines that lost their space.
    AsContext,
    /// Those at the hunk's end are layout of the patch.
    WithoutTrailing,
    /// Those at both ends are layout.
    WithoutOuter,
    /// As before, and between two `+` lines they are added lines that lost their `+`.
    InnerAdded,
}

impl Variant {
    pub fn all(hunk: &PatchHunk) -> &'static [Variant] {
        let blanks = hunk
            .lines
            .iter()
            .any(|line| line.kind == PatchLineKind::Blank);
        let old = hunk
            .lines
            .iter()
            .any(|line| matches!(line.kind, PatchLineKind::Context | PatchLineKind::Removed));
        match (blanks, old) {
            (false, _) => &[Variant::AsContext],
            // A lone blank line is no place to look for.
            (true, false) => &[Variant::InnerAdded],
            (true, true) => &[
                Variant::AsContext,
                Variant::WithoutTrailing,
                Variant::WithoutOuter,
                Variant::InnerAdded,
            ],
        }
    }

    /// Old lines at the hunk's start that are left out.
    pub fn skipped(self, hunk: &PatchHunk) -> usize {
        match self {
            Variant::AsContext | Variant::WithoutTrailing => 0,
            Variant::WithoutOuter | Variant::InnerAdded => leading_blanks(hunk),
        }
    }

    pub fn lines(self, hunk: &PatchHunk) -> Vec<(Role, &str)> {
        let is_blank = |line: &PatchLine| line.kind == PatchLineKind::Blank;
        let all = hunk.lines.as_slice();
        let leading = leading_blanks(hunk);
        let trailing = all.iter().rev().take_while(|line| is_blank(line)).count();
        let (skip, end) = match self {
            Variant::AsContext => (0, all.len()),
            Variant::WithoutTrailing => (0, all.len() - trailing),
            Variant::WithoutOuter | Variant::InnerAdded => (leading, all.len() - trailing),
        };
        // Of each line, whether the next one that is not blank is an added one.
        let mut before_added = vec![false; all.len()];
        let mut added = false;
        for (line, slot) in all.iter().zip(&mut before_added).rev() {
            *slot = added;
            if !is_blank(line) {
                added = line.kind == PatchLineKind::Added;
            }
        }
        let mut lines = Vec::with_capacity(all.len());
        let mut after_added = false;
        for (index, line) in all.iter().enumerate().take(end).skip(skip) {
            let role = match line.kind {
                PatchLineKind::Context => Role::Keep,
                PatchLineKind::Removed => Role::Remove,
                PatchLineKind::Added => Role::Add,
                PatchLineKind::Blank => {
                    let before_added = before_added.get(index).copied().unwrap_or(false);
                    if self == Variant::InnerAdded && after_added && before_added {
                        Role::Add
                    } else {
                        Role::Keep
                    }
                }
            };
            after_added = role == Role::Add;
            lines.push((role, line.text.as_str()));
        }
        lines
    }
}

fn leading_blanks(hunk: &PatchHunk) -> usize {
    let is_blank = |line: &&PatchLine| line.kind == PatchLineKind::Blank;
    hunk.lines.iter().take_while(is_blank).count()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Keep,
    Remove,
    Add,
}

/// The old lines from the first change to the last, counted from the hunk's first old line.
pub(super) fn core_of(lines: &[(Role, &str)]) -> Range<usize> {
    let mut at = 0;
    let mut core: Option<Range<usize>> = None;
    for (role, _) in lines {
        let next = if *role == Role::Add { at } else { at + 1 };
        if *role != Role::Keep {
            core = Some(core.map_or(at..next, |core| core.start..next));
        }
        at = next;
    }
    core.unwrap_or(0..at)
}
