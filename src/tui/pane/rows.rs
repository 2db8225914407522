//! One cell as rows of a width, and what each row is of the text behind it.
//!
//! A stream is laid out again only from its last frozen block. [`Row`] says how a row continues the one
//! above, so that a selection or a search reads the text as it was before it was wrapped.

use super::super::cells;
use super::super::markdown::Markdown;
use super::super::syntax::Grammars;
use super::super::theme::Theme;
use super::super::transcript::{Body, Cell, Transcript};
use super::super::wrap::{self, Source};
use crate::text;
use ratatui::text::Line;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// How to lay out.
#[derive(Debug, Clone, Copy)]
pub struct Style<'t> {
    pub theme: &'t Theme,
    pub grammars: Option<&'t Grammars>,
    pub columns: u16,
    pub unfolded: bool,
}

/// A row's place in its logical line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Row {
    /// A logical line begins here.
    pub first: bool,
    /// Columns of the gutter, which is no text.
    pub gutter: usize,
    /// Of those, how many a copy leaves out: a list's marker is worth copying, a bar is not.
    pub bare: usize,
    /// Spaces that were dropped where the line was broken, before this row.
    pub spaces: usize,
}

/// What a cell's rows depend on besides the theme.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Key {
    pub epoch: u64,
    pub columns: u16,
    pub unfolded: bool,
    pub hidden: bool,
}

#[derive(Debug)]
pub(super) struct Laid {
    pub key: Key,
    /// Of a streaming body: bytes laid out.
    text_len: usize,
    markdown: Markdown,
    /// Rows that will not change while text is only appended.
    frozen_rows: usize,
    pub lines: Vec<Line<'static>>,
    pub rows: Vec<Row>,
}

impl Laid {
    pub fn new(key: Key) -> Laid {
        Laid {
            key,
            text_len: usize::MAX,
            markdown: Markdown::default(),
            frozen_rows: 0,
            lines: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Brought up to date with `cell`, with one empty row after it.
    pub fn lay_out(mut self, cell: &Cell, style: Style<'_>) -> Laid {
        if self.key.hidden {
            return self;
        }
        match &cell.body {
            Body::Answer { text, .. } => {
                if self.text_len == text.len() {
                    return self;
                }
                self.thaw();
                let mut sources = Vec::new();
                self.markdown.advance(text, style.theme, &mut sources);
                self.wrap(&sources, style, Keep::Markers);
                self.frozen_rows = self.lines.len();
                sources.clear();
                self.markdown.tail(text, style.theme, &mut sources);
                self.wrap(&sources, style, Keep::Markers);
                self.text_len = text.len();
            }
            Body::Reasoning { text, .. } => {
                if self.text_len == text.len() {
                    return self;
                }
                self.thaw();
                let from = self.markdown.frozen;
                let rest = text.get(from..).unwrap_or("");
                let whole = rest.rfind('\n').map_or(0, |at| at + 1);
                let (done, tail) = rest.split_at_checked(whole).unwrap_or(("", rest));
                self.wrap(&lines(done, style.theme), style, Keep::Nothing);
                self.frozen_rows = self.lines.len();
                self.markdown.frozen = from + whole;
                self.wrap(&lines(tail, style.theme), style, Keep::Nothing);
                self.text_len = text.len();
            }
            body @ (Body::Prompt(_)
            | Body::Thought(_)
            | Body::Tool(_)
            | Body::Diff(_)
            | Body::Notice(_)
            | Body::Problem(_)
            | Body::Aside(_)) => {
                if self.text_len == 0 {
                    return self;
                }
                self.frozen_rows = 0;
                self.thaw();
                self.wrap(&cells::sources(body, style), style, Keep::Nothing);
                self.text_len = 0;
                if matches!(body, Body::Thought(_)) && style.unfolded {
                    return self;
                }
            }
        }
        self.lines.push(Line::default());
        self.rows.push(Row {
            first: true,
            ..Row::default()
        });
        self
    }

    fn thaw(&mut self) {
        self.lines.truncate(self.frozen_rows);
        self.rows.truncate(self.frozen_rows);
    }

    fn wrap(&mut self, sources: &[Source], style: Style<'_>, keep: Keep) {
        for source in sources {
            let from = self.lines.len();
            wrap::wrap(source, usize::from(style.columns), &mut self.lines);
            describe(
                source,
                self.lines.get(from..).unwrap_or_default(),
                keep,
                &mut self.rows,
            );
        }
    }
}

fn lines(text: &str, theme: &Theme) -> Vec<Source> {
    text.lines()
        .map(|line| Source::plain(line.to_owned(), theme.reasoning))
        .collect()
}

/// All of a cell unfolded, before wrapping: what a search looks at.
pub(super) fn sources(cell: &Cell, style: Style<'_>) -> Vec<Source> {
    match &cell.body {
        Body::Answer { text, .. } => {
            let mut out = Vec::new();
            Markdown::default().tail(text, style.theme, &mut out);
            out
        }
        Body::Reasoning { text, .. } => lines(text, style.theme),
        body @ (Body::Prompt(_)
        | Body::Thought(_)
        | Body::Tool(_)
        | Body::Diff(_)
        | Body::Notice(_)
        | Body::Problem(_)
        | Body::Aside(_)) => cells::sources(body, style),
    }
}

/// A transcript as plain text, unfolded, nothing in it that acts.
pub fn plain(transcript: &Transcript, style: Style<'_>) -> String {
    let style = Style {
        unfolded: true,
        ..style
    };
    let mut out = String::new();
    for cell in transcript.cells() {
        for source in sources(cell, style) {
            for span in source.first.iter().chain(&source.spans) {
                out.push_str(&text::visible(&span.content));
            }
            out.push('\n');
        }
        out.push('\n');
    }
    out
}

/// What of the gutters a copy keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    Nothing,
    /// The markers of lists.
    Markers,
}

/// The rows that `source` was wrapped to, by what [`wrap::wrap`] promises: gutters first, then the text,
/// which loses nothing but the spaces at a break.
fn describe(source: &Source, lines: &[Line<'_>], keep: Keep, out: &mut Vec<Row>) {
    let text: String = source.spans.iter().map(|s| s.content.as_ref()).collect();
    let mut rest = text.as_str();
    for (n, line) in lines.iter().enumerate() {
        let prefix = if n == 0 { &source.first } else { &source.rest };
        let shown = line.to_string();
        let gutter: String = prefix.iter().map(|s| s.content.as_ref()).collect();
        // A gutter that left no room was dropped.
        let gutter = if shown.starts_with(&gutter) {
            gutter.as_str()
        } else {
            ""
        };
        let mut row = Row {
            first: n == 0,
            gutter: wrap::width(gutter),
            ..Row::default()
        };
        let marks = |c: char| c != ' ' && c != '\u{2502}';
        row.bare = match keep {
            Keep::Markers if n == 0 && !source.verbatim && gutter.contains(marks) => gutter
                .find(marks)
                .and_then(|at| gutter.get(..at))
                .map_or(0, wrap::width),
            Keep::Markers | Keep::Nothing => row.gutter,
        };
        if n > 0 && !source.verbatim {
            let trimmed = rest.trim_start_matches(' ');
            row.spaces = rest.len() - trimmed.len();
            rest = trimmed;
        }
        let own = shown.get(gutter.len()..).unwrap_or_default();
        rest = rest.strip_prefix(own).unwrap_or_default();
        out.push(row);
    }
}

/// A row's text without its gutter.
pub(super) fn text_of(line: &Line<'_>, row: Row) -> String {
    let mut out = String::new();
    slice(line, row.gutter..usize::MAX, &mut out);
    out
}

/// What stands in these columns; a wide character that lies in them by half is taken.
pub(super) fn slice(line: &Line<'_>, columns: Range<usize>, out: &mut String) {
    let mut column = 0;
    for span in &line.spans {
        for grapheme in span.content.graphemes(true) {
            let cells = wrap::width(grapheme);
            if column < columns.end && column + cells > columns.start {
                out.push_str(grapheme);
            }
            column += cells;
        }
    }
}
