//! What the events of a turn mean for the streams and the exit code.

use super::{DEMO_NOTICE, Options};
use crate::agent::{AgentEvent, ToolStatus};
use crate::cli::exit::Exit;
use crate::cli::jsonl::Jsonl;
use crate::cli::output::{Style, paint, paint_diff, stderr_line, stderr_text, stdout_text};
use crate::conversation::{CallId, PromptProfile, Usage};
use crate::patch::{FilePlan, Plan, parse};
use crate::text;
use anyhow::Context;
use std::collections::{BTreeSet, HashMap};

pub(super) struct Turn {
    options: Options,
    jsonl: Jsonl,
    usage: Usage,
    answer: Option<String>,
    /// Files that were proposed and not applied, in order. A later proposal for a file replaces the earlier
    /// one: both were made against the file on disk, so their diffs would not apply one after the other.
    proposed: Vec<FilePlan>,
    /// The user declined something, or the policy wrote nothing.
    not_applied: bool,
    /// Files of apply_patch calls that failed and that no later call changed; empty text: not even the names
    /// could be read.
    failed_paths: BTreeSet<String>,
    /// The text of the apply_patch calls whose end is still to come.
    patch_calls: HashMap<CallId, String>,
    unavailable: Option<String>,
    reasoning_open: bool,
}

type Ended = (Exit, String);

impl Turn {
    pub(super) fn new(options: Options) -> Self {
        Turn {
            options,
            jsonl: Jsonl::default(),
            usage: Usage::default(),
            answer: None,
            proposed: Vec::new(),
            not_applied: false,
            failed_paths: BTreeSet::new(),
            patch_calls: HashMap::new(),
            unavailable: None,
            reasoning_open: false,
        }
    }

    pub(super) fn begin(&mut self) -> anyhow::Result<()> {
        if self.options.json {
            for line in Jsonl::begin(&self.options.thread_id) {
                print_line(&text::json(&line.to_string()))?;
            }
        }
        Ok(())
    }

    /// Colour and editor for a review on the terminal.
    pub(super) fn review_look(&self) -> (bool, String) {
        (
            self.options.streams.stderr_color,
            self.options.editor.clone(),
        )
    }

    /// Takes an event in; the exit code and message when it was the last.
    pub(super) fn event(&mut self, event: AgentEvent) -> anyhow::Result<Option<Ended>> {
        if self.options.json {
            for line in self.jsonl.event(&event) {
                print_line(&text::json(&line.to_string()))?;
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
                arguments,
                summary,
            } => {
                if tool.ends_with("apply_patch") {
                    self.patch_calls.insert(call, arguments);
                }
                self.say(Style::Cyan, &format!("* {summary}"));
            }
            AgentEvent::ToolFinished {
                call,
                status: ToolStatus::Failed,
                output,
                ..
            } => {
                if let Some(text) = self.patch_calls.remove(&call) {
                    self.failed_paths.extend(named_paths(&text));
                }
                self.say(
                    Style::Red,
                    output.lines().next().unwrap_or("the tool failed"),
                );
            }
            AgentEvent::ToolFinished { .. } => {}
            AgentEvent::ToolUnavailable { tool, reason } => {
                self.unavailable = Some(format!("{tool} is not available: {reason}"));
            }
            // The caller asks on the terminal; it must not wait here.
            AgentEvent::ReviewRequested { .. } => self.close_reasoning(),
            AgentEvent::ReviewDone {
                plan,
                applied,
                declined_hunks,
                ..
            } => {
                for file in &plan.files {
                    self.failed_paths.remove(file.path.as_str());
                }
                // A text that could not be read is taken as made good by the next one that could.
                self.failed_paths.remove("");
                if applied.is_none() || declined_hunks > 0 {
                    self.not_applied = true;
                }
                if applied.is_none() {
                    self.propose(*plan);
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
                    (None, true) if self.not_applied || !self.failed_paths.is_empty() => {
                        (Exit::NotApplied, String::new())
                    }
                    (None, true) => (Exit::Done, String::new()),
                }));
            }
            AgentEvent::TurnFailed {
                usage,
                error,
                unavailable,
                turn: _,
            } => {
                self.usage = usage;
                let exit = if unavailable {
                    Exit::Unavailable
                } else {
                    Exit::Failed
                };
                return Ok(Some((exit, error)));
            }
            AgentEvent::TurnInterrupted { usage, .. } => {
                self.usage = usage;
                return Ok(Some((Exit::Interrupted, "interrupted".to_owned())));
            }
            AgentEvent::ModelLoading(_)
            | AgentEvent::Sandbox(_)
            | AgentEvent::TurnStarted { .. }
            | AgentEvent::Queued { .. }
            | AgentEvent::TakenBack { .. }
            | AgentEvent::ShellStarted { .. }
            | AgentEvent::ShellOutput { .. }
            | AgentEvent::ShellFinished { .. }
            | AgentEvent::Files(_)
            | AgentEvent::ModelSwitching { .. }
            | AgentEvent::ModelResting { .. }
            | AgentEvent::Pull(_)
            | AgentEvent::Approvals(_)
            | AgentEvent::Effort(_)
            | AgentEvent::Answer(_)
            | AgentEvent::Prefill { .. }
            | AgentEvent::AnswerDelta(_)
            | AgentEvent::ToolCallDelta { .. }
            | AgentEvent::ToolOutput { .. }
            | AgentEvent::Context(_)
            | AgentEvent::Generating { .. }
            | AgentEvent::Generation(_)
            | AgentEvent::History(_) => {}
        }
        Ok(None)
    }

    /// Writes what is left to write and gives the exit code.
    pub(super) fn end(mut self, exit: Exit, message: &str) -> anyhow::Result<Exit> {
        self.close_reasoning();
        let ok = matches!(exit, Exit::Done | Exit::NotApplied);
        if self.options.json {
            let last = if ok {
                self.jsonl.completed(&self.usage)
            } else {
                self.jsonl.failed(message)
            };
            if let Some(line) = last {
                print_line(&text::json(&line.to_string()))?;
            }
            return self.write_last_message().map(|()| exit);
        }
        let mut diff: String = self.proposed.iter().map(FilePlan::unified_diff).collect();
        if self.options.streams.stdout_terminal {
            diff = text::exact_lines(&diff);
        }
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
        self.write_last_message().map(|()| exit)
    }

    /// Last of all, so that a file that cannot be written costs nothing else.
    fn write_last_message(&self) -> anyhow::Result<()> {
        if let (Some(path), Some(answer)) = (&self.options.output_last_message, &self.answer) {
            std::fs::write(path, answer)
                .with_context(|| format!("cannot write the last message to {}", path.display()))?;
        }
        Ok(())
    }

    fn propose(&mut self, plan: Plan) {
        for file in plan.files {
            let earlier = self
                .proposed
                .iter()
                .position(|known| known.path == file.path);
            if let Some(earlier) = earlier {
                self.proposed.remove(earlier);
                self.say(
                    Style::Yellow,
                    &format!(
                        "{}: proposed again; only the last proposal is printed",
                        file.path
                    ),
                );
            }
            self.proposed.push(file);
        }
    }

    fn say(&mut self, style: Style, line: &str) {
        self.close_reasoning();
        stderr_line(&paint(
            self.options.streams.stderr_color,
            style,
            &text::visible(line),
        ));
    }

    /// Reasoning streams to a terminal; a log file is better without it.
    fn reasoning(&mut self, delta: &str) {
        let streams = self.options.streams;
        if self.options.json || !streams.stderr_terminal || streams.dumb {
            return;
        }
        self.reasoning_open = true;
        let painted = paint(
            self.options.streams.stderr_color,
            Style::Dim,
            &text::visible(delta),
        );
        stderr_text(&painted);
    }

    fn close_reasoning(&mut self) {
        if std::mem::take(&mut self.reasoning_open) {
            stderr_line("");
        }
    }
}

fn print_line(line: &str) -> anyhow::Result<()> {
    print_text(&format!("{line}\n"))
}

fn print_text(text: &str) -> anyhow::Result<()> {
    stdout_text(text).context("cannot write to standard output")
}

/// The files a patch text names; an empty one where it cannot be read.
fn named_paths(text: &str) -> Vec<String> {
    match parse(text) {
        Ok(patch) => patch.files.into_iter().map(|file| file.path).collect(),
        Err(_unreadable) => vec![String::new()],
    }
}
