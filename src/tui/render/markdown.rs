//! Markdown as the model writes it, to styled lines, incrementally.
//!
//! Blocks are read here, line by line, as CommonMark says (with GFM's tables and tasks); their insides are
//! pulldown-cmark's. What no rule draws stays as it was written, so no text is lost. The one thing to know: a line
//! is read once. What is still open (a paragraph, a table) is kept in the state and drawn by [`Markdown::tail`] on a
//! copy; it is bounded, because a long paragraph is cut where nothing is open and a long table has its widths fixed.
//! So a delta costs the same however long its block is, and a stream equals a rendering from the start.

mod block;
mod code;
mod container;
mod draw;
mod inline;
mod long;
mod table;

use crate::tui::render::syntax::Grammars;
use crate::tui::render::wrap::{self, Source};
use crate::tui::terminal::links::Links;
use crate::tui::theme::Theme;
use block::{Fence, Start};
use code::Colours;
pub use code::piece;
use container::Container;
use std::borrow::Cow;
use table::Table;

/// A longer line is a paragraph or code, whatever else it looks like, and is read in pieces.
const LONG: usize = 4096;

/// How to draw.
#[derive(Debug, Clone, Copy)]
pub struct Look<'t> {
    pub theme: &'t Theme,
    pub links: &'t Links,
    pub grammars: Option<&'t Grammars>,
    pub columns: usize,
    /// The last word of a text that goes on: no address yet.
    pub unfinished: &'t str,
}

/// How far a text was read, and what is open there.
#[derive(Debug, Clone, Default)]
pub struct Markdown {
    /// Bytes that were read.
    read: usize,
    containers: Vec<Container>,
    leaf: Leaf,
    /// Blank lines were passed since the last block, in so many containers: the next one gets a gap.
    gap: Option<usize>,
    started: bool,
    /// The line so far is a part of a long one.
    within: bool,
}

#[derive(Debug, Clone, Default)]
enum Leaf {
    #[default]
    None,
    Paragraph {
        text: String,
        joins: Joins,
    },
    Fence {
        fence: Fence,
        colours: Colours,
    },
    /// Code by indentation, and the blank lines since.
    Indented {
        blanks: usize,
    },
    Table(Table),
}

/// How a paragraph's text goes on from what was drawn of it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Joins {
    Nothing,
    Line,
    Row,
}

impl Markdown {
    /// Renders what can no longer change to `out` and moves past it.
    pub fn advance(&mut self, text: &str, look: Look<'_>, out: &mut Vec<Source>) {
        while let Some(rest) = text.get(self.read..).filter(|rest| !rest.is_empty()) {
            let Some(at) = rest.find('\n') else {
                self.read += self.part(rest, look, out);
                return;
            };
            self.line(rest.get(..at).unwrap_or(rest), look, out);
            self.read += at + 1;
        }
    }

    /// Renders the rest, whose end is the end of the text so far, on a copy: the next call of `advance` must find
    /// the state of before.
    pub fn tail(&self, text: &str, look: Look<'_>, out: &mut Vec<Source>) {
        let mut copy = self.clone();
        copy.advance(text, look, out);
        if let Some(rest) = text
            .get(copy.read..)
            .filter(|rest| !rest.is_empty() || copy.within)
        {
            copy.line(rest, look, out);
        }
        copy.close(look, out);
        copy.leave_containers(0, look, out);
    }

    fn line(&mut self, line: &str, look: Look<'_>, out: &mut Vec<Source>) {
        let mut line = Cow::Borrowed(line);
        if !self.within && line.len() > LONG {
            let taken = self.begin_long(&line, look, out);
            line = Cow::Owned(line.get(taken..).unwrap_or("").to_owned());
        }
        if self.within {
            let taken = self.more(&line, look, out);
            self.end_long(line.get(taken..).unwrap_or(""), look, out);
            self.within = false;
            return;
        }
        let verbatim = matches!(self.leaf, Leaf::Fence { .. }) && self.containers.is_empty();
        let line = if verbatim { line } else { untabbed(line) };
        let (matched, rest) = self.matched(&line);
        let all = matched == self.containers.len();
        if let (Leaf::Fence { fence, colours }, true) = (&mut self.leaf, all) {
            if fence.closes(rest) {
                self.leaf = Leaf::None;
            } else {
                let source = colours.line(fence.inside(rest), look);
                self.emit_code(source, look, out);
            }
        } else if rest.trim().is_empty() {
            self.blank(matched, look, out);
        } else if !(all && self.goes_on(rest, look, out)) {
            self.begin(matched, rest, look, out);
        }
    }

    /// How many containers the line is in, and what they leave of it.
    fn matched<'l>(&self, line: &'l str) -> (usize, &'l str) {
        let mut rest = line;
        for (number, container) in self.containers.iter().enumerate() {
            let inside = match container {
                Container::Quote => (block::indent(rest) < 4)
                    .then(|| rest.trim_start_matches(' ').strip_prefix('>'))
                    .flatten()
                    .map(|rest| rest.strip_prefix(' ').unwrap_or(rest)),
                Container::Item { item, .. } => (block::indent(rest) >= item.offset
                    || rest.trim().is_empty())
                .then(|| block::dedent(rest, item.offset)),
            };
            match inside {
                Some(inside) => rest = inside,
                None => return (number, rest),
            }
        }
        (self.containers.len(), rest)
    }

    fn blank(&mut self, matched: usize, look: Look<'_>, out: &mut Vec<Source>) {
        if let (Leaf::Indented { blanks }, true) =
            (&mut self.leaf, matched == self.containers.len())
        {
            *blanks += 1;
            return;
        }
        self.close(look, out);
        self.leave_containers(matched, look, out);
        if self.started {
            self.gap = Some(matched);
        }
    }

    /// Takes a line that goes on with the open block, in all of its containers.
    fn goes_on(&mut self, line: &str, look: Look<'_>, out: &mut Vec<Source>) -> bool {
        match &mut self.leaf {
            Leaf::None | Leaf::Fence { .. } => false,
            Leaf::Indented { blanks } => {
                if block::indent(line) < 4 {
                    return false;
                }
                for _ in 0..std::mem::take(blanks) {
                    self.emit_code(code::plain("", look.theme), look, out);
                }
                self.emit_code(code::plain(block::dedent(line, 4), look.theme), look, out);
                true
            }
            Leaf::Table(table) => {
                if !line.contains('|') || block::start(line, true).is_some() {
                    return false;
                }
                table.row(line);
                if table.is_measured() {
                    self.draw_table(look, out);
                }
                true
            }
            Leaf::Paragraph { text, joins } => {
                if let (Some(depth), Joins::Nothing) = (block::underline(line), *joins) {
                    let text = std::mem::take(text);
                    self.leaf = Leaf::None;
                    self.heading(depth, &text, look, out);
                    return true;
                }
                let (before, head) = text.rsplit_once('\n').unwrap_or(("", text));
                let Some(table) = Table::begins(head, line) else {
                    return false;
                };
                let cut = before.len();
                text.truncate(cut);
                if cut > 0 || *joins != Joins::Nothing {
                    self.close(look, out);
                }
                self.leaf = Leaf::Table(table);
                true
            }
        }
    }

    /// Takes a line that begins a block, or goes on with a paragraph.
    fn begin(&mut self, matched: usize, line: &str, look: Look<'_>, out: &mut Vec<Source>) {
        let paragraph = matches!(self.leaf, Leaf::Paragraph { .. });
        let interrupts = paragraph && matched == self.containers.len();
        let mut start = block::start(line, interrupts);
        if paragraph && matches!(start, None | Some(Start::Indented(_))) {
            return self.paragraph(line, look, out);
        }
        self.close(look, out);
        let mut sibling = self.containers.get(matched).cloned();
        self.leave_containers(matched, look, out);
        let mut line = line;
        loop {
            match start {
                Some(Start::Quote { rest }) => {
                    self.containers.push(Container::Quote);
                    line = rest;
                }
                Some(Start::Item { item, rest }) => {
                    self.containers.push(Container::item(item, sibling.take()));
                    line = rest;
                }
                Some(Start::Heading { depth, text }) => {
                    return self.heading(depth, text, look, out);
                }
                Some(Start::Fence(fence)) => {
                    self.leave_gap(look, out);
                    let colours = Colours::of(&fence.language, look.grammars);
                    if let Some(info) = fence.more.clone() {
                        let info = Source::plain(info, look.theme.dim).verbatim();
                        self.emit_code(info, look, out);
                    }
                    self.leaf = Leaf::Fence { fence, colours };
                    return;
                }
                Some(Start::Rule) => {
                    self.leave_gap(look, out);
                    let rule = "\u{2500}".repeat(self.inner(look).columns.min(40));
                    return self.emit(Source::plain(rule, look.theme.rule), look.theme, out);
                }
                Some(Start::Indented(line)) => {
                    self.leave_gap(look, out);
                    self.leaf = Leaf::Indented { blanks: 0 };
                    return self.emit_code(code::plain(line, look.theme), look, out);
                }
                None if line.trim().is_empty() => return,
                None => return self.paragraph(line, look, out),
            }
            sibling = None;
            start = block::start(line, false);
        }
    }

    /// More text for the open paragraph, or for a new one.
    fn paragraph(&mut self, line: &str, look: Look<'_>, out: &mut Vec<Source>) {
        let line = line.trim_start();
        match &mut self.leaf {
            Leaf::Paragraph { text, .. } => {
                text.push('\n');
                text.push_str(line);
            }
            Leaf::None | Leaf::Fence { .. } | Leaf::Indented { .. } | Leaf::Table(_) => {
                self.leaf = Leaf::Paragraph {
                    text: line.to_owned(),
                    joins: Joins::Nothing,
                };
            }
        }
        self.cut(look, out);
    }

    /// Draws for good what of a long paragraph can be.
    fn cut(&mut self, look: Look<'_>, out: &mut Vec<Source>) {
        while let Leaf::Paragraph { text, joins } = &mut self.leaf
            && let Some(at) = inline::cut(text)
        {
            let rest = text.split_off(at);
            let done = std::mem::replace(text, rest);
            let shown = done.trim_end();
            let space = done.get(shown.len()..).unwrap_or("");
            let before = *joins;
            *joins = if space.contains('\n') {
                Joins::Line
            } else {
                Joins::Row
            };
            let space = space.replace('\n', "");
            self.text(shown, before, &space, look, out);
        }
    }
}

/// The line with spaces for its tabs, up to every fourth column.
fn untabbed(line: Cow<'_, str>) -> Cow<'_, str> {
    if !line.contains('\t') {
        return line;
    }
    let mut out = String::with_capacity(line.len() + 8);
    for c in line.chars() {
        match c {
            '\t' => {
                let column = wrap::width(&out);
                out.extend(std::iter::repeat_n(' ', 4 - column % 4));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Everything from the start: what a stream, however cut, must equal.
#[cfg(test)]
fn render(text: &str, look: Look<'_>) -> Vec<Source> {
    let mut out = Vec::new();
    Markdown::default().tail(text, look, &mut out);
    out
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
