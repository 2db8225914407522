#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use super::*;
use crate::patch::{Decisions, OnChanged, apply, parse, plan};
use std::fs;
use tempfile::TempDir;

struct Place {
    _home: TempDir,
    root: std::path::PathBuf,
    workspace: Workspace,
    journal: Journal,
    ours: BTreeSet<u64>,
}

impl Place {
    fn new(files: &[(&str, &[u8])]) -> Place {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("work");
        fs::create_dir(&root).unwrap();
        for (name, bytes) in files {
            fs::write(root.join(name), bytes).unwrap();
        }
        let workspace = Workspace::open(&root).unwrap();
        let journal = Journal::open(&home.path().join("state"), &workspace).unwrap();
        Place {
            _home: home,
            root,
            workspace,
            journal,
            ours: BTreeSet::new(),
        }
    }

    fn patch(&mut self, body: &str) -> u64 {
        let patch = parse(&format!("*** Begin Patch\n{body}\n*** End Patch")).unwrap();
        let plan = plan(&self.workspace, &patch).unwrap();
        let all = Decisions::accept_all(&plan);
        let applied = apply(&self.workspace, &plan, &all, &mut self.journal).unwrap();
        self.ours.insert(applied.checkpoint);
        applied.checkpoint
    }

    fn change(&mut self, file: &str, old: &str, new: &str) -> u64 {
        self.patch(&format!("*** Update File: {file}\n@@\n-{old}\n+{new}"))
    }

    /// `name since +added -removed`, a line a file.
    fn seen(&self) -> (Vec<String>, usize) {
        let overall = overall(&self.journal, &self.workspace, &self.ours).unwrap();
        let files = overall.files.iter().map(|file| {
            let diff = file.plan.unified_diff();
            let count = |sign: &str, not: &str| {
                let lines = diff.lines();
                lines
                    .filter(|l| l.starts_with(sign) && !l.starts_with(not))
                    .count()
            };
            format!(
                "{:?} {} {:?} +{} -{}{}",
                file.plan.kind,
                file.plan.path,
                file.since,
                count("+", "+++"),
                count("-", "---"),
                file.note.as_deref().map_or("", |_| " note")
            )
        });
        (files.collect(), overall.undone)
    }
}

#[test]
fn several_patches_of_a_file_are_one_change() {
    let mut place = Place::new(&[("a.txt", b"one\ntwo\nthree\n"), ("b.txt", b"b\n")]);
    place.change("a.txt", "one", "1");
    place.change("a.txt", "three", "3");
    place.patch("*** Add File: new.txt\n+hello");
    place.patch("*** Delete File: b.txt");
    assert_eq!(
        place.seen(),
        (
            vec![
                "Update a.txt AsWritten +2 -2".to_owned(),
                "Delete b.txt AsWritten +0 -1".to_owned(),
                "Add new.txt AsWritten +1 -0".to_owned(),
            ],
            0
        )
    );
}

#[test]
fn what_somebody_else_did_is_said() {
    let mut place = Place::new(&[
        ("a.txt", b"one\ntwo\n"),
        ("b.txt", b"x\n"),
        ("c.txt", b"c\n"),
    ]);
    place.change("a.txt", "one", "1");
    place.change("b.txt", "x", "y");
    place.change("c.txt", "c", "d");
    // Between two patches, after the last, and all the way back.
    fs::write(place.root.join("a.txt"), "1\ntwo\nmine\n").unwrap();
    place.change("a.txt", "two", "2");
    fs::write(place.root.join("b.txt"), "z\n").unwrap();
    fs::write(place.root.join("c.txt"), "c\n").unwrap();
    assert_eq!(
        place.seen().0,
        [
            "Update a.txt Edited +3 -2",
            "Update b.txt Edited +1 -1",
            "Update c.txt Back +0 -0",
        ]
    );
    fs::remove_file(place.root.join("b.txt")).unwrap();
    assert_eq!(place.seen().0[1], "Delete b.txt Edited +0 -1");
}

#[test]
fn an_undone_patch_and_a_strangers_are_not_in_it() {
    let mut place = Place::new(&[("a.txt", b"one\n"), ("b.txt", b"b\n")]);
    let strangers = place.change("b.txt", "b", "B");
    place.ours.remove(&strangers);
    place.change("a.txt", "one", "1");
    place.change("a.txt", "1", "11");
    let workspace = &place.workspace;
    place.journal.undo(workspace, OnChanged::Refuse).unwrap();
    assert_eq!(
        place.seen(),
        (vec!["Update a.txt AsWritten +1 -1".to_owned()], 1)
    );
}

#[test]
fn bytes_that_are_no_text_are_named_and_not_shown() {
    let mut place = Place::new(&[("a.txt", b"one\n")]);
    place.change("a.txt", "one", "1");
    fs::write(place.root.join("a.txt"), b"\0\x01\x02\xff\0").unwrap();
    assert_eq!(place.seen().0, ["Update a.txt Edited +0 -0 note"]);
}
