//! What the agent and its consumers say to each other. Plain data, no behaviour.

use crate::conversation::{CallId, Effort, TurnId, Usage};
use crate::engine::{EngineError, EngineInfo, LoadProgress};
use crate::patch::{Applied, Decisions, OnChanged, Plan};
use std::time::Duration;

/// Numbers the reviews of a session from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReviewId(pub u64);

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
