//! What the agent says, in words that are heard once, in order.
//!
//! Pure: an event goes in, the text to append comes out. Answers are given out by whole sentences and lines;
//! code goes by lines. Reasoning is announced and kept for who asks for it.

mod loads;

use super::answers;
use crate::agent::{
    AgentEvent, Answer, HistoryEvent, PullState, SandboxState, ShellEnd, ToolStatus,
};
use crate::conversation::{PromptProfile, Usage};
use crate::tui::meter::Meter;
use crate::tui::transcript::cells;
use crate::tui::update::choices::policy_in_words;
use std::collections::BTreeMap;
use std::time::Duration;

/// Lines of a tool's output that are read; the record has the rest.
const OUTPUT_LINES: usize = 20;
/// A prompt of fewer tokens is read without a word.
const LONG_PROMPT: usize = 4000;

#[derive(Debug, Default)]
pub struct Speech {
    model: String,
    turn: Option<Duration>,
    /// Messages sent whose turn has not begun.
    sent: usize,
    thinking: Option<Duration>,
    reasoning: String,
    /// The answer: how much of it was said, and what is held back until its sentence ends.
    said: usize,
    held: String,
    fenced: bool,
    /// The output of each running call: lines that were said, and the line that is not finished.
    outputs: BTreeMap<u64, (usize, String)>,
    /// Calls whose writing was announced.
    written: Option<u64>,
    /// Quarters of the loading and of the prompt that were announced.
    loaded: Option<u64>,
    /// The same of the container's image.
    fetched: Option<Option<u64>>,
    /// The tenth of a model's download that was last told.
    pulled: Option<u64>,
    read: u64,
    /// What was said last ends its line.
    mid_line: bool,
    /// A command of the user's own runs.
    commands: bool,
    /// What fills the context.
    context: Meter,
}

impl Speech {
    pub fn new(model: &str) -> Speech {
        Speech {
            model: model.to_owned(),
            ..Speech::default()
        }
    }

    /// A turn is under way, or will be as soon as the agent sees the message; or a command of the user's runs.
    pub fn running(&self) -> bool {
        self.turn.is_some() || self.sent > 0 || self.commands
    }

    /// A command of the user's own runs.
    pub fn commanding(&self) -> bool {
        self.commands
    }

    pub fn submitted(&mut self) {
        self.sent += 1;
    }

    /// The reasoning of the last message, on request.
    pub fn reasoning(&self) -> String {
        if self.reasoning.trim().is_empty() {
            return "There is no reasoning yet.\n".to_owned();
        }
        format!(
            "Reasoning:\n{}\nEnd of the reasoning.\n",
            self.reasoning.trim_end()
        )
    }

    /// Ends the line that an answer has begun, and says what was held back.
    pub fn break_line(&mut self) -> String {
        let mut out = std::mem::take(&mut self.held);
        self.mid_line |= !out.is_empty() && !out.ends_with('\n');
        if out.ends_with('\n') {
            self.mid_line = false;
        }
        if std::mem::take(&mut self.mid_line) {
            out.push('\n');
        }
        out
    }

    fn line(&mut self, text: &str) -> String {
        format!("{}{text}\n", self.break_line())
    }

    pub fn event(&mut self, event: AgentEvent, now: Duration) -> String {
        match event {
            AgentEvent::ModelLoading(progress) => self.loading(&progress),
            AgentEvent::ModelReady(info) => {
                self.context.told.limit = Some(info.context_length);
                match info.profile {
                    PromptProfile::Demo => self.line(
                        "The built-in demo model is ready. It changes, creates, deletes and shows small files, renames, and computes.",
                    ),
                    PromptProfile::GptOss => self.line(&format!("The model {} is ready.", info.shown())),
                }
            }
            AgentEvent::ModelFailed(error) => {
                self.line(&format!("The model could not be loaded: {error}"))
            }
            AgentEvent::Sandbox(SandboxState::Unavailable { reason }) => {
                self.line(&format!("Python is not available: {reason}"))
            }
            AgentEvent::Sandbox(SandboxState::Fetching(progress)) => self.fetching(&progress),
            AgentEvent::Sandbox(SandboxState::Starting | SandboxState::Ready { .. }) => String::new(),
            AgentEvent::TurnStarted { .. } => {
                self.sent = self.sent.saturating_sub(1);
                self.turn = Some(now);
                self.reasoning.clear();
                (self.read, self.said, self.fenced) = (0, 0, false);
                String::new()
            }
            AgentEvent::Queued { .. } => self.line("Your message waits for the end of this turn."),
            AgentEvent::TakenBack { text } => {
                self.sent = self.sent.saturating_sub(usize::from(text.is_some()));
                String::new()
            }
            AgentEvent::ShellStarted { command, .. } => {
                self.commands = true;
                self.line(&format!("Your command runs: {command}"))
            }
            AgentEvent::ShellOutput { run, text } => self.output(u64::MAX - run.0, &text),
            AgentEvent::ShellFinished { run, end, .. } => {
                self.commands = false;
                let rest = self.output_end(u64::MAX - run.0);
                let words = match end {
                    ShellEnd::Exited(0) => "Your command is done.".to_owned(),
                    ShellEnd::Exited(code) => format!("Your command ended with exit code {code}."),
                    ShellEnd::Interrupted => "Your command was interrupted.".to_owned(),
                    ShellEnd::Failed => "Your command failed.".to_owned(),
                };
                rest + &self.line(&words)
            }
            AgentEvent::Prefill { done, total } => {
                let quarter = (done as u64).saturating_mul(4).checked_div(total as u64);
                let quarter = quarter.unwrap_or(0);
                if total < LONG_PROMPT || quarter <= self.read || quarter >= 4 {
                    return String::new();
                }
                self.read = quarter;
                self.line(&format!("Reading the prompt: {} percent.", quarter * 25))
            }
            AgentEvent::ReasoningDelta(_) if self.thinking.is_some() => String::new(),
            AgentEvent::ReasoningDelta(_) => {
                self.thinking = Some(now);
                self.line("Thinking.")
            }
            AgentEvent::ReasoningDone(whole) => {
                let since = self.thinking.take().unwrap_or(now);
                let lines = whole.lines().count();
                let words = if lines == 1 { "line" } else { "lines" };
                if !self.reasoning.is_empty() {
                    self.reasoning.push('\n');
                }
                self.reasoning.push_str(&whole);
                let took = cells::seconds(now.saturating_sub(since));
                self.line(&format!("Thought for {took}: {lines} {words}; /reasoning reads them."))
            }
            AgentEvent::AnswerDelta(delta) => self.answer(&delta),
            AgentEvent::AnswerDone { text, .. } => {
                let heard = self.said;
                let begun = heard > 0 || !self.held.is_empty();
                self.said = 0;
                // All of it where no part came before, else what is still held back.
                let rest = match text.get(heard..) {
                    Some(rest) => {
                        self.held.clear();
                        rest.to_owned()
                    }
                    None => std::mem::take(&mut self.held),
                };
                self.fenced = false;
                let begun = if begun { String::new() } else { self.line("Answer:") };
                self.held = rest;
                begun + &self.break_line()
            }
            AgentEvent::ToolCallDelta { call, tool, .. } => {
                if self.written.replace(call.0) == Some(call.0) {
                    return String::new();
                }
                match short(&tool) {
                    "apply_patch" => self.line("Writing a patch."),
                    _ => String::new(),
                }
            }
            AgentEvent::ToolStarted { call, tool, arguments, summary } => {
                self.outputs.insert(call.0, (0, String::new()));
                let mut out = self.line(&format!("Tool {}: {summary}.", short(&tool)));
                // A line alone may be in the summary.
                let code = !summary.contains(arguments.trim());
                if code && matches!(short(&tool), "python" | "shell") {
                    out += &self.code(&arguments);
                }
                out
            }
            AgentEvent::ToolOutput { call, text } => self.output(call.0, &text),
            AgentEvent::ToolFinished { call, status, output, exit_code, .. } => {
                let silent = self.outputs.get(&call.0).is_none_or(|(said, rest)| *said == 0 && rest.is_empty());
                let mut out = self.output_end(call.0);
                let code = exit_code.filter(|code| *code != 0);
                let code = code.map_or_else(String::new, |code| format!(" with exit code {code}"));
                match status {
                    ToolStatus::Completed => {}
                    ToolStatus::Failed if silent => {
                        let first = output.lines().next().unwrap_or("no reason was given");
                        out += &self.line(&format!("It failed{code}: {first}"));
                    }
                    ToolStatus::Failed => out += &self.line(&format!("It failed{code}.")),
                    ToolStatus::Declined => out += &self.line("It was declined."),
                }
                out
            }
            AgentEvent::ToolUnavailable { tool, reason } => self.line(&format!(
                "{} is not available, so the answer will be incomplete: {reason}",
                short(&tool)
            )),
            AgentEvent::ReviewDone { plan, applied, declined_hunks, .. } => {
                let files: Vec<String> = plan.files.iter().map(crate::tui::render::diff::file_title).collect();
                let declined = match declined_hunks {
                    0 => String::new(),
                    1 => "; 1 change was left out".to_owned(),
                    more => format!("; {more} changes were left out"),
                };
                match applied {
                    Some(_) => self.line(&format!("Applied: {}{declined}. /undo takes it back.", files.join(", "))),
                    None => self.line("Nothing was written."),
                }
            }
            AgentEvent::TurnDone { usage, answered, .. } => {
                let missing = if answered { "" } else { "The model gave no answer; ask again, or in other words. " };
                self.over(missing, "Done in", usage, now)
            }
            AgentEvent::TurnFailed { usage, error, .. } => {
                let why = self.line(&format!("The turn failed: {error}"));
                why + &self.over("", "Failed after", usage, now)
            }
            AgentEvent::TurnInterrupted { usage, .. } => {
                self.over("", "Interrupted after", usage, now)
            }
            AgentEvent::Notice(words) => self.line(&format!("Notice: {words}")),
            AgentEvent::Problem(words) => self.line(&format!("Problem: {words}")),
            AgentEvent::History(HistoryEvent::Restored(restored)) => self.line(&answers::restored(&restored)),
            AgentEvent::History(HistoryEvent::Rewound { message }) => self.line(&format!(
                "The conversation stands before this message, which you can send again or change: {message}"
            )),
            AgentEvent::Context(told) => {
                self.context.tell(told);
                String::new()
            }
            AgentEvent::History(HistoryEvent::Compacting) => {
                self.line("Summarising the conversation.")
            }
            AgentEvent::ModelSwitching { name } => {
                self.loaded = None;
                let text = format!("Loading the model {name}; the one so far stays until it is there.");
                self.model = name;
                self.line(&text)
            }
            AgentEvent::Effort(effort) => self.line(&format!("Effort: {}.", effort.as_str())),
            AgentEvent::Pull(PullState::Offered { words, .. }) => self.line(&format!(
                "{words}\nSay /pull yes to download it, or /pull cancel."
            )),
            AgentEvent::Pull(PullState::Progress(progress)) => self.pulling(&progress),
            AgentEvent::Pull(PullState::Over) => {
                self.pulled = None;
                String::new()
            }
            AgentEvent::ModelResting { name, why } => self.resting(name, why),
            AgentEvent::Approvals(policy) => {
                let words = policy_in_words(policy);
                self.line(&format!("Notice: {words}"))
            }
            AgentEvent::Answer(answer) => {
                let mut words = answers::words(&answer);
                if matches!(*answer, Answer::Facts(_)) {
                    words.push_str(&format!("\n{}", answers::context(&self.context)));
                }
                self.line(&words)
            }
            // The loop asks about reviews; the rest is for meters and pickers.
            AgentEvent::ReviewRequested { .. }
            | AgentEvent::History(_)
            | AgentEvent::Files(_)
            | AgentEvent::Generating { .. }
            | AgentEvent::Generation(_) => String::new(),
        }
    }

    fn over(&mut self, before: &str, how: &str, usage: Usage, now: Duration) -> String {
        let since = self.turn.take().unwrap_or_else(|| {
            // It never began.
            self.sent = self.sent.saturating_sub(1);
            now
        });
        self.thinking = None;
        let took = cells::duration(now.saturating_sub(since));
        self.line(&format!(
            "{before}{how} {took}, {} tokens.",
            usage.generated_tokens
        ))
    }

    /// Whole sentences and lines of what came so far.
    fn answer(&mut self, delta: &str) -> String {
        if delta.is_empty() {
            return String::new();
        }
        let begun = if self.said == 0 && self.held.is_empty() {
            self.line("Answer:")
        } else {
            String::new()
        };
        self.held.push_str(delta);
        let end = self.whole();
        let rest = self.held.split_off(end);
        let out = std::mem::replace(&mut self.held, rest);
        self.said += out.len();
        if let Some(last) = out.chars().last() {
            self.mid_line = last != '\n';
        }
        begun + &out
    }

    /// Bytes of what is held that end with a sentence or a line. Keeps track of code, which goes by lines.
    fn whole(&mut self) -> usize {
        let mut end = 0;
        let mut start = 0;
        for line in self.held.split_inclusive('\n') {
            if line.ends_with('\n') {
                if line.trim_start().starts_with("```") {
                    self.fenced = !self.fenced;
                }
                start += line.len();
                end = start;
            } else if !self.fenced && !line.trim_start().starts_with('`') {
                let sentence = [". ", "! ", "? ", ": "];
                let last = sentence.iter().filter_map(|mark| line.rfind(mark)).max();
                end = last.map_or(end, |at| start + at + 2);
            }
        }
        end
    }

    fn code(&mut self, code: &str) -> String {
        let lines: Vec<&str> = code.trim_end().lines().collect();
        let mut out = String::new();
        for line in lines.iter().take(OUTPUT_LINES) {
            out.push_str(&format!("  {line}\n"));
        }
        if let Some(more) = lines
            .len()
            .checked_sub(OUTPUT_LINES)
            .filter(|more| *more > 0)
        {
            out.push_str(&format!("  and {more} more lines.\n"));
        }
        out
    }

    /// Whole lines of a call's output, the first of them announced.
    fn output(&mut self, call: u64, text: &str) -> String {
        let (said, unfinished) = self.outputs.entry(call).or_default();
        unfinished.push_str(text);
        let mut out = String::new();
        let whole = unfinished.rfind('\n').map_or(0, |at| at + 1);
        let rest = unfinished.split_off(whole);
        for line in std::mem::replace(unfinished, rest).lines() {
            if *said == 0 {
                out.push_str("Output:\n");
            }
            *said += 1;
            if *said <= OUTPUT_LINES {
                out.push_str(&format!("  {line}\n"));
            }
        }
        if out.is_empty() {
            out
        } else {
            self.break_line() + &out
        }
    }

    fn output_end(&mut self, call: u64) -> String {
        let unfinished = self
            .outputs
            .get(&call)
            .is_some_and(|(_, rest)| !rest.is_empty());
        let mut out = if unfinished {
            self.output(call, "\n")
        } else {
            String::new()
        };
        let (said, _) = self.outputs.remove(&call).unwrap_or_default();
        if let Some(more) = said.checked_sub(OUTPUT_LINES).filter(|more| *more > 0) {
            out += &self.line(&format!(
                "And {more} more lines, which are on record: descant sessions show."
            ));
        }
        out
    }
}

fn short(tool: &str) -> &str {
    tool.strip_prefix("functions.").unwrap_or(tool)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
