//! Lines of a file as numbers, and the search for a run of them.

use crate::patch::LocateStage;
use rustc_hash::FxHashMap;
use std::borrow::Cow;

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

/// The file's lines under each key, made when a stage is first needed.
pub(super) struct FileIndex<'a> {
    file: &'a [&'a str],
    keyed: [Option<Keyed<'a>>; 4],
}

struct Keyed<'a> {
    numbers: FxHashMap<Cow<'a, str>, u32>,
    lines: Vec<u32>,
}

impl<'a> FileIndex<'a> {
    pub fn new(file: &'a [&'a str]) -> Self {
        Self {
            file,
            keyed: [None, None, None, None],
        }
    }

    /// Where `pattern` begins, ascending; matches may overlap.
    pub fn find(&mut self, key: LineKey, pattern: &[&str]) -> Vec<usize> {
        if pattern.is_empty() || pattern.len() > self.file.len() {
            return Vec::new();
        }
        let file = self.file;
        let slot = match key {
            LineKey::Whole => 0,
            LineKey::WithoutTrailing => 1,
            LineKey::Trimmed => 2,
            LineKey::Folded => 3,
        };
        let [exact, trailing, trimmed, folded] = &mut self.keyed;
        let keyed = [exact, trailing, trimmed, folded].into_iter().nth(slot);
        let Some(keyed) = keyed else {
            return Vec::new();
        };
        let keyed = keyed.get_or_insert_with(|| Keyed::new(file, key));
        // A line that is nowhere in the file decides without a pass over it.
        let Some(wanted) = pattern
            .iter()
            .map(|line| keyed.numbers.get(key.fold(line).as_ref()).copied())
            .collect::<Option<Vec<u32>>>()
        else {
            return Vec::new();
        };
        runs(&keyed.lines, &wanted)
    }
}

impl<'a> Keyed<'a> {
    fn new(file: &'a [&'a str], key: LineKey) -> Self {
        let mut numbers: FxHashMap<Cow<'a, str>, u32> = FxHashMap::default();
        let lines = file
            .iter()
            .map(|line| {
                let next = numbers.len() as u32;
                *numbers.entry(key.fold(line)).or_insert(next)
            })
            .collect();
        Self { numbers, lines }
    }
}

/// Knuth-Morris-Pratt.
fn runs(text: &[u32], pattern: &[u32]) -> Vec<usize> {
    // fallback[i]: length of the longest proper prefix of pattern[..=i] that is also its suffix.
    let mut fallback = vec![0usize; pattern.len()];
    let mut matched = 0;
    for index in 1..pattern.len() {
        matched = advance(pattern, &fallback, matched, pattern.get(index));
        if let Some(slot) = fallback.get_mut(index) {
            *slot = matched;
        }
    }
    let mut starts = Vec::new();
    matched = 0;
    for (index, number) in text.iter().enumerate() {
        matched = advance(pattern, &fallback, matched, Some(number));
        if matched == pattern.len() {
            starts.push(index + 1 - pattern.len());
            matched = fallback.last().copied().unwrap_or(0);
        }
    }
    starts
}

fn advance(pattern: &[u32], fallback: &[usize], mut matched: usize, next: Option<&u32>) -> usize {
    while matched > 0 && pattern.get(matched) != next {
        matched = fallback.get(matched - 1).copied().unwrap_or(0);
    }
    if pattern.get(matched) == next {
        matched + 1
    } else {
        matched
    }
}
