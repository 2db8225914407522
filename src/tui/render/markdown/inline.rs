//! The inside of a paragraph: emphasis, code, links.
//!
//! pulldown-cmark reads it, as one line that can be nothing but a paragraph, because what is a block was decided
//! before. Line breaks stay where the model wrote them. [`cut`] finds where a long paragraph may be laid out for good.

use super::Look;
use crate::text;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, TextMergeStream};
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

/// Before the text, so that nothing at its start is a block; it is punctuation, as far as emphasis goes.
const GUARD: &str = ".";
/// For a line break within it: white space that cleaned text never holds.
const BREAK: char = '\u{c}';

/// The lines of `text`, styled, in `base`.
pub fn lines(text: &str, base: Style, look: Look<'_>) -> Vec<Vec<Span<'static>>> {
    let mut guarded = String::with_capacity(text.len() + 1);
    guarded.push_str(GUARD);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if lines.peek().is_none() {
            guarded.push_str(line);
            break;
        }
        // Trailing spaces or a backslash are Markdown's line break, and every break is kept here anyway.
        let escapes = line.len() - line.trim_end_matches('\\').len();
        let line = line
            .strip_suffix('\\')
            .filter(|_| escapes % 2 == 1)
            .unwrap_or(line);
        guarded.push_str(line);
        guarded.push(BREAK);
    }
    let mut reader = Reader {
        look,
        lines: vec![Vec::new()],
        styles: vec![base],
        open: Vec::new(),
        guarded: true,
    };
    for event in TextMergeStream::new(Parser::new_ext(&guarded, Options::ENABLE_STRIKETHROUGH)) {
        reader.event(event);
    }
    reader.lines
}

struct Reader<'t> {
    look: Look<'t>,
    lines: Vec<Vec<Span<'static>>>,
    /// Open styles, innermost last.
    styles: Vec<Style>,
    /// Open links: the target, and the text so far.
    open: Vec<(String, String)>,
    /// The guard is still to come.
    guarded: bool,
}

impl Reader<'_> {
    fn style(&self) -> Style {
        self.styles.last().copied().unwrap_or_default()
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.guarded => {
                self.guarded = false;
                let text = text.strip_prefix(GUARD).unwrap_or(&text).to_owned();
                self.running(&text);
            }
            Event::Text(text) => self.running(&text),
            Event::Html(text) | Event::InlineHtml(text) => self.push(&text, self.style()),
            Event::Code(code) => {
                let style = self.style().patch(self.look.theme.code);
                let code = code.replace(BREAK, " ");
                if self.look.theme.plain {
                    self.push(&format!("`{code}`"), style);
                } else {
                    self.push(&code, style);
                }
            }
            Event::SoftBreak | Event::HardBreak => self.lines.push(Vec::new()),
            // Their options are off; were one on, its text would still be drawn.
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.push(&text, self.style());
            }
            Event::TaskListMarker(_) | Event::Rule => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        let style = match tag {
            Tag::Emphasis => self.look.theme.emphasis,
            Tag::Strong => self.look.theme.strong,
            Tag::Strikethrough => {
                if self.look.theme.plain {
                    self.push("~~", self.style());
                }
                Style::new().add_modifier(Modifier::CROSSED_OUT)
            }
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                let target = dest_url.to_string();
                let style = self.look.links.link(self.look.theme.link, &target);
                self.open.push((target, String::new()));
                style
            }
            _ => return,
        };
        self.styles.push(self.style().patch(style));
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Emphasis | TagEnd::Strong => {
                self.styles.pop();
            }
            TagEnd::Strikethrough => {
                self.styles.pop();
                if self.look.theme.plain {
                    self.push("~~", self.style());
                }
            }
            TagEnd::Link | TagEnd::Image => {
                self.styles.pop();
                let Some((target, label)) = self.open.pop() else {
                    return;
                };
                // Where it leads must be readable, above all where the label is another address.
                let told =
                    label == target || Some(label.as_str()) == target.strip_prefix("mailto:");
                if !told && !target.is_empty() {
                    let style = self.look.links.link(self.look.theme.dim, &target);
                    self.push(" (", self.look.theme.dim);
                    self.push(&target, style);
                    self.push(")", self.look.theme.dim);
                }
            }
            _ => {}
        }
    }

    /// Text in which bare addresses are links too.
    fn running(&mut self, text: &str) {
        let style = self.style();
        if !self.open.is_empty() || !text.contains("://") {
            return self.push(text, style);
        }
        let mut rest = text;
        while let Some((at, length)) = bare_address(rest) {
            let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
            let (address, after) = from.split_at_checked(length).unwrap_or((from, ""));
            self.push(before, style);
            let mut linked = style.patch(self.look.theme.link);
            // What has reached no end is another address with every piece of the stream.
            let goes_on = !from.contains(BREAK) && self.look.unfinished.ends_with(from);
            if !goes_on {
                linked = self.look.links.link(linked, address);
            }
            self.push(address, linked);
            rest = after;
        }
        self.push(rest, style);
    }

    fn push(&mut self, text: &str, style: Style) {
        if let Some((_, label)) = self.open.last_mut() {
            label.push_str(text);
        }
        // Entities (`&#27;`) were decoded after the stream was cleaned, so clean again.
        for (number, line) in text.split(BREAK).enumerate() {
            if number > 0 {
                self.lines.push(Vec::new());
            }
            let clean = text::prose(line).replace('\n', " ");
            if let Some(last) = self.lines.last_mut().filter(|_| !clean.is_empty()) {
                last.push(Span::styled(clean, style));
            }
        }
    }
}

/// Where the first bare web address is, and its length; punctuation at its end is the sentence's.
fn bare_address(text: &str) -> Option<(usize, usize)> {
    let at = ["https://", "http://"]
        .iter()
        .filter_map(|scheme| text.find(scheme))
        .min()?;
    let rest = text.get(at..)?;
    let ends = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '`' | '|' | BREAK);
    let whole = rest.get(..rest.find(ends).unwrap_or(rest.len()))?;
    let mut address = whole.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '_', '~']);
    let count = |text: &str, bracket: char| text.chars().filter(|c| *c == bracket).count();
    while address.ends_with(')') && count(address, ')') > count(address, '(') {
        address = address.get(..address.len() - 1)?;
    }
    Some((at, address.len()))
}

/// A paragraph is never cut before this many bytes, and by force after so many; text without a space after twice or
/// three times as many.
const SOFT: usize = 1024;
const HARD: usize = 4096;

/// Where what comes before can be laid out for good: after white space and before a letter, outside of everything
/// that a later character could close. It depends on the text before it and one letter more, never on what follows,
/// so a stream is cut where the whole text is.
pub fn cut(text: &str) -> Option<usize> {
    if text.len() <= SOFT {
        return None;
    }
    let mut state = Open::default();
    let mut chars = text.char_indices().peekable();
    let mut before = ' ';
    while let Some((at, c)) = chars.next() {
        let at_word = c.is_alphabetic()
            && (c.is_ascii() && before.is_ascii_whitespace() || is_full_stop(before));
        let forced = match at / HARD {
            0 => false,
            1 => c.is_ascii() && before.is_ascii_whitespace(),
            2 => c.is_alphanumeric(),
            _ => true,
        };
        if forced || at_word && at >= SOFT && state.is_closed() {
            return Some(at);
        }
        let mut run = 1;
        if matches!(c, '`' | '*' | '_' | '~') {
            while chars.next_if(|(_, next)| *next == c).is_some() {
                run += 1;
            }
        } else if c == '\\' {
            before = chars.next().map_or('\\', |(_, next)| next);
            continue;
        }
        let after = chars.peek().map_or(' ', |(_, next)| *next);
        state.take(c, run, before, after);
        before = c;
    }
    None
}

/// In scripts that put no space after it.
fn is_full_stop(c: char) -> bool {
    matches!(
        c,
        '\u{3002}' | '\u{ff01}' | '\u{ff1f}' | '\u{ff0c}' | '\u{3001}'
    )
}

/// What is open, roughly: too much makes a cut later, never wrong.
#[derive(Debug, Default)]
struct Open {
    code: Option<usize>,
    emphasis: [usize; 3],
    brackets: usize,
    target: bool,
    angle: bool,
}

impl Open {
    fn is_closed(&self) -> bool {
        self.code.is_none()
            && self.emphasis == [0; 3]
            && self.brackets == 0
            && !self.target
            && !self.angle
    }

    fn take(&mut self, c: char, run: usize, before: char, after: char) {
        match (c, self.code) {
            ('`', None) => self.code = Some(run),
            ('`', Some(open)) if open == run => self.code = None,
            (_, Some(_)) => {}
            ('*' | '_' | '~', None) => {
                let opens = !after.is_whitespace();
                let closes = !before.is_whitespace();
                if c == '_' && before.is_alphanumeric() && after.is_alphanumeric() {
                    return;
                }
                let kind = match c {
                    '*' => 0,
                    '_' => 1,
                    _ => 2,
                };
                if let Some(depth) = self.emphasis.get_mut(kind) {
                    if closes && *depth > 0 {
                        *depth = depth.saturating_sub(run);
                    } else if opens {
                        *depth += run;
                    }
                }
            }
            ('[', None) => self.brackets += 1,
            (']', None) => {
                self.target = self.brackets > 0 && after == '(';
                self.brackets = self.brackets.saturating_sub(1);
            }
            (')', None) => self.target = false,
            ('<', None) => self.angle |= after.is_ascii_alphabetic() || after == '/',
            ('>', None) => self.angle = false,
            _ => {}
        }
    }
}
