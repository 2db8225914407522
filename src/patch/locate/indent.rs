//! From a hunk's place to the lines that change, re-indented where the patch left indentation out.
//!
//! Context lines keep the file's bytes. An added line is moved by what the nearest old line of the hunk was
//! moved by: where the patch has `x = 1` and the file `    x = 1`, its `y = 2` becomes `    y = 2`.

use super::{Place, Role};
use crate::patch::LocateStage;
use std::ops::Range;

/// How an old line's indentation in the patch reads in the file.
struct Shift<'a> {
    patch: &'a str,
    file: &'a str,
}

pub(super) fn changes(
    file: &[&str],
    lines: &[(Role, &str)],
    place: &Place,
) -> Vec<(Range<usize>, Vec<String>)> {
    let exact = matches!(place.stage, LocateStage::Exact | LocateStage::TrailingSpace);
    let mut shifts = Vec::new();
    if !exact {
        let mut old = 0;
        for (role, text) in lines {
            shifts.push(match role {
                Role::Add => None,
                Role::Keep | Role::Remove => {
                    let found = place.row(old).and_then(|row| file.get(row));
                    old += 1;
                    found
                        .filter(|_| !text.trim().is_empty())
                        .map(|found| Shift {
                            patch: indentation(text),
                            file: indentation(found),
                        })
                }
            });
        }
    }
    let unit = tab_width(&shifts);

    let mut changes: Vec<(Range<usize>, Vec<String>)> = Vec::new();
    let mut at = place.range.start;
    let mut old = 0;
    let mut index = 0;
    while index < lines.len() {
        // One run of removed and added lines, in whatever order they were written.
        let end = lines
            .iter()
            .enumerate()
            .skip(index)
            .find(|(_, (role, _))| *role == Role::Keep)
            .map_or(lines.len(), |(end, _)| end);
        if end == index {
            at = place.row(old).map_or(at, |row| row + 1);
            old += 1;
            index += 1;
            continue;
        }
        let run = lines.get(index..end).unwrap_or_default();
        let removed: Vec<usize> = positions(run, Role::Remove, index);
        let added: Vec<usize> = positions(run, Role::Add, index);
        let mut texts = Vec::with_capacity(added.len());
        for (count, line) in added.iter().enumerate() {
            let text = lines.get(*line).map(|(_, text)| *text).unwrap_or_default();
            // As many out as in: line by line the same lines. Else the first one removed sets the level.
            let twin = if removed.len() == added.len() {
                removed.get(count)
            } else {
                removed.first()
            };
            let near = twin
                .and_then(|twin| shifts.get(*twin))
                .and_then(Option::as_ref)
                .or_else(|| shifts.iter().take(index).rev().flatten().next())
                .or_else(|| shifts.iter().skip(end).flatten().next());
            texts.push(match near {
                Some(near) if !exact && !text.trim().is_empty() => {
                    reindented(text, near, &shifts, unit)
                }
                _ => text.to_owned(),
            });
        }
        changes.push((at..at + removed.len(), texts));
        at += removed.len();
        old += removed.len();
        index = end;
    }
    changes
}

fn positions(run: &[(Role, &str)], role: Role, offset: usize) -> Vec<usize> {
    run.iter()
        .enumerate()
        .filter(|(_, (found, _))| *found == role)
        .map(|(at, _)| at + offset)
        .collect()
}

fn indentation(line: &str) -> &str {
    let width = line.len() - line.trim_start().len();
    line.get(..width).unwrap_or_default()
}

/// Spaces of the patch for one tab of the file (or the other way round), from a line that shows both.
fn tab_width(shifts: &[Option<Shift<'_>>]) -> usize {
    let spaces =
        |text: &str| (!text.is_empty() && text.chars().all(|c| c == ' ')).then_some(text.len());
    let tabs =
        |text: &str| (!text.is_empty() && text.chars().all(|c| c == '\t')).then_some(text.len());
    shifts
        .iter()
        .flatten()
        .find_map(|shift| {
            let (spaces, tabs) = match (spaces(shift.patch), tabs(shift.file)) {
                (Some(spaces), Some(tabs)) => (spaces, tabs),
                _ => (spaces(shift.file)?, tabs(shift.patch)?),
            };
            (spaces % tabs == 0).then(|| spaces / tabs)
        })
        .unwrap_or(4)
}

fn reindented(text: &str, near: &Shift<'_>, shifts: &[Option<Shift<'_>>], unit: usize) -> String {
    let own = indentation(text);
    let body = text.trim_start();
    // The nearest line first, then any line of the hunk indented as this one.
    let equal = std::iter::once(near)
        .chain(shifts.iter().flatten())
        .find(|shift| shift.patch == own);
    let indent = if let Some(shift) = equal {
        shift.file.to_owned()
    } else if let Some(deeper) = own.strip_prefix(near.patch) {
        format!("{}{}", near.file, in_style_of(deeper, near.file, unit))
    } else if let Some(less) = near.patch.strip_prefix(own) {
        let cut = in_style_of(less, near.file, unit);
        near.file
            .strip_suffix(cut.as_str())
            .unwrap_or_default()
            .to_owned()
    } else {
        own.to_owned()
    };
    format!("{indent}{body}")
}

/// `indent` with tabs where the file has tabs, and spaces where it has spaces.
fn in_style_of(indent: &str, file: &str, unit: usize) -> String {
    let unit = unit.max(1);
    if file.starts_with('\t') && indent.chars().all(|c| c == ' ') {
        return "\t".repeat(indent.len() / unit) + &" ".repeat(indent.len() % unit);
    }
    if file.starts_with(' ') && indent.contains('\t') {
        return indent.replace('\t', &" ".repeat(unit));
    }
    indent.to_owned()
}
