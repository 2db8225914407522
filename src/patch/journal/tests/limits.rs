//! What is dropped, what stays, and what is left on the disk.

use super::*;
use std::time::SystemTime;

const NONE: Limits = Limits {
    max_bytes: None,
    max_age: None,
};

fn numbers(journal: &Journal) -> Vec<u64> {
    let list = journal.list().unwrap();
    list.iter().map(|point| point.number).collect()
}

fn on_disk(folder: &Path) -> u64 {
    files_of(folder)
        .iter()
        .map(|(_, bytes)| bytes.len() as u64)
        .sum()
}

/// `count` checkpoints on a file of about 1,000 bytes.
fn filled(limits: Limits, count: usize) -> (Place, Journal) {
    let body = "x".repeat(1_000);
    let place = place(&[("a", &format!("0\n{body}\n"))]);
    let mut journal = Journal::open_with(&place.state, &place.workspace, limits).unwrap();
    for turn in 0..count {
        let patch = update("a", &turn.to_string(), &(turn + 1).to_string());
        apply_all(&place, &mut journal, &patch).unwrap();
    }
    (place, journal)
}

#[test]
fn the_oldest_go_beyond_the_size_and_their_room_is_free() {
    let limits = Limits {
        max_bytes: Some(7_000),
        max_age: None,
    };
    let (place, mut journal) = filled(limits, 8);
    assert_eq!(numbers(&journal), [6, 7, 8]);
    let images = on_disk(&journal.folder.join("images"));
    assert!((6_000..7_000).contains(&images), "{images}");
    let usage = journal.usage().unwrap();
    let list = journal.list().unwrap();
    assert_eq!(list.iter().map(|point| point.bytes).sum::<u64>(), images);
    let log = journal.folder.join("journal.jsonl");
    assert_eq!(usage.bytes, images + log.metadata().unwrap().len());
    for _ in 0..3 {
        journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
    }
    assert!(matches!(
        journal.undo(&place.workspace, OnChanged::Refuse),
        Err(UndoError::Nothing("undo"))
    ));
    for _ in 0..3 {
        journal.redo(&place.workspace, OnChanged::Refuse).unwrap();
    }
    // The number of a dropped checkpoint is not given again.
    apply_all(&place, &mut journal, &update("a", "8", "9")).unwrap();
    assert_eq!(numbers(&journal), [7, 8, 9]);
}

#[test]
fn the_newest_stays_however_large_or_old() {
    let least = Limits {
        max_bytes: Some(1),
        max_age: Some(Duration::ZERO),
    };
    let (place, journal) = filled(least, 3);
    assert_eq!(numbers(&journal), [3]);
    drop(journal);
    let mut journal = Journal::open_with(&place.state, &place.workspace, least).unwrap();
    journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
    let journal = Journal::open_with(&place.state, &place.workspace, least).unwrap();
    assert_eq!(numbers(&journal), [3]);
}

#[test]
fn what_can_be_redone_goes_after_what_can_be_undone_and_newest_first() {
    let (place, mut journal) = filled(NONE, 5);
    for _ in 0..3 {
        journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
    }
    for (room, left) in [(10_000, &[2, 3, 4, 5][..]), (6_100, &[2, 3, 4]), (1, &[2])] {
        let limits = Limits {
            max_bytes: Some(room),
            max_age: None,
        };
        let journal = Journal::open_with(&place.state, &place.workspace, limits).unwrap();
        assert_eq!(numbers(&journal), left, "{room}");
    }
}

#[test]
fn old_ones_go_at_the_start() {
    let (place, journal) = filled(NONE, 4);
    let log = journal.folder.join("journal.jsonl");
    let now = SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let mut text = String::new();
    for line in fs::read_to_string(&log).unwrap().lines() {
        let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
        if let (Some(number), true) = (record["number"].as_u64(), record["time"].is_u64()) {
            record["time"] = (now - (5 - number) * 86_400).into();
        }
        text.push_str(&format!("{record}\n"));
    }
    fs::write(&log, text).unwrap();
    let limits = Limits {
        max_bytes: None,
        max_age: Some(Duration::from_secs(86_400 * 5 / 2)),
    };
    let journal = Journal::open_with(&place.state, &place.workspace, limits).unwrap();
    assert_eq!(numbers(&journal), [3, 4]);
    assert_eq!(files_of(&journal.folder.join("images")).len(), 2);
    let journal = Journal::open_with(&place.state, &place.workspace, NONE).unwrap();
    assert_eq!(numbers(&journal), [3, 4], "dropped for good");
}

#[test]
fn a_long_log_is_written_anew_and_says_the_same() {
    let (place, mut journal) = filled(NONE, 3);
    let original = tree(&place.root);
    for _ in 0..60 {
        journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
        journal.redo(&place.workspace, OnChanged::Refuse).unwrap();
    }
    journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
    let (list, log) = (
        journal.list().unwrap(),
        journal.folder.join("journal.jsonl"),
    );
    let long = log.metadata().unwrap().len();
    let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
    assert_eq!(journal.list().unwrap(), list);
    let lines = fs::read_to_string(&log).unwrap().lines().count();
    assert_eq!(lines, 4);
    assert!(log.metadata().unwrap().len() < long / 10);
    assert_eq!(
        files_of(&journal.folder).len(),
        3,
        "the log, the lock, the name"
    );
    journal.redo(&place.workspace, OnChanged::Refuse).unwrap();
    assert_eq!(tree(&place.root), original);
    apply_all(&place, &mut journal, &update("a", "3", "4")).unwrap();
    assert_eq!(numbers(&journal), [1, 2, 3, 4]);
}

#[test]
fn other_workspaces_journals_are_left_alone() {
    let (one, journal) = filled(NONE, 3);
    let folder = journal.folder.clone();
    let other_root = one.root.with_file_name("other");
    fs::create_dir(&other_root).unwrap();
    fs::write(other_root.join("a"), "0\n").unwrap();
    let other = Workspace::open(&other_root).unwrap();
    let before = files_of(&folder.join("images"));
    let least = Limits {
        max_bytes: Some(1),
        max_age: Some(Duration::ZERO),
    };
    Journal::open_with(&one.state, &other, least).unwrap();
    assert_eq!(files_of(&folder.join("images")), before);
    assert_eq!(numbers(&journal), [1, 2, 3]);
}

/// A journal as earlier versions wrote it: loose objects under a ref for each checkpoint.
#[test]
fn a_journal_of_earlier_versions_is_read_and_dropped() {
    let place = place(&[("a", "2\n")]);
    let journal = Journal::open(&place.state, &place.workspace).unwrap();
    let images = journal.folder.join("images.git");
    let repository = git2::Repository::init_bare(&images).unwrap();
    let by = git2::Signature::now("Descant", "descant@localhost").unwrap();
    let mut log = String::new();
    for number in 1..=2u64 {
        let mut tree = repository.treebuilder(None).unwrap();
        let [before, after] = [number - 1, number].map(|content| {
            let id = repository.blob(format!("{content}\n").as_bytes()).unwrap();
            tree.insert(format!("{content:06}"), id, 0o100_644).unwrap();
            id
        });
        let tree = repository.find_tree(tree.write().unwrap()).unwrap();
        let reference = format!("refs/descant/{number}");
        repository
            .commit(Some(&reference), &by, &by, "checkpoint", &tree, &[])
            .unwrap();
        log.push_str(&format!(
            r#"{{"record":"begin","number":{number},"operation":"apply","time":1,"title":"Update a","changes":[{{"kind":"update","path":"a","target":null}}],"files":[{{"path":"a","before":{{"blob":"{before}","mode":420,"new":false}},"after":{{"blob":"{after}","mode":420,"new":false}}}}],"folders":[],"token":"{number}-0"}}
{{"record":"commit","number":{number}}}
"#
        ));
    }
    fs::write(journal.folder.join("journal.jsonl"), log).unwrap();
    let mut journal = Journal::open_with(&place.state, &place.workspace, NONE).unwrap();
    assert!(journal.list().unwrap().iter().all(|point| point.bytes > 0));
    journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
    journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
    assert_eq!(fs::read(place.root.join("a")).unwrap(), b"0\n");
    journal.redo(&place.workspace, OnChanged::Refuse).unwrap();
    journal.redo(&place.workspace, OnChanged::Refuse).unwrap();
    let loose = |content: &str| {
        let id = git2::Oid::hash_object(git2::ObjectType::Blob, content.as_bytes()).unwrap();
        repository.odb().unwrap().exists(id)
    };
    assert!(loose("0\n") && loose("1\n") && loose("2\n"));

    // Too old: the first goes, the second is the newest.
    let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
    assert_eq!(numbers(&journal), [2]);
    assert!(!loose("0\n") && loose("1\n") && loose("2\n"));
    journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
    journal.redo(&place.workspace, OnChanged::Refuse).unwrap();
    apply_all(&place, &mut journal, &update("a", "2", "3")).unwrap();
    assert_eq!(numbers(&journal), [3]);
    assert!(!images.exists());
}
