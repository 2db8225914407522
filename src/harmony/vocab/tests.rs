#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use super::*;
use proptest::prelude::*;

fn vocabulary() -> Arc<Vocabulary> {
    static VOCABULARY: OnceLock<Arc<Vocabulary>> = OnceLock::new();
    Arc::clone(VOCABULARY.get_or_init(|| Vocabulary::load(Path::new("/nonexistent")).unwrap()))
}

#[test]
fn the_table_is_openais_file() {
    assert_eq!(
        file::sha256(vocabulary().tiktoken_file().as_bytes()),
        file::SHA256
    );
}
