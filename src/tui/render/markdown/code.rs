//! Code in a fence, line by line, coloured as far as a grammar knows its language.
//!
//! A grammar's state goes on from line to line, so a line is coloured once. A line that is still being written is
//! coloured from a copy.

use super::Look;
use crate::tui::render::diff::token_style;
use crate::tui::render::syntax::{CodeState, Grammars, Tokens};
use crate::tui::render::wrap::Source;
use crate::tui::theme::Theme;
use ratatui::style::Style;
use ratatui::text::Span;

/// Longer lines are drawn in pieces of about this many bytes, and without colours.
const PIECE: usize = 2048;

/// What the lines so far have made of the grammar's state; without one, code is plain.
#[derive(Debug, Clone, Default)]
pub struct Colours(Option<CodeState>);

impl Colours {
    pub fn of(language: &str, grammars: Option<&Grammars>) -> Colours {
        Colours(grammars.and_then(|grammars| grammars.code(language)))
    }

    pub fn line(&mut self, line: &str, look: Look<'_>) -> Source {
        let tokens = match (&mut self.0, look.grammars) {
            (Some(state), Some(grammars)) => grammars.code_line(state, line),
            _ => None,
        };
        match tokens {
            Some(tokens) => Source::spans(painted(line, &tokens, look.theme)).verbatim(),
            None => plain(line, look.theme),
        }
    }
}

/// Code without colours.
pub fn plain(line: &str, theme: &Theme) -> Source {
    Source::plain(line.to_owned(), theme.code).verbatim()
}

fn painted(line: &str, tokens: &Tokens, theme: &Theme) -> Vec<Span<'static>> {
    let mut out = Vec::new();
    let mut push = |from: usize, to: usize, style: Style| {
        if let Some(text) = line.get(from..to).filter(|text| !text.is_empty()) {
            out.push(Span::styled(text.to_owned(), style));
        }
    };
    let mut at = 0;
    for (range, token) in tokens {
        push(at, range.start, theme.text);
        push(
            range.start,
            range.end,
            theme.text.patch(token_style(*token, theme)),
        );
        at = range.end;
    }
    push(at, line.len(), theme.text);
    out
}

/// The length of the next piece of a line that is longer than a piece. It depends on nothing that follows, and ends
/// between two ASCII characters where there are any, so that no grapheme is torn.
pub fn piece(line: &str) -> Option<usize> {
    let mut before = None;
    for (at, c) in line.char_indices() {
        let whole = c.is_ascii() && before.is_some_and(|before: char| before.is_ascii());
        if at >= 2 * PIECE || at >= PIECE && whole {
            return Some(at);
        }
        before = Some(c);
    }
    None
}
