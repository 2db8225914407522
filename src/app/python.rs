//! `descant python`: a program in the sandbox, as the model would run it, and getting the sandbox's image.

use super::{Setup, parts};
use crate::cli::exit::Exit;
use crate::cli::output::{Streams, stderr_line, stderr_text, stdout_text};
use crate::cli::signals::Signals;
use crate::cli::{PythonArgs, confirm};
use crate::sandbox::{CellExit, ImageProgress, ImageWish, Sandbox, SandboxError};
use crate::text;
use crate::tools::python::Interpreter;
use crate::tools::workbench::Workbench;
use anyhow::Context;
use std::io::Read;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// Runs it and streams its output. Exit 0 if it ended well, 1 if not, 4 without a container engine or image.
///
/// # Errors
/// When the program cannot be read or the engine fails.
pub async fn run(setup: &Setup, args: PythonArgs) -> anyhow::Result<Exit> {
    let wish = wish(&args);
    // To get the image is enough to ask for.
    let code = match (&args.file, &wish) {
        (None, ImageWish::Pull | ImageWish::Import(_) | ImageWish::Accept) => None,
        (file, _) => Some(program(file.as_deref())?),
    };
    let cancel = CancellationToken::new();
    let on_signal = cancel.clone();
    let mut signals = Signals::listen()?;
    let signal = tokio::spawn(async move {
        signals.next().await;
        on_signal.cancel();
    });
    let bench = match sandbox(setup, wish, &cancel).await {
        Ok(bench) => bench,
        Err(error) => {
            stderr_line(&text::visible(&format!("descant: {error}")));
            return Ok(match error {
                SandboxError::Cancelled { .. } => Exit::Interrupted,
                _ => Exit::Unavailable,
            });
        }
    };
    let sandbox = bench.sandbox();
    let ran = match code {
        Some(code) => cell(sandbox, &code, args.network, &cancel).await,
        None => got(sandbox),
    };
    signal.abort();
    bench.stop().await;
    ran
}

fn wish(args: &PythonArgs) -> ImageWish {
    match &args.import {
        Some(file) => ImageWish::Import(file.clone()),
        None if args.pull => ImageWish::Pull,
        None if args.pin => ImageWish::Accept,
        None => ImageWish::Local,
    }
}

fn program(file: Option<&Path>) -> anyhow::Result<String> {
    match file {
        Some(path) if path != Path::new("-") => {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        }
        _ => {
            let mut code = String::new();
            std::io::stdin()
                .lock()
                .read_to_string(&mut code)
                .context("cannot read standard input")?;
            Ok(code)
        }
    }
}

/// Starts it; where the image is missing and there is somebody to ask, asks whether to pull it.
async fn sandbox(
    setup: &Setup,
    wish: ImageWish,
    cancel: &CancellationToken,
) -> Result<Workbench, SandboxError> {
    let local = wish == ImageWish::Local;
    let error = match start(setup, wish, cancel).await {
        Err(error @ SandboxError::NoImage { .. }) if local => error,
        other => return other,
    };
    let streams = setup.streams;
    if setup.config.offline || !streams.stdin_terminal || !streams.stderr_terminal {
        return Err(error);
    }
    let image = &setup.config.sandbox.image;
    let question = format!(
        "The image {} is not here. Pull it now?",
        text::visible(image)
    );
    match confirm::on_terminal(&question) {
        Ok(true) => start(setup, ImageWish::Pull, cancel).await,
        Ok(false) | Err(_) => Err(error),
    }
}

async fn start(
    setup: &Setup,
    wish: ImageWish,
    cancel: &CancellationToken,
) -> Result<Workbench, SandboxError> {
    let mut bar = Bar::new(setup.streams);
    let started = parts::start_sandbox(setup, wish, |progress| bar.show(&progress), cancel).await;
    bar.end();
    started
}

async fn cell(
    sandbox: &Sandbox,
    code: &str,
    network: bool,
    cancel: &CancellationToken,
) -> anyhow::Result<Exit> {
    if network {
        sandbox.set_network(true).await;
    }
    let mut unwritten = None;
    let print = |text: &str| {
        if let (None, Err(error)) = (&unwritten, stdout_text(&text::visible(text))) {
            unwritten = Some(error);
        }
    };
    let exit = sandbox.run_python(code, print, cancel).await?.exit;
    if let Some(error) = unwritten {
        return Err(error).context("cannot write to standard output");
    }
    Ok(match exit {
        CellExit::Ok => Exit::Done,
        CellExit::Error | CellExit::Died => Exit::Failed,
        CellExit::Timeout => Exit::Timeout,
        CellExit::Interrupted => Exit::Interrupted,
    })
}

/// What was asked for is here, and works.
fn got(sandbox: &Sandbox) -> anyhow::Result<Exit> {
    let report = sandbox.report();
    let image = &report.image;
    let digest = image.digest.as_deref().unwrap_or(&image.id);
    let line = format!("{}: python {}, {digest}\n", image.name, report.python);
    stdout_text(&text::visible(&line)).context("cannot write to standard output")?;
    Ok(Exit::Done)
}

/// How far a pull is: one line that is written over where there is a terminal, else a line at each quarter.
struct Bar {
    streams: Streams,
    /// Columns of what stands there.
    shown: usize,
    quarter: Option<u64>,
}

impl Bar {
    fn new(streams: Streams) -> Self {
        Self {
            streams,
            shown: 0,
            quarter: None,
        }
    }

    fn show(&mut self, progress: &ImageProgress) {
        let line = text::label(&progress.to_string());
        if self.streams.stderr_terminal && !self.streams.dumb {
            let (done, total) = progress.bytes;
            let line = match done.saturating_mul(20).checked_div(total) {
                Some(full) => {
                    let full = usize::try_from(full).unwrap_or(20).min(20);
                    format!("[{}{}] {line}", "#".repeat(full), ".".repeat(20 - full))
                }
                None => line,
            };
            // Blanks over what is left of a longer line: every terminal knows that much.
            let columns = line.chars().count();
            let rest = " ".repeat(self.shown.saturating_sub(columns));
            stderr_text(&format!("\r{line}{rest}"));
            self.shown = columns;
            return;
        }
        let quarter = progress
            .bytes
            .0
            .saturating_mul(4)
            .checked_div(progress.bytes.1);
        if self.quarter != quarter || self.shown == 0 {
            self.quarter = quarter;
            self.shown = 1;
            stderr_line(&line);
        }
    }

    fn end(&self) {
        if self.shown > 0 && self.streams.stderr_terminal && !self.streams.dumb {
            stderr_line("");
        }
    }
}
