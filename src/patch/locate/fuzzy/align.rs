//! A hunk's old lines beside those of a window, with the least that does not fit.

use crate::patch::locate::index::LineKey;
use similar::{Algorithm, capture_diff_slices, diff_ratio};
use std::collections::HashMap;
use std::ops::Range;

/// Which line of the file each old line is.
#[derive(Debug)]
pub(super) struct Alignment {
    /// 1 when all are equal and nothing is between them.
    pub score: f32,
    pub rows: Vec<Option<usize>>,
    /// Of each old line, to its row.
    likeness: Vec<f32>,
}

/// How far a line may be from where the window's start puts it.
const BAND: isize = 4;
const WIDTH: usize = 2 * BAND as usize + 1;
/// Below this two lines are not the same line.
const SAME_LINE: f32 = 0.6;
/// What a line of the file that the hunk does not have costs; a line of the hunk that is missing costs 1.
const EXTRA: f32 = 0.75;
/// What a line without letters counts.
const BARE: f32 = 0.3;
/// Characters that are compared; longer lines are equal or not.
const MAX_CHARS: usize = 400;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Start,
    Match,
    Missing,
    Extra,
}

/// Aligns the lines with the file around `start`.
pub(super) fn align(file: &[&str], old: &[&str], start: isize) -> Alignment {
    let fold = |line: &&str| LineKey::Folded.fold(line).into_owned();
    let own: Vec<String> = old.iter().map(fold).collect();
    let first = usize::try_from(start - BAND).unwrap_or(0);
    let around: Vec<String> = file
        .iter()
        .skip(first)
        .take(old.len() + WIDTH)
        .map(fold)
        .collect();
    let row_of = |at: usize, offset: usize| -> Option<usize> {
        let row = start + at as isize + offset as isize - BAND;
        usize::try_from(row).ok().filter(|row| *row < file.len())
    };
    let line = |row: usize| around.get(row.checked_sub(first)?);

    // best[at][offset]: the old lines before `at` are settled, and so are the file's lines before `row_of`.
    let floor = f32::NEG_INFINITY;
    let mut best = vec![[floor; WIDTH]; old.len() + 1];
    let mut steps = vec![[Step::Start; WIDTH]; old.len() + 1];
    let mut alike = vec![[0.0f32; WIDTH]; old.len()];
    if let Some(row) = best.first_mut() {
        row.fill(0.0);
    }
    for at in 0..=old.len() {
        // Lines between: only below a line that is settled, or the window just begins later.
        for offset in 1..WIDTH {
            let cost = row_of(at, offset - 1)
                .and_then(line)
                .map(|line| EXTRA * weight(line));
            let before = value(&best, at, offset - 1);
            if let Some(cost) = cost
                && at > 0
                && at < old.len()
                && before - cost > value(&best, at, offset)
            {
                set(
                    &mut best,
                    &mut steps,
                    at,
                    offset,
                    before - cost,
                    Step::Extra,
                );
            }
        }
        let Some(text) = own.get(at) else { break };
        for offset in 0..WIDTH {
            let before = value(&best, at, offset);
            if before == floor {
                continue;
            }
            if let Some(line) = row_of(at, offset).and_then(line) {
                let likeness = likeness(text, line);
                if let Some(slot) = alike.get_mut(at).and_then(|row| row.get_mut(offset)) {
                    *slot = likeness;
                }
                let sum = before + weight(text) * likeness;
                if likeness >= SAME_LINE && sum > value(&best, at + 1, offset) {
                    set(&mut best, &mut steps, at + 1, offset, sum, Step::Match);
                }
            }
            if let Some(less) = offset.checked_sub(1)
                && before > value(&best, at + 1, less)
            {
                set(&mut best, &mut steps, at + 1, less, before, Step::Missing);
            }
        }
    }

    let total: f32 = own.iter().map(|line| weight(line)).sum();
    let mut offset = (0..WIDTH)
        .max_by(|a, b| value(&best, old.len(), *a).total_cmp(&value(&best, old.len(), *b)))
        .unwrap_or(0);
    let score = value(&best, old.len(), offset) / total.max(BARE);
    let mut rows = vec![None; old.len()];
    let mut likenesses = vec![0.0; old.len()];
    let mut at = old.len();
    while let Some(step) = steps.get(at).and_then(|row| row.get(offset)) {
        match step {
            Step::Start => break,
            Step::Extra => offset = offset.saturating_sub(1),
            Step::Missing => {
                at = at.saturating_sub(1);
                offset += 1;
            }
            Step::Match => {
                at = at.saturating_sub(1);
                if let (Some(slot), Some(like)) = (rows.get_mut(at), likenesses.get_mut(at)) {
                    *slot = row_of(at, offset);
                    *like = alike
                        .get(at)
                        .and_then(|row| row.get(offset))
                        .copied()
                        .unwrap_or(0.0);
                }
            }
        }
    }
    Alignment {
        score,
        rows,
        likeness: likenesses,
    }
}

fn value(best: &[[f32; WIDTH]], at: usize, offset: usize) -> f32 {
    let row = best.get(at).and_then(|row| row.get(offset));
    row.copied().unwrap_or(f32::NEG_INFINITY)
}

fn set(
    best: &mut [[f32; WIDTH]],
    steps: &mut [[Step; WIDTH]],
    at: usize,
    offset: usize,
    value: f32,
    step: Step,
) {
    if let Some(slot) = best.get_mut(at).and_then(|row| row.get_mut(offset)) {
        *slot = value;
    }
    if let Some(slot) = steps.get_mut(at).and_then(|row| row.get_mut(offset)) {
        *slot = step;
    }
}

fn weight(line: &str) -> f32 {
    if line.chars().any(char::is_alphanumeric) {
        1.0
    } else {
        BARE
    }
}

impl Alignment {
    pub fn row(&self, old: usize) -> Option<usize> {
        self.rows.get(old).copied().flatten()
    }

    pub fn likeness(&self, old: usize) -> f32 {
        self.likeness.get(old).copied().unwrap_or(0.0)
    }

    pub fn is_equal(&self, old: usize) -> bool {
        self.row(old).is_some() && self.likeness(old) >= 1.0
    }

    pub fn range(&self) -> Option<Range<usize>> {
        let mut rows = self.rows.iter().flatten();
        let first = *rows.next()?;
        Some(first..rows.next_back().copied().unwrap_or(first) + 1)
    }

    /// Old lines that the window does not have.
    pub fn missing(&self) -> usize {
        self.rows.iter().filter(|row| row.is_none()).count()
    }

    /// Lines of the window that the hunk does not have.
    pub fn extra(&self) -> usize {
        let len = self.range().map_or(0, |range| range.len());
        len.saturating_sub(self.rows.len() - self.missing())
    }
}

/// 0 to 1, 1 only when they are equal.
fn likeness(a: &str, b: &str) -> f32 {
    if a == b {
        return 1.0;
    }
    let chars = |text: &str| -> Vec<char> { text.chars().take(MAX_CHARS + 1).collect() };
    let (a, b) = (chars(a), chars(b));
    let sum = a.len() + b.len();
    if a.len() > MAX_CHARS || b.len() > MAX_CHARS || sum == 0 {
        return 0.0;
    }
    // The characters they share, in any order, are the most a diff can find.
    let mut counts: HashMap<char, isize> = HashMap::new();
    a.iter().for_each(|c| *counts.entry(*c).or_default() += 1);
    let mut shared = 0;
    for c in &b {
        if let Some(count) = counts.get_mut(c).filter(|count| **count > 0) {
            *count -= 1;
            shared += 1;
        }
    }
    if (2 * shared) as f32 / (sum as f32) < SAME_LINE {
        return 0.0;
    }
    let ops = capture_diff_slices(Algorithm::Myers, &a, &b);
    diff_ratio(&ops, a.len(), b.len()).min(0.999)
}
