#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::marker::{Header, header_of};
use super::*;
use proptest::prelude::*;

fn line(kind: PatchLineKind, text: &str) -> PatchLine {
    PatchLine {
        kind,
        text: text.to_owned(),
    }
}

fn content(lines: &[&str]) -> Content {
    Content {
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        ends_without_newline: false,
    }
}

#[test]
fn the_whole_grammar() {
    use PatchLineKind::*;
    let patch = parse(
        "*** Begin Patch\n*** Add File: a\n+x\n*** Delete File: b\n*** Update File: c\n*** Move to: d\n@@ class A\n@@ def f\n x\n-y\n+z\n\n@@\n+w\n*** End of File\n*** End Patch\n",
    )
    .unwrap();
    let wanted = Patch {
        files: vec![
            FilePatch {
                path: "a".into(),
                line: 2,
                operation: FileOperation::Add {
                    content: content(&["x"]),
                    mode: None,
                },
            },
            FilePatch {
                path: "b".into(),
                line: 4,
                operation: FileOperation::Delete { content: None },
            },
            FilePatch {
                path: "c".into(),
                line: 5,
                operation: FileOperation::Update {
                    move_to: Some("d".into()),
                    mode: None,
                    hunks: vec![
                        PatchHunk {
                            headers: vec!["class A".into(), "def f".into()],
                            lines: vec![
                                line(Context, "x"),
                                line(Removed, "y"),
                                line(Added, "z"),
                                line(Blank, ""),
                            ],
                            line: 7,
                            ..PatchHunk::default()
                        },
                        PatchHunk {
                            lines: vec![line(Added, "w")],
                            at_end: true,
                            line: 13,
                            ..PatchHunk::default()
                        },
                    ],
                },
            },
        ],
    };
    assert_eq!(patch, wanted);
}

#[test]
fn headers_of_many_shapes() {
    for (text, wanted) in [
        ("@@", Some((None, None))),
        ("@@  ", Some((None, None))),
        ("@@ @@", Some((None, None))),
        ("@@ def f():", Some((Some("def f():"), None))),
        ("@@ def f(): @@", Some((Some("def f():"), None))),
        ("@@def f():", Some((Some("def f():"), None))),
        ("@@ -1 +1 @@", Some((None, Some(1)))),
        ("@@ -12,2 +3,4 @@ fn x", Some((Some("fn x"), Some(12)))),
        ("@@ - item", Some((Some("- item"), None))),
        ("@ x", None),
        ("-@@", None),
    ] {
        assert_eq!(
            header_of(text, true),
            wanted.map(|(text, old_start)| Header {
                text: text.map(str::to_owned),
                old_start,
            }),
            "{text}"
        );
    }
}

#[test]
fn errors_say_where_what_and_how() {
    for (text, line, column, found) in [
        ("", 1, 1, ""),
        ("hello\n\n", 2, 1, "hello"),
        ("*** Begin Patch\nhello\n", 2, 1, "hello"),
        ("  *** Begin Patch\n    hello\n", 2, 5, "  hello"),
        ("*** Begin Patch\n*** Delete File: a\n-x\n", 3, 1, "-x"),
        (
            "*** Begin Patch\n*** Update File: \n",
            2,
            17,
            "*** Update File: ",
        ),
        (
            "*** Begin Patch\n *** End of File\n",
            2,
            2,
            " *** End of File",
        ),
        (
            "*** Begin Patch\n*** Add File: a\n+x\n*** Move to: b\n",
            4,
            1,
            "*** Move to: b",
        ),
        (
            "*** Begin Patch\n*** Update File: a\n@@ f\n x\n\n*** Update File: b\n",
            3,
            1,
            "@@ f",
        ),
        (
            "*** Begin Patch\n*** Update File: a\n@@ f\n x\n@@ g\n-x\n",
            3,
            1,
            "@@ f",
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(
            (error.line, error.column, error.found.as_str()),
            (line, column, found),
            "{text:?}"
        );
        assert!(error.expected.len() > 20, "{text:?}: {error}");
    }
    let error = parse(&format!(
        "*** Begin Patch\n\u{1b}\u{202e}{}",
        "x".repeat(500)
    ))
    .unwrap_err();
    assert_eq!(error.found, format!("  {}…", "x".repeat(118)));
    assert_eq!(
        parse("*** Begin Patch\n\u{7}hello\n")
            .unwrap_err()
            .to_string(),
        "line 2, column 1 of the patch: ` hello`\n  expected `*** Add File: PATH`, `*** Update File: PATH`, \
         `*** Delete File: PATH` or `*** End Patch`"
    );
}

#[test]
fn a_call_can_be_followed_while_it_streams() {
    let mut parser = Parser::default();
    for line in ["*** Begin Patch", "*** Update File: a", "@@", "-x"] {
        parser.push_line(line).unwrap();
    }
    assert_eq!(parser.files().len(), 1);
    assert_eq!(parser.files()[0].path, "a");
    parser.push_line("+y").unwrap();
    assert_eq!(
        parser.finish().unwrap(),
        parse("*** Begin Patch\n*** Update File: a\n@@\n-x\n+y\n").unwrap()
    );
}

/// A patch and its canonical text.
fn patch() -> impl Strategy<Value = Patch> {
    let text = "[ -~äß]{0,12}";
    let body = prop::collection::vec(
        (
            prop::sample::select(vec![
                PatchLineKind::Context,
                PatchLineKind::Removed,
                PatchLineKind::Added,
            ]),
            text,
        ),
        1..6,
    );
    let hunk = (
        prop::collection::vec("[a-z(]{1,8}", 0..3),
        body,
        any::<bool>(),
    )
        .prop_map(|(headers, body, at_end)| {
            let mut lines: Vec<PatchLine> = body
                .into_iter()
                .map(|(kind, text)| PatchLine { kind, text })
                .collect();
            // Above the first line of a hunk an indented `@@` is a header, and cannot be that line.
            if let Some(first) = lines.first_mut()
                && first.text.trim_start().starts_with("@@")
            {
                first.kind = PatchLineKind::Removed;
            }
            // Something has to change, and an indented end marker is a doubt of its own.
            lines.push(PatchLine {
                kind: PatchLineKind::Added,
                text: "new".into(),
            });
            PatchHunk {
                headers,
                lines,
                at_end,
                ..PatchHunk::default()
            }
        });
    let operation = prop_oneof![
        prop::collection::vec(text, 0..4).prop_map(|lines| FileOperation::Add {
            content: Content {
                lines,
                ends_without_newline: false,
            },
            mode: None,
        }),
        Just(FileOperation::Delete { content: None }),
        (
            prop::option::of("[a-z]{1,5}"),
            prop::collection::vec(hunk, 1..4)
        )
            .prop_map(|(move_to, hunks)| FileOperation::Update {
                move_to,
                hunks,
                mode: None,
            }),
    ];
    prop::collection::vec(("[a-z/. ]{0,6}[a-z]", operation), 1..4).prop_map(|files| Patch {
        files: files
            .into_iter()
            .map(|(path, operation)| FilePatch {
                path: path.trim().to_owned(),
                line: 0,
                operation,
            })
            .collect(),
    })
}

fn written(patch: &Patch) -> String {
    let mut text = "*** Begin Patch\n".to_owned();
    for file in &patch.files {
        match &file.operation {
            FileOperation::Add { content, .. } => {
                text.push_str(&format!("*** Add File: {}\n", file.path));
                content
                    .lines
                    .iter()
                    .for_each(|line| text.push_str(&format!("+{line}\n")));
            }
            FileOperation::Delete { .. } => {
                text.push_str(&format!("*** Delete File: {}\n", file.path))
            }
            FileOperation::Update { move_to, hunks, .. } => {
                text.push_str(&format!("*** Update File: {}\n", file.path));
                if let Some(target) = move_to {
                    text.push_str(&format!("*** Move to: {target}\n"));
                }
                for hunk in hunks {
                    if hunk.headers.is_empty() {
                        text.push_str("@@\n");
                    }
                    hunk.headers
                        .iter()
                        .for_each(|header| text.push_str(&format!("@@ {header}\n")));
                    for line in &hunk.lines {
                        let sign = match line.kind {
                            PatchLineKind::Context | PatchLineKind::Blank => ' ',
                            PatchLineKind::Removed => '-',
                            PatchLineKind::Added => '+',
                        };
                        text.push_str(&format!("{sign}{}\n", line.text));
                    }
                    if hunk.at_end {
                        text.push_str("*** End of File\n");
                    }
                }
            }
        }
    }
    text.push_str("*** End Patch\n");
    text
}

fn without_lines(mut patch: Patch) -> Patch {
    for file in &mut patch.files {
        file.line = 0;
        if let FileOperation::Update { hunks, .. } = &mut file.operation {
            hunks.iter_mut().for_each(|hunk| hunk.line = 0);
        }
    }
    patch
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_patch_reads_back_from_every_wrapper(patch in patch()) {
        let text = written(&patch);
        for wrapped in [
            text.clone(),
            text.replace('\n', "\r\n"),
            format!("apply_patch <<'EOF'\n{text}EOF"),
            format!("Some words.\n```\n{text}```\n"),
            serde_json::json!({ "input": text }).to_string(),
            text.replace("*** End Patch\n", ""),
        ] {
            prop_assert_eq!(without_lines(parse(&wrapped).unwrap()), patch.clone(), "{}", wrapped);
        }
    }

    #[test]
    fn no_text_is_a_panic(
        lines in prop::collection::vec(
            prop_oneof![
                prop::sample::select(vec!["*** Begin Patch", "*** End Patch", "*** Add File: a", "*** Update File: b", "*** Delete File: c",
                    "*** Move to: d", "*** End of File", "@@", "@@ x", "+x", "-x", " x", "", "  *** End Patch", "***", "```", "<<EOF", "EOF", "\u{feff}", "{"]).prop_map(str::to_owned),
                any::<String>(),
            ],
            0..20,
        ),
    ) {
        let text = lines.join("\n");
        if let Err(error) = parse(&text) {
            prop_assert!(error.line >= 1 && error.line <= text.lines().count().max(1));
        }
    }
}
