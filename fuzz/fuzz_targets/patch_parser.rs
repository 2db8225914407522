//! Any text is a patch or an error that says where, and says the same however it came in pieces.

#![no_main]

use descant::patch;
use descant::patch::v4a::Stream;
use libfuzzer_sys::fuzz_target;

/// Cuts the text after every few characters; what decides is the text itself, so that seeds stay plain patches.
fn in_pieces(text: &str) -> Stream {
    let mut stream = Stream::default();
    let mut piece = String::new();
    let mut shown = 0;
    for (at, c) in text.chars().enumerate() {
        piece.push(c);
        if (at + text.len()) % 5 == 0 || (u32::from(c) + at as u32) % 7 == 0 {
            stream.push(&piece);
            piece.clear();
            assert!(stream.revision() >= shown, "it only grows");
            shown = stream.revision();
        }
    }
    stream.push(&piece);
    stream
}

fuzz_target!(|text: &str| {
    let parsed = patch::parse(text);
    match &parsed {
        Ok(patch) => assert!(!patch.files.is_empty()),
        Err(error) => {
            assert!(error.line >= 1 && error.column >= 1);
            // Of a patch in JSON the lines are those of the decoded text.
            let lines = text.lines().count()
                + text.matches("\\n").count()
                + text.matches("\\u").count();
            assert!(error.line <= lines.max(1));
            assert!(!error.expected.is_empty());
            let said = error.to_string();
            assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{said:?}");
        }
    }
    let mut whole = Stream::default();
    whole.push(text);
    let pieces = in_pieces(text);
    assert_eq!(whole.files(), pieces.files());
    assert_eq!(parsed, pieces.finish());
});
