//! Lines of a file as numbers, and the search for a run of them.

use crate::patch::LocateStage;
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::borrow::Cow;
use std::hash::BuildHasher as _;

/// What of a line must be equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineKey {
    Whole,
    WithoutTrailing,
    Trimmed,
    Folded,
}

impl LineKey {
    pub fn of(stage: LocateStage) -> Self {
        match stage {
            LocateStage::Exact => Self::Whole,
            LocateStage::TrailingSpace => Self::WithoutTrailing,
            LocateStage::Indentation => Self::Trimmed,
            LocateStage::Punctuation => Self::Folded,
        }
    }

    pub fn fold(self, line: &str) -> Cow<'_, str> {
        match self {
            Self::Whole => Cow::Borrowed(line),
            Self::WithoutTrailing => Cow::Borrowed(line.trim_end()),
            Self::Trimmed => Cow::Borrowed(line.trim()),
            Self::Folded if line.is_ascii() => Cow::Borrowed(line.trim()),
            Self::Folded => Cow::Owned(fold_punctuation(line).trim().to_owned()),
        }
    }
}

/// Typographic characters as the keyboard's: models write `-` for an en dash and `"` for curly quotes.
fn fold_punctuation(line: &str) -> String {
    let mut folded = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => {
                folded.push('-')
            }
            '\u{2018}'..='\u{201b}' | '\u{2032}' | '\u{2035}' | '\u{ff07}' => folded.push('\''),
            '\u{201c}'..='\u{201f}'
            | '\u{2033}'
            | '\u{2036}'
            | '\u{ab}'
            | '\u{bb}'
            | '\u{ff02}' => folded.push('"'),
            '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
                folded.push(' ')
            }
            '\u{2026}' => folded.push_str("..."),
            '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' => {}
            _ => folded.push(c),
        }
    }
    folded
}

/// The file's lines as hashes under each key, made when a stage is first needed. A list and no table: a
/// table of all lines outgrows the processor's cache and then costs more a line the longer the file is.
pub(super) struct FileIndex<'a> {
    file: &'a [&'a str],
    hashes: [Option<Vec<u32>>; 4],
}

/// A line of the file that is no line of the pattern.
const ELSE: u32 = u32::MAX;

impl<'a> FileIndex<'a> {
    pub fn new(file: &'a [&'a str]) -> Self {
        Self {
            file,
            hashes: [None, None, None, None],
        }
    }

    /// Where `pattern` begins, ascending; matches may overlap.
    pub fn find(&mut self, key: LineKey, pattern: &[&str]) -> Vec<usize> {
        if pattern.is_empty() || pattern.len() > self.file.len() {
            return Vec::new();
        }
        let file = self.file;
        let [whole, trailing, trimmed, folded] = &mut self.hashes;
        let slot = match key {
            LineKey::Whole => whole,
            LineKey::WithoutTrailing => trailing,
            LineKey::Trimmed => trimmed,
            LineKey::Folded => folded,
        };
        let hashes =
            slot.get_or_insert_with(|| file.iter().map(|line| hash(&key.fold(line))).collect());

        // Numbers for the pattern's lines; the file's get theirs by hash, and equality is then made sure of.
        let folded: Vec<Cow<'_, str>> = pattern.iter().map(|line| key.fold(line)).collect();
        let mut numbers: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        let mut wanted: Vec<u32> = Vec::with_capacity(folded.len());
        for (at, line) in (0u32..).zip(&folded) {
            let same_hash = numbers.entry(hash(line)).or_default();
            let twin = same_hash
                .iter()
                .copied()
                .find(|number| folded.get(*number as usize) == Some(line));
            wanted.push(twin.unwrap_or(at));
            if twin.is_none() {
                same_hash.push(at);
            }
        }
        let number = |line: usize, hash: &u32| {
            let (Some(same_hash), Some(text)) = (numbers.get(hash), file.get(line)) else {
                return ELSE;
            };
            let text = key.fold(text);
            let same = same_hash
                .iter()
                .copied()
                .find(|number| folded.get(*number as usize) == Some(&text));
            same.unwrap_or(ELSE)
        };
        runs(
            hashes
                .iter()
                .enumerate()
                .map(|(line, hash)| number(line, hash)),
            &wanted,
        )
    }
}

/// The upper half, which is the better mixed one. A collision costs a comparison and nothing else.
fn hash(line: &str) -> u32 {
    (FxBuildHasher.hash_one(line) >> 32) as u32
}

/// Knuth-Morris-Pratt.
fn runs(text: impl Iterator<Item = u32>, pattern: &[u32]) -> Vec<usize> {
    // fallback[i]: length of the longest proper prefix of pattern[..=i] that is also its suffix.
    let mut fallback = vec![0usize; pattern.len()];
    let mut matched = 0;
    for index in 1..pattern.len() {
        matched = advance(pattern, &fallback, matched, pattern.get(index).copied());
        if let Some(slot) = fallback.get_mut(index) {
            *slot = matched;
        }
    }
    let mut starts = Vec::new();
    matched = 0;
    for (index, number) in text.enumerate() {
        matched = advance(pattern, &fallback, matched, Some(number));
        if matched == pattern.len() {
            starts.push(index + 1 - pattern.len());
            matched = fallback.last().copied().unwrap_or(0);
        }
    }
    starts
}

fn advance(pattern: &[u32], fallback: &[usize], mut matched: usize, next: Option<u32>) -> usize {
    while matched > 0 && pattern.get(matched).copied() != next {
        matched = fallback.get(matched - 1).copied().unwrap_or(0);
    }
    if pattern.get(matched).copied() == next {
        matched + 1
    } else {
        matched
    }
}
