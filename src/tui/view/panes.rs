//! The two panes, the rule between them and what their rules say: what is followed, what is new below.

use super::ViewCache;
use crate::tui::keymap::{Action, Context};
use crate::tui::layout::Areas;
use crate::tui::model::{Focus, Model};
use crate::tui::pane::{Hit, Marked, Pane, PaneCache, RowAt, Side, Style};
use crate::tui::render::paint;
use crate::tui::render::wrap::{self, Source};
use crate::tui::transcript::Body;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

pub fn style<'m>(model: &'m Model, area: Rect) -> Style<'m> {
    Style {
        theme: &model.theme,
        grammars: model.colouring.grammars(),
        columns: area.width.max(1),
        unfolded: model.look.unfolded,
        joined: model.look.joined,
        unfold_key: model.keys.key(Context::Everywhere, Action::UnfoldCards),
    }
}

pub fn view(model: &Model, cache: &mut ViewCache, areas: &Areas, frame: &mut Frame<'_>) {
    let theme = &model.theme;
    if areas.conversation.height > 0 {
        if model.conversation.transcript.is_empty() {
            let lines = welcome(model, areas.conversation.width);
            frame.render_widget(Paragraph::new(lines), areas.conversation);
        } else {
            pane(
                model,
                Side::Conversation,
                &mut cache.conversation,
                areas,
                frame,
            );
        }
    }
    if areas.reasoning_title.height > 0 {
        frame.render_widget(reasoning_title(model, areas), areas.reasoning_title);
    }
    if areas.reasoning.height > 0 {
        if model.reasoning.transcript.is_empty() {
            let hint = "What the model thinks before it answers appears here.";
            frame.render_widget(Line::styled(hint, theme.dim), areas.reasoning);
        } else {
            pane(model, Side::Reasoning, &mut cache.reasoning, areas, frame);
        }
    }
    let focused = model.look.focus == Focus::Conversation;
    let rule = if focused { theme.focus } else { theme.rule };
    if areas.divider.width == 1 {
        let bars = vec![Line::styled("\u{2502}", rule); usize::from(areas.divider.height)];
        frame.render_widget(Paragraph::new(bars), areas.divider);
    } else if areas.divider.height == 1 {
        frame.render_widget(
            Line::styled("\u{2500}".repeat(usize::from(areas.divider.width)), rule),
            areas.divider,
        );
    }
    queued(model, areas, frame);
}

fn queued(model: &Model, areas: &Areas, frame: &mut Frame<'_>) {
    let queued: Vec<Line<'_>> = model
        .queued
        .iter()
        .take(usize::from(areas.queued.height))
        .enumerate()
        .map(|(n, q)| {
            let first = q.lines().next().unwrap_or_default();
            // Of more than fit, the last is not among those shown.
            let back = if n + 1 == model.queued.len() {
                "  (Alt+Up takes it back)"
            } else {
                ""
            };
            Line::styled(
                wrap::clip(
                    &format!("  queued: {first}{back}"),
                    usize::from(areas.queued.width),
                ),
                model.theme.dim,
            )
        })
        .collect();
    frame.render_widget(Paragraph::new(queued), areas.queued);
}

/// The rows that were settled, with what lies over them, and the marks beside them.
fn pane(model: &Model, side: Side, cache: &mut PaneCache, areas: &Areas, frame: &mut Frame<'_>) {
    let (area, marks) = match side {
        Side::Conversation => (areas.conversation, areas.conversation_marks),
        Side::Reasoning => (areas.reasoning, areas.reasoning_marks),
    };
    let pane = model.pane(side);
    let style = style(model, area);
    let mut lines = Vec::with_capacity(pane.shown.len());
    let mut marked = Vec::with_capacity(pane.shown.len());
    let found = Found::new(pane, cache, style);
    for at in pane.shown.iter().take(usize::from(area.height)) {
        let line = cache
            .row(&pane.transcript, *at, style)
            .map(|(line, _)| line.clone())
            .unwrap_or_default();
        let line = match &found {
            Some(found) => found.over(model, *at, line),
            None => line,
        };
        let selected = model
            .look
            .selection
            .filter(|selection| selection.side == side)
            .and_then(|selection| selection.columns(*at));
        let line = match selected {
            Some(columns) => paint::over(&line, &columns, model.theme.selected),
            None => line,
        };
        let last = line.spans.is_empty();
        marked.push(mark(model, pane, side, at.cell, last));
        lines.push(line);
    }
    let style = match side {
        Side::Conversation => model.theme.text,
        Side::Reasoning => model.theme.reasoning,
    };
    paint::rows(lines, style, area, frame.buffer_mut());
    frame.render_widget(Paragraph::new(marked), marks);
}

/// The matches of a search in the cells on screen.
struct Found {
    current: Option<Hit>,
    marked: Vec<Marked>,
}

impl Found {
    fn new(pane: &Pane, cache: &mut PaneCache, style: Style<'_>) -> Option<Found> {
        let search = pane.search.as_ref()?;
        let pattern = search.pattern()?;
        let mut marked = Vec::new();
        let mut last = None;
        for at in &pane.shown {
            if last != Some(at.cell) {
                last = Some(at.cell);
                marked.extend(cache.matches(&pane.transcript, at.cell, pattern, style));
            }
        }
        Some(Found {
            current: search.current,
            marked,
        })
    }

    fn over(&self, model: &Model, at: RowAt, mut line: Line<'static>) -> Line<'static> {
        let plain =
            ratatui::style::Style::default().add_modifier(Modifier::BOLD | Modifier::UNDERLINED);
        for marked in self.marked.iter().filter(|marked| marked.at == at) {
            let here = Hit {
                cell: at.cell,
                nth: marked.nth,
            };
            let style = if self.current == Some(here) {
                model.theme.selected
            } else {
                plain
            };
            line = paint::over(&line, &marked.columns, style);
        }
        line
    }
}

/// `▐` beside the selected item, `┆` beside what belongs to it in the other pane.
fn mark(model: &Model, pane: &Pane, side: Side, cell: usize, gap: bool) -> Line<'static> {
    let half = match side {
        Side::Conversation => "\u{2590}",
        Side::Reasoning => "\u{258c}",
    };
    if gap {
        Line::default()
    } else if pane.selected == Some(cell) {
        Line::styled(half, model.theme.focus)
    } else if pane.linked == Some(cell) {
        Line::styled("\u{2506}", model.theme.focus)
    } else {
        Line::default()
    }
}

fn welcome(model: &Model, columns: u16) -> Vec<Line<'static>> {
    let theme = &model.theme;
    let mut out = vec![
        Line::from(vec![
            Span::styled("Descant", theme.heading),
            Span::styled(format!("  in {}", model.status.workspace), theme.dim),
        ]),
        Line::default(),
    ];
    for text in [
        "Say what should change. Nothing is written before you have reviewed it.",
        "/ lists commands, F1 the keys.",
    ] {
        wrap::wrap(
            &Source::plain(text, theme.dim),
            usize::from(columns),
            &mut out,
        );
    }
    out
}

/// What a rule says of the pane it belongs to.
fn position(pane: &Pane) -> Option<&'static str> {
    if pane.transcript.is_empty() || pane.shown.is_empty() {
        None
    } else if pane.follows() {
        Some("following")
    } else if pane.has_news() {
        Some("new text below \u{b7} G follows")
    } else {
        Some("scrolled \u{b7} G follows")
    }
}

/// `─ reasoning ─ following ─`; folded, how much there is and how to see it.
fn reasoning_title(model: &Model, areas: &Areas) -> Line<'static> {
    let focused = model.look.focus == Focus::Reasoning;
    let theme = &model.theme;
    let rule = if focused { theme.focus } else { theme.rule };
    let beside = areas.divider.width == 1;
    let text = if areas.reasoning.height > 0 {
        "reasoning".to_owned()
    } else {
        folded_title(model)
    };
    let said = (areas.reasoning.height > 0)
        .then(|| position(&model.reasoning))
        .flatten();
    let lead = if beside { "" } else { "\u{2500} " };
    let style = if focused { theme.focus } else { theme.dim };
    let width = usize::from(areas.reasoning_title.width);
    let mut spans = vec![Span::styled(lead, rule)];
    let text = wrap::clip(&text, width.saturating_sub(wrap::width(lead) + 1));
    let used = wrap::width(lead) + wrap::width(&text) + 1;
    spans.push(Span::styled(text, style));
    spans.push(Span::styled(" ", rule));
    spans.extend(rest_of_rule(
        model,
        &model.reasoning,
        said,
        width.saturating_sub(used),
        rule,
    ));
    Line::from(spans)
}

fn folded_title(model: &Model) -> String {
    let lines: usize = model
        .reasoning
        .transcript
        .cells()
        .iter()
        .rev()
        .map_while(|c| match &c.body {
            Body::Reasoning { text, .. } => Some(text.lines().count()),
            _ => None,
        })
        .sum();
    let word = if lines == 1 { "line" } else { "lines" };
    let key = model.keys.key(Context::Composer, Action::FocusPrevious);
    let opens = match key {
        "" => String::new(),
        key => format!(" \u{b7} {key} opens"),
    };
    format!("reasoning \u{b7} {lines} {word}{opens}")
}

/// The rule from here on, `columns` wide, ending in what is said of the pane.
fn rest_of_rule(
    model: &Model,
    pane: &Pane,
    said: Option<&'static str>,
    columns: usize,
    rule: ratatui::style::Style,
) -> Vec<Span<'static>> {
    let Some(said) = said.filter(|said| wrap::width(said) + 6 <= columns) else {
        return vec![Span::styled("\u{2500}".repeat(columns), rule)];
    };
    let fill = columns - wrap::width(said) - 3;
    let style = if pane.has_news() {
        model.theme.warn
    } else {
        model.theme.dim
    };
    vec![
        Span::styled("\u{2500}".repeat(fill), rule),
        Span::styled(format!(" {said} "), style),
        Span::styled("\u{2500}", rule),
    ]
}

/// The rule above the composer speaks for the conversation, which ends at it.
pub fn composer_rule(model: &Model, areas: &Areas) -> Line<'static> {
    let focused = model.look.focus == Focus::Composer;
    let theme = &model.theme;
    let rule = if focused { theme.focus } else { theme.rule };
    let width = usize::from(areas.composer_rule.width);
    let side = match model.look.focus {
        Focus::Composer => None,
        Focus::Conversation => Some(Side::Conversation),
        Focus::Reasoning => Some(Side::Reasoning),
    };
    let search = side.and_then(|side| model.pane(side).search.as_ref());
    if let Some(search) = search {
        let key = |action| model.keys.key(Context::Pane, action);
        let hint = if search.typing {
            "Enter keeps \u{b7} Esc back".to_owned()
        } else {
            let (next, previous) = (key(Action::NextMatch), key(Action::PreviousMatch));
            format!("{next} {previous} \u{b7} {} closes", key(Action::Interrupt))
        };
        let cursor = if search.typing { "\u{258f}" } else { "" };
        let text = format!(
            "\u{2500} /{}{cursor}  {}  \u{b7} {hint} ",
            search.query(),
            search.said()
        );
        let text = wrap::clip(&text, width);
        let fill = width.saturating_sub(wrap::width(&text));
        return Line::from(vec![
            Span::styled(text, theme.focus),
            Span::styled("\u{2500}".repeat(fill), rule),
        ]);
    }
    Line::from(rest_of_rule(
        model,
        &model.conversation,
        position(&model.conversation),
        width,
        rule,
    ))
}
