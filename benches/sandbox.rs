//! What the sandbox costs its user, as ratios over the engine's own commands in the same run, interleaved with them.
//!
//! `cargo bench --bench sandbox`, against the engine and the image of the tests (`scripts/docker-for-tests.sh`):
//!
//! - a warm python call over `docker exec python3 -c` of the same code: <= 0.2;
//! - the first call, whose container is made while the demo model loads, over `docker run --rm` of the same code, as
//!   the user waits for it: <= 1.0. The demo is the smallest model there is, so the least time to hide in;
//! - 10 MB of output: >= 50 MB/s, from python and from the shell, beside what `docker exec` of the same code reaches;
//! - the view of a repository of 50,000 files: ready in <= 1 s by the overlay (see `sandbox/view.rs`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

#[path = "../tests/shell_docker/bench.rs"]
#[allow(dead_code)]
mod bench;
#[path = "../tests/docker_support/mod.rs"]
#[allow(dead_code)]
mod docker_support;
#[path = "sandbox/view.rs"]
mod view;

use bench::{Bench, config, give_away, repository};
use descant::engine::models::ModelPlaces;
use descant::engine::{LoadOptions, load};
use descant::harmony::vocab::Vocabulary;
use descant::sandbox::{CellExit, CommandExit, ViewChoice};
use descant::tools::python::Interpreter;
use descant::tools::workbench::Workbench;
use descant::workspace::Workspace;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const CODE: &str = "import json\nprint(sum(n * n for n in range(1000)), json.dumps([1]))";
const SAID: &str = "332833500 [1]\n";
const STREAMED: usize = 10_000_000;

fn main() {
    // `cargo test --all-targets` runs benches too; one round shows that it works.
    let measured = std::env::args().any(|a| a == "--bench");
    let rounds = if measured { 9 } else { 1 };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let Some(bench) = Bench::start(ViewChoice::Auto).await else {
            return println!("not run: no container engine");
        };
        let idle = Idle::start();
        warm(&bench, &idle, rounds * 3).await;
        streamed(&bench, &idle, rounds).await;
        drop(idle);
        bench.stop().await;
        first(rounds).await;
        view::measure(measured).await;
    });
}

/// A container of the engine's own commands, which goes with this.
struct Idle(String);

impl Idle {
    fn start() -> Self {
        let image = config(Path::new("/"), ViewChoice::Auto).image;
        let run = ["run", "--rm", "--detach", "--init", "--network=none"];
        let idle = [&image, "python3", "-c", "import time; time.sleep(3600)"];
        Self(docker(&[&run[..], &idle].concat()).trim().to_owned())
    }

    fn exec(&self, code: &str) -> (String, Duration) {
        let begun = Instant::now();
        let said = docker(&["exec", &self.0, "python3", "-c", code]);
        (said, begun.elapsed())
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        docker(&["rm", "--force", &self.0]);
    }
}

/// A call of a session that is there, over a process in a container that is there.
async fn warm(bench: &Bench, idle: &Idle, rounds: usize) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (said, took) = idle.exec(CODE);
        assert_eq!(said, SAID);
        theirs.push(took);
        let begun = Instant::now();
        cell(&bench.bench).await;
        ours.push(begun.elapsed());
    }
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    println!(
        "warm call: {:.3} of docker exec ({:.2} ms, {:.1} ms); target 0.2",
        ratio(ours, theirs),
        ms(ours),
        ms(theirs)
    );
}

async fn streamed(bench: &Bench, idle: &Idle, rounds: usize) {
    let lines = STREAMED / 100;
    let code = format!("import sys\nsys.stdout.write(('x' * 99 + '\\n') * {lines});");
    let line = "x".repeat(99);
    let command = format!("yes {line} | head -c {STREAMED}");
    let (sandbox, never) = (bench.bench.sandbox(), CancellationToken::new());
    let (mut python, mut shell, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (said, took) = idle.exec(&code);
        assert_eq!(said.len(), STREAMED);
        theirs.push(took);
        let begun = Instant::now();
        let ran = sandbox.run_python(&code, |_| {}, &never).await.unwrap();
        python.push(begun.elapsed());
        assert!(ran.exit == CellExit::Ok && ran.output.contains(" bytes left out"));
        let begun = Instant::now();
        let ran = sandbox.run_command(&command, |_| {}, &never).await.unwrap();
        shell.push(begun.elapsed());
        assert!(ran.exit == CommandExit::Code(0) && ran.output.contains(" bytes left out"));
    }
    let speed = |times: &mut Vec<Duration>| STREAMED as f64 / 1e6 / median(times).as_secs_f64();
    println!(
        "10 MB of output: {:.0} MB/s from python, {:.0} MB/s from the shell, {:.0} MB/s by docker exec; target 50",
        speed(&mut python),
        speed(&mut shell),
        speed(&mut theirs)
    );
}

/// The first call of a program that has just been started, as `app::parts` does it: container and model begin at once.
async fn first(rounds: usize) {
    let vocabulary = Arc::new(tempfile::tempdir().unwrap());
    let words = Arc::new(Vocabulary::load(vocabulary.path()).unwrap());
    let (mut waited, mut whole, mut loads, mut theirs) =
        <(Vec<_>, Vec<_>, Vec<_>, Vec<_>)>::default();
    for _ in 0..rounds {
        let root = repository();
        let begun = Instant::now();
        let mount = format!("{}:/workspace:ro", root.path().display());
        let image = config(root.path(), ViewChoice::Auto).image;
        let run = ["run", "--rm", "--network=none", "--volume", &mount];
        let said = docker(&[&run[..], &["--user=65534", &image, "python3", "-c", CODE]].concat());
        theirs.push(begun.elapsed());
        assert_eq!(said, SAID);

        let begun = Instant::now();
        let started = tokio::spawn(start(root.path().to_owned()));
        load(options(vocabulary.path()), Arc::clone(&words), |_| {})
            .await
            .unwrap();
        loads.push(begun.elapsed());
        // The model is there, and its first message is a call.
        let called = Instant::now();
        let bench = started.await.unwrap();
        cell(&bench).await;
        waited.push(called.elapsed());
        bench.stop().await;

        give_away(root.path());
        let begun = Instant::now();
        let bench = start(root.path().to_owned()).await;
        cell(&bench).await;
        whole.push(begun.elapsed());
        bench.stop().await;
    }
    let theirs = median(&mut theirs);
    let (waited, whole) = (median(&mut waited), median(&mut whole));
    println!(
        "first call: {:.2} of docker run --rm ({:.0} ms, {:.0} ms), the demo model loads in {:.0} ms; target 1.0",
        ratio(waited, theirs),
        ms(waited),
        ms(theirs),
        ms(median(&mut loads))
    );
    println!(
        "first call without a model to wait for, view and clean-up of leftovers with it: {:.2} ({:.0} ms)",
        ratio(whole, theirs),
        ms(whole)
    );
}

async fn start(root: std::path::PathBuf) -> Workbench {
    let workspace = Arc::new(Workspace::open(&root).unwrap());
    let config = config(workspace.root(), ViewChoice::Auto);
    Workbench::start(config, workspace, Vec::new())
        .await
        .unwrap()
}

fn options(data: &Path) -> LoadOptions {
    let places = ModelPlaces {
        models_dir: data.join("models"),
        hub_cache: None,
        lm_studio: Vec::new(),
        current_dir: data.to_owned(),
        home_dir: None,
        servers: Default::default(),
    };
    LoadOptions::new("demo", places, data.join("demo"))
}

async fn cell(bench: &Workbench) {
    let ran = Interpreter::run(bench, CODE, Box::new(|_| {}), &CancellationToken::new()).await;
    assert_eq!(ran.unwrap().output, SAID);
}

fn docker(arguments: &[&str]) -> String {
    let mut docker = Command::new("docker");
    let ran = docker
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let problem = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{arguments:?}: {problem}");
    String::from_utf8(ran.stdout).unwrap()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn ratio(ours: Duration, theirs: Duration) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64()
}
