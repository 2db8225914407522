//! `descant apply`: a patch from a file or a pipe, reviewed as one of the model's and applied.

use super::{Setup, parts, patches};
use crate::cli::exit::Exit;
use crate::cli::output::{paint_diff, stderr_line, stdout_text};
use crate::cli::review;
use crate::patch::{ApplyError, Decisions, Patch, Plan, apply as apply_plan, parse, plan, report};
use crate::{text, tui};
use anyhow::{Context, bail};
use std::io::Read;
use std::path::Path;

/// How often a patch is located anew because its files keep changing under the review.
const ROUNDS: usize = 3;

/// Runs the command.
///
/// # Errors
/// When the text is no patch, does not fit the files, or cannot be written.
pub fn run(setup: &Setup, file: Option<&Path>, yes: bool, check: bool) -> anyhow::Result<Exit> {
    let patch = parse(&source(file)?)?;
    if check {
        return print_diff(setup, &plan(&setup.workspace, &patch)?);
    }
    // First, because it settles what a crash left, and so may change the files.
    let mut journal = patches::journal(setup)?;
    for _ in 0..ROUNDS {
        let Some((plan, decisions)) = decided(setup, &patch, yes)? else {
            return Ok(Exit::Interrupted);
        };
        let declined = report::declined_count(&plan, &decisions);
        match apply_plan(&setup.workspace, &plan, &decisions, &mut journal) {
            Ok(applied) => {
                let written = Some(&applied).filter(|applied| !applied.changes.is_empty());
                let answer = report::applied(&plan, &decisions, written);
                stdout_text(&format!("{}\n", text::visible(&answer)))?;
                return Ok(if declined > 0 || written.is_none() {
                    Exit::NotApplied
                } else {
                    Exit::Done
                });
            }
            Err(ApplyError::Changed { path }) => stderr_line(&text::visible(&format!(
                "descant: {path} changed on disk meanwhile, nothing was written; the patch is located anew"
            ))),
            Err(error) => return Err(error.into()),
        }
    }
    bail!("the files kept changing on disk while the patch was reviewed; nothing was written")
}

fn source(file: Option<&Path>) -> anyhow::Result<String> {
    let bytes = match file {
        Some(path) if path != Path::new("-") => {
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?
        }
        _ => {
            let mut bytes = Vec::new();
            std::io::stdin()
                .lock()
                .read_to_end(&mut bytes)
                .context("cannot read standard input")?;
            bytes
        }
    };
    String::from_utf8(bytes).context("the patch is not UTF-8 text")
}

fn print_diff(setup: &Setup, plan: &Plan) -> anyhow::Result<Exit> {
    let mut diff = plan.unified_diff();
    if setup.streams.stdout_terminal {
        diff = text::exact_lines(&diff);
    }
    stdout_text(&paint_diff(setup.streams.stdout_color, &diff))?;
    Ok(Exit::Done)
}

/// The patch located against the files as they are now, and the user's word on it; `None` when the user left.
fn decided(setup: &Setup, patch: &Patch, yes: bool) -> anyhow::Result<Option<(Plan, Decisions)>> {
    let planned = plan(&setup.workspace, patch)?;
    if yes {
        let decisions = Decisions::accept_all(&planned);
        return Ok(Some((planned, decisions)));
    }
    if !setup.streams.stdout_terminal || setup.streams.dumb || setup.screen_reader {
        let decided = review::on_terminal(planned, setup.streams.stderr_color, &setup.editor)
            .context("--yes takes the whole patch, --check only tests it")?;
        return Ok(Some(decided));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    Ok(runtime.block_on(tui::review(parts::tui_options(setup, None), planned))?)
}
