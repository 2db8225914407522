//! `descant apply`, `undo`, `redo` and `checkpoints`: edits without a model.

use super::Setup;
use crate::cli::exit::Exit;
use crate::cli::output::{Style, paint, paint_diff, stderr_line, stdout_text};
use crate::cli::review;
use crate::patch::{
    Change, ChangeKind, Decisions, Journal, Recovered, Undone, apply as apply_plan, parse, plan,
    report,
};
use crate::text;
use anyhow::Context;
use std::io::Read;
use std::path::Path;

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

/// `descant apply`.
///
/// # Errors
/// When the text is no patch, does not fit the files, or cannot be written.
pub fn apply(setup: &Setup, file: Option<&Path>, yes: bool, check: bool) -> anyhow::Result<Exit> {
    let from_stdin = file.is_none_or(|path| path == Path::new("-"));
    let source = match file {
        Some(path) if !from_stdin => std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?,
        _ => {
            let mut source = String::new();
            std::io::stdin()
                .lock()
                .read_to_string(&mut source)
                .context("cannot read standard input")?;
            source
        }
    };
    let patch = parse(&source)?;
    // First, because it settles what a crash left, and so may change the files; not where nothing is written.
    let journal = (!check).then(|| journal(setup)).transpose()?;
    let mut planned = plan(&setup.workspace, &patch)?;
    let color = setup.streams.stdout_color;
    let Some(mut journal) = journal else {
        let mut diff = planned.unified_diff();
        if setup.streams.stdout_terminal {
            diff = text::visible(&diff).into_owned();
        }
        stdout_text(&paint_diff(color, &diff))?;
        return Ok(Exit::Done);
    };
    let decisions = if yes {
        Decisions::accept_all(&planned)
    } else {
        let decided = review::on_terminal(planned, setup.streams.stderr_color, &setup.editor)?;
        planned = decided.0;
        decided.1
    };
    let declined = report::declined_count(&planned, &decisions);
    let applied = apply_plan(&setup.workspace, &planned, &decisions, &mut journal)?;
    let written = Some(&applied).filter(|applied| !applied.changes.is_empty());
    stdout_text(&format!(
        "{}\n",
        text::visible(&report::applied(&planned, &decisions, written))
    ))?;
    Ok(if declined > 0 || written.is_none() {
        Exit::NotApplied
    } else {
        Exit::Done
    })
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
