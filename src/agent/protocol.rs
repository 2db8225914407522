//! What the agent and its consumers say to each other. Plain data, no behaviour.

use crate::conversation::{CallId, Effort, TurnId, Usage};
use crate::engine::{EngineError, EngineInfo, LoadProgress};
use crate::patch::{Applied, Decisions, OnChanged, Plan};
use std::sync::Arc;
use std::time::Duration;

/// Numbers the reviews of a session from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReviewId(pub u64);

/// Numbers the user's own commands of a session from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub u64);

/// How a command of the user's ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShellEnd {
    Exited(i32),
    Interrupted,
    /// Ended by a signal of somebody else's, or never started.
    Failed,
}

/// The files of the folder, for the user to choose from.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FileList {
    /// Relative to the root; folders end in `/`.
    pub paths: Vec<String>,
    /// False when there are more.
    pub whole: bool,
}

/// What a consumer asks of the agent.
#[derive(Debug, Clone)]
pub enum AgentCommand {
    /// A user message. While a turn runs it is queued and sent when the turn is over.
    Submit(String),
    /// Stop the running turn as soon as possible; what was generated is kept.
    Interrupt,
    /// The answer to an [`AgentEvent::ReviewRequested`]. `plan` is the one the user decided on: splitting
    /// or editing a hunk changes it, and the ids in `decisions` are its ids.
    Review {
        review: ReviewId,
        plan: Box<Plan>,
        decisions: Decisions,
    },
    /// Gives the last message that waits behind the running turn back, with [`AgentEvent::TakenBack`].
    TakeBack,
    /// Runs the user's own command in their shell, without approval. No tool of the model's leads here.
    Shell(String),
    /// Stops that command.
    InterruptShell,
    /// Lists the files that may be mentioned; [`AgentEvent::Files`] answers.
    ListFiles,
    SetEffort(Effort),
    /// Takes the last applied patch back; the choice is for files that changed since.
    Undo(OnChanged),
    Redo(OnChanged),
    /// Forget the conversation (the session file stays).
    NewConversation,
    Shutdown,
}

/// Whether the `python` tool can be offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SandboxState {
    Starting,
    /// E.g. `docker 20.10 python:3.13-slim`.
    Ready {
        description: String,
    },
    /// Why, and what to install or start.
    Unavailable {
        reason: String,
    },
}

/// How a tool call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolStatus {
    Completed,
    Failed,
    /// The user declined all of it (or, in `--once --apply none`, nothing was applied).
    Declined,
}

/// What the agent tells its consumers. Every queue that carries it is bounded; deltas are joined at
/// their source when the reader is slow, never dropped.
#[derive(Debug, Clone)]
pub enum AgentEvent {
    ModelLoading(LoadProgress),
    ModelReady(EngineInfo),
    /// The model could not be loaded; turns fail with this until another is chosen.
    ModelFailed(EngineError),
    Sandbox(SandboxState),

    TurnStarted {
        turn: TurnId,
        prompt: String,
    },
    /// A submitted message waits behind the running turn.
    Queued {
        text: String,
    },
    /// The last queued message waits no more: it is the user's again. `None`: none was waiting.
    TakenBack {
        text: Option<String>,
    },
    /// A command of the user's begins to run.
    ShellStarted {
        run: RunId,
        command: String,
    },
    ShellOutput {
        run: RunId,
        text: String,
    },
    ShellFinished {
        run: RunId,
        end: ShellEnd,
        elapsed: Duration,
    },
    Files(Arc<FileList>),
    /// Prompt tokens computed, of those that were not cached.
    Prefill {
        done: usize,
        total: usize,
    },
    /// More of the model's analysis.
    ReasoningDelta(String),
    /// The analysis message is complete (whole text).
    ReasoningDone(String),
    /// More of a commentary preamble or of the answer.
    AnswerDelta(String),
    /// A message to the user is complete (whole text); `last` for `final`, false for a preamble.
    AnswerDone {
        text: String,
        last: bool,
    },
    /// The model is writing a tool call; raw argument text as it comes.
    ToolCallDelta {
        call: CallId,
        tool: String,
        delta: String,
    },
    /// A tool begins to run. `summary` is the call in words: `read src/main.rs`.
    ToolStarted {
        call: CallId,
        tool: String,
        arguments: String,
        summary: String,
    },
    /// Live output of a running tool.
    ToolOutput {
        call: CallId,
        text: String,
    },
    /// `output` is what the model is told (capped); `exit_code` for python and shell.
    ToolFinished {
        call: CallId,
        status: ToolStatus,
        output: String,
        exit_code: Option<i32>,
        elapsed: Duration,
    },
    /// A tool the model needed is not available on this machine; the answer will be incomplete.
    ToolUnavailable {
        tool: String,
        reason: String,
    },
    /// A patch waits for the user's choice of hunks. Answer with [`AgentCommand::Review`].
    ReviewRequested {
        review: ReviewId,
        call: CallId,
        plan: Box<Plan>,
    },
    /// A review is over. `applied` is `None` when nothing was written.
    ReviewDone {
        review: ReviewId,
        plan: Box<Plan>,
        applied: Option<Applied>,
        declined_hunks: usize,
    },
    /// Context used after the last request, in tokens, of the engine's context length.
    Context {
        used: usize,
        limit: usize,
    },
    /// A generation ended.
    Generation(Usage),
    TurnDone {
        turn: TurnId,
        usage: Usage,
        answered: bool,
    },
    TurnFailed {
        turn: TurnId,
        usage: Usage,
        error: String,
    },
    TurnInterrupted {
        turn: TurnId,
        usage: Usage,
    },
    /// Undo, redo, nudges, repairs: one line for the user.
    Notice(String),
    /// An `Undo` or `Redo` could not be done.
    Problem(String),
}
