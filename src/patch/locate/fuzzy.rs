//! A hunk that matches nowhere, placed by likeness.
//!
//! A wrong guess edits the wrong lines, so everything here is a reason to refuse. Windows are proposed by
//! votes of lines they share with the hunk, aligned line by line, and scored; the best one counts only when
//! it is good, clearly better than any other, and whole where the hunk changes something. What the lines
//! mean is not known here: two that differ in a digit are as different as can be.

mod align;

use super::index::{FileIndex, LineKey};
use super::scope::Scopes;
use super::variant::Role;
use align::{Alignment, align};
use std::collections::BTreeMap;
use std::ops::Range;

/// What is looked for.
pub(super) struct Wanted<'a> {
    pub lines: &'a [(Role, &'a str)],
    /// Where it has to begin.
    pub scopes: Option<&'a Scopes>,
    /// Where its own line numbers say it begins, from 0.
    pub start: Option<usize>,
}

pub(super) struct Found {
    pub range: Range<usize>,
    /// From the first change to the last.
    pub core: Range<usize>,
    /// The file's line for each old line.
    pub rows: Vec<Option<usize>>,
}

/// The score of a window: 1 when all lines are equal.
const GOOD: f32 = 0.85;
/// By how much the best has to lead.
const MARGIN: f32 = 0.1;
/// Likeness of a line that is removed to the one it stands for.
const REMOVED: f32 = 0.8;
/// Lines missing in the window, and lines of the window that the hunk does not have.
const MAX_GAPS: usize = 2;
/// By how many lines two proposals for the same window can differ.
const SLACK: usize = 2;
/// Hunks with more old lines are refused.
const MAX_OLD: usize = 200;
/// A line that is in the file more often says nothing about the place.
const MAX_OCCURRENCES: usize = 500;
/// With more places that are somewhat alike nothing is clear.
const MAX_WINDOWS: usize = 16;

pub(super) fn find(index: &mut FileIndex<'_>, file: &[&str], wanted: &Wanted<'_>) -> Option<Found> {
    let old: Vec<(Role, &str)> = wanted
        .lines
        .iter()
        .filter(|(role, _)| *role != Role::Add)
        .copied()
        .collect();
    let telling: Vec<usize> = (0..old.len())
        .filter(|at| old.get(*at).is_some_and(|(_, text)| is_telling(text)))
        .collect();
    if old.len() > MAX_OLD || telling.len() < 2 {
        return None;
    }
    let texts: Vec<&str> = old.iter().map(|(_, text)| *text).collect();
    let mut found: Vec<Alignment> = windows(index, &texts, &telling)?
        .into_iter()
        .map(|start| align(file, &texts, start))
        .filter(|it| match wanted.scopes {
            Some(scopes) => it.range().is_some_and(|range| scopes.contain(range.start)),
            None => true,
        })
        .collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let best = best_of(&found, wanted.start)?;
    let range = best.range()?;
    let exact = telling.iter().filter(|at| best.is_equal(**at)).count();
    let gaps = best.missing() <= MAX_GAPS && best.extra() <= MAX_GAPS;
    if best.score < GOOD || exact * 2 < telling.len() || !gaps || !removes_its_own(best, &old, file)
    {
        return None;
    }
    let core = changed_rows(wanted.lines, best)?;
    Some(Found {
        range,
        core,
        rows: best.rows.clone(),
    })
}

/// Enough letters to recognise it by.
fn is_telling(line: &str) -> bool {
    line.chars()
        .filter(|c| c.is_alphanumeric())
        .nth(2)
        .is_some()
}

/// Starts of windows that share at least a third of the telling lines. `None` when there are too many.
fn windows(index: &mut FileIndex<'_>, old: &[&str], telling: &[usize]) -> Option<Vec<isize>> {
    let lines: Vec<&str> = telling
        .iter()
        .filter_map(|at| old.get(*at))
        .copied()
        .collect();
    let mut votes: BTreeMap<isize, usize> = BTreeMap::new();
    for (at, places) in telling
        .iter()
        .zip(index.occurrences(LineKey::Folded, &lines))
    {
        if places.len() <= MAX_OCCURRENCES {
            for line in places {
                *votes.entry(line as isize - *at as isize).or_default() += 1;
            }
        }
    }
    let slack = SLACK as isize;
    let mut strong: Vec<(usize, isize)> = votes
        .keys()
        .map(|start| {
            let near = votes.range(start - slack..=start + slack);
            (near.map(|(_, votes)| votes).sum(), *start)
        })
        .filter(|(votes, _): &(usize, isize)| votes * 3 >= telling.len())
        .collect();
    strong.sort_by(|a, b| {
        b.0.cmp(&a.0).then_with(|| {
            let own = |start: &isize| votes.get(start).copied().unwrap_or(0);
            own(&b.1).cmp(&own(&a.1)).then(a.1.cmp(&b.1))
        })
    });
    let mut chosen: Vec<isize> = Vec::new();
    for (_, start) in strong {
        if chosen.iter().any(|other| (other - start).abs() <= slack) {
            continue;
        }
        if chosen.len() == MAX_WINDOWS {
            return None;
        }
        chosen.push(start);
    }
    Some(chosen)
}

/// The first of these, which descend, if it leads; or the one that begins where the hunk says.
fn best_of(found: &[Alignment], start: Option<usize>) -> Option<&Alignment> {
    let first = found.first()?;
    let own = first.range()?;
    let rival = found.iter().skip(1).find(|other| {
        let apart = |range: Range<usize>| range.end <= own.start || own.end <= range.start;
        other.range().is_some_and(apart)
    });
    let Some(rival) = rival.filter(|rival| first.score - rival.score < MARGIN) else {
        return Some(first);
    };
    let begins_there = |it: &&Alignment| start.is_some() && it.range().map(|r| r.start) == start;
    Some(first)
        .filter(begins_there)
        .or_else(|| Some(rival).filter(begins_there))
}

/// Whether every removed line is in the window and very like the hunk's.
fn removes_its_own(found: &Alignment, old: &[(Role, &str)], file: &[&str]) -> bool {
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    old.iter().enumerate().all(|(at, (role, text))| {
        *role != Role::Remove
            || found
                .row(at)
                .and_then(|row| file.get(row))
                .is_some_and(|line| found.likeness(at) >= REMOVED && digits(line) == digits(text))
    })
}

/// The lines from the first change to the last. `None` where a change does not lie directly between the lines
/// that the hunk has around it: then its place within the window is a guess of its own.
fn changed_rows(lines: &[(Role, &str)], found: &Alignment) -> Option<Range<usize>> {
    let mut core: Option<Range<usize>> = None;
    let mut old = 0;
    let mut index = 0;
    while let Some((role, _)) = lines.get(index) {
        if *role == Role::Keep {
            old += 1;
            index += 1;
            continue;
        }
        let above = match index {
            0 => None,
            _ => Some(found.row(old - 1)?),
        };
        let mut at = above.map(|row| row + 1);
        while let Some((role, _)) = lines.get(index).filter(|(role, _)| *role != Role::Keep) {
            if *role == Role::Remove {
                let row = found.row(old)?;
                if at.is_some_and(|at| at != row) {
                    return None;
                }
                let from = core.as_ref().map_or(row, |core| core.start);
                core = Some(from..row + 1);
                at = Some(row + 1);
                old += 1;
            }
            index += 1;
        }
        if index < lines.len() {
            let below = found.row(old)?;
            if at.is_some_and(|at| at != below) {
                return None;
            }
            at = Some(below);
        }
        let at = at?;
        core = Some(core.map_or(at..at, |core| core.start..core.end.max(at)));
    }
    core
}
