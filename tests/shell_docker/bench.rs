//! A workbench on a repository of its own.

use descant::patch::{Decisions, Journal, Plan, apply};
use descant::sandbox::{CommandExit, CommandResult, EngineLocator, SandboxConfig, ViewChoice};
use descant::tools::python::Interpreter;
use descant::tools::shell::Shell;
use descant::tools::view::Changes;
use descant::tools::workbench::Workbench;
use descant::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub use crate::docker_support::{engine, image};

pub struct Bench {
    pub bench: Workbench,
    pub workspace: Arc<Workspace>,
    journal: Journal,
    root: tempfile::TempDir,
    _state: tempfile::TempDir,
}

/// A repository with an ignored secret and an ignored folder, owned by nobody's root.
pub fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (path, text) in [
        (".gitignore", ".env\ntarget/\n*.log\n"),
        (".env", "SECRET=hunter2\n"),
        ("a.txt", "one\ntwo\nthree\n"),
        ("b.txt", "b\n"),
        ("run.sh", "#!/bin/sh\necho ran\n"),
        ("src/lib.rs", "pub fn f() {}\n"),
        ("src/.env", "SECRET=nested\n"),
        ("src/deep/c.txt", "c\n"),
        ("target/out.o", "artefact\n"),
        (".git/HEAD", "ref: refs/heads/main\n"),
        (".git/config", "[core]\n\tbare = false\n"),
        (".git/hooks/pre-commit.sample", "#!/bin/sh\n"),
        (".git/objects/pack/x", ""),
        (".git/refs/heads/x", ""),
    ] {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    give_away(root);
    folder
}

/// Root's own files could not be changed by the container's user, who is never root.
pub fn give_away(path: &Path) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown};
    let root = std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    let found = path.symlink_metadata().unwrap();
    if found.is_dir() {
        if found.mode() & 0o777 != 0o755 {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        for entry in std::fs::read_dir(path).unwrap() {
            give_away(&entry.unwrap().path());
        }
    }
    // A change of nothing would still be one to whoever looks at times.
    if root && found.uid() == 0 {
        let give = if found.is_symlink() { lchown } else { chown };
        give(path, Some(1000), Some(1000)).unwrap();
    }
}

pub fn config(root: &Path, view: ViewChoice) -> SandboxConfig {
    SandboxConfig {
        image: image(),
        memory: 512 << 20,
        view,
        ..SandboxConfig::new(root.to_owned(), EngineLocator::from_env())
    }
}

impl Bench {
    pub async fn start(view: ViewChoice) -> Option<Bench> {
        Bench::with(view, repository(), &[], |_| {}).await
    }

    pub async fn with(
        view: ViewChoice,
        root: tempfile::TempDir,
        allow: &[&str],
        change: impl FnOnce(&mut SandboxConfig),
    ) -> Option<Bench> {
        let workspace = Arc::new(Workspace::open(root.path()).unwrap());
        let mut config = config(workspace.root(), view);
        change(&mut config);
        let allow = allow.iter().map(|pattern| (*pattern).to_owned()).collect();
        let bench = engine(Workbench::start(config, Arc::clone(&workspace), allow).await)?;
        let way = bench.sandbox().view();
        match view {
            ViewChoice::Overlay => assert_eq!(way.map(|way| way.name()), Ok("overlay")),
            ViewChoice::Copy => assert_eq!(way.map(|way| way.name()), Ok("copy")),
            ViewChoice::Auto | ViewChoice::ReadOnly => {}
        }
        let state = tempfile::tempdir().unwrap();
        let journal = Journal::open(state.path(), &workspace).unwrap();
        Some(Bench {
            bench,
            workspace,
            journal,
            root,
            _state: state,
        })
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    /// As the user's editor would: the file gets the owner that all have here.
    pub fn edit(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // A new file in its place, as most editors do.
        let fresh = path.with_extension("fresh");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(&fresh, &path).unwrap();
        give_away(self.root.path());
    }

    /// Runs a command alone; what it changes is not looked at.
    pub async fn run(&self, command: &str) -> CommandResult {
        self.bench.begin().await.unwrap();
        let mut streamed = String::new();
        let result = Shell::run(
            &self.bench,
            command,
            Box::new(|text: &str| streamed.push_str(text)),
            &CancellationToken::new(),
        )
        .await
        .unwrap();
        assert_eq!(streamed, result.output, "the stream and the result differ");
        result
    }

    /// What it printed; it must have ended with 0 and changed nothing.
    pub async fn ok(&self, command: &str) -> String {
        let result = self.run(command).await;
        assert_eq!(
            result.exit,
            CommandExit::Code(0),
            "{command}: {}",
            result.output
        );
        let changes = self.changes().await;
        assert!(changes.is_empty(), "{command}: {changes:?}");
        self.bench.settle(&changes).await.unwrap();
        result.output
    }

    pub async fn changes(&self) -> Changes {
        self.bench.changes().await.unwrap()
    }

    /// Runs a command and gives what it changed.
    pub async fn changed(&self, command: &str) -> Changes {
        let result = self.run(command).await;
        assert_eq!(
            result.exit,
            CommandExit::Code(0),
            "{command}: {}",
            result.output
        );
        self.changes().await
    }

    /// Applies the decided hunks and lets the view follow.
    pub async fn decide(&mut self, changes: Changes, decisions: &Decisions) {
        if !changes.plan.files.is_empty() {
            let (workspace, journal) = (&self.workspace, &mut self.journal);
            apply(workspace, &changes.plan, decisions, journal).unwrap();
        }
        give_away(self.root.path());
        self.bench.settle(&changes).await.unwrap();
    }

    pub async fn accept(&mut self, changes: Changes) {
        let all = Decisions::accept_all(&changes.plan);
        self.decide(changes, &all).await;
    }

    pub async fn reject(&mut self, changes: Changes) {
        self.decide(changes, &Decisions::default()).await;
    }

    /// Gives the repository back.
    pub async fn stop(self) -> tempfile::TempDir {
        self.bench.stop().await;
        self.root
    }
}

/// `A path`, `M path`, `D path`, with the mode where that changes.
pub fn lines(plan: &Plan) -> Vec<String> {
    use descant::patch::ChangeKind;
    let line = |file: &descant::patch::FilePlan| {
        let letter = match file.kind {
            ChangeKind::Add => 'A',
            ChangeKind::Update | ChangeKind::Move => 'M',
            ChangeKind::Delete => 'D',
        };
        let mode = file.new_mode.map(|mode| format!(" {mode:o}"));
        format!("{letter} {}{}", file.path, mode.unwrap_or_default())
    };
    plan.files.iter().map(line).collect()
}

/// The same test on the overlay and on the copy.
#[macro_export]
macro_rules! both_ways {
    ($name:ident, $test:ident) => {
        mod $name {
            use descant::sandbox::ViewChoice;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn overlay() {
                super::$test(ViewChoice::Overlay).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn copy() {
                super::$test(ViewChoice::Copy).await;
            }
        }
    };
}
