//! What the end-to-end tests share: a home of their own, the program as a child, a terminal to look at.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

pub mod escapes;
pub mod picture;
pub mod pty;
pub mod stand_in;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A fresh home folder and a fresh project folder.
pub struct Bench {
    home: TempDir,
    work: TempDir,
    sandbox: bool,
}

impl Bench {
    pub fn new() -> Bench {
        Bench {
            home: TempDir::new().unwrap(),
            work: TempDir::new().unwrap(),
            sandbox: true,
        }
    }

    /// For many starts in a test that is not about the sandbox: a container for each would be most of its time.
    pub fn without_sandbox() -> Bench {
        Bench {
            sandbox: false,
            ..Bench::new()
        }
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn work(&self) -> &Path {
        self.work.path()
    }

    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.work.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.work.path().join(path)).unwrap()
    }

    /// Every file below the project folder, with its bytes, sorted.
    pub fn tree(&self) -> Vec<(String, Vec<u8>)> {
        fn walk(root: &Path, dir: &Path, out: &mut Vec<(String, Vec<u8>)>) {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(root, &path, out);
                } else {
                    let name = path.strip_prefix(root).unwrap().display().to_string();
                    out.push((name, std::fs::read(&path).unwrap()));
                }
            }
        }
        let mut out = Vec::new();
        walk(self.work.path(), self.work.path(), &mut out);
        out.sort();
        out
    }

    /// The environment every child gets: nothing of the tester's own configuration.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            (
                "DESCANT_HOME",
                self.home.path().join("descant").display().to_string(),
            ),
            ("HOME", self.home.path().display().to_string()),
            ("DESCANT_SANDBOX_IMAGE", image()),
            ("DESCANT_SANDBOX_ENABLED", self.sandbox.to_string()),
        ]
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_descant"));
        command
            .args(args)
            .current_dir(self.work.path())
            .stdin(Stdio::null());
        command
            .envs(self.environment())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_STATE_HOME");
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::from(self.command(args).output().unwrap())
    }

    /// Runs with `input` on standard input.
    pub fn run_with(&self, args: &[&str], input: &str) -> Ran {
        use std::io::Write;
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        Ran::from(child.wait_with_output().unwrap())
    }

    /// A file of recorded generations; gives the value for `--model`.
    pub fn scripted(&self, json: &str) -> String {
        let path = self.home.path().join("script.json");
        std::fs::write(&path, json).unwrap();
        format!("scripted:{}", path.display())
    }
}

/// What a child did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The image the container tests use: the one `scripts/docker-for-tests.sh` makes, unless told otherwise.
pub fn image() -> String {
    std::env::var("DESCANT_SANDBOX_IMAGE")
        .unwrap_or_else(|_| "descant-test-python:latest".to_owned())
}

/// Whether a container engine answers. In CI, and where `DESCANT_REQUIRE_DOCKER` is set, its absence fails the
/// test; elsewhere the test says that it was not run.
pub fn engine_or_not_run(test: &str) -> bool {
    let there = Command::new("docker")
        .args(["version", "--format", "{{.Server.Version}}"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let required =
        std::env::var_os("CI").is_some() || std::env::var_os("DESCANT_REQUIRE_DOCKER").is_some();
    assert!(
        there || !required,
        "{test}: no container engine; scripts/docker-for-tests.sh starts one"
    );
    if !there {
        eprintln!("{test}: not run: no container engine");
    }
    there
}

/// In CI the multiplexers are there; elsewhere their absence is said.
pub fn there_or_not_run(program: &str) -> bool {
    let there = Command::new(program)
        .arg(if program == "tmux" { "-V" } else { "-v" })
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    assert!(
        there || std::env::var_os("CI").is_none(),
        "{program} is missing"
    );
    if !there {
        eprintln!("not run: {program} is missing");
    }
    there
}
