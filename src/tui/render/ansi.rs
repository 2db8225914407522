//! What a program printed, as a terminal would show it line by line: colours, carriage returns, backspaces.
//!
//! Colours become the theme's, so they are legible on every background and gone where there are none. A line is
//! edited as progress bars do it: carriage return, backspace, columns, erasing in the line. Nothing else acts: every
//! other sequence and control character is made visible where it stood. (The crates for this, `ansi-to-tui` and
//! `vte`, read whole texts or swallow what they do not know.) What was cut in two by the stream is held back until
//! its rest comes, or the output ends.

mod sgr;

use crate::text::Prose;
use crate::tui::theme::Theme;
use ratatui::style::Style;
use ratatui::text::Span;
use sgr::Sgr;
use std::ops::{Deref, Range};

/// A longer sequence is none of those that act.
const LONGEST: usize = 64;
/// Columns a line is edited in; beyond, text is only appended.
const WIDEST: usize = 10_000;
const TAB: usize = 8;

/// Output that grows: clean text and how it is styled.
#[derive(Debug, Default)]
pub struct Output {
    text: String,
    /// From these bytes on, in order.
    runs: Vec<(usize, Sgr)>,
    pen: Sgr,
    /// The line that is being written, and where in the text it begins.
    line: Vec<(char, Sgr)>,
    line_start: usize,
    column: usize,
    /// The start of a sequence.
    held: String,
    /// The text lacks what changed in the line.
    stale: bool,
    prose: Prose,
}

/// The text.
impl Deref for Output {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl Output {
    pub fn append(&mut self, more: &str) {
        for c in more.chars() {
            if self.held.is_empty() {
                self.take(c);
            } else {
                self.held.push(c);
                self.sequence(c);
            }
        }
        self.freshen();
    }

    /// Nothing more comes: what was held back is shown.
    pub fn end(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.show(&held);
        self.freshen();
    }

    /// Cuts the first `bytes` of the text off, but nothing of the line that is being written; how many lines went.
    pub fn drop_front(&mut self, bytes: usize) -> usize {
        let bytes = bytes.min(self.line_start);
        let gone: String = self.text.drain(..bytes).collect();
        self.line_start -= bytes;
        let before = self.runs.partition_point(|(at, _)| *at <= bytes);
        if let Some(last) = before.checked_sub(1) {
            self.runs.drain(..last);
        }
        for (at, _) in &mut self.runs {
            *at = at.saturating_sub(bytes);
        }
        gone.matches('\n').count()
    }

    /// A part of the text as spans, on `base`.
    pub fn spans(&self, range: Range<usize>, base: Style, theme: &Theme) -> Vec<Span<'static>> {
        let first = self.runs.partition_point(|(at, _)| *at <= range.start);
        let first = first.saturating_sub(1);
        let mut out = Vec::new();
        let mut at = range.start;
        let mut style = Style::default();
        let mut push = |to: usize, style: Style, at: &mut usize| {
            if let Some(part) = self.text.get(*at..to).filter(|part| !part.is_empty()) {
                out.push(Span::styled(part.to_owned(), base.patch(style)));
            }
            *at = to.max(*at);
        };
        for (from, sgr) in self.runs.iter().skip(first) {
            if *from >= range.end {
                break;
            }
            push((*from).max(range.start), style, &mut at);
            style = sgr.style(theme);
        }
        push(range.end, style, &mut at);
        out
    }

    fn take(&mut self, c: char) {
        match c {
            '\u{1b}' => self.held.push(c),
            '\n' => self.new_line(),
            '\r' => self.column = 0,
            '\u{8}' => self.column = self.column.saturating_sub(1),
            '\t' => {
                for _ in 0..TAB - self.column % TAB {
                    self.put(' ');
                }
            }
            c => {
                let mut buffer = [0; 4];
                self.show(c.encode_utf8(&mut buffer));
            }
        }
    }

    /// `c` came to what is held: it acts, is shown, or waits for more.
    fn sequence(&mut self, c: char) {
        let body = self.held.strip_prefix("\u{1b}[");
        let complete = match body {
            Some("") => return,
            Some(_) => ('@'..='~').contains(&c),
            None => false,
        };
        let goes_on = body.is_some() && matches!(c, '0'..='?') && self.held.len() <= LONGEST;
        if complete && self.acts() {
            self.held.clear();
        } else if !goes_on {
            // What ended it may begin another, or the line.
            let mut held = std::mem::take(&mut self.held);
            let last = held.pop();
            self.show(&held);
            match last {
                Some(c) if complete => self.put(c),
                Some(c) => self.take(c),
                None => {}
            }
        }
    }

    /// Does what the sequence says, if it is about the line.
    fn acts(&mut self) -> bool {
        let Some(body) = self.held.strip_prefix("\u{1b}[") else {
            return false;
        };
        let Some((parameters, action)) = body
            .char_indices()
            .next_back()
            .and_then(|(at, action)| Some((body.get(..at)?, action)))
        else {
            return false;
        };
        if action == 'm' {
            return sgr::apply(parameters, &mut self.pen);
        }
        let Ok(number) = parameters.parse::<usize>().or(if parameters.is_empty() {
            Ok(0)
        } else {
            Err(())
        }) else {
            return false;
        };
        let steps = number.clamp(1, WIDEST);
        match (action, number) {
            ('C', _) => self.column = (self.column + steps).min(WIDEST),
            ('D', _) => self.column = self.column.saturating_sub(steps),
            ('G', _) => self.column = steps - 1,
            ('K', 0) => self.line.truncate(self.column),
            ('K', 1) => {
                let pen = self.pen;
                let end = (self.column + 1).min(self.line.len());
                for cell in self.line.iter_mut().take(end) {
                    *cell = (' ', pen);
                }
            }
            ('K', 2) => self.line.clear(),
            _ => return false,
        }
        self.stale = true;
        true
    }

    /// Text at the cursor, with what must not act made visible.
    fn show(&mut self, text: &str) {
        let before = self.column.checked_sub(1).and_then(|at| self.line.get(at));
        let before = before.map_or_else(String::new, |(c, _)| c.to_string());
        let mut prose = std::mem::take(&mut self.prose);
        for c in prose.take(&before, text).chars() {
            self.put(c);
        }
        self.prose = prose;
    }

    fn put(&mut self, c: char) {
        if self.column > self.line.len() {
            self.line.resize(self.column, (' ', Sgr::default()));
            self.stale = true;
        }
        match self.line.get_mut(self.column) {
            Some(cell) => {
                *cell = (c, self.pen);
                self.stale = true;
            }
            None => {
                self.line.push((c, self.pen));
                if !self.stale {
                    self.write(c, self.pen);
                }
            }
        }
        self.column += 1;
        if self.line.len() > WIDEST {
            // Too long for a progress bar: what follows is appended to it.
            self.freshen();
            self.line.clear();
            self.column = 0;
            self.line_start = self.text.len();
        }
    }

    fn write(&mut self, c: char, sgr: Sgr) {
        if self.runs.last().map_or(Sgr::default(), |(_, last)| *last) != sgr {
            self.runs.push((self.text.len(), sgr));
        }
        self.text.push(c);
    }

    fn new_line(&mut self) {
        self.freshen();
        self.write('\n', Sgr::default());
        self.line.clear();
        self.line_start = self.text.len();
        self.column = 0;
    }

    /// Writes the line anew where it was edited.
    fn freshen(&mut self) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        self.text.truncate(self.line_start);
        let end = self.line_start;
        // A run that began in the line is written again with it.
        self.runs
            .truncate(self.runs.partition_point(|(at, _)| *at < end));
        let line = std::mem::take(&mut self.line);
        for (c, sgr) in &line {
            self.write(*c, *sgr);
        }
        self.line = line;
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
