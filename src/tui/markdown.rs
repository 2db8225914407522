//! Markdown as the model writes it, to styled lines, incrementally.
//!
//! Blocks are cut here (blank lines, code fences), their insides are pulldown-cmark's. Headings, lists,
//! quotes, fences, inline code, emphasis and links are drawn; everything else stays as it was written, so
//! no text is lost. The one thing to know: [`Markdown::advance`] freezes a block only when no later text
//! can change it, so that a stream costs its tail and equals a rendering from the start.

use super::theme::Theme;
use super::wrap::Source;
use crate::text;
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use ratatui::style::Style;
use ratatui::text::Span;

/// How far a text is rendered for good.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Markdown {
    /// Bytes of the text that are frozen.
    pub frozen: usize,
    fence: Option<Fence>,
    /// Blank lines were passed since the last block, so the next one gets a gap.
    gap: bool,
    started: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Fence {
    mark: char,
    length: usize,
    indent: usize,
}

impl Markdown {
    /// Renders what can no longer change to `out` and moves past it.
    pub fn advance(&mut self, text: &str, theme: &Theme, out: &mut Vec<Source>) {
        self.run(text, false, theme, out);
    }

    /// Renders the rest, whose end is the end of the text so far. `self` is not moved: the next call of
    /// `advance` must find the frozen state.
    pub fn tail(&self, text: &str, theme: &Theme, out: &mut Vec<Source>) {
        self.clone().run(text, true, theme, out);
    }

    fn run(&mut self, text: &str, end_is_final: bool, theme: &Theme, out: &mut Vec<Source>) {
        let mut position = self.frozen;
        // Start and end of the block being gathered.
        let mut block: Option<(usize, usize)> = None;
        let mut blank_after = false;
        while let Some(rest) = text.get(position..).filter(|r| !r.is_empty()) {
            let (line, complete) = match rest.find('\n') {
                Some(at) => (rest.get(..at).unwrap_or(rest), true),
                None => (rest, false),
            };
            let next = position + line.len() + usize::from(complete);
            if let Some(fence) = &self.fence {
                if !complete && !end_is_final {
                    return;
                }
                if fence.closes(line) {
                    self.fence = None;
                } else {
                    out.push(code_line(line, fence.indent, theme));
                }
                self.frozen = next;
            } else if line.trim().is_empty() {
                if !complete && !end_is_final {
                    return;
                }
                match block {
                    Some(_) => blank_after = true,
                    None => {
                        self.gap |= self.started;
                        self.frozen = next;
                    }
                }
            } else {
                // A block is over at a blank line that no indented line follows.
                if let (Some((from, to)), true) = (block, blank_after)
                    && !line.starts_with([' ', '\t'])
                {
                    self.block(text.get(from..to).unwrap_or(""), theme, out);
                    self.gap = true;
                    self.frozen = position;
                    block = None;
                }
                if !complete && !end_is_final {
                    return;
                }
                if let Some(fence) = Fence::opens(line) {
                    if let Some((from, to)) = block.take() {
                        self.block(text.get(from..to).unwrap_or(""), theme, out);
                        self.gap = blank_after;
                    }
                    self.leave_gap(out);
                    self.fence = Some(fence);
                    self.frozen = next;
                } else {
                    block = Some((block.map_or(position, |(from, _)| from), next));
                }
                blank_after = false;
            }
            position = next;
        }
        if end_is_final && let Some((from, to)) = block {
            self.block(text.get(from..to).unwrap_or(""), theme, out);
            self.frozen = position;
        }
    }

    fn leave_gap(&mut self, out: &mut Vec<Source>) {
        if std::mem::take(&mut self.gap) && self.started {
            out.push(Source::default());
        }
        self.started = true;
    }

    fn block(&mut self, text: &str, theme: &Theme, out: &mut Vec<Source>) {
        self.leave_gap(out);
        render_block(text, theme, out);
    }
}

impl Fence {
    fn opens(line: &str) -> Option<Fence> {
        let trimmed = line.trim_start();
        let mark = trimmed.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let length = trimmed.chars().take_while(|c| *c == mark).count();
        let info = trimmed.trim_start_matches(mark);
        let valid = length >= 3 && (mark == '~' || !info.contains('`'));
        valid.then(|| Fence {
            mark,
            length,
            indent: line.len() - trimmed.len(),
        })
    }

    fn closes(&self, line: &str) -> bool {
        let trimmed = line.trim();
        trimmed.chars().all(|c| c == self.mark) && trimmed.len() >= self.length
    }
}

fn code_line(line: &str, indent: usize, theme: &Theme) -> Source {
    let own = line.len() - line.trim_start_matches(' ').len();
    let text = line.get(own.min(indent)..).unwrap_or(line);
    Source::plain(text::prose(text).into_owned(), theme.code)
        .gutter(Span::raw("    "), Span::raw("    "))
        .verbatim()
}

/// Everything from the start: what a stream, however cut, must equal.
#[cfg(test)]
fn render(text: &str, theme: &Theme) -> Vec<Source> {
    let mut out = Vec::new();
    Markdown::default().tail(text, theme, &mut out);
    out
}

/// One line being put together, and the block structure around it.
struct Block<'t> {
    theme: &'t Theme,
    out: Vec<Source>,
    spans: Vec<Span<'static>>,
    /// Open inline styles, innermost last.
    styles: Vec<Style>,
    /// Open lists: the next number, or `None` for bullets.
    lists: Vec<Option<u64>>,
    /// The marker that the next line begins with.
    marker: Option<String>,
    /// The width of the innermost marker.
    hang: usize,
    quotes: usize,
    links: Vec<(String, usize)>,
    verbatim: bool,
}

fn render_block(text: &str, theme: &Theme, out: &mut Vec<Source>) {
    // Link definitions draw nothing; they are text to our reader.
    if text.trim_start().starts_with('[') && text.contains("]:") {
        out.extend(
            text.trim_end()
                .lines()
                .map(|l| Source::plain(text::prose(l).into_owned(), theme.text)),
        );
        return;
    }
    let before = out.len();
    let mut block = Block {
        theme,
        out: Vec::new(),
        spans: Vec::new(),
        styles: vec![theme.text],
        lists: Vec::new(),
        marker: None,
        hang: 0,
        quotes: 0,
        links: Vec::new(),
        verbatim: false,
    };
    for event in Parser::new_ext(text, Options::empty()) {
        block.event(event);
    }
    block.flush();
    out.append(&mut block.out);
    if out.len() == before {
        // Nothing was drawn of something: show it as it is.
        out.extend(
            text.trim_end()
                .lines()
                .map(|l| Source::plain(text::prose(l).into_owned(), theme.text)),
        );
    }
}

impl Block<'_> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => {
                self.text(&text, self.style());
            }
            Event::Code(text) => {
                let style = self.style().patch(self.theme.code);
                if self.theme.plain {
                    self.text(&format!("`{text}`"), style);
                } else {
                    self.text(&text, style);
                }
            }
            Event::SoftBreak | Event::HardBreak => self.flush(),
            Event::Rule => {
                self.spans
                    .push(Span::styled("\u{2500}".repeat(12), self.theme.rule));
                self.flush();
            }
            // Their options are off; were one on, its text would still be drawn.
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.text(&text, self.style());
            }
            Event::TaskListMarker(done) => {
                self.text(if done { "[x] " } else { "[ ] " }, self.style());
            }
        }
    }

    fn style(&self) -> Style {
        self.styles.last().copied().unwrap_or_default()
    }

    fn push_style(&mut self, style: Style) {
        self.styles.push(self.style().patch(style));
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.push_style(self.theme.heading);
                // The sign stays: it says the level without colour.
                let sign = format!("{} ", "#".repeat(heading_depth(level)));
                self.spans.push(Span::styled(sign, self.theme.heading));
            }
            Tag::List(first) => {
                self.flush();
                self.lists.push(first);
            }
            Tag::Item => {
                self.flush();
                let marker = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        let marker = format!("{number}. ");
                        *number += 1;
                        marker
                    }
                    Some(None) | None => "\u{2022} ".to_owned(),
                };
                self.hang = marker.chars().count();
                self.marker = Some(marker);
            }
            Tag::BlockQuote(_) => {
                self.flush();
                self.quotes += 1;
            }
            Tag::CodeBlock(_) => {
                self.flush();
                self.verbatim = true;
                self.push_style(self.theme.code);
            }
            Tag::Emphasis => self.push_style(self.theme.emphasis),
            Tag::Strong => self.push_style(self.theme.strong),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.links.push((dest_url.to_string(), self.spans.len()));
                self.push_style(self.theme.link);
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::Item | TagEnd::HtmlBlock => self.flush(),
            TagEnd::Heading(_) => {
                self.flush();
                self.styles.pop();
            }
            TagEnd::List(_) => {
                self.flush();
                self.lists.pop();
            }
            TagEnd::BlockQuote(_) => {
                self.flush();
                self.quotes = self.quotes.saturating_sub(1);
            }
            TagEnd::CodeBlock => {
                self.flush();
                self.verbatim = false;
                self.styles.pop();
            }
            TagEnd::Emphasis | TagEnd::Strong => {
                self.styles.pop();
            }
            TagEnd::Link | TagEnd::Image => {
                self.styles.pop();
                if let Some((url, from)) = self.links.pop() {
                    let shown: String = self
                        .spans
                        .iter()
                        .skip(from)
                        .map(|s| s.content.as_ref())
                        .collect();
                    if shown != url {
                        self.text(&format!(" ({url})"), self.theme.dim);
                    }
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str, style: Style) {
        // Entities (`&#27;`) were decoded after the stream was cleaned, so clean again.
        let clean = text::prose(text);
        let mut lines = clean.split('\n').peekable();
        while let Some(line) = lines.next() {
            if !line.is_empty() {
                self.spans.push(Span::styled(line.to_owned(), style));
            }
            if lines.peek().is_some() {
                self.flush_even_empty();
            }
        }
    }

    fn flush(&mut self) {
        if !self.spans.is_empty() || self.marker.is_some() {
            self.flush_even_empty();
        }
    }

    fn flush_even_empty(&mut self) {
        let quote = "\u{2502} ".repeat(self.quotes);
        let depth = self.lists.len().saturating_sub(1) * 2;
        let hang = if self.lists.is_empty() { 0 } else { self.hang };
        let inset = if self.verbatim { 4 } else { 0 };
        let rest = format!("{quote}{}", " ".repeat(depth + hang + inset));
        let first = match self.marker.take() {
            Some(marker) => format!("{quote}{}{marker}{}", " ".repeat(depth), " ".repeat(inset)),
            None => rest.clone(),
        };
        let mut source = Source::spans(std::mem::take(&mut self.spans));
        if !rest.is_empty() || !first.is_empty() {
            source = source.gutter(
                Span::styled(first, self.theme.dim),
                Span::styled(rest, self.theme.dim),
            );
        }
        source.verbatim = self.verbatim;
        self.out.push(source);
    }
}

fn heading_depth(level: HeadingLevel) -> usize {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
