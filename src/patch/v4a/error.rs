//! Why a text is no patch, for the model that has to write it again.

use crate::text::is_unsafe;

/// Says where, what stands there, and what was expected. Line and column count from 1, the column in
/// characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column} of the patch: `{found}`\n  {expected}")]
pub struct ParseError {
    pub line: usize,
    pub column: usize,
    /// The line itself, cut, with spaces for what must not reach a terminal.
    pub found: String,
    pub expected: String,
}

/// Characters of a line that are shown.
const WIDTH: usize = 120;

impl ParseError {
    pub(crate) fn new(
        line: usize,
        column: usize,
        found: &str,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            line: line.max(1),
            column: column.max(1),
            found: shown(found),
            expected: expected.into(),
        }
    }
}

pub(super) fn shown(line: &str) -> String {
    let mut shown: String = line
        .chars()
        .take(WIDTH)
        .map(|c| {
            if is_unsafe(c) || c.is_control() {
                ' '
            } else {
                c
            }
        })
        .collect();
    if line.chars().nth(WIDTH).is_some() {
        shown.push('…');
    }
    shown
}

/// Where the text of a line begins.
pub(crate) fn first_column(line: &str) -> usize {
    line.chars().take_while(|c| c.is_whitespace()).count() + 1
}
