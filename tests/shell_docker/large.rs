//! A repository of 50,000 files.

use crate::bench::{Bench, give_away, lines};
use descant::sandbox::ViewChoice;
use std::path::Path;

const FOLDERS: usize = 500;
const FILES: usize = 100;

/// In memory where this system has such a place: what is tested is the number, not the disk.
fn repository() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let root = match tempfile::tempdir_in(memory) {
        Ok(root) => root,
        Err(_) => tempfile::tempdir().unwrap(),
    };
    std::fs::write(root.path().join(".gitignore"), "f7.txt\n/d9/\n").unwrap();
    for folder in 0..FOLDERS {
        let folder = root.path().join(format!("d{folder}"));
        std::fs::create_dir(&folder).unwrap();
        for file in 0..FILES {
            std::fs::write(folder.join(format!("f{file}.txt")), "some text\n").unwrap();
        }
    }
    give_away(root.path());
    root
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_it_is_seen_but_what_is_hidden_and_one_change_is_one_change() {
    let started = Bench::with(ViewChoice::Overlay, repository(), &[], |_| {}).await;
    let Some(mut bench) = started else { return };
    let seen = (FOLDERS - 1) * (FILES - 1) + 1;
    let count = "find /workspace -type f | wc -l; ls d9 d3/f7.txt 2>&1 | wc -l";
    assert_eq!(bench.ok(count).await, format!("{seen}\n2\n"));
    let changes = bench
        .changed("echo more >> d499/f99.txt; rm d0/f0.txt")
        .await;
    assert_eq!(lines(&changes.plan), ["D d0/f0.txt", "M d499/f99.txt"]);
    bench.accept(changes).await;
    assert_eq!(bench.text("d499/f99.txt"), "some text\nmore\n");
    bench.edit("d250/f50.txt", "the user's\n");
    assert_eq!(bench.ok("cat d250/f50.txt").await, "the user's\n");
    bench.stop().await;
}
