//! One conversation with a running kernel: cells go in, output and endings come out.
//!
//! The time limit is kept here, not in the container: first an interrupt, then a kill of the kernel, and when even the
//! supervisor does not answer, the caller removes the container.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bollard::container::{AttachContainerResults, LogOutput};
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::CellExit;
use super::frames::{CellStatus, Command, Frame, FrameReader, Hello, NONCE};
use super::output::Capped;

const KERNEL: &str = include_str!("kernel.py");

const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// From the interrupt to the kill.
const INTERRUPT_GRACE: Duration = Duration::from_secs(1);
/// From the kill to giving up on the supervisor.
const KILL_GRACE: Duration = Duration::from_secs(4);

/// Why there is no kernel to speak to any more.
#[derive(Debug)]
pub(super) enum Gone {
    /// The container ended.
    Ended {
        said: String,
    },
    Connection(bollard::errors::Error),
    Write(std::io::Error),
    Protocol(String),
    Silent(&'static str),
}

impl Gone {
    /// Whether the container simply ended, as it does when its memory runs out.
    pub(super) fn is_end(&self) -> bool {
        matches!(self, Gone::Ended { said } if said.is_empty())
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gone::Ended { said } if said.is_empty() => f.write_str("its container ended"),
            Gone::Ended { said } => write!(f, "its container ended: {}", said.trim_end()),
            Gone::Connection(error) => write!(f, "the connection to its container broke: {error}"),
            Gone::Write(error) => write!(f, "its container takes no more input: {error}"),
            Gone::Protocol(what) => write!(f, "its container sent {what}"),
            Gone::Silent(what) => write!(f, "its container {what}"),
        }
    }
}

/// How a cell ended when its container cannot be used again.
#[derive(Debug)]
pub(super) enum Stopped {
    Gone(Gone),
    /// Neither the interrupt nor the kill was answered; the notes are in the output.
    Unresponsive(CellExit),
}

pub(super) struct Kernel {
    input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    frames: FrameReader,
    /// What the supervisor wrote to its standard error: only ever a Python that cannot run it.
    said: Vec<u8>,
    last_cell: u64,
    pub(super) python: String,
    /// `None` until it has greeted.
    hello: Option<Hello>,
}

impl Kernel {
    /// Takes over a fresh attachment to a container that has been started; `limit` is for its supervisor to come up.
    pub(super) async fn open(
        attached: AttachContainerResults,
        limit: Duration,
    ) -> Result<Self, Gone> {
        let nonce: [u8; NONCE] = rand::random();
        let mut kernel = Self {
            input: attached.input,
            output: attached.output,
            frames: FrameReader::new(nonce),
            said: Vec::new(),
            last_cell: 0,
            python: String::new(),
            hello: None,
        };
        let hello = async {
            // A container that ended at once also refuses input: what it said is then the better reason.
            let sent = kernel
                .send(&Command::Hello {
                    nonce,
                    kernel: KERNEL,
                })
                .await;
            match (kernel.next().await, sent) {
                (Ok(Frame::Hello(hello)), Ok(())) => Ok(*hello),
                (Err(Gone::Ended { said }), Err(write)) if said.is_empty() => Err(write),
                (Err(gone), _) | (Ok(_), Err(gone)) => Err(gone),
                (Ok(_), Ok(())) => Err(Gone::Protocol("something else than a greeting".to_owned())),
            }
        };
        let hello = timeout(limit, hello)
            .await
            .unwrap_or(Err(Gone::Silent("did not come up in time")))?;
        kernel.python = hello
            .python
            .chars()
            .filter(|c| c.is_ascii_graphic())
            .take(16)
            .collect();
        kernel.hello = Some(hello);
        Ok(kernel)
    }

    /// What the engine was asked for and did not do.
    pub(super) fn unconfined(&self, network: bool) -> Option<String> {
        self.hello.as_ref()?.unconfined(network)
    }

    /// Whether Descant's own filter of system calls is in force.
    pub(super) fn filtered(&self) -> bool {
        self.hello.as_ref().is_some_and(|hello| hello.filtered)
    }

    async fn send(&mut self, command: &Command<'_>) -> Result<(), Gone> {
        let frame = command.encode();
        let write = async {
            self.input.write_all(&frame).await?;
            self.input.flush().await
        };
        match timeout(WRITE_TIMEOUT, write).await {
            Ok(done) => done.map_err(Gone::Write),
            Err(_elapsed) => Err(Gone::Silent("takes no more input")),
        }
    }

    /// The next frame. Safe to abandon at any point: what arrived is kept.
    async fn next(&mut self) -> Result<Frame, Gone> {
        loop {
            match self.frames.next() {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {}
                Err(error) => return Err(Gone::Protocol(error.to_string())),
            }
            match self.output.next().await {
                Some(Ok(LogOutput::StdOut { message })) => self.frames.extend(&message),
                Some(Ok(LogOutput::StdErr { message })) => {
                    let room = 2048_usize.saturating_sub(self.said.len());
                    self.said.extend(message.iter().take(room));
                }
                Some(Ok(LogOutput::Console { .. } | LogOutput::StdIn { .. })) => {
                    return Err(Gone::Protocol("bytes outside any stream".to_owned()));
                }
                Some(Err(error)) => return Err(Gone::Connection(error)),
                None => {
                    return Err(Gone::Ended {
                        said: String::from_utf8_lossy(&self.said).into_owned(),
                    });
                }
            }
        }
    }

    /// Runs one cell to its end. `disk`: bytes that may be written below `/workspace`. `cancels`: any of them interrupts it.
    pub(super) async fn run(
        &mut self,
        code: &str,
        output: &mut Capped<'_>,
        limit: Duration,
        disk: u64,
        cancels: &[&CancellationToken; 2],
    ) -> Result<CellExit, Stopped> {
        self.last_cell += 1;
        let cell = self.last_cell;
        self.send(&Command::Run { cell, code, disk })
            .await
            .map_err(Stopped::Gone)?;
        let mut deadline = Instant::now() + limit;
        let mut stopping = Stopping::No;
        loop {
            // In this order: a flood of output must not hold up the limit.
            let event = tokio::select! {
                biased;
                () = cancels[0].cancelled(), if stopping == Stopping::No => Event::Cancel,
                () = cancels[1].cancelled(), if stopping == Stopping::No => Event::Cancel,
                () = sleep_until(deadline) => Event::Deadline,
                frame = self.next() => Event::Frame(frame.map_err(Stopped::Gone)?),
            };
            match event {
                Event::Cancel => {
                    self.interrupt(cell).await?;
                    stopping = Stopping::Interrupted(CellExit::Interrupted);
                    deadline = Instant::now() + INTERRUPT_GRACE;
                }
                Event::Deadline => match stopping {
                    Stopping::No => {
                        self.interrupt(cell).await?;
                        stopping = Stopping::Interrupted(CellExit::Timeout);
                        deadline = Instant::now() + INTERRUPT_GRACE;
                    }
                    Stopping::Interrupted(exit) => {
                        self.send(&Command::Kill { cell })
                            .await
                            .map_err(Stopped::Gone)?;
                        stopping = Stopping::Killed(exit);
                        deadline = Instant::now() + KILL_GRACE;
                    }
                    Stopping::Killed(exit) => {
                        output.note(&ending(
                            exit,
                            limit,
                            "the container was replaced; its variables are lost",
                        ));
                        return Err(Stopped::Unresponsive(exit));
                    }
                },
                Event::Frame(Frame::Output(bytes)) => output.bytes(&bytes),
                Event::Frame(Frame::Done { cell: done, status }) if done == cell => {
                    let Some(exit) = stopping.exit() else {
                        return Ok(match status {
                            CellStatus::Ok => CellExit::Ok,
                            CellStatus::Error => CellExit::Error,
                            CellStatus::Interrupted => CellExit::Interrupted,
                        });
                    };
                    output.note(&ending(exit, limit, "variables are kept"));
                    return Ok(exit);
                }
                // An earlier cell's end that arrived late, after its kill.
                Event::Frame(Frame::Done { .. }) => {}
                Event::Frame(Frame::KernelEnded { cell: ended, .. }) if ended != cell => {
                    // Between two cells, by something the last one left running.
                    output.note("the Python kernel had ended since the last call; a new one runs, earlier variables are lost");
                }
                Event::Frame(Frame::KernelEnded {
                    status,
                    memory,
                    disk: full,
                    ..
                }) => {
                    let exit = stopping.exit();
                    output.note(&match exit {
                        Some(exit) => {
                            ending(exit, limit, "it had to be killed, its variables are lost")
                        }
                        None if full => {
                            format!("stopped: what was written below /workspace needs more than the {} MiB there are; its variables are lost", disk >> 20)
                        }
                        None if memory => {
                            "out of memory: the Python kernel was killed; its variables are lost"
                                .to_owned()
                        }
                        None if status < 0 => {
                            format!(
                                "the Python kernel was ended by signal {}; its variables are lost",
                                -status
                            )
                        }
                        None => format!(
                            "the Python kernel left with status {status}; its variables are lost"
                        ),
                    });
                    return Ok(exit.unwrap_or(CellExit::Died));
                }
                Event::Frame(Frame::Hello(_)) => {
                    return Err(Stopped::Gone(Gone::Protocol(
                        "a second greeting".to_owned(),
                    )));
                }
            }
        }
    }

    async fn interrupt(&mut self, cell: u64) -> Result<(), Stopped> {
        self.send(&Command::Interrupt { cell })
            .await
            .map_err(Stopped::Gone)
    }
}

enum Event {
    Cancel,
    Deadline,
    Frame(Frame),
}

/// How far the ending of a cell has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopping {
    No,
    Interrupted(CellExit),
    Killed(CellExit),
}

impl Stopping {
    fn exit(self) -> Option<CellExit> {
        match self {
            Stopping::No => None,
            Stopping::Interrupted(exit) | Stopping::Killed(exit) => Some(exit),
        }
    }
}

fn ending(exit: CellExit, limit: Duration, state: &str) -> String {
    match exit {
        CellExit::Timeout => format!(
            "the time limit of {} s was reached; {state}",
            limit.as_secs_f64()
        ),
        CellExit::Interrupted | CellExit::Ok | CellExit::Error | CellExit::Died => {
            format!("interrupted; {state}")
        }
    }
}
