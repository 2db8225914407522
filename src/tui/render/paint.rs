//! Styles laid over columns of a drawn line: search matches, a selection.

use crate::tui::render::wrap;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// `line` with `style` over the columns of `range`; a wide character that lies in it by half is in it.
pub fn over(line: &Line<'static>, range: &Range<usize>, style: Style) -> Line<'static> {
    let mut out = Line {
        style: line.style,
        alignment: line.alignment,
        spans: Vec::with_capacity(line.spans.len() + 2),
    };
    let mut column = 0;
    for span in &line.spans {
        let mut text = String::new();
        let mut inside = false;
        for grapheme in span.content.graphemes(true) {
            let cells = wrap::width(grapheme);
            let now = column < range.end && column + cells > range.start;
            if now != inside && !text.is_empty() {
                push(
                    &mut out,
                    std::mem::take(&mut text),
                    span.style,
                    inside,
                    style,
                );
            }
            inside = now;
            text.push_str(grapheme);
            column += cells;
        }
        if !text.is_empty() {
            push(&mut out, text, span.style, inside, style);
        }
    }
    out
}

fn push(out: &mut Line<'static>, text: String, own: Style, inside: bool, style: Style) {
    let style = if inside { own.patch(style) } else { own };
    out.spans.push(Span::styled(text, style));
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;
    use ratatui::style::Modifier;

    #[test]
    fn columns_are_counted_as_they_are_drawn() {
        let bold = Style::default().add_modifier(Modifier::BOLD);
        let line = Line::from(vec![Span::raw("ab漢"), Span::raw("字cd")]);
        for (range, expected) in [
            (0..0, "ab漢字cd"),
            (0..2, "[ab]漢字cd"),
            (3..4, "ab[漢]字cd"),
            (2..6, "ab[漢][字]cd"),
            (5..9, "ab漢[字cd]"),
            (7..99, "ab漢字c[d]"),
        ] {
            let painted = over(&line, &range, bold);
            let shown: String = painted
                .spans
                .iter()
                .map(|span| match span.style == bold {
                    true => format!("[{}]", span.content),
                    false => span.content.to_string(),
                })
                .collect();
            assert_eq!(shown, expected, "{range:?}");
        }
    }
}
