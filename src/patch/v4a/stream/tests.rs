#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::patch::v4a::{FileOperation, PatchLineKind};
use proptest::prelude::*;

const V4A: &str = "*** Begin Patch\n*** Add File: a\n+x\n\n+ä😀\n*** Update File: b\n*** Move to: c\n@@ f\n x\n-y\n+z\n\n@@ -3 +3 @@\n+\tw\n*** End of File\n*** Delete File: d\n*** End Patch\n";
const UNIFIED: &str = "words\ndiff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n x\n-y\n+z\n@@ -9,2 +9,3 @@\n x\n y\n+--- z\n\\ No newline at end of file\ndiff --git a/b b/b\nnew file mode 100644\n--- /dev/null\n+++ b/b\n@@ -0,0 +1 @@\n+new\ndiff --git a/c b/c\ndeleted file mode 100644\n--- a/c\n+++ /dev/null\n@@ -1 +0,0 @@\n-old\n-- \n2.39\n";

/// The last line that is shown of the last file.
fn last_line(stream: &Stream) -> Option<String> {
    match &stream.files().last()?.operation {
        FileOperation::Add { content, .. } => content.lines.last().cloned(),
        FileOperation::Delete { .. } => None,
        FileOperation::Update { hunks, .. } => Some(hunks.last()?.lines.last()?.text.clone()),
    }
}

#[test]
fn a_line_is_seen_while_it_is_written() {
    let json = serde_json::json!({ "input": V4A }).to_string();
    for text in [V4A.to_owned(), json] {
        let mut stream = Stream::default();
        let mut shown = Vec::new();
        for c in text.chars() {
            let before = (stream.revision(), stream.files().to_vec());
            stream.push(&c.to_string());
            if stream.revision() == before.0 {
                assert_eq!(stream.files(), before.1);
            }
            shown.extend(last_line(&stream));
        }
        shown.dedup();
        assert_eq!(
            shown,
            [
                "", "x", "", "ä", "ä😀", "x", "", "y", "", "z", "", "\t", "\tw"
            ]
        );
        assert_eq!(stream.files(), parse(V4A).unwrap().files);
    }
}

#[test]
fn the_string_with_the_patch_is_found_in_any_json() {
    for json in [
        serde_json::json!({ "note": "a \"b\"", "cmd": ["apply_patch", V4A], "n": [1.5e3, null, true, {}] }),
        serde_json::json!(V4A),
        serde_json::json!([[[]], { "*** Begin Patch": V4A }]),
    ] {
        for text in [
            json.to_string(),
            serde_json::to_string_pretty(&json).unwrap(),
        ] {
            let mut stream = Stream::default();
            text.chars().for_each(|c| stream.push(&c.to_string()));
            assert_eq!(stream.files(), parse(V4A).unwrap().files, "{text}");
            assert_eq!(stream.finish(), parse(V4A), "{text}");
        }
    }
    // Not JSON after all.
    for before in [
        "{see below}",
        "[1] ",
        "\"x\" = y",
        "{\"a\": \"\\ud800x\"}",
        "{\"a\": \"tab\t\"}",
        "[1}",
        "\u{feff} \n{",
    ] {
        let text = format!("{before}\n{V4A}");
        let mut stream = Stream::default();
        text.chars().for_each(|c| stream.push(&c.to_string()));
        assert_eq!(stream.files(), parse(&text).unwrap().files, "{text}");
    }
}

#[test]
fn surrogate_pairs_may_be_cut_anywhere() {
    let text = "{\"input\":\"*** Begin Patch\\n*** Add File: a\\n+\\u00e4\\ud83d\\ude00\\/\\t\\\"\\n*** End Patch\"}";
    let mut stream = Stream::default();
    text.chars().for_each(|c| stream.push(&c.to_string()));
    assert_eq!(last_line(&stream).unwrap(), "ä😀/\t\"");
    assert_eq!(stream.finish(), parse(text));
}

/// Each piece is looked at once: a megabyte in one line and in many, by the character.
#[test]
fn a_long_text_by_the_character() {
    for line in ["x".repeat(1 << 20), "x\n+".repeat(1 << 18)] {
        let text = format!("*** Begin Patch\n*** Add File: a\n+{line}\n");
        for text in [serde_json::json!([text]).to_string(), text] {
            let mut stream = Stream::default();
            let mut buffer = [0; 4];
            text.chars()
                .for_each(|c| stream.push(c.encode_utf8(&mut buffer)));
            assert_eq!(stream.text().len(), text.len());
            assert_eq!(stream.finish(), parse(&text));
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec![
        "*** Begin Patch",
        "*** End Patch",
        "  *** End Patch",
        "*** Add File: a",
        "*** Update File: b",
        "*** Delete File: c",
        "*** Move to: d",
        "*** End of File",
        "@@",
        "@@ x",
        " @@ y",
        "+x",
        "+",
        "-x",
        " x",
        "  y",
        "",
        "***",
        "```",
        "<<EOF",
        "EOF",
        "\u{feff}",
        "{",
        "\"",
        "[\"x\", 3]",
        "ä😀",
        "diff --git a/f b/f",
        "--- a/f",
        "+++ b/f",
        "@@ -1,2 +1,2 @@",
        "@@ -1 +1 @@",
        "-- ",
    ]);
    let lines = prop::collection::vec(
        (line, prop::sample::select(vec!["\n", "\r\n", "\r", "\n"])),
        0..16,
    )
    .prop_map(|lines| {
        lines
            .into_iter()
            .map(|(line, end)| format!("{line}{end}"))
            .collect::<String>()
    });
    let whole = prop_oneof![
        Just(V4A.to_owned()),
        Just(UNIFIED.to_owned()),
        lines.clone(),
        lines.prop_map(|it| format!("*** Begin Patch\n*** Update File: b\n@@\n{it}"))
    ];
    (whole, 0..5usize).prop_map(|(text, wrap)| match wrap {
        0 => serde_json::json!({ "input": text }).to_string(),
        1 => format!("```\n{text}```\n"),
        2 => text.replace('\n', "\r\n"),
        _ => text,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_pieces_do_not_matter(text in text(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let chars: Vec<char> = text.chars().collect();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(chars.len() + 1)).collect();
        at.extend([0, chars.len()]);
        at.sort_unstable();
        let mut pieces = Stream::default();
        for pair in at.windows(2) {
            pieces.push(&chars[pair[0]..pair[1]].iter().collect::<String>());
        }
        let mut single = Stream::default();
        chars.iter().for_each(|c| single.push(&c.to_string()));
        let mut whole = Stream::default();
        whole.push(&text);
        prop_assert_eq!(pieces.files(), whole.files());
        prop_assert_eq!(single.files(), whole.files());
        // What was shown is what it is. (A blank tail and what only may be the end are settled last.)
        if let Ok(patch) = parse(&text) && text.ends_with(['\n', '}']) && !["  *** End", "```", "EOF"].iter().any(|end| text.contains(end)) {
            let settled = |files: &[FilePatch]| {
                let mut files = files.to_vec();
                for file in &mut files {
                    if let FileOperation::Update { hunks, .. } = &mut file.operation {
                        for hunk in hunks.iter_mut() {
                            while hunk.lines.last().is_some_and(|line| line.kind == PatchLineKind::Blank) {
                                hunk.lines.pop();
                            }
                            hunk.at_end = false;
                            hunk.final_newline = Default::default();
                        }
                        hunks.retain(|hunk| !hunk.lines.is_empty());
                    }
                }
                files
            };
            let shown = settled(whole.files());
            let read = settled(&patch.files);
            // The last section of a diff without hunks is complete only at the end.
            prop_assert!(read.starts_with(&shown) && shown.len() + 1 >= read.len(), "{:?}\n{:?}", shown, read);
        }
        let wanted = parse(&text);
        prop_assert_eq!(pieces.finish(), wanted.clone());
        prop_assert_eq!(whole.finish(), wanted);
    }
}
