//! `descant --once`: one turn, for scripts.
//!
//! Reads agent events until the turn ends and decides the exit code. stdout gets the answer, or the diff of
//! what was proposed and not applied, or JSON lines; everything else goes to stderr. The agent is already
//! running and loading its model when [`run`] begins.

use super::exit::Exit;
use super::jsonl::Jsonl;
use super::output::{Streams, Style, paint, paint_diff};
use super::review;
use crate::agent::{AgentCommand, AgentEvent, ToolStatus};
use crate::conversation::{CallId, PromptProfile, Usage};
use crate::patch::Plan;
use crate::text;
use anyhow::Context;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;

/// What one run is to do.
#[derive(Debug)]
pub struct Options {
    pub prompt: String,
    /// The session's id, `thread_id` in JSON.
    pub thread_id: String,
    pub json: bool,
    pub output_last_message: Option<PathBuf>,
    pub timeout: Option<Duration>,
    pub streams: Streams,
    /// The user's editor, for `e` in a review.
    pub editor: String,
}

/// How long an interrupted turn has to say what it kept before we leave without it.
const GRACE: Duration = Duration::from_secs(3);

/// Runs the turn to its end.
///
/// # Errors
/// Only when stdout (other than a closed pipe) or the `-o` file cannot be written.
pub async fn run(
    options: Options,
    commands: mpsc::Sender<AgentCommand>,
    mut events: mpsc::Receiver<AgentEvent>,
) -> anyhow::Result<Exit> {
    let mut turn = Turn::new(options);
    turn.begin()?;
    if commands
        .send(AgentCommand::Submit(turn.options.prompt.clone()))
        .await
        .is_err()
    {
        return turn.end(Exit::Failed, "the agent stopped");
    }
    let timeout = turn.options.timeout;
    let deadline = async move {
        match timeout {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(deadline);
    let mut stopped: Option<Exit> = None;
    let grace = tokio::time::sleep(Duration::MAX / 4);
    tokio::pin!(grace);
    loop {
        tokio::select! {
            biased;
            signal = tokio::signal::ctrl_c(), if stopped.is_none() => {
                signal.context("cannot listen for Ctrl+C")?;
                stopped = Some(Exit::Interrupted);
                let _ = commands.send(AgentCommand::Interrupt).await;
                grace.as_mut().reset(tokio::time::Instant::now() + GRACE);
            }
            () = &mut deadline, if stopped.is_none() => {
                stopped = Some(Exit::Timeout);
                let _ = commands.send(AgentCommand::Interrupt).await;
                grace.as_mut().reset(tokio::time::Instant::now() + GRACE);
            }
            () = &mut grace, if stopped.is_some() => {
                let exit = stopped.unwrap_or(Exit::Failed);
                return turn.end(exit, exit_message(exit));
            }
            event = events.recv() => {
                let Some(event) = event else {
                    let exit = stopped.unwrap_or(Exit::Failed);
                    return turn.end(exit, "the agent stopped before the turn ended");
                };
                if let Some(ended) = turn.event(event, &commands).await? {
                    let (exit, message) = match stopped {
                        Some(exit) => (exit, exit_message(exit).to_owned()),
                        None => ended,
                    };
                    return turn.end(exit, &message);
                }
            }
        }
    }
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

struct Turn {
    options: Options,
    jsonl: Jsonl,
    usage: Usage,
    answer: Option<String>,
    /// Plans that were proposed and not applied, in order.
    proposed: Vec<Plan>,
    /// The user declined something, or the policy wrote nothing.
    not_applied: bool,
    /// The last apply_patch call failed and none succeeded since.
    patch_failed: bool,
    /// apply_patch calls whose end is still to come.
    patch_calls: Vec<CallId>,
    unavailable: Option<String>,
    reasoning_open: bool,
}

type Ended = (Exit, String);

impl Turn {
    fn new(options: Options) -> Self {
        Turn {
            options,
            jsonl: Jsonl::default(),
            usage: Usage::default(),
            answer: None,
            proposed: Vec::new(),
            not_applied: false,
            patch_failed: false,
            patch_calls: Vec::new(),
            unavailable: None,
            reasoning_open: false,
        }
    }

    fn begin(&mut self) -> anyhow::Result<()> {
        if self.options.json {
            for line in Jsonl::begin(&self.options.thread_id) {
                print_line(&line.to_string())?;
            }
        }
        Ok(())
    }

    async fn event(
        &mut self,
        event: AgentEvent,
        commands: &mpsc::Sender<AgentCommand>,
    ) -> anyhow::Result<Option<Ended>> {
        if self.options.json {
            for line in self.jsonl.event(&event) {
                print_line(&line.to_string())?;
            }
        }
        match event {
            AgentEvent::ModelReady(info) if info.profile == PromptProfile::Demo => {
                self.say(Style::Yellow, DEMO_NOTICE);
            }
            AgentEvent::ModelReady(_) => {}
            AgentEvent::ModelFailed(error) => {
                return Ok(Some((Exit::Unavailable, error.to_string())));
            }
            AgentEvent::ReasoningDelta(delta) => self.reasoning(&delta),
            AgentEvent::ReasoningDone(_) => self.close_reasoning(),
            AgentEvent::AnswerDone { text, last: true } => self.answer = Some(text),
            AgentEvent::AnswerDone { text, last: false } => self.say(Style::Bold, &text),
            AgentEvent::ToolStarted {
                call,
                tool,
                summary,
                ..
            } => {
                if tool.ends_with("apply_patch") {
                    self.patch_calls.push(call);
                }
                self.say(Style::Cyan, &format!("* {summary}"));
            }
            AgentEvent::ToolFinished {
                call,
                status: ToolStatus::Failed,
                output,
                ..
            } => {
                self.patch_failed |= self.patch_calls.contains(&call);
                self.say(
                    Style::Red,
                    output.lines().next().unwrap_or("the tool failed"),
                );
            }
            AgentEvent::ToolFinished { .. } => {}
            AgentEvent::ToolUnavailable { tool, reason } => {
                let message = format!("{tool} is not available: {reason}");
                self.say(Style::Red, &message);
                self.unavailable = Some(message);
            }
            AgentEvent::ReviewRequested { review, plan, .. } => {
                self.close_reasoning();
                let (plan, decisions) = review::on_terminal(
                    *plan,
                    self.options.streams.stderr_color,
                    self.options.editor.clone(),
                )
                .await?;
                let _ = commands
                    .send(AgentCommand::Review {
                        review,
                        plan: Box::new(plan),
                        decisions,
                    })
                    .await;
            }
            AgentEvent::ReviewDone {
                plan,
                applied,
                declined_hunks,
                ..
            } => {
                self.patch_failed = false;
                if applied.is_none() || declined_hunks > 0 {
                    self.not_applied = true;
                }
                if applied.is_none() {
                    self.proposed.push(*plan);
                }
            }
            AgentEvent::Notice(line) => self.say(Style::Dim, &line),
            AgentEvent::Problem(line) => self.say(Style::Red, &line),
            AgentEvent::TurnDone {
                usage, answered, ..
            } => {
                self.usage = usage;
                return Ok(Some(match (&self.unavailable, answered) {
                    (Some(message), _) => (Exit::Failed, message.clone()),
                    (None, false) => (Exit::Failed, "the model gave no answer".to_owned()),
                    (None, true) if self.not_applied || self.patch_failed => {
                        (Exit::NotApplied, String::new())
                    }
                    (None, true) => (Exit::Done, String::new()),
                }));
            }
            AgentEvent::TurnFailed { usage, error, .. } => {
                self.usage = usage;
                return Ok(Some((Exit::Failed, error)));
            }
            AgentEvent::TurnInterrupted { usage, .. } => {
                self.usage = usage;
                return Ok(Some((Exit::Interrupted, "interrupted".to_owned())));
            }
            AgentEvent::ModelLoading(_)
            | AgentEvent::Sandbox(_)
            | AgentEvent::TurnStarted { .. }
            | AgentEvent::Queued { .. }
            | AgentEvent::Prefill { .. }
            | AgentEvent::AnswerDelta(_)
            | AgentEvent::ToolCallDelta { .. }
            | AgentEvent::ToolOutput { .. }
            | AgentEvent::Context { .. }
            | AgentEvent::Generation(_) => {}
        }
        Ok(None)
    }

    /// Writes what is left to write and gives the exit code.
    fn end(mut self, exit: Exit, message: &str) -> anyhow::Result<Exit> {
        self.close_reasoning();
        if let (Some(path), Some(answer)) = (&self.options.output_last_message, &self.answer) {
            std::fs::write(path, answer)
                .with_context(|| format!("cannot write the last message to {}", path.display()))?;
        }
        let ok = matches!(exit, Exit::Done | Exit::NotApplied);
        if self.options.json {
            let last = if ok {
                self.jsonl.completed(&self.usage)
            } else {
                self.jsonl.failed(message)
            };
            if let Some(line) = last {
                print_line(&line.to_string())?;
            }
            return Ok(exit);
        }
        let diff: String = self.proposed.iter().map(Plan::unified_diff).collect();
        match (&self.answer, diff.is_empty()) {
            (Some(answer), true) => print_line(&text::visible(answer))?,
            (Some(answer), false) => {
                self.say(Style::Bold, &answer.clone());
                print_text(&paint_diff(self.options.streams.stdout_color, &diff))?;
            }
            (None, false) => print_text(&paint_diff(self.options.streams.stdout_color, &diff))?,
            (None, true) => {}
        }
        if !ok {
            self.say(Style::Red, &format!("descant: {message}"));
        } else if exit == Exit::NotApplied && !diff.is_empty() {
            self.say(
                Style::Dim,
                "descant: proposed, nothing was written; --apply all or --apply ask writes",
            );
        }
        Ok(exit)
    }

    fn say(&mut self, style: Style, line: &str) {
        self.close_reasoning();
        super::output::stderr_line(&paint(
            self.options.streams.stderr_color,
            style,
            &text::visible(line),
        ));
    }

    /// Reasoning streams to a terminal; a log file is better without it.
    fn reasoning(&mut self, delta: &str) {
        if self.options.json || !self.options.streams.stderr_terminal {
            return;
        }
        self.reasoning_open = true;
        let painted = paint(
            self.options.streams.stderr_color,
            Style::Dim,
            &text::visible(delta),
        );
        super::output::stderr_text(&painted);
    }

    fn close_reasoning(&mut self) {
        if std::mem::take(&mut self.reasoning_open) {
            super::output::stderr_line("");
        }
    }
}

/// Said once, on stderr and in the UI, while the built-in model answers.
pub const DEMO_NOTICE: &str = "demo model: a small built-in model that shows how Descant works; \
     for real work get GPT-OSS: descant models pull gpt-oss-20b";

fn print_line(line: &str) -> anyhow::Result<()> {
    print_text(&format!("{line}\n"))
}

fn print_text(text: &str) -> anyhow::Result<()> {
    super::output::stdout_text(text).context("cannot write to standard output")
}
