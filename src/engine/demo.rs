//! The built-in demo checkpoint: embedded in the binary, laid out as a folder for the loader.
//!
//! The loader maps files, so the bytes are written once to a private cache folder named by their hash: a
//! new build of the demo gets a new folder, and processes that start together write it without harming each
//! other (each fills a temporary folder, one rename wins). What the demo can do is told in `demo/README.md`.

mod idle_heads;

use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Tokens that prompt and answer may have together: what the demo was trained for.
pub const CONTEXT_LENGTH: usize = 4096;

struct DemoFile {
    name: &'static str,
    bytes: Cow<'static, [u8]>,
}

const CONFIG: &[u8] = include_bytes!("../../demo/model/config.json");
const WEIGHTS: &[u8] = include_bytes!("../../demo/model/model.safetensors");
const TOKENIZER: &[u8] = include_bytes!("../../demo/model/tokenizer.json");
const VOCABULARY: &[u8] = include_bytes!("../../demo/model/vocab.json");

/// One row a file of the checkpoint.
const FILES: [DemoFile; 4] = [
    DemoFile {
        name: "config.json",
        bytes: Cow::Borrowed(CONFIG),
    },
    DemoFile {
        name: "model.safetensors",
        bytes: Cow::Borrowed(WEIGHTS),
    },
    DemoFile {
        name: "tokenizer.json",
        bytes: Cow::Borrowed(TOKENIZER),
    },
    DemoFile {
        name: "vocab.json",
        bytes: Cow::Borrowed(VOCABULARY),
    },
];

/// The folder with the demo checkpoint below `cache_dir`, written if it is not there or not whole.
pub fn ensure(cache_dir: &Path) -> std::io::Result<PathBuf> {
    if cfg!(feature = "cuda") {
        ensure_with_idle_heads(cache_dir)
    } else {
        write_once(cache_dir, &FILES)
    }
}

/// The same model as a build with CUDA runs it on the CPU (`demo/idle_heads.rs`); for the tests of other builds too.
#[doc(hidden)]
pub fn ensure_with_idle_heads(cache_dir: &Path) -> std::io::Result<PathBuf> {
    let (config, weights) = idle_heads::add(CONFIG, WEIGHTS).map_err(std::io::Error::other)?;
    let mut files = FILES;
    for file in &mut files {
        match file.name {
            "config.json" => file.bytes = Cow::Owned(config.clone()),
            "model.safetensors" => file.bytes = Cow::Owned(weights.clone()),
            _ => {}
        }
    }
    write_once(cache_dir, &files)
}

/// Its vocabulary (`vocab.json`): Harmony's special tokens and a subset of the ordinary ones.
pub fn vocabulary() -> &'static [u8] {
    VOCABULARY
}

/// Changes whenever a byte of the embedded checkpoint does.
pub fn fingerprint() -> String {
    hash(&FILES)
}

fn hash(files: &[DemoFile]) -> String {
    let mut hasher = Sha256::new();
    for file in files {
        hasher.update(file.name.as_bytes());
        hasher.update((file.bytes.len() as u64).to_le_bytes());
        hasher.update(&file.bytes);
    }
    let digest = hasher.finalize();
    hex::encode(digest.get(..8).unwrap_or_default())
}

fn write_once(cache_dir: &Path, files: &[DemoFile]) -> std::io::Result<PathBuf> {
    create_private(cache_dir)?;
    let folder = cache_dir.join(format!("demo-{}", hash(files)));
    if is_whole(&folder, files) {
        return Ok(folder);
    }
    let filled = tempfile::Builder::new()
        .prefix(".demo-")
        .tempdir_in(cache_dir)?;
    for file in files {
        let mut out = std::fs::File::create_new(filled.path().join(file.name))?;
        out.write_all(&file.bytes)?;
        out.sync_all()?;
    }
    // A folder there now is another process's whole one, or one that lost a file: the second is moved aside.
    let renamed = std::fs::rename(filled.path(), &folder);
    if renamed.is_err() && !is_whole(&folder, files) {
        let aside = tempfile::Builder::new()
            .prefix(".demo-damaged-")
            .tempdir_in(cache_dir)?;
        std::fs::rename(&folder, aside.path().join("demo"))?;
        std::fs::rename(filled.path(), &folder)?;
    }
    if is_whole(&folder, files) {
        return Ok(folder);
    }
    Err(std::io::Error::other(format!(
        "{} did not keep the demo checkpoint",
        folder.display()
    )))
}

/// Every file there with its size and bytes. The bytes are compared too: a few milliseconds for a few MB.
fn is_whole(folder: &Path, files: &[DemoFile]) -> bool {
    files.iter().all(|file| {
        let path = folder.join(file.name);
        std::fs::metadata(&path).is_ok_and(|m| m.len() == file.bytes.len() as u64)
            && std::fs::read(&path).is_ok_and(|bytes| bytes == *file.bytes)
    })
}

/// The folder and its missing parents, readable by the user alone.
pub(super) fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
