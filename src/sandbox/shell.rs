//! The shell's process in the container: bash commands, and reading and writing the view of the work tree.
//!
//! It is `agent.py`, started by the engine's exec in the session's container, so it has that container's limits and
//! ends with it. The time limit is kept here: first an interrupt, then a kill of everything the command started,
//! and when the agent itself does not answer the caller removes the container.

mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::Docker;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use serde_json::json;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::SandboxError;
use super::link::{Gone, Link, container_program};
use super::output::Capped;
pub use wire::{EntryKind, Listed, Stamp, ViewEntry};
use wire::{FRAME_LIMIT, Frame};

/// Under the same filter of system calls as the supervisor: what an exec starts does not come from it.
const AGENT: &str = container_program!("shell/agent.py");

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
    Gone(Gone),
    /// Neither interrupt nor kill was answered; the notes are in the output.
    Unresponsive(CommandExit),
}

impl From<Gone> for Failed {
    fn from(gone: Gone) -> Self {
        Failed::Gone(gone)
    }
}

/// A connection to a running agent.
pub(super) struct Shell {
    link: Link,
    last_run: u64,
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
    /// Starts the agent in a running container.
    pub(super) async fn open(
        docker: &Docker,
        container: &str,
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
            cmd: Some(vec!["python3", "-I", "-B", "-u", "-c", AGENT]),
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
        let broken = |gone: Gone| SandboxError::Shell(gone.to_string());
        let (link, (kind, body)) = Link::open((input, output), FRAME_LIMIT, &[], limit)
            .await
            .map_err(broken)?;
        match Frame::decode(kind, body) {
            Ok(Frame::Hello { problem }) if problem.is_empty() => Ok(Self { link, last_run: 0 }),
            Ok(Frame::Hello { problem }) => Err(SandboxError::Shell(problem)),
            Ok(_) => Err(SandboxError::Shell(
                "it sent something else than a greeting".to_owned(),
            )),
            Err(error) => Err(broken(error.into())),
        }
    }

    /// The next frame. Safe to abandon at any point: what arrived is kept.
    async fn next(&mut self) -> Result<Frame, Gone> {
        let (kind, body) = self.link.next().await?;
        Ok(Frame::decode(kind, body)?)
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
        self.link.send_json(b'R', &request).await?;
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
                frame = self.next() => Ok(frame?),
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
                    return Err(unexpected("a second greeting"));
                }
            }
        }
    }

    async fn signal(&mut self, kind: u8, run: u64) -> Result<(), Failed> {
        Ok(self.link.send_json(kind, &json!({ "run": run })).await?)
    }

    /// The next frame that is no late output.
    async fn answer(&mut self) -> Result<Frame, Failed> {
        loop {
            match timeout(ANSWER_TIMEOUT, self.next()).await {
                Ok(Ok(Frame::Output(_) | Frame::Ended(_))) => {}
                Ok(Ok(frame)) => return Ok(frame),
                Ok(Err(gone)) => return Err(gone.into()),
                Err(_elapsed) => return Err(Gone::Silent("does not answer").into()),
            }
        }
    }

    /// The end of a request.
    async fn done(&mut self) -> Result<Option<ViewEntry>, Failed> {
        match self.answer().await? {
            Frame::Answer(answer) => answer.map_err(Failed::Refused),
            _ => Err(unexpected("another answer than asked for")),
        }
    }

    /// Lists folders, `b""` for the root; `upper`: only what the upper layer holds of them.
    pub(super) async fn list(
        &mut self,
        folders: &[Vec<u8>],
        upper: bool,
    ) -> Result<Vec<Listed>, Failed> {
        let folders: Vec<String> = folders.iter().map(|folder| wire::text(folder)).collect();
        let request = json!({ "folders": folders, "upper": upper });
        self.link.send_json(b'L', &request).await?;
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
                _ => return Err(unexpected("no list")),
            }
        }
    }

    /// A regular file of at most `limit` bytes.
    pub(super) async fn get(
        &mut self,
        path: &[u8],
        limit: u64,
    ) -> Result<(Vec<u8>, ViewEntry), Failed> {
        let request = json!({ "path": wire::text(path), "limit": limit });
        self.link.send_json(b'G', &request).await?;
        let mut content = Vec::new();
        loop {
            match self.answer().await? {
                Frame::Piece(piece) if (content.len() + piece.len()) as u64 <= limit => {
                    content.extend_from_slice(&piece);
                }
                Frame::Piece(_) => return Err(unexpected("more than asked for")),
                Frame::Answer(Ok(Some(entry))) => return Ok((content, entry)),
                Frame::Answer(Err(why)) => return Err(Failed::Refused(why)),
                _ => return Err(unexpected("no file")),
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
        let request = json!({ "path": wire::text(path), "mode": mode });
        self.link.send_json(b'P', &request).await?;
        for piece in content.chunks(PIECE).chain([&[][..]]) {
            self.link.send(b'D', piece).await?;
        }
        self.done().await
    }

    pub(super) async fn link(
        &mut self,
        path: &[u8],
        target: &[u8],
    ) -> Result<Option<ViewEntry>, Failed> {
        let body = json!({ "path": wire::text(path), "to": wire::text(target) });
        self.link.send_json(b'S', &body).await?;
        self.done().await
    }

    /// Removes a file, or a folder with all that is in it; nothing there is fine.
    pub(super) async fn remove(&mut self, path: &[u8]) -> Result<(), Failed> {
        let request = json!({ "path": wire::text(path) });
        self.link.send_json(b'X', &request).await?;
        self.done().await.map(|_| ())
    }
}

fn unexpected(what: &str) -> Failed {
    Gone::Protocol(what.to_owned()).into()
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
