//! The container the model's Python runs in, over bollard.
//!
//! It owns the image, the container's life and the Python kernel inside, and offers no way to run anything
//! on the host. Without a container engine [`Sandbox::start`] fails with the reason and the tools that need
//! it are not offered.

use std::path::PathBuf;
use std::time::Duration;

/// Limits and image of the container.
#[derive(Debug, Clone, PartialEq)]
pub struct SandboxConfig {
    /// The image with `python3` in it.
    pub image: String,
    /// Bytes of memory; swap is the same, so none.
    pub memory: u64,
    /// Number of processes and threads.
    pub pids: i64,
    /// Number of CPUs.
    pub cpus: f64,
    /// Wall-clock limit of one cell.
    pub timeout: Duration,
    /// Output kept of one cell, in bytes: its head and its tail.
    pub output_limit: usize,
    /// Mounted read-only at `/workspace`.
    pub workspace: PathBuf,
}

/// What a cell did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellResult {
    /// stdout and stderr as they came, invalid UTF-8 replaced, capped.
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
    #[error("the image {image} is not here\n  {hint}")]
    NoImage { image: String, hint: String },
    #[error("the container engine failed while {doing}: {source}\n  the session goes on; python is tried again with the next call")]
    Engine { doing: &'static str, source: bollard::errors::Error },
    #[error("the Python kernel broke off: {0}\n  a new one starts with the next call; its variables are lost")]
    Kernel(String),
}

// Interface that the agent's tools use (see the helper tasks):
//   Sandbox::start(config) -> Result<Sandbox, SandboxError>            (async; finds engine, image, creates container + kernel)
//   Sandbox::description(&self) -> String                              ("docker 20.10, python:3.13-slim")
//   Sandbox::run_python(&self, code: &str, output: impl FnMut(&str) + Send, cancel: &CancellationToken)
//        -> Result<CellResult, SandboxError>                           (async; stateful)
//   Sandbox::stop(self)                                                (async; removes the container)
