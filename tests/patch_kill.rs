//! Rows S3 and S5 of the safety table: SIGKILL, a full, a failing and a read-only disk and a lack of rights at
//! every mutating system call of `descant apply` and `descant undo`. The tree is exactly the old or exactly the
//! new one.
//!
//! strace does the harm; without it the tests say that they were not run, and fail in CI.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod strace_support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use strace_support::strace_or_not_run;

/// Adds two folders deep, updates, deletes and moves.
const PATCH: &str = "*** Begin Patch
*** Update File: change.txt
@@
-b
+c
*** Add File: new/deep/run.sh
+#!/bin/sh
*** Delete File: old/gone.txt
*** Update File: from.txt
*** Move to: moved/to.txt
@@
-m
+n
*** End Patch
";

/// Names that differ between processors are marked `?`: strace passes over those it does not know.
const CALLS: &[&str] = &[
    "write,?pwrite64,?ftruncate",
    "fsync,fdatasync",
    "?rename,?renameat,?renameat2",
    "?link,?linkat",
    "?unlink,?unlinkat,?rmdir",
    "?mkdir,?mkdirat",
    "?chmod,?fchmod,?fchmodat",
];

type Tree = BTreeMap<String, (Vec<u8>, u32)>;

#[derive(Clone, Copy)]
struct Harm<'a> {
    calls: &'a str,
    /// As strace's `inject` takes it.
    how: &'a str,
    n: usize,
}

struct Place {
    home: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let home = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let place = Self {
            home: home.unwrap(),
        };
        for (name, text) in [
            ("keep.txt", "k\n"),
            ("change.txt", "a\nb\n"),
            ("old/gone.txt", "g\n"),
            ("from.txt", "m\n"),
        ] {
            let path = place.root().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::write(place.home.path().join("patch"), PATCH).unwrap();
        // What a first start creates is not what is tested.
        assert!(place.descant(None, &["checkpoints"]).status.success());
        place
    }

    fn root(&self) -> std::path::PathBuf {
        self.home.path().join("root")
    }

    /// Runs the binary; with `harm`, the n-th of the calls named kills it or fails.
    fn descant(&self, harm: Option<Harm<'_>>, arguments: &[&str]) -> Output {
        let binary = env!("CARGO_BIN_EXE_descant");
        let mut command = match harm {
            None => Command::new(binary),
            Some(Harm { calls, how, n }) => {
                let mut strace = Command::new("strace");
                strace.args(["-f", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
                strace.args(["-e", &format!("inject={calls}:{how}:when={n}"), binary]);
                strace
            }
        };
        command
            .arg("-C")
            .arg(self.root())
            .args(arguments)
            .env("DESCANT_HOME", self.home.path().join("state"))
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap()
    }

    fn apply(&self, harm: Option<Harm<'_>>) -> Output {
        let patch = self.home.path().join("patch");
        self.descant(harm, &["apply", "--yes", patch.to_str().unwrap()])
    }

    fn tree(&self) -> Tree {
        fn walk(root: &Path, folder: &Path, found: &mut Tree) {
            use std::os::unix::fs::PermissionsExt as _;
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                let mode = path.metadata().unwrap().permissions().mode();
                if path.is_dir() {
                    found.insert(format!("{name}/"), (Vec::new(), mode));
                    walk(root, &path, found);
                } else {
                    found.insert(name, (fs::read(&path).unwrap(), mode));
                }
            }
        }
        let mut found = Tree::new();
        walk(&self.root(), &self.root(), &mut found);
        found
    }
}

/// How many runs came to harm, and left the original and the patched tree.
#[derive(Debug, Default)]
struct Count {
    harmed: usize,
    original: usize,
    patched: usize,
}

fn at_every_call(how: &str) -> Count {
    let place = Place::new();
    let original = place.tree();
    let applied = place.apply(None);
    assert!(
        applied.status.success(),
        "{}",
        String::from_utf8_lossy(&applied.stderr)
    );
    let patched = place.tree();
    assert_ne!(original, patched);

    let mut count = Count::default();
    for undo in [false, true] {
        for calls in CALLS {
            // Some failures do no harm, such as one of removing what is not needed: three runs without end it.
            let mut unharmed = 0;
            for n in 1.. {
                let place = Place::new();
                let harm = Harm { calls, how, n };
                let run = if undo {
                    assert!(place.apply(None).status.success());
                    place.descant(Some(harm), &["undo"])
                } else {
                    place.apply(Some(harm))
                };
                let said = String::from_utf8_lossy(&run.stderr).into_owned();
                // The async runtime panics when its own wake-up cannot be written; that is a crash to us.
                let runtime_gone = said.contains("panicked") && said.contains("wake");
                assert!(
                    runtime_gone || !said.contains("panicked"),
                    "{how}, {calls}, call {n}: {said}"
                );
                let through = run.status.success();
                let at_once = place.tree();
                let start = place.descant(None, &["checkpoints"]);
                assert!(
                    start.status.success(),
                    "{calls} {n}: {}",
                    String::from_utf8_lossy(&start.stderr)
                );
                let after = place.tree();
                if through {
                    let wanted = if undo { &original } else { &patched };
                    assert_eq!(
                        &after, wanted,
                        "{how}, undo {undo}, {calls}, call {n}: {said}"
                    );
                    unharmed += 1;
                    if unharmed == 3 {
                        break;
                    }
                    continue;
                }
                unharmed = 0;
                count.harmed += 1;
                if !how.starts_with("signal") && !runtime_gone {
                    assert_eq!(
                        after, at_once,
                        "{how}, {calls}, call {n}: left for the next start to repair: {said}"
                    );
                }
                if after == original {
                    count.original += 1;
                } else {
                    assert_eq!(
                        after, patched,
                        "{how}, undo {undo}, {calls}, call {n}: neither old nor new"
                    );
                    count.patched += 1;
                }
            }
        }
    }
    count
}

#[test]
fn killed_at_every_mutating_call() {
    if strace_or_not_run("killed_at_every_mutating_call") {
        let count = at_every_call("signal=KILL");
        assert!(
            count.harmed > 50 && count.original > 10 && count.patched > 3,
            "{count:?}"
        );
    }
}

#[test]
fn a_disk_that_is_full_or_fails_at_every_mutating_call() {
    if strace_or_not_run("a_disk_that_is_full_or_fails_at_every_mutating_call") {
        for how in ["error=ENOSPC", "error=EIO"] {
            harmed_at_every_call(how);
        }
    }
}

#[test]
fn a_disk_that_may_not_be_written_at_every_mutating_call() {
    if strace_or_not_run("a_disk_that_may_not_be_written_at_every_mutating_call") {
        for how in ["error=EACCES", "error=EROFS"] {
            harmed_at_every_call(how);
        }
    }
}

fn harmed_at_every_call(how: &str) {
    let count = at_every_call(how);
    assert!(
        count.harmed > 30 && count.original > 10 && count.patched > 3,
        "{how}: {count:?}"
    );
}
