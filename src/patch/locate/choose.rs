//! Which of several matches a hunk means, where anything says so.

use super::variant::{Variant, core_of};
use super::{LocateError, Place, Search, expected_start, scope, twins};
use crate::patch::LocateStage;

impl Search<'_> {
    /// Which of the free matches the hunk means, and with it those of its twins.
    pub(super) fn choose(
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
        let narrow = |found: &mut Vec<usize>, to: &dyn Fn(usize) -> bool| {
            let any = found.iter().any(|start| to(*start));
            if any {
                found.retain(|start| to(*start));
            }
            any
        };
        if patch.at_end {
            narrow(&mut found, &|start| self.is_end(start + len));
        }
        if found.len() > 1 && !patch.headers.is_empty() {
            let scopes = scope::scopes(&mut self.index, self.file, &patch.headers);
            // A header can name a line above that does not enclose the place.
            if !narrow(&mut found, &|start| scopes.contain(start))
                && let Some(first) = scopes.start()
            {
                narrow(&mut found, &|start| first <= start);
            }
        }
        if let Some(expected) = expected_start(patch, variant) {
            narrow(&mut found, &|start| start == expected);
        }
        if let [only] = found.as_slice() {
            return Ok(vec![(hunk, *only)]);
        }
        let apart = found
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if a + len <= *b));
        if apart {
            let twins = self.twins.of(self.hunks, hunk, stage, variant);
            let alike = |twin: &usize| {
                let twin = self.hunks.get(*twin);
                twin.is_some_and(|twin| twins::are_alike(patch, twin, stage, variant))
            };
            // The places are free for this hunk's changes; a twin with the same old lines may change more of them.
            let free = |(twin, start): (&usize, &usize)| {
                self.placed
                    .taken(&self.core_at(*twin, variant, *start))
                    .is_none()
            };
            if twins.len() == found.len()
                && twins.iter().all(alike)
                && twins.iter().zip(&found).all(free)
            {
                return Ok(twins.into_iter().zip(found).collect());
            }
        }
        let core = core_of(&variant.lines(patch));
        let mut after = found
            .iter()
            .filter(|start| **start + core.start >= self.cursor);
        match (after.next(), after.next()) {
            (Some(only), None) => Ok(vec![(hunk, *only)]),
            _ => Err(LocateError::Ambiguous {
                hunk,
                lines: found.iter().map(|start| start + 1).collect(),
                header: self.missing_header(hunk),
            }),
        }
    }

    /// A hunk of `+` lines alone: under its header, else at the end of the file.
    pub(super) fn place_addition(
        &mut self,
        hunk: usize,
        variant: Variant,
    ) -> Result<(), LocateError> {
        let Some(patch) = self.hunks.get(hunk) else {
            return Ok(());
        };
        if patch.old_start == Some(0) && !self.file.is_empty() {
            return Err(LocateError::NotEmpty { hunk });
        }
        let (at, stage) = match patch.headers.last() {
            Some(header) if !patch.at_end => {
                let found = scope::header_lines(&mut self.index, self.file, &patch.headers);
                let Some((stage, lines)) = found else {
                    return Err(LocateError::HeaderMissing {
                        hunk,
                        header: header.clone(),
                    });
                };
                let mut after = lines.iter().filter(|line| **line >= self.cursor);
                let line = match (lines.as_slice(), after.next(), after.next()) {
                    ([only], _, _) => *only,
                    (_, Some(only), None) => *only,
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
        if let Some(other) = self.placed.taken(&(at..at)) {
            return Err(LocateError::Overlap {
                hunk,
                other,
                line: at + 1,
            });
        }
        self.cursor = at;
        let place = Place {
            range: at..at,
            stage,
            variant,
            core: at..at,
            rows: None,
        };
        self.placed.add(hunk, place);
        Ok(())
    }
}
