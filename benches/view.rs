//! The container's view of a repository of 50,000 files: how soon it is there, and what a command costs on it.
//!
//! `cargo bench --bench view`. The baseline of the same run is the same sandbox on an empty repository, whose start is
//! the container's alone; target: the view is ready in <= 1 s where the overlay works.

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

use bench::{Bench, give_away};
use descant::sandbox::ViewChoice;
use std::path::Path;
use std::time::{Duration, Instant};

const FOLDERS: usize = 500;
const FILES: usize = 100;

fn main() {
    let measured = std::env::args().any(|a| a == "--bench");
    // `cargo test --all-targets` runs benches too; few files show that it works.
    let (folders, rounds) = if measured { (FOLDERS, 3) } else { (2, 1) };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for view in [ViewChoice::Overlay, ViewChoice::Copy] {
            let (mut empty, mut full, mut first, mut idle, mut edit) = Default::default();
            let (mut none, mut all) = (repository(0), repository(folders));
            for _ in 0..rounds {
                let Some((bench, took)) = start(view, none).await else {
                    return println!("not run: no container engine");
                };
                push(&mut empty, took);
                none = bench.stop().await;
                let Some((bench, took)) = start(view, all).await else {
                    return;
                };
                push(&mut full, took);
                push(&mut first, command(&bench, "true").await);
                push(&mut idle, command(&bench, "true").await);
                push(&mut edit, command(&bench, "echo x >> d1/f1.txt").await);
                all = bench.stop().await;
            }
            let (empty, full) = (median(&mut empty), median(&mut full));
            println!(
                "{view:?}: start with {} files {:.0} ms, with none {:.0} ms: the view {:.0} ms (target 1000 for the overlay)",
                folders * FILES,
                ms(full),
                ms(empty),
                ms(full.saturating_sub(empty)),
            );
            println!(
                "{view:?}: first command {:.0} ms, the next {:.0} ms, one that changes a file {:.0} ms, all with the look for changes",
                ms(median(&mut first)),
                ms(median(&mut idle)),
                ms(median(&mut edit)),
            );
        }
    });
}

fn repository(folders: usize) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fill(root.path(), folders);
    root
}

async fn start(view: ViewChoice, root: tempfile::TempDir) -> Option<(Bench, Duration)> {
    let begun = Instant::now();
    let bench = Bench::with(view, root, &[], |_| {}).await?;
    Some((bench, begun.elapsed()))
}

fn fill(root: &Path, folders: usize) {
    std::fs::write(root.join(".gitignore"), "target/\n.env\n").unwrap();
    for folder in 0..folders {
        let folder = root.join(format!("d{folder}"));
        std::fs::create_dir(&folder).unwrap();
        for file in 0..FILES {
            std::fs::write(folder.join(format!("f{file}.txt")), "some text\n").unwrap();
        }
    }
    give_away(root);
}

async fn command(bench: &Bench, command: &str) -> Duration {
    let begun = Instant::now();
    bench.run(command).await;
    let changes = bench.changes().await;
    let took = begun.elapsed();
    descant::tools::shell::Shell::settle(&bench.bench, &changes)
        .await
        .unwrap();
    took
}

fn push(times: &mut Vec<Duration>, time: Duration) {
    times.push(time);
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
