//! The list of themes beside a sample of every style, in the theme under the cursor.

use super::super::keymap::{BINDINGS, Context};
use super::super::model::Model;
use super::super::theme::catalogue::{AUTO, PLAIN};
use super::super::theme::depth::Depth;
use super::super::theme::picker::Picker;
use super::super::theme::{STYLES, Theme};
use super::super::wrap::{self, Source};
use crate::text;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Columns of the list.
const LIST: u16 = 24;
/// Columns of a sample.
const SAMPLE: usize = 26;

pub fn view(model: &Model, picker: &Picker, area: Rect, frame: &mut Frame<'_>) {
    let theme = &model.theme;
    let width = usize::from(area.width);
    let mut foot = Vec::new();
    wrap::wrap(&Source::plain(about(model), theme.text), width, &mut foot);
    foot.truncate(usize::from(area.height / 3).max(1));
    foot.push(hints(theme, width));
    let rows = |count: usize| u16::try_from(count).unwrap_or(u16::MAX).min(area.height);
    let foot_rows = rows(foot.len());
    let head_rows = rows(1).min(area.height - foot_rows);
    let body = Rect {
        y: area.y + head_rows,
        height: area.height - foot_rows - head_rows,
        ..area
    };
    let title = wrap::clip("Themes: the whole screen shows the one you are on", width);
    let head = Rect {
        height: head_rows,
        ..area
    };
    frame.render_widget(Line::styled(title, theme.heading), head);
    let list = Rect {
        width: LIST.min(body.width),
        ..body
    };
    frame.render_widget(Paragraph::new(names(model, picker, list)), list);
    let samples = Rect {
        x: body.x + list.width,
        width: body.width - list.width,
        ..body
    };
    if usize::from(samples.width) >= SAMPLE / 2 {
        frame.render_widget(Paragraph::new(sample(theme, samples)), samples);
    }
    let bottom = Rect {
        y: body.y + body.height,
        height: foot_rows,
        ..area
    };
    frame.render_widget(Paragraph::new(foot), bottom);
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

fn names(model: &Model, picker: &Picker, area: Rect) -> Vec<Line<'static>> {
    let theme = &model.theme;
    let rows = usize::from(area.height);
    let from = (picker.at + 1).saturating_sub(rows);
    let broken = |name: &str| {
        let mut entries = model.themes.entries().iter();
        entries.any(|entry| entry.name == name && entry.file.is_err())
    };
    let rows = model.themes.names().enumerate().skip(from).take(rows);
    rows.map(|(n, name)| {
        let (mark, style) = match (n == picker.at, broken(name)) {
            (true, _) => ("\u{203a}", theme.selected),
            (false, true) => ("!", theme.error),
            (false, false) => (" ", theme.text),
        };
        let room = usize::from(area.width).saturating_sub(2);
        let name = wrap::clip(&format!("{mark} {}", text::label(name)), room);
        let pad = " ".repeat(room.saturating_sub(wrap::width(&name)));
        Line::styled(name + &pad, style)
    })
    .collect()
}

/// Every style in its own look, in as many columns as fit.
fn sample(theme: &Theme, area: Rect) -> Vec<Line<'static>> {
    let rows = usize::from(area.height).max(1);
    let styles: Vec<_> = STYLES.iter().filter(|row| row.name != "screen").collect();
    let columns = styles.chunks(rows);
    let width = (usize::from(area.width) / columns.len().max(1)).min(SAMPLE);
    (0..rows)
        .map(|row| {
            let cells = styles.chunks(rows).filter_map(|column| column.get(row));
            Line::from_iter(cells.flat_map(|style| {
                let sign = match style.name {
                    "diff_add" | "diff_add_word" => "+ ",
                    "diff_remove" | "diff_remove_word" => "- ",
                    "rule" => "\u{2500} ",
                    _ => "",
                };
                let text = wrap::clip(&format!("{sign}{}", style.name), width.saturating_sub(1));
                let gap = " ".repeat(width.saturating_sub(wrap::width(&text)));
                [Span::styled(text, (style.get)(theme)), Span::raw(gap)]
            }))
        })
        .collect()
}

fn hints(theme: &Theme, width: usize) -> Line<'static> {
    let mut line = Line::default();
    let mut used = 0;
    let bindings = BINDINGS.iter().filter(|b| b.context == Context::Themes);
    for binding in bindings.filter(|b| !b.hint.is_empty()) {
        let key = binding.keys.first().copied().unwrap_or_default();
        let hint = format!(" {}  ", binding.hint);
        used += wrap::width(key) + wrap::width(&hint);
        if used <= width + 2 {
            line.push_span(Span::styled(key, theme.key));
            line.push_span(Span::styled(hint, theme.dim));
        }
    }
    line
}
