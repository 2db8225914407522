//! Byte-pair encoding of ordinary text with the o200k ranks.
//!
//! Equal to tiktoken's result, but linear in the text: the pattern has no look-ahead, and long pieces are
//! merged with a heap instead of repeated scans.

use super::VocabError;
use crate::conversation::TokenId;
use regex::Regex;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// tiktoken's o200k pattern without its last alternative but one, `\s+(?!\S)`: [`Pieces`] does what that
/// says (a run of spaces gives its last space to the word that follows), since look-ahead costs
/// backtracking, and its limit turns a megabyte of spaces into a panic in `openai-harmony`.
const PATTERN: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"|\p{N}{1,3}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*",
    r"|\s*[\r\n]+",
    r"|\s+",
);

pub(super) struct Encoder {
    ids: FxHashMap<&'static [u8], TokenId>,
    /// No token is longer, so no longer slice needs a look-up.
    longest: usize,
    pattern: Regex,
}

impl Encoder {
    /// `tokens` in the order of their ids, which is the order of their ranks.
    pub(super) fn new(tokens: impl Iterator<Item = &'static [u8]>) -> Result<Encoder, VocabError> {
        let mut ids = FxHashMap::default();
        ids.reserve(200_000);
        for (id, token) in (0..).zip(tokens) {
            ids.insert(token, id);
        }
        let longest = ids.keys().map(|token| token.len()).max().unwrap_or(0);
        let pattern = Regex::new(PATTERN).map_err(|error| VocabError::Table(error.to_string()))?;
        Ok(Encoder {
            ids,
            longest,
            pattern,
        })
    }

    pub(super) fn encode(&self, text: &str, into: &mut Vec<TokenId>) {
        for piece in self.pieces(text) {
            match self.rank(piece) {
                Some(id) => into.push(id),
                None => self.merge(piece, into),
            }
        }
    }

    pub(super) fn longest_piece(&self, text: &str) -> usize {
        self.pieces(text).map(<[u8]>::len).max().unwrap_or(0)
    }

    fn pieces<'a>(&'a self, text: &'a str) -> Pieces<'a> {
        Pieces {
            pattern: &self.pattern,
            text,
            at: 0,
        }
    }

    pub(super) fn rank(&self, bytes: &[u8]) -> Option<TokenId> {
        if bytes.len() > self.longest {
            None
        } else {
            self.ids.get(bytes).copied()
        }
    }

    /// Merges the adjacent pair of lowest rank (the leftmost of equals) until none is left.
    fn merge(&self, piece: &[u8], into: &mut Vec<TokenId>) {
        // Part i covers piece[i..next[i]]; a merged-away part has next 0. Parts are linked both ways.
        let len = piece.len();
        let mut next: Vec<usize> = (1..=len).collect();
        let mut previous: Vec<usize> = (0..len).map(|i| i.wrapping_sub(1)).collect();
        let pair = |next: &[usize], left: usize| -> Option<(TokenId, usize)> {
            let middle = *next.get(left)?;
            let end = *next.get(middle)?;
            Some((self.rank(piece.get(left..end)?)?, end))
        };
        let mut heap: BinaryHeap<Reverse<(TokenId, usize, usize)>> = (0..len)
            .filter_map(|left| pair(&next, left).map(|(rank, end)| Reverse((rank, left, end))))
            .collect();
        while let Some(Reverse((rank, left, end))) = heap.pop() {
            // An entry is stale when either of its parts was merged since.
            if next.get(left) == Some(&0) || pair(&next, left) != Some((rank, end)) {
                continue;
            }
            let Some(middle) = next.get(left).copied() else {
                continue;
            };
            if let Some(gone) = next.get_mut(middle) {
                *gone = 0;
            }
            if let Some(part) = next.get_mut(left) {
                *part = end;
            }
            if let Some(after) = previous.get_mut(end) {
                *after = left;
            }
            let before = previous
                .get(left)
                .copied()
                .filter(|&before| before != usize::MAX);
            for changed in before.into_iter().chain([left]) {
                if let Some((rank, end)) = pair(&next, changed) {
                    heap.push(Reverse((rank, changed, end)));
                }
            }
        }
        let mut at = 0;
        while let Some(&end) = next.get(at) {
            // Every single byte is a token, so every part has a rank.
            into.extend(piece.get(at..end).and_then(|part| self.rank(part)));
            at = end;
        }
    }
}

/// The pieces of a text that are merged on their own.
struct Pieces<'a> {
    pattern: &'a Regex,
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let found = self.pattern.find_at(self.text, self.at)?;
        let piece = found.as_str();
        let mut end = found.end();
        let last = piece.chars().next_back()?;
        // Only `\s+` matches spaces without a line break at their end; it is greedy, so more text means
        // a word follows, and the last space goes to that word unless it is the only one.
        let spaces = last.is_whitespace() && !matches!(last, '\r' | '\n');
        if spaces && end < self.text.len() && piece.len() > last.len_utf8() {
            end -= last.len_utf8();
        }
        let start = found.start();
        self.at = end;
        self.text.as_bytes().get(start..end)
    }
}
