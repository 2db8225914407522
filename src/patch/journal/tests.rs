#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod crash;
mod limits;
mod merge;

use super::*;
use crate::patch::{self, ApplyError, ChangeKind, Decisions, Plan, Prospect};
use std::collections::BTreeMap;
use std::fs;

type Tree = BTreeMap<String, Vec<u8>>;

struct Place {
    _home: tempfile::TempDir,
    root: PathBuf,
    state: PathBuf,
    workspace: Workspace,
}

fn place(files: &[(&str, &str)]) -> Place {
    // In memory where there is such a place: hundreds of synced writes take long on a disk.
    let memory = Path::new("/dev/shm");
    let home = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    let home = home.unwrap();
    let root = home.path().join("work");
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let workspace = Workspace::open(&root).unwrap();
    Place {
        state: home.path().join("state"),
        root,
        _home: home,
        workspace,
    }
}

/// Every file and folder with its bytes and mode.
fn tree(root: &Path) -> Tree {
    fn walk(root: &Path, folder: &Path, found: &mut Tree) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                found.insert(format!("{name}/"), Vec::new());
                walk(root, &path, found);
            } else {
                let mut bytes = fs::read(&path).unwrap();
                #[cfg(unix)]
                {
                    use std::os::unix::fs::PermissionsExt as _;
                    bytes.extend(
                        format!("|{:o}", path.metadata().unwrap().permissions().mode()).bytes(),
                    );
                }
                found.insert(name, bytes);
            }
        }
    }
    let mut found = Tree::new();
    walk(root, root, &mut found);
    found
}

fn planned(place: &Place, text: &str) -> Plan {
    patch::plan(&place.workspace, &patch::parse(text).unwrap()).unwrap()
}

fn apply_all(
    place: &Place,
    journal: &mut Journal,
    text: &str,
) -> Result<super::super::Applied, ApplyError> {
    let plan = planned(place, text);
    patch::apply(
        &place.workspace,
        &plan,
        &Decisions::accept_all(&plan),
        journal,
    )
}

fn files_of(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

const FILES: &[(&str, &str)] = &[
    ("keep.txt", "k\n"),
    ("change.txt", "a\nb\n"),
    ("old/gone.txt", "g\n"),
    ("from.txt", "m\n"),
];
/// Adds (two folders deep), updates, deletes and moves.
const EVERYTHING: &str = "*** Begin Patch
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

fn update(file: &str, from: &str, to: &str) -> String {
    format!("*** Begin Patch\n*** Update File: {file}\n@@\n-{from}\n+{to}\n*** End Patch\n")
}

#[test]
fn apply_undo_redo_bring_back_every_byte_and_mode() {
    let place = place(FILES);
    let before = tree(&place.root);
    let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
    let applied = apply_all(&place, &mut journal, EVERYTHING).unwrap();
    let after = tree(&place.root);
    assert_eq!(applied.checkpoint, 1);
    let kinds: Vec<ChangeKind> = applied.changes.iter().map(|change| change.kind).collect();
    assert_eq!(
        kinds,
        [
            ChangeKind::Update,
            ChangeKind::Add,
            ChangeKind::Delete,
            ChangeKind::Move
        ]
    );
    assert!(after.contains_key("moved/to.txt") && !after.contains_key("from.txt"));

    // From here on as another process would see it.
    let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
    let undone = journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
    assert_eq!(tree(&place.root), before);
    let kinds: Vec<ChangeKind> = undone.changes.iter().map(|change| change.kind).collect();
    assert_eq!(
        kinds,
        [
            ChangeKind::Update,
            ChangeKind::Delete,
            ChangeKind::Add,
            ChangeKind::Move
        ]
    );
    assert!(matches!(
        journal.undo(&place.workspace, OnChanged::Refuse),
        Err(UndoError::Nothing("undo"))
    ));
    assert_eq!(
        journal
            .redo(&place.workspace, OnChanged::Refuse)
            .unwrap()
            .changes,
        applied.changes
    );
    assert_eq!(tree(&place.root), after);
    assert!(matches!(
        journal.redo(&place.workspace, OnChanged::Refuse),
        Err(UndoError::Nothing("redo"))
    ));
}

#[test]
fn a_new_patch_drops_what_could_be_redone() {
    let place = place(&[("a", "1\n")]);
    let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
    for (from, to) in [("1", "2"), ("2", "3"), ("3", "4")] {
        apply_all(&place, &mut journal, &update("a", from, to)).unwrap();
    }
    journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
    journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
    let marks: Vec<(u64, bool)> = journal
        .list()
        .unwrap()
        .iter()
        .map(|point| (point.number, point.undone))
        .collect();
    assert_eq!(marks, [(1, false), (2, true), (3, true)]);
    assert_eq!(journal.latest(), 1);
    apply_all(&place, &mut journal, &update("a", "2", "9")).unwrap();
    let marks: Vec<(u64, bool)> = journal
        .list()
        .unwrap()
        .iter()
        .map(|point| (point.number, point.undone))
        .collect();
    assert_eq!(marks, [(1, false), (4, false)]);
    assert!(matches!(
        journal.redo(&place.workspace, OnChanged::Refuse),
        Err(UndoError::Nothing("redo"))
    ));
    journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
    journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
    assert_eq!(fs::read(place.root.join("a")).unwrap(), b"1\n");
}

#[test]
fn what_the_user_changed_is_neither_overwritten_nor_undone() {
    let place = place(FILES);
    let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
    let plan = planned(&place, EVERYTHING);
    for name in ["change.txt", "old/gone.txt", "from.txt"] {
        let old = fs::read(place.root.join(name)).unwrap();
        fs::write(place.root.join(name), "by the user\n").unwrap();
        let before = tree(&place.root);
        let error = patch::apply(
            &place.workspace,
            &plan,
            &Decisions::accept_all(&plan),
            &mut journal,
        )
        .unwrap_err();
        assert!(
            matches!(&error, ApplyError::Changed { path } if path.as_str() == name),
            "{error}"
        );
        assert_eq!(tree(&place.root), before);
        fs::write(place.root.join(name), old).unwrap();
    }
    fs::create_dir_all(place.root.join("moved")).unwrap();
    fs::write(place.root.join("moved/to.txt"), "in the way").unwrap();
    assert!(
        patch::apply(
            &place.workspace,
            &plan,
            &Decisions::accept_all(&plan),
            &mut journal
        )
        .is_err()
    );
    fs::remove_dir_all(place.root.join("moved")).unwrap();

    patch::apply(
        &place.workspace,
        &plan,
        &Decisions::accept_all(&plan),
        &mut journal,
    )
    .unwrap();
    for name in ["change.txt", "new/deep/run.sh", "moved/to.txt"] {
        let old = fs::read(place.root.join(name)).unwrap();
        fs::write(place.root.join(name), "by the user\n").unwrap();
        let before = tree(&place.root);
        let error = journal
            .undo(&place.workspace, OnChanged::Refuse)
            .unwrap_err();
        assert!(
            matches!(&error, UndoError::Changed { checkpoint: 1, files, .. }
                if files.len() == 1 && files[0].path.as_str() == name),
            "{error}"
        );
        assert_eq!(tree(&place.root), before);
        fs::write(place.root.join(name), old).unwrap();
    }
    journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
}

#[test]
fn folders_that_are_in_use_stay_after_undo() {
    let place = place(&[("a", "1\n")]);
    let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
    apply_all(
        &place,
        &mut journal,
        "*** Begin Patch\n*** Add File: x/y/z\n+z\n*** End Patch\n",
    )
    .unwrap();
    fs::write(place.root.join("x/mine"), "m").unwrap();
    journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
    assert!(!place.root.join("x/y").exists());
    assert!(place.root.join("x/mine").exists());
}

/// Runs `act` with a crash before every step there is, and afterwards a start as after a reboot.
fn crash_everywhere(
    act: impl Fn(&Place, &mut Journal) -> bool,
    prepare: impl Fn(&Place, &mut Journal),
) {
    let (mut old, mut new, mut step) = (0, 0, 0);
    loop {
        let place = place(FILES);
        let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
        prepare(&place, &mut journal);
        let before = tree(&place.root);
        let steps_before = journal.list().unwrap();
        journal.faults = run::Faults {
            crash_before: Some(step),
            ..run::Faults::default()
        };
        let done = act(&place, &mut journal);
        drop(journal);
        let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
        let after = tree(&place.root);
        if after == before {
            old += 1;
            assert_eq!(journal.list().unwrap(), steps_before, "step {step}");
            // The journal works on: the same again, now without a crash.
            assert!(act(&place, &mut journal));
        } else {
            new += 1;
            assert_eq!(
                journal.recovered().map(|recovered| recovered.completed),
                (!done).then_some(true)
            );
            assert_ne!(journal.list().unwrap(), steps_before, "step {step}");
        }
        let full = tree(&place.root);
        assert!(
            !full.keys().any(|name| name.contains(".descant-")),
            "step {step}: {full:?}"
        );
        assert_ne!(full, before);
        if done {
            break;
        }
        step += 1;
    }
    assert!(old >= 8 && new >= 2, "{old} old, {new} new");
}

#[test]
fn a_crash_at_any_step_of_an_apply_leaves_old_or_new() {
    crash_everywhere(
        |place, journal| apply_all(place, journal, EVERYTHING).is_ok(),
        |_, _| {},
    );
}

#[test]
fn a_crash_at_any_step_of_an_undo_leaves_old_or_new() {
    crash_everywhere(
        |place, journal| journal.undo(&place.workspace, OnChanged::Refuse).is_ok(),
        |place, journal| {
            apply_all(place, journal, EVERYTHING).unwrap();
        },
    );
}

#[test]
fn a_failure_at_any_step_leaves_the_old_tree_and_says_why() {
    let mut step = 0;
    loop {
        let place = place(FILES);
        let before = tree(&place.root);
        let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
        journal.faults = run::Faults {
            fail_before: Some(step),
            ..run::Faults::default()
        };
        match apply_all(&place, &mut journal, EVERYTHING) {
            Ok(_) => break,
            Err(error) => {
                assert!(error.to_string().contains("a test"), "{error}");
                assert_eq!(tree(&place.root), before, "step {step}");
                assert!(journal.list().unwrap().is_empty());
                apply_all(&place, &mut journal, EVERYTHING).unwrap();
                journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
                assert_eq!(tree(&place.root), before);
            }
        }
        step += 1;
    }
    assert!(step >= 10, "{step} steps");
}

#[test]
fn a_failure_at_any_step_of_an_undo_leaves_the_patch_applied() {
    let mut step = 0;
    loop {
        let place = place(FILES);
        let original = tree(&place.root);
        let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
        apply_all(&place, &mut journal, EVERYTHING).unwrap();
        let applied = tree(&place.root);
        journal.faults = run::Faults {
            fail_before: Some(step),
            ..run::Faults::default()
        };
        let result = journal.undo(&place.workspace, OnChanged::Refuse);
        if result.is_ok() {
            break;
        }
        assert_eq!(tree(&place.root), applied, "step {step}");
        journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
        assert_eq!(tree(&place.root), original, "step {step}");
        step += 1;
    }
    assert!(step >= 8, "{step} steps");
}

#[test]
fn recovery_leaves_alone_what_the_user_edited_after_the_crash() {
    let place = place(FILES);
    let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
    // Late enough that files were replaced.
    journal.faults = run::Faults {
        crash_before: Some(9),
        ..run::Faults::default()
    };
    assert!(apply_all(&place, &mut journal, EVERYTHING).is_err());
    fs::write(place.root.join("change.txt"), "by the user\n").unwrap();
    let journal = Journal::open(&place.state, &place.workspace).unwrap();
    let recovered = journal.recovered().unwrap();
    assert_eq!(
        recovered
            .untouched
            .iter()
            .map(WorkspacePath::as_str)
            .collect::<Vec<_>>(),
        ["change.txt"]
    );
    assert_eq!(
        fs::read(place.root.join("change.txt")).unwrap(),
        b"by the user\n"
    );
    assert!(place.root.join("from.txt").exists() && !place.root.join("moved").exists());
}

/// The moment inside one step when a new file has both its names.
#[test]
fn recovery_from_a_crash_between_a_file_s_two_names() {
    let place = place(FILES);
    let before = tree(&place.root);
    let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
    let mut step = 0;
    let temporary = loop {
        journal.faults = run::Faults {
            crash_before: Some(step),
            ..run::Faults::default()
        };
        assert!(
            apply_all(&place, &mut journal, EVERYTHING).is_err(),
            "no step has the file staged"
        );
        let deep = place.root.join("new/deep");
        let staged = fs::read_dir(&deep)
            .into_iter()
            .flatten()
            .next()
            .map(|entry| entry.unwrap().path());
        if let Some(staged) = staged {
            break staged;
        }
        step += 1;
        journal = Journal::open(&place.state, &place.workspace).unwrap();
    };
    fs::hard_link(&temporary, place.root.join("new/deep/run.sh")).unwrap();
    let journal = Journal::open(&place.state, &place.workspace).unwrap();
    assert_eq!(
        journal
            .recovered()
            .map(|recovered| recovered.untouched.len()),
        Some(0)
    );
    assert_eq!(tree(&place.root), before);
}

#[test]
fn a_cut_last_line_costs_nothing_before_it() {
    let place = place(&[("a", "1\n")]);
    let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
    apply_all(&place, &mut journal, &update("a", "1", "2")).unwrap();
    let log = journal.folder.join("journal.jsonl");
    let whole = fs::read(&log).unwrap();
    apply_all(&place, &mut journal, &update("a", "2", "3")).unwrap();
    let both = fs::read(&log).unwrap();
    let packs = files_of(&journal.folder.join("images"));
    for cut in whole.len()..both.len() {
        fs::write(place.root.join("a"), "3\n").unwrap();
        for (path, bytes) in &packs {
            fs::write(path, bytes).unwrap();
        }
        fs::write(&log, &both[..cut]).unwrap();
        let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
        let list = journal.list().unwrap();
        assert_eq!(list[0].number, 1, "cut at {cut}");
        if list.len() == 2 {
            journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
        } else {
            // Without its record the second patch is the user's own change.
            fs::write(place.root.join("a"), "2\n").unwrap();
        }
        journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
        assert_eq!(
            fs::read(place.root.join("a")).unwrap(),
            b"1\n",
            "cut at {cut}"
        );
    }
}

#[test]
fn two_processes_take_turns() {
    let place = place(&[("a", "0\n"), ("b", "0\n")]);
    Journal::open(&place.state, &place.workspace).unwrap();
    std::thread::scope(|scope| {
        for name in ["a", "b"] {
            let place = &place;
            scope.spawn(move || {
                let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
                for turn in 0..5 {
                    apply_all(
                        place,
                        &mut journal,
                        &update(name, &turn.to_string(), &(turn + 1).to_string()),
                    )
                    .unwrap();
                }
            });
        }
    });
    let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
    let numbers: Vec<u64> = journal
        .list()
        .unwrap()
        .iter()
        .map(|point| point.number)
        .collect();
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
    for _ in 0..10 {
        journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
    }
    assert_eq!(fs::read(place.root.join("a")).unwrap(), b"0\n");
    assert_eq!(fs::read(place.root.join("b")).unwrap(), b"0\n");
}

#[test]
#[cfg(unix)]
fn everything_in_the_journal_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = place(FILES);
    let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
    apply_all(&place, &mut journal, EVERYTHING).unwrap();
    journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
    fn walk(path: &Path, count: &mut usize) {
        let found = path.symlink_metadata().unwrap();
        let wanted = if found.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(
            found.permissions().mode() & 0o777,
            wanted,
            "{}",
            path.display()
        );
        *count += 1;
        if found.is_dir() {
            fs::read_dir(path)
                .unwrap()
                .for_each(|entry| walk(&entry.unwrap().path(), count));
        }
    }
    let mut count = 0;
    walk(&place.state, &mut count);
    // The folders down to `images`, the pack, the log, the lock and the root's name.
    assert_eq!(count, 8);
}

#[test]
#[cfg(unix)]
fn a_linked_journal_folder_is_refused() {
    let place = place(FILES);
    let folder = Journal::open(&place.state, &place.workspace)
        .unwrap()
        .folder;
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir(place.state.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(place.state.join("elsewhere"), &folder).unwrap();
    assert!(matches!(
        Journal::open(&place.state, &place.workspace),
        Err(JournalError::Foreign { .. })
    ));
}
