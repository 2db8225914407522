//! One tool call: announced, run while the user can interrupt, its answer shown and given back.

use super::AgentEvent;
use super::ToolStatus;
use super::history::History;
use super::link::{Attended, Link};
use super::past::call_end;
use super::stream::{Call, shown_tool};
use super::task::Core;
use crate::conversation::CallId;
use crate::sandbox::{CellExit, SandboxError};
use crate::session::Record;
use crate::tools::python::{self, Interpreter};
use crate::tools::{self, Tool, cap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long an interrupted cell has to stop; after that it is left to the sandbox's own time limit.
const CELL_STOP: Duration = Duration::from_secs(2);
/// Bytes of a cell's live output that are shown; the answer has its end in any case.
const LIVE_LIMIT: usize = 64 * 1024;

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: ToolStatus,
    /// What the model is told.
    pub(super) text: String,
    pub(super) exit_code: Option<i32>,
}

impl Answer {
    pub(super) fn completed(text: String) -> Answer {
        Answer {
            status: ToolStatus::Completed,
            text,
            exit_code: None,
        }
    }

    pub(super) fn failed(error: impl std::fmt::Display) -> Answer {
        Answer {
            status: ToolStatus::Failed,
            text: format!("Error: {error}"),
            exit_code: None,
        }
    }
}

impl Core {
    /// Runs a call; the text is what the model is told.
    pub(super) async fn call(&mut self, call: &Call, tool: Tool) -> Attended<String> {
        let begun = Instant::now();
        self.link.waited = Duration::ZERO;
        self.link.send(AgentEvent::ToolStarted {
            call: call.id,
            tool: tool.name().into(),
            arguments: call.arguments.clone(),
            summary: tools::summary(tool, &call.arguments),
        });
        let attended = match tool {
            Tool::ReadFile | Tool::ListFiles | Tool::Search => self.read_only(call, tool).await,
            Tool::ApplyPatch => self.apply_patch(call).await,
            Tool::Python => self.python(call).await,
        };
        let (answer, interrupted) = match attended {
            Attended::Done(answer) => (answer, false),
            Attended::Interrupted => (Answer::failed("interrupted by the user"), true),
        };
        // The user's time is not the tool's.
        let elapsed = begun.elapsed().saturating_sub(self.link.waited);
        self.ended(call.id, &answer.status, answer.exit_code, elapsed)
            .await;
        self.link.send(AgentEvent::ToolFinished {
            call: call.id,
            status: answer.status,
            output: answer.text.clone(),
            exit_code: answer.exit_code,
            elapsed,
        });
        if interrupted {
            Attended::Interrupted
        } else {
            Attended::Done(answer.text)
        }
    }

    /// What the answer to the model does not say goes on record.
    async fn ended(
        &mut self,
        call: CallId,
        status: &ToolStatus,
        exit_code: Option<i32>,
        elapsed: Duration,
    ) {
        let ended = Record::CallEnded {
            call,
            end: call_end(status),
            exit_code,
            seconds: elapsed.as_secs_f64(),
        };
        let recorded = self.history.take(ended).await;
        self.report(recorded);
    }

    /// A call that does not run, as the consumer sees it.
    pub(super) async fn show_failed(&mut self, call: &Call, text: &str) {
        let tool = shown_tool(&call.recipient);
        self.link.send(AgentEvent::ToolStarted {
            call: call.id,
            summary: format!("call {tool}"),
            tool,
            arguments: call.arguments.clone(),
        });
        self.ended(call.id, &ToolStatus::Failed, None, Duration::ZERO)
            .await;
        self.link.send(AgentEvent::ToolFinished {
            call: call.id,
            status: ToolStatus::Failed,
            output: text.to_owned(),
            exit_code: None,
            elapsed: Duration::ZERO,
        });
    }

    /// On a blocking thread, which looks at the same token as the wait does.
    async fn read_only(&mut self, call: &Call, tool: Tool) -> Attended<Answer> {
        let workspace = self.desk.workspace.clone();
        let arguments = call.arguments.clone();
        let cancel = self.link.interrupt().clone();
        let run = tokio::task::spawn_blocking(move || {
            tools::run_read_only(tool, &workspace, &arguments, &cancel)
        });
        match self.link.attend(run).await {
            Attended::Done(Ok(Ok(text))) => Attended::Done(Answer::completed(text)),
            Attended::Done(Ok(Err(error))) => {
                let error = cap::head_and_tail(&error.to_string(), cap::ANSWER_LIMIT);
                Attended::Done(Answer::failed(error))
            }
            Attended::Done(Err(error)) => Attended::Done(Answer::failed(format!(
                "{} broke off: {error}",
                tool.name()
            ))),
            Attended::Interrupted => Attended::Interrupted,
        }
    }

    async fn python(&mut self, call: &Call) -> Attended<Answer> {
        // A cell may be asked for while the container still starts, after the first turn gave up on it.
        let arrived = match self
            .link
            .attend(timeout(self.limits.sandbox_wait, self.python.wait()))
            .await
        {
            Attended::Done(arrived) => arrived,
            Attended::Interrupted => return Attended::Interrupted,
        };
        let reason = match arrived {
            Ok(Some(Ok(python))) => {
                return run_cell(&mut self.link, &mut self.history, python.as_ref(), call).await;
            }
            Ok(Some(Err(reason))) => reason.clone(),
            Ok(None) => "its start broke off; this is a bug of Descant".to_owned(),
            Err(_elapsed) => "the container is still starting".to_owned(),
        };
        self.link.send(AgentEvent::ToolUnavailable {
            tool: Tool::Python.name().into(),
            reason: reason.clone(),
        });
        let line = reason.lines().next().unwrap_or_default();
        Attended::Done(Answer::failed(format!("python is not available: {line}")))
    }
}

/// What a cell prints, between the sandbox's callback and the wait that shows it.
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
}

async fn run_cell(
    link: &mut Link,
    history: &mut History,
    interpreter: &dyn Interpreter,
    call: &Call,
) -> Attended<Answer> {
    let code = python::code(&call.arguments);
    let cancel: CancellationToken = link.interrupt().child_token();
    let live = Live::default();
    let mut room = LIVE_LIMIT;
    let sink = Box::new(|text: &str| {
        let (shown, rest) = text.split_at(cap::floor_boundary(text, room));
        if !shown.is_empty() {
            live.push(shown);
        }
        room = if rest.is_empty() {
            room - shown.len()
        } else {
            0
        };
    });
    let mut run = interpreter.run(&code, sink, &cancel);
    let result = loop {
        let step = async {
            tokio::select! {
                biased;
                () = live.news.notified() => None,
                result = &mut run => Some(result),
            }
        };
        match link.attend_with_room(step).await {
            Attended::Done(None) => show(link, history, call.id, &live),
            Attended::Done(Some(result)) => break Some(result),
            Attended::Interrupted => {
                // The token is cancelled already; the kernel's answer says what was printed until then.
                break timeout(CELL_STOP, &mut run).await.ok();
            }
        }
    };
    drop(run);
    show(link, history, call.id, &live);
    let interrupted = link.interrupt().is_cancelled();
    match result {
        None if interrupted => Attended::Interrupted,
        Some(Err(_)) if interrupted => Attended::Interrupted,
        Some(Ok(cell)) => Attended::Done(Answer {
            status: match cell.exit {
                CellExit::Ok => ToolStatus::Completed,
                CellExit::Error | CellExit::Timeout | CellExit::Died | CellExit::Interrupted => {
                    ToolStatus::Failed
                }
            },
            text: python::answer(&cell),
            exit_code: Some(python::exit_code(cell.exit)),
        }),
        // The code's fault, not the container's.
        Some(Err(error @ SandboxError::CodeTooLong { .. })) => {
            Attended::Done(Answer::failed(error))
        }
        Some(Err(error)) => {
            let reason = error.to_string();
            link.send(AgentEvent::ToolUnavailable {
                tool: Tool::Python.name().into(),
                reason: reason.clone(),
            });
            let line = reason.lines().next().unwrap_or_default();
            Attended::Done(Answer::failed(format!("python is not available: {line}")))
        }
        None => Attended::Interrupted,
    }
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
