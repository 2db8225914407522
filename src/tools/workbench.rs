//! The container as a turn uses it: Python, and a shell on a view of the work tree.

use super::python::Interpreter;
use super::shell::Shell;
use super::view::{Changes, Tree, View};
use crate::sandbox::{
    CellResult, CommandResult, ImageProgress, Sandbox, SandboxConfig, SandboxError, ViewWay,
};
use crate::workspace::Workspace;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A sandbox and what is known of its view.
pub struct Workbench {
    sandbox: Sandbox,
    /// `None` where the container sees the work tree itself, read-only.
    view: Option<View>,
}

impl Workbench {
    /// Starts the sandbox with a view of `workspace`. `allow`: patterns of ignored files that it may see.
    pub async fn start(
        config: SandboxConfig,
        workspace: Arc<Workspace>,
        allow: Vec<String>,
    ) -> Result<Self, SandboxError> {
        Self::start_with_progress(config, workspace, allow, |_| {}, &CancellationToken::new()).await
    }

    /// As [`Workbench::start`]; `progress` and `cancel` are for getting the image.
    pub async fn start_with_progress(
        mut config: SandboxConfig,
        workspace: Arc<Workspace>,
        allow: Vec<String>,
        progress: impl FnMut(ImageProgress) + Send,
        cancel: &CancellationToken,
    ) -> Result<Self, SandboxError> {
        let tree = Arc::new(Tree::new(workspace, allow));
        config.tree = Some(tree.clone());
        let sandbox = Sandbox::start_with_progress(config, progress, cancel).await?;
        let view = sandbox
            .view()
            .ok()
            .map(|way| View::new(tree, way == ViewWay::Overlay));
        Ok(Self { sandbox, view })
    }

    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }
}

impl Interpreter for Workbench {
    fn description(&self) -> &str {
        self.sandbox.description()
    }

    fn run<'a>(
        &'a self,
        code: &'a str,
        output: Box<dyn FnMut(&str) + Send + 'a>,
        cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<CellResult, SandboxError>> {
        self.sandbox.run_python(code, output, cancel).boxed()
    }

    fn network(&self) -> bool {
        self.sandbox.network()
    }

    fn set_network(&self, on: bool) -> BoxFuture<'_, ()> {
        self.sandbox.set_network(on).boxed()
    }

    fn shell(&self) -> Option<&dyn Shell> {
        self.view.is_some().then_some(self)
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.sandbox.stop().boxed()
    }
}

impl Shell for Workbench {
    fn begin(&self) -> BoxFuture<'_, Result<(), SandboxError>> {
        async {
            match &self.view {
                Some(view) => view.sync(&self.sandbox).await,
                None => Ok(()),
            }
        }
        .boxed()
    }

    fn run<'a>(
        &'a self,
        command: &'a str,
        output: Box<dyn FnMut(&str) + Send + 'a>,
        cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<CommandResult, SandboxError>> {
        self.sandbox.run_command(command, output, cancel).boxed()
    }

    fn changes(&self) -> BoxFuture<'_, Result<Changes, SandboxError>> {
        async {
            match &self.view {
                Some(view) => view.changes(&self.sandbox).await,
                None => Ok(Changes::default()),
            }
        }
        .boxed()
    }

    fn settle<'a>(&'a self, changes: &'a Changes) -> BoxFuture<'a, Result<(), SandboxError>> {
        async move {
            match &self.view {
                Some(view) => view.settle(&self.sandbox, changes).await,
                None => Ok(()),
            }
        }
        .boxed()
    }
}
