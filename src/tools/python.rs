//! `python`: what the model's message means as code, and what it is told of a cell's outcome.
//!
//! Running it is the sandbox's; [`Interpreter`] is the part of it that a turn needs, so that tests can
//! script one.

use super::arguments;
use super::shell::Shell;
use crate::sandbox::{CellExit, CellResult, SandboxError};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

/// A running Python, stateful between cells.
pub trait Interpreter: Send + Sync {
    /// E.g. `docker 20.10, python:3.13-slim`.
    fn description(&self) -> &str;
    /// Runs one cell; `output` gets what it prints as it comes. Cancelling interrupts the cell.
    fn run<'a>(
        &'a self,
        code: &'a str,
        output: Box<dyn FnMut(&str) + Send + 'a>,
        cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<CellResult, SandboxError>>;
    /// The shell beside it, where the container has a view of the work tree that it may change.
    fn shell(&self) -> Option<&dyn Shell> {
        None
    }
    /// Whether the code has a network.
    fn network(&self) -> bool {
        false
    }
    /// Gives the code a network, or takes it away, from the next cell on.
    fn set_network(&self, on: bool) -> BoxFuture<'_, ()>;
    /// Ends it and leaves nothing behind.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// The code of a call: the message as it is; or the one string of a JSON object or string, as models
/// trained on function calls write it; or the inside of a Markdown fence.
pub fn code(arguments: &str) -> String {
    match serde_json::from_str(arguments.trim()) {
        Ok(serde_json::Value::String(code)) => return code,
        Ok(serde_json::Value::Object(fields)) => {
            for key in ["code", "input", "script", "source"] {
                if let (Some(serde_json::Value::String(code)), 1) = (fields.get(key), fields.len())
                {
                    return code.clone();
                }
            }
        }
        _ => {}
    }
    if arguments.trim_start().starts_with("```") {
        return arguments::unfenced(arguments).to_owned();
    }
    arguments.to_owned()
}

pub(super) fn summary(arguments: &str) -> String {
    let code = code(arguments);
    let mut lines = code.lines().filter(|line| !line.trim().is_empty());
    match (lines.next(), lines.count()) {
        (None, _) => "python".into(),
        (Some(only), 0) => format!("python {}", only.trim()),
        // The code itself is shown, or read, with it.
        (Some(_), more) => format!("python, {} lines", more + 1),
    }
}

/// What the model is told: the output, and how the cell ended where that is not plain from it.
pub fn answer(cell: &CellResult) -> String {
    let output = cell.output.trim_end_matches(['\n', '\r']);
    let mut text = output.to_owned();
    // The sandbox notes a limit or a loss in the output itself; a traceback speaks for itself.
    let noted = output
        .lines()
        .last()
        .is_some_and(|line| line.starts_with('[') && line.ends_with(']'));
    let outcome = match cell.exit {
        CellExit::Ok if output.is_empty() => "(no output)",
        CellExit::Error if output.is_empty() => "[the code failed without output]",
        CellExit::Timeout if !noted => "[stopped: the time limit was reached]",
        CellExit::Died if !noted => "[the interpreter died; its variables are lost]",
        CellExit::Interrupted if !noted => "[interrupted by the user]",
        CellExit::Ok
        | CellExit::Error
        | CellExit::Timeout
        | CellExit::Died
        | CellExit::Interrupted => return text,
    };
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(outcome);
    text
}

/// The exit code a shell would give the cell.
pub fn exit_code(exit: CellExit) -> i32 {
    match exit {
        CellExit::Ok => 0,
        CellExit::Error => 1,
        CellExit::Timeout => 124,
        CellExit::Interrupted => 130,
        CellExit::Died => 137,
    }
}
