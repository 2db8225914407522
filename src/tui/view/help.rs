//! The help screen and the list of keys, from the tables of keys and commands.

use crate::tui::command::COMMANDS;
use crate::tui::keymap::{Action, Bound, Context};
use crate::tui::model::Model;
use crate::tui::overlay::Overlay;
use crate::tui::overlay::help::{Help, Topic};
use crate::tui::render::wrap::{self, Source};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Columns of the key names, where the screen is wide and where it is not.
const KEYS: usize = 24;
const KEYS_NARROW: usize = 12;
const NARROW: u16 = 60;
const SEARCH: &str = "search: ";

/// How far it can be scrolled.
pub fn settle(model: &mut Model, area: Rect) {
    let Some(Overlay::Help(help)) = &model.overlay else {
        return;
    };
    let rows = lines(model, help, area.width).len();
    if let Some(Overlay::Help(help)) = &mut model.overlay {
        help.max_scroll = rows.saturating_sub(usize::from(area.height.saturating_sub(1)));
        help.scroll = help.scroll.min(help.max_scroll);
    }
}

pub fn view(model: &Model, help: &Help, area: Rect, frame: &mut Frame<'_>) {
    if area.height < 2 {
        return;
    }
    let theme = &model.theme;
    let body = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    let width = usize::from(area.width);
    if help.typing {
        let text = wrap::clip(&format!("{SEARCH}{}", help.filter), width.saturating_sub(1));
        let x = u16::try_from(wrap::width(&text)).unwrap_or(area.width);
        frame.render_widget(Line::styled(text, theme.heading), area);
        frame.set_cursor_position(Position::new(area.x + x, area.y));
    } else {
        frame.render_widget(
            Line::styled(wrap::clip(&title(model, help), width), theme.heading),
            area,
        );
    }
    let shown: Vec<Line<'_>> = lines(model, help, area.width)
        .into_iter()
        .skip(help.scroll)
        .take(usize::from(body.height))
        .collect();
    frame.render_widget(Paragraph::new(shown), body);
}

fn title(model: &Model, help: &Help) -> String {
    let key = |action| model.keys.hint(Context::Help, action).unwrap_or("-");
    let name = match help.topic {
        Topic::Everything => "Help",
        Topic::Keys => "Keys",
    };
    let more = if help.max_scroll > help.scroll {
        "more below"
    } else {
        "end"
    };
    let (search, close) = (key(Action::Search), key(Action::Close));
    match help.filter.as_str() {
        "" => format!("{name}  {search} searches, {close} closes  ({more})"),
        filter => format!("{name} with {filter}  {close} shows all  ({more})"),
    }
}

struct Row {
    left: String,
    doc: String,
}

fn lines(model: &Model, help: &Help, width: u16) -> Vec<Line<'static>> {
    let theme = &model.theme;
    let columns = usize::from(width);
    let keys = if width < NARROW { KEYS_NARROW } else { KEYS };
    let mut out = Vec::new();
    for (heading, rows) in groups(model, help.topic) {
        let shown = rows
            .into_iter()
            .filter(|row| help.shows(&[heading, &row.left, &row.doc]));
        let mut first = true;
        for row in shown {
            if std::mem::take(&mut first) {
                if !out.is_empty() {
                    out.push(Line::default());
                }
                out.push(Line::styled(heading, theme.strong));
            }
            let mut doc = Source::spans(vec![Span::styled(row.doc, theme.text)]);
            let inset = Span::raw(" ".repeat(keys + 2));
            let used = wrap::width(&row.left);
            if used < keys {
                let gap = " ".repeat(keys - used);
                let left = format!("  {}{gap}", row.left);
                doc = doc.gutter(Span::styled(left, theme.key), inset);
            } else {
                let name = Source::plain(row.left, theme.key);
                let name = name.gutter(Span::raw("  "), Span::raw("  "));
                wrap::wrap(&name, columns, &mut out);
                doc = doc.gutter(inset.clone(), inset);
            }
            wrap::wrap(&doc, columns, &mut out);
        }
    }
    if out.is_empty() {
        out.push(Line::styled("Nothing here has these words.", theme.dim));
    }
    out
}

fn groups(model: &Model, topic: Topic) -> Vec<(&'static str, Vec<Row>)> {
    let mut out = Vec::new();
    if topic == Topic::Everything {
        let commands = COMMANDS.iter().map(|spec| Row {
            left: spec.usage(),
            doc: command_doc(spec.doc, spec.aliases, &model.keys.of_command(spec.name)),
        });
        out.push(("Commands", commands.collect()));
    }
    for context in Context::ALL {
        let bound = model.keys.of_context(context);
        let rows = match topic {
            Topic::Everything => bound
                .filter(|row| !row.keys.is_empty())
                .map(|row| Row {
                    left: row.keys(),
                    doc: row.doc.to_owned(),
                })
                .collect(),
            Topic::Keys => bound.flat_map(places).collect(),
        };
        out.push((context.title(), rows));
    }
    out
}

/// `start a new conversation (also /clear; Ctrl+G)`
fn command_doc(doc: &str, aliases: &[&str], keys: &[&str]) -> String {
    let also: Vec<String> = aliases.iter().map(|name| format!("/{name}")).collect();
    let also = [also.join(" "), keys.join(" ")];
    let also: Vec<&str> = also
        .iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    match also.is_empty() {
        true => doc.to_owned(),
        false => format!("{doc} (also {})", also.join(", ")),
    }
}

/// A row for every key: what it does, and where it was bound.
fn places(row: &Bound) -> Vec<Row> {
    let action = row.action.name();
    if row.keys.is_empty() {
        return vec![Row {
            left: "(no key)".to_owned(),
            doc: format!("{action}: {}", row.doc),
        }];
    }
    row.keys
        .iter()
        .map(|key| Row {
            left: key.name.clone(),
            doc: match &key.place {
                Some(place) => format!("{action}: {} [{place}]", row.doc),
                None => format!("{action}: {} [default]", row.doc),
            },
        })
        .collect()
}
