//! The container the model's Python runs in, over bollard.
//!
//! It owns the engine connection, the container's life and the Python kernel inside, and offers no way to run
//! anything on the host: without an engine [`Sandbox::start`] fails with the reason and the tools that need
//! it are not offered. It does not decide whether code may run; that is the agent's.
//!
//! Before changing it: the container's main process (`supervisor.py`) leaves when its standard input ends, and the
//! engine then removes the container. So nothing here may keep a second attachment open, and dropping a
//! [`Sandbox`], or killing Descant, is a complete clean-up.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bollard::Docker;
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

mod container;
mod image;
mod kernel;
mod leftovers;
mod link;
mod locate;
mod mounts;
mod output;
mod owner;
mod request;
mod shell;
mod start;
mod view;
mod work;

pub use image::{Image, ImageProgress, ImageStage, ImageWish, PinFile};
pub use locate::EngineLocator;
pub use mounts::ExtraMount;
pub use request::{ContainerUser, WORKSPACE, create_request};
pub use shell::{CommandExit, CommandResult, EntryKind, Listed, Stamp, ViewEntry};
pub use view::{TreeEntry, TreeKind, ViewChoice, ViewWay, WorkTree};

use container::{Container, Ending, Facts};
use kernel::Stopped;
use owner::Owner;
use shell::ShellState;
use view::View;

/// The image users get; any image with `python3` (3.8 or newer) in its path does.
pub const DEFAULT_IMAGE: &str = "python:3.13-slim";

/// Code longer than this is refused: it goes to the kernel in one frame.
pub const CODE_LIMIT: usize = 1 << 20;

/// Limits and image of the container.
#[derive(Clone)]
pub struct SandboxConfig {
    /// Where to look for a container engine.
    pub engine: EngineLocator,
    /// The image with `python3` in it.
    pub image: String,
    /// What may be done to have it.
    pub wish: ImageWish,
    /// Where it is kept on record which image its name stood for; `None` keeps nothing.
    pub pins: Option<PinFile>,
    /// Whether the container has a network at its start; [`Sandbox::set_network`] changes it.
    pub network: bool,
    /// Bytes of memory; swap is the same, so none.
    pub memory: u64,
    /// Number of processes and threads.
    pub pids: i64,
    /// Number of CPUs; no more than the engine has are asked for.
    pub cpus: f64,
    /// How long one request to the engine may take.
    pub engine_timeout: Duration,
    /// Wall-clock limit of one cell.
    pub timeout: Duration,
    /// Output kept of one cell, in bytes: its head and its tail.
    pub output_limit: usize,
    /// What `/workspace` shows.
    pub workspace: PathBuf,
    /// How it comes there; without `tree` it is read-only.
    pub view: ViewChoice,
    /// What of it may be seen.
    pub tree: Option<Arc<dyn WorkTree>>,
    /// Wall-clock limit of one command.
    pub shell_timeout: Duration,
    /// Bytes that a command may write below `/workspace`, all together.
    pub disk: u64,
    /// More of this machine, read-only.
    pub mounts: Vec<ExtraMount>,
}

impl SandboxConfig {
    /// The defaults, for the repository at `workspace`: nothing is pulled.
    pub fn new(workspace: PathBuf, engine: EngineLocator) -> Self {
        Self {
            engine,
            image: DEFAULT_IMAGE.to_owned(),
            wish: ImageWish::Local,
            pins: None,
            network: false,
            memory: 1 << 30,
            pids: 128,
            cpus: 2.0,
            // Creating and starting take under a second where nothing else runs.
            engine_timeout: Duration::from_secs(30),
            timeout: Duration::from_secs(60),
            output_limit: 16 * 1024,
            workspace,
            view: ViewChoice::Auto,
            tree: None,
            shell_timeout: Duration::from_secs(300),
            disk: 4 << 30,
            mounts: Vec::new(),
        }
    }
}

/// What a cell did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellResult {
    /// stdout and stderr as they came, invalid UTF-8 replaced, capped; with the notes of the sandbox (a time limit
    /// reached, variables lost) in square brackets, each on a line of its own. Exactly what the callback was given.
    pub output: String,
    pub exit: CellExit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellExit {
    Ok,
    /// An exception; its traceback is in the output.
    Error,
    /// The time limit was reached.
    Timeout,
    /// Memory, a signal, or the kernel left; state is lost and a new kernel starts with the next cell.
    Died,
    /// Cancelled by the user.
    Interrupted,
}

#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// No engine answers. Says what was tried and what to install or start.
    #[error("no container engine: {reason}\n  {hint}")]
    NoEngine { reason: String, hint: String },
    #[error(
        "switched off by sandbox.enabled = false\n  set it to true to offer python and shell to the model"
    )]
    Off,
    #[error("the image {image} is not here\n  {hint}")]
    NoImage { image: String, hint: String },
    /// Neither the image its name stands for nor the pinned one can be used without a word of the user.
    #[error(
        "{image} is another image now ({now}) than the one pinned on {since} ({pinned}), which is not here any more\n  accept the new one with `descant python --pin` or /sandbox pin, or get it anew with --pull"
    )]
    ImageMoved {
        image: String,
        pinned: String,
        since: String,
        now: String,
    },
    #[error("{}: not an image that can be imported: {reason}\n  give a file of `docker save`, or a root file system as .tar or .tar.gz", path.display())]
    ImageFile { path: PathBuf, reason: String },
    #[error(
        "getting the image {image} was cancelled\n  what has arrived may serve the next attempt"
    )]
    Cancelled { image: String },
    /// The folder would hand the model more than a repository.
    #[error("{} is not mounted into the sandbox: {reason}\n  start descant in a repository below it", path.display())]
    Workspace { path: PathBuf, reason: String },
    #[error(
        "the container engine failed while {doing}: {source}\n  the session goes on; python is tried again with the next call"
    )]
    Engine {
        doing: &'static str,
        source: bollard::errors::Error,
    },
    /// The container that came up is not the one that was asked for.
    #[error(
        "the container engine did not do as it was asked: {what}\n  such a container is not used; use another engine, or a newer version of this one"
    )]
    Unconfined { what: String },
    #[error(
        "the Python kernel broke off: {0}\n  a new one starts with the next call; its variables are lost"
    )]
    Kernel(String),
    #[error(
        "the code has {bytes} bytes, at most {CODE_LIMIT} are run\n  write it to a file in the repository, or split it"
    )]
    CodeTooLong { bytes: usize },
    /// An entry of `sandbox.mounts`.
    #[error("sandbox.mounts: {mount} is not mounted: {reason}\n  change or remove this entry")]
    Mount { mount: String, reason: String },
    #[error("no copy-on-write view of the folder: {reason}\n  shell is not offered without one")]
    View { reason: String },
    #[error("the shell's process broke off: {0}\n  the next command starts a new one")]
    Shell(String),
    /// What the container's user may not do in the view.
    #[error("/workspace: {0}")]
    Refused(String),
    #[error("the sandbox has been stopped")]
    Stopped,
}

/// What a session runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// `docker 20.10, /var/run/docker.sock, API 1.41`
    pub engine: String,
    /// `docker 20.10`
    name: String,
    pub image: Image,
    /// Its version.
    pub python: String,
    /// Limits that this engine cannot enforce.
    pub missing: Vec<&'static str>,
    /// The label `dev.descant.session` of what belongs to the session.
    pub session: String,
}

impl Report {
    fn description(&self) -> String {
        let mut text = format!(
            "{}, python {} ({})",
            self.name, self.python, self.image.name
        );
        if !self.missing.is_empty() {
            text.push_str(&format!(", no {}", self.missing.join(", no ")));
        }
        text
    }
}

/// A running container with a Python kernel in it. One cell runs at a time; a second call waits.
pub struct Sandbox {
    docker: Docker,
    config: SandboxConfig,
    facts: Facts,
    owner: Owner,
    description: String,
    report: Report,
    stopping: CancellationToken,
    view: Result<View, String>,
    shell: Mutex<ShellState>,
    network: AtomicBool,
    /// What the next cell's output begins with: why its variables are gone.
    note: std::sync::Mutex<Option<String>>,
    /// `None` between a container that was lost and the next call, and after [`Sandbox::stop`].
    container: Mutex<Option<Container>>,
}

impl Sandbox {
    /// For the status bar: `docker 20.10, python 3.13.1 (python:3.13-slim)`, and what this engine cannot enforce.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// For `descant doctor`.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Runs one cell; variables stay for the next. `output` gets the text as it comes, already capped: once the head
    /// is full it is called again only at the end, with how much was left out and the tail.
    ///
    /// A cell that reaches the time limit or is cancelled gets a `KeyboardInterrupt`; if it does not stop within
    /// a second its kernel is killed. When this future is dropped before its end the container is given up.
    pub async fn run_python(
        &self,
        code: &str,
        mut output: impl FnMut(&str) + Send,
        cancel: &CancellationToken,
    ) -> Result<CellResult, SandboxError> {
        if code.len() > CODE_LIMIT {
            return Err(SandboxError::CodeTooLong { bytes: code.len() });
        }
        let mut place = self.container.lock().await;
        if self.stopping.is_cancelled() {
            return Err(SandboxError::Stopped);
        }
        // Taken out while the cell runs: if this future is dropped, so is the container, whose state is unknown.
        let mut container = match place.take() {
            Some(container) => container,
            None => tokio::select! {
                biased;
                () = self.stopping.cancelled() => return Err(SandboxError::Stopped),
                () = cancel.cancelled() => return Ok(CellResult {
                    output: String::new(),
                    exit: CellExit::Interrupted,
                }),
                started = self.new_container() => started?,
            },
        };
        let mut capped = output::Capped::new(self.config.output_limit, &mut output);
        if let Some(note) = self.take_note() {
            capped.note(&note);
        }
        let ran = container
            .kernel
            .run(
                code,
                &mut capped,
                self.config.timeout,
                self.view.as_ref().map_or(0, |_| self.config.disk),
                &[cancel, &self.stopping],
            )
            .await;
        match ran {
            Ok(exit) => {
                *place = Some(container);
                Ok(CellResult {
                    output: capped.finish(),
                    exit,
                })
            }
            Err(Stopped::Unresponsive(exit)) => {
                container.remove().await;
                Ok(CellResult {
                    output: capped.finish(),
                    exit,
                })
            }
            Err(Stopped::Gone(why)) => {
                let ending = container.remove().await;
                if why.is_end() || ending == Ending::Engine {
                    capped.note(&format!("{}; its variables are lost", ending.reason()));
                    return Ok(CellResult {
                        output: capped.finish(),
                        exit: CellExit::Died,
                    });
                }
                Err(SandboxError::Kernel(why.to_string()))
            }
        }
    }

    async fn new_container(&self) -> Result<Container, SandboxError> {
        let config = SandboxConfig {
            network: self.network.load(Ordering::Relaxed),
            ..self.config.clone()
        };
        Container::start(&self.docker, &config, &self.facts, &self.owner).await
    }

    fn take_note(&self) -> Option<String> {
        self.note
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Whether the code has a network.
    pub fn network(&self) -> bool {
        self.network.load(Ordering::Relaxed)
    }

    /// Gives the code a network, or takes it away, from the next cell on; a running one ends first. The container is a
    /// new one then, and the model is told so.
    pub async fn set_network(&self, on: bool) {
        let mut place: MutexGuard<'_, Option<Container>> = self.container.lock().await;
        if self.network.swap(on, Ordering::Relaxed) == on {
            return;
        }
        if let Some(container) = place.take() {
            container.remove().await;
        }
        let note = if on {
            "the user has switched the network on; earlier variables are lost"
        } else {
            "the user has switched the network off; earlier variables are lost"
        };
        *self.note.lock().unwrap_or_else(PoisonError::into_inner) = Some(note.to_owned());
    }

    /// Ends a running cell and removes the container; calls after it fail with [`SandboxError::Stopped`].
    pub async fn stop(&self) {
        self.stopping.cancel();
        if let Some(container) = self.container.lock().await.take() {
            container.remove().await;
        }
        if let Ok(view) = &self.view {
            view.remove().await;
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
