//! A reduced vocabulary: how a small checkpoint's token ids map to Harmony's and back.
//!
//! A checkpoint folder with a `vocab.json` beside its weights (the built-in demo has one) knows the Harmony
//! special tokens and a subset of o200k's ordinary tokens. Everything above the engine speaks Harmony ids;
//! this is the only place that translates. Out: a table. In: the text between special tokens is decoded to
//! bytes and encoded again with what the subset has, exactly as `demo/tokenizer.py` does for training
//! (`golden.json` holds the two to each other). A subset may have several tokens for the newline: the first
//! newline of a message is written with the first of them, and so on, round and round. Special tokens the
//! checkpoint does not have are dropped: they spell no text and only ever come from another model's record.
//!
//! The one thing to know: encoding again is canonical. A generation that spelled a word in unusual pieces
//! comes back in usual ones; the prompt is then right but the prefix cache holds only up to that word.

use crate::conversation::TokenId;
use crate::harmony::vocab::{self, Vocabulary};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The file of a reduced vocabulary, as the demo's training script writes it.
#[derive(Debug, Deserialize)]
struct VocabularyFile {
    /// Spelled special tokens, the first ids.
    specials: Vec<String>,
    /// The Harmony id of every id of the checkpoint, specials first.
    o200k_ids: Vec<TokenId>,
    /// Bytes of the ordinary tokens, in hexadecimal, in the order of their ids.
    tokens_hex: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ReducedError {
    #[error("not a reduced vocabulary: {0}")]
    Syntax(#[from] serde_json::Error),
    #[error("{ids} ids for {specials} special and {ordinary} ordinary tokens")]
    Count {
        ids: usize,
        specials: usize,
        ordinary: usize,
    },
    #[error("token {index} is not hexadecimal bytes: {text:?}")]
    Hex { index: usize, text: String },
    #[error("Harmony id {0} appears twice")]
    Twice(TokenId),
    #[error("no token for byte {0:#04x}")]
    NoByte(u8),
    #[error("no id for {0}")]
    NoSpecial(&'static str),
}

#[derive(Debug)]
pub struct ReducedVocabulary {
    /// Harmony id by checkpoint id.
    harmony: Vec<TokenId>,
    specials: FxHashMap<TokenId, u32>,
    bytes: [u32; 256],
    /// Rank (the o200k id) and checkpoint id of the tokens of ASCII letters.
    letters: FxHashMap<Vec<u8>, (u32, u32)>,
    /// Checkpoint id of the tokens of two or three digits.
    numbers: FxHashMap<Vec<u8>, u32>,
    /// Length and checkpoint id of the tokens that repeat one byte, by that byte, longest first.
    runs: FxHashMap<u8, Vec<(usize, u32)>>,
    /// Checkpoint ids of the newline; never empty.
    newlines: Vec<u32>,
    sacrifice: u32,
}

impl ReducedVocabulary {
    pub fn parse(json: &[u8]) -> Result<Self, ReducedError> {
        let file: VocabularyFile = serde_json::from_slice(json)?;
        let (specials, ordinary) = (file.specials.len(), file.tokens_hex.len());
        if file.o200k_ids.len() != specials + ordinary {
            return Err(ReducedError::Count {
                ids: file.o200k_ids.len(),
                specials,
                ordinary,
            });
        }
        let mut seen: FxHashSet<TokenId> = FxHashSet::default();
        let twice = |id: &&TokenId| !seen.insert(**id);
        if let Some(id) = file.o200k_ids.iter().take(specials).find(twice) {
            return Err(ReducedError::Twice(*id));
        }
        let special_ids: FxHashMap<TokenId, u32> = file
            .o200k_ids
            .iter()
            .take(specials)
            .copied()
            .zip(0u32..)
            .collect();
        let sacrifice = *special_ids
            .get(&vocab::RESERVED)
            .ok_or(ReducedError::NoSpecial(
                "the sacrificial <|reserved_200000|>",
            ))?;

        let mut bytes: [Option<u32>; 256] = [None; 256];
        let mut letters = FxHashMap::default();
        let mut numbers = FxHashMap::default();
        let mut runs: FxHashMap<u8, Vec<(usize, u32)>> = FxHashMap::default();
        let mut newlines = Vec::new();
        for (index, text) in file.tokens_hex.iter().enumerate() {
            let token = hex::decode(text).map_err(|_not_hex| ReducedError::Hex {
                index,
                text: text.clone(),
            })?;
            let id = u32::try_from(specials + index).unwrap_or(u32::MAX);
            let rank = file
                .o200k_ids
                .get(specials + index)
                .copied()
                .unwrap_or(u32::MAX);
            if token == b"\n" {
                newlines.push(id);
            } else if !seen.insert(rank) {
                return Err(ReducedError::Twice(rank));
            }
            match token[..] {
                [byte] => bytes[usize::from(byte)] = bytes[usize::from(byte)].or(Some(id)),
                _ if token.iter().all(u8::is_ascii_alphabetic) => {
                    letters.insert(token, (rank, id));
                }
                [_, _] | [_, _, _] if token.iter().all(u8::is_ascii_digit) => {
                    numbers.insert(token, id);
                }
                [first, ..] if token.iter().all(|b| *b == first) => {
                    runs.entry(first).or_default().push((token.len(), id));
                }
                _ => {}
            }
        }
        for lengths in runs.values_mut() {
            lengths.sort_unstable_by_key(|&(length, _)| Reverse(length));
        }
        let mut byte_ids = [0u32; 256];
        for (byte, (slot, id)) in (0u8..=255).zip(byte_ids.iter_mut().zip(bytes)) {
            *slot = id.ok_or(ReducedError::NoByte(byte))?;
        }
        Ok(ReducedVocabulary {
            harmony: file.o200k_ids,
            specials: special_ids,
            bytes: byte_ids,
            letters,
            numbers,
            runs,
            newlines,
            sacrifice,
        })
    }

    /// How many ids the checkpoint must have.
    pub fn len(&self) -> usize {
        self.harmony.len()
    }

    pub fn is_empty(&self) -> bool {
        self.harmony.is_empty()
    }

    /// The id that stands in for a stop token where the engine must not see it.
    pub fn sacrifice(&self) -> u32 {
        self.sacrifice
    }

    /// The checkpoint's id of a special token.
    pub fn special(&self, token: TokenId) -> Option<u32> {
        self.specials.get(&token).copied()
    }

    /// `None` for an id the checkpoint's padding may have and the table has not.
    /// The Harmony id of each id of the checkpoint, in their order.
    pub fn harmony_ids(&self) -> &[TokenId] {
        &self.harmony
    }

    pub fn to_harmony(&self, id: u32) -> Option<TokenId> {
        self.harmony.get(usize::try_from(id).ok()?).copied()
    }

    /// A rendered prompt in the checkpoint's ids.
    pub fn encode_prompt(&self, prompt: &[TokenId], vocabulary: &Vocabulary) -> Vec<u32> {
        let mut ids = Vec::with_capacity(prompt.len() + prompt.len() / 2);
        for part in prompt.chunk_by(|a, b| !vocab::is_special(*a) && !vocab::is_special(*b)) {
            match part {
                [id] if vocab::is_special(*id) => ids.extend(self.specials.get(id)),
                text => self.encode_bytes(&vocabulary.decode_bytes(text), &mut ids),
            }
        }
        ids
    }

    /// The ordinary text of one message, appended to `ids`; newlines are counted from its beginning.
    pub fn encode_bytes(&self, text: &[u8], ids: &mut Vec<u32>) {
        let mut newlines = self.newlines.iter().cycle();
        for run in text.chunk_by(|a, b| match a {
            b'\n' => false,
            _ if a.is_ascii_alphabetic() => b.is_ascii_alphabetic(),
            _ if a.is_ascii_digit() => b.is_ascii_digit(),
            _ => a == b,
        }) {
            match run {
                [b'\n', ..] => ids.extend(newlines.next()),
                [byte] => ids.push(self.byte(*byte)),
                [b'0'..=b'9', ..] => self.encode_digits(run, ids),
                [byte, ..] if byte.is_ascii_alphabetic() => self.encode_letters(run, ids),
                [byte, ..] => self.encode_run(*byte, run.len(), ids),
                [] => {}
            }
        }
    }

    fn byte(&self, byte: u8) -> u32 {
        self.bytes[usize::from(byte)]
    }

    /// From the left, three digits at a time.
    fn encode_digits(&self, digits: &[u8], ids: &mut Vec<u32>) {
        for number in digits.chunks(3) {
            match self.numbers.get(number) {
                Some(id) => ids.push(*id),
                None => ids.extend(number.iter().map(|digit| self.byte(*digit))),
            }
        }
    }

    /// The longest token that fits, again and again.
    fn encode_run(&self, byte: u8, mut left: usize, ids: &mut Vec<u32>) {
        for &(length, id) in self.runs.get(&byte).map_or(&[][..], Vec::as_slice) {
            while left >= length {
                ids.push(id);
                left -= length;
            }
        }
        ids.extend(std::iter::repeat_n(self.byte(byte), left));
    }

    /// Byte pair encoding: the adjacent pair of lowest rank merges first, the leftmost among equals. A heap
    /// keeps a long run (a base64 blob without digits) from costing its square.
    fn encode_letters(&self, run: &[u8], ids: &mut Vec<u32>) {
        // Piece `i` starts at byte `i` and ends at `end[i]`; `end[i] == i` marks one merged into its left.
        let mut end: Vec<usize> = (1..=run.len()).collect();
        let mut previous: Vec<Option<usize>> = (0..run.len()).map(|i| i.checked_sub(1)).collect();
        let mut heap = BinaryHeap::new();
        let pair = |end: &[usize], left: usize| -> Option<Reverse<(u32, usize, usize)>> {
            let middle = *end.get(left)?;
            let right_end = *end.get(middle)?;
            let &(rank, _) = self.letters.get(run.get(left..right_end)?)?;
            Some(Reverse((rank, left, right_end)))
        };
        heap.extend((0..run.len()).filter_map(|left| pair(&end, left)));
        while let Some(Reverse((_, left, right_end))) = heap.pop() {
            let Some(&middle) = end.get(left) else {
                continue;
            };
            // Stale when either piece has since merged with another.
            if middle == left || end.get(middle) != Some(&right_end) {
                continue;
            }
            if let Some(e) = end.get_mut(middle) {
                *e = middle;
            }
            if let Some(e) = end.get_mut(left) {
                *e = right_end;
            }
            if let Some(p) = previous.get_mut(right_end) {
                *p = Some(left);
            }
            heap.extend(pair(&end, left));
            if let Some(Some(before)) = previous.get(left) {
                heap.extend(pair(&end, *before));
            }
        }
        let mut at = 0;
        while let (Some(&next), true) = (end.get(at), at < run.len()) {
            let piece = run.get(at..next).unwrap_or_default();
            match piece {
                [byte] => ids.push(self.byte(*byte)),
                _ => ids.extend(self.letters.get(piece).map(|&(_, id)| id)),
            }
            at = next;
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
