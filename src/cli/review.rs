//! Choosing hunks on a plain terminal, line by line, with the keys of `git add -p`.
//!
//! The terminal UI has its own screen; this one serves `--once --apply ask` and `descant apply`. [`ask`] is
//! pure in its streams, so tests feed it text; [`on_terminal`] gives it the controlling terminal, also when
//! standard input is a pipe.

use super::editor::terminal;
use super::output::{Style, paint};
use crate::patch::{Decision, Decisions, FilePlan, Hunk, HunkId, LineKind, Plan};
use crate::text;
use anyhow::Context;
use std::io::{BufRead, Write};

const HELP: &str = "\
y  apply this hunk            n  leave it out, with a note to the model
a  apply it and the rest of the file    d  leave it and the rest of the file out
s  split it at unchanged lines          e  edit it in $VISUAL or $EDITOR
r  go back to the one before            q  quit: what is undecided is left out
?  this help
";

/// [`ask`] on the controlling terminal. Gives back the plan, which splitting and editing may have changed.
///
/// # Errors
/// When there is no terminal to ask on.
pub fn on_terminal(mut plan: Plan, color: bool, editor: &str) -> anyhow::Result<(Plan, Decisions)> {
    let (mut input, mut output) = terminal().context("there is no terminal to ask on")?;
    let decisions = ask(&mut plan, &mut input, &mut output, color, editor)?;
    Ok((plan, decisions))
}

/// Asks about every hunk of `plan`; `editor` is the command for `e`. The end of the input leaves out what is undecided.
///
/// # Errors
/// When the streams fail.
pub fn ask(
    plan: &mut Plan,
    input: &mut impl BufRead,
    output: &mut impl Write,
    color: bool,
    editor: &str,
) -> anyhow::Result<Decisions> {
    let mut decisions = Decisions::default();
    let mut at = 0;
    loop {
        let targets = targets(plan);
        let Some(&target) = targets.get(at) else {
            return Ok(decisions);
        };
        show(plan, target, (at + 1, targets.len()), output, color)?;
        let Some(key) = prompt(input, output, color, "Apply this [y,n,a,d,s,e,r,q,?]? ")? else {
            return Ok(decisions);
        };
        match key.trim() {
            "y" => {
                decide(&mut decisions, target, Decision::Accept);
                at += 1;
            }
            "n" => {
                let note = note(input, output, color)?;
                decide(&mut decisions, target, Decision::Reject { note });
                at += 1;
            }
            key @ ("a" | "d") => {
                let decision = if key == "a" {
                    Decision::Accept
                } else {
                    Decision::Reject {
                        note: note(input, output, color)?,
                    }
                };
                while let Some(&next) = targets.get(at).filter(|t| t.file == target.file) {
                    decide(&mut decisions, next, decision.clone());
                    at += 1;
                }
            }
            "s" => {
                if !target
                    .hunk
                    .is_some_and(|id| split(plan, &mut decisions, id))
                {
                    writeln!(
                        output,
                        "This hunk has no unchanged line inside to split at."
                    )?;
                }
            }
            "e" => match target.hunk {
                Some(id) => {
                    if let Err(error) = edit(plan, &mut decisions, id, editor) {
                        writeln!(
                            output,
                            "{}",
                            paint(color, Style::Red, &text::visible(&format!("{error:#}")))
                        )?;
                    }
                }
                None => writeln!(output, "There is no text to edit in this change.")?,
            },
            "r" => at = at.saturating_sub(1),
            "q" => return Ok(decisions),
            _ => write!(output, "{HELP}")?,
        }
    }
}

/// One question: a hunk, or a file as a whole (a move, or a file without hunks).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target {
    file: usize,
    hunk: Option<HunkId>,
}

fn targets(plan: &Plan) -> Vec<Target> {
    let mut targets = Vec::new();
    for (file, change) in plan.files.iter().enumerate() {
        if change.is_decided_whole() {
            targets.push(Target { file, hunk: None });
        }
        targets.extend(change.hunks.iter().map(|h| Target {
            file,
            hunk: Some(h.id),
        }));
    }
    targets
}

fn decide(decisions: &mut Decisions, target: Target, decision: Decision) {
    match target.hunk {
        Some(id) => decisions.hunks.insert(id, decision),
        None => decisions.files.insert(target.file, decision),
    };
}

/// Splits and moves the decisions on later hunks along with their new numbers.
fn split(plan: &mut Plan, decisions: &mut Decisions, id: HunkId) -> bool {
    let before = plan.files.iter().map(|f| f.hunks.len()).sum::<usize>();
    if !plan.split_hunk(id) {
        return false;
    }
    let more = plan.files.iter().map(|f| f.hunks.len()).sum::<usize>() - before;
    let old = std::mem::take(&mut decisions.hunks);
    decisions.hunks = old
        .into_iter()
        .filter(|(h, _)| *h != id)
        .map(|(h, d)| (if h > id { HunkId(h.0 + more) } else { h }, d))
        .collect();
    true
}

fn show(
    plan: &Plan,
    target: Target,
    (number, of): (usize, usize),
    output: &mut impl Write,
    color: bool,
) -> anyhow::Result<()> {
    let Some(file) = plan.files.get(target.file) else {
        return Ok(());
    };
    writeln!(
        output,
        "{}",
        paint(
            color,
            Style::Bold,
            &format!("{} ({number} of {of})", title(file))
        )
    )?;
    for note in file.notes() {
        writeln!(output, "{}", paint(color, Style::Yellow, &note))?;
    }
    let Some(hunk) = target
        .hunk
        .and_then(|id| file.hunks.iter().find(|h| h.id == id))
    else {
        return Ok(());
    };
    writeln!(
        output,
        "{}",
        paint(color, Style::Cyan, &format!("{} @@", hunk.range()))
    )?;
    for line in &hunk.lines {
        let line_text = text::exact(&line.text);
        let painted = match line.kind {
            LineKind::Context => format!(" {line_text}"),
            LineKind::Removed => paint(color, Style::Red, &format!("-{line_text}")),
            LineKind::Added => paint(color, Style::Green, &format!("+{line_text}")),
        };
        writeln!(output, "{painted}")?;
    }
    Ok(())
}

fn title(file: &FilePlan) -> String {
    use crate::patch::ChangeKind::{Add, Delete, Move, Update};
    let path = text::exact(file.path.as_str());
    match (file.kind, &file.target) {
        (Add, _) => format!("new file {path}"),
        (Delete, _) => format!("delete {path}"),
        (Move, Some(to)) => format!("move {path} to {}", text::exact(to.as_str())),
        (Update | Move, _) => path,
    }
}

fn note(
    input: &mut impl BufRead,
    output: &mut impl Write,
    color: bool,
) -> anyhow::Result<Option<String>> {
    let line = prompt(input, output, color, "Note to the model (Enter for none): ")?;
    Ok(line.map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()))
}

fn prompt(
    input: &mut impl BufRead,
    output: &mut impl Write,
    color: bool,
    question: &str,
) -> anyhow::Result<Option<String>> {
    write!(output, "{}", paint(color, Style::Bold, question))?;
    output.flush()?;
    let mut line = String::new();
    Ok((input.read_line(&mut line)? > 0).then_some(line))
}

/// Opens the hunk in the user's editor and takes what comes back. Editing renumbers what follows, so decisions
/// on later hunks, which `r` may have left, are asked for again.
fn edit(
    plan: &mut Plan,
    decisions: &mut Decisions,
    id: HunkId,
    editor: &str,
) -> anyhow::Result<()> {
    let hunk = plan.hunks().find(|hunk| hunk.id == id);
    let body = hunk.map(Hunk::edit_text).unwrap_or_default();
    let edited = super::editor::edit_text(editor, &body)?;
    plan.edit_hunk(id, &edited)?;
    decisions.hunks.retain(|known, _| *known < id);
    Ok(())
}
