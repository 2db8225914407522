//! A Python without a container.

use descant::sandbox::{CellExit, CellResult, SandboxError};
use descant::tools::python::Interpreter;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

/// What one cell does.
#[derive(Debug)]
pub enum Cell {
    Ends(&'static str, CellExit),
    /// Prints, then runs until it is interrupted.
    Hangs(&'static str),
    Breaks,
}

/// A Python that plays its cells in order.
#[derive(Debug, Default)]
pub struct FakePython {
    pub(super) cells: Mutex<VecDeque<Cell>>,
    pub ran: Mutex<Vec<String>>,
    pub stopped: Mutex<bool>,
    pub network: Mutex<Vec<bool>>,
}

impl FakePython {
    pub fn with(cells: impl Into<VecDeque<Cell>>) -> Self {
        FakePython {
            cells: Mutex::new(cells.into()),
            ..FakePython::default()
        }
    }
}

pub(super) struct Shared(pub(super) Arc<FakePython>);

impl Interpreter for Shared {
    fn description(&self) -> &str {
        "fake 1.0"
    }

    fn run<'a>(
        &'a self,
        code: &'a str,
        mut output: Box<dyn FnMut(&str) + Send + 'a>,
        cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<CellResult, SandboxError>> {
        async move {
            self.0.ran.lock().unwrap().push(code.into());
            let cell = self
                .0
                .cells
                .lock()
                .unwrap()
                .pop_front()
                .expect("one more cell than scripted");
            let (text, exit) = match cell {
                Cell::Ends(text, exit) => (text, exit),
                Cell::Hangs(text) => {
                    output(text);
                    cancel.cancelled().await;
                    return Ok(CellResult {
                        output: text.into(),
                        exit: CellExit::Interrupted,
                    });
                }
                Cell::Breaks => return Err(SandboxError::Kernel("the pipe closed".into())),
            };
            output(text);
            Ok(CellResult {
                output: text.into(),
                exit,
            })
        }
        .boxed()
    }

    fn network(&self) -> bool {
        self.0.network.lock().unwrap().last() == Some(&true)
    }

    fn set_network(&self, on: bool) -> BoxFuture<'_, ()> {
        async move { self.0.network.lock().unwrap().push(on) }.boxed()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        async move { *self.0.stopped.lock().unwrap() = true }.boxed()
    }
}
