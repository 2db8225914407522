//! What a hunk's `@@` headers enclose.
//!
//! A header names a line; its scope is that line and the deeper-indented block below it, which is right for
//! Python and, with closing brackets counted in, for languages with braces. Headers nest: the second is
//! looked for inside the scopes of the first.

use super::STAGES;
use super::index::{FileIndex, LineKey};
use crate::patch::LocateStage;
use std::ops::Range;

/// The scopes the headers leave; empty when one of them is not in the file.
pub(super) fn scopes(
    index: &mut FileIndex<'_>,
    file: &[&str],
    headers: &[String],
) -> Vec<Range<usize>> {
    match header_lines(index, file, headers) {
        Some((_, lines)) => lines.into_iter().map(|line| scope_of(file, line)).collect(),
        None => Vec::new(),
    }
}

/// Lines (from 0) of the innermost header that lie in scopes of the outer ones.
pub(super) fn header_lines(
    index: &mut FileIndex<'_>,
    file: &[&str],
    headers: &[String],
) -> Option<(LocateStage, Vec<usize>)> {
    let mut scopes: Option<Vec<Range<usize>>> = None;
    let mut found = None;
    for header in headers {
        let (stage, all) = lines_of(index, file, header)?;
        let nested: Vec<usize> = match &scopes {
            Some(scopes) => all
                .iter()
                .copied()
                .filter(|line| scopes.iter().any(|scope| scope.contains(line)))
                .collect(),
            None => all.clone(),
        };
        // Headers that follow one another without enclosing: only their order counts.
        let lines = if nested.is_empty() {
            let first = scopes
                .iter()
                .flatten()
                .map(|scope| scope.start)
                .min()
                .unwrap_or(0);
            all.into_iter().filter(|line| *line >= first).collect()
        } else {
            nested
        };
        if lines.is_empty() {
            return None;
        }
        scopes = Some(lines.iter().map(|line| scope_of(file, *line)).collect());
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

fn scope_of(file: &[&str], header: usize) -> Range<usize> {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let Some(own) = file.get(header).map(|line| depth(line)) else {
        return header..header;
    };
    let end = file
        .iter()
        .enumerate()
        .skip(header + 1)
        .find(|(_, line)| {
            let text = line.trim_start();
            !text.is_empty() && depth(line) <= own && !text.starts_with([')', ']', '}', '{'])
        })
        .map_or(file.len(), |(at, _)| at);
    header..end
}
