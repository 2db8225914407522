//! Tables: columns that are as wide as what they hold, and no wider together than the pane.
//!
//! A cell that does not fit is wrapped within its column. Where even narrow columns do not fit beside each other, every
//! row becomes a list of `head: cell` lines, which reads in any width. The widths are those of the first [`MEASURED`] rows:
//! later rows of a long table that is still being written do not move the ones above.

use super::{Look, inline};
use crate::tui::render::wrap::{self, Source};
use ratatui::style::Style;
use ratatui::text::Span;

/// Rows that decide about the widths.
pub const MEASURED: usize = 32;
const SEPARATOR: &str = " \u{2502} ";
/// A column is not made narrower than this beside others.
const NARROWEST: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Align {
    Left,
    Centre,
    Right,
}

#[derive(Debug, Clone, Default)]
pub struct Table {
    head: Vec<String>,
    align: Vec<Align>,
    /// Rows that are not drawn for good.
    rows: Vec<Vec<String>>,
    /// Set with the first rows that are.
    widths: Option<Vec<usize>>,
}

/// The cells of a row: `|` separates them, but not after a backslash.
pub fn cells(line: &str) -> Vec<String> {
    let line = line.trim();
    let line = line.strip_prefix('|').unwrap_or(line);
    let mut out = vec![String::new()];
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.next_if_eq(&'|').is_some() => push(&mut out, '|'),
            '|' => out.push(String::new()),
            c => push(&mut out, c),
        }
    }
    // What stands after the last `|` is no cell when it is nothing.
    if out.len() > 1 && out.last().is_some_and(|cell| cell.trim().is_empty()) {
        out.pop();
    }
    out.iter().map(|cell| cell.trim().to_owned()).collect()
}

fn push(cells: &mut [String], c: char) {
    if let Some(last) = cells.last_mut() {
        last.push(c);
    }
}

impl Table {
    /// A table, if `head` and `delimiter` (`|:--|--:|`) are its first lines.
    pub fn begins(head: &str, delimiter: &str) -> Option<Table> {
        if !head.contains('|') || !delimiter.contains('-') {
            return None;
        }
        let align: Option<Vec<Align>> = cells(delimiter)
            .iter()
            .map(|cell| {
                let dashes = cell.trim_matches(':');
                let all = !dashes.is_empty() && dashes.chars().all(|c| c == '-');
                all.then(|| match (cell.starts_with(':'), cell.ends_with(':')) {
                    (true, true) => Align::Centre,
                    (false, true) => Align::Right,
                    (_, false) => Align::Left,
                })
            })
            .collect();
        let (head, align) = (cells(head), align?);
        (head.len() == align.len()).then(|| Table {
            head,
            align,
            rows: Vec::new(),
            widths: None,
        })
    }

    pub fn row(&mut self, line: &str) {
        let mut cells = cells(line);
        // More cells than heads: the rest belongs to the last, so that none is lost.
        let rest = cells.split_off(self.head.len().min(cells.len()));
        if let Some(last) = cells.last_mut() {
            for more in rest {
                last.push_str(" | ");
                last.push_str(&more);
            }
        }
        self.rows.push(cells);
    }

    /// Enough rows came to draw them for good.
    pub fn is_measured(&self) -> bool {
        self.rows.len() >= if self.widths.is_some() { 1 } else { MEASURED }
    }

    /// Head and rows are drawn for good.
    pub fn is_drawn(&self) -> bool {
        self.widths.is_some() && self.rows.is_empty()
    }

    /// Draws the rows that were not drawn yet, with the head where it was not, and forgets them.
    pub fn draw(&mut self, look: Look<'_>, out: &mut Vec<Source>) {
        let first = self.widths.is_none();
        let widths = match self.widths.take() {
            Some(widths) => widths,
            None => self.measure(look),
        };
        let rows = std::mem::take(&mut self.rows);
        if widths.is_empty() {
            self.stacked(&rows, first, look, out);
        } else {
            if first {
                self.beside(&self.head, &widths, look.theme.strong, look, out);
                let line: Vec<String> = widths
                    .iter()
                    .map(|width| "\u{2500}".repeat(*width))
                    .collect();
                out.push(
                    Source::plain(line.join("\u{2500}\u{253c}\u{2500}"), look.theme.rule)
                        .verbatim(),
                );
            }
            for row in &rows {
                self.beside(row, &widths, look.theme.text, look, out);
            }
        }
        self.widths = Some(widths);
    }

    /// The widths of the columns; none where they do not fit beside each other.
    fn measure(&self, look: Look<'_>) -> Vec<usize> {
        let count = self.head.len();
        let mut widths: Vec<usize> = (0..count)
            .map(|column| {
                let cells = self
                    .rows
                    .iter()
                    .chain([&self.head])
                    .filter_map(|row| row.get(column));
                cells
                    .map(|cell| cell_width(cell, look))
                    .max()
                    .unwrap_or(0)
                    .max(1)
            })
            .collect();
        let room = look
            .columns
            .saturating_sub(wrap::width(SEPARATOR) * count.saturating_sub(1));
        let mut total: usize = widths.iter().sum();
        // The widest gives way first.
        while total > room {
            let Some(widest) = widths.iter_mut().max().filter(|width| **width > NARROWEST) else {
                return Vec::new();
            };
            *widest -= 1;
            total -= 1;
        }
        widths
    }

    fn beside(
        &self,
        row: &[String],
        widths: &[usize],
        style: Style,
        look: Look<'_>,
        out: &mut Vec<Source>,
    ) {
        let wrapped: Vec<Vec<Vec<Span<'static>>>> = widths
            .iter()
            .enumerate()
            .map(|(column, width)| {
                let mut rows = Vec::new();
                let cell = row.get(column).map_or("", String::as_str);
                let source = Source::spans(cell_spans(cell, style, look));
                wrap::wrap(&source, *width, &mut rows);
                rows.into_iter().map(|line| line.spans).collect()
            })
            .collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
        for y in 0..height {
            let mut spans = Vec::new();
            for (column, (cell, width)) in wrapped.iter().zip(widths).enumerate() {
                if column > 0 {
                    spans.push(Span::styled(SEPARATOR, look.theme.rule));
                }
                let line = cell.get(y).cloned().unwrap_or_default();
                let used: usize = line.iter().map(|span| wrap::width(&span.content)).sum();
                let free = width.saturating_sub(used);
                let left = match self.align.get(column).unwrap_or(&Align::Left) {
                    Align::Left => 0,
                    Align::Centre => free / 2,
                    Align::Right => free,
                };
                let pad = |cells: usize| Span::styled(" ".repeat(cells), style);
                spans.push(pad(left));
                spans.extend(line);
                if column + 1 < widths.len() {
                    spans.push(pad(free - left));
                }
            }
            out.push(Source::spans(spans).verbatim());
        }
    }

    fn stacked(&self, rows: &[Vec<String>], first: bool, look: Look<'_>, out: &mut Vec<Source>) {
        if rows.is_empty() && first {
            let mut spans = Vec::new();
            for (column, head) in self.head.iter().enumerate() {
                if column > 0 {
                    spans.push(Span::styled(SEPARATOR, look.theme.rule));
                }
                spans.extend(cell_spans(head, look.theme.strong, look));
            }
            out.push(Source::spans(spans));
        }
        for (number, row) in rows.iter().enumerate() {
            if number > 0 || !first {
                let rule = "\u{2500}".repeat(look.columns.min(12));
                out.push(Source::plain(rule, look.theme.rule));
            }
            for (head, cell) in self.head.iter().zip(row) {
                let mut spans = cell_spans(head, look.theme.strong, look);
                spans.push(Span::styled(": ", look.theme.strong));
                spans.extend(cell_spans(cell, look.theme.text, look));
                let hang = Span::raw("  ");
                out.push(Source::spans(spans).gutter(Span::raw(""), hang));
            }
        }
    }
}

fn cell_spans(cell: &str, style: Style, look: Look<'_>) -> Vec<Span<'static>> {
    inline::lines(cell, style, look).concat()
}

fn cell_width(cell: &str, look: Look<'_>) -> usize {
    let spans = cell_spans(cell, look.theme.text, look);
    spans.iter().map(|span| wrap::width(&span.content)).sum()
}
