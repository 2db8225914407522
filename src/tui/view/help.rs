//! The help screen, from the tables of keys and commands.

use super::super::command::COMMANDS;
use super::super::keymap::{BINDINGS, Context};
use super::super::model::Model;
use super::super::wrap::{self, Source};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Columns of the key names.
const KEYS: usize = 20;

pub fn view(model: &Model, scroll: u16, area: Rect, frame: &mut Frame<'_>) {
    if area.height < 2 {
        return;
    }
    let theme = &model.theme;
    let lines = lines(model, area.width);
    let body = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    let max = lines.len().saturating_sub(usize::from(body.height));
    let from = usize::from(scroll).min(max);
    let more = if max > from { "more below" } else { "end" };
    let title =
        format!("Help  \u{2191}\u{2193} PageUp PageDown scroll, any other key closes  ({more})");
    frame.render_widget(
        Line::styled(wrap::clip(&title, usize::from(area.width)), theme.heading),
        area,
    );
    let shown: Vec<Line<'_>> = lines
        .into_iter()
        .skip(from)
        .take(usize::from(body.height))
        .collect();
    frame.render_widget(Paragraph::new(shown), body);
}

fn lines(model: &Model, width: u16) -> Vec<Line<'static>> {
    let theme = &model.theme;
    let mut out = Vec::new();
    let mut row = |left: String, doc: &str| {
        let keys = if usize::from(width) < 60 { 12 } else { KEYS };
        let mut doc = Source::spans(vec![Span::styled(doc.to_owned(), theme.text)]);
        let inset = Span::raw(" ".repeat(keys + 2));
        if wrap::width(&left) < keys {
            let gap = " ".repeat(keys - wrap::width(&left));
            doc = doc.gutter(Span::styled(format!("  {left}{gap}"), theme.key), inset);
        } else {
            let name = Source::plain(left, theme.key).gutter(Span::raw("  "), Span::raw("  "));
            wrap::wrap(&name, usize::from(width), &mut out);
            doc = doc.gutter(inset.clone(), inset);
        }
        wrap::wrap(&doc, usize::from(width), &mut out);
        out.len()
    };
    let mut headings = Vec::new();
    let mut at = 0;
    headings.push((at, "Commands"));
    for command in COMMANDS {
        let left = match command.arguments {
            [] => format!("/{}", command.name),
            arguments => format!("/{} {}", command.name, arguments.join("|")),
        };
        at = row(left, command.doc);
    }
    for context in Context::ALL {
        headings.push((at, context.title()));
        for binding in BINDINGS.iter().filter(|b| b.context == context) {
            at = row(binding.keys.join(" "), binding.doc);
        }
    }
    for (at, heading) in headings.into_iter().rev() {
        out.insert(at, Line::styled(heading, theme.strong));
        if at > 0 {
            out.insert(at, Line::default());
        }
    }
    out
}
