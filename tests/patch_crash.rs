//! Row S3 of the safety table with the real binary: 200 kills at random moments of a patch of 200 files. The
//! next start makes of each exactly the old or exactly the new tree. (Every single step of such a patch is
//! killed in the journal's own tests; here the moments are the kernel's.)

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const KILLS: usize = 200;

/// Numbers from a seed, the same on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Adds in new folders, updates, deletes and moves: 200 files in all.
fn write_patch(root: &Path, patch: &Path) {
    let mut text = String::from("*** Begin Patch\n");
    for n in 0..200 {
        let path = format!("old{}/{n}.txt", n % 7);
        if n < 150 {
            let path = root.join(&path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("first {n}\nsecond\nthird\n")).unwrap();
        }
        text.push_str(&match n {
            0..60 => format!("*** Update File: {path}\n@@\n-first {n}\n+changed {n}\n"),
            60..105 => format!("*** Delete File: {path}\n"),
            105..150 => format!(
                "*** Update File: {path}\n*** Move to: moved{}/{n}.txt\n@@\n-first {n}\n+moved {n}\n",
                n % 3
            ),
            _ => format!("*** Add File: new{}/deep/{n}.txt\n+{n}\n", n % 5),
        });
    }
    fs::write(patch, text + "*** End Patch\n").unwrap();
}

/// Files with their bytes, folders with none.
fn tree(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
                found.insert(path, None);
            } else {
                let bytes = fs::read(&path).unwrap();
                found.insert(path, Some(bytes));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(root, &mut found);
    found
}

struct Place {
    home: tempfile::TempDir,
}

impl Place {
    fn root(&self) -> PathBuf {
        self.home.path().join("root")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_descant"));
        command
            .arg("-C")
            .arg(self.root())
            .args(arguments)
            .env("DESCANT_HOME", self.home.path().join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

#[test]
fn two_hundred_kills_at_random_moments() {
    let memory = Path::new("/dev/shm");
    let home = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    let place = Place {
        home: home.unwrap(),
    };
    let patch = place.home.path().join("patch");
    write_patch(&place.root(), &patch);
    let apply = ["apply", "--yes", patch.to_str().unwrap()];
    let ok = |output: Output| {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    };
    let original = tree(&place.root());
    let start = Instant::now();
    ok(place.run(&apply));
    let took = start.elapsed();
    let patched = tree(&place.root());
    assert_ne!(original, patched);
    ok(place.run(&["undo"]));
    assert!(tree(&place.root()) == original);

    let mut dice = Dice(200);
    let (mut old, mut new, mut settled) = (0, 0, 0);
    for kill in 0..KILLS {
        let mut child = place.command(&apply).spawn().unwrap();
        // From before it began to after it was done.
        let micros = u64::try_from(took.as_micros()).unwrap() * 6 / 5;
        std::thread::sleep(Duration::from_micros(dice.roll(micros)));
        child.kill().unwrap();
        child.wait().unwrap();
        if kill % 2 == 0 {
            let said = ok(place.run(&["checkpoints"]));
            settled += usize::from(said.contains("broke off"));
        } else {
            // Where the patch is in already it does not fit any more; where it is not, it goes in now.
            let next = place.run(&apply);
            let said = String::from_utf8_lossy(&next.stderr);
            settled += usize::from(said.contains("broke off"));
            assert!(tree(&place.root()) == patched, "kill {kill}: {said}");
        }
        let found = tree(&place.root());
        if found == original {
            old += 1;
        } else {
            assert!(found == patched, "kill {kill}: neither old nor new");
            new += 1;
            ok(place.run(&["undo"]));
            assert!(tree(&place.root()) == original, "kill {kill}: undo");
        }
    }
    assert!(
        old > 0 && new > 0 && settled > 0,
        "{old} old, {new} new, {settled} settled"
    );
}
