#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::patch::{ChangeKind, Encoding, HunkId, LocateStage};
use crate::workspace::WorkspacePath;
use proptest::prelude::*;

fn file(number: usize, pre: &[u8], post: &[u8]) -> FilePlan {
    FilePlan {
        kind: ChangeKind::Update,
        path: WorkspacePath::parse(&format!("f{number}")).unwrap(),
        target: None,
        pre: Some(pre.to_vec()),
        post: Some(post.to_vec()),
        encoding: Encoding::Utf8,
        mode: 0o644,
        new_mode: None,
        stage: LocateStage::Exact,
        hunks: diff::hunks(pre, post),
    }
}

/// Few different lines, so that contexts repeat and the diff has to choose; all endings; any last line.
fn image() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "",
        "a",
        "b",
        "  b",
        "}",
        "-x",
        "+y",
        " z",
        "\\ n",
        "@@ -1 +1 @@",
        "ä\u{2028}",
    ]);
    let ending = prop::sample::select(vec!["\n", "\n", "\n", "\r\n", "\r\r\n"]);
    (
        prop::collection::vec((line, ending), 0..40),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(lines, bom, newline)| {
            let mut text = String::new();
            if bom {
                text.push('\u{feff}');
            }
            for (line, ending) in &lines {
                text.push_str(line);
                text.push_str(ending);
            }
            if !newline {
                text.truncate(text.trim_end_matches(['\n', '\r']).len());
            }
            text.into_bytes()
        })
}

/// Another image, or the same with a few lines changed, which gives several hunks.
fn pair() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let edits = prop::collection::vec(
        (
            0..60usize,
            prop::sample::select(vec!["", "new\n", "a\nb\n", "}\r\n"]),
        ),
        0..6,
    );
    (image(), image(), edits, any::<bool>()).prop_map(|(pre, other, edits, unrelated)| {
        if unrelated {
            return (pre, other);
        }
        let lines: Vec<&[u8]> = pre.split_inclusive(|byte| *byte == b'\n').collect();
        let mut post = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            match edits.iter().find(|(edited, _)| *edited == at) {
                Some((_, new)) => post.extend_from_slice(new.as_bytes()),
                None => post.extend_from_slice(line),
            }
        }
        (pre.clone(), post)
    })
}

/// By a way of its own: from the last accepted hunk to the first, line by line as the hunk says.
fn by_lines(file: &FilePlan, decisions: &Decisions) -> Vec<u8> {
    let split = |bytes: &Option<Vec<u8>>| -> Vec<Vec<u8>> {
        let bytes = bytes.clone().unwrap_or_default();
        bytes
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect()
    };
    let (mut lines, new) = (split(&file.pre), split(&file.post));
    for hunk in file.hunks.iter().rev() {
        if decisions.hunks.get(&hunk.id) != Some(&Decision::Accept) {
            continue;
        }
        let mut at = if hunk.old_lines == 0 {
            hunk.old_start
        } else {
            hunk.old_start - 1
        };
        let mut from = if hunk.new_lines == 0 {
            hunk.new_start
        } else {
            hunk.new_start - 1
        };
        for line in &hunk.lines {
            match line.kind {
                crate::patch::LineKind::Context => {
                    assert_eq!(lines[at], new[from]);
                    at += 1;
                    from += 1;
                }
                crate::patch::LineKind::Removed => {
                    lines.remove(at);
                }
                crate::patch::LineKind::Added => {
                    lines.insert(at, new[from].clone());
                    at += 1;
                    from += 1;
                }
            }
        }
    }
    lines.concat()
}

fn chosen(plan: &Plan, choice: impl Fn(usize) -> bool) -> Decisions {
    let decide = |id: HunkId| {
        if choice(id.0) {
            Decision::Accept
        } else {
            Decision::Reject { note: None }
        }
    };
    Decisions {
        hunks: plan
            .hunks()
            .map(|hunk| (hunk.id, decide(hunk.id)))
            .collect(),
        files: Default::default(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_chosen_hunks_and_no_others(pairs in prop::collection::vec(pair(), 1..4), choice in any::<u64>(), splits in any::<u64>()) {
        let mut plan = Plan { files: pairs.iter().enumerate().map(|(at, (pre, post))| file(at, pre, post)).collect() };
        plan.renumber();
        let ids: Vec<HunkId> = plan.hunks().map(|hunk| hunk.id).collect();
        for id in ids.into_iter().rev() {
            if splits >> (id.0 % 64) & 1 == 1 {
                plan.split_hunk(id);
            }
        }
        let numbers: Vec<usize> = plan.hunks().map(|hunk| hunk.id.0).collect();
        prop_assert_eq!(numbers, (0..plan.hunks().count()).collect::<Vec<_>>());

        let all = selected(&plan, &Decisions::accept_all(&plan)).unwrap();
        let none = selected(&plan, &Decisions::default()).unwrap();
        let decisions = chosen(&plan, |hunk| choice >> (hunk % 64) & 1 == 1);
        let some = selected(&plan, &decisions).unwrap();
        for (at, (pre, post)) in pairs.iter().enumerate() {
            prop_assert_eq!(&none[at], pre);
            prop_assert_eq!(&all[at], post);
            prop_assert_eq!(&some[at], &by_lines(&plan.files[at], &decisions));
        }
    }
}

#[test]
fn a_move_can_be_declined_while_its_lines_are_taken() {
    let mut moved = file(0, b"a\n", b"b\n");
    moved.kind = ChangeKind::Move;
    moved.target = Some(WorkspacePath::parse("g").unwrap());
    let plan = Plan { files: vec![moved] };
    let mut decisions = Decisions::accept_all(&plan);
    assert!(decisions.accepts_file(0, &plan.files[0]));
    decisions.files.insert(0, Decision::Reject { note: None });
    assert!(!decisions.accepts_file(0, &plan.files[0]));
    decisions.files.clear();
    assert!(
        decisions.accepts_file(0, &plan.files[0]),
        "without a word on the move it follows its hunks"
    );
    decisions.hunks.clear();
    assert!(!decisions.accepts_file(0, &plan.files[0]));
}

#[test]
fn a_hunk_that_changes_nothing_is_passed_over() {
    let mut only_context = file(0, b"a\nb\n", b"a\nb\n");
    only_context.hunks = vec![crate::patch::diff::from_lines(
        HunkId(0),
        0,
        0,
        ["a", "b"]
            .map(|text| crate::patch::HunkLine {
                kind: crate::patch::LineKind::Context,
                text: text.to_owned(),
            })
            .to_vec(),
    )];
    let plan = Plan {
        files: vec![only_context],
    };
    let chosen = selected(&plan, &Decisions::accept_all(&plan)).unwrap();
    assert_eq!(chosen, [b"a\nb\n"]);
}
