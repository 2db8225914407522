//! A session in a repository of its own, or a line that says why a test is not run.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use descant::sandbox::{CellExit, CellResult, EngineLocator, Sandbox, SandboxConfig};
use tokio_util::sync::CancellationToken;

pub use crate::docker_support::{engine, image, not_run};

pub fn config(workspace: &Path) -> SandboxConfig {
    SandboxConfig {
        image: image(),
        memory: 256 << 20,
        ..SandboxConfig::new(workspace.to_owned(), EngineLocator::from_env())
    }
}

/// A repository that the container's user can read, whoever runs the tests.
pub fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(
        folder.path().join("hello.txt"),
        "hello from the repository\n",
    )
    .unwrap();
    folder
}

pub struct Session {
    pub sandbox: Arc<Sandbox>,
    repository: tempfile::TempDir,
}

impl Session {
    pub async fn start(change: impl FnOnce(&mut SandboxConfig)) -> Option<Self> {
        let repository = repository();
        let mut config = config(repository.path());
        change(&mut config);
        let sandbox = Arc::new(engine(Sandbox::start(config).await)?);
        Some(Self {
            sandbox,
            repository,
        })
    }

    pub fn repository(&self) -> &Path {
        self.repository.path()
    }

    pub fn is_podman(&self) -> bool {
        self.sandbox.report().engine.starts_with("podman")
    }

    pub async fn run(&self, code: &str) -> CellResult {
        let mut streamed = String::new();
        let result = self
            .sandbox
            .run_python(
                code,
                |text| streamed.push_str(text),
                &CancellationToken::new(),
            )
            .await
            .unwrap();
        assert_eq!(streamed, result.output, "the stream and the result differ");
        result
    }

    /// What the cell printed; it must have ended well.
    pub async fn ok(&self, code: &str) -> String {
        let result = self.run(code).await;
        assert_eq!(result.exit, CellExit::Ok, "{}", result.output);
        result.output
    }
}

macro_rules! session {
    ($($change:expr)?) => {
        match $crate::support::Session::start({ #[allow(unused)] let change = |_: &mut descant::sandbox::SandboxConfig| {}; $(let change = $change;)? change }).await {
            Some(session) => session,
            None => return,
        }
    };
}
