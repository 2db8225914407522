//! Blocks as lines, in the gutters of their containers.

use super::container::{Container, gutter};
use super::{Joins, Leaf, Look, Markdown, inline};
use crate::tui::render::wrap::{self, Source};
use crate::tui::theme::Theme;
use ratatui::text::Span;

/// What code stands in by; less within a list or a quote.
const INSET: [&str; 2] = ["    ", "  "];

impl Markdown {
    pub(super) fn text(
        &mut self,
        text: &str,
        joins: Joins,
        space: &str,
        look: Look<'_>,
        out: &mut Vec<Source>,
    ) {
        if joins == Joins::Nothing {
            self.leave_gap(look, out);
        }
        let mut lines = inline::lines(text, look.theme.text, look);
        if let Some(last) = lines.last_mut().filter(|_| !space.is_empty()) {
            last.push(Span::styled(space.to_owned(), look.theme.text));
        }
        for (number, spans) in lines.into_iter().enumerate() {
            let mut source = Source::spans(spans);
            source.continues = number == 0 && joins == Joins::Row;
            self.emit(source, look.theme, out);
        }
    }

    pub(super) fn heading(
        &mut self,
        depth: usize,
        text: &str,
        look: Look<'_>,
        out: &mut Vec<Source>,
    ) {
        self.leave_gap(look, out);
        // The sign stays: it says the level without colour.
        let sign = format!("{} ", "#".repeat(depth));
        for (number, mut spans) in inline::lines(text, look.theme.heading, look)
            .into_iter()
            .enumerate()
        {
            if number == 0 {
                spans.insert(0, Span::styled(sign.clone(), look.theme.heading));
            }
            self.emit(Source::spans(spans), look.theme, out);
        }
    }

    pub(super) fn draw_table(&mut self, look: Look<'_>, out: &mut Vec<Source>) {
        let inner = self.inner(look);
        if let Leaf::Table(mut table) = std::mem::take(&mut self.leaf) {
            self.leave_gap(look, out);
            let mut sources = Vec::new();
            table.draw(inner, &mut sources);
            for source in sources {
                self.emit(source, look.theme, out);
            }
            self.leaf = Leaf::Table(table);
        }
    }

    /// Ends the open block and draws what is left of it.
    pub(super) fn close(&mut self, look: Look<'_>, out: &mut Vec<Source>) {
        match &mut self.leaf {
            Leaf::None | Leaf::Fence { .. } => {}
            Leaf::Indented { blanks } => {
                if *blanks > 0 {
                    self.gap = Some(self.containers.len());
                }
            }
            Leaf::Table(table) => {
                if !table.is_drawn() {
                    self.draw_table(look, out);
                }
            }
            Leaf::Paragraph { text, joins } => {
                let (text, joins) = (std::mem::take(text), *joins);
                self.text(text.trim_end(), joins, "", look, out);
            }
        }
        self.leaf = Leaf::None;
    }

    /// Leaves the containers from this one on; an item in which nothing was drawn still has its marker.
    pub(super) fn leave_containers(&mut self, from: usize, look: Look<'_>, out: &mut Vec<Source>) {
        let bare = self.containers.iter().skip(from).any(|container| {
            matches!(
                container,
                Container::Item {
                    marker: Some(_),
                    ..
                }
            )
        });
        if bare {
            self.leave_gap(look, out);
            self.emit(Source::default(), look.theme, out);
        }
        self.containers.truncate(from);
    }

    pub(super) fn leave_gap(&mut self, look: Look<'_>, out: &mut Vec<Source>) {
        if let Some(containers) = self.gap.take() {
            let shared = self
                .containers
                .get(..containers)
                .unwrap_or(&self.containers);
            let quoted = shared
                .iter()
                .any(|container| matches!(container, Container::Quote));
            let mut source = Source::default();
            if quoted {
                source.first = gutter(shared, look.theme);
            }
            out.push(source);
        }
        self.started = true;
    }

    /// What the containers leave of the columns.
    pub(super) fn inner<'t>(&self, look: Look<'t>) -> Look<'t> {
        let gutter = gutter(&self.containers, look.theme);
        let cells: usize = gutter.iter().map(|span| wrap::width(&span.content)).sum();
        Look {
            columns: look.columns.saturating_sub(cells).max(4),
            ..look
        }
    }

    pub(super) fn emit(&mut self, mut source: Source, theme: &Theme, out: &mut Vec<Source>) {
        if !source.continues {
            let rest = gutter(&self.containers, theme);
            let mut first = rest.clone();
            for (container, span) in self.containers.iter_mut().zip(&mut first) {
                if let Container::Item { marker, .. } = container
                    && let Some(marker) = marker.take()
                {
                    *span = Span::styled(marker, theme.dim);
                }
            }
            source.first.splice(..0, first);
            source.rest.splice(..0, rest);
        }
        out.push(source);
    }

    pub(super) fn emit_code(&mut self, mut source: Source, look: Look<'_>, out: &mut Vec<Source>) {
        if !source.continues {
            let inset = INSET[usize::from(!self.containers.is_empty())];
            source = source.gutter(Span::raw(inset), Span::raw(inset));
        }
        self.emit(source, look.theme, out);
    }
}
