//! The agent: turns, tool calls, approvals, context accounting.
//!
//! It owns the conversation and speaks to its consumers (`tui`, `--once`, tests) only through
//! [`AgentCommand`] and [`AgentEvent`]. It never draws and never touches a terminal. One task holds all of
//! its state ([`Agent::spawn`]); the turn is in `agent/turn`, one generation in `agent/generation`, a tool
//! call in `agent/dispatch`. The one thing to know: nothing is awaited without serving the commands
//! meanwhile (`agent/link`), or an interrupt would have to wait.

mod attach;
mod background;
mod calls;
mod compact;
mod contained;
mod container;
mod context;
mod desk;
mod dispatch;
mod export;
mod generation;
mod history;
mod host;
mod inquiry;
mod life;
mod link;
pub mod mention;
mod outbox;
mod past;
mod prompt;
mod protocol;
mod pull;
mod records;
mod reopen;
mod repetition;
mod review;
mod rewind;
mod room;
mod shell;
mod stop;
mod stream;
mod switch;
mod targets;
mod task;
mod trust;
mod turn;

pub use context::ContextUse;
pub use export::{Exported, Format};
pub use host::{
    Check, Host, LoadWish, LoadedModel, ModelChoice, ModelLoad, PullOffer, PullRun, SandboxLoad,
    Settled,
};
pub use inquiry::{Answer, Facts, Inquiry, SessionFile};
pub use past::Past;
pub use protocol::{
    AgentCommand, AgentEvent, FileList, HistoryEvent, Listed, Message, PullState, PullStep, Rest,
    Restored, ReviewId, RunId, SandboxChange, SandboxState, ShellEnd, ToolStatus,
};

use crate::config::{Asking, CompactSettings};
use crate::conversation::Effort;
// Events carry these: consumers name them from here and import no engine.
pub use crate::engine::{EngineError, EngineInfo, LoadProgress, Protocol};
use crate::harmony::vocab::{VocabError, Vocabulary};
pub use crate::hub::{PullProgress, Stage as PullStage};
use crate::patch::Journal;
// What the user may ask of the image, and how far it is.
pub use crate::sandbox::{ImageProgress, ImageWish};
use crate::session;
pub use crate::session::TurnEnd;
use crate::workspace::Workspace;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Who decides about the hunks of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalPolicy {
    /// The consumer is asked with [`AgentEvent::ReviewRequested`].
    Review,
    ApplyAll,
    /// Nothing is written; the model is told that it is recorded for review.
    ProposeOnly,
}

/// How the model is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelOptions {
    pub effort: Effort,
    /// How it samples at the start; the user may change it.
    pub asking: Asking,
    /// Where that names no seed.
    pub seed: u64,
    /// When a conversation is compacted by itself.
    pub compact: CompactSettings,
    /// The user asked for this effort now: the conversation that is resumed first goes on with it.
    pub effort_asked: bool,
    /// `YYYY-MM-DD`, the day the session began.
    pub date: String,
    /// The files that `instructions` are made of, for `/status`.
    pub context_files: Vec<String>,
    /// AGENTS.md and the like, appended to Descant's own instructions. Read once, by the app.
    pub instructions: String,
    /// What the model is told of the `python` tool where it is offered.
    pub python: String,
}

/// Where a turn stops by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long the first turn waits for the container, which decides what the fixed prompt offers.
    pub sandbox_wait: Duration,
    /// How long an engine may say nothing at all before it counts as broken.
    pub engine_silence: Duration,
    /// Tool calls of one turn.
    pub tool_calls: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            sandbox_wait: Duration::from_secs(20),
            engine_silence: Duration::from_secs(300),
            tool_calls: 50,
        }
    }
}

/// The vocabulary before there is a model, to read what was said earlier. Called on a blocking thread.
pub type Words = Arc<dyn Fn() -> Result<Arc<Vocabulary>, VocabError> + Send + Sync>;

/// Everything an agent is made of.
pub struct AgentOptions {
    pub workspace: Arc<Workspace>,
    pub journal: Journal,
    /// The model, as [`Host::load`] takes it.
    pub model_name: String,
    /// `None`: it is loaded when it is first needed.
    pub model_load: Option<ModelLoad>,
    /// A model that is not used for so long is let go; the next message loads it again.
    pub unload_after: Option<Duration>,
    pub sandbox: SandboxLoad,
    pub model: ModelOptions,
    pub approvals: ApprovalPolicy,
    /// The program around it.
    pub host: Arc<dyn Host>,
    /// What runs the user's own commands.
    pub shell: String,
    /// Where the conversation is recorded; `None` records nothing.
    pub session: Option<session::Writer>,
    pub words: Words,
    pub limits: Limits,
    /// Lines for the user at the start.
    pub told: Vec<String>,
    /// The user is asked about the settings that the repository brings.
    pub asks_trust: bool,
}

/// The consumer's end.
#[derive(Debug)]
pub struct AgentHandle {
    /// Dropping it shuts the agent down.
    pub commands: mpsc::Sender<AgentCommand>,
    pub events: mpsc::Receiver<AgentEvent>,
    /// Ends after [`AgentCommand::Shutdown`], when the container is gone.
    pub task: JoinHandle<()>,
}

/// Commands that may wait. A user types far slower than they are taken; when it is full, the sender waits.
const COMMAND_ROOM: usize = 64;
/// Events that may wait. When it is full, the outbox joins deltas until the reader catches up.
const EVENT_ROOM: usize = 256;

/// The agent, a task.
#[derive(Debug)]
pub struct Agent;

impl Agent {
    /// Starts it on the current runtime, with the load of the model and the start of the container.
    pub fn spawn(options: AgentOptions) -> AgentHandle {
        let (commands, command_queue) = mpsc::channel(COMMAND_ROOM);
        let (event_queue, events) = mpsc::channel(EVENT_ROOM);
        let task = tokio::spawn(task::run(options, command_queue, event_queue));
        AgentHandle {
            commands,
            events,
            task,
        }
    }
}
