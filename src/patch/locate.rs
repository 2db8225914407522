//! Where a hunk's lines are in a file.
//!
//! Pure: lines in, places out. A hunk's old lines (context and removed) are looked for in stages, each more
//! lenient than the one before; the first stage with a match counts. Several matches are told apart by the
//! `@@` headers, then by the order of the hunks; where that leaves more than one the answer is an error with
//! their line numbers, never a guess. Each search is one pass over the file (Knuth-Morris-Pratt over
//! interned lines), so the cost grows with the file's size and not with its square.

mod indent;
mod index;
mod nearest;
mod scope;
#[cfg(test)]
mod tests;
mod variant;

pub use nearest::Nearest;

use super::LocateStage;
use super::v4a::PatchHunk;
use index::{FileIndex, LineKey};
use std::ops::Range;
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
    let mut search = Search {
        file,
        hunks,
        index: FileIndex::new(file),
        placed: Vec::new(),
        cursor: 0,
    };
    for hunk in 0..hunks.len() {
        if search.placed.iter().any(|(placed, _)| *placed == hunk) {
            continue;
        }
        search.place(hunk)?;
    }
    let mut placed = search.placed;
    placed.sort_by_key(|(hunk, place)| (place.range.start, place.range.end, *hunk));
    Ok(placed
        .into_iter()
        .filter_map(|(hunk, place)| {
            let patch = hunks.get(hunk)?;
            let lines = place.variant.lines(patch);
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
}

struct Search<'a> {
    file: &'a [&'a str],
    hunks: &'a [PatchHunk],
    index: FileIndex<'a>,
    placed: Vec<(usize, Place)>,
    /// Where the changes of the hunk before ended. (Not its context, which the next hunk may begin with.)
    cursor: usize,
}

impl Search<'_> {
    fn place(&mut self, hunk: usize) -> Result<(), LocateError> {
        let Some(patch) = self.hunks.get(hunk) else {
            return Ok(());
        };
        let mut overlap = None;
        for stage in STAGES {
            for variant in Variant::all(patch) {
                let lines = variant.lines(patch);
                let old: Vec<&str> = lines
                    .iter()
                    .filter(|(role, _)| *role != Role::Add)
                    .map(|(_, text)| *text)
                    .collect();
                if old.is_empty() {
                    return self.place_addition(hunk, *variant);
                }
                let all = self.index.find(LineKey::of(stage), &old);
                let len = old.len();
                let core = core_of(&lines);
                let mut free: Vec<usize> = Vec::with_capacity(all.len());
                for start in all {
                    match self.taken(&(start + core.start..start + core.end)) {
                        Some(other) => overlap = overlap.or(Some((other, start))),
                        None => free.push(start),
                    }
                }
                if free.is_empty() {
                    continue;
                }
                let starts = self.choose(hunk, stage, *variant, len, free)?;
                for (hunk, start) in starts {
                    let core = self
                        .hunks
                        .get(hunk)
                        .map_or(0..0, |twin| core_of(&variant.lines(twin)));
                    let core = start + core.start..start + core.end;
                    let place = Place {
                        range: start..start + len,
                        stage,
                        variant: *variant,
                        core,
                    };
                    self.cursor = place.core.end;
                    self.placed.push((hunk, place));
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
        Err(self.missing(hunk, patch))
    }

    /// Which of the free matches the hunk means, and with it those of its twins.
    fn choose(
        &mut self,
        hunk: usize,
        stage: LocateStage,
        variant: Variant,
        len: usize,
        mut found: Vec<usize>,
    ) -> Result<Vec<(usize, usize)>, LocateError> {
        let Some(patch) = self.hunks.get(hunk) else {
            return Ok(Vec::new());
        };
        let core = core_of(&variant.lines(patch));
        if patch.at_end {
            let at_end: Vec<usize> = found
                .iter()
                .copied()
                .filter(|start| self.is_end(start + len))
                .collect();
            if !at_end.is_empty() {
                found = at_end;
            }
        }
        if found.len() > 1 && !patch.headers.is_empty() {
            let scopes = scope::scopes(&mut self.index, self.file, &patch.headers);
            let inside: Vec<usize> = found
                .iter()
                .copied()
                .filter(|start| scopes.iter().any(|scope| scope.contains(start)))
                .collect();
            if inside.is_empty() {
                // A header can name a line above that does not enclose the place.
                let after: Vec<usize> = found
                    .iter()
                    .copied()
                    .filter(|start| scopes.iter().any(|scope| scope.start <= *start))
                    .collect();
                if !after.is_empty() {
                    found = after;
                }
            } else {
                found = inside;
            }
        }
        if let [only] = found.as_slice() {
            return Ok(vec![(hunk, *only)]);
        }
        let twins: Vec<usize> = (hunk..self.hunks.len())
            .filter(|other| {
                self.hunks.get(*other).is_some_and(|twin| {
                    twin.headers == patch.headers && twin.at_end == patch.at_end
                }) && self.same_old_lines(hunk, *other, stage, variant)
            })
            .collect();
        let apart = found
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if a + len <= *b));
        if twins.len() == found.len() && apart {
            return Ok(twins.into_iter().zip(found).collect());
        }
        let after: Vec<usize> = found
            .iter()
            .copied()
            .filter(|start| *start + core.start >= self.cursor)
            .collect();
        match after.as_slice() {
            [only] => Ok(vec![(hunk, *only)]),
            _ => Err(LocateError::Ambiguous {
                hunk,
                lines: found.iter().map(|start| start + 1).collect(),
                header: self.missing_header(hunk),
            }),
        }
    }

    fn same_old_lines(
        &self,
        one: usize,
        other: usize,
        stage: LocateStage,
        variant: Variant,
    ) -> bool {
        let key = LineKey::of(stage);
        let old = |hunk: usize| -> Option<Vec<String>> {
            let lines = variant.lines(self.hunks.get(hunk)?);
            Some(
                lines
                    .into_iter()
                    .filter(|(role, _)| *role != Role::Add)
                    .map(|(_, text)| key.fold(text).into_owned())
                    .collect(),
            )
        };
        one == other || old(one) == old(other)
    }

    /// A hunk of `+` lines alone: under its header, else at the end of the file.
    fn place_addition(&mut self, hunk: usize, variant: Variant) -> Result<(), LocateError> {
        let Some(patch) = self.hunks.get(hunk) else {
            return Ok(());
        };
        let (at, stage) = match patch.headers.last() {
            Some(header) if !patch.at_end => {
                let found = scope::header_lines(&mut self.index, self.file, &patch.headers);
                let Some((stage, lines)) = found else {
                    return Err(LocateError::HeaderMissing {
                        hunk,
                        header: header.clone(),
                    });
                };
                let after: Vec<usize> = lines
                    .iter()
                    .copied()
                    .filter(|line| *line >= self.cursor)
                    .collect();
                let line = match (lines.as_slice(), after.as_slice()) {
                    ([only], _) => *only,
                    (_, [only]) => *only,
                    _ => {
                        return Err(LocateError::Ambiguous {
                            hunk,
                            lines: lines.iter().map(|line| line + 1).collect(),
                            header: None,
                        });
                    }
                };
                (line + 1, stage)
            }
            _ => (self.file.len(), LocateStage::Exact),
        };
        if let Some(other) = self.taken(&(at..at)) {
            return Err(LocateError::Overlap {
                hunk,
                other,
                line: at + 1,
            });
        }
        self.cursor = at;
        self.placed.push((
            hunk,
            Place {
                range: at..at,
                stage,
                variant,
                core: at..at,
            },
        ));
        Ok(())
    }

    /// A hunk placed already whose changes cross these. What is only context to one of them is free: hunks
    /// are written against the file as it is, and leaving such a place out would leave a wrong one alone.
    fn taken(&self, core: &Range<usize>) -> Option<usize> {
        let cross = |other: &Range<usize>| other.start < core.end && core.start < other.end;
        self.placed
            .iter()
            .find(|(_, place)| cross(&place.core))
            .map(|(hunk, _)| *hunk)
    }

    /// Whether nothing but blank lines follows.
    fn is_end(&self, line: usize) -> bool {
        self.file
            .iter()
            .skip(line)
            .all(|text| text.trim().is_empty())
    }

    fn missing(&mut self, hunk: usize, patch: &PatchHunk) -> LocateError {
        let variant = Variant::all(patch)
            .last()
            .copied()
            .unwrap_or(Variant::AsContext);
        let lines = variant.lines(patch);
        let side = |without: Role| -> Vec<&str> {
            lines
                .iter()
                .filter(|(role, _)| *role != without)
                .map(|(_, text)| *text)
                .collect()
        };
        let (old, new) = (side(Role::Add), side(Role::Remove));
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
        let nearest = nearest::nearest(self.file, &old).map(Box::new);
        LocateError::Missing {
            hunk,
            nearest,
            header,
            already_there,
        }
    }

    fn missing_header(&mut self, hunk: usize) -> Option<String> {
        let headers = &self.hunks.get(hunk)?.headers;
        let absent = headers.iter().find(|header| {
            scope::header_lines(&mut self.index, self.file, std::slice::from_ref(header)).is_none()
        });
        absent.cloned()
    }
}
