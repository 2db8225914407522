//! What the agent and its consumers say to each other. Plain data, no behaviour.

use super::ApprovalPolicy;
use super::context::ContextUse;
use super::inquiry::{Answer, Inquiry};
use super::past::Past;
use crate::conversation::{CallId, Effort, TurnId, Usage};
use crate::engine::{EngineError, EngineInfo, LoadProgress};
use crate::hub::PullProgress;
use crate::patch::{Applied, Decisions, OnChanged, Plan};
use crate::sandbox::{ImageProgress, ImageWish};
use std::path::PathBuf;
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
    /// Change one key of how the model samples (`seed=7`) from the next generation on, or say how it does.
    Sampling(Option<String>),
    /// Who decides about patches from now on; an open review stays open.
    SetApprovals(ApprovalPolicy),
    /// Go on with another model, now or when the running turn is over. Where it cannot be loaded, the one
    /// that runs stays.
    SwitchModel(String),
    /// Tokens of context for every model that is loaded from now on.
    SetContext(usize),
    /// A model's download, beside the turns.
    Pull(PullStep),
    /// Change what the model's code runs in.
    Sandbox(SandboxChange),
    /// Answered with [`AgentEvent::Answer`], also while a turn runs.
    Inquire(Inquiry),
    /// Use the settings that the repository brings, or leave them; `None`: say what they are.
    Trust(Option<bool>),
    /// Takes the last applied patch back; the choice is for files that changed since.
    Undo(OnChanged),
    Redo(OnChanged),
    /// Begin anew; the conversation so far stays on record.
    NewConversation,
    /// Go on with the conversation in this session file; one that is open elsewhere is forked.
    Resume(PathBuf),
    /// The same, by its id or the beginning of it.
    ResumeNamed(String),
    /// Answered with [`HistoryEvent::Sessions`].
    ListSessions,
    /// Go on in a record of its own; the one so far stays as it is.
    Fork,
    /// Answered with [`HistoryEvent::Messages`].
    ListMessages,
    /// Go back to before this turn; with `files`, take back the patches that were applied since.
    Rewind {
        turn: TurnId,
        files: bool,
    },
    /// Replace the history by a summary; `instructions` are the user's own, possibly none.
    Compact {
        instructions: String,
    },
    /// Write the conversation to a file, secrets masked; the name's ending says the format.
    Export {
        file: Option<PathBuf>,
    },
    Shutdown,
}

/// A recorded conversation in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub path: PathBuf,
    pub id: String,
    /// The first words of the first message.
    pub title: String,
    pub folder: PathBuf,
    /// It is about the folder that is worked in.
    pub here: bool,
    pub branch: Option<String>,
    pub messages: usize,
    /// How long ago something was last said.
    pub age: Duration,
}

/// A message of the user's own that can be gone back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub turn: TurnId,
    pub text: String,
    /// Patches that were applied since and are not undone.
    pub patches: usize,
}

/// The conversation as it now is, or its end; [`HistoryEvent::Earlier`] brings the rest. What was shown before it
/// does not count any more.
#[derive(Debug, Clone)]
pub struct Restored {
    pub past: Vec<Past>,
    /// The effort it was led with.
    pub effort: Effort,
    /// It is the end; the rest comes.
    pub more: bool,
}

/// What happens to the conversation as a whole.
#[derive(Debug, Clone)]
pub enum HistoryEvent {
    /// Answers [`AgentCommand::ListSessions`], the last one changed first.
    Sessions(Vec<Listed>),
    /// Answers [`AgentCommand::ListMessages`], oldest first.
    Messages(Vec<Message>),
    Restored(Box<Restored>),
    /// What was said before the first thing of [`HistoryEvent::Restored`], or before the last of these: of a long
    /// conversation the end comes first.
    Earlier(Vec<Past>),
    /// The conversation stands before this message again.
    Rewound {
        message: String,
    },
    /// The conversation is being summarised; it can be interrupted.
    Compacting,
    /// What the model has written of the summary, in tokens.
    CompactProgress {
        tokens: usize,
    },
    /// It is over, done or not; a notice or a problem says which.
    CompactDone,
}

impl From<HistoryEvent> for AgentEvent {
    fn from(event: HistoryEvent) -> AgentEvent {
        AgentEvent::History(event)
    }
}

/// What the user may change about the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SandboxChange {
    /// Get the image anew, in the background; the container so far goes on until the new one is there.
    Image(ImageWish),
    /// Stop getting it.
    Cancel,
    /// Give the code a network, or take it away; until the session ends.
    Network(bool),
}

/// Whether the `python` tool can be offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SandboxState {
    Starting,
    /// Its image is being pulled or imported.
    Fetching(ImageProgress),
    /// E.g. `docker 20.10 python:3.13-slim`.
    Ready {
        description: String,
    },
    /// Why, and what to install or start.
    Unavailable {
        reason: String,
    },
}

/// A step of a model's download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullStep {
    /// Asks the hub for this model; [`PullState::Offered`] answers.
    Ask(String),
    /// The user agrees to what was offered.
    Go,
    /// Stops it, or declines what was offered; what is there is kept.
    Cancel,
}

/// How far a download is.
#[derive(Debug, Clone, PartialEq)]
pub enum PullState {
    /// It begins when the user agrees; `words` are lines about its size and the disk.
    Offered {
        name: String,
        words: String,
    },
    Progress(PullProgress),
    /// Done or not; a notice or a problem says which.
    Over,
}

/// Why a model is not loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// It was not needed yet.
    FirstUse,
    /// It was not used for so long.
    Idle(Duration),
    /// The machine's memory got short.
    MemoryShort,
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
    /// Another model is being loaded; [`AgentEvent::ModelReady`] says which one runs in the end.
    ModelSwitching {
        name: String,
    },
    /// The model is not loaded; the next message loads it.
    ModelResting {
        name: String,
        why: Rest,
    },
    /// A model's download.
    Pull(PullState),
    Approvals(ApprovalPolicy),
    Effort(Effort),
    Answer(Box<Answer>),
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
    /// What fills the context: before each generation, after it, and when the conversation became another one.
    Context(ContextUse),
    /// How far the running generation is, about once a second: its tokens, and the time since the first of them.
    Generating {
        tokens: usize,
        elapsed: Duration,
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
        /// Because the model, its server or the memory for it is not available.
        unavailable: bool,
    },
    TurnInterrupted {
        turn: TurnId,
        usage: Usage,
    },
    History(HistoryEvent),
    /// Undo, redo, nudges, repairs: one line for the user.
    Notice(String),
    /// An `Undo` or `Redo` could not be done.
    Problem(String),
}
