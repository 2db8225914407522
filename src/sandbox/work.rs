//! Commands and the view of the work tree, on the session's container.

use tokio_util::sync::CancellationToken;

use super::container::Container;
use super::shell::{
    CommandExit, CommandResult, Failed, Limits, Listed, Shell, ShellState, ViewEntry,
};
use super::view::ViewWay;
use super::{CODE_LIMIT, Sandbox, SandboxError, output};

impl Sandbox {
    /// Which way `/workspace` is a copy-on-write view; the error says why it is none, and there is no shell.
    pub fn view(&self) -> Result<ViewWay, &str> {
        match &self.view {
            Ok(view) => Ok(view.way),
            Err(why) => Err(why),
        }
    }

    /// Why the view is a copy where an overlay was tried.
    pub fn view_note(&self) -> Option<&str> {
        self.view.as_ref().ok()?.why.as_deref()
    }

    /// Runs one command with bash; the folder it ends in and what it exports stay for the next. `output` and the
    /// time limit are as for [`Sandbox::run_python`], but a command is given two seconds to end; everything that it
    /// leaves running ends with it.
    pub async fn run_command(
        &self,
        command: &str,
        mut output: impl FnMut(&str) + Send,
        cancel: &CancellationToken,
    ) -> Result<CommandResult, SandboxError> {
        if command.len() > CODE_LIMIT {
            return Err(SandboxError::CodeTooLong {
                bytes: command.len(),
            });
        }
        let mut capped = output::Capped::new(self.config.output_limit, &mut output);
        let mut place = self.container.lock().await;
        let Some(mut shell) = self.shell_of(&mut place, Some(cancel)).await? else {
            return Ok(CommandResult {
                output: String::new(),
                exit: CommandExit::Interrupted,
                folder: self.shell.lock().await.cwd.clone(),
            });
        };
        let mut state = self.shell.lock().await;
        let limits = Limits {
            time: self.config.shell_timeout,
            disk: self.config.disk,
            cancels: [cancel, &self.stopping],
        };
        let ran = shell.run(command, &mut state, &mut capped, &limits).await;
        let exit = match ran {
            Ok(exit) => {
                if let Some(container) = place.as_mut() {
                    container.shell = Some(shell);
                }
                exit
            }
            Err(Failed::Unresponsive(exit)) => {
                *state = ShellState::default();
                if let Some(container) = place.take() {
                    container.remove().await;
                }
                exit
            }
            Err(Failed::Gone(why)) => {
                *state = ShellState::default();
                return Err(self.lost(&mut place, why.to_string()).await);
            }
            Err(Failed::Refused(why)) => return Err(SandboxError::Refused(why)),
        };
        Ok(CommandResult {
            output: capped.finish(),
            exit,
            folder: state.cwd.clone(),
        })
    }

    /// The shell's process, started where there is none; taken out, so that one whose request is abandoned is
    /// dropped and never answers the next. `None`: cancelled.
    async fn shell_of(
        &self,
        place: &mut Option<Container>,
        cancel: Option<&CancellationToken>,
    ) -> Result<Option<Shell>, SandboxError> {
        if self.stopping.is_cancelled() {
            return Err(SandboxError::Stopped);
        }
        if let Err(reason) = &self.view {
            return Err(SandboxError::View {
                reason: reason.clone(),
            });
        }
        let start = async {
            let mut container = match place.take() {
                Some(container) => container,
                None => self.new_container().await?,
            };
            let shell = match container.shell.take() {
                Some(shell) => Ok(shell),
                None => {
                    let limit = self.config.engine_timeout;
                    Shell::open(&self.docker, container.id(), limit).await
                }
            };
            *place = Some(container);
            shell
        };
        let never = CancellationToken::new();
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => Err(SandboxError::Stopped),
            () = cancel.unwrap_or(&never).cancelled() => Ok(None),
            started = start => started.map(Some),
        }
    }

    /// The shell's process is gone: with its container, or alone.
    async fn lost(&self, place: &mut Option<Container>, why: String) -> SandboxError {
        let ended = match place.as_mut() {
            Some(container) => !container.runs().await,
            None => true,
        };
        if ended && let Some(container) = place.take() {
            let ending = container.remove().await.reason();
            return SandboxError::Shell(format!("{ending}; the variables of Python are lost"));
        }
        SandboxError::Shell(why)
    }

    /// One request to the shell's process.
    async fn ask<T>(
        &self,
        request: impl AsyncFnOnce(&mut Shell) -> Result<T, Failed>,
    ) -> Result<T, SandboxError> {
        let mut place = self.container.lock().await;
        let Some(mut shell) = self.shell_of(&mut place, None).await? else {
            return Err(SandboxError::Stopped);
        };
        let answer = request(&mut shell).await;
        match answer {
            Ok(_) | Err(Failed::Refused(_)) => {
                if let Some(container) = place.as_mut() {
                    container.shell = Some(shell);
                }
            }
            Err(Failed::Gone(_) | Failed::Unresponsive(_)) => {}
        }
        match answer {
            Ok(answer) => Ok(answer),
            Err(Failed::Refused(why)) => Err(SandboxError::Refused(why)),
            Err(Failed::Gone(why)) => Err(self.lost(&mut place, why.to_string()).await),
            Err(Failed::Unresponsive(_)) => {
                Err(self.lost(&mut place, "it does not answer".to_owned()).await)
            }
        }
    }

    /// Lists folders of the view (the empty name is its root). Of an overlay: what its upper layer holds of them,
    /// that is, what is not the work tree's, and the names that the view shows.
    pub async fn list_view(&self, folders: &[Vec<u8>]) -> Result<Vec<Listed>, SandboxError> {
        let upper = self.view() == Ok(ViewWay::Overlay);
        self.ask(async |shell| shell.list(folders, upper).await)
            .await
    }

    /// A regular file of the view, at most `limit` bytes of it.
    pub async fn read_view(
        &self,
        path: &[u8],
        limit: u64,
    ) -> Result<(Vec<u8>, ViewEntry), SandboxError> {
        self.ask(async |shell| shell.get(path, limit).await).await
    }

    /// Writes a file of the view, whatever lay there.
    pub async fn write_view(
        &self,
        path: &[u8],
        mode: u32,
        content: &[u8],
    ) -> Result<Option<ViewEntry>, SandboxError> {
        self.ask(async |shell| shell.put(path, mode, content).await)
            .await
    }

    /// Makes a symbolic link of the view.
    pub async fn link_view(
        &self,
        path: &[u8],
        target: &[u8],
    ) -> Result<Option<ViewEntry>, SandboxError> {
        self.ask(async |shell| shell.link(path, target).await).await
    }

    /// Removes a file or folder of the view, if it is there.
    pub async fn remove_view(&self, path: &[u8]) -> Result<(), SandboxError> {
        self.ask(async |shell| shell.remove(path).await).await
    }
}
