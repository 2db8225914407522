//! One tool call: announced, run while the user can interrupt, its answer shown and given back.

use super::AgentEvent;
use super::ToolStatus;
use super::link::Attended;
use super::past::call_end;
use super::stream::{Call, shown_tool};
use super::task::Core;
use crate::conversation::CallId;
use crate::session::{self, Record};
use crate::tools::outputs::Outputs;
use crate::tools::{self, Tool, cap};
use std::time::{Duration, Instant};

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
            arguments: tools::shown(tool, &call.arguments),
            summary: tools::summary(tool, &call.arguments),
        });
        let attended = match tool {
            Tool::ReadFile | Tool::ListFiles | Tool::Search => self.read_only(call, tool).await,
            Tool::ApplyPatch => self.apply_patch(call).await,
            Tool::Python | Tool::Shell => self.contained(call, tool).await,
        };
        let (mut answer, interrupted) = match attended {
            Attended::Done(answer) => (answer, false),
            Attended::Interrupted => (Answer::failed("interrupted by the user"), true),
        };
        answer.text = self.bounded(call.id, tool, answer.text).await;
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

    /// An answer as the model is told it: one that is too long is cut in its middle and kept whole on disk.
    async fn bounded(&mut self, call: CallId, tool: Tool, text: String) -> String {
        // It is asked for in pages, which have their own bounds.
        if text.len() <= cap::ANSWER_LIMIT || tool == Tool::ReadFile {
            return text;
        }
        let (told, problem) = self.cut_and_kept(call, text, cap::ANSWER_LIMIT).await;
        if let Some(problem) = problem {
            let line = format!(
                "a long answer of {} is not kept on disk: {problem}",
                tool.name()
            );
            self.say(AgentEvent::Problem(line)).await;
        }
        told
    }

    /// An answer that was told already, cut to `limit` bytes: whole on disk, or as it was when it was first cut.
    pub(super) async fn shortened(&mut self, call: CallId, text: String, limit: usize) -> String {
        let known = self.outputs().and_then(|outputs| outputs.name_of(call));
        match known {
            Some(name) => cap::head_and_tail(&text, limit, Some(&name)),
            None => self.cut_and_kept(call, text, limit).await.0,
        }
    }

    /// The cut text, and why it is not whole on disk, where it should be.
    async fn cut_and_kept(
        &mut self,
        call: CallId,
        text: String,
        limit: usize,
    ) -> (String, Option<String>) {
        let outputs = self.outputs();
        let cut = tokio::task::spawn_blocking(move || {
            let kept = outputs.map(|outputs| outputs.keep(call, &text));
            let (name, problem) = match kept {
                Some(Ok(name)) => (Some(name), None),
                Some(Err(error)) => (None, Some(error.to_string())),
                None => (None, None),
            };
            let told = cap::head_and_tail(&text, limit, name.as_deref());
            (told, problem)
        });
        cut.await
            .unwrap_or_else(|error| (format!("Error: the answer was lost: {error}"), None))
    }

    /// Where this conversation's long answers lie; none without a record.
    fn outputs(&self) -> Option<Outputs> {
        let writer = self.history.writer()?;
        Some(Outputs::new(session::outputs_of(writer.path())))
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
        let outputs = self.outputs();
        let arguments = call.arguments.clone();
        let cancel = self.link.interrupt().clone();
        let run = tokio::task::spawn_blocking(move || {
            tools::run_read_only(tool, &workspace, outputs.as_ref(), &arguments, &cancel)
        });
        match self.link.attend(run).await {
            Attended::Done(Ok(Ok(text))) => Attended::Done(Answer::completed(text)),
            Attended::Done(Ok(Err(error))) => {
                let error = cap::head_and_tail(&error.to_string(), cap::ANSWER_LIMIT, None);
                Attended::Done(Answer::failed(error))
            }
            Attended::Done(Err(error)) => Attended::Done(Answer::failed(format!(
                "{} broke off: {error}",
                tool.name()
            ))),
            Attended::Interrupted => Attended::Interrupted,
        }
    }
}
