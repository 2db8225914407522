//! The container's view of a repository of 50,000 files: how soon it is there, and what a command costs on it.
//!
//! The baseline is the same sandbox on an empty repository, whose start is the container's alone.

use crate::bench::{Bench, give_away};
use crate::{median, ms};
use descant::sandbox::ViewChoice;
use std::path::Path;
use std::time::{Duration, Instant};

const FOLDERS: usize = 500;
/// A copy is as fast as the disk of the engine makes files: fewer of them show its rate.
const COPIED: usize = 50;
const FILES: usize = 100;

/// `measured`: else few files show that it works.
pub async fn measure(measured: bool) {
    let rounds = if measured { 3 } else { 1 };
    for (view, folders) in [(ViewChoice::Overlay, FOLDERS), (ViewChoice::Copy, COPIED)] {
        let folders = if measured { folders } else { 2 };
        let (mut empty, mut full, mut first, mut idle, mut edit) = Default::default();
        let (mut none, mut all) = (repository(0), repository(folders));
        for _ in 0..rounds {
            let (bench, took) = start(view, none).await;
            push(&mut empty, took);
            none = bench.stop().await;
            let (bench, took) = start(view, all).await;
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
}

fn repository(folders: usize) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fill(root.path(), folders);
    root
}

async fn start(view: ViewChoice, root: tempfile::TempDir) -> (Bench, Duration) {
    let begun = Instant::now();
    let bench = Bench::with(view, root, &[], |_| {}).await.unwrap();
    (bench, begun.elapsed())
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
