//! How the head of a turn looks in the reasoning pane.

use crate::tui::render::wrap::{self, Source};
use crate::tui::theme::Theme;
use crate::tui::transcript::Thought;
use crate::tui::transcript::cells;
use ratatui::text::Span;

/// Columns of the prompt that stay in any case.
const LEAST_PROMPT: usize = 8;

/// `▾ prompt` while it is open, `▸ prompt · 12s · 90 tokens · 6 lines` when it is folded.
pub fn head(thought: &Thought, theme: &Theme, columns: u16, unfolded: bool) -> Source {
    let sign = if unfolded { "\u{25be} " } else { "\u{25b8} " };
    let mut figures = String::new();
    if let Some(done) = thought.done {
        figures = format!(" \u{b7} {}", cells::duration(done.elapsed));
        for (count, one, many) in [
            (done.tokens, "token", "tokens"),
            (done.lines, "line", "lines"),
        ] {
            if count > 0 {
                let word = if count == 1 { one } else { many };
                figures.push_str(&format!(" \u{b7} {count} {word}"));
            }
        }
    }
    // The figures say more than the end of a long question.
    let room = usize::from(columns).saturating_sub(wrap::width(&figures) + 2);
    let prompt = wrap::clip(&thought.prompt, room.max(LEAST_PROMPT));
    Source::spans(vec![
        Span::styled(prompt, theme.prompt),
        Span::styled(figures, theme.dim),
    ])
    .gutter(Span::styled(sign, theme.prompt), Span::raw("  "))
}
