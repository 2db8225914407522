//! The program around an agent: what it loads, starts, downloads and remembers for it.

use super::ApprovalPolicy;
use crate::config::Asking;
use crate::conversation::Effort;
use crate::engine::{Engine, EngineError, LoadProgress};
use crate::harmony::vocab::Vocabulary;
use crate::hub::PullProgress;
use crate::sandbox::{ImageProgress, ImageWish, SandboxError};
use crate::tools::python::Interpreter;
use futures_util::future::BoxFuture;
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What the program around an agent can do for it.
pub trait Host: Send + Sync {
    /// The models on this machine. It looks at folders, so call it where waiting is allowed.
    fn models(&self) -> Vec<ModelChoice>;
    /// Begins to load a model by a name that the user may have typed.
    fn load(&self, name: &str, wish: LoadWish) -> ModelLoad;
    /// Asks the hub what a model is made of; the answer can be begun.
    fn pull(&self, name: &str) -> BoxFuture<'static, Result<PullOffer, String>>;
    /// Ends when memory gets short where a model on `device` lies; never where nothing tells.
    fn memory_short(&self, device: &str) -> BoxFuture<'static, ()>;
    /// Begins to start a container, its image got as the user wishes.
    fn sandbox(&self, wish: ImageWish) -> SandboxLoad;
    /// The settings that the repository brings, in words; `None` where there are none that could be used.
    fn project(&self) -> Option<String>;
    /// The user's word on them. `Err`: it cannot be remembered, and nothing changes. It writes a file.
    fn trust(&self, uses: bool) -> Result<Settled, String>;
    /// What works on this machine.
    fn checkup(&self) -> BoxFuture<'static, Vec<Check>>;
}

/// How a model is to be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadWish {
    /// Another one is still loaded and would be let go: rather refuse than make do with what it leaves.
    pub beside: bool,
    /// Tokens of context; `None`: as configured.
    pub context: Option<usize>,
}

/// What a load gives.
pub type LoadedModel = (Arc<dyn Engine>, Arc<Vocabulary>);

/// A model that is being loaded while the user already types. `outcome` is polled on a task of its own;
/// work that blocks belongs on the runtime's blocking threads.
pub struct ModelLoad {
    pub progress: mpsc::Receiver<LoadProgress>,
    pub outcome: BoxFuture<'static, Result<LoadedModel, EngineError>>,
}

/// A container that is being started meanwhile.
pub struct SandboxLoad {
    /// How far its image has got, where it is fetched.
    pub progress: mpsc::Receiver<ImageProgress>,
    /// Stops that.
    pub cancel: CancellationToken,
    pub outcome: BoxFuture<'static, Result<Box<dyn Interpreter>, SandboxError>>,
}

/// A download that the user may agree to.
pub struct PullOffer {
    /// What it is, how large, where to and with how much room: lines for the user.
    pub words: String,
    /// Nothing is missing.
    pub there: bool,
    /// Begins it.
    pub start: Box<dyn FnOnce(CancellationToken) -> PullRun + Send>,
}

/// A download that runs.
pub struct PullRun {
    /// A full channel drops a report; the next one supersedes it.
    pub progress: mpsc::Receiver<PullProgress>,
    /// What the user is told when it is done, or what went wrong.
    pub outcome: BoxFuture<'static, Result<String, String>>,
}

/// What the user's word changes at once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settled {
    pub effort: Option<Effort>,
    pub approvals: Option<ApprovalPolicy>,
    pub asking: Option<Asking>,
    /// More counts from the next start on.
    pub later: bool,
}

/// A model that is on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelChoice {
    pub name: String,
    /// Where it lies, or what it is for.
    pub place: String,
}

/// A line of what was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub ok: bool,
    pub detail: String,
    /// The next step, where something is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
