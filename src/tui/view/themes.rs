//! The list of themes beside a sample of every style, in the theme under the cursor.

use super::picker;
use crate::text;
use crate::tui::keymap::{Action, Context};
use crate::tui::model::Model;
use crate::tui::picker::Picker;
use crate::tui::render::wrap::{self, Source};
use crate::tui::theme::catalogue::{AUTO, PLAIN};
use crate::tui::theme::depth::Depth;
use crate::tui::theme::{STYLES, Theme};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Columns of the list, and of a screen on which there is room for samples beside it.
const LIST: u16 = 30;
const BESIDE: u16 = 50;
/// Columns of a sample.
const SAMPLE: usize = 22;

pub fn view(model: &Model, open: &Picker, area: Rect, frame: &mut Frame<'_>) {
    let theme = &model.theme;
    let beside = area.width >= BESIDE;
    // Beside the list, else below it: a short screen is for choosing first.
    let list = if beside {
        Rect {
            width: LIST,
            ..area
        }
    } else {
        Rect {
            height: area.height - area.height / 3,
            ..area
        }
    };
    picker::view(model, open, list, frame);
    let rest = if beside {
        Rect {
            x: area.x + LIST + 2,
            width: area.width - LIST - 2,
            ..area
        }
    } else {
        Rect {
            y: area.y + list.height,
            height: area.height - list.height,
            ..area
        }
    };
    let mut lines = Vec::new();
    let style = match model.themes.current().1 {
        Some(_) => theme.error,
        None => theme.strong,
    };
    let width = usize::from(rest.width);
    wrap::wrap(&Source::plain(about(model), style), width, &mut lines);
    let most = usize::from(rest.height / 2).max(1);
    lines.truncate(most);
    if beside {
        let key = model
            .keys
            .key(Context::Picker, Action::SaveTheme)
            .to_owned();
        let hint = [
            Span::styled(key, theme.key),
            Span::styled(" keeps it and writes it to config.toml", theme.dim),
        ];
        lines.extend([Line::from_iter(hint), Line::default()]);
    }
    let rows = usize::from(rest.height).saturating_sub(lines.len());
    lines.extend(sample(theme, width, rows));
    frame.render_widget(Paragraph::new(lines), rest);
}

/// What the chosen theme is, or what is wrong with it.
fn about(model: &Model) -> String {
    let chosen = model.themes.chosen.as_str();
    if model.themes.depth == Depth::NoColour {
        return "This terminal shows no colours, or NO_COLOR or --color never forbid them; \
                --color always overrides that."
            .to_owned();
    }
    let entry = model.themes.entries().iter().find(|e| e.name == chosen);
    match (
        chosen,
        entry.map(|entry| &entry.file),
        model.themes.current().1,
    ) {
        (_, _, Some(error)) => text::label(&error.to_string()),
        (AUTO, _, None) => "auto: dark or light, as the terminal's background is".to_owned(),
        (PLAIN, _, None) => "plain: no colours; weight and signs say the same".to_owned(),
        (_, Some(Ok(file)), None) if !file.about.is_empty() => {
            format!("{}: {}", text::label(chosen), text::label(&file.about))
        }
        (_, _, None) => text::label(chosen),
    }
}

/// Every style in its own look, in as many columns as fit.
fn sample(theme: &Theme, width: usize, rows: usize) -> Vec<Line<'static>> {
    let styles: Vec<_> = STYLES.iter().filter(|row| row.name != "screen").collect();
    if rows == 0 || width == 0 {
        return Vec::new();
    }
    let columns = styles.len().div_ceil(rows).min((width / 8).max(1));
    let cell = (width / columns).min(SAMPLE);
    (0..rows)
        .map(|row| {
            let cells = styles.iter().skip(row * columns).take(columns);
            Line::from_iter(cells.flat_map(|style| {
                let sign = match style.name {
                    "diff_add" | "diff_add_word" => "+ ",
                    "diff_remove" | "diff_remove_word" => "- ",
                    "rule" => "\u{2500} ",
                    _ => "",
                };
                let text = wrap::clip(&format!("{sign}{}", style.name), cell.saturating_sub(1));
                let gap = " ".repeat(cell.saturating_sub(wrap::width(&text)));
                [Span::styled(text, (style.get)(theme)), Span::raw(gap)]
            }))
        })
        .collect()
}
