//! `descant undo`, `redo` and `checkpoints`: the journal of applied patches.

use super::Setup;
use crate::cli::exit::Exit;
use crate::cli::output::{Style, paint, stderr_line, stdout_text};
use crate::patch::{Change, ChangeKind, Journal, Recovered, Undone};
use crate::text;

/// Opens the journal of this workspace, and says what a crash had left, if anything.
pub(super) fn journal(setup: &Setup) -> anyhow::Result<Journal> {
    let journal = Journal::open(&setup.paths.state, &setup.workspace)?;
    if let Some(recovered) = journal.recovered() {
        stderr_line(&format!(
            "descant: {}",
            text::visible(&describe_recovery(recovered))
        ));
    }
    Ok(journal)
}

/// `descant undo`.
///
/// # Errors
/// When there is nothing to undo or a file has changed since.
pub fn undo(setup: &Setup) -> anyhow::Result<Exit> {
    let undone = journal(setup)?.undo(&setup.workspace)?;
    report_step("undid", &undone)
}

/// `descant redo`.
///
/// # Errors
/// When there is nothing to redo or a file has changed since.
pub fn redo(setup: &Setup) -> anyhow::Result<Exit> {
    let undone = journal(setup)?.redo(&setup.workspace)?;
    report_step("redid", &undone)
}

fn report_step(word: &str, undone: &Undone) -> anyhow::Result<Exit> {
    let mut out = format!("{word} checkpoint {}\n", undone.checkpoint);
    for change in &undone.changes {
        out.push_str(&format!("{}\n", describe(change)));
    }
    stdout_text(&text::visible(&out))?;
    Ok(Exit::Done)
}

/// `descant checkpoints`: newest first; undone ones can be redone.
///
/// # Errors
/// When the journal cannot be read.
pub fn checkpoints(setup: &Setup) -> anyhow::Result<Exit> {
    let color = setup.streams.stdout_color;
    let mut out = String::new();
    for checkpoint in journal(setup)?.list()?.iter().rev() {
        let state = if checkpoint.undone {
            paint(color, Style::Dim, " (undone)")
        } else {
            String::new()
        };
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(checkpoint.time);
        let head = format!("{} {}", checkpoint.number, crate::session::utc_date(time));
        out.push_str(&format!("{}{state}\n", paint(color, Style::Bold, &head)));
        for change in &checkpoint.changes {
            out.push_str(&format!("  {}\n", text::visible(&describe(change))));
        }
    }
    stdout_text(&out)?;
    Ok(Exit::Done)
}

fn describe(change: &Change) -> String {
    match (change.kind, &change.target) {
        (ChangeKind::Add, _) => format!("A {}", change.path),
        (ChangeKind::Delete, _) => format!("D {}", change.path),
        (ChangeKind::Move, Some(to)) => format!("R {} -> {to}", change.path),
        (ChangeKind::Update | ChangeKind::Move, _) => format!("M {}", change.path),
    }
}

fn describe_recovery(recovered: &Recovered) -> String {
    let what = if recovered.completed {
        "was finished"
    } else {
        "was taken back"
    };
    let mut line = format!(
        "a write that broke off (checkpoint {}) {what}",
        recovered.checkpoint
    );
    if !recovered.untouched.is_empty() {
        let names: Vec<&str> = recovered
            .untouched
            .iter()
            .map(|path| path.as_str())
            .collect();
        line.push_str(&format!(
            "; changed by someone else since and left alone: {}",
            names.join(", ")
        ));
    }
    line
}
