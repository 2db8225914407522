#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use super::*;
use crate::patch::HunkId;
use crate::tui::keymap::Keymap;
use crate::tui::testing::{plan, script};

/// `plan()` has three hunks in `src/main.rs` (the second of two runs of changes), one in `old.txt`, and an
/// empty `new.txt`.
fn review() -> Review {
    Review::new(ReviewId(1), Box::new(plan()), Duration::ZERO, false)
}

/// Presses keys; the last outcome.
fn press(review: &mut Review, keys: &str) -> Outcome {
    let mut outcome = Outcome::Open;
    for key in script(keys) {
        outcome = review.key(&Keymap::default(), key);
    }
    outcome
}

/// `y`, `n`, `n:note` or `.` for each item.
fn marks(review: &Review) -> Vec<String> {
    review
        .items
        .iter()
        .map(|i| match &i.decision {
            None => ".".into(),
            Some(Decision::Accept) => "y".into(),
            Some(Decision::Reject { note: None }) => "n".into(),
            Some(Decision::Reject { note: Some(note) }) => format!("n:{note}"),
        })
        .collect()
}

#[test]
fn key_table() {
    // keys, marks, the item on screen
    let rows: &[(&str, &[&str], usize)] = &[
        ("y", &["y", ".", ".", ".", "."], 1),
        ("n<Enter>", &["n", ".", ".", ".", "."], 1),
        ("nwhy not<Enter>", &["n:why not", ".", ".", ".", "."], 1),
        ("nwhy<Esc>", &[".", ".", ".", ".", "."], 0),
        (
            "nab<Backspace>c<Ctrl+J><Enter>",
            &["n:ac", ".", ".", ".", "."],
            1,
        ),
        ("a", &["y", "y", "y", ".", "."], 3),
        ("ya", &["y", "y", "y", ".", "."], 3),
        ("dno<Enter>", &["n:no", "n:no", "n:no", ".", "."], 3),
        ("yn<Enter>r", &["y", ".", ".", ".", "."], 1),
        ("yn<Enter>rr", &[".", ".", ".", ".", "."], 0),
        ("ar", &[".", ".", ".", ".", "."], 0),
        ("<Right><Right>r", &[".", ".", ".", ".", "."], 1),
        ("<Right>y", &[".", "y", ".", ".", "."], 2),
        (
            "<Right><Right><Right><Right>y",
            &[".", ".", ".", ".", "y"],
            0,
        ),
        ("<Left>", &[".", ".", ".", ".", "."], 0),
        ("<Right>s", &[".", ".", ".", ".", ".", "."], 1),
        ("yys", &["y", "y", ".", ".", "."], 2),
        ("y<Right>y<Left><Left>s", &["y", ".", ".", "y", ".", "."], 1),
        ("y<Right>y<Left><Left>sr", &["y", ".", "y", ".", "."], 1),
        ("q", &[".", ".", ".", ".", "."], 0),
        ("qn", &[".", ".", ".", ".", "."], 0),
        ("x", &[".", ".", ".", ".", "."], 0),
    ];
    for (keys, expected, at) in rows {
        let mut review = review();
        let outcome = press(&mut review, keys);
        assert!(!matches!(outcome, Outcome::Done(_)), "{keys}");
        assert_eq!(
            (marks(&review), review.at),
            (expected.iter().map(|s| s.to_string()).collect(), *at),
            "{keys}"
        );
    }
}

#[test]
fn the_last_decision_closes_and_names_hunks_and_files() {
    let mut review = review();
    let Outcome::Done(decisions) = press(&mut review, "yntoo long<Enter>yy<Right>y") else {
        panic!("still open")
    };
    assert_eq!(
        decisions.hunks.into_iter().collect::<Vec<_>>(),
        [
            (HunkId(0), Decision::Accept),
            (
                HunkId(1),
                Decision::Reject {
                    note: Some("too long".into())
                }
            ),
            (HunkId(2), Decision::Accept),
            (HunkId(3), Decision::Accept),
        ]
    );
    assert_eq!(
        decisions.files.into_iter().collect::<Vec<_>>(),
        [(2, Decision::Accept)]
    );
}

#[test]
fn finishing_early_asks_and_rejects_the_rest() {
    let mut review = review();
    assert_eq!(press(&mut review, "yq"), Outcome::Open);
    let Outcome::Done(decisions) = press(&mut review, "y") else {
        panic!("still open")
    };
    let accepted = decisions
        .hunks
        .values()
        .filter(|d| **d == Decision::Accept)
        .count();
    assert_eq!(
        (accepted, decisions.hunks.len(), decisions.files.len()),
        (1, 4, 1)
    );
}

#[test]
fn accept_all_leaves_what_was_rejected() {
    let mut review = review();
    let Outcome::Done(decisions) = press(&mut review, "n<Enter>A") else {
        panic!("still open")
    };
    assert_eq!(decisions.hunks[&HunkId(0)], Decision::Reject { note: None });
    assert!((1..4).all(|n| decisions.hunks[&HunkId(n)] == Decision::Accept));
    assert_eq!(decisions.files[&2], Decision::Accept);
}

#[test]
fn after_a_split_the_ids_are_the_plans() {
    let mut review = review();
    let Outcome::Done(decisions) = press(&mut review, "ysyn<Enter>A") else {
        panic!("still open")
    };
    assert_eq!(decisions.hunks.len(), 5);
    assert_eq!(decisions.hunks[&HunkId(1)], Decision::Accept);
    assert_eq!(decisions.hunks[&HunkId(2)], Decision::Reject { note: None });
    let ids: Vec<HunkId> = review
        .plan
        .files
        .iter()
        .flat_map(|f| f.hunks.iter().map(|h| h.id))
        .collect();
    assert_eq!(ids, (0..5).map(HunkId).collect::<Vec<_>>());
}

#[test]
fn editing_hands_out_the_lines_and_takes_them_back() {
    let mut review = review();
    let Outcome::Edit(text) = press(&mut review, "e") else {
        panic!("no editor")
    };
    assert_eq!(
        text.strip_prefix(EDIT_HELP),
        Some(" fn main() {\n-    old();\n+    new();\n }\n")
    );
    review.edited(&text);
    assert_eq!(review.message.as_deref(), Some("nothing was edited"));
    review.edited(&text.replace("new()", "newer()"));
    assert!(
        review
            .hunk()
            .unwrap()
            .lines
            .iter()
            .any(|l| l.text == "    newer();")
    );
    press(&mut review, "r");
    assert!(
        review
            .hunk()
            .unwrap()
            .lines
            .iter()
            .any(|l| l.text == "    new();"),
        "r takes the edit back"
    );
    review.edited("");
    assert!(review.message.is_some(), "an edit that fails says why");
    assert!(
        review
            .hunk()
            .unwrap()
            .lines
            .iter()
            .any(|l| l.text == "    new();")
    );
}

#[test]
fn lines_scroll_and_then_move_on() {
    let mut review = review();
    review.max_scroll = 1;
    press(&mut review, "j");
    assert_eq!((review.at, review.scroll), (0, 1));
    press(&mut review, "j");
    assert_eq!((review.at, review.scroll), (1, 0));
    press(&mut review, "k");
    assert_eq!((review.at, review.scroll), (0, usize::MAX));
}

#[test]
fn a_move_is_asked_about_before_the_lines_that_change_with_it() {
    let mut plan = plan();
    plan.files.truncate(1);
    plan.files[0].kind = crate::patch::ChangeKind::Move;
    plan.files[0].target = Some("src/lib.rs".to_owned().try_into().unwrap());
    let mut review = Review::new(ReviewId(1), Box::new(plan), Duration::ZERO, false);
    let Outcome::Done(decisions) = press(&mut review, "nstays<Enter>yyn<Enter>") else {
        panic!("still open: {:?}", marks(&review))
    };
    assert_eq!(marks(&review), ["n:stays", "y", "y", "n"]);
    assert_eq!(
        decisions.files.get(&0),
        Some(&Decision::Reject {
            note: Some("stays".into())
        })
    );
    let answer = crate::patch::report::applied(&review.plan, &decisions, None);
    assert_eq!(
        answer,
        "Nothing was applied. Declined by the user:\nsrc/main.rs (move to src/lib.rs): stays\nsrc/main.rs @@ -40 +40,2"
    );
}
