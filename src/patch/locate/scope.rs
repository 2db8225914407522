//! What a hunk's `@@` headers enclose.
//!
//! A header names a line; its scope is that line and the deeper-indented block below it, which is right for
//! Python and, with closing brackets counted in, for languages with braces. Headers nest: the second is
//! looked for inside the scopes of the first.

use super::STAGES;
use super::index::{FileIndex, LineKey};
use crate::patch::LocateStage;
use std::ops::Range;

/// Ranges of lines, ascending and apart. (Scopes that lie in one another are one.)
#[derive(Debug, Clone, Default)]
pub(super) struct Scopes(Vec<Range<usize>>);

impl Scopes {
    /// Of headers at these lines, which ascend.
    fn of(file: &[&str], headers: &[usize]) -> Self {
        let mut merged: Vec<Range<usize>> = Vec::new();
        for header in headers {
            match merged.last_mut() {
                // Deeper than the one it lies in, it ends with it at the latest.
                Some(outer)
                    if outer.contains(header)
                        && depth(file, outer.start) < depth(file, *header) => {}
                Some(outer) if outer.contains(header) => {
                    outer.end = outer.end.max(scope_of(file, *header).end);
                }
                Some(_) | None => merged.push(scope_of(file, *header)),
            }
        }
        Self(merged)
    }

    pub fn contain(&self, line: usize) -> bool {
        let after = self.0.partition_point(|scope| scope.start <= line);
        after
            .checked_sub(1)
            .and_then(|at| self.0.get(at))
            .is_some_and(|scope| scope.contains(&line))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where the first one begins.
    pub fn start(&self) -> Option<usize> {
        self.0.first().map(|scope| scope.start)
    }
}

/// The scopes the headers leave; none when one of them is not in the file.
pub(super) fn scopes(index: &mut FileIndex<'_>, file: &[&str], headers: &[String]) -> Scopes {
    match header_lines(index, file, headers) {
        Some((_, lines)) => Scopes::of(file, &lines),
        None => Scopes::default(),
    }
}

/// Lines (from 0) of the innermost header that lie in scopes of the outer ones.
pub(super) fn header_lines(
    index: &mut FileIndex<'_>,
    file: &[&str],
    headers: &[String],
) -> Option<(LocateStage, Vec<usize>)> {
    let mut outer: Option<Scopes> = None;
    let mut found = None;
    for header in headers {
        let (stage, all) = lines_of(index, file, header)?;
        let lines = match &outer {
            None => all,
            Some(outer) => {
                let within = |line: &usize| outer.contain(*line);
                if all.iter().any(within) {
                    all.into_iter().filter(within).collect()
                } else {
                    // Headers that follow one another without enclosing: only their order counts.
                    let first = outer.start().unwrap_or(0);
                    all.into_iter().filter(|line| *line >= first).collect()
                }
            }
        };
        if lines.is_empty() {
            return None;
        }
        outer = Some(Scopes::of(file, &lines));
        found = Some((stage, lines));
    }
    found
}

fn lines_of(
    index: &mut FileIndex<'_>,
    file: &[&str],
    header: &str,
) -> Option<(LocateStage, Vec<usize>)> {
    for stage in STAGES {
        let lines = index.find(LineKey::of(stage), &[header]);
        if !lines.is_empty() {
            return Some((stage, lines));
        }
    }
    // Models shorten headers: `def f` for `def f(x):`.
    let wanted = header.trim().trim_end_matches(['{', ':', ' ']);
    if wanted.is_empty() {
        return None;
    }
    let starts_so = |line: &&str| {
        line.trim_start()
            .strip_prefix(wanted)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    let lines: Vec<usize> = file
        .iter()
        .enumerate()
        .filter(|(_, line)| starts_so(line))
        .map(|(at, _)| at)
        .collect();
    (!lines.is_empty()).then_some((LocateStage::Indentation, lines))
}

fn depth(file: &[&str], line: usize) -> usize {
    file.get(line).map_or(0, |text| indentation(text))
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn scope_of(file: &[&str], header: usize) -> Range<usize> {
    let own = depth(file, header);
    let end = file
        .iter()
        .enumerate()
        .skip(header + 1)
        .find(|(_, line)| {
            let text = line.trim_start();
            !text.is_empty() && indentation(line) <= own && !text.starts_with([')', ']', '}', '{'])
        })
        .map_or(file.len(), |(at, _)| at);
    header..end
}
