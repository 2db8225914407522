//! The `shell` tool in a turn: what its commands change is reviewed, and what is not taken is set back.
//!
//! The container is a folder beside the work tree, and its bash the machine's: what the real ones do is in
//! `tests/shell_docker`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
#![cfg(unix)]

mod agent_support;

use agent_support::*;
use descant::agent::{AgentCommand, AgentEvent, ApprovalPolicy};
use descant::patch::{Decision, Decisions, OnChanged};
use descant::sandbox::{
    CellExit, CellResult, CommandExit, CommandResult, EntryKind, Listed, SandboxError, Stamp,
    ViewEntry, WorkTree,
};
use descant::tools::python::Interpreter;
use descant::tools::shell::Shell;
use descant::tools::view::{Changes, Tree, View, ViewAccess};
use descant::workspace::Workspace;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A view that is a copy in a folder.
struct Folder(tempfile::TempDir);

impl Folder {
    fn at(&self, path: &[u8]) -> PathBuf {
        self.0.path().join(std::str::from_utf8(path).unwrap())
    }
}

fn entry(path: &Path) -> ViewEntry {
    let found = path.symlink_metadata().unwrap();
    ViewEntry {
        name: path.file_name().unwrap().to_str().unwrap().into(),
        kind: if found.is_dir() {
            EntryKind::Folder
        } else if found.is_file() {
            EntryKind::File
        } else {
            EntryKind::Link
        },
        mode: found.mode() & 0o7777,
        stamp: Stamp {
            len: found.len(),
            modified: found.mtime_nsec() as u64,
            changed: (found.ctime() as u64) << 32 | found.ctime_nsec() as u64,
            inode: found.ino(),
        },
    }
}

impl ViewAccess for Folder {
    fn list<'a>(
        &'a self,
        folders: &'a [Vec<u8>],
    ) -> BoxFuture<'a, Result<Vec<Listed>, SandboxError>> {
        let list = |folder: &Vec<u8>| Listed {
            folder: folder.clone(),
            entries: fs::read_dir(self.at(folder))
                .unwrap()
                .map(|found| entry(&found.unwrap().path()))
                .collect(),
            names: None,
            problem: None,
        };
        std::future::ready(Ok(folders.iter().map(list).collect())).boxed()
    }

    fn read<'a>(
        &'a self,
        path: &'a str,
        _limit: u64,
    ) -> BoxFuture<'a, Result<(Vec<u8>, ViewEntry), SandboxError>> {
        let path = self.at(path.as_bytes());
        std::future::ready(Ok((fs::read(&path).unwrap(), entry(&path)))).boxed()
    }

    fn write<'a>(
        &'a self,
        path: &'a str,
        mode: u32,
        content: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<ViewEntry>, SandboxError>> {
        let path = self.at(path.as_bytes());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        std::future::ready(Ok(Some(entry(&path)))).boxed()
    }

    fn link<'a>(
        &'a self,
        _path: &'a str,
        _target: &'a str,
    ) -> BoxFuture<'a, Result<Option<ViewEntry>, SandboxError>> {
        std::future::ready(Ok(None)).boxed()
    }

    fn remove<'a>(&'a self, path: &'a [u8]) -> BoxFuture<'a, Result<(), SandboxError>> {
        let path = self.at(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else if path.symlink_metadata().is_ok() {
            fs::remove_file(path).unwrap();
        }
        std::future::ready(Ok(())).boxed()
    }
}

struct Bench {
    folder: Folder,
    view: View,
}

impl Bench {
    fn on(root: &Path) -> Bench {
        let workspace = Arc::new(Workspace::open(root).unwrap());
        let tree = Arc::new(Tree::new(workspace, Vec::new()));
        let folder = Folder(tempfile::tempdir().unwrap());
        for found in tree.visible().unwrap() {
            if let descant::sandbox::TreeKind::File { .. } = found.kind {
                let path = folder.at(found.path.as_bytes());
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, tree.read(&found.path).unwrap()).unwrap();
            }
        }
        Bench {
            view: View::new(tree, false),
            folder,
        }
    }
}

impl Interpreter for Bench {
    fn description(&self) -> &str {
        "a folder"
    }

    /// A cell is Python that writes its own text to a file.
    fn run<'a>(
        &'a self,
        code: &'a str,
        _output: Box<dyn FnMut(&str) + Send + 'a>,
        _cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<CellResult, SandboxError>> {
        fs::write(self.folder.at(b"cell.txt"), code).unwrap();
        let result = CellResult {
            output: String::new(),
            exit: CellExit::Ok,
        };
        std::future::ready(Ok(result)).boxed()
    }

    fn shell(&self) -> Option<&dyn Shell> {
        Some(self)
    }

    fn set_network(&self, _on: bool) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

impl Shell for Bench {
    fn begin(&self) -> BoxFuture<'_, Result<(), SandboxError>> {
        self.view.sync(&self.folder).boxed()
    }

    fn run<'a>(
        &'a self,
        command: &'a str,
        mut output: Box<dyn FnMut(&str) + Send + 'a>,
        cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<CommandResult, SandboxError>> {
        async move {
            let ran = tokio::process::Command::new("bash")
                .args(["-c", command])
                .current_dir(self.folder.0.path())
                .output()
                .await
                .unwrap();
            let text = String::from_utf8(ran.stdout).unwrap();
            output(&text);
            let mut exit = CommandExit::Code(ran.status.code().unwrap());
            if command.contains("# hangs") {
                cancel.cancelled().await;
                exit = CommandExit::Interrupted;
            }
            Ok(CommandResult {
                output: text,
                exit,
                folder: "/workspace".into(),
            })
        }
        .boxed()
    }

    fn changes(&self) -> BoxFuture<'_, Result<Changes, SandboxError>> {
        self.view.changes(&self.folder).boxed()
    }

    fn settle<'a>(&'a self, changes: &'a Changes) -> BoxFuture<'a, Result<(), SandboxError>> {
        self.view.settle(&self.folder, changes).boxed()
    }
}

fn shell(command: &str) -> String {
    call(
        "shell",
        &serde_json::json!({ "command": command }).to_string(),
    )
}

/// A rig whose container is a [`Bench`] on its folder, with an ignored file.
fn rig<const N: usize>(generations: [String; N], approvals: ApprovalPolicy) -> Rig {
    let mut setup = setup(generations);
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("a.txt", "one\ntwo\nthree\n"),
        ("b.txt", "b\n"),
        (".gitignore", ".env\nout/\n"),
        (".env", "KEY=1\n"),
    ] {
        fs::write(dir.path().join(path), text).unwrap();
    }
    setup.bench = Some(Box::new(Bench::on(dir.path())));
    setup.dir = Some(dir);
    setup.approvals = approvals;
    setup.start()
}

fn read(rig: &Rig, path: &str) -> String {
    fs::read_to_string(rig.dir.path().join(path)).unwrap_or_else(|_| "(none)".into())
}

#[test]
fn what_a_command_changes_is_applied_and_can_be_undone() {
    check(
        "what_a_command_changes_is_applied_and_can_be_undone",
        async {
            let command = "cat .env; sed -i s/two/2/ a.txt; rm b.txt; printf 'a\\0' > c.bin; mkdir out; echo o > out/o";
            let generations = [
                shell(command),
                shell("cat a.txt out/o; exit 3"),
                answer("ok"),
            ];
            let mut rig = rig(generations, ApprovalPolicy::ApplyAll);
            let told = rig.turn("go").await;
            assert!(told[1].starts_with("call 1: $ cat .env; sed"), "{told:?}");
            let first = told
                .iter()
                .find(|line| line.starts_with("Completed 1"))
                .unwrap();
            assert_eq!(
                first,
                "Completed 1 exit 0: [exit code 0]\n[changed files, proposed to the user] Success. Updated the following files:\nM a.txt\nD b.txt\nA c.bin"
            );
            let second = told
                .iter()
                .find(|line| line.starts_with("Failed 2"))
                .unwrap();
            assert_eq!(second, "Failed 2 exit 3: one\n2\nthree\no\n[exit code 3]");
            assert_eq!(read(&rig, "a.txt"), "one\n2\nthree\n");
            assert_eq!(
                (read(&rig, "b.txt"), read(&rig, "c.bin")),
                ("(none)".into(), "a\0".into())
            );
            assert_eq!(read(&rig, "out/o"), "(none)");
            rig.send(AgentCommand::Undo(OnChanged::Refuse)).await;
            rig.until(|event| matches!(event, AgentEvent::Notice(_) | AgentEvent::Problem(_)))
                .await;
            assert_eq!(
                (read(&rig, "a.txt"), read(&rig, "b.txt")),
                ("one\ntwo\nthree\n".into(), "b\n".into())
            );
            assert_eq!(read(&rig, "c.bin"), "(none)");
        },
    );
}

#[test]
fn what_is_declined_is_told_and_set_back() {
    check("what_is_declined_is_told_and_set_back", async {
        let generations = [
            shell("sed -i s/two/2/ a.txt; echo n > n.txt"),
            shell("cat a.txt; ls n.txt"),
            answer("ok"),
        ];
        let mut rig = rig(generations, ApprovalPolicy::Review);
        rig.submit("go").await;
        let event = rig
            .until(|event| matches!(event, AgentEvent::ReviewRequested { .. }))
            .await
            .pop();
        let Some(AgentEvent::ReviewRequested { review, plan, .. }) = event else {
            panic!("no review");
        };
        assert_eq!(plan.files.len(), 2);
        let mut decisions = Decisions::accept_all(&plan);
        let note = Some("not this".to_owned());
        decisions
            .hunks
            .insert(plan.files[0].hunks[0].id, Decision::Reject { note });
        rig.send(AgentCommand::Review {
            review,
            plan,
            decisions,
        })
        .await;
        let events = rig
            .until(|event| matches!(event, AgentEvent::TurnDone { .. }))
            .await;
        let outputs: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                AgentEvent::ToolFinished { output, .. } => Some(output.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(
            outputs,
            [
                "[exit code 0]\n[changed files, proposed to the user] Partly applied. Updated the following files:\nA n.txt\n\
                 Declined by the user:\na.txt @@ -1,3 +1,3: not this\n[what was not applied has been set back in /workspace]",
                "one\ntwo\nthree\nn.txt\n[exit code 0]",
            ]
        );
        assert_eq!(read(&rig, "a.txt"), "one\ntwo\nthree\n");
    });
}

#[test]
fn where_changes_are_only_proposed_nothing_is_written() {
    check(
        "where_changes_are_only_proposed_nothing_is_written",
        async {
            let generations = [shell("echo x > a.txt"), shell("cat a.txt"), answer("ok")];
            let mut rig = rig(generations, ApprovalPolicy::ProposeOnly);
            let told = rig.turn("go").await.join("\n");
            assert!(told.contains("Recorded for review, not applied yet:\nM a.txt\n[what was not applied has been set back"), "{told}");
            assert!(told.contains("one\ntwo\nthree\n[exit code 0]"), "{told}");
            assert_eq!(read(&rig, "a.txt"), "one\ntwo\nthree\n");
        },
    );
}

#[test]
fn a_patch_and_a_cell_meet_the_same_files() {
    check("a_patch_and_a_cell_meet_the_same_files", async {
        let generations = [
            call("apply_patch", &patch("a.txt", "two", "2")),
            shell("cat a.txt"),
            python("'from a cell'"),
            answer("ok"),
        ];
        let mut rig = rig(generations, ApprovalPolicy::ApplyAll);
        let told = rig.turn("go").await.join("\n");
        assert!(told.contains("one\n2\nthree\n[exit code 0]"), "{told}");
        assert!(told.contains("(no output)\n[changed files, proposed to the user] Success. Updated the following files:\nA cell.txt"), "{told}");
        assert_eq!(read(&rig, "cell.txt"), "'from a cell'");
    });
}

#[test]
fn an_interrupt_sets_the_view_back() {
    check("an_interrupt_sets_the_view_back", async {
        let generations = [
            shell("echo x > a.txt; echo begun # hangs"),
            shell("cat a.txt"),
            answer("ok"),
        ];
        let mut rig = rig(generations, ApprovalPolicy::ApplyAll);
        rig.submit("go").await;
        rig.until(|event| matches!(event, AgentEvent::ToolOutput { .. }))
            .await;
        rig.send(AgentCommand::Interrupt).await;
        rig.until(|event| matches!(event, AgentEvent::TurnInterrupted { .. }))
            .await;
        assert_eq!(read(&rig, "a.txt"), "one\ntwo\nthree\n");
        let told = rig.turn("again").await.join("\n");
        assert!(told.contains("one\ntwo\nthree\n[exit code 0]"), "{told}");
    });
}

#[test]
fn without_a_view_it_is_not_offered() {
    check("without_a_view_it_is_not_offered", async {
        let mut rig = setup([shell("ls"), answer("ok")]).start();
        let told = rig.turn("go").await.join("\n");
        assert!(told.contains("shell is not available"), "{told}");
        assert!(!full_prompt(&rig).contains("type shell ="));
        let mut setup = setup([answer("ok")]);
        setup.python = Err("none here");
        let mut rig = setup.start();
        rig.turn("go").await;
        assert!(!full_prompt(&rig).contains("type shell ="));
        let mut rig = self::rig([answer("ok")], ApprovalPolicy::ApplyAll);
        rig.turn("go").await;
        assert!(full_prompt(&rig).contains("type shell ="));
    });
}

/// With the developer message, where the tools are declared.
fn full_prompt(rig: &Rig) -> String {
    rig.engine.prompts().pop().unwrap()
}
