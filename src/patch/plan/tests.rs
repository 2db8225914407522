#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::patch::select::{selected, splice};
use crate::patch::{Decisions, Hunk, LineKind, v4a};
use proptest::prelude::*;
use std::fs;

fn plan_of(files: &[(&str, &str)], body: &str) -> Result<Plan, PlanError> {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(home.path().join(name), text).unwrap();
    }
    let workspace = Workspace::open(home.path()).unwrap();
    plan(
        &workspace,
        &v4a::parse(&format!("*** Begin Patch\n{body}*** End Patch\n")).unwrap(),
    )
}

fn one(pre: &str, body: &str) -> Plan {
    plan_of(&[("f", pre)], &format!("*** Update File: f\n{body}")).unwrap()
}

/// The invariant: all hunks applied give the post-image.
fn check(plan: &Plan) {
    let all = Decisions::accept_all(plan);
    for (file, bytes) in plan.files.iter().zip(selected(plan, &all).unwrap()) {
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            String::from_utf8_lossy(file.post.as_deref().unwrap_or_default())
        );
        assert_eq!(splice(file, &all), bytes);
        assert_eq!(
            splice(file, &Decisions::default()),
            file.pre.clone().unwrap_or_default()
        );
    }
    assert!(
        plan.hunks()
            .enumerate()
            .all(|(at, hunk)| hunk.id == HunkId(at))
    );
}

fn post(plan: &Plan) -> String {
    String::from_utf8(plan.files[0].post.clone().unwrap()).unwrap()
}

#[test]
fn hunks_are_numbered_through_all_files() {
    let far: String = (0..30).map(|n| format!("{n}\n")).collect();
    let plan = plan_of(
        &[("a", &far), ("b", "x\n")],
        "*** Update File: a\n@@\n-2\n+two\n@@\n-25\n+x\n*** Update File: b\n@@\n-x\n+y\n",
    )
    .unwrap();
    let ranges: Vec<(usize, String)> = plan.hunks().map(|hunk| (hunk.id.0, hunk.range())).collect();
    let wanted = [(0, "@@ -1,6 +1,6"), (1, "@@ -23,7 +23,7"), (2, "@@ -1 +1")];
    assert_eq!(ranges, wanted.map(|(id, range)| (id, range.to_owned())));
    check(&plan);
}

#[test]
fn a_file_over_the_limit_is_refused_by_name() {
    let big = "x\n".repeat(6 * 1024 * 1024);
    let error = plan_of(&[("big", &big)], "*** Update File: big\n@@\n-x\n+y\n").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("big: 12582912 bytes, more than the limit of 10485760"),
        "{error}"
    );
}

#[test]
fn an_edited_hunk_brings_what_the_user_wrote() {
    let mut plan = one("1\n2\n3\n4\n5\n", "@@\n-3\n+three\n");
    let id = HunkId(0);
    assert_eq!(
        plan.files[0].hunks[0].edit_text(),
        " 1\n 2\n-3\n+three\n 4\n 5\n"
    );
    plan.edit_hunk(
        id,
        "# a comment\n@@ -1 +1 @@\n 1\n-2\n-3\n+drei\n+vier\n 4\n 5\n\n\n",
    )
    .unwrap();
    assert_eq!(post(&plan), "1\ndrei\nvier\n4\n5\n");
    check(&plan);
    let kinds: Vec<LineKind> = plan.files[0].hunks[0]
        .lines
        .iter()
        .map(|line| line.kind)
        .collect();
    use LineKind::*;
    assert_eq!(
        kinds,
        [Context, Removed, Removed, Added, Added, Context, Context]
    );
}

#[test]
fn an_edit_moves_the_hunks_below() {
    let far: String = (0..30).map(|n| format!("{n}\n")).collect();
    let mut plan = one(&far, "@@\n-2\n+two\n@@\n-25\n+x\n");
    plan.edit_hunk(HunkId(0), " 0\n 1\n+new\n+newer\n-2\n 3\n 4\n 5\n")
        .unwrap();
    assert_eq!(plan.files[0].hunks[1].range(), "@@ -23,7 +24,7");
    check(&plan);
}

#[test]
fn edits_that_do_not_fit_the_file_are_refused() {
    let mut plan = one("1\n2\n3\n", "@@\n-2\n+two\n");
    let before = plan.clone();
    for (text, wanted) in [
        (
            " 1\n-x\n+two\n 3\n",
            EditError::NotTheFile {
                line: 2,
                expected: "2".into(),
                found: "x".into(),
            },
        ),
        (
            " 1\n+two\n 3\n",
            EditError::NotTheFile {
                line: 3,
                expected: "2".into(),
                found: "3".into(),
            },
        ),
        (
            " 1\n-2\n 3\n 4\n",
            EditError::NotTheFile {
                line: 4,
                expected: "no further line".into(),
                found: "4".into(),
            },
        ),
        (
            " 1\n2\n 3\n",
            EditError::Prefix {
                line: 2,
                text: "2".into(),
            },
        ),
        (" 1\n 2\n 3\n", EditError::NoChange),
        (" 1\n-2\n+2\n 3\n", EditError::NoChange),
        (
            "",
            EditError::NotTheFile {
                line: 1,
                expected: "1".into(),
                found: "the end of the hunk".into(),
            },
        ),
    ] {
        assert_eq!(plan.edit_hunk(HunkId(0), text), Err(wanted), "{text:?}");
    }
    assert_eq!(
        plan.edit_hunk(HunkId(7), " 1\n"),
        Err(EditError::NoSuchHunk)
    );
    assert_eq!(plan, before);
}

#[test]
fn an_edit_with_other_old_lines_is_located_anew() {
    let far: String = (0..40).map(|n| format!("{n}\n")).collect();
    let text = |edits: &[(&str, &str)]| {
        let mut text = format!("\n{far}");
        for (from, to) in edits {
            text = text.replace(&format!("\n{from}\n"), &format!("\n{to}"));
        }
        text.trim_start().to_owned()
    };
    let plan = one(&far, "@@\n-5\n+five\n@@\n-25\n+x\n");
    for (id, edited, ranges, wanted) in [
        // Less of the context, more of it, another line of the hunk, a line far below or above.
        (
            0,
            " 4\n-5\n+V\n\n\n",
            ["@@ -5,2 +5,2", "@@ -23,7 +23,7"],
            text(&[("5", "V\n"), ("25", "x\n")]),
        ),
        (
            0,
            " 1\n 2\n 3\n 4\n-5\n+V\n+v\n",
            ["@@ -2,5 +2,6", "@@ -23,7 +24,7"],
            text(&[("5", "V\nv\n"), ("25", "x\n")]),
        ),
        (
            0,
            "-6\n",
            ["@@ -7 +6,0", "@@ -23,7 +22,7"],
            text(&[("6", ""), ("25", "x\n")]),
        ),
        (
            0,
            " 35\n+V\n 36\n",
            ["@@ -23,7 +23,7", "@@ -36,2 +36,3"],
            text(&[("25", "x\n"), ("35", "35\nV\n")]),
        ),
        (
            1,
            "-1\n+V\n",
            ["@@ -2 +2", "@@ -3,7 +3,7"],
            text(&[("1", "V\n"), ("5", "five\n")]),
        ),
    ] {
        let mut plan = plan.clone();
        plan.edit_hunk(HunkId(id), edited).unwrap();
        assert_eq!(post(&plan), wanted, "{edited}");
        assert_eq!(
            plan.hunks().map(Hunk::range).collect::<Vec<_>>(),
            ranges,
            "{edited}"
        );
        check(&plan);
    }
    for (edited, wanted) in [
        ("-24\n+V\n", EditError::Overlap { line: 25 }),
        (" 21\n-22\n", EditError::Overlap { line: 23 }),
    ] {
        let mut plan = plan.clone();
        assert_eq!(plan.edit_hunk(HunkId(0), edited), Err(wanted), "{edited}");
    }
    let mut plan = one("a\nb\na\nx\ny\na\n", "@@\n-y\n+Y\n");
    plan.split_hunk(HunkId(0));
    // Within the hunk's own lines or not at all where there are several.
    let error = plan.edit_hunk(HunkId(0), "-a\n+A\n").unwrap_err();
    assert_eq!(error, EditError::Ambiguous { lines: vec![3, 6] });
    assert_eq!(
        error.to_string(),
        "the unchanged and `-` lines are in the file 2 times, at lines 3, 6\n  add unchanged lines around the change"
    );
    plan.edit_hunk(HunkId(0), " x\n y\n-a\n").unwrap();
    assert_eq!(post(&plan), "a\nb\na\nx\ny\n");
    check(&plan);
}

#[test]
fn an_edit_keeps_endings_bom_and_the_missing_newline() {
    let mut plan = one("\u{feff}1\r\n2\r\n3", "@@\n-2\n+two\n");
    plan.edit_hunk(HunkId(0), "-1\n+one\n-2\n 3\n+4\n").unwrap();
    assert_eq!(post(&plan), "\u{feff}one\r\n3\r\n4");
    check(&plan);
    plan.edit_hunk(HunkId(0), "-1\n").unwrap();
    assert_eq!(post(&plan), "\u{feff}2\r\n3");
    check(&plan);
}

#[test]
fn an_edited_delete_that_keeps_lines_is_an_update() {
    let mut plan = plan_of(&[("f", "1\n2\n")], "*** Delete File: f\n").unwrap();
    plan.edit_hunk(HunkId(0), " 1\n-2\n").unwrap();
    assert_eq!(plan.files[0].kind, ChangeKind::Update);
    assert_eq!(post(&plan), "1\n");
    check(&plan);
    let mut plan = plan_of(&[], "*** Add File: f\n+1\n").unwrap();
    plan.edit_hunk(HunkId(0), "+2\n+3\n").unwrap();
    assert_eq!(post(&plan), "2\n3\n");
    assert_eq!(plan.edit_hunk(HunkId(0), ""), Err(EditError::NoChange));
}

#[test]
fn a_hunk_is_split_at_every_unchanged_run() {
    let mut plan = one(
        "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
        "@@\n-2\n+two\n@@\n+x\n 5\n@@\n-9\n+nine\n",
    );
    assert_eq!(plan.hunks().count(), 1);
    assert!(plan.split_hunk(HunkId(0)));
    let ranges: Vec<String> = plan.hunks().map(Hunk::range).collect();
    assert_eq!(ranges, ["@@ -1,3 +1,3", "@@ -4,3 +4,4", "@@ -7,3 +8,3"]);
    check(&plan);
    assert!((0..4).all(|id| !plan.split_hunk(HunkId(id))));
}

#[test]
fn a_unified_delete_has_to_show_the_file() {
    let delete = "--- a/f\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-1\n-2\n";
    let no_newline = format!("{delete}\\ No newline at end of file\n");
    for (file, diff, line) in [
        ("1\n2\n", delete, None),
        ("1\r\n2\r\n", delete, None),
        ("1\n2", no_newline.as_str(), None),
        ("1\n2", delete, Some(2)),
        ("1\n2\n", &no_newline, Some(2)),
        ("1\nx\n", delete, Some(2)),
        ("1\n2\n3\n", delete, Some(3)),
        ("1\n", delete, Some(2)),
        ("", delete, Some(1)),
        ("", "diff --git a/f b/f\ndeleted file mode 100644\n", None),
        (
            "1\n",
            "diff --git a/f b/f\ndeleted file mode 100644\n",
            Some(1),
        ),
    ] {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("f"), file).unwrap();
        let workspace = Workspace::open(home.path()).unwrap();
        let planned = plan(&workspace, &v4a::parse(diff).unwrap());
        let found = match planned {
            Ok(plan) => {
                assert_eq!(plan.files[0].kind, ChangeKind::Delete);
                None
            }
            Err(PlanError::DeletedDiffers { line, .. }) => Some(line),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(found, line, "{file:?}\n{diff}");
    }
}

#[test]
fn the_newline_at_the_end_follows_a_unified_diff() {
    let head = "--- a/f\n+++ b/f\n";
    let none = "\\ No newline at end of file\n";
    for (file, hunk, wanted) in [
        ("1\n2\n", format!("@@ -2 +2 @@\n-2\n+2\n{none}"), "1\n2"),
        (
            "1\r\n2",
            format!("@@ -1,2 +1,2 @@\n 1\r\n-2\n{none}+2\r\n"),
            "1\r\n2\r\n",
        ),
        ("1\n2", format!("@@ -1,2 +1 @@\n 1\n-2\n{none}"), "1\n"),
        (
            "2\n1\n2\n",
            format!("@@ -9 +9 @@\n-2\n+x\n{none}"),
            "2\n1\nx",
        ),
        (
            "1\n2",
            format!("@@ -1,2 +1,2 @@\n-1\n+x\n 2\n{none}"),
            "x\n2",
        ),
    ] {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("f"), file).unwrap();
        let workspace = Workspace::open(home.path()).unwrap();
        let patch = v4a::parse(&format!("{head}{hunk}")).unwrap();
        let plan = plan(&workspace, &patch).unwrap();
        assert_eq!(post(&plan), wanted, "{hunk}");
        check(&plan);
    }
}

/// How an edit goes over the old lines: keep, remove, and what to put before each.
fn strokes() -> impl Strategy<Value = Vec<(bool, Vec<String>)>> {
    prop::collection::vec(
        (any::<bool>(), prop::collection::vec("[a-c ]{0,3}", 0..3)),
        1..12,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_invariant_survives_any_split_and_edit(
        pre in prop::collection::vec(prop::sample::select(vec!["a\n", "b\n", "\n", "c\r\n"]), 1..30),
        newline in any::<bool>(),
        at in prop::collection::vec(0..30usize, 1..4),
        steps in prop::collection::vec((any::<bool>(), 0..6usize, strokes()), 1..5),
    ) {
        let mut text: String = pre.concat();
        if !newline && text.ends_with("a\n") {
            text.pop();
        }
        let mut changed: Vec<&str> = text.split_inclusive('\n').collect();
        for line in at {
            if let Some(slot) = changed.get_mut(line) {
                *slot = "new\n";
            }
        }
        let post = changed.concat();
        prop_assume!(post != text);
        let mut plan = Plan {
            files: vec![FilePlan {
                kind: ChangeKind::Update,
                path: WorkspacePath::parse("f").unwrap(),
                target: None,
                hunks: diff::hunks(text.as_bytes(), post.as_bytes()),
                pre: Some(text.into_bytes()),
                post: Some(post.into_bytes()),
                encoding: Encoding::Utf8,
                mode: 0o644,
                new_mode: None,
                stage: LocateStage::Exact,
            }],
        };
        for (split, hunk, strokes) in steps {
            let id = HunkId(hunk % plan.hunks().count());
            if split {
                plan.split_hunk(id);
            } else {
                let old: Vec<String> = plan.hunks().nth(id.0).unwrap().lines.iter()
                    .filter(|line| line.kind != LineKind::Added).map(|line| line.text.clone()).collect();
                let mut edited = String::new();
                for (at, line) in old.iter().enumerate() {
                    let (keep, before) = &strokes[at % strokes.len()];
                    before.iter().for_each(|new| edited.push_str(&format!("+{new}\n")));
                    edited.push_str(&format!("{}{line}\n", if *keep { ' ' } else { '-' }));
                }
                let before = plan.clone();
                match plan.edit_hunk(id, &edited) {
                    Ok(()) => {}
                    Err(EditError::NoChange) => prop_assert_eq!(&plan, &before),
                    Err(other) => prop_assert!(false, "{}: {:?}", other, edited),
                }
            }
            check(&plan);
        }
    }
}
