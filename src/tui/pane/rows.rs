//! One cell as rows of a width, and what each row is of the text behind it.
//!
//! A stream is laid out again only from what is still open of it. [`wrap::Row`] says how a row continues the one
//! above, so that a selection or a search reads the text as it was before it was wrapped.

use crate::text;
use crate::tui::render::markdown::{Look, Markdown};
use crate::tui::render::plain::Plain;
use crate::tui::render::syntax::Grammars;
use crate::tui::render::wrap::{self, Mark, Row, Rows, Source};
use crate::tui::terminal::links::LONGEST;
use crate::tui::terminal::links::Links;
use crate::tui::theme::Theme;
use crate::tui::transcript::cells;
use crate::tui::transcript::{Body, Cell, Transcript};
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
    /// The terminal draws joined emoji as one sign.
    pub joined: bool,
    /// The key that unfolds; empty where none does.
    pub unfold_key: &'t str,
}

/// What a cell's rows depend on besides the theme.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Key {
    pub epoch: u64,
    pub columns: u16,
    pub unfolded: bool,
    pub hidden: bool,
    /// Code has its colours.
    pub coloured: bool,
}

#[derive(Debug)]
pub(super) struct Laid {
    pub key: Key,
    /// Of a streaming body: bytes laid out.
    text_len: usize,
    /// More of it may come.
    open: bool,
    markdown: Markdown,
    plain: Plain,
    /// What will not change while text is only appended.
    frozen: Mark,
    pub rows: Rows,
}

/// A layout without its rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Counted {
    key: Key,
    text_len: usize,
    open: bool,
    pub rows: usize,
    /// The last row is the gap after the cell.
    pub gap: bool,
}

impl Counted {
    /// Whether `cell`, with this key, would be laid out as it was.
    pub fn is_of(&self, cell: &Cell, key: Key) -> bool {
        let same = match &cell.body {
            Body::Answer { text, open } => (self.text_len, self.open) == (text.len(), *open),
            Body::Reasoning { text, .. } => self.text_len == text.len(),
            Body::Prompt(_)
            | Body::Thought(_)
            | Body::Tool(_)
            | Body::Diff(_)
            | Body::Notice(_)
            | Body::Problem(_)
            | Body::Aside(_) => true,
        };
        self.key == key && (key.hidden || same)
    }
}

impl Laid {
    pub fn new(key: Key) -> Laid {
        Laid {
            key,
            text_len: usize::MAX,
            open: true,
            markdown: Markdown::default(),
            plain: Plain::default(),
            frozen: Mark::default(),
            rows: Rows::default(),
        }
    }

    /// What stays when the rows are given up.
    pub fn counted(&self) -> Counted {
        let last = self.rows.lines.last();
        Counted {
            key: self.key,
            text_len: self.text_len,
            open: self.open,
            rows: self.rows.lines.len(),
            gap: last.is_some_and(|line| line.spans.is_empty()),
        }
    }

    /// Brings it up to date with `cell`, with one empty row after it.
    pub fn lay_out(&mut self, cell: &Cell, style: Style<'_>, links: &Links) {
        if self.key.hidden {
            return;
        }
        match &cell.body {
            Body::Answer { text, open } => {
                if self.text_len == text.len() && self.open == *open {
                    return;
                }
                let look = Look {
                    theme: style.theme,
                    links,
                    grammars: style.grammars,
                    columns: usize::from(style.columns),
                    unfinished: if *open { last_word(text) } else { "" },
                };
                self.rows.joined = style.joined;
                self.rows.rewind(&self.frozen);
                let mut sources = Vec::new();
                self.markdown.advance(text, look, &mut sources);
                self.push(&sources, style);
                self.frozen = self.rows.mark();
                sources.clear();
                self.markdown.tail(text, look, &mut sources);
                self.push(&sources, style);
                (self.text_len, self.open) = (text.len(), *open);
            }
            Body::Reasoning { text, .. } => {
                if self.text_len == text.len() {
                    return;
                }
                self.rows.joined = style.joined;
                self.rows.rewind(&self.frozen);
                let mut sources = Vec::new();
                self.plain
                    .advance(text, style.theme.reasoning, &mut sources);
                self.push(&sources, style);
                self.frozen = self.rows.mark();
                sources.clear();
                self.plain.tail(text, style.theme.reasoning, &mut sources);
                self.push(&sources, style);
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
                    return;
                }
                self.rows = Rows::default();
                self.rows.joined = style.joined;
                self.push(&cells::sources(body, style), style);
                for row in &mut self.rows.rows {
                    row.bare = row.gutter;
                }
                self.text_len = 0;
                if matches!(body, Body::Thought(_)) && style.unfolded {
                    return;
                }
            }
        }
        self.rows.gap();
    }

    fn push(&mut self, sources: &[Source], style: Style<'_>) {
        for source in sources {
            self.rows.push(source, usize::from(style.columns));
        }
    }
}

/// What a stream may still go on with.
fn last_word(text: &str) -> &str {
    // No address is longer.
    let mut end = text.char_indices().rev().take(LONGEST);
    let begin = end.find(|(_, c)| c.is_whitespace());
    begin
        .and_then(|(at, space)| text.get(at + space.len_utf8()..))
        .unwrap_or(if text.len() <= LONGEST { text } else { "" })
}

/// All of a cell unfolded, before wrapping: what a search looks at.
pub(super) fn sources(cell: &Cell, style: Style<'_>, links: &Links) -> Vec<Source> {
    let mut all = Vec::new();
    match &cell.body {
        Body::Answer { text, .. } => {
            let look = Look {
                theme: style.theme,
                links,
                grammars: None,
                columns: usize::from(style.columns),
                unfinished: "",
            };
            Markdown::default().tail(text, look, &mut all);
        }
        Body::Reasoning { text, .. } => {
            let lines = text.lines().map(str::to_owned);
            all.extend(lines.map(|line| Source::plain(line, style.theme.reasoning)));
        }
        body @ (Body::Prompt(_)
        | Body::Thought(_)
        | Body::Tool(_)
        | Body::Diff(_)
        | Body::Notice(_)
        | Body::Problem(_)
        | Body::Aside(_)) => all = cells::sources(body, style),
    }
    // A long line comes in pieces.
    let mut out: Vec<Source> = Vec::new();
    for mut source in all {
        match out.last_mut().filter(|_| source.continues) {
            Some(line) => line.spans.append(&mut source.spans),
            None => out.push(source),
        }
    }
    for source in &mut out {
        wrap::untab(&mut source.spans);
    }
    out
}

/// A transcript as plain text, unfolded, nothing in it that acts.
pub fn plain(transcript: &Transcript, style: Style<'_>) -> String {
    let style = Style {
        unfolded: true,
        ..style
    };
    let mut out = String::new();
    for cell in transcript.cells() {
        for source in sources(cell, style, &Links::default()) {
            for span in source.first.iter().chain(&source.spans) {
                out.push_str(&text::visible(&span.content));
            }
            out.push('\n');
        }
        out.push('\n');
    }
    out
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
