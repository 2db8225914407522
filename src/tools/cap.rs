//! Caps: what a tool may add to the context, and the line that says what was left out.

use std::fmt::Write as _;

/// Bytes of one tool answer: about 4,000 tokens of source.
pub const ANSWER_LIMIT: usize = 16 * 1024;

/// The text whole, or its head and tail (whole lines where lines are short) with a line between that says how much is
/// missing, and where `kept` names it all of it can be read.
pub fn head_and_tail(text: &str, limit: usize, kept: Option<&str>) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let head_end = cut_before(text, limit * 2 / 3);
    let tail_start = cut_after(text, text.len() - limit / 3);
    let (head, rest) = text.split_at(head_end);
    let (middle, tail) = rest.split_at(tail_start - head_end);
    let lines = middle.matches('\n').count();
    let separator = if head.ends_with('\n') { "" } else { "\n" };
    let mut out = format!(
        "{head}{separator}[{} bytes in {lines} lines left out",
        middle.len()
    );
    if let Some(name) = kept {
        // Writing to memory cannot fail.
        let _ = write!(out, "; read_file has all of it as {name}");
    }
    out.push_str("]\n");
    out.push_str(tail);
    out
}

/// The end of the last line that ends at or before `at`; if that loses more than half, a character boundary.
fn cut_before(text: &str, at: usize) -> usize {
    let boundary = floor_boundary(text, at);
    let (head, _) = text.split_at(boundary);
    match head.rfind('\n') {
        Some(newline) if newline + 1 > boundary / 2 => newline + 1,
        _ => boundary,
    }
}

/// The start of the first line that begins at or after `at`; if that loses more than half, a character boundary.
fn cut_after(text: &str, at: usize) -> usize {
    let boundary = ceil_boundary(text, at);
    let (_, tail) = text.split_at(boundary);
    match tail.find('\n') {
        Some(newline) if newline + 1 < tail.len() / 2 => boundary + newline + 1,
        _ => boundary,
    }
}

/// The last character boundary at or before `at`.
pub(crate) fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|index| text.is_char_boundary(*index))
        .unwrap_or(0)
}

/// The first character boundary at or after `at`.
fn ceil_boundary(text: &str, at: usize) -> usize {
    (at..text.len())
        .find(|index| text.is_char_boundary(*index))
        .unwrap_or(text.len())
}
