//! The locator against a simple model of it: a hunk's old lines, looked for at every line.

#![no_main]

use arbitrary::Arbitrary;
use descant::patch::LocateStage;
use descant::patch::locate::{LocateError, locate};
use descant::patch::v4a::{FileOperation, PatchHunk, parse};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    /// Indices into [`WORDS`]: few different lines, so that there are twins.
    file: Vec<u8>,
    hunks: Vec<Vec<(u8, u8)>>,
}

const WORDS: [&str; 12] = [
    "", "a", "  a", "a ", "b", "    b", "\tb", "\u{201c}c\u{201d}", "\"c\"", "def f():", "    return 1", "}",
];

fn word(index: u8) -> &'static str {
    WORDS[usize::from(index) % WORDS.len()]
}

/// The hunks through the parser, as a model's would come.
fn hunks(input: &Input) -> Option<Vec<PatchHunk>> {
    let mut text = "*** Begin Patch\n*** Update File: f\n".to_owned();
    for hunk in &input.hunks {
        text.push_str("@@\n");
        for (sign, line) in hunk {
            let sign = ['-', '+', ' '][usize::from(*sign) % 3];
            text.push_str(&format!("{sign}{}\n", word(*line)));
        }
    }
    text.push_str("*** End Patch\n");
    match parse(&text).ok()?.files.into_iter().next()?.operation {
        FileOperation::Update { hunks, .. } => Some(hunks),
        FileOperation::Add { .. } | FileOperation::Delete { .. } => None,
    }
}

/// Where the hunk's old lines stand exactly.
fn exact(file: &[&str], hunk: &PatchHunk) -> Vec<usize> {
    use descant::patch::v4a::PatchLineKind::{Added, Blank, Context, Removed};
    let old: Vec<&str> = hunk
        .lines
        .iter()
        .filter(|line| match line.kind {
            Added => false,
            Blank | Context | Removed => true,
        })
        .map(|line| line.text.as_str())
        .collect();
    if old.is_empty() || old.len() > file.len() {
        return Vec::new();
    }
    (0..=file.len() - old.len())
        .filter(|at| file[*at..*at + old.len()] == old[..])
        .collect()
}

fuzz_target!(|input: Input| {
    if input.file.len() > 64 || input.hunks.len() > 6 {
        return;
    }
    let file: Vec<&str> = input.file.iter().map(|line| word(*line)).collect();
    let Some(hunks) = hunks(&input) else { return };
    match locate(&file, &hunks) {
        Ok(located) => {
            assert_eq!(located.len(), hunks.len(), "every hunk has one place");
            let mut changes: Vec<_> = located
                .iter()
                .flat_map(|place| &place.changes)
                .map(|(range, _)| range.clone())
                .collect();
            changes.sort_by_key(|range| (range.start, range.end));
            let mut end = 0;
            for range in changes {
                assert!(range.start <= range.end && range.end <= file.len());
                assert!(range.start >= end, "changes are apart");
                end = range.end;
            }
            for place in &located {
                let model = exact(&file, &hunks[place.hunk]);
                if place.stage == LocateStage::Exact && !place.matched.is_empty() {
                    assert!(model.contains(&place.matched.start), "it stands there");
                }
                if place.stage != LocateStage::Exact && hunks.len() == 1 {
                    assert!(model.is_empty(), "an exact place comes first");
                }
            }
        }
        Err(LocateError::Ambiguous { lines, .. }) => assert!(lines.len() > 1),
        Err(LocateError::Missing { hunk, .. }) => {
            if hunks.len() == 1 {
                assert!(exact(&file, &hunks[hunk]).is_empty(), "it is there");
            }
        }
        Err(
            LocateError::HeaderMissing { .. }
            | LocateError::Overlap { .. }
            | LocateError::NotEmpty { .. },
        ) => {}
    }
});
