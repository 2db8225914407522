//! `descant --once`: one turn, for scripts.
//!
//! [`run`] waits: for events of the agent, signals, the deadline, the user's word on a patch. What an event
//! means for the streams and the exit code is in `turn`. stdout gets the answer, or the diff of what was
//! proposed and not applied, or JSON lines; everything else goes to stderr. The agent is already running and
//! loading its model when [`run`] begins.

mod turn;

use super::exit::Exit;
use super::output::Streams;
use super::review;
use super::signals::Signals;
use crate::agent::{AgentCommand, AgentEvent, ReviewId};
use crate::patch::{Decisions, Plan};
use anyhow::Context;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use turn::Turn;

/// Said once, on stderr, while the built-in model answers.
pub const DEMO_NOTICE: &str = "demo model: a small built-in model that shows how Descant works; \
     for real work get GPT-OSS: descant models pull gpt-oss-20b";

/// What one run is to do.
#[derive(Debug)]
pub struct Options {
    pub prompt: String,
    /// The session's id, `thread_id` in JSON.
    pub thread_id: String,
    pub json: bool,
    pub output_last_message: Option<PathBuf>,
    /// When `--timeout` runs out.
    pub deadline: Option<Instant>,
    pub streams: Streams,
    /// The user's editor, for `e` in a review.
    pub editor: String,
}

/// How long an interrupted turn has to say what it kept before we leave without it.
const GRACE: Duration = Duration::from_secs(3);

/// A review that is being answered on the terminal.
type Asked = Option<(ReviewId, JoinHandle<anyhow::Result<(Plan, Decisions)>>)>;

/// Runs the turn to its end.
///
/// # Errors
/// Only when stdout (other than a closed pipe) or the `-o` file cannot be written.
pub async fn run(
    options: Options,
    mut signals: Signals,
    commands: mpsc::Sender<AgentCommand>,
    mut events: mpsc::Receiver<AgentEvent>,
) -> anyhow::Result<Exit> {
    let deadline = options.deadline;
    let prompt = options.prompt.clone();
    let mut turn = Turn::new(options);
    turn.begin()?;
    if commands.send(AgentCommand::Submit(prompt)).await.is_err() {
        return turn.end(Exit::Failed, "the agent stopped");
    }
    // Why the turn is being stopped, and until when it may say what it kept.
    let mut stopped: Option<(Exit, Instant)> = None;
    let mut asked: Asked = None;
    loop {
        let stop = tokio::select! {
            biased;
            () = signals.next() => Exit::Interrupted,
            () = until(deadline), if stopped.is_none() => Exit::Timeout,
            () = until(stopped.map(|(_, grace)| grace)) => {
                let exit = stopped.map_or(Exit::Failed, |(exit, _)| exit);
                return turn.end(exit, exit_message(exit));
            }
            (review, answer) = answered(&mut asked) => {
                match answer {
                    Ok((plan, decisions)) => {
                        let plan = Box::new(plan);
                        let _ = commands.send(AgentCommand::Review { review, plan, decisions }).await;
                        continue;
                    }
                    Err(error) => {
                        let _ = commands.send(AgentCommand::Interrupt).await;
                        return turn.end(Exit::Failed, &format!("{error:#}"));
                    }
                }
            }
            event = events.recv() => {
                let Some(event) = event else {
                    let exit = stopped.map_or(Exit::Failed, |(exit, _)| exit);
                    return turn.end(exit, "the agent stopped before the turn ended");
                };
                if let AgentEvent::ReviewRequested { review, plan, .. } = &event {
                    let (color, editor) = turn.review_look();
                    let plan = Plan::clone(plan);
                    let ask = move || {
                        review::on_terminal(plan, color, &editor)
                            .context("--apply all and --apply none ask nothing")
                    };
                    asked = Some((*review, tokio::task::spawn_blocking(ask)));
                }
                if let Some((exit, message)) = turn.event(event)? {
                    return match stopped {
                        Some((exit, _)) => turn.end(exit, exit_message(exit)),
                        None => turn.end(exit, &message),
                    };
                }
                continue;
            }
        };
        if stopped.is_some() {
            // Asked a second time: leave at once.
            return turn.end(stop, exit_message(stop));
        }
        stopped = Some((stop, Instant::now() + GRACE));
        asked = None;
        let _ = commands.send(AgentCommand::Interrupt).await;
    }
}

/// Waits for a moment; for ever where there is none.
pub async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Waits for the answer to an open review; for ever where none is open. Cancel-safe.
async fn answered(asked: &mut Asked) -> (ReviewId, anyhow::Result<(Plan, Decisions)>) {
    let Some((review, task)) = asked else {
        return std::future::pending().await;
    };
    let review = *review;
    let answer = task.await.unwrap_or_else(|error| Err(error.into()));
    *asked = None;
    (review, answer)
}

fn exit_message(exit: Exit) -> &'static str {
    match exit {
        Exit::Timeout => "timeout: the turn took longer than --timeout allows",
        Exit::Interrupted => "interrupted",
        Exit::Done | Exit::Failed | Exit::Usage | Exit::NotApplied | Exit::Unavailable => {
            "the turn failed"
        }
    }
}
