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
            LocateStage::Punctuation | LocateStage::Fuzzy => Self::Folded,
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

/// The file's lines under each key, prepared when a stage is first needed.
pub(super) struct FileIndex<'a> {
    file: &'a [&'a str],
    keys: [Keyed; 4],
}

/// The lines as hashes. A list and no table: a table of all lines outgrows the processor's cache and then
/// costs more a line the longer the file is.
#[derive(Default)]
struct Keyed {
    hashes: Option<Vec<u32>>,
    /// Hash and line number in one word, sorted: made once there have been `FEW` searches.
    sorted: Option<Vec<u64>>,
    searches: usize,
}

/// For so many searches a pass over the file each costs less than sorting its lines.
const FEW: usize = 6;
/// Lines of a file whose sorting costs no more than one pass.
const SHORT: usize = 1024;
/// A line of the file that is no line of the pattern.
const ELSE: u32 = u32::MAX;

impl Keyed {
    fn hashes(&mut self, key: LineKey, file: &[&str]) -> &[u32] {
        self.hashes
            .get_or_insert_with(|| file.iter().map(|line| hash(&key.fold(line))).collect())
    }

    /// The sorted list, once it is worth its making.
    fn sorted(&mut self, key: LineKey, file: &[&str]) -> Option<&[u64]> {
        self.searches += 1;
        let worth_it = self.searches > FEW || (self.searches > 1 && file.len() <= SHORT);
        if worth_it && self.sorted.is_none() {
            let hashes = self.hashes(key, file).iter().copied();
            let mut sorted: Vec<u64> = hashes
                .zip(0u32..)
                .map(|(hash, line)| word(hash, line))
                .collect();
            sorted.sort_unstable();
            self.sorted = Some(sorted);
        }
        self.sorted.as_deref()
    }
}

fn word(hash: u32, line: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(line)
}

fn line_of(word: u64) -> usize {
    (word & u64::from(u32::MAX)) as usize
}

/// The lines with this hash, ascending.
fn with_hash(sorted: &[u64], hash: u32) -> &[u64] {
    let from = sorted.partition_point(|pair| *pair < word(hash, 0));
    let to = sorted.partition_point(|pair| *pair <= word(hash, u32::MAX));
    sorted.get(from..to).unwrap_or_default()
}

impl<'a> FileIndex<'a> {
    pub fn new(file: &'a [&'a str]) -> Self {
        Self {
            file,
            keys: Default::default(),
        }
    }

    fn keyed(&mut self, key: LineKey) -> &mut Keyed {
        let [whole, trailing, trimmed, folded] = &mut self.keys;
        match key {
            LineKey::Whole => whole,
            LineKey::WithoutTrailing => trailing,
            LineKey::Trimmed => trimmed,
            LineKey::Folded => folded,
        }
    }

    /// Where `pattern` begins, ascending; matches may overlap.
    pub fn find(&mut self, key: LineKey, pattern: &[&str]) -> Vec<usize> {
        if pattern.is_empty() || pattern.len() > self.file.len() {
            return Vec::new();
        }
        let file = self.file;
        let folded: Vec<Cow<'_, str>> = pattern.iter().map(|line| key.fold(line)).collect();
        let keyed = self.keyed(key);
        match keyed
            .sorted(key, file)
            .and_then(|sorted| by_rarest(sorted, file, key, &folded))
        {
            Some(starts) => starts,
            None => by_pass(keyed.hashes(key, file), file, key, &folded),
        }
    }

    /// For every line of `wanted` the file's lines equal to it, ascending.
    pub fn occurrences(&mut self, key: LineKey, wanted: &[&str]) -> Vec<Vec<usize>> {
        let file = self.file;
        let folded: Vec<Cow<'_, str>> = wanted.iter().map(|line| key.fold(line)).collect();
        let same = |line: usize, text: &Cow<'_, str>| {
            file.get(line).is_some_and(|line| key.fold(line) == *text)
        };
        let keyed = self.keyed(key);
        if let Some(sorted) = keyed.sorted(key, file) {
            let lines = |text| {
                with_hash(sorted, hash(text))
                    .iter()
                    .map(|pair| line_of(*pair))
            };
            return folded
                .iter()
                .map(|text| lines(text).filter(|line| same(*line, text)).collect())
                .collect();
        }
        let mut by_hash: FxHashMap<u32, Vec<usize>> = FxHashMap::default();
        for (at, text) in folded.iter().enumerate() {
            by_hash.entry(hash(text)).or_default().push(at);
        }
        let mut found = vec![Vec::new(); folded.len()];
        for (line, hash) in keyed.hashes(key, file).iter().enumerate() {
            for at in by_hash.get(hash).into_iter().flatten() {
                if let (Some(text), Some(slot)) = (folded.get(*at), found.get_mut(*at))
                    && same(line, text)
                {
                    slot.push(line);
                }
            }
        }
        found
    }
}

/// The places of the pattern's rarest line, each compared. `None` where they are so many that a pass over
/// the file costs less.
fn by_rarest(
    sorted: &[u64],
    file: &[&str],
    key: LineKey,
    pattern: &[Cow<'_, str>],
) -> Option<Vec<usize>> {
    let lists = pattern.iter().map(|line| with_hash(sorted, hash(line)));
    let (at, rarest) = lists.enumerate().min_by_key(|(_, list)| list.len())?;
    if rarest.len().saturating_mul(pattern.len()) > file.len() {
        return None;
    }
    let same = |start: usize| {
        let window = file.get(start..start + pattern.len()).unwrap_or_default();
        window.len() == pattern.len()
            && window
                .iter()
                .zip(pattern)
                .all(|(line, wanted)| key.fold(line) == *wanted)
    };
    let starts = rarest
        .iter()
        .filter_map(|pair| line_of(*pair).checked_sub(at));
    Some(starts.filter(|start| same(*start)).collect())
}

fn by_pass(hashes: &[u32], file: &[&str], key: LineKey, pattern: &[Cow<'_, str>]) -> Vec<usize> {
    // Numbers for the pattern's lines; the file's get theirs by hash, and equality is then made sure of.
    let mut numbers: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
    let mut wanted: Vec<u32> = Vec::with_capacity(pattern.len());
    for (at, line) in (0u32..).zip(pattern) {
        let same_hash = numbers.entry(hash(line)).or_default();
        let twin = same_hash
            .iter()
            .copied()
            .find(|number| pattern.get(*number as usize) == Some(line));
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
            .find(|number| pattern.get(*number as usize) == Some(&text));
        same.unwrap_or(ELSE)
    };
    let text = hashes.iter().enumerate();
    runs(text.map(|(line, hash)| number(line, hash)), &wanted)
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
