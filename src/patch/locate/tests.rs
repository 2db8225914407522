#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::patch::v4a::{self, FileOperation, PatchLineKind};
use proptest::prelude::*;

fn hunks(body: &str) -> Vec<PatchHunk> {
    let patch = v4a::parse(&format!(
        "*** Begin Patch\n*** Update File: f\n{body}*** End Patch\n"
    ))
    .unwrap();
    match patch.files.into_iter().next().unwrap().operation {
        FileOperation::Update { hunks, .. } => hunks,
        FileOperation::Add { .. } | FileOperation::Delete { .. } => panic!("an update"),
    }
}

fn lines(file: &str) -> Vec<&str> {
    file.lines().collect()
}

#[test]
fn the_stage_is_the_strictest_that_matches() {
    for (file, old, stage) in [
        ("  a(\"x\")", "  a(\"x\")", LocateStage::Exact),
        ("  a(\"x\")  ", "  a(\"x\")", LocateStage::TrailingSpace),
        ("\ta(\"x\")", "a(\"x\")", LocateStage::Indentation),
        ("  a(“x”)", "a(\"x\")", LocateStage::Punctuation),
        ("a\u{a0}–\u{2009}b…", "a - b...", LocateStage::Punctuation),
    ] {
        let located = locate(&[file], &hunks(&format!("@@\n-{old}\n+new\n"))).unwrap();
        assert_eq!(located[0].stage, stage, "{file:?}");
    }
    assert!(
        locate(&["A"], &hunks("@@\n-a\n+b\n")).is_err(),
        "case is not folded"
    );
}

#[test]
fn matches_may_overlap_in_the_search() {
    let mut index = FileIndex::new(&["a", "a", "b", "a", "a", "a"]);
    assert_eq!(index.find(LineKey::Whole, &["a", "a"]), [0, 3, 4]);
    assert_eq!(index.find(LineKey::Whole, &["a", "a", "b", "a"]), [0]);
    assert!(index.find(LineKey::Whole, &["c"]).is_empty());
    assert!(index.find(LineKey::Whole, &[]).is_empty());
}

#[test]
fn overlapping_twins_are_a_doubt() {
    let file = lines("a\na\na\n");
    let body = "@@\n-a\n-a\n+x\n";
    let error = locate(&file, &hunks(&body.repeat(2))).unwrap_err();
    assert_eq!(
        error,
        LocateError::Ambiguous {
            hunk: 0,
            lines: vec![1, 2],
            header: None
        }
    );
}

/// Found by fuzzing: the first `a` that is free for the one twin's new line is removed by the hunk above.
#[test]
fn a_twin_that_changes_more_does_not_go_into_another_hunks_change() {
    let file = ["d", "b", "a ", "a ", "a ", "a ", "c"];
    let body = hunks("@@\n-a \n a\n-a \n-c\n@@\n+n\n a \n@@\n+n\n-a \n");
    let error = locate(&file, &body).unwrap_err();
    assert_eq!(
        error,
        LocateError::Ambiguous {
            hunk: 1,
            lines: vec![3, 4],
            header: None
        }
    );
}

#[test]
fn two_twins_and_three_places_are_a_doubt() {
    let file = lines("x\nm\nx\nm\nx\n");
    let error = locate(&file, &hunks(&"@@\n-x\n+y\n".repeat(2))).unwrap_err();
    assert_eq!(
        error,
        LocateError::Ambiguous {
            hunk: 0,
            lines: vec![1, 3, 5],
            header: None
        }
    );
}

/// Once it went to line 6: the search began below the first hunk's context, which the second one shares.
#[test]
fn shared_context_does_not_push_a_hunk_to_a_later_place() {
    let file = lines("a\nb\nc\nd\nx\nc\nd\n");
    let body = hunks("@@\n-a\n+A\n b\n c\n@@\n c\n-d\n+D\n");
    let error = locate(&file, &body).unwrap_err();
    assert_eq!(
        error,
        LocateError::Ambiguous {
            hunk: 1,
            lines: vec![3, 6],
            header: None
        }
    );
}

#[test]
fn the_nearest_lines_are_named() {
    let file: Vec<String> = (0..200)
        .map(|n| format!("    let value_{n} = compute({n});"))
        .collect();
    let file: Vec<&str> = file.iter().map(String::as_str).collect();
    let hunk = hunks(
        "@@\n     let value_99 = compute(99);\n-    let value_100 = compute(101);\n+    x\n     let value_101 = compute(101);\n",
    );
    let LocateError::Missing {
        nearest: Some(nearest),
        ..
    } = locate(&file, &hunk).unwrap_err()
    else {
        panic!("a nearest");
    };
    assert_eq!((nearest.first, nearest.last), (100, 102));
    assert!(nearest.ratio > 0.95 && nearest.ratio < 1.0);
    assert_eq!(
        nearest.diff,
        [
            "     let value_99 = compute(99);",
            "-    let value_100 = compute(101);",
            "+    let value_100 = compute(100);",
            "     let value_101 = compute(101);",
        ]
    );
}

#[test]
fn an_insertion_is_moved_by_its_neighbours_indentation() {
    for (file, body, wanted) in [
        // The patch has no indentation at all.
        (
            "class A:\n    def f(self):\n        pass\n",
            "@@\n def f(self):\n-pass\n+return 1\n",
            "class A:\n    def f(self):\n        return 1\n",
        ),
        // Tabs in the file, spaces in the patch; the width of one is seen from the lines.
        (
            "if a {\n\tb()\n}\n",
            "@@\n if a {\n-  b()\n+  c()\n+    d()\n }\n",
            "if a {\n\tc()\n\t\td()\n}\n",
        ),
        // Spaces in the file, tabs in the patch.
        (
            "if a {\n  b()\n}\n",
            "@@\n if a {\n-\tb()\n+\tc()\n+\t\td()\n }\n",
            "if a {\n  c()\n    d()\n}\n",
        ),
        // Nothing removed: the line above decides.
        ("  a\n  b\n", "@@\n a\n+x\n b\n", "  a\n  x\n  b\n"),
        // Empty lines stay empty.
        ("  a\n  b\n", "@@\n a\n+\n+x\n b\n", "  a\n\n  x\n  b\n"),
    ] {
        let file_lines = lines(file);
        let located = locate(&file_lines, &hunks(body)).unwrap();
        assert_eq!(
            applied(&file_lines, &located),
            wanted.lines().collect::<Vec<_>>(),
            "{body}"
        );
    }
}

#[test]
fn the_line_number_tells_equal_places_apart_and_nothing_else() {
    let file = lines("a\nx\na\nx\na\ny\n");
    let start = |body: &str| -> Result<usize, Option<usize>> {
        match locate(&file, &hunks(body)) {
            Ok(located) => Ok(located[0].matched.start + 1),
            Err(LocateError::Ambiguous { lines, .. }) => Err(Some(lines.len())),
            Err(_) => Err(None),
        }
    };
    for (body, wanted) in [
        ("@@ -3 +3 @@\n-a\n+b\n", Ok(3)),
        ("@@ -4 +4 @@\n-a\n+b\n", Err(Some(3))),
        ("@@ -1,2 +1,2 @@\n a\n-y\n+b\n", Ok(5)),
        ("@@ -2,3 +2,3 @@\n\n-a\n+b\n x\n", Ok(3)),
        ("@@ -0,0 +1 @@\n+b\n", Err(None)),
    ] {
        assert_eq!(start(body), wanted, "{body}");
    }
    let twins = hunks("@@ -5 +5 @@\n-a\n+b\n@@ -1 +1 @@\n-a\n+c\n");
    let located = locate(&file, &twins).unwrap();
    assert_eq!(applied(&file, &located), ["c", "x", "a", "x", "b", "y"]);
}

const FUNCTION: &str = "fn total(items: &[Item]) -> Price {\n    let mut sum = Price::default();\n    for item in items.iter() {\n        sum += item.price * item.count;\n    }\n    log::debug!(\"the sum is {sum}\");\n    sum.rounded(Rounding::HalfEven)\n}\n";

#[test]
fn a_hunk_that_is_nearly_right_is_placed_by_likeness() {
    let file = format!("use a;\n\n{FUNCTION}\nfn other() {{\n    unrelated();\n}}\n");
    let file = lines(&file);
    for (body, change) in [
        // A typing error above the change, and one in the removed line.
        (
            " fn totals(items: &[Item]) -> Price {\n     let mut sum = Price::default();\n     for item in items.iter() {\n-        sum += item.prices * item.count;\n+        sum += item.total();\n     }\n     log::debug!(\"the sum is {sum}\");\n",
            (5..6, vec!["        sum += item.total();"]),
        ),
        // A line that the file does not have, and what is added is moved to the file's indentation.
        (
            " fn total(items: &[Item]) -> Price {\n     // add up\n     let mut sum = Price::default();\n     for item in items.iter() {\n-      sum += item.price * item.count;\n+      sum += item.total();\n     }\n     log::debug!(\"the sum is {sum}\");\n     sum.rounded(Rounding::HalfEven)\n",
            (5..6, vec!["        sum += item.total();"]),
        ),
        // One left out.
        (
            " fn total(items: &[Item]) -> Price {\n     let mut sum = Price::default();\n     for item in items.iter() {\n-        sum += item.price * item.count;\n+        sum += item.total();\n     }\n     sum.rounded(Rounding::HalfEven)\n }\n",
            (5..6, vec!["        sum += item.total();"]),
        ),
        // Only added lines.
        (
            " fn total(items: &[Item]) -> Price {\n     let mut sum = Price::default();\n+    check(items);\n     for itm in items.iter() {\n         sum += item.price * item.count;\n",
            (4..4, vec!["    check(items);"]),
        ),
    ] {
        let located = locate(&file, &hunks(&format!("@@\n{body}"))).unwrap();
        assert_eq!(located[0].stage, LocateStage::Fuzzy, "{body}");
        let change = (change.0, change.1.into_iter().map(str::to_owned).collect());
        assert_eq!(located[0].changes, [change], "{body}");
    }
}

#[test]
fn likeness_refuses_where_a_guess_could_be_wrong() {
    let other = FUNCTION
        .replace("total", "count")
        .replace("HalfEven", "Floor");
    for (file, body) in [
        // One line, short lines, bare lines.
        (FUNCTION, "-    log::debug!(\"the sum was {sum}\");\n+x\n"),
        ("a\nb\nc\nd\n", " a\n b\n-x\n+y\n d\n"),
        ("{\n\n}\n];\n", " {\n \n-)\n+x\n ];\n"),
        // The removed line has another number, or is another line.
        (
            "    first_call();\n    second_call();\n    limit = 10;\n    third_call();\n    fourth_call();\n",
            "     first_call();\n     second_call();\n-    limit = 11;\n+    limit = 12;\n     third_call();\n     fourth_call();\n",
        ),
        // A line of the file stands where the new one would go: above or below it?
        (
            FUNCTION,
            " fn total(items: &[Item]) -> Price {\n     let mut sum = Price::default();\n     for item in items.iter() {\n         sum += item.price * item.count;\n     }\n+    check();\n     sum.rounded(Rounding::HalfEven)\n }\n",
        ),
        // Two places, and the hunk is like both.
        (
            &format!("{FUNCTION}{other}"),
            "     let mut summ = Price::default();\n     for item in items.iter() {\n         sum += item.price * item.count;\n     }\n+    x\n     log::debug!(\"the sum is {sum}\");\n",
        ),
    ] {
        let found = locate(&lines(file), &hunks(&format!("@@\n{body}")));
        assert!(
            matches!(found, Err(LocateError::Missing { .. })),
            "{body}\n{found:?}"
        );
    }
    // Of the two places, a header or the line number says which.
    let file = format!("{FUNCTION}{other}");
    for (head, at) in [
        ("@@ fn total(items: &[Item]) -> Price {", 5),
        ("@@ -10,5 +10,6 @@", 13),
    ] {
        let body = "     let mut summ = Price::default();\n     for item in items.iter() {\n         sum += item.price * item.count;\n     }\n+    x\n     log::debug!(\"the sum is {sum}\");\n";
        let located = locate(&lines(&file), &hunks(&format!("{head}\n{body}"))).unwrap();
        assert_eq!(
            located[0].changes,
            [(at..at, vec!["    x".to_owned()])],
            "{head}"
        );
    }
}

/// The sorted index, used for many hunks, finds what a pass over the file finds.
#[test]
fn many_searches_find_what_one_finds() {
    let text: String = (0..400).map(|n| format!("{}\n", n * n % 37 % 7)).collect();
    let file = lines(&text);
    let mut many = FileIndex::new(&file);
    for at in 0..390 {
        for len in [1, 3, 9] {
            let pattern = &file[at..at + len];
            let once = FileIndex::new(&file).find(LineKey::Whole, pattern);
            assert_eq!(many.find(LineKey::Whole, pattern), once);
            assert!(once.contains(&at));
            let of_many = many.occurrences(LineKey::Whole, pattern);
            assert_eq!(
                of_many,
                FileIndex::new(&file).occurrences(LineKey::Whole, pattern)
            );
        }
    }
    assert!(many.find(LineKey::Whole, &["8"]).is_empty());
}

fn applied(file: &[&str], located: &[Located]) -> Vec<String> {
    let mut changes: Vec<_> = located
        .iter()
        .flat_map(|place| place.changes.clone())
        .collect();
    changes.sort_by_key(|(range, _)| (range.start, range.end));
    let mut out: Vec<String> = Vec::new();
    let mut at = 0;
    for (range, new) in changes {
        out.extend(file[at..range.start].iter().map(|line| (*line).to_owned()));
        out.extend(new);
        at = range.end;
    }
    out.extend(file[at..].iter().map(|line| (*line).to_owned()));
    out
}

/// First line, number of lines removed, lines added.
type Edit = (usize, usize, Vec<String>);

/// A file of few different lines, edits apart from one another, and how a hunk shows each.
fn edits() -> impl Strategy<Value = (Vec<String>, Vec<Edit>)> {
    let lines = |of: Vec<&'static str>, length| {
        prop::collection::vec(prop::sample::select(of).prop_map(str::to_owned), 1..length)
    };
    // The second kind repeats itself, so that most hunks are in doubt.
    let file = prop_oneof![
        lines(
            vec![
                "a", "  b", "\tc", "", "}", "def f():", "“q”", "x  ", "y", "z"
            ],
            40
        ),
        lines(vec!["a", "  b", "c"], 16),
    ];
    (
        file,
        prop::collection::vec(
            (
                0..8usize,
                0..3usize,
                prop::collection::vec("[a-z]{1,3}", 0..3),
            ),
            1..4,
        ),
    )
        .prop_map(|(file, raw)| {
            let mut edits = Vec::new();
            let mut at = 0;
            for (gap, removed, added) in raw {
                let start = at + gap;
                if start + removed > file.len() || (removed == 0 && added.is_empty()) {
                    continue;
                }
                edits.push((start, removed, added));
                at = start + removed + 1;
            }
            (file, edits)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Hunks with `context` lines around each edit either land exactly where they were made, or are refused
    /// as ambiguous: never somewhere else. With the whole file as context they always land.
    #[test]
    fn where_it_was_made_or_nowhere((file, edits) in edits(), context in 0..6usize, shuffled in any::<bool>()) {
        let file: Vec<&str> = file.iter().map(String::as_str).collect();
        let line = |sign: char, text: &str| format!("{sign}{text}\n");
        let mut bodies = Vec::new();
        let mut wanted: Vec<String> = Vec::new();
        let mut at = 0;
        for (start, removed, added) in &edits {
            let (from, to) = (start.saturating_sub(context), (start + removed + context).min(file.len()));
            let mut body = "@@\n".to_owned();
            file[from..*start].iter().for_each(|text| body.push_str(&line(' ', text)));
            file[*start..start + removed].iter().for_each(|text| body.push_str(&line('-', text)));
            added.iter().for_each(|text| body.push_str(&line('+', text)));
            file[start + removed..to].iter().for_each(|text| body.push_str(&line(' ', text)));
            bodies.push((body, to - from));
            wanted.extend(file[at..*start].iter().map(|text| (*text).to_owned()));
            wanted.extend(added.iter().cloned());
            at = start + removed;
        }
        wanted.extend(file[at..].iter().map(|text| (*text).to_owned()));
        // A hunk without old lines goes to the end by definition.
        if bodies.is_empty() || bodies.iter().any(|(_, old)| *old == 0) {
            return Ok(());
        }
        if shuffled {
            bodies.reverse();
        }
        let text: String = bodies.iter().map(|(body, _)| body.as_str()).collect();
        let parsed = hunks(&text);
        match locate(&file, &parsed) {
            Ok(located) => {
                let got = applied(&file, &located);
                // Where order alone tells places apart, a reversed patch can mean another one.
                if got != wanted {
                    let unique = parsed.iter().all(|hunk| {
                        let old: Vec<&str> = hunk.lines.iter().filter(|l| l.kind != PatchLineKind::Added).map(|l| l.text.as_str()).collect();
                        FileIndex::new(&file).find(LineKey::Whole, &old).len() == 1
                    });
                    prop_assert!(shuffled && !unique, "{:?}\n{}\n{:?}", file, text, got);
                }
            }
            Err(LocateError::Ambiguous { lines, .. }) => prop_assert!(lines.len() > 1),
            Err(LocateError::Overlap { .. }) => prop_assert!(bodies.len() > 1),
            Err(other) => prop_assert!(false, "{:?} {:?}\n{}", other, file, text),
        }
    }

    /// A hunk that was damaged lands where it was made, or nowhere.
    #[test]
    fn a_damaged_hunk_lands_where_it_was_made_or_nowhere(
        words in prop::collection::vec("[a-d]{4,6} [a-d]{3,5}\\([a-d]{2,4}\\);", 12..60),
        at in any::<prop::sample::Index>(),
        damage in prop::collection::vec((0..9usize, 0..4usize, any::<prop::sample::Index>()), 1..3),
    ) {
        let file: Vec<&str> = words.iter().map(String::as_str).collect();
        let start = at.index(file.len() - 9);
        let mut old: Vec<(usize, String)> = (start..start + 9).map(|row| (row, words[row].clone())).collect();
        for (line, kind, place) in damage {
            let line = line.min(old.len() - 1);
            match kind {
                // The middle one is removed and stays.
                0 if old[line].0 != start + 4 => { old.remove(line); }
                1 => old.insert(line, (usize::MAX, "something else altogether".to_owned())),
                _ => { let place = place.index(old[line].1.len()); old[line].1.remove(place); }
            }
        }
        let mut body = "@@\n".to_owned();
        for (row, text) in &old {
            body.push_str(&if *row == start + 4 { format!("-{text}\n+new\n") } else { format!(" {text}\n") });
        }
        match locate(&file, &hunks(&body)) {
            Ok(located) => prop_assert_eq!(&located[0].changes, &[(start + 4..start + 5, vec!["new".to_owned()])], "{}", body),
            Err(LocateError::Missing { .. }) => {}
            Err(other) => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn no_hunk_is_a_panic(file in prop::collection::vec("[ab \t“]{0,3}", 0..12), body in prop::collection::vec("[-+ ][ab \t\"]{0,3}|@@|@@ [ab]|", 1..12)) {
        let file: Vec<&str> = file.iter().map(String::as_str).collect();
        let text = body.join("\n");
        if let Ok(patch) = v4a::parse(&format!("*** Begin Patch\n*** Update File: f\n{text}\n*** End Patch\n"))
            && let Some(FileOperation::Update { hunks, .. }) = patch.files.first().map(|file| &file.operation)
            && let Ok(located) = locate(&file, hunks)
        {
            prop_assert_eq!(located.len(), hunks.len());
            let mut changes: Vec<_> = located.iter().flat_map(|place| place.changes.clone()).collect();
            changes.sort_by_key(|(range, _)| (range.start, range.end));
            for pair in changes.windows(2) {
                prop_assert!(pair[0].0.end <= pair[1].0.start, "{:?}", changes);
            }
            prop_assert!(changes.iter().all(|(range, _)| range.end <= file.len()));
        }
    }
}
