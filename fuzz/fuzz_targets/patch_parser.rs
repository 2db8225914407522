//! Any text is a patch or an error that says where.

#![no_main]

use descant::patch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match patch::parse(text) {
        Ok(patch) => assert!(!patch.files.is_empty()),
        Err(error) => {
            assert!(error.line >= 1);
            // Of a patch in JSON the lines are those of the decoded text.
            let lines = text.lines().count() + text.matches("\\n").count() + text.matches("\\u").count();
            assert!(error.line <= lines.max(1));
            assert!(!error.expected.is_empty());
        }
    }
});
