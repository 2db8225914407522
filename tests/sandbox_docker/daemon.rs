//! The engine itself stops in the middle of a cell, and comes back: a dockerd of the test's own, beside the one of the
//! other tests, in a network namespace of its own so that it changes nothing of the machine's.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use descant::sandbox::{CellExit, EngineLocator, Sandbox, SandboxConfig, SandboxError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::support::{config, image, not_run, repository};

struct Daemon {
    folder: tempfile::TempDir,
    running: Option<Child>,
}

impl Daemon {
    /// `None`, and a line that says why, where none can be started.
    fn start() -> Option<Self> {
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|me| {
            use std::os::unix::fs::MetadataExt;
            me.uid() == 0
        });
        let there = |program: &str| {
            let asked = Command::new(program).arg("--version").output();
            asked.is_ok_and(|asked| asked.status.success())
        };
        if !is_root || !there("dockerd") || !there("unshare") || !there("docker") {
            not_run("a dockerd of its own needs root, dockerd, docker and unshare");
            return None;
        }
        if !succeeds(Command::new("docker").args(["image", "inspect", &image()])) {
            not_run(&format!("no image {}", image()));
            return None;
        }
        let mut daemon = Self {
            folder: tempfile::tempdir().unwrap(),
            running: None,
        };
        daemon.go_on();
        let load = format!(
            "docker save {} | docker -H {} load",
            image(),
            daemon.address()
        );
        assert!(succeeds(Command::new("sh").args(["-c", &load])), "{load}");
        Some(daemon)
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn address(&self) -> String {
        format!("unix://{}", self.path("docker.sock"))
    }

    /// Starts it, and waits until it answers.
    fn go_on(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        let child = Command::new("unshare")
            .args(["--net", "--", "dockerd", "--bridge=none"])
            .args(["--iptables=false", "--ip6tables=false"])
            .args(["--host", &self.address()])
            .args(["--data-root", &self.path("data")])
            .args(["--exec-root", &self.path("exec")])
            .args(["--pidfile", &self.path("pid")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.running = Some(child);
        let address = self.address();
        let answers = || succeeds(Command::new("docker").args(["-H", &address, "version"]));
        for _ in 0..600 {
            if answers() {
                return;
            }
            let child = self.running.as_mut();
            if child.is_some_and(|child| child.try_wait().unwrap().is_some()) {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
        panic!("dockerd does not come up:\n{log}");
    }

    /// `KILL` leaves its containers running, without anybody to speak to them; `TERM` ends them first.
    fn stop(&mut self, signal: &str) {
        if let Some(mut child) = self.running.take() {
            let id = child.id().to_string();
            assert!(succeeds(Command::new("kill").args(["-s", signal, &id])));
            child.wait().unwrap();
        }
        // Its containerd goes with it, also where nobody reaps it: the next one starts its own.
        let file = self.path("exec/containerd/containerd.pid");
        if let (Ok(id), "KILL") = (std::fs::read_to_string(&file), signal) {
            succeeds(Command::new("kill").args(["-s", "KILL", id.trim()]));
            let _ = std::fs::remove_file(&file);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // What it left after a kill, its containerd, ends with a new one that is asked to.
        if self.running.is_none() {
            self.go_on();
        }
        self.stop("TERM");
        let _ = Command::new("umount")
            .args(["--lazy", &self.path("data")])
            .stderr(Stdio::null())
            .status();
    }
}

fn succeeds(command: &mut Command) -> bool {
    let ran = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    ran.is_ok_and(|status| status.success())
}

fn at(daemon: &Daemon, repository: &Path) -> SandboxConfig {
    SandboxConfig {
        engine: EngineLocator::at(daemon.address()),
        ..config(repository)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_stops_in_a_cell_is_told_of_and_used_again_when_it_is_back() {
    let Some(mut daemon) = Daemon::start() else {
        return;
    };
    let repository = repository();
    let sandbox = Sandbox::start(at(&daemon, repository.path()))
        .await
        .unwrap();
    let never = CancellationToken::new();
    for signal in ["KILL", "TERM"] {
        let kept = sandbox.run_python("kept = 41", |_| {}, &never).await;
        assert_eq!(kept.unwrap().exit, CellExit::Ok, "{signal}");
        let (told, mut tells) = mpsc::channel(8);
        let cell = sandbox.run_python(
            "import time\nprint('in the cell')\ntime.sleep(1000)",
            move |text| {
                let _ = told.try_send(text.to_owned());
            },
            &never,
        );
        let stop = async {
            assert_eq!(tells.recv().await.unwrap(), "in the cell\n");
            tokio::task::block_in_place(|| daemon.stop(signal));
        };
        let (ran, ()) = tokio::join!(cell, stop);
        let ran = ran.unwrap();
        assert_eq!(ran.exit, CellExit::Died, "{signal}: {}", ran.output);
        assert!(
            ran.output.starts_with("in the cell\n[the container e")
                && ran.output.ends_with("its variables are lost]\n"),
            "{signal}: {}",
            ran.output
        );
        // As long as it is away every call says so.
        for _ in 0..2 {
            match sandbox.run_python("1 + 1", |_| {}, &never).await {
                Err(error @ SandboxError::Engine { .. }) => {
                    let text = error.to_string();
                    assert!(text.contains("the session goes on"), "{text}");
                }
                other => panic!("{signal}: {other:?}"),
            }
        }
        daemon.go_on();
        let again = sandbox.run_python("1 + 1", |_| {}, &never).await.unwrap();
        assert_eq!((again.exit, again.output.as_str()), (CellExit::Ok, "2\n"));
    }
    sandbox.stop().await;
}
