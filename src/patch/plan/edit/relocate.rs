//! Where an edited hunk's old lines are, when they are not the hunk's own any more.

use super::{EditError, Edited};
use crate::patch::diff;
use crate::patch::locate::{LocateError, locate_as_written};
use crate::patch::text::BOM;
use crate::patch::v4a::{PatchHunk, PatchLine, PatchLineKind};
use crate::patch::{FilePlan, LineKind};
use std::ops::Range;

/// The lines of the pre-image that the edited old lines are: within the hunk's own, or else anywhere. `None`
/// when they are nowhere. Blank lines that an editor left at the end may go.
pub(super) fn place(
    file: &FilePlan,
    at: usize,
    old: &[&[u8]],
    edited: &mut Vec<Edited>,
) -> Result<Option<Range<usize>>, EditError> {
    let Some(own) = file.hunks.get(at).map(|hunk| hunk.old_range()) else {
        return Err(EditError::NoSuchHunk);
    };
    let shown: Vec<String> = old.iter().map(|line| diff::display(line)).collect();
    let mut lines: Vec<&str> = shown.iter().map(String::as_str).collect();
    if let Some(first) = lines.first_mut() {
        *first = first.strip_prefix(BOM).unwrap_or(first);
    }
    let bare = edited.iter().rev().take_while(|line| line.is_bare).count();
    for dropped in [0, bare] {
        let kept = edited.get(..edited.len() - dropped).unwrap_or_default();
        let hunk = hunk_of(kept);
        let within = lines.get(own.clone()).unwrap_or_default();
        let found = match found(within, &hunk, own.start)? {
            Some(range) => Some(range),
            None => found(&lines, &hunk, 0)?,
        };
        let Some(range) = found else { continue };
        edited.truncate(edited.len() - dropped);
        let crossed = file.hunks.iter().enumerate().find(|(other, hunk)| {
            let other_range = hunk.old_range();
            *other != at && other_range.start < range.end && range.start < other_range.end
        });
        return match crossed {
            Some((_, hunk)) => Err(EditError::Overlap {
                line: hunk.old_range().start.max(range.start) + 1,
            }),
            None => Ok(Some(range)),
        };
    }
    Ok(None)
}

fn hunk_of(edited: &[Edited]) -> PatchHunk {
    let lines = edited.iter().map(|edited| PatchLine {
        kind: match edited.line.kind {
            LineKind::Context => PatchLineKind::Context,
            LineKind::Removed => PatchLineKind::Removed,
            LineKind::Added => PatchLineKind::Added,
        },
        text: match edited.line.text.strip_prefix(BOM) {
            Some(text) => text.to_owned(),
            None => edited.line.text.clone(),
        },
    });
    PatchHunk {
        lines: lines.collect(),
        ..PatchHunk::default()
    }
}

/// The one place in `lines`, which begin at line `from` of the file.
fn found(lines: &[&str], hunk: &PatchHunk, from: usize) -> Result<Option<Range<usize>>, EditError> {
    // Without an old line there is nothing to look for.
    if hunk
        .lines
        .iter()
        .all(|line| line.kind == PatchLineKind::Added)
    {
        return Ok(None);
    }
    match locate_as_written(lines, std::slice::from_ref(hunk)) {
        Ok(located) => Ok(located
            .first()
            .map(|place| from + place.matched.start..from + place.matched.end)),
        Err(LocateError::Ambiguous { lines, .. }) => Err(EditError::Ambiguous {
            lines: lines.into_iter().map(|line| from + line).collect(),
        }),
        Err(
            LocateError::Missing { .. }
            | LocateError::HeaderMissing { .. }
            | LocateError::NotEmpty { .. }
            | LocateError::Overlap { .. },
        ) => Ok(None),
    }
}
