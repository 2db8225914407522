//! `python` and `functions.shell`: run in the container, and what they change in its view of the work tree reviewed.
//!
//! Before a call the view is brought up to date, after it the difference goes through the same review as a patch.
//! The one thing to know: whatever happens, [`Shell::settle`] comes last, so that the view is the work tree again.

use super::AgentEvent;
use super::dispatch::Answer;
use super::history::History;
use super::link::{Attended, Link};
use super::review::Decided;
use super::stream::Call;
use super::task::Core;
use super::{ApprovalPolicy, ToolStatus};
use crate::conversation::CallId;
use crate::sandbox::{CellExit, CommandExit, SandboxError};
use crate::session::Record;
use crate::tools::python::{self, Interpreter};
use crate::tools::shell::{self, Shell};
use crate::tools::view::Changes;
use crate::tools::{Tool, cap};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// How long an interrupted call has to stop; after that it is left to the sandbox's own time limit.
const STOP: Duration = Duration::from_secs(4);
/// How long the view may take to be set back when nobody waits for it any more.
const SET_BACK: Duration = Duration::from_secs(20);
/// Bytes of a call's live output that are shown; the answer has its end in any case.
const LIVE_LIMIT: usize = 64 * 1024;

impl Core {
    pub(super) async fn contained(&mut self, call: &Call, tool: Tool) -> Attended<Answer> {
        // A cell may be asked for while the container still starts, after the first turn gave up on it.
        let waited = timeout(self.limits.sandbox_wait, self.python.wait());
        let arrived = match self.link.attend(waited).await {
            Attended::Done(arrived) => arrived,
            Attended::Interrupted => return Attended::Interrupted,
        };
        let reason = match arrived {
            Ok(Some(Ok(bench))) => {
                let bench = Arc::clone(bench);
                return self.on_bench(call, tool, bench.as_ref()).await;
            }
            Ok(Some(Err(reason))) => reason.clone(),
            Ok(None) => "its start broke off; this is a bug of Descant".to_owned(),
            Err(_elapsed) => "the container is still starting".to_owned(),
        };
        Attended::Done(self.unavailable(tool, reason))
    }

    fn unavailable(&mut self, tool: Tool, reason: String) -> Answer {
        let name = tool.name();
        let line = reason.lines().next().unwrap_or_default();
        let answer = Answer::failed(format!("{name} is not available: {line}"));
        self.link.send(AgentEvent::ToolUnavailable {
            tool: name.into(),
            reason,
        });
        answer
    }

    async fn on_bench(
        &mut self,
        call: &Call,
        tool: Tool,
        bench: &dyn Interpreter,
    ) -> Attended<Answer> {
        let view = bench.shell();
        if let Some(view) = view {
            match self.link.attend(view.begin()).await {
                Attended::Done(Ok(())) => {}
                Attended::Done(Err(error)) => {
                    return Attended::Done(self.unavailable(tool, error.to_string()));
                }
                Attended::Interrupted => return Attended::Interrupted,
            }
        }
        let cancel = self.link.interrupt().child_token();
        let live = Live::default();
        let sink = live.sink();
        let text;
        let run: BoxFuture<'_, Result<Answer, SandboxError>> = match (tool, view) {
            (Tool::Shell, Some(view)) => {
                text = shell::command(&call.arguments);
                if text.trim().is_empty() {
                    let error = "the command is missing: {\"command\": \"...\"}";
                    return Attended::Done(Answer::failed(error));
                }
                let run = view.run(&text, sink, &cancel);
                run.map(|ran| ran.map(|ran| of_command(&ran))).boxed()
            }
            (Tool::Shell, None) => {
                let reason = "the container has no copy-on-write view of the folder\n  descant doctor says why";
                return Attended::Done(self.unavailable(tool, reason.to_owned()));
            }
            (_, _) => {
                text = python::code(&call.arguments);
                let run = bench.run(&text, sink, &cancel);
                run.map(|ran| ran.map(|ran| of_cell(&ran))).boxed()
            }
        };
        let ran = follow(&mut self.link, &mut self.history, call.id, &live, run).await;
        let interrupted = self.link.interrupt().is_cancelled();
        let mut answer = match ran {
            Some(Ok(answer)) => answer,
            None | Some(Err(_)) if interrupted => {
                if let Some(view) = view {
                    forget(view).await;
                }
                return Attended::Interrupted;
            }
            // The code's fault, not the container's.
            Some(Err(error @ SandboxError::CodeTooLong { .. })) => {
                return Attended::Done(Answer::failed(error));
            }
            Some(Err(error)) => return Attended::Done(self.unavailable(tool, error.to_string())),
            None => return Attended::Interrupted,
        };
        let Some(view) = view else {
            return Attended::Done(answer);
        };
        if interrupted {
            forget(view).await;
            return Attended::Done(answer);
        }
        match self.review_changes(call, view).await {
            Attended::Done(Ok(lines)) => {
                for line in lines {
                    answer.text.push('\n');
                    answer.text.push_str(&line);
                }
                Attended::Done(answer)
            }
            Attended::Done(Err(error)) => {
                answer.text.push_str(&format!(
                    "\n[what changed in /workspace could not be looked at: {}]",
                    error.to_string().lines().next().unwrap_or_default()
                ));
                Attended::Done(answer)
            }
            Attended::Interrupted => Attended::Interrupted,
        }
    }

    /// Lets the user decide about what a call changed; gives what the model is told of it.
    async fn review_changes(
        &mut self,
        call: &Call,
        view: &dyn Shell,
    ) -> Attended<Result<Vec<String>, SandboxError>> {
        let mut changes = match self.link.attend(view.changes()).await {
            Attended::Done(Ok(changes)) => changes,
            Attended::Done(Err(error)) => return Attended::Done(Err(error)),
            Attended::Interrupted => {
                forget(view).await;
                return Attended::Interrupted;
            }
        };
        if changes.is_empty() {
            return Attended::Done(view.settle(&changes).await.map(|()| Vec::new()));
        }
        let mut lines = Vec::new();
        let left = changes.left_lines();
        if !left.is_empty() {
            let text = format!("[not proposed to the user]\n{}", left.join("\n"));
            self.say(AgentEvent::Notice(format!(
                "not taken over from the sandbox:\n{}",
                left.join("\n")
            )))
            .await;
            lines.push(text);
        }
        let plan = std::mem::take(&mut changes.plan);
        let mut stopped = false;
        if !plan.files.is_empty() {
            let proposes_only = self.link.approvals == ApprovalPolicy::ProposeOnly;
            match self.decide(call, plan).await {
                Attended::Done(Decided::Over { text, .. }) => {
                    lines.push(format!("[changed files, proposed to the user] {text}"));
                    if proposes_only || !text.starts_with("Success") {
                        lines.push(SET_BACK_LINE.to_owned());
                    }
                }
                Attended::Done(Decided::Changed(path)) => lines.push(format!(
                    "[changed files] Nothing was applied: {path} was changed by the user meanwhile.\n{SET_BACK_LINE}"
                )),
                Attended::Done(Decided::Failed(error)) => {
                    lines.push(format!("[changed files] Error: {error}\n{SET_BACK_LINE}"));
                }
                Attended::Interrupted => stopped = true,
            }
        }
        let settled = view.settle(&changes).await;
        if stopped {
            return Attended::Interrupted;
        }
        Attended::Done(settled.map(|()| lines))
    }
}

/// What the model has to know of a review that did not take everything.
const SET_BACK_LINE: &str = "[what was not applied has been set back in /workspace]";

/// After an interrupt: nobody decides any more, so all of it is set back.
async fn forget(view: &dyn Shell) {
    let set_back = async {
        let changes: Changes = view.changes().await?;
        view.settle(&changes).await
    };
    match timeout(SET_BACK, set_back).await {
        Ok(Ok(())) => {}
        // It is looked at again after the next call.
        Ok(Err(error)) => tracing::warn!(%error, "the view of the work tree was not set back"),
        Err(_elapsed) => tracing::warn!("the view of the work tree was not set back in time"),
    }
}

fn of_cell(cell: &crate::sandbox::CellResult) -> Answer {
    Answer {
        status: match cell.exit {
            CellExit::Ok => ToolStatus::Completed,
            CellExit::Error | CellExit::Timeout | CellExit::Died | CellExit::Interrupted => {
                ToolStatus::Failed
            }
        },
        text: python::answer(cell),
        exit_code: Some(python::exit_code(cell.exit)),
    }
}

fn of_command(command: &crate::sandbox::CommandResult) -> Answer {
    Answer {
        status: match command.exit {
            CommandExit::Code(0) => ToolStatus::Completed,
            CommandExit::Code(_) | CommandExit::Timeout | CommandExit::Interrupted => {
                ToolStatus::Failed
            }
        },
        text: shell::answer(command),
        exit_code: Some(shell::exit_code(command.exit)),
    }
}

/// What a call prints, between the sandbox's callback and the wait that shows it.
#[derive(Debug, Default)]
struct Live {
    text: Mutex<String>,
    news: Notify,
}

impl Live {
    fn push(&self, text: &str) {
        self.text
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_str(text);
        self.news.notify_one();
    }

    fn take(&self) -> String {
        std::mem::take(&mut self.text.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes what is printed, as far as it is shown.
    fn sink(&self) -> Box<dyn FnMut(&str) + Send + '_> {
        let mut room = LIVE_LIMIT;
        Box::new(move |text: &str| {
            let (shown, rest) = text.split_at(cap::floor_boundary(text, room));
            if !shown.is_empty() {
                self.push(shown);
            }
            room = if rest.is_empty() {
                room - shown.len()
            } else {
                0
            };
        })
    }
}

/// Waits for a call that runs and shows what it prints. `None`: it was interrupted and did not end in time.
async fn follow<T>(
    link: &mut Link,
    history: &mut History,
    call: CallId,
    live: &Live,
    mut run: BoxFuture<'_, T>,
) -> Option<T> {
    let result = loop {
        let step = async {
            tokio::select! {
                biased;
                () = live.news.notified() => None,
                result = &mut run => Some(result),
            }
        };
        match link.attend_with_room(step).await {
            Attended::Done(None) => show(link, history, call, live),
            Attended::Done(Some(result)) => break Some(result),
            Attended::Interrupted => {
                // The token is cancelled already; the answer says what was printed until then.
                break timeout(STOP, &mut run).await.ok();
            }
        }
    };
    drop(run);
    show(link, history, call, live);
    result
}

/// Into the record, then to the consumer.
fn show(link: &mut Link, history: &mut History, call: CallId, live: &Live) {
    let text = live.take();
    if !text.is_empty() {
        let output = Record::Output {
            call,
            text: text.clone(),
        };
        if let Err(problem) = history.stream(output) {
            link.send(AgentEvent::Problem(problem));
        }
        link.send(AgentEvent::ToolOutput { call, text });
    }
}
