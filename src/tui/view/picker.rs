//! Draws a list to choose from: title and count, the query, the rows around the choice, the keys.

use crate::tui::keymap::{Context, Keymap};
use crate::tui::model::Model;
use crate::tui::picker::{Picker, Row};
use crate::tui::render::wrap;
use crate::tui::theme::Theme;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// A narrower list shows no details.
const DETAILS_FROM: usize = 56;
/// Where no text is wider, the details stand in a column.
const SHORT: usize = 28;
/// Title, query and keys.
const AROUND: u16 = 3;

/// Rows of the list on a screen of this height, status bar included.
pub fn page(height: u16) -> usize {
    usize::from(height.saturating_sub(AROUND + 1)).max(1)
}

pub fn view(model: &Model, picker: &Picker, area: Rect, frame: &mut Frame<'_>) {
    let theme = &model.theme;
    let width = usize::from(area.width);
    let mut rest = area;
    let line = |from_top: bool, rest: &mut Rect| {
        let row = Rect {
            y: if from_top {
                rest.y
            } else {
                rest.bottom().saturating_sub(1)
            },
            height: rest.height.min(1),
            ..*rest
        };
        rest.height -= row.height;
        if from_top {
            rest.y += row.height;
        }
        row
    };
    let title = line(true, &mut rest);
    let query = line(true, &mut rest);
    // A list of one row is worth more than its keys.
    let hints = if rest.height > 2 {
        line(false, &mut rest)
    } else {
        Rect::default()
    };

    let count = if picker.shown().len() == picker.total() {
        format!("{}", picker.total())
    } else {
        format!("{} of {}", picker.shown().len(), picker.total())
    };
    let head = wrap::clip(&picker.title, width.saturating_sub(wrap::width(&count) + 2));
    frame.render_widget(
        Line::from(vec![
            Span::styled(head, theme.heading),
            Span::styled(format!("  {count}"), theme.dim),
        ]),
        title,
    );
    if query.height > 0 {
        search(picker, theme, query, frame);
    }
    frame.render_widget(Paragraph::new(rows(picker, theme, rest)), rest);
    if hints.height > 0 {
        frame.render_widget(
            Line::styled(wrap::clip(&keys(&model.keys), width), theme.dim),
            hints,
        );
    }
}

fn search(picker: &Picker, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width);
    if !picker.searching() {
        frame.render_widget(
            Line::styled(wrap::clip("/ searches", width), theme.dim),
            area,
        );
        return;
    }
    let typed = format!("/ {}", picker.query());
    let at = wrap::width(&typed).min(width.saturating_sub(1));
    let line = if picker.query().is_empty() {
        Line::styled(wrap::clip("/ type to search", width), theme.dim)
    } else {
        Line::styled(wrap::clip(&typed, width), theme.prompt)
    };
    frame.render_widget(line, area);
    let column = u16::try_from(at).unwrap_or_default();
    frame.set_cursor_position(Position::new(area.x + column, area.y));
}

fn rows(picker: &Picker, theme: &Theme, area: Rect) -> Vec<Line<'static>> {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let total = picker.shown().len();
    if total == 0 {
        let text = if picker.total() == 0 {
            picker.empty
        } else {
            "nothing matches"
        };
        return vec![Line::styled(wrap::clip(text, width), theme.dim)];
    }
    let widest = picker.shown().map(|row| wrap::width(&row.text)).max();
    let column = widest
        .filter(|widest| *widest <= SHORT)
        .map(|widest| widest + 4);
    // The choice stays in the middle but at the ends.
    let from = picker
        .choice()
        .saturating_sub(height / 2)
        .min(total.saturating_sub(height));
    picker
        .shown()
        .enumerate()
        .skip(from)
        .take(height)
        .map(|(at, row)| line(row, at == picker.choice(), width, column, theme))
        .collect()
}

/// `column`: where details begin, when all texts are short; else they end at the right.
fn line(
    row: &Row,
    chosen: bool,
    width: usize,
    column: Option<usize>,
    theme: &Theme,
) -> Line<'static> {
    let mark = if chosen { "\u{203a} " } else { "  " };
    let used = wrap::width(mark) + wrap::width(&row.text) + 2;
    let detail = if width >= DETAILS_FROM && !row.detail.is_empty() {
        // At least half of the line is the text's, where it needs it.
        let room = (width / 2).max(width.saturating_sub(used.max(column.unwrap_or(0))));
        wrap::clip(&row.detail, room)
    } else {
        String::new()
    };
    let room = width.saturating_sub(wrap::width(mark) + wrap::width(&detail) + 2);
    let text = wrap::clip(&row.text, room);
    let left = wrap::width(mark) + wrap::width(&text);
    let gap = match column {
        Some(column) => column.saturating_sub(left),
        None => width.saturating_sub(left + wrap::width(&detail)),
    };
    let rest = width.saturating_sub(left + gap + wrap::width(&detail));
    let (main, dim) = if chosen {
        (theme.selected, theme.selected)
    } else {
        (theme.text, theme.dim)
    };
    Line::from(vec![
        Span::styled(format!("{mark}{text}{}", " ".repeat(gap)), main),
        Span::styled(format!("{detail}{}", " ".repeat(rest)), dim),
    ])
}

fn keys(keymap: &Keymap) -> String {
    let hints: Vec<String> = keymap
        .of_context(Context::Picker)
        .filter(|row| !row.hint.is_empty())
        .filter_map(|row| Some(format!("{} {}", row.first()?, row.hint)))
        .collect();
    hints.join(" \u{b7} ")
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::super::tests::snapshot;
    use super::*;
    use crate::tui::picker::Subject;
    use crate::tui::testing::Session;

    fn long_list(session: &mut Session) {
        let rows = (1..=60).map(|n| {
            let text = format!("message {n}: what does the function {} return?", n * 7);
            Row::new(n.to_string(), &text, &format!("{n} h ago \u{b7} main"))
        });
        let before = "plain".to_owned();
        let picker = Picker::new(Subject::Theme { before }, "A long list", rows.collect());
        session.model.picker = Some(picker);
    }

    #[test]
    fn a_list_is_drawn_around_its_choice() {
        snapshot("picker", |session| {
            long_list(session);
            session.keys("<PageDown><PageDown>");
        });
        snapshot("picker_search", |session| {
            long_list(session);
            session.keys("func 1");
        });
    }

    #[test]
    fn no_size_panics() {
        for width in [1, 2, 3, 9, 20, 55, 56, 57, 200] {
            for height in [1, 2, 3, 4, 5, 6, 9, 70] {
                let mut session = Session::new(width, height);
                long_list(&mut session);
                for keys in ["", "<End>", "zzz", "<Ctrl+U>21"] {
                    session.keys(keys);
                    session.screen();
                }
            }
        }
    }
}
