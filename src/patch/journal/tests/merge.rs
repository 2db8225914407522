//! Undo and redo of files that changed since: what is offered, what is written, and what comes back.

use super::*;
use crate::patch::Obstacle;

const LINES: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";

fn bytes(place: &Place, name: &str) -> String {
    fs::read_to_string(place.root.join(name)).unwrap()
}

fn prospects(error: &UndoError) -> Vec<(String, Prospect)> {
    match error {
        UndoError::Changed { files, .. } => files
            .iter()
            .map(|file| (file.path.to_string(), file.prospect.clone()))
            .collect(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_clean_merge_keeps_both_and_redo_brings_back_exactly_what_was_there() {
    let place = place(&[("a", LINES), ("b", "x\n")]);
    let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
    let text = "*** Begin Patch\n*** Update File: a\n@@\n-2\n+two\n*** Update File: b\n@@\n-x\n+y\n*** End Patch\n";
    apply_all(&place, &mut journal, text).unwrap();
    let edited = "1\ntwo\n3\n4\n5\n6\n7\n8\nmine\n";
    fs::write(place.root.join("a"), edited).unwrap();

    let error = journal
        .undo(&place.workspace, OnChanged::Refuse)
        .unwrap_err();
    assert_eq!(prospects(&error), [("a".to_owned(), Prospect::Clean)]);
    assert_eq!(error.remedy(), Some(OnChanged::Merge));
    assert_eq!(
        error.to_string(),
        "a: changed since checkpoint 1 was applied; a merge would keep your changes, without conflicts\n  no file was touched\n  merge, or put the files back as they were left"
    );
    assert_eq!(
        (bytes(&place, "a").as_str(), bytes(&place, "b").as_str()),
        (edited, "y\n")
    );

    for _ in 0..2 {
        let undone = journal.undo(&place.workspace, OnChanged::Merge).unwrap();
        assert_eq!(undone.merged.len(), 1);
        assert_eq!(bytes(&place, "a"), "1\n2\n3\n4\n5\n6\n7\n8\nmine\n");
        assert_eq!(bytes(&place, "b"), "x\n");
        // As another process sees it.
        journal = Journal::open(&place.state, &place.workspace).unwrap();
        let redone = journal.redo(&place.workspace, OnChanged::Refuse).unwrap();
        assert_eq!(redone.merged, []);
        assert_eq!(
            (bytes(&place, "a").as_str(), bytes(&place, "b").as_str()),
            (edited, "y\n")
        );
        let again = journal
            .undo(&place.workspace, OnChanged::Refuse)
            .unwrap_err();
        assert_eq!(prospects(&again), [("a".to_owned(), Prospect::Clean)]);
    }
}

#[test]
fn a_redo_that_was_merged_is_undone_exactly() {
    let place = place(&[("a", LINES)]);
    let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
    apply_all(&place, &mut journal, &update("a", "2", "two")).unwrap();
    journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
    let edited = "1\n2\n3\n4\n5\n6\n7\n8\nmine\n";
    fs::write(place.root.join("a"), edited).unwrap();
    assert!(journal.redo(&place.workspace, OnChanged::Refuse).is_err());
    journal.redo(&place.workspace, OnChanged::Merge).unwrap();
    assert_eq!(bytes(&place, "a"), "1\ntwo\n3\n4\n5\n6\n7\n8\nmine\n");
    journal.undo(&place.workspace, OnChanged::Refuse).unwrap();
    assert_eq!(bytes(&place, "a"), edited);
    journal.redo(&place.workspace, OnChanged::Refuse).unwrap();
    assert_eq!(bytes(&place, "a"), "1\ntwo\n3\n4\n5\n6\n7\n8\nmine\n");
}

#[test]
fn conflicts_are_written_only_between_markers_that_were_agreed_to() {
    let place = place(&[("a", LINES)]);
    let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
    apply_all(
        &place,
        &mut journal,
        "*** Begin Patch\n*** Update File: a\n@@\n-2\n+two\n@@\n-8\n+eight\n*** End Patch\n",
    )
    .unwrap();
    fs::write(place.root.join("a"), "1\nzwei\n3\n4\n5\n6\n7\nacht\n9\n").unwrap();
    let before = tree(&place.root);
    for on_changed in [OnChanged::Refuse, OnChanged::Merge] {
        let error = journal.undo(&place.workspace, on_changed).unwrap_err();
        assert_eq!(
            prospects(&error),
            [("a".to_owned(), Prospect::Conflicts(2))]
        );
        assert_eq!(error.remedy(), Some(OnChanged::MergeWithMarkers));
        assert_eq!(tree(&place.root), before);
    }
    let undone = journal
        .undo(&place.workspace, OnChanged::MergeWithMarkers)
        .unwrap();
    assert_eq!(undone.merged[0].prospect, Prospect::Conflicts(2));
    assert_eq!(
        bytes(&place, "a"),
        "1\n<<<<<<< your version on disk\nzwei\n=======\n2\n>>>>>>> before checkpoint 1\n3\n4\n5\n6\n7\n<<<<<<< your version on disk\nacht\n=======\n8\n>>>>>>> before checkpoint 1\n9\n"
    );
    journal.redo(&place.workspace, OnChanged::Refuse).unwrap();
    assert_eq!(tree(&place.root), before);
}

#[test]
fn line_endings_and_a_missing_last_newline_survive_a_merge() {
    let place = place(&[("a", "1\r\n2\r\n3\r\n4\r\n5\r\n6")]);
    let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
    apply_all(&place, &mut journal, &update("a", "2", "two")).unwrap();
    fs::write(place.root.join("a"), "1\r\ntwo\r\n3\r\n4\r\nfive\r\n6").unwrap();
    journal.undo(&place.workspace, OnChanged::Merge).unwrap();
    assert_eq!(bytes(&place, "a"), "1\r\n2\r\n3\r\n4\r\nfive\r\n6");
}

/// What a merge cannot do is named, and then nothing at all is written.
#[test]
fn impossible_merges_are_refused_by_name() {
    type Act = fn(&Path);
    let everything = "*** Begin Patch\n*** Update File: text\n@@\n-2\n+two\n*** Update File: other\n@@\n-o\n+p\n*** Add File: added\n+a\n*** Delete File: gone\n*** Update File: from\n*** Move to: to\n@@\n-2\n+two\n*** End Patch\n";
    let cases: [(&str, Act, &str, Obstacle); 8] = [
        (
            "deleted",
            |root| fs::remove_file(root.join("text")).unwrap(),
            "text",
            Obstacle::Deleted,
        ),
        (
            "binary",
            |root| fs::write(root.join("text"), b"\0two\n").unwrap(),
            "text",
            Obstacle::Binary,
        ),
        (
            "latin",
            |root| fs::write(root.join("text"), b"\xe4\n").unwrap(),
            "text",
            Obstacle::NotUtf8,
        ),
        (
            "edited",
            |root| fs::write(root.join("added"), "mine\n").unwrap(),
            "added",
            Obstacle::Edited,
        ),
        (
            "moved away",
            |root| fs::remove_file(root.join("to")).unwrap(),
            "to",
            Obstacle::Deleted,
        ),
        (
            "source",
            |root| fs::write(root.join("from"), "mine\n").unwrap(),
            "from",
            Obstacle::Recreated,
        ),
        (
            "folder",
            |root| {
                fs::remove_file(root.join("text")).unwrap();
                fs::create_dir(root.join("text")).unwrap();
            },
            "text",
            Obstacle::NotPlain("a folder, not a file".to_owned()),
        ),
        (
            "folder at the source",
            |root| fs::create_dir(root.join("from")).unwrap(),
            "from",
            Obstacle::NotPlain("a folder, not a file".to_owned()),
        ),
    ];
    for (case, act, path, obstacle) in cases {
        let place = place(&[
            ("text", LINES),
            ("other", "o\n"),
            ("gone", "g\n"),
            ("from", LINES),
        ]);
        let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
        apply_all(&place, &mut journal, everything).unwrap();
        act(&place.root);
        // One that could be merged does not make the other go through.
        fs::write(place.root.join("other"), "p\nmine\n").unwrap();
        let before = tree(&place.root);
        for on_changed in [
            OnChanged::Refuse,
            OnChanged::Merge,
            OnChanged::MergeWithMarkers,
        ] {
            let error = journal.undo(&place.workspace, on_changed).unwrap_err();
            let found = prospects(&error);
            assert!(
                found.contains(&(path.to_owned(), Prospect::Impossible(obstacle.clone()))),
                "{case}: {found:?}"
            );
            assert_eq!(found.len(), 2, "{case}: {found:?}");
            assert_eq!(error.remedy(), None);
            assert_eq!(tree(&place.root), before, "{case}");
        }
    }
}

#[test]
fn a_deleted_file_that_is_there_again_is_merged_between_markers() {
    let place = place(&[("a", "1\n")]);
    let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
    let delete = "*** Begin Patch\n*** Delete File: a\n*** End Patch\n";
    apply_all(&place, &mut journal, delete).unwrap();
    fs::write(place.root.join("a"), "mine\n").unwrap();
    assert!(journal.undo(&place.workspace, OnChanged::Merge).is_err());
    journal
        .undo(&place.workspace, OnChanged::MergeWithMarkers)
        .unwrap();
    assert_eq!(
        bytes(&place, "a"),
        "<<<<<<< your version on disk\nmine\n=======\n1\n>>>>>>> before checkpoint 1\n"
    );
    journal.redo(&place.workspace, OnChanged::Refuse).unwrap();
    assert_eq!(bytes(&place, "a"), "mine\n");

    // The same file again is what the undo is for.
    fs::write(place.root.join("a"), "1\n").unwrap();
    journal.undo(&place.workspace, OnChanged::Merge).unwrap();
    assert_eq!(bytes(&place, "a"), "1\n");
}

#[test]
fn a_moved_file_that_was_edited_is_merged_and_moved_back() {
    let place = place(&[("from", LINES)]);
    let mut journal = Journal::open(&place.state, &place.workspace).unwrap();
    let text = "*** Begin Patch\n*** Update File: from\n*** Move to: deep/to\n@@\n-2\n+two\n*** End Patch\n";
    apply_all(&place, &mut journal, text).unwrap();
    let edited = "1\ntwo\n3\n4\n5\n6\n7\n8\nmine\n";
    fs::write(place.root.join("deep/to"), edited).unwrap();
    let moved = tree(&place.root);
    journal.undo(&place.workspace, OnChanged::Merge).unwrap();
    assert_eq!(bytes(&place, "from"), "1\n2\n3\n4\n5\n6\n7\n8\nmine\n");
    assert_eq!(tree(&place.root).len(), 1);
    journal.redo(&place.workspace, OnChanged::Refuse).unwrap();
    assert_eq!(tree(&place.root), moved);
}

#[test]
fn a_crash_at_any_step_of_a_merged_undo_leaves_old_or_new() {
    crash_everywhere(
        |place, journal| journal.undo(&place.workspace, OnChanged::Merge).is_ok(),
        |place, journal| {
            apply_all(place, journal, EVERYTHING).unwrap();
            fs::write(place.root.join("change.txt"), "b\n").unwrap_or_default();
            fs::write(place.root.join("change.txt"), "mine\na\nc\n").unwrap();
        },
    );
}
