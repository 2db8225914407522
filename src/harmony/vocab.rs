//! The `o200k_harmony` vocabulary, compiled in: text to ids, ids to bytes, the special tokens.
//!
//! It neither renders nor parses messages. Two things live here because `openai-harmony` can read its
//! vocabulary only from a folder named by an environment variable: the folder ([`encodings_dir`]) and the
//! one check that the process was pointed at it. The thing to know before changing it: [`Vocabulary::encode_text`]
//! never yields a special id, whatever the text spells, and is linear where `openai-harmony`'s own encoder
//! panics (a million spaces) or turns quadratic (a long word), so untrusted text goes through ours alone.

mod bpe;
mod file;
mod special;

#[cfg(test)]
mod tests;

pub use file::{ENCODINGS_VARIABLE, encodings_dir};
pub use special::{
    CALL, CHANNEL, CONSTRAIN, END, END_OF_TEXT, LAST, MESSAGE, RESERVED, RETURN, START,
    START_OF_TEXT, is_special,
};

use crate::conversation::TokenId;
use openai_harmony::HarmonyEncoding;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The ordinary tokens' bytes, joined, and the length of each; written by `build.rs`.
static TOKEN_BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/o200k.bytes"));
static TOKEN_LENGTHS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/o200k.lengths"));

/// Why the vocabulary cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VocabError {
    #[error(
        "the compiled-in vocabulary is damaged: {0}\n  this is our bug: rebuild from a clean checkout and report it"
    )]
    Table(String),
    #[error("cannot keep the vocabulary in {}: {reason}\n  make the folder writable, or set DESCANT_HOME to one that is", path.display())]
    Folder { path: PathBuf, reason: String },
    #[error("{ENCODINGS_VARIABLE} does not name {}\n  this is our bug: the program sets it before its first thread starts", path.display())]
    NotPointed { path: PathBuf },
    #[error("openai-harmony refused the vocabulary in {}: {reason}\n  remove that folder; it is made again at the next start", path.display())]
    Refused { path: PathBuf, reason: String },
}

/// The vocabulary, loaded once and shared. Cheap until a GPT-OSS prompt is rendered, which needs
/// `openai-harmony`'s own tables too (0.35 s and some 60 MB; [`Vocabulary::prepare_openai`] does it early).
pub struct Vocabulary {
    encoder: bpe::Encoder,
    /// Where each id's bytes begin in `TOKEN_BYTES`, one more entry than there are ordinary tokens.
    offsets: Box<[u32]>,
    /// The spellings of the special tokens, from the first of them on.
    spellings: Box<[String]>,
    encodings: PathBuf,
    openai: OnceLock<Result<HarmonyEncoding, VocabError>>,
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vocabulary")
            .field("encodings", &self.encodings)
            .finish_non_exhaustive()
    }
}

impl Vocabulary {
    /// Builds the tables (some 20 ms; call it off the interface's thread). `data_dir` is the program's own
    /// data folder; nothing is read or written there before a GPT-OSS prompt needs it.
    pub fn load(data_dir: &Path) -> Result<Arc<Vocabulary>, VocabError> {
        let mut offsets = Vec::with_capacity(TOKEN_LENGTHS.len() + 1);
        let mut end = 0_u32;
        offsets.push(end);
        for &length in TOKEN_LENGTHS {
            end += u32::from(length);
            offsets.push(end);
        }
        if end as usize != TOKEN_BYTES.len() || TOKEN_LENGTHS.len() != special::FIRST as usize {
            return Err(VocabError::Table(format!(
                "{} tokens with {end} bytes, {} bytes present",
                TOKEN_LENGTHS.len(),
                TOKEN_BYTES.len()
            )));
        }
        let tokens = offsets.windows(2).map(|pair| match pair {
            [from, to] => TOKEN_BYTES
                .get(*from as usize..*to as usize)
                .unwrap_or_default(),
            _ => &[],
        });
        Ok(Arc::new(Vocabulary {
            encoder: bpe::Encoder::new(tokens)?,
            offsets: offsets.into(),
            spellings: (special::FIRST..=special::LAST)
                .map(special::spelling)
                .collect(),
            encodings: encodings_dir(data_dir),
            openai: OnceLock::new(),
        }))
    }

    /// The ids of `text` as ordinary text: a spelled-out special token stays the characters it is.
    /// Equal to `openai-harmony`'s `encode_ordinary`. Linear, but for words of thousands of characters (n log n).
    pub fn encode_text(&self, text: &str) -> Vec<TokenId> {
        let mut ids = Vec::with_capacity(text.len() / 3);
        self.encoder.encode(text, &mut ids);
        ids
    }

    /// The bytes of `ids`, special tokens as they are spelled; an id outside the vocabulary becomes U+FFFD.
    pub fn decode_bytes(&self, ids: &[TokenId]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        for &id in ids {
            bytes.extend_from_slice(self.token_bytes(id).unwrap_or("\u{FFFD}".as_bytes()));
        }
        bytes
    }

    /// The bytes of one id, a special token as it is spelled; not always valid UTF-8 by itself.
    pub fn token_bytes(&self, id: TokenId) -> Option<&[u8]> {
        if id < special::FIRST {
            let id = id as usize;
            let (from, to) = (*self.offsets.get(id)?, *self.offsets.get(id + 1)?);
            TOKEN_BYTES.get(from as usize..to as usize)
        } else {
            self.spellings
                .get((id - special::FIRST) as usize)
                .map(String::as_bytes)
        }
    }

    /// The ordinary token that is exactly these bytes.
    pub fn token_of(&self, bytes: &[u8]) -> Option<TokenId> {
        self.encoder.rank(bytes)
    }

    /// Loads what rendering for GPT-OSS needs now (0.35 s, blocking) instead of at the first prompt.
    pub fn prepare_openai(&self) -> Result<(), VocabError> {
        self.openai().map(|_| ())
    }

    /// The longest run that the tokenizer's pattern does not split, in bytes.
    pub(crate) fn longest_piece(&self, text: &str) -> usize {
        self.encoder.longest_piece(text)
    }

    pub(crate) fn openai(&self) -> Result<&HarmonyEncoding, VocabError> {
        self.openai
            .get_or_init(|| {
                file::ensure(&self.encodings, || self.tiktoken_file())?;
                file::load(&self.encodings)
            })
            .as_ref()
            .map_err(Clone::clone)
    }

    /// OpenAI's published file, byte for byte: `BASE64 ID` lines.
    fn tiktoken_file(&self) -> String {
        use base64::Engine as _;
        let mut text = String::with_capacity(3_700_000);
        for id in 0..special::FIRST {
            base64::prelude::BASE64_STANDARD
                .encode_string(self.token_bytes(id).unwrap_or_default(), &mut text);
            text.push(' ');
            text.push_str(&id.to_string());
            text.push('\n');
        }
        text
    }
}
