//! Draws the model: layout, panes, composer, status bar, popups.
//!
//! It decides nothing and remembers only wrapped lines ([`ViewCache`]). [`settle`] comes first: it resolves
//! scrolling against the layout, the one thing about drawing that the model has to know.

mod changes;
mod composer;
mod help;
mod panes;
mod picker;
mod review;
mod status;
mod themes;

use crate::tui::keymap::{Action, Context};
use crate::tui::layout::{self, Areas};
use crate::tui::model::Model;
use crate::tui::overlay::Overlay;
use crate::tui::pane::select::{self, Selection};
use crate::tui::pane::{PaneCache, Room, Search, Side, Style};
use crate::tui::picker::Subject;
use crate::tui::render::{clusters, glyphs};
use crate::tui::terminal::links::Links;
use crate::tui::theme::{self, Theme};
use ratatui::Frame;
use ratatui::layout::Rect;
use std::sync::Arc;

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

impl ViewCache {
    /// Where the links on screen lead.
    pub(super) fn links(&self) -> &Links {
        self.conversation.links()
    }
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
    let areas = layout::rooms(model);
    let keys = Arc::clone(&model.keys);
    let style = |area: Rect| Style {
        theme: &model.theme,
        grammars: model.colouring.grammars(),
        columns: area.width.max(1),
        unfolded: model.look.unfolded,
        joined: model.look.joined,
        unfold_key: keys.key(Context::Everywhere, Action::UnfoldCards),
    };
    let grows = model.running.is_some() || model.shell.is_some();
    let room = |area: Rect| Room {
        height: area.height,
        grows,
    };
    cache.conversation.settle(
        &mut model.conversation,
        style(areas.conversation),
        room(areas.conversation),
    );
    cache.reasoning.settle(
        &mut model.reasoning,
        style(areas.reasoning),
        room(areas.reasoning),
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
    crate::tui::pane::plain(&model.pane(side).transcript, style)
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
            | Subject::Sandbox
            | Subject::Model
            | Subject::Pull
            | Subject::Start
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
        composer::view(model, &areas, frame);
        composer::popup(model, &areas, frame);
    }
    frame.render_widget(status::line(model, areas.status.width), areas.status);
    theme::paint(&model.theme, frame.buffer_mut());
    if model.look.ascii {
        glyphs::to_ascii(frame.buffer_mut());
    } else {
        clusters::settle(frame.buffer_mut(), model.look.joined);
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

#[cfg(test)]
pub(super) mod tests;
