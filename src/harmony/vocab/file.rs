//! The one file `openai-harmony` insists on reading: its vocabulary, in a folder of our own that an
//! environment variable names. Made from the compiled-in table, never downloaded.
//!
//! The folder's name holds the content's hash and the file is put in place by a rename, so two processes
//! that start together cannot see half a file, and a damaged one is made again.

use super::VocabError;
use openai_harmony::{HarmonyEncoding, HarmonyEncodingName, load_harmony_encoding};
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The variable that names the folder. The program sets it to [`encodings_dir`] before its first thread.
pub const ENCODINGS_VARIABLE: &str = "TIKTOKEN_ENCODINGS_BASE";

const FILE_NAME: &str = "o200k_base.tiktoken";
/// OpenAI's published SHA-256 of the file; `openai-harmony` checks it too.
pub(super) const SHA256: &str = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d";

/// The folder for `openai-harmony`'s vocabulary file under the program's data folder.
pub fn encodings_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("encodings").join("o200k-446a9538cb6c")
}

/// Makes sure that `folder` holds the file, whole; `content` makes it when it does not.
pub(super) fn ensure(folder: &Path, content: impl FnOnce() -> String) -> Result<(), VocabError> {
    let failed = |reason: String| VocabError::Folder {
        path: folder.to_owned(),
        reason,
    };
    let path = folder.join(FILE_NAME);
    if is_whole(&path) {
        return Ok(());
    }
    make_folder(folder).map_err(|error| failed(error.to_string()))?;
    let content = content();
    if sha256(content.as_bytes()) != SHA256 {
        return Err(VocabError::Table(
            "it does not have the published hash".into(),
        ));
    }
    // A temporary file of tempfile's has a random name and mode 0600.
    let write = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(content.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| failed(error.to_string()))
}

/// Has `openai-harmony` read the file that [`ensure`] left in `folder`.
pub(super) fn load(folder: &Path) -> Result<HarmonyEncoding, VocabError> {
    // Without the variable the crate would go to the network; with another value, to another file.
    if std::env::var_os(ENCODINGS_VARIABLE).as_deref() != Some(folder.as_os_str()) {
        return Err(VocabError::NotPointed {
            path: folder.to_owned(),
        });
    }
    load_harmony_encoding(HarmonyEncodingName::HarmonyGptOss).map_err(|error| VocabError::Refused {
        path: folder.to_owned(),
        reason: format!("{error:#}"),
    })
}

fn is_whole(path: &Path) -> bool {
    // A link could lead to a file that changes between this check and the crate's read.
    let is_file = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file());
    is_file && std::fs::read(path).is_ok_and(|bytes| sha256(&bytes) == SHA256)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    if std::fs::symlink_metadata(folder)?.is_symlink() {
        return Err(io::Error::other("it is a symbolic link"));
    }
    Ok(())
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
