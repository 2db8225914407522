//! The lines most like those that were not found, for the error that a model repairs its patch from.

use similar::{Algorithm, DiffOp, TextDiff, capture_diff_slices, group_diff_ops};
use std::collections::BTreeMap;

/// The best candidate for a hunk that matched nowhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    /// First and last line, from 1.
    pub first: usize,
    pub last: usize,
    /// 0 to 1.
    pub ratio: f32,
    /// From what the hunk expects (`-`) to what the file has there (`+`), around what differs.
    pub diff: Vec<String>,
}

/// Lines of [`Nearest::diff`], and lines in it around a difference.
const MAX_DIFF: usize = 12;
const CONTEXT: usize = 1;

/// Below this the lines have nothing to do with each other.
const WORTH_NAMING: f32 = 0.5;
/// Lines looked at one by one when no line of the hunk is in the file; more would be slow and no help.
const MAX_COMPARED: usize = 20_000;
/// Windows whose similarity is computed.
const MAX_WINDOWS: usize = 8;
/// Characters of a line that are compared; a minified file's lines are long.
const MAX_WIDTH: usize = 400;

pub(super) fn nearest(file: &[&str], old: &[&str]) -> Option<Nearest> {
    let old: Vec<&str> = old.to_vec();
    if file.is_empty() || old.is_empty() {
        return None;
    }
    // Every line that both have votes for the window it would put the hunk at.
    let mut wanted: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, line) in old
        .iter()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        wanted.entry(line.trim()).or_default().push(at);
    }
    let mut votes: BTreeMap<usize, usize> = BTreeMap::new();
    for (line, text) in file.iter().enumerate() {
        for at in wanted
            .get(text.trim())
            .into_iter()
            .flatten()
            .take(MAX_WINDOWS)
        {
            *votes.entry(line.saturating_sub(*at)).or_default() += 1;
        }
    }
    if votes.is_empty() {
        let (at, key) = old
            .iter()
            .enumerate()
            .max_by_key(|(_, line)| line.trim().len())?;
        let key = short(key);
        let mut alike: Vec<(usize, f32)> = file
            .iter()
            .enumerate()
            .take(MAX_COMPARED)
            .filter(|(_, line)| similar_length(line.trim(), &key))
            .map(|(line, text)| {
                (
                    line,
                    TextDiff::from_chars(key.as_str(), short(text).as_str()).ratio(),
                )
            })
            .collect();
        alike.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        votes.extend(
            alike
                .into_iter()
                .take(MAX_WINDOWS)
                .map(|(line, _)| (line.saturating_sub(at), 1)),
        );
    }
    let mut windows: Vec<(usize, usize)> = votes.into_iter().collect();
    windows.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut best: Option<Nearest> = None;
    for (start, _) in windows.into_iter().take(MAX_WINDOWS) {
        let found: Vec<&str> = file.iter().skip(start).take(old.len()).copied().collect();
        let sum: f32 = old
            .iter()
            .zip(&found)
            .map(|(a, b)| TextDiff::from_chars(short(a).as_str(), short(b).as_str()).ratio())
            .sum();
        let ratio = sum / old.len() as f32;
        if ratio >= WORTH_NAMING && best.as_ref().is_none_or(|best| ratio > best.ratio) {
            best = Some(Nearest {
                first: start + 1,
                last: start + found.len(),
                ratio,
                diff: diff(&old, &found),
            });
        }
    }
    best
}

fn diff(old: &[&str], found: &[&str]) -> Vec<String> {
    // Lines that only look unlike at their end are alike to the search.
    let key = |lines: &[&str]| -> Vec<String> {
        lines
            .iter()
            .map(|line| line.trim_end().to_owned())
            .collect()
    };
    let ops = capture_diff_slices(Algorithm::Myers, &key(old), &key(found));
    let mut lines = Vec::new();
    for group in group_diff_ops(ops, CONTEXT) {
        if !lines.is_empty() {
            lines.push("...".to_owned());
        }
        for op in group {
            let side = |sign: char, of: &[&str], range: std::ops::Range<usize>| -> Vec<String> {
                let part = of.get(range).unwrap_or_default();
                part.iter().map(|line| format!("{sign}{line}")).collect()
            };
            match op {
                DiffOp::Equal { .. } => lines.extend(side(' ', found, op.new_range())),
                DiffOp::Delete { .. } | DiffOp::Insert { .. } | DiffOp::Replace { .. } => {
                    lines.extend(side('-', old, op.old_range()));
                    lines.extend(side('+', found, op.new_range()));
                }
            }
        }
        if lines.len() > MAX_DIFF {
            lines.truncate(MAX_DIFF - 1);
            lines.push("...".to_owned());
            break;
        }
    }
    lines
}

fn short(line: &str) -> String {
    line.trim().chars().take(MAX_WIDTH).collect()
}

/// Lines of very different length cannot be alike; this spares most comparisons.
fn similar_length(a: &str, b: &str) -> bool {
    let (a, b) = (a.len().min(MAX_WIDTH), b.len());
    a * 3 >= b && b * 3 >= a
}
