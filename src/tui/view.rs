//! Draws the model: layout, panes, composer, status bar, popups.
//!
//! It decides nothing and remembers only wrapped lines ([`ViewCache`]). [`settle`] comes first: it resolves
//! scrolling against the layout, the one thing about drawing that the model has to know.

mod help;
mod picker;
mod review;
mod status;
mod themes;

use super::layout::{self, Areas, PROMPT_WIDTH};
use super::model::{Focus, Model};
use super::overlay::Overlay;
use super::pane::{PaneCache, Style};
use super::picker::Subject;
use super::theme::{self, Theme};
use super::transcript::Body;
use super::wrap::{self, Source};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

pub use picker::page as picker_page;

/// Wrapped lines, kept from frame to frame.
#[derive(Debug, Default)]
pub struct ViewCache {
    conversation: PaneCache,
    reasoning: PaneCache,
    /// First rows on screen, as settled.
    tops: [(usize, usize); 2],
    review: review::Cache,
    /// What they are coloured with.
    theme: Theme,
}

/// Brings scroll positions in line with the layout.
pub fn settle(model: &mut Model, cache: &mut ViewCache) {
    if cache.theme != model.theme {
        cache.conversation.clear();
        cache.reasoning.clear();
        cache.review = review::Cache::default();
        cache.theme = model.theme.clone();
    }
    if model.overlay.is_some() {
        help::settle(model, layout::areas(model).overlay);
    }
    if model.review.is_some() {
        review::settle(model, &mut cache.review);
        return;
    }
    let areas = layout::areas(model);
    let unfolded = model.look.unfolded;
    let style = |area: Rect| Style {
        theme: &model.theme,
        grammars: model.colouring.grammars(),
        columns: area.width.max(1),
        unfolded,
    };
    cache.tops = [
        cache.conversation.settle(
            &mut model.conversation,
            style(areas.conversation),
            areas.conversation.height,
        ),
        cache.reasoning.settle(
            &mut model.reasoning,
            style(areas.reasoning),
            areas.reasoning.height,
        ),
    ];
}

pub fn view(model: &Model, cache: &mut ViewCache, frame: &mut Frame<'_>) {
    let areas = layout::areas(model);
    // The terminal may have shrunk since the message about it.
    let areas = clamp(areas, frame.area());
    if let Some(Overlay::Help(help)) = &model.overlay {
        help::view(model, help, areas.overlay, frame);
    } else if let Some(open) = &model.picker {
        match open.subject {
            Subject::Theme { .. } => themes::view(model, open, areas.overlay, frame),
            Subject::Palette | Subject::Effort => {
                picker::view(model, open, areas.overlay, frame);
            }
        }
    } else if let Some(review) = &model.review {
        review::view(model, review, &cache.review, areas.overlay, frame);
    } else {
        panes(model, cache, &areas, frame);
        composer(model, &areas, frame);
        popup(model, &areas, frame);
    }
    frame.render_widget(status::line(model, areas.status.width), areas.status);
    theme::paint(&model.theme, frame.buffer_mut());
}

fn clamp(areas: Areas, screen: Rect) -> Areas {
    Areas {
        conversation: areas.conversation.intersection(screen),
        reasoning: areas.reasoning.intersection(screen),
        reasoning_title: areas.reasoning_title.intersection(screen),
        divider: areas.divider.intersection(screen),
        queued: areas.queued.intersection(screen),
        composer_rule: areas.composer_rule.intersection(screen),
        composer: areas.composer.intersection(screen),
        status: areas.status.intersection(screen),
        overlay: areas.overlay.intersection(screen),
    }
}

fn panes(model: &Model, cache: &mut ViewCache, areas: &Areas, frame: &mut Frame<'_>) {
    let theme = &model.theme;
    let unfolded = model.look.unfolded;
    let style = |area: Rect| Style {
        theme,
        grammars: model.colouring.grammars(),
        columns: area.width.max(1),
        unfolded,
    };
    if areas.conversation.height > 0 {
        let lines = if model.conversation.transcript.is_empty() {
            welcome(model, areas.conversation.width)
        } else {
            let area = areas.conversation;
            cache.conversation.visible(
                &model.conversation.transcript,
                style(area),
                cache.tops[0],
                area.height,
            )
        };
        frame.render_widget(Paragraph::new(lines), areas.conversation);
    }
    if areas.reasoning_title.height > 0 {
        frame.render_widget(reasoning_title(model, areas), areas.reasoning_title);
    }
    if areas.reasoning.height > 0 {
        let area = areas.reasoning;
        let lines = if model.reasoning.transcript.is_empty() {
            vec![Line::styled(
                "What the model thinks before it answers appears here.",
                theme.dim,
            )]
        } else {
            cache.reasoning.visible(
                &model.reasoning.transcript,
                style(area),
                cache.tops[1],
                area.height,
            )
        };
        frame.render_widget(Paragraph::new(lines).style(theme.reasoning), area);
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
    let queued: Vec<Line<'_>> = model
        .queued
        .iter()
        .take(usize::from(areas.queued.height))
        .map(|q| {
            let first = q.lines().next().unwrap_or_default();
            Line::styled(
                wrap::clip(
                    &format!("  queued: {first}"),
                    usize::from(areas.queued.width),
                ),
                theme.dim,
            )
        })
        .collect();
    frame.render_widget(Paragraph::new(queued), areas.queued);
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

/// `─ reasoning ─`; folded, how much there is and how to see it.
fn reasoning_title(model: &Model, areas: &Areas) -> Line<'static> {
    let focused = model.look.focus == Focus::Reasoning;
    let rule = if focused {
        model.theme.focus
    } else {
        model.theme.rule
    };
    let width = usize::from(areas.reasoning_title.width);
    let beside = areas.divider.width == 1;
    let text = if areas.reasoning.height > 0 {
        "reasoning".to_owned()
    } else {
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
        format!("reasoning \u{b7} {lines} {word} \u{b7} Shift+Tab opens")
    };
    let lead = if beside { "" } else { "\u{2500} " };
    let text = wrap::clip(&text, width.saturating_sub(wrap::width(lead) + 1));
    let fill = width.saturating_sub(wrap::width(lead) + wrap::width(&text) + 1);
    Line::from(vec![
        Span::styled(lead, rule),
        Span::styled(
            text,
            if focused {
                model.theme.focus
            } else {
                model.theme.dim
            },
        ),
        Span::styled(format!(" {}", "\u{2500}".repeat(fill)), rule),
    ])
}

fn composer(model: &Model, areas: &Areas, frame: &mut Frame<'_>) {
    let theme = &model.theme;
    let focused = model.look.focus == Focus::Composer;
    let rule = if focused { theme.focus } else { theme.rule };
    let width = usize::from(areas.composer_rule.width);
    frame.render_widget(
        Line::styled("\u{2500}".repeat(width), rule),
        areas.composer_rule,
    );
    if areas.composer.height == 0 {
        return;
    }
    let sign = Rect {
        width: PROMPT_WIDTH.min(areas.composer.width),
        height: 1,
        ..areas.composer
    };
    frame.render_widget(
        Span::styled("\u{203a} ", if focused { theme.prompt } else { theme.dim }),
        sign,
    );
    let text = Rect {
        x: areas.composer.x + sign.width,
        width: areas.composer.width - sign.width,
        ..areas.composer
    };
    if text.width == 0 {
        return;
    }
    let cursor = model.composer.render(text, frame.buffer_mut());
    if model.composer.is_empty() {
        let hint = if model.clock.quit_armed {
            "Ctrl+C again quits"
        } else if model.running.is_some() {
            "Type the next message; Esc interrupts"
        } else {
            "Ask for a change, or / for commands"
        };
        frame.render_widget(
            Span::styled(wrap::clip(hint, usize::from(text.width)), theme.dim),
            text,
        );
    }
    if focused {
        frame.set_cursor_position(cursor);
    }
}

/// The commands that fit what is typed, above the composer.
fn popup(model: &Model, areas: &Areas, frame: &mut Frame<'_>) {
    let candidates = model.composer.completions();
    let room = usize::from(areas.composer_rule.y).min(8);
    if candidates.is_empty() || model.look.focus != Focus::Composer || room == 0 {
        return;
    }
    let theme = &model.theme;
    let names = candidates
        .iter()
        .map(|c| wrap::width(&c.text))
        .max()
        .unwrap_or(0);
    let docs = candidates
        .iter()
        .map(|c| wrap::width(c.doc))
        .max()
        .unwrap_or(0);
    let width = (names + docs + 4).min(usize::from(areas.composer_rule.width));
    let choice = model.composer.popup_choice.min(candidates.len() - 1);
    let from = (choice + 1).saturating_sub(room);
    let rows = candidates.len().min(room);
    let lines: Vec<Line<'_>> = candidates
        .iter()
        .enumerate()
        .skip(from)
        .take(rows)
        .map(|(n, c)| {
            let mark = if n == choice { '\u{203a}' } else { ' ' };
            let text = wrap::clip(&format!("{mark}{:<names$}  {} ", c.text, c.doc), width);
            let pad = " ".repeat(width.saturating_sub(wrap::width(&text)));
            Line::styled(
                text + &pad,
                if n == choice {
                    theme.selected
                } else {
                    theme.popup
                },
            )
        })
        .collect();
    let rows = u16::try_from(rows).unwrap_or(0);
    let area = Rect {
        x: 0,
        y: areas.composer_rule.y - rows,
        width: u16::try_from(width)
            .unwrap_or(u16::MAX)
            .min(areas.composer_rule.width),
        height: rows,
    };
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines), area);
}

#[cfg(test)]
mod tests;
