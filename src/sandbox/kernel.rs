//! One conversation with a running kernel: cells go in, output and endings come out.
//!
//! The time limit is kept here, not in the container: first an interrupt, then a kill of the kernel, and when even the
//! supervisor does not answer, the caller removes the container.

mod frames;

use std::time::Duration;

use bollard::container::AttachContainerResults;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::CellExit;
use super::link::{Gone, Link, container_program};
use super::output::Capped;
use frames::{CellStatus, Command, FRAME_LIMIT, Frame, Hello};

/// The container's main process.
pub(super) const SUPERVISOR: &str = container_program!("kernel/supervisor.py");
const KERNEL: &str = include_str!("kernel/kernel.py");

/// From the interrupt to the kill.
const INTERRUPT_GRACE: Duration = Duration::from_secs(1);
/// From the kill to giving up on the supervisor.
const KILL_GRACE: Duration = Duration::from_secs(4);

/// How a cell ended when its container cannot be used again.
#[derive(Debug)]
pub(super) enum Stopped {
    Gone(Gone),
    /// Neither the interrupt nor the kill was answered; the notes are in the output.
    Unresponsive(CellExit),
}

pub(super) struct Kernel {
    link: Link,
    last_cell: u64,
    pub(super) python: String,
    hello: Hello,
}

impl Kernel {
    /// Takes over a fresh attachment to a container that has been started; `limit` is for its supervisor to come up.
    pub(super) async fn open(
        attached: AttachContainerResults,
        limit: Duration,
    ) -> Result<Self, Gone> {
        let streams = (attached.input, attached.output);
        let (link, (kind, body)) =
            Link::open(streams, FRAME_LIMIT, KERNEL.as_bytes(), limit).await?;
        let Frame::Hello(hello) = Frame::decode(kind, body)? else {
            return Err(Gone::Protocol("something else than a greeting".to_owned()));
        };
        let python = hello.python.chars();
        Ok(Self {
            link,
            last_cell: 0,
            python: python.filter(|c| c.is_ascii_graphic()).take(16).collect(),
            hello: *hello,
        })
    }

    /// What a file below `/workspace` holds, `limit` bytes of it at most; `Err`: the number of the error.
    pub(super) async fn probe(
        &mut self,
        path: &str,
        limit: u64,
        time: Duration,
    ) -> Result<Result<Vec<u8>, u8>, Gone> {
        self.send(&Command::Probe { path, limit }).await?;
        let answer = timeout(time, self.next());
        match answer
            .await
            .unwrap_or(Err(Gone::Silent("does not answer")))?
        {
            Frame::Probed(probed) => Ok(probed),
            Frame::Hello(_) | Frame::Output(_) | Frame::Done { .. } | Frame::KernelEnded { .. } => {
                Err(Gone::Protocol("another answer".to_owned()))
            }
        }
    }

    /// What the engine was asked for and did not do.
    pub(super) fn unconfined(&self, network: bool) -> Option<String> {
        self.hello.unconfined(network)
    }

    /// The limits that the engine was asked for and that are not there.
    pub(super) fn without(&self) -> impl Iterator<Item = &'static str> {
        self.hello.without()
    }

    /// Whether Descant's own filter of system calls is in force.
    pub(super) fn filtered(&self) -> bool {
        self.hello.filtered
    }

    async fn send(&mut self, command: &Command<'_>) -> Result<(), Gone> {
        self.link.send_json(command.kind(), command).await
    }

    /// The next frame. Safe to abandon at any point: what arrived is kept.
    async fn next(&mut self) -> Result<Frame, Gone> {
        let (kind, body) = self.link.next().await?;
        Ok(Frame::decode(kind, body)?)
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
                Event::Frame(Frame::Hello(_) | Frame::Probed(_)) => {
                    let what = "an answer that nobody asked for".to_owned();
                    return Err(Stopped::Gone(Gone::Protocol(what)));
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
