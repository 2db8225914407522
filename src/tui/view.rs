//! Draws the model: layout, panes, composer, status bar, popups.
//!
//! It decides nothing and remembers only wrapped lines ([`ViewCache`]). [`settle`] comes first: it resolves
//! scrolling against the layout, the one thing about drawing that the model has to know.

mod changes;
mod help;
mod panes;
mod picker;
mod review;
mod status;
mod themes;

use super::glyphs;
use super::layout::{self, Areas, PROMPT_WIDTH};
use super::model::{Focus, Model};
use super::overlay::Overlay;
use super::pane::{PaneCache, Search, Side, Style};
use super::picker::Subject;
use super::select::{self, Selection};
use super::theme::{self, Theme};
use super::wrap;
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
        let area = layout::areas(model).overlay;
        help::settle(model, area);
        changes::settle(model, area);
    }
    if model.review.is_some() {
        review::settle(model, &mut cache.review);
        return;
    }
    select::scroll_on(model);
    let areas = layout::areas(model);
    let style = |area: Rect| Style {
        theme: &model.theme,
        grammars: model.colouring.grammars(),
        columns: area.width.max(1),
        unfolded: model.look.unfolded,
    };
    cache.conversation.settle(
        &mut model.conversation,
        style(areas.conversation),
        areas.conversation.height,
    );
    cache.reasoning.settle(
        &mut model.reasoning,
        style(areas.reasoning),
        areas.reasoning.height,
    );
    select::reach_edge(model);
}

/// The text of a selection, as it was before it was wrapped; `None` when its rows are not there any more.
pub fn selected_text(
    model: &Model,
    cache: &mut ViewCache,
    selection: &Selection,
) -> Option<String> {
    let area = layout::areas(model).text(selection.side);
    let pane = model.pane(selection.side);
    if !selection.holds((area.width, pane.transcript.generation)) {
        return None;
    }
    let style = panes::style(model, area);
    let rows = match selection.side {
        Side::Conversation => &mut cache.conversation,
        Side::Reasoning => &mut cache.reasoning,
    };
    Some(rows.text_of(&pane.transcript, selection, style))
}

/// A pane's transcript as plain text, unfolded.
pub fn plain_text(model: &Model, side: Side) -> String {
    let style = panes::style(model, layout::areas(model).text(side));
    super::pane::plain(&model.pane(side).transcript, style)
}

/// The next frame differs from this one though nothing happens.
pub fn moves_on(model: &Model) -> bool {
    let looks = |side| {
        let search: &Option<Search> = &model.pane(side).search;
        search.as_ref().is_some_and(Search::unfinished)
    };
    select::scrolls_on(model) || looks(Side::Conversation) || looks(Side::Reasoning)
}

pub fn view(model: &Model, cache: &mut ViewCache, frame: &mut Frame<'_>) {
    let areas = layout::areas(model);
    // The terminal may have shrunk since the message about it.
    let areas = clamp(areas, frame.area());
    if let Some(open) = &model.overlay {
        match open {
            Overlay::Help(help) => help::view(model, help, areas.overlay, frame),
            Overlay::Changes(open) => changes::view(model, open, areas.overlay, frame),
        }
    } else if let Some(open) = &model.picker {
        match &open.subject {
            Subject::Theme { .. } => themes::view(model, open, areas.overlay, frame),
            Subject::Palette
            | Subject::Effort
            | Subject::Approvals
            | Subject::Model
            | Subject::Code { .. }
            | Subject::Sessions { .. }
            | Subject::Rewind => {
                picker::view(model, open, areas.overlay, frame);
            }
        }
    } else if let Some(review) = &model.review {
        review::view(model, review, &cache.review, areas.overlay, frame);
    } else {
        panes::view(model, cache, &areas, frame);
        composer(model, &areas, frame);
        popup(model, &areas, frame);
    }
    frame.render_widget(status::line(model, areas.status.width), areas.status);
    theme::paint(&model.theme, frame.buffer_mut());
    if model.look.ascii {
        glyphs::to_ascii(frame.buffer_mut());
    }
}

fn clamp(areas: Areas, screen: Rect) -> Areas {
    Areas {
        conversation: areas.conversation.intersection(screen),
        reasoning: areas.reasoning.intersection(screen),
        reasoning_title: areas.reasoning_title.intersection(screen),
        divider: areas.divider.intersection(screen),
        conversation_marks: areas.conversation_marks.intersection(screen),
        reasoning_marks: areas.reasoning_marks.intersection(screen),
        queued: areas.queued.intersection(screen),
        composer_rule: areas.composer_rule.intersection(screen),
        composer: areas.composer.intersection(screen),
        status: areas.status.intersection(screen),
        overlay: areas.overlay.intersection(screen),
    }
}

fn composer(model: &Model, areas: &Areas, frame: &mut Frame<'_>) {
    let theme = &model.theme;
    let focused = model.look.focus == Focus::Composer;
    frame.render_widget(panes::composer_rule(model, areas), areas.composer_rule);
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
        } else if model.clock.escaped.is_some() {
            "Esc again goes back to an earlier message"
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
pub(super) mod tests;
