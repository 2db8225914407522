//! Where a hunk's lines are in a file.
//!
//! Pure: lines in, places out. A hunk's old lines (context and removed) are looked for in stages, each more
//! lenient than the one before; the first stage with a match counts. Several matches are told apart by the
//! `@@` headers, the line number of a unified diff, then by the order of the hunks; where that leaves more than
//! one the answer is an error with their line numbers, never a guess. Only a hunk that matches nowhere is
//! compared by likeness. Each search is at most one pass over the file (Knuth-Morris-Pratt over interned
//! lines); many hunks share a sorted index of its lines.

mod choose;
mod fuzzy;
mod indent;
mod index;
mod nearest;
mod placed;
mod scope;
#[cfg(test)]
mod tests;
mod twins;
mod variant;

pub use nearest::Nearest;

use super::LocateStage;
use super::v4a::{FinalNewline, PatchHunk};
use index::{FileIndex, LineKey};
use placed::Placed;
use std::ops::Range;
use twins::Twins;
use variant::{Role, Variant, core_of};

/// A hunk's place: which lines of the file go, and what comes instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Index of the hunk in the patch.
    pub hunk: usize,
    /// The lines its old lines stand for, from 0.
    pub matched: Range<usize>,
    pub stage: LocateStage,
    /// Ascending and apart: lines to replace (from 0) and their new text.
    pub changes: Vec<(Range<usize>, Vec<String>)>,
}

/// Why a hunk has no place. `hunk` counts from 0; line numbers count from 1.
#[derive(Debug, Clone, PartialEq)]
pub enum LocateError {
    Missing {
        hunk: usize,
        nearest: Option<Box<Nearest>>,
        header: Option<String>,
        already_there: Option<usize>,
    },
    /// `header`: one of the hunk's that is not in the file and so could not tell the places apart.
    Ambiguous {
        hunk: usize,
        lines: Vec<usize>,
        header: Option<String>,
    },
    /// Only a header says where the new lines go, and it is not in the file.
    HeaderMissing { hunk: usize, header: String },
    /// It fills an empty file, and this one is not.
    NotEmpty { hunk: usize },
    /// It changes lines that an earlier hunk changes.
    Overlap {
        hunk: usize,
        other: usize,
        line: usize,
    },
}

pub(crate) const STAGES: [LocateStage; 4] = [
    LocateStage::Exact,
    LocateStage::TrailingSpace,
    LocateStage::Indentation,
    LocateStage::Punctuation,
];

/// Places every hunk, in the file's order.
pub fn locate(file: &[&str], hunks: &[PatchHunk]) -> Result<Vec<Located>, LocateError> {
    place_all(file, hunks, &STAGES)
}

/// As [`locate`], where lines differ in nothing but the white space at their end: for hunks that a user wrote.
pub(crate) fn locate_as_written(
    file: &[&str],
    hunks: &[PatchHunk],
) -> Result<Vec<Located>, LocateError> {
    place_all(
        file,
        hunks,
        &[LocateStage::Exact, LocateStage::TrailingSpace],
    )
}

fn place_all(
    file: &[&str],
    hunks: &[PatchHunk],
    stages: &[LocateStage],
) -> Result<Vec<Located>, LocateError> {
    let text_end = file.iter().rposition(|line| !line.trim().is_empty());
    let mut search = Search {
        file,
        hunks,
        index: FileIndex::new(file),
        placed: Placed::new(hunks.len()),
        twins: Twins::default(),
        cursor: 0,
        text_end: text_end.map_or(0, |last| last + 1),
        stages,
    };
    for hunk in 0..hunks.len() {
        if !search.placed.has(hunk) {
            search.place(hunk)?;
        }
    }
    let placed = search.placed.in_order().into_iter();
    Ok(placed
        .filter_map(|(hunk, place)| {
            let lines = place.variant.lines(hunks.get(hunk)?);
            let changes = indent::changes(file, &lines, &place);
            Some(Located {
                hunk,
                matched: place.range,
                stage: place.stage,
                changes,
            })
        })
        .collect())
}

/// A choice that was made for a hunk.
#[derive(Debug, Clone)]
struct Place {
    range: Range<usize>,
    stage: LocateStage,
    variant: Variant,
    /// From its first to its last change; what is around it is context, which hunks may share.
    core: Range<usize>,
    /// The file's line for each old line, where they are not simply one below the other.
    rows: Option<Vec<Option<usize>>>,
}

impl Place {
    fn row(&self, old: usize) -> Option<usize> {
        match &self.rows {
            Some(rows) => rows.get(old).copied().flatten(),
            None => Some(self.range.start + old),
        }
    }
}

struct Search<'a> {
    file: &'a [&'a str],
    hunks: &'a [PatchHunk],
    index: FileIndex<'a>,
    placed: Placed,
    twins: Twins,
    /// Where the changes of the hunk before ended. (Not its context, which the next hunk may begin with.)
    cursor: usize,
    /// Below it are only blank lines.
    text_end: usize,
    /// Those that are tried; after all of them, likeness.
    stages: &'a [LocateStage],
}

impl Search<'_> {
    fn place(&mut self, hunk: usize) -> Result<(), LocateError> {
        let Some(patch) = self.hunks.get(hunk) else {
            return Ok(());
        };
        let mut overlap = None;
        for stage in self.stages.iter().copied() {
            for variant in Variant::all(patch) {
                let lines = variant.lines(patch);
                let old = old_of(&lines);
                if old.is_empty() {
                    return self.place_addition(hunk, *variant);
                }
                let mut all = self.index.find(LineKey::of(stage), &old);
                let len = old.len();
                if patch.final_newline != FinalNewline::Keep {
                    all.retain(|start| start + len == self.file.len());
                }
                let core = core_of(&lines);
                let mut free: Vec<usize> = Vec::with_capacity(all.len());
                for start in all {
                    match self.placed.taken(&(start + core.start..start + core.end)) {
                        Some(other) => overlap = overlap.or(Some((other, start))),
                        None => free.push(start),
                    }
                }
                if free.is_empty() {
                    continue;
                }
                for (hunk, start) in self.choose(hunk, stage, *variant, len, free)? {
                    let core = self.core_at(hunk, *variant, start);
                    let place = Place {
                        range: start..start + len,
                        stage,
                        variant: *variant,
                        core,
                        rows: None,
                    };
                    self.cursor = place.core.end;
                    self.placed.add(hunk, place);
                }
                return Ok(());
            }
        }
        if let Some((other, start)) = overlap {
            return Err(LocateError::Overlap {
                hunk,
                other,
                line: start + 1,
            });
        }
        self.place_alike(hunk, patch)
    }

    /// From the first to the last change of a hunk whose old lines begin at `start`.
    fn core_at(&self, hunk: usize, variant: Variant, start: usize) -> Range<usize> {
        let hunk = self.hunks.get(hunk);
        let core = hunk.map_or(0..0, |hunk| core_of(&variant.lines(hunk)));
        start + core.start..start + core.end
    }

    /// The last resort, and where it does not help, the error.
    fn place_alike(&mut self, hunk: usize, patch: &PatchHunk) -> Result<(), LocateError> {
        let variant = Variant::all(patch)
            .last()
            .copied()
            .unwrap_or(Variant::AsContext);
        let lines = variant.lines(patch);
        let new: Vec<&str> = lines
            .iter()
            .filter(|(role, _)| *role != Role::Remove)
            .map(|(_, text)| *text)
            .collect();
        let adds = lines
            .iter()
            .any(|(role, text)| *role == Role::Add && !text.trim().is_empty());
        let already_there = if adds && !new.is_empty() {
            self.index
                .find(LineKey::Trimmed, &new)
                .first()
                .map(|start| start + 1)
        } else {
            None
        };
        let header = self.missing_header(hunk);
        if self.stages.len() < STAGES.len() {
            return Err(LocateError::Missing {
                hunk,
                nearest: None,
                header,
                already_there,
            });
        }
        if already_there.is_none()
            && let Some(place) = self.likeness(patch, variant, &lines)
        {
            self.cursor = place.core.end;
            self.placed.add(hunk, place);
            return Ok(());
        }
        let nearest = nearest::nearest(self.file, &old_of(&lines)).map(Box::new);
        Err(LocateError::Missing {
            hunk,
            nearest,
            header,
            already_there,
        })
    }

    fn likeness(
        &mut self,
        patch: &PatchHunk,
        variant: Variant,
        lines: &[(Role, &str)],
    ) -> Option<Place> {
        if patch.final_newline != FinalNewline::Keep {
            return None;
        }
        let scopes = scope::scopes(&mut self.index, self.file, &patch.headers);
        let wanted = fuzzy::Wanted {
            lines,
            scopes: (!scopes.is_empty()).then_some(&scopes),
            start: expected_start(patch, variant),
        };
        let found = fuzzy::find(&mut self.index, self.file, &wanted)?;
        let taken = self.placed.taken(&found.core).is_some();
        if taken || (patch.at_end && !self.is_end(found.range.end)) {
            return None;
        }
        Some(Place {
            range: found.range,
            stage: LocateStage::Fuzzy,
            variant,
            core: found.core,
            rows: Some(found.rows),
        })
    }

    /// Whether nothing but blank lines follows.
    fn is_end(&self, line: usize) -> bool {
        line >= self.text_end
    }

    fn missing_header(&mut self, hunk: usize) -> Option<String> {
        let headers = &self.hunks.get(hunk)?.headers;
        let absent = headers.iter().find(|header| {
            scope::header_lines(&mut self.index, self.file, std::slice::from_ref(header)).is_none()
        });
        absent.cloned()
    }
}

fn old_of<'a>(lines: &[(Role, &'a str)]) -> Vec<&'a str> {
    lines
        .iter()
        .filter(|(role, _)| *role != Role::Add)
        .map(|(_, text)| *text)
        .collect()
}

/// The line (from 0) that the hunk's own numbers say it begins at.
fn expected_start(patch: &PatchHunk, variant: Variant) -> Option<usize> {
    let start = patch.old_start?.checked_sub(1)?;
    Some(start + variant.skipped(patch))
}
