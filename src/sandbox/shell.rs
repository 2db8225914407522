//! The shell's process in the container: bash commands, and reading and writing the view of the work tree.
//!
//! It is `agent.py`, started by the engine's exec in the session's container, so it has that container's limits and
//! ends with it. The time limit is kept here: first an interrupt, then a kill of everything the command started,
//! and when the agent itself does not answer the caller removes the container.

mod wire;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::{Stream, StreamExt};
use serde_json::json;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::SandboxError;
use super::output::Capped;
pub use wire::{EntryKind, Listed, Stamp, ViewEntry};
use wire::{Frame, FrameReader, NONCE};

/// Under the same filter of system calls as the supervisor: what an exec starts does not come from it.
const AGENT: &str = concat!(include_str!("seccomp.py"), include_str!("shell/agent.py"));

const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// A list or a file; the disk of a busy machine has its moments.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// From the interrupt to the kill.
const INTERRUPT_GRACE: Duration = Duration::from_secs(2);
/// From the kill to giving up on the agent.
const KILL_GRACE: Duration = Duration::from_secs(6);
/// Bytes of a file sent in one frame.
const PIECE: usize = 256 * 1024;

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandResult {
    /// stdout and stderr as they came, capped as a cell's, with the sandbox's notes in square brackets.
    pub output: String,
    pub exit: CommandExit,
    /// Where the next command begins.
    pub folder: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandExit {
    Code(i32),
    Timeout,
    Interrupted,
}

/// Folder and exported variables between two commands. `env` is `None` before the first.
#[derive(Debug, Clone)]
pub(super) struct ShellState {
    pub(super) cwd: String,
    pub(super) env: Option<BTreeMap<String, String>>,
}

impl Default for ShellState {
    fn default() -> Self {
        Self {
            cwd: super::WORKSPACE.to_owned(),
            env: None,
        }
    }
}

/// Why a request to the agent failed.
pub(super) enum Failed {
    /// It answered, and this was the answer.
    Refused(String),
    /// There is no agent to speak to any more.
    Gone(String),
    /// Neither interrupt nor kill was answered; the notes are in the output.
    Unresponsive(CommandExit),
}

/// A connection to a running agent.
pub(super) struct Shell {
    input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    frames: FrameReader,
    /// What it wrote to its standard error: only ever a Python that cannot run it.
    said: Vec<u8>,
    last_run: u64,
    /// Whether the container's user may write in the view.
    pub(super) writable: bool,
}

/// What a command is given besides its text.
pub(super) struct Limits<'a> {
    pub(super) time: Duration,
    /// Bytes below `/workspace`.
    pub(super) disk: u64,
    /// Any of them interrupts it.
    pub(super) cancels: [&'a CancellationToken; 2],
}

impl Shell {
    /// Starts the agent in a running container. `upper`: where the view's upper layer is mounted, if it has one.
    pub(super) async fn open(
        docker: &Docker,
        container: &str,
        upper: Option<&str>,
        limit: Duration,
    ) -> Result<Self, SandboxError> {
        let failed = |source| SandboxError::Engine {
            doing: "starting the shell's process",
            source,
        };
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(vec![
                "python3",
                "-I",
                "-B",
                "-u",
                "-c",
                AGENT,
                upper.unwrap_or_default(),
            ]),
            working_dir: Some("/"),
            ..CreateExecOptions::default()
        };
        let started = async {
            let exec = docker.create_exec(container, options).await?;
            let attach = StartExecOptions {
                output_capacity: Some(PIECE),
                ..StartExecOptions::default()
            };
            docker.start_exec(&exec.id, Some(attach)).await
        };
        let started = timeout(limit, started)
            .await
            .unwrap_or(Err(bollard::errors::Error::RequestTimeoutError))
            .map_err(failed)?;
        let StartExecResults::Attached { output, input } = started else {
            return Err(SandboxError::Shell("it was not attached".to_owned()));
        };
        let nonce: [u8; NONCE] = rand::random();
        let mut shell = Self {
            input,
            output,
            frames: FrameReader::new(nonce),
            said: Vec::new(),
            last_run: 0,
            writable: false,
        };
        match timeout(limit, shell.greet(&nonce)).await {
            Ok(Ok(())) => Ok(shell),
            Ok(Err(why)) => Err(SandboxError::Shell(why)),
            Err(_elapsed) => Err(SandboxError::Shell("it did not come up in time".to_owned())),
        }
    }

    async fn greet(&mut self, nonce: &[u8]) -> Result<(), String> {
        let sent = self.send(&wire::frame(b'N', nonce)).await;
        match (self.next().await, sent) {
            (Ok(Frame::Hello { problem, .. }), Ok(())) if !problem.is_empty() => Err(problem),
            (Ok(Frame::Hello { writable, .. }), Ok(())) => {
                self.writable = writable;
                Ok(())
            }
            (Err(gone), _) | (Ok(_), Err(gone)) => Err(gone),
            (Ok(_), Ok(())) => Err("it sent something else than a greeting".to_owned()),
        }
    }

    async fn send(&mut self, frame: &[u8]) -> Result<(), String> {
        let write = async {
            self.input.write_all(frame).await?;
            self.input.flush().await
        };
        match timeout(WRITE_TIMEOUT, write).await {
            Ok(done) => done.map_err(|error| format!("it takes no more input: {error}")),
            Err(_elapsed) => Err("it takes no more input".to_owned()),
        }
    }

    /// The next frame. Safe to abandon at any point: what arrived is kept.
    async fn next(&mut self) -> Result<Frame, String> {
        loop {
            match self.frames.next() {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {}
                Err(what) => return Err(format!("it sent {what}")),
            }
            match self.output.next().await {
                Some(Ok(LogOutput::StdOut { message })) => self.frames.extend(&message),
                Some(Ok(LogOutput::StdErr { message })) => {
                    let room = 2048_usize.saturating_sub(self.said.len());
                    self.said.extend(message.iter().take(room));
                }
                Some(Ok(LogOutput::Console { .. } | LogOutput::StdIn { .. })) => {
                    return Err("it sent bytes outside any stream".to_owned());
                }
                Some(Err(error)) => return Err(format!("the connection broke: {error}")),
                None => {
                    let said = String::from_utf8_lossy(&self.said);
                    let said = said.trim_end();
                    let colon = if said.is_empty() { "" } else { ": " };
                    return Err(format!("it ended{colon}{said}"));
                }
            }
        }
    }

    /// Runs one command to its end; the state is what the next one begins with.
    pub(super) async fn run(
        &mut self,
        command: &str,
        state: &mut ShellState,
        output: &mut Capped<'_>,
        limits: &Limits<'_>,
    ) -> Result<CommandExit, Failed> {
        self.last_run += 1;
        let run = self.last_run;
        let request = json!({
            "run": run,
            "command": wire::text(command.as_bytes()),
            "cwd": state.cwd,
            "env": state.env,
            "set": environment(),
            "disk": limits.disk,
        });
        self.send(&wire::request(b'R', &request))
            .await
            .map_err(Failed::Gone)?;
        let mut deadline = Instant::now() + limits.time;
        // `Some`: it has been interrupted, and whether it has been killed since.
        let mut stopping: Option<(CommandExit, bool)> = None;
        loop {
            // In this order: a flood of output must not hold up the limit.
            let frame = tokio::select! {
                biased;
                () = limits.cancels[0].cancelled(), if stopping.is_none() => Err(CommandExit::Interrupted),
                () = limits.cancels[1].cancelled(), if stopping.is_none() => Err(CommandExit::Interrupted),
                () = sleep_until(deadline) => Err(CommandExit::Timeout),
                frame = self.next() => Ok(frame.map_err(Failed::Gone)?),
            };
            match (frame, stopping) {
                (Err(why), None) => {
                    self.signal(b'I', run).await?;
                    stopping = Some((why, false));
                    deadline = Instant::now() + INTERRUPT_GRACE;
                }
                (Err(_), Some((exit, false))) => {
                    self.signal(b'K', run).await?;
                    stopping = Some((exit, true));
                    deadline = Instant::now() + KILL_GRACE;
                }
                (Err(_), Some((exit, true))) => {
                    output.note(&ending(exit, limits.time, "the container was replaced"));
                    return Err(Failed::Unresponsive(exit));
                }
                (Ok(Frame::Output(bytes)), _) => output.bytes(&bytes),
                (Ok(Frame::Ended(ended)), stopping) if ended.run == run => {
                    for note in &ended.notes {
                        output.note(note);
                    }
                    if let Some((exit, killed)) = stopping {
                        let how = if killed {
                            "it had to be killed"
                        } else {
                            "it was interrupted"
                        };
                        output.note(&ending(exit, limits.time, how));
                    }
                    if let (Some(cwd), Some(env)) = (ended.cwd, ended.env) {
                        *state = ShellState {
                            cwd,
                            env: Some(env),
                        };
                    }
                    return Ok(match stopping {
                        Some((exit, _)) => exit,
                        None => CommandExit::Code(code(ended.status)),
                    });
                }
                // What was left of an earlier request.
                (
                    Ok(Frame::Ended(_) | Frame::Listed(_) | Frame::Piece(_) | Frame::Answer(_)),
                    _,
                ) => {}
                (Ok(Frame::Hello { .. }), _) => {
                    return Err(Failed::Gone("it sent a second greeting".to_owned()));
                }
            }
        }
    }

    async fn signal(&mut self, kind: u8, run: u64) -> Result<(), Failed> {
        let frame = wire::request(kind, &json!({ "run": run }));
        self.send(&frame).await.map_err(Failed::Gone)
    }

    /// The next frame that is no late output.
    async fn answer(&mut self) -> Result<Frame, Failed> {
        loop {
            match timeout(ANSWER_TIMEOUT, self.next()).await {
                Ok(Ok(Frame::Output(_) | Frame::Ended(_))) => {}
                Ok(Ok(frame)) => return Ok(frame),
                Ok(Err(gone)) => return Err(Failed::Gone(gone)),
                Err(_elapsed) => return Err(Failed::Gone("it does not answer".to_owned())),
            }
        }
    }

    /// The end of a request.
    async fn done(&mut self) -> Result<Option<ViewEntry>, Failed> {
        match self.answer().await? {
            Frame::Answer(answer) => answer.map_err(Failed::Refused),
            _ => Err(Failed::Gone(
                "it sent another answer than asked for".to_owned(),
            )),
        }
    }

    async fn ask(&mut self, kind: u8, body: &serde_json::Value) -> Result<(), Failed> {
        let sent = self.send(&wire::request(kind, body)).await;
        sent.map_err(Failed::Gone)
    }

    /// Lists folders, `b""` for the root; `upper`: only what the upper layer holds of them.
    pub(super) async fn list(
        &mut self,
        folders: &[Vec<u8>],
        upper: bool,
    ) -> Result<Vec<Listed>, Failed> {
        let folders: Vec<String> = folders.iter().map(|folder| wire::text(folder)).collect();
        self.ask(b'L', &json!({ "folders": folders, "upper": upper }))
            .await?;
        let mut all: Vec<Listed> = Vec::new();
        loop {
            match self.answer().await? {
                Frame::Listed(part) => match all.last_mut() {
                    // A long folder comes in parts.
                    Some(last) if last.folder == part.folder => {
                        last.entries.extend(part.entries);
                        last.names = part.names.or(last.names.take());
                        last.problem = part.problem.or(last.problem.take());
                    }
                    Some(_) | None => all.push(part),
                },
                Frame::Answer(Ok(_)) => return Ok(all),
                Frame::Answer(Err(why)) => return Err(Failed::Refused(why)),
                _ => return Err(Failed::Gone("it sent no list".to_owned())),
            }
        }
    }

    /// A regular file of at most `limit` bytes.
    pub(super) async fn get(
        &mut self,
        path: &[u8],
        limit: u64,
    ) -> Result<(Vec<u8>, ViewEntry), Failed> {
        self.ask(b'G', &json!({ "path": wire::text(path), "limit": limit }))
            .await?;
        let mut content = Vec::new();
        loop {
            match self.answer().await? {
                Frame::Piece(piece) if (content.len() + piece.len()) as u64 <= limit => {
                    content.extend_from_slice(&piece);
                }
                Frame::Piece(_) => {
                    return Err(Failed::Gone("it sent more than asked for".to_owned()));
                }
                Frame::Answer(Ok(Some(entry))) => return Ok((content, entry)),
                Frame::Answer(Err(why)) => return Err(Failed::Refused(why)),
                _ => return Err(Failed::Gone("it sent no file".to_owned())),
            }
        }
    }

    /// Writes a file, folders above it included; what lay there is gone.
    pub(super) async fn put(
        &mut self,
        path: &[u8],
        mode: u32,
        content: &[u8],
    ) -> Result<Option<ViewEntry>, Failed> {
        let mode = mode & 0o777;
        self.ask(b'P', &json!({ "path": wire::text(path), "mode": mode }))
            .await?;
        for piece in content.chunks(PIECE) {
            let sent = self.send(&wire::frame(b'D', piece)).await;
            sent.map_err(Failed::Gone)?;
        }
        let sent = self.send(&wire::frame(b'D', &[])).await;
        sent.map_err(Failed::Gone)?;
        self.done().await
    }

    pub(super) async fn link(
        &mut self,
        path: &[u8],
        target: &[u8],
    ) -> Result<Option<ViewEntry>, Failed> {
        let body = json!({ "path": wire::text(path), "to": wire::text(target) });
        self.ask(b'S', &body).await?;
        self.done().await
    }

    /// Removes a file, or a folder with all that is in it; nothing there is fine.
    pub(super) async fn remove(&mut self, path: &[u8]) -> Result<(), Failed> {
        self.ask(b'X', &json!({ "path": wire::text(path) })).await?;
        self.done().await.map(|_| ())
    }
}

/// What a first command finds beside the image's own variables.
fn environment() -> serde_json::Value {
    json!({
        "HOME": "/mnt/data",
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "PAGER": "cat",
        "GIT_PAGER": "cat",
        // No files beside the sources that only this interpreter wants.
        "PYTHONDONTWRITEBYTECODE": "1",
    })
}

/// As a shell says it: 128 and the number for a signal.
fn code(status: i64) -> i32 {
    let code = if status < 0 { 128 - status } else { status };
    i32::try_from(code).unwrap_or(255)
}

fn ending(exit: CommandExit, limit: Duration, how: &str) -> String {
    match exit {
        CommandExit::Timeout => {
            format!(
                "the time limit of {} s was reached; {how}",
                limit.as_secs_f64()
            )
        }
        CommandExit::Interrupted | CommandExit::Code(_) => format!("interrupted; {how}"),
    }
}
