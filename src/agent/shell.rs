//! The user's own commands: `!command` in the composer.
//!
//! They run in the user's shell, in the folder's root, with the user's rights and without approval, because
//! the user typed them. Nothing the model says leads here: only [`super::AgentCommand::Shell`] does. The one
//! thing to know: a command has a process group of its own, so that an interrupt reaches what it started, and
//! no standard input, so that it cannot take the interface's keys.

mod output;
mod told;

use super::{AgentEvent, RunId, ShellEnd};
use crate::conversation::Item;
use output::Output;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
pub(super) use told::Told;

/// Between two looks at what was printed: a screen shows no more.
const FLUSH: Duration = Duration::from_millis(50);
/// How long an interrupted command may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(2);
/// How long the output of an ended command is read on: something it left behind may keep the pipe open.
const DRAIN: Duration = Duration::from_millis(200);
/// Pieces of output on their way; when full, the command waits.
const PIECES: usize = 8;

/// Runs one command at a time.
#[derive(Debug)]
pub(super) struct UserShell {
    shell: String,
    root: PathBuf,
    events: mpsc::Sender<AgentEvent>,
    runs: u64,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stop: CancellationToken,
    task: JoinHandle<Finished>,
}

/// What a command came to: its item for the history, and what the consumer is told now that the next can start.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) item: Item,
    pub(super) event: AgentEvent,
}

impl UserShell {
    pub(super) fn new(shell: String, root: PathBuf, events: mpsc::Sender<AgentEvent>) -> UserShell {
        UserShell {
            shell,
            root,
            events,
            runs: 0,
            running: None,
        }
    }

    /// `Err`: what the user should know.
    pub(super) fn start(&mut self, command: String) -> Result<(), String> {
        if self.running.is_some() {
            return Err(
                "a command is still running\n  wait until it is over, or interrupt it with Esc"
                    .into(),
            );
        }
        self.runs += 1;
        let job = Job {
            run: RunId(self.runs),
            shell: self.shell.clone(),
            root: self.root.clone(),
            command,
            events: self.events.clone(),
            stop: CancellationToken::new(),
        };
        self.running = Some(Running {
            stop: job.stop.clone(),
            task: tokio::spawn(job.run()),
        });
        Ok(())
    }

    /// Whether there was one to interrupt.
    pub(super) fn interrupt(&self) -> bool {
        if let Some(running) = &self.running {
            running.stop.cancel();
        }
        self.running.is_some()
    }

    /// What the command that runs came to; pends for ever while none runs. Cancel-safe.
    pub(super) async fn finished(&mut self) -> Option<Finished> {
        let Some(running) = &mut self.running else {
            return std::future::pending().await;
        };
        let finished = (&mut running.task).await.ok();
        self.running = None;
        finished
    }

    /// The end of the program: a command does not outlive it.
    pub(super) async fn end(&mut self, limit: Duration) {
        if self.interrupt() {
            let _ = tokio::time::timeout(limit, self.finished()).await;
        }
    }
}

/// One command.
struct Job {
    run: RunId,
    shell: String,
    root: PathBuf,
    command: String,
    events: mpsc::Sender<AgentEvent>,
    stop: CancellationToken,
}

impl Job {
    async fn run(self) -> Finished {
        let begun = Instant::now();
        self.tell(AgentEvent::ShellStarted {
            run: self.run,
            command: self.command.clone(),
        })
        .await;
        let mut output = Output::default();
        let end = match self.start() {
            Ok((mut child, pieces)) => self.follow(&mut child, pieces, &mut output).await,
            Err(error) => {
                let hint = "set SHELL to a shell that is installed";
                let problem = format!("{} did not start: {error}\n{hint}\n", self.shell);
                output.push(problem.as_bytes());
                ShellEnd::Failed
            }
        };
        self.flush(&mut output, true).await;
        let elapsed = begun.elapsed();
        let event = AgentEvent::ShellFinished {
            run: self.run,
            end,
            elapsed,
        };
        let told = Told {
            command: self.command,
            end,
            elapsed,
            printed: output.whole(),
        };
        let item = told.item();
        Finished { item, event }
    }

    fn start(&self) -> io::Result<(Child, mpsc::Receiver<Vec<u8>>)> {
        let (mut reader, writer) = io::pipe()?;
        let mut command = Command::new(&self.shell);
        command
            .arg(if cfg!(windows) { "/C" } else { "-c" })
            .arg(&self.command)
            .current_dir(&self.root)
            .stdin(Stdio::null())
            // One pipe for both: the order of what was printed is kept.
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let child = command.spawn()?;
        // It holds our ends of the pipe, which would otherwise never end.
        drop(command);
        let (sender, pieces) = mpsc::channel(PIECES);
        // A thread and no task: what the command left behind may hold the pipe, and nobody waits for that.
        std::thread::spawn(move || {
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let piece = buffer.get(..count).unwrap_or_default().to_vec();
                if sender.blocking_send(piece).is_err() {
                    return;
                }
            }
        });
        Ok((child, pieces))
    }

    async fn follow(
        &self,
        child: &mut Child,
        mut pieces: mpsc::Receiver<Vec<u8>>,
        output: &mut Output,
    ) -> ShellEnd {
        let group = child.id();
        let mut ended: Option<io::Result<ExitStatus>> = None;
        let mut stopping = false;
        // When the next thing is done that no event announces.
        let far = Duration::from_secs(365 * 24 * 3600);
        let (mut kill_at, mut drained_at) = (Instant::now() + far, Instant::now() + far);
        let mut flush_at = Instant::now();
        loop {
            let waits = !output.is_flushed();
            tokio::select! {
                biased;
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    signal(group, Stop::Interrupt);
                    kill_at = Instant::now() + GRACE;
                }
                () = tokio::time::sleep_until(kill_at.into()), if stopping && ended.is_none() => {
                    signal(group, Stop::Kill);
                    let _ = child.start_kill();
                    kill_at = Instant::now() + far;
                }
                () = tokio::time::sleep_until(flush_at.into()), if waits => {
                    self.flush(output, false).await;
                    flush_at = Instant::now() + FLUSH;
                }
                status = child.wait(), if ended.is_none() => {
                    ended = Some(status);
                    drained_at = Instant::now() + DRAIN;
                }
                () = tokio::time::sleep_until(drained_at.into()), if ended.is_some() => break,
                piece = pieces.recv() => match piece {
                    Some(piece) => output.push(&piece),
                    None => break,
                },
            }
        }
        // The pipe may be closed before the end.
        let status = match ended {
            Some(status) => status,
            None => self.ending(child, group, stopping).await,
        };
        match status {
            Ok(status) if stopping && !status.success() => ShellEnd::Interrupted,
            Ok(status) => status.code().map_or(ShellEnd::Failed, ShellEnd::Exited),
            Err(_) => ShellEnd::Failed,
        }
    }

    /// Waits for a command that prints no more.
    async fn ending(
        &self,
        child: &mut Child,
        group: Option<u32>,
        stopping: bool,
    ) -> io::Result<ExitStatus> {
        if !stopping {
            tokio::select! {
                status = child.wait() => return status,
                () = self.stop.cancelled() => signal(group, Stop::Interrupt),
            }
        }
        match tokio::time::timeout(GRACE, child.wait()).await {
            Ok(status) => status,
            Err(_elapsed) => {
                signal(group, Stop::Kill);
                child.kill().await?;
                child.wait().await
            }
        }
    }

    async fn flush(&self, output: &mut Output, last: bool) {
        let text = output.flush(last);
        if !text.is_empty() {
            self.tell(AgentEvent::ShellOutput {
                run: self.run,
                text,
            })
            .await;
        }
    }

    /// A consumer that is gone wants no events.
    async fn tell(&self, event: AgentEvent) {
        let _ = self.events.send(event).await;
    }
}

#[derive(Debug, Clone, Copy)]
enum Stop {
    Interrupt,
    Kill,
}

#[cfg(unix)]
fn signal(group: Option<u32>, how: Stop) {
    use rustix::process::{Pid, Signal, kill_process_group};
    let Some(group) = group
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw)
    else {
        return;
    };
    // Errors say that it is gone already.
    match how {
        Stop::Interrupt => {
            let _ = kill_process_group(group, Signal::INT);
            // One that waits for the terminal is stopped and takes no signal until it goes on.
            let _ = kill_process_group(group, Signal::CONT);
        }
        Stop::Kill => {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(not(unix))]
fn signal(_group: Option<u32>, _how: Stop) {}

#[cfg(test)]
#[cfg(unix)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
