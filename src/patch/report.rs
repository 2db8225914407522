//! What the model is told about its patch.
//!
//! The wordings are a contract: the built-in model was trained on them, and GPT-OSS knows the first from
//! its own training.

use super::{Applied, ChangeKind, Decision, Decisions, FilePlan, Plan};

/// The answer after a review: what was updated and what the user declined, with their notes.
pub fn applied(plan: &Plan, decisions: &Decisions, applied: Option<&Applied>) -> String {
    let written: Vec<String> = applied
        .iter()
        .flat_map(|applied| &applied.changes)
        .map(change_line)
        .collect();
    let declined = declined_lines(plan, decisions);
    // Only where it differs from what was asked: the model should look at the file before it writes on.
    let loosely: Vec<String> = plan
        .files
        .iter()
        .filter(|file| {
            let named = |change: &super::Change| change.path == file.path;
            applied.is_some_and(|applied| applied.changes.iter().any(named))
        })
        .filter_map(|file| {
            Some(format!(
                "\nNote: {} was {}.",
                file.path,
                file.stage.words()?
            ))
        })
        .collect();
    let list = |lines: &[String]| lines.join("\n");
    let answer = match (written.is_empty(), declined.is_empty()) {
        (false, true) => format!("Success. Updated the following files:\n{}", list(&written)),
        (false, false) => format!(
            "Partly applied. Updated the following files:\n{}\nDeclined by the user:\n{}",
            list(&written),
            list(&declined)
        ),
        (true, false) => format!(
            "Nothing was applied. Declined by the user:\n{}",
            list(&declined)
        ),
        (true, true) => "Nothing was applied.".to_owned(),
    };
    answer + &loosely.concat()
}

/// The answer where changes are only proposed (`--apply none`).
pub fn proposed(plan: &Plan) -> String {
    let lines: Vec<String> = plan
        .files
        .iter()
        .map(|file| {
            line(
                &file.kind,
                file.target.as_ref().unwrap_or(&file.path).as_str(),
            )
        })
        .collect();
    format!(
        "Recorded for review, not applied yet:\n{}",
        lines.join("\n")
    )
}

/// How many hunks (and files without hunks) the user declined.
pub fn declined_count(plan: &Plan, decisions: &Decisions) -> usize {
    declined_lines(plan, decisions).len()
}

fn change_line(change: &super::Change) -> String {
    line(
        &change.kind,
        change.target.as_ref().unwrap_or(&change.path).as_str(),
    )
}

fn line(kind: &ChangeKind, path: &str) -> String {
    let letter = match kind {
        ChangeKind::Add => 'A',
        ChangeKind::Update | ChangeKind::Move => 'M',
        ChangeKind::Delete => 'D',
    };
    format!("{letter} {path}")
}

fn declined_lines(plan: &Plan, decisions: &Decisions) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, file) in plan.files.iter().enumerate() {
        if whole_file_declined(file, decisions, index) {
            let what = match (&file.target, file.new_mode) {
                _ if file.hunks.is_empty() => file.path.to_string(),
                (Some(target), _) => format!("{} (move to {target})", file.path),
                (None, Some(mode)) => format!("{} (mode {:o})", file.path, mode & 0o777),
                (None, None) => file.path.to_string(),
            };
            lines.push(with_note(what, decisions.files.get(&index)));
        }
        for hunk in file
            .hunks
            .iter()
            .filter(|hunk| !decisions.accepts_hunk(hunk))
        {
            lines.push(with_note(
                format!("{} {}", file.path, hunk.range()),
                decisions.hunks.get(&hunk.id),
            ));
        }
    }
    lines
}

/// A file without hunks; or a move or a new mode that was declined by itself and not only with the lines.
fn whole_file_declined(file: &FilePlan, decisions: &Decisions, index: usize) -> bool {
    let lines_taken = file.hunks.iter().any(|hunk| decisions.accepts_hunk(hunk));
    let by_itself = lines_taken || decisions.files.contains_key(&index);
    let declined = !decisions.accepts_file(index, file);
    declined && file.is_decided_whole() && (file.hunks.is_empty() || by_itself)
}

fn with_note(place: String, decision: Option<&Decision>) -> String {
    match decision {
        Some(Decision::Reject { note: Some(note) }) if !note.trim().is_empty() => {
            // One line a hunk: the model reads the list line by line.
            format!(
                "{place}: {}",
                note.split_whitespace().collect::<Vec<_>>().join(" ")
            )
        }
        Some(Decision::Reject { .. } | Decision::Accept) | None => place,
    }
}
