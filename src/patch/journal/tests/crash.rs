//! Row S3 of the safety table in one process: a patch of 200 files dies before every single step.

use super::*;

/// 60 updates, 50 adds in new folders, 45 deletes, 45 moves with a change.
fn files() -> Vec<(String, String)> {
    let body = |n: usize| format!("first {n}\nsecond\nthird\n");
    (0..150)
        .map(|n| (format!("old{}/{n}.txt", n % 7), body(n)))
        .collect()
}

fn patch() -> String {
    let mut text = String::from("*** Begin Patch\n");
    for n in 0..200 {
        let path = format!("old{}/{n}.txt", n % 7);
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
    text + "*** End Patch\n"
}

fn transitions(original: &Tree, patched: &Tree) -> Vec<Transition> {
    let state = |tree: &Tree, path: &str| {
        let found = tree.get(path)?;
        let bar = found.iter().rposition(|byte| *byte == b'|').unwrap();
        Some(State {
            bytes: found[..bar].to_vec(),
            mode: Mode::Exact(0o644),
        })
    };
    let paths: std::collections::BTreeSet<&String> =
        original.keys().chain(patched.keys()).collect();
    paths
        .into_iter()
        .filter(|path| !path.ends_with('/') && original.get(*path) != patched.get(*path))
        .map(|path| Transition {
            path: WorkspacePath::parse(path).unwrap(),
            before: state(original, path),
            after: state(patched, path),
        })
        .collect()
}

fn crash_at_every_step(undo: bool) {
    let files = files();
    let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (&**a, &**b)).collect();
    let (mut old, mut new, mut step) = (0, 0, 0);
    let place = place(&files);
    let original = tree(&place.root);
    let open = || Journal::open(&place.state, &place.workspace).unwrap();
    apply_all(&place, &mut open(), &patch()).unwrap();
    let patched = tree(&place.root);
    assert!(patched.len() > 170 && original != patched);
    open().undo(&place.workspace, OnChanged::Refuse).unwrap();
    assert_eq!(tree(&place.root), original);
    // What the patch comes to, so that it is located once and not hundreds of times.
    let transitions = transitions(&original, &patched);
    assert_eq!(transitions.len(), 60 + 45 + 2 * 45 + 50);
    let apply = |journal: &mut Journal| {
        let title = "200 files".to_owned();
        journal.apply(&place.workspace, title, Vec::new(), transitions.clone())
    };
    // For each step the journal as it was at first, or the log grows with the number of steps.
    fs::remove_dir_all(&place.state).unwrap();
    let mut journal = open();
    if undo {
        apply(&mut journal).unwrap();
    }
    let folder = journal.folder.clone();
    let at_first = [files_of(&folder), files_of(&folder.join("images"))].concat();
    let before = tree(&place.root);
    assert!(before == *if undo { &patched } else { &original });
    loop {
        for (path, _) in files_of(&folder.join("images")) {
            fs::remove_file(path).unwrap();
        }
        fs::remove_file(folder.join("journal.jsonl")).unwrap_or_default();
        for (path, bytes) in &at_first {
            fs::write(path, bytes).unwrap();
        }
        let mut journal = open();
        journal.faults = run::Faults {
            crash_before: Some(step),
            ..run::Faults::default()
        };
        let act = |journal: &mut Journal| match undo {
            true => journal.undo(&place.workspace, OnChanged::Refuse).is_ok(),
            false => apply(journal).is_ok(),
        };
        let back = |journal: &mut Journal| match undo {
            true => journal.redo(&place.workspace, OnChanged::Refuse).unwrap(),
            false => journal.undo(&place.workspace, OnChanged::Refuse).unwrap(),
        };
        let done = act(&mut journal);
        drop(journal);
        let mut journal = open();
        let after = tree(&place.root);
        if after == before {
            old += 1;
            // It goes on from there. Not after each step: that is two more writes of 200 files.
            if step % 16 == 0 {
                assert!(act(&mut journal), "step {step}");
                assert!(tree(&place.root) != before);
                back(&mut journal);
            }
        } else {
            new += 1;
            assert!(
                after == original || after == patched,
                "step {step}: neither old nor new"
            );
            back(&mut journal);
        }
        if step % 16 == 0 || after != before {
            assert!(tree(&place.root) == before, "step {step}: there and back");
        }
        if done {
            break;
        }
        step += 1;
    }
    assert!(old > 300 && new > 2, "{old} old, {new} new of {step} steps");
}

#[test]
fn an_apply_of_200_files_that_dies_at_every_step() {
    crash_at_every_step(false);
}

#[test]
fn an_undo_of_200_files_that_dies_at_every_step() {
    crash_at_every_step(true);
}

/// The start after a crash dies too, at every step of its own, and the one after it settles both.
#[test]
fn a_recovery_that_dies_at_every_step_is_finished_by_the_next() {
    let (mut cut, mut step) = (0, 0);
    loop {
        let place = place(FILES);
        let before = tree(&place.root);
        let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
        // When some files have been replaced.
        journal.faults = run::Faults {
            crash_before: Some(12),
            ..run::Faults::default()
        };
        assert!(apply_all(&place, &mut journal, EVERYTHING).is_err());
        assert_ne!(tree(&place.root), before);
        journal.faults = run::Faults {
            crash_before: Some(step),
            ..run::Faults::default()
        };
        let history = journal.log.read().unwrap();
        let begin = history.in_flight.clone().unwrap();
        let done = journal.recover(&place.workspace, &history, &begin).is_ok();
        cut += usize::from(!done);
        drop(journal);
        Journal::open(&place.state, &place.workspace).unwrap();
        assert_eq!(tree(&place.root), before, "step {step}");
        if done {
            break;
        }
        step += 1;
    }
    assert!(cut >= 6, "{cut}");
}
