//! `models pull`: says what it would do, asks, and shows how far it is; and the same for the interface.

use super::{downloads, repo_of};
use crate::agent::{PullOffer, PullRun};
use crate::app::Setup;
use crate::cli::confirm;
use crate::cli::exit::Exit;
use crate::cli::output::{stderr_line, stderr_text, stdout_text};
use crate::cli::signals::Signals;
use crate::hub::{HubError, Pull, PullPlan, PullProgress};
use crate::text;
use futures_util::future::BoxFuture;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How often a line is written where nothing can be overwritten.
const LINE_PACE: Duration = Duration::from_secs(10);

/// # Errors
/// Offline, a name that is none, and whatever the hub, the connection and the disk do.
pub(super) async fn pull(setup: &Setup, name: &str, yes: bool) -> anyhow::Result<Exit> {
    let repo = repo_of(name)?;
    let pull = Pull::new(downloads(setup)?, repo)?;
    let mut signals = Signals::listen()?;
    let plan = tokio::select! {
        plan = pull.plan() => plan?,
        () = signals.next() => return Ok(Exit::Interrupted),
    };
    stderr_line(&text::visible(&plan.in_words()));
    if let Some(warning) = warning(name) {
        stderr_line(warning);
    }
    if plan.missing() > 0 {
        plan.check_room()?;
        let asks = setup.streams.stdin_terminal && setup.streams.stderr_terminal && !yes;
        let answer = tokio::task::spawn_blocking(move || {
            !asks || confirm::on_terminal("Download it?").unwrap_or(false)
        });
        let wanted = tokio::select! {
            answer = answer => answer?,
            () = signals.next() => return Ok(Exit::Interrupted),
        };
        if !wanted {
            stderr_line("nothing was downloaded");
            return Ok(Exit::Failed);
        }
    }
    let cancel = CancellationToken::new();
    let mut shown = Shown::new(setup);
    let work = pull.run(&plan, |progress| shown.show(&progress), &cancel);
    let done = tokio::select! {
        done = work => done,
        () = signals.next() => Err(HubError::Cancelled),
    };
    shown.end();
    let folder = done?;
    stdout_text(&format!("{}\n", ready(name, &plan, &folder)))?;
    Ok(Exit::Done)
}

/// What follows a download.
pub(in crate::app) fn ready(name: &str, plan: &PullPlan, folder: &std::path::Path) -> String {
    let model = match plan.repo.named_revision() {
        Some(_) => plan.repo.to_string(),
        None => name.to_owned(),
    };
    text::label(&format!(
        "{} is ready in {}: descant -m {model}",
        plan.repo,
        folder.display()
    ))
}

/// A GPT-OSS that this build cannot run is of use to other tools, or to another build.
pub(in crate::app) fn warning(name: &str) -> Option<&'static str> {
    let accelerated = cfg!(any(feature = "cuda", feature = "metal"));
    (!accelerated && name.contains("gpt-oss")).then_some(
        "This build has no acceleration and cannot run GPT-OSS itself: build it with --features cuda or --features metal.",
    )
}

/// What the interface asks about before a download, and then begins.
pub(in crate::app) fn offer(
    setup: Setup,
    name: String,
) -> BoxFuture<'static, Result<PullOffer, String>> {
    let offered = async move {
        let repo = repo_of(&name)?;
        let pull = Pull::new(downloads(&setup)?, repo)?;
        let plan = pull.plan().await?;
        plan.check_room()?;
        let mut words = plan.in_words();
        if let Some(warning) = warning(&name) {
            words.push('\n');
            words.push_str(warning);
        }
        Ok::<_, anyhow::Error>(PullOffer {
            words,
            // Links and refs are made anew by the command line alone.
            there: plan.missing() == 0,
            start: Box::new(move |cancel| begin(pull, plan, name, cancel)),
        })
    };
    Box::pin(async move { offered.await.map_err(|error| format!("{error:#}")) })
}

fn begin(pull: Pull, plan: PullPlan, name: String, cancel: CancellationToken) -> PullRun {
    let (sender, progress) = mpsc::channel(1);
    let outcome = async move {
        let report = |progress| {
            let _ = sender.try_send(progress);
        };
        match pull.run(&plan, report, &cancel).await {
            Ok(folder) => Ok(ready(&name, &plan, &folder)),
            Err(error) => Err(error.to_string()),
        }
    };
    PullRun {
        progress,
        outcome: Box::pin(outcome),
    }
}

/// A line that is overwritten on a terminal; else one now and then.
struct Shown {
    overwrites: bool,
    last: Option<Instant>,
    wrote: bool,
}

impl Shown {
    fn new(setup: &Setup) -> Shown {
        Shown {
            overwrites: setup.streams.stderr_terminal && !setup.streams.dumb,
            last: None,
            wrote: false,
        }
    }

    fn show(&mut self, progress: &PullProgress) {
        let line = format!(
            "{} ({} of {}): {}",
            progress.file,
            progress.number,
            progress.files,
            progress.in_words()
        );
        let line = text::label(if progress.number == 0 {
            progress.repo.as_str()
        } else {
            line.as_str()
        });
        if self.overwrites {
            // Cut where the terminal ends: a line that wraps cannot be overwritten.
            let width = crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns));
            let line: String = line.chars().take(width.saturating_sub(1)).collect();
            stderr_text(&format!("\r\x1b[K{line}"));
            self.wrote = true;
        } else if self.last.is_none_or(|last| last.elapsed() >= LINE_PACE) && progress.number > 0 {
            self.last = Some(Instant::now());
            stderr_line(&line);
        }
    }

    fn end(&self) {
        if self.wrote {
            stderr_text("\r\x1b[K");
        }
    }
}
