//! Where words begin and end, for motions and deletions.
//!
//! A word is a run of letters, digits and underscores, a run of other signs, or one folded paste.

use super::paste;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Blank,
    Word,
    Sign,
    Paste,
}

fn kind(c: char) -> Kind {
    if c.is_whitespace() {
        Kind::Blank
    } else if paste::is_mark(c) {
        Kind::Paste
    } else if c.is_alphanumeric() || c == '_' {
        Kind::Word
    } else {
        Kind::Sign
    }
}

/// Bytes of the run that an iterator over one direction begins with: blanks, then one word.
fn run(chars: impl Iterator<Item = char>) -> usize {
    let mut length = 0;
    let mut word = None;
    for c in chars {
        let kind = kind(c);
        match (word, kind) {
            (None, Kind::Blank) => {}
            (None, Kind::Paste) => return length + c.len_utf8(),
            (None, kind) => word = Some(kind),
            (Some(word), kind) if word != kind => return length,
            (Some(_), _) => {}
        }
        length += c.len_utf8();
    }
    length
}

/// The start of the word before the end of `before`.
pub fn left(before: &str) -> usize {
    before.len() - run(before.chars().rev())
}

/// Bytes to the end of the word that follows.
pub fn right(after: &str) -> usize {
    run(after.chars())
}

/// The start of the run without white space before the end of `before`.
pub fn blank_left(before: &str) -> usize {
    let word = before.trim_end();
    match word.chars().next_back() {
        Some(c) if paste::is_mark(c) => word.len() - c.len_utf8(),
        _ => word
            .char_indices()
            .rev()
            .find(|(_, c)| matches!(kind(*c), Kind::Blank | Kind::Paste))
            .map_or(0, |(at, c)| at + c.len_utf8()),
    }
}
