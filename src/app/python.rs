//! `descant python`: a program in the sandbox, as the model would run it.

use super::Setup;
use crate::cli::exit::Exit;
use crate::cli::output::stdout_text;
use crate::sandbox::CellExit;
use anyhow::Context;
use std::io::Read;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// Runs it and streams its output. Exit 0 if it ended well, 1 if not, 4 without a container engine.
///
/// # Errors
/// When the program cannot be read or the engine fails.
pub async fn run(setup: &Setup, file: Option<&Path>) -> anyhow::Result<Exit> {
    let code = match file {
        Some(path) if path != Path::new("-") => std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?,
        _ => {
            let mut code = String::new();
            std::io::stdin()
                .lock()
                .read_to_string(&mut code)
                .context("cannot read standard input")?;
            code
        }
    };
    let bench = match super::parts::start_sandbox(setup).await {
        Ok(bench) => bench,
        Err(error) => {
            crate::cli::output::stderr_line(&crate::text::visible(&format!("descant: {error}")));
            return Ok(Exit::Unavailable);
        }
    };
    let sandbox = bench.sandbox();
    let cancel = CancellationToken::new();
    let on_signal = cancel.clone();
    let signal = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            on_signal.cancel();
        }
    });
    let mut unwritten = None;
    let print = |text: &str| {
        if let (None, Err(error)) = (&unwritten, stdout_text(&crate::text::visible(text))) {
            unwritten = Some(error);
        }
    };
    let result = sandbox.run_python(&code, print, &cancel).await;
    signal.abort();
    sandbox.stop().await;
    let exit = result?.exit;
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
