//! `descant undo`, `redo` and `checkpoints`: the journal of applied patches.

use super::Setup;
use crate::cli::exit::Exit;
use crate::cli::output::{Style, paint, stderr_line, stdout_text};
use crate::cli::{MergeArgs, confirm};
use crate::config::JournalSettings;
use crate::patch::{Change, ChangeKind, Direction, Journal, Limits, OnChanged, Recovered, Undone};
use crate::text;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Opens the journal of this workspace, and says what a crash had left, if anything.
pub(super) fn journal(setup: &Setup) -> anyhow::Result<Journal> {
    let limits = limits(setup.config.journal);
    let journal = Journal::open_with(&setup.paths.state, &setup.workspace, limits)?;
    if let Some(recovered) = journal.recovered() {
        stderr_line(&format!(
            "descant: {}",
            text::visible(&describe_recovery(recovered))
        ));
    }
    Ok(journal)
}

fn limits(settings: JournalSettings) -> Limits {
    let some = |value: u64| Some(value).filter(|value| *value > 0);
    Limits {
        max_bytes: some(settings.max_mib).map(|mib| mib << 20),
        max_age: some(settings.max_age_days).map(|days| Duration::from_secs(days * DAY)),
    }
}

/// `descant undo`.
///
/// # Errors
/// When there is nothing to undo, or a file has changed since and was not to be merged.
pub fn undo(setup: &Setup, merge: MergeArgs) -> anyhow::Result<Exit> {
    step(setup, Direction::Undo, merge)
}

/// `descant redo`.
///
/// # Errors
/// When there is nothing to redo, or a file has changed since and was not to be merged.
pub fn redo(setup: &Setup, merge: MergeArgs) -> anyhow::Result<Exit> {
    step(setup, Direction::Redo, merge)
}

fn step(setup: &Setup, direction: Direction, merge: MergeArgs) -> anyhow::Result<Exit> {
    let mut journal = journal(setup)?;
    let on_changed = match (merge.merge, merge.conflict_markers) {
        (_, true) => OnChanged::MergeWithMarkers,
        (true, false) => OnChanged::Merge,
        (false, false) => OnChanged::Refuse,
    };
    let mut take = |on_changed| match direction {
        Direction::Undo => journal.undo(&setup.workspace, on_changed),
        Direction::Redo => journal.redo(&setup.workspace, on_changed),
    };
    let undone = match take(on_changed) {
        Ok(undone) => undone,
        Err(error) => {
            let (flag, question) = match error.remedy() {
                Some(OnChanged::Merge) => ("--merge", "Merge?"),
                Some(OnChanged::MergeWithMarkers) => (
                    "--conflict-markers",
                    "Merge, and leave the conflicts in the files?",
                ),
                Some(OnChanged::Refuse) | None => return Err(error.into()),
            };
            let word = direction.word();
            let asked = on_changed == OnChanged::Refuse
                && setup.streams.stdin_terminal
                && setup.streams.stderr_terminal;
            if !asked {
                anyhow::bail!("{error}\n  to merge: descant {word} {flag}");
            }
            stderr_line(&text::visible(&error.to_string()));
            if !confirm::on_terminal(question)? {
                stderr_line(&format!("nothing was {}", past(direction)));
                return Ok(Exit::Failed);
            }
            take(error.remedy().unwrap_or_default())?
        }
    };
    report_step(direction, &undone)
}

fn past(direction: Direction) -> &'static str {
    match direction {
        Direction::Undo => "undone",
        Direction::Redo => "redone",
    }
}

fn report_step(direction: Direction, undone: &Undone) -> anyhow::Result<Exit> {
    let word = match direction {
        Direction::Undo => "undid",
        Direction::Redo => "redid",
    };
    let mut out = format!("{word} checkpoint {}\n", undone.checkpoint);
    for change in &undone.changes {
        out.push_str(&format!("{}\n", describe(change)));
    }
    for file in &undone.merged {
        out.push_str(&format!("merged {file}\n"));
    }
    stdout_text(&text::visible(&out))?;
    Ok(Exit::Done)
}

/// `descant checkpoints`: newest first; undone ones can be redone. The last line is the journal as a whole.
///
/// # Errors
/// When the journal cannot be read.
pub fn checkpoints(setup: &Setup) -> anyhow::Result<Exit> {
    let color = setup.streams.stdout_color;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let journal = journal(setup)?;
    let mut out = String::new();
    for checkpoint in journal.list()?.iter().rev() {
        let time = Duration::from_secs(checkpoint.time);
        let date = crate::session::utc_date(UNIX_EPOCH + time);
        let head = format!("{} {date}", checkpoint.number);
        let files = checkpoint.changes.len();
        let rest = format!(
            " ({}), {files} {}, {}, {}",
            age(now.saturating_sub(time)),
            if files == 1 { "file" } else { "files" },
            if checkpoint.undone {
                "undone"
            } else {
                "applied"
            },
            size(checkpoint.bytes),
        );
        out.push_str(&format!(
            "{}{}\n",
            paint(color, Style::Bold, &head),
            paint(color, Style::Dim, &rest)
        ));
        for change in &checkpoint.changes {
            out.push_str(&format!("  {}\n", text::visible(&describe(change))));
        }
    }
    let usage = journal.usage()?;
    let room = usage.limits.max_bytes.map_or("no limit".to_owned(), size);
    let days = usage.limits.max_age.map_or("no limit".to_owned(), |most| {
        format!("{} days", most.as_secs() / DAY)
    });
    let total = format!(
        "journal: {} (limits: {room}, {days}) in {}\n",
        size(usage.bytes),
        usage.folder.display()
    );
    out.push_str(&paint(color, Style::Dim, &text::visible(&total)));
    stdout_text(&out)?;
    Ok(Exit::Done)
}

const DAY: u64 = 86_400;

fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..60 => "just now".to_owned(),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..DAY => format!("{} h ago", seconds / 3_600),
        DAY.. => format!("{} d ago", seconds / DAY),
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 3] = ["KiB", "MiB", "GiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!(
        "{value:.1} {}",
        UNITS.get(unit).copied().unwrap_or_default()
    )
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
