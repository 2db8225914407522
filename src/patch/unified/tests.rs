#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::patch::diff;
use crate::patch::locate::locate;
use crate::patch::text::Text;
use crate::patch::v4a::{
    Content, FileOperation, FilePatch, FinalNewline, ParseError, PatchHunk, PatchLine,
    PatchLineKind, parse,
};
use crate::patch::{ChangeKind, FilePlan, LocateStage};
use crate::workspace::WorkspacePath;
use proptest::prelude::*;

fn lines(body: &str) -> Vec<PatchLine> {
    body.lines()
        .map(|line| PatchLine {
            kind: match line.chars().next().unwrap() {
                '-' => PatchLineKind::Removed,
                '+' => PatchLineKind::Added,
                _ => PatchLineKind::Context,
            },
            text: line.get(1..).unwrap().to_owned(),
        })
        .collect()
}

fn file(path: &str, line: usize, operation: FileOperation) -> FilePatch {
    FilePatch {
        path: path.to_owned(),
        line,
        operation,
    }
}

fn content(text: &str) -> Content {
    Content {
        lines: text.lines().map(str::to_owned).collect(),
        ends_without_newline: !text.is_empty() && !text.ends_with('\n'),
    }
}

#[test]
fn everything_git_writes() {
    let text = concat!(
        "From 0123 Mon Sep 17 00:00:00 2001\nSubject: [PATCH] x\n\n---\n a | 2 +-\n\n",
        "diff --git a/a b/a\nindex 0000001..0000002 100644\n--- a/a\n+++ b/a\n",
        "@@ -1,3 +1,2 @@ fn section\n one\n--- two\n-three\n+++ drei\n\\ No newline at end of file\n",
        "@@ -9 +8 @@\n-x\n\\ No newline at end of file\n+y\n",
        "diff --git a/new dir/n b/new dir/n\nnew file mode 100755\nindex 0000000..0000001\n--- /dev/null\n+++ b/new dir/n\t\n@@ -0,0 +1,2 @@\n+#!/bin/sh\n+\n",
        "diff --git a/gone b/gone\ndeleted file mode 100644\nindex 0000001..0000000\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-last\n\\ No newline at end of file\n",
        "diff --git a/empty b/empty\nnew file mode 100644\nindex 0000000..e69de29\n",
        "diff --git a/run b/run\nold mode 100644\nnew mode 100755\n",
        "diff --git \"a/f\\303\\244 \\\"q\\\"\" b/g\nsimilarity index 90%\nrename from \"f\\303\\244 \\\"q\\\"\"\nrename to g\n",
        "--- \"a/f\\303\\244 \\\"q\\\"\"\n+++ b/g\n@@ -3 +3 @@\n-x\n+y\n",
        "diff --git plain plain\n--- plain\n+++ plain\n@@ -1,2 +1,2 @@\n\n-x\n+y\n",
        "--- a/bare\t2020-01-01 00:00:00\n+++ b/bare\t2020-01-02 00:00:00\n@@ -1 +1 @@\n-x\n+y\n",
        "-- \n2.39.0\n\n+ prose\n",
    );
    let hunk = |line: usize, start: usize, body: &str| PatchHunk {
        old_start: Some(start),
        lines: lines(body),
        line,
        ..PatchHunk::default()
    };
    let update = |hunks| FileOperation::Update {
        move_to: None,
        hunks,
        mode: None,
    };
    let wanted = [
        file(
            "a",
            7,
            update(vec![
                PatchHunk {
                    at_end: true,
                    final_newline: FinalNewline::Remove,
                    ..hunk(11, 1, " one\n--- two\n-three\n+++ drei\n")
                },
                PatchHunk {
                    at_end: true,
                    final_newline: FinalNewline::Add,
                    ..hunk(17, 9, "-x\n+y\n")
                },
            ]),
        ),
        file(
            "new dir/n",
            21,
            FileOperation::Add {
                content: content("#!/bin/sh\n\n"),
                mode: Some(0o755),
            },
        ),
        file(
            "gone",
            29,
            FileOperation::Delete {
                content: Some(content("last")),
            },
        ),
        file(
            "empty",
            37,
            FileOperation::Add {
                content: content(""),
                mode: Some(0o644),
            },
        ),
        file(
            "run",
            40,
            FileOperation::Update {
                move_to: None,
                hunks: Vec::new(),
                mode: Some(0o755),
            },
        ),
        file(
            "fä \"q\"",
            43,
            FileOperation::Update {
                move_to: Some("g".to_owned()),
                hunks: vec![hunk(49, 3, "-x\n+y\n")],
                mode: None,
            },
        ),
        file("plain", 52, update(vec![hunk(55, 1, " \n-x\n+y\n")])),
        file("bare", 59, update(vec![hunk(61, 1, "-x\n+y\n")])),
    ];
    assert_eq!(parse(text).unwrap().files, wanted);
    assert_eq!(
        parse(&text.replace('\n', "\r\n")).unwrap().files,
        wanted,
        "a converted diff"
    );
    assert_eq!(
        parse(&format!("```diff\n{text}```\n")).unwrap().files.len(),
        wanted.len()
    );
}

#[test]
fn what_cannot_be_taken_is_refused_with_its_line() {
    let head = "diff --git a/f b/f\n";
    let named = "--- a/f\n+++ b/f\n";
    for (text, line, column, wanted) in [
        (
            format!("{head}index 1..2 100644\nGIT binary patch\n"),
            3,
            1,
            "a binary file",
        ),
        (
            format!("{head}Binary files a/f and b/f differ\n"),
            2,
            1,
            "a binary file",
        ),
        (
            format!("{head}similarity index 100%\ncopy from f\ncopy to g\n"),
            3,
            1,
            "a copy",
        ),
        (
            format!("{head}new file mode 120000\n"),
            2,
            15,
            "a symbolic link",
        ),
        (
            format!("{head}index 1..2 160000\n{named}"),
            2,
            1,
            "a submodule",
        ),
        (
            format!("{head}old mode 100644\nnew mode 100600\n"),
            3,
            10,
            "an unknown file mode",
        ),
        (
            format!("{head}index 1..2 100644\n"),
            1,
            1,
            "no change of the file",
        ),
        (
            format!("{head}rename from f\n"),
            1,
            1,
            "`rename from NAME` and",
        ),
        (
            format!("{head}--- a/f\n@@ -1 +1 @@\n"),
            3,
            1,
            "expected `+++ NAME`",
        ),
        (
            format!("{head}hello\n"),
            2,
            1,
            "expected the diff's headers",
        ),
        (
            "diff --git \"a/\\377\" b/x\n".to_owned(),
            1,
            12,
            "a name that is not UTF-8",
        ),
        (
            "--- a/f\n+++ b/g\n@@ -1 +1 @@\n-x\n+y\n".to_owned(),
            1,
            1,
            "the two names differ",
        ),
        (
            format!("{head}--- a/g\n+++ b/g\n@@ -1 +1 @@\n-x\n+y\n"),
            1,
            1,
            "the headers name different files",
        ),
        (
            format!("{named}@@ bare @@\n"),
            3,
            1,
            "expected `@@ -start,count",
        ),
        (
            format!("{named}@@ -1,2 +1 @@\n-x\n+y\n"),
            3,
            1,
            "the hunk's header promises 2 old and 1 new lines; 1 old and 0 new are missing at the end of the patch",
        ),
        (
            format!("{named}@@ -1,2 +1 @@\n-x\nhello\n"),
            5,
            1,
            "the hunk's header promises 2 old and 1 new lines; 1 old and 1 new are missing at this line",
        ),
        (
            format!("{named}@@ -1 +1 @@\n-x\n+y\n+z\n"),
            6,
            1,
            "a line more than the hunk's header promises",
        ),
        (
            format!("{named}@@ -1 +1 @@\n-x\n-y\n"),
            5,
            1,
            "a line more than the hunk's header promises",
        ),
        (
            format!("{named}@@ -1 +1 @@\n x\n"),
            3,
            1,
            "the hunk changes nothing",
        ),
        (
            format!("{named}@@ -4,0 +5 @@\n+x\n"),
            3,
            1,
            "the hunk has only `+` lines",
        ),
        (
            format!("{named}@@ -1,2 +1,2 @@\n-x\n\\ No newline at end of file\n"),
            5,
            1,
            "the hunk's header promises",
        ),
        (
            format!("{named}@@ -1,2 +1,2 @@\n x\n-y\n+y\r\n"),
            3,
            1,
            "the hunk changes line endings",
        ),
        (
            format!("{named}@@ -1 +1 @@\n-x\n+y\nprose\n@@ -9 +9 @@\n-x\n+y\n"),
            7,
            1,
            "a hunk below text",
        ),
        (
            "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+x\n@@ -0,0 +2 @@\n+y\n".to_owned(),
            5,
            1,
            "a new file has one hunk",
        ),
        (
            "--- a/f\n+++ /dev/null\n@@ -1,2 +1 @@\n x\n-y\n".to_owned(),
            3,
            1,
            "a deleted file has one hunk",
        ),
        (
            "--- /dev/null\n+++ /dev/null\n@@ -1 +1 @@\n".to_owned(),
            1,
            1,
            "a file cannot be both",
        ),
    ] {
        let error = parse(&text).unwrap_err();
        assert_eq!(
            (error.line, error.column),
            (line, column),
            "{text}\n{error}"
        );
        assert!(error.expected.starts_with(wanted), "{text}\n{error}");
    }
    let error: ParseError = parse(&format!("{named}@@ -1 +1 @@\n-x\n+y\n+z\n")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 6, column 1 of the patch: `+z`\n  a line more than the hunk's header promises (1 old and 1 new lines); make the counts of `@@ -start,count +start,count @@` fit the lines"
    );
}

/// The pre-image with the patch's one file applied, as `plan` does it.
fn applied(pre: &str, operation: &FileOperation) -> String {
    let text = |content: &Content| {
        let mut text = content.lines.join("\n");
        if !content.lines.is_empty() && !content.ends_without_newline {
            text.push('\n');
        }
        text
    };
    match operation {
        FileOperation::Add { content, .. } => text(content),
        FileOperation::Delete { content } => {
            assert_eq!(text(content.as_ref().unwrap()), pre.replace("\r\n", "\n"));
            String::new()
        }
        FileOperation::Update { hunks, .. } => {
            let file = Text::parse(pre.as_bytes()).unwrap();
            let lines: Vec<&str> = file.lines.iter().map(|line| line.text).collect();
            let located = locate(&lines, hunks).unwrap();
            assert!(located.iter().all(|it| it.stage == LocateStage::Exact));
            for (place, hunk) in located.iter().zip(hunks) {
                assert_eq!(
                    Some(place.matched.start + 1),
                    hunk.old_start.map(|it| it.max(1))
                );
            }
            let changes: Vec<_> = located.into_iter().flat_map(|it| it.changes).collect();
            let post = match hunks.last().unwrap().final_newline {
                FinalNewline::Keep => file.replace(&changes, None).0,
                FinalNewline::Add => file.replace(&changes, Some(true)).0,
                FinalNewline::Remove => file.replace(&changes, Some(false)).0,
            };
            String::from_utf8(post).unwrap()
        }
    }
}

fn file_text(ending: &'static str) -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec![
        "a",
        "b",
        "",
        "  a",
        "-- x",
        "++ y",
        "*** End Patch",
        "@@",
        "ä“\t ",
    ]);
    (prop::collection::vec(line, 0..40), any::<bool>()).prop_map(move |(lines, newline)| {
        let mut text = lines.join(ending);
        if newline && !text.is_empty() {
            text.push_str(ending);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// The diff of any two texts, as git writes it, gives the second from the first, byte for byte.
    #[test]
    fn a_diff_applied_gives_the_second_text(
        (pre, post) in prop_oneof![(file_text("\n"), file_text("\n")), (file_text("\r\n"), file_text("\r\n"))],
        kind in 0..8usize,
        prose in any::<bool>(),
    ) {
        prop_assume!(pre != post);
        let (kind, pre, post) = match kind {
            0 if !post.is_empty() => (ChangeKind::Add, String::new(), post),
            1 if !pre.is_empty() => (ChangeKind::Delete, pre, String::new()),
            _ => (ChangeKind::Update, pre, post),
        };
        // A file without any CRLF does not get one.
        prop_assume!(kind != ChangeKind::Update || pre.contains('\r') || !post.contains('\r'));
        let plan = FilePlan {
            encoding: crate::patch::Encoding::Utf8,
            new_mode: None,
            kind,
            path: WorkspacePath::parse("f").unwrap(),
            target: None,
            hunks: diff::hunks(pre.as_bytes(), post.as_bytes()),
            pre: Some(pre.clone().into_bytes()),
            post: Some(post.clone().into_bytes()),
            mode: 0o644,
            stage: LocateStage::Exact,
        };
        let mut text = plan.unified_diff();
        if prose {
            text = format!("words\n--- \n{text}-- \n2.39\n");
        }
        let patch = parse(&text).unwrap();
        prop_assert_eq!(patch.files.len(), 1);
        prop_assert_eq!(applied(&pre, &patch.files[0].operation), post, "{}", text);
    }

    #[test]
    fn no_diff_is_a_panic(lines in prop::collection::vec(
        prop_oneof![
            prop::sample::select(vec!["diff --git a/f b/f", "diff --git \"a/f\\", "--- a/f", "+++ b/f", "--- /dev/null", "+++ /dev/null", "@@ -1 +1 @@",
                "@@ -1,2 +1,3 @@ x", "@@ -0,0 +1,2 @@", "@@ -1,2 +0,0 @@", "-x", "+y", " z", "", "\r", "\\ No newline at end of file", "rename from f", "rename to g", "index 1..2 100644",
                "new file mode 100644", "deleted file mode 100644", "-- ", "*** Begin Patch"]).prop_map(str::to_owned),
            any::<String>(),
        ],
        0..20,
    )) {
        let text = format!("diff --git a/f b/f\n{}", lines.join("\n"));
        if let Err(error) = parse(&text) {
            prop_assert!(error.line >= 1 && error.line <= text.split('\n').count() && error.column >= 1);
        }
    }
}
