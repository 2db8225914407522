//! Lines as they reach the screen, and styles laid over columns of them: search matches, a selection.

use crate::tui::render::wrap;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget};
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

/// Draws lines that were wrapped for `area`, one a row, over `style`. A line's own style is the background behind
/// its text, from there to the end of the row.
pub fn rows(mut lines: Vec<Line<'_>>, style: Style, area: Rect, buffer: &mut Buffer) {
    let area = area.intersection(buffer.area);
    let fills: Vec<Style> = lines
        .iter_mut()
        .map(|line| std::mem::take(&mut line.style))
        .collect();
    let ends: Vec<u16> = lines
        .iter()
        .map(|line| {
            u16::try_from(line.width())
                .unwrap_or(u16::MAX)
                .min(area.width)
        })
        .collect();
    Paragraph::new(lines).style(style).render(area, buffer);
    let below = area.rows().zip(ends).zip(fills);
    for ((row, end), fill) in below.filter(|(_, fill)| *fill != Style::default()) {
        let rest = Rect {
            x: row.x + end,
            width: row.width - end,
            ..row
        };
        buffer.set_style(rest, fill);
    }
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
    fn a_lines_background_goes_on_to_the_end_of_its_row_and_not_before_its_text() {
        let green = Style::new().bg(ratatui::style::Color::Green);
        let line = Line::from(vec![Span::raw("1 "), Span::styled("+a", green)]).style(green);
        let area = Rect::new(0, 0, 6, 2);
        let mut buffer = Buffer::empty(area);
        rows(
            vec![line, Line::raw("b")],
            Style::default(),
            area,
            &mut buffer,
        );
        let filled: Vec<bool> = buffer
            .content()
            .iter()
            .map(|cell| Some(cell.bg) == green.bg)
            .collect();
        let (first, second) = filled.split_at(6);
        assert_eq!(first, [false, false, true, true, true, true]);
        assert_eq!(second, [false; 6]);
    }

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
