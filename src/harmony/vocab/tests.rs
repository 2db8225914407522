#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use super::*;

fn vocabulary() -> Arc<Vocabulary> {
    static VOCABULARY: OnceLock<Arc<Vocabulary>> = OnceLock::new();
    Arc::clone(VOCABULARY.get_or_init(|| Vocabulary::load(Path::new("/nonexistent")).unwrap()))
}

#[test]
fn the_table_is_openais_file() {
    let text = vocabulary().tiktoken_file();
    assert_eq!(file::sha256(text.as_bytes()), file::SHA256);
}

#[test]
fn text_that_spells_special_tokens_stays_text() {
    let vocabulary = vocabulary();
    let spellings =
        (special::FIRST..=special::LAST).map(|id| vocabulary.token_bytes(id).unwrap().to_vec());
    let text: String = spellings
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .collect();
    let ids = vocabulary.encode_text(&text);
    assert!(!ids.iter().any(|id| is_special(*id)));
    assert_eq!(vocabulary.decode_bytes(&ids), text.as_bytes());
}

#[test]
fn ids_outside_the_vocabulary_decode_to_a_replacement() {
    let vocabulary = vocabulary();
    assert_eq!(vocabulary.token_bytes(special::LAST + 1), None);
    assert_eq!(vocabulary.token_bytes(TokenId::MAX), None);
    assert_eq!(
        vocabulary.decode_bytes(&[START, TokenId::MAX]),
        "<|start|>\u{FFFD}".as_bytes()
    );
}

/// A megabyte without a break, spaces included: `openai-harmony`'s encoder panics or takes minutes here.
#[test]
fn long_runs_are_encoded_in_linear_time() {
    let vocabulary = vocabulary();
    // In quadratic time this would not end.
    for unit in [" ", "a", "=", "é", "\n", "A", "\u{2028}", "ab", " \n", "🦀"] {
        let text = unit.repeat(1_000_000 / unit.len()) + "x";
        let ids = vocabulary.encode_text(&text);
        assert_eq!(vocabulary.decode_bytes(&ids), text.as_bytes(), "{unit:?}");
    }
}

#[test]
fn the_file_is_made_once_and_again_when_damaged() {
    let vocabulary = vocabulary();
    let data = tempfile::tempdir().unwrap();
    let folder = encodings_dir(data.path());
    let path = folder.join("o200k_base.tiktoken");
    let whole = || file::sha256(&std::fs::read(&path).unwrap()) == file::SHA256;
    file::ensure(&folder, || vocabulary.tiktoken_file()).unwrap();
    assert!(whole());
    file::ensure(&folder, || panic!("it is there")).unwrap();

    std::fs::write(&path, "half").unwrap();
    file::ensure(&folder, || vocabulary.tiktoken_file()).unwrap();
    assert!(whole());

    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&path)), (0o700, 0o600));
        // A link in its place is replaced, not followed.
        let elsewhere = data.path().join("elsewhere");
        std::fs::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        file::ensure(&folder, || vocabulary.tiktoken_file()).unwrap();
        assert!(std::fs::symlink_metadata(&path).unwrap().is_file());
    }
}

#[test]
fn two_that_start_together_see_a_whole_file() {
    let data = tempfile::tempdir().unwrap();
    let folder = encodings_dir(data.path());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                file::ensure(&folder, || vocabulary().tiktoken_file()).unwrap();
                let bytes = std::fs::read(folder.join("o200k_base.tiktoken")).unwrap();
                assert_eq!(file::sha256(&bytes), file::SHA256);
            });
        }
    });
    // Nothing of theirs is left beside it.
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("encodings"), "a file").unwrap();
    let folder = encodings_dir(data.path());
    let error = file::ensure(&folder, || vocabulary().tiktoken_file()).unwrap_err();
    assert!(
        matches!(&error, VocabError::Folder { path, .. } if *path == folder),
        "{error}"
    );
}

/// Without the variable the crate would go to the network.
#[test]
fn a_process_that_was_not_pointed_at_the_folder_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let vocabulary = Vocabulary::load(data.path()).unwrap();
    let error = vocabulary.prepare_openai().unwrap_err();
    assert_eq!(
        error,
        VocabError::NotPointed {
            path: encodings_dir(data.path())
        }
    );
}
