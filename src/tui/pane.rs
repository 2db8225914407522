//! A scrolling transcript: where it stands, and the wrapped lines of what was seen of it.
//!
//! Only cells that are on screen, or that a scroll passes, are ever laid out; a cell is wrapped again only
//! when it, the width or the theme changed, and a streaming one only from its last frozen block. The
//! scroll position is a cell and a line, or the tail, never a count of all lines.

use super::cells;
use super::markdown::Markdown;
use super::syntax::Grammars;
use super::theme::Theme;
use super::transcript::{Body, Cell, Transcript};
use super::wrap::{self, Source};
use ratatui::text::Line;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scroll {
    #[default]
    FollowTail,
    /// The first row on screen.
    Anchored { cell: usize, line: usize },
}

#[derive(Debug, Default)]
pub struct Pane {
    pub transcript: Transcript,
    pub scroll: Scroll,
    /// Rows asked for since the last frame, down is positive; settled against the layout.
    pub pending: i64,
}

impl Pane {
    pub fn scroll_by(&mut self, rows: i64) {
        self.pending = self.pending.saturating_add(rows);
    }

    pub fn go_to_top(&mut self) {
        self.pending = 0;
        self.scroll = Scroll::Anchored { cell: 0, line: 0 };
    }

    pub fn follow_tail(&mut self) {
        self.pending = 0;
        self.scroll = Scroll::FollowTail;
    }
}

/// What a cell's lines depend on besides the theme.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Key {
    epoch: u64,
    columns: u16,
    unfolded: bool,
}

#[derive(Debug)]
struct Laid {
    key: Key,
    /// Of a streaming body: bytes laid out.
    text_len: usize,
    markdown: Markdown,
    /// Lines that will not change while text is only appended.
    frozen_lines: usize,
    lines: Vec<Line<'static>>,
}

/// The wrapped lines of one pane.
#[derive(Debug, Default)]
pub struct PaneCache {
    generation: u64,
    cells: Vec<Option<Laid>>,
}

/// How to lay out.
#[derive(Debug, Clone, Copy)]
pub struct Style<'t> {
    pub theme: &'t Theme,
    pub grammars: Option<&'t Grammars>,
    pub columns: u16,
    pub unfolded: bool,
}

impl PaneCache {
    pub fn clear(&mut self) {
        self.cells.clear();
    }

    /// The lines of a cell, with one empty line after it.
    fn lines(&mut self, transcript: &Transcript, at: usize, style: Style<'_>) -> &[Line<'static>] {
        if self.generation != transcript.generation {
            self.cells.clear();
            self.generation = transcript.generation;
        }
        if self.cells.len() <= at {
            self.cells.resize_with(at + 1, || None);
        }
        let Some(cell) = transcript.cells().get(at) else {
            return &[];
        };
        let slot = &mut self.cells[at];
        let key = Key {
            epoch: cell.epoch,
            columns: style.columns,
            unfolded: style.unfolded,
        };
        let laid = match slot.take() {
            Some(laid) if laid.key == key => laid,
            _ => Laid {
                key,
                text_len: usize::MAX,
                markdown: Markdown::default(),
                frozen_lines: 0,
                lines: Vec::new(),
            },
        };
        &slot.insert(lay_out(cell, laid, style)).lines
    }

    /// Resolves the pending scroll; returns where the first row is.
    pub fn settle(&mut self, pane: &mut Pane, style: Style<'_>, height: u16) -> (usize, usize) {
        let height = usize::from(height);
        let pending = std::mem::take(&mut pane.pending);
        let transcript = &pane.transcript;
        let tail = self.tail_top(transcript, style, height);
        let mut top = match pane.scroll {
            Scroll::FollowTail => tail,
            Scroll::Anchored { cell, line } => {
                let cell = cell.min(transcript.cells().len().saturating_sub(1));
                let last = self.lines(transcript, cell, style).len().saturating_sub(1);
                (cell, line.min(last))
            }
        };
        let mut left = pending;
        while left < 0 {
            let steps = usize::try_from(-left).unwrap_or(usize::MAX);
            if top.1 >= steps {
                top.1 -= steps;
                break;
            }
            if top.0 == 0 {
                top.1 = 0;
                break;
            }
            left += i64::try_from(top.1).unwrap_or(i64::MAX) + 1;
            top.0 -= 1;
            top.1 = self.lines(transcript, top.0, style).len().saturating_sub(1);
        }
        while left > 0 && top < tail {
            let here = self.lines(transcript, top.0, style).len();
            let steps = usize::try_from(left).unwrap_or(usize::MAX);
            if top.1 + steps < here {
                top.1 += steps;
                break;
            }
            left -= i64::try_from(here - top.1).unwrap_or(i64::MAX);
            top = (top.0 + 1, 0);
        }
        if top >= tail {
            pane.scroll = Scroll::FollowTail;
            return tail;
        }
        pane.scroll = Scroll::Anchored {
            cell: top.0,
            line: top.1,
        };
        top
    }

    /// The first row on screen when the end is followed.
    fn tail_top(
        &mut self,
        transcript: &Transcript,
        style: Style<'_>,
        height: usize,
    ) -> (usize, usize) {
        let mut room = height;
        for at in (0..transcript.cells().len()).rev() {
            let mut rows = self.lines(transcript, at, style).len();
            if at + 1 == transcript.cells().len() {
                // The gap after the last cell needs no row.
                rows = rows.saturating_sub(1);
            }
            if rows >= room {
                return (at, rows - room);
            }
            room -= rows;
        }
        (0, 0)
    }

    /// The rows on screen from `top` on.
    pub fn visible(
        &mut self,
        transcript: &Transcript,
        style: Style<'_>,
        top: (usize, usize),
        height: u16,
    ) -> Vec<Line<'static>> {
        let mut out = Vec::with_capacity(usize::from(height));
        let mut skip = top.1;
        for at in top.0..transcript.cells().len() {
            let room = usize::from(height).saturating_sub(out.len());
            if room == 0 {
                break;
            }
            out.extend(
                self.lines(transcript, at, style)
                    .iter()
                    .skip(skip)
                    .take(room)
                    .cloned(),
            );
            skip = 0;
        }
        out
    }
}

fn lay_out(cell: &Cell, mut laid: Laid, style: Style<'_>) -> Laid {
    let columns = usize::from(style.columns);
    match &cell.body {
        Body::Answer { text, .. } => {
            if laid.text_len == text.len() {
                return laid;
            }
            laid.lines.truncate(laid.frozen_lines);
            let mut sources = Vec::new();
            laid.markdown.advance(text, style.theme, &mut sources);
            wrap_all(&sources, columns, &mut laid.lines);
            laid.frozen_lines = laid.lines.len();
            sources.clear();
            laid.markdown.tail(text, style.theme, &mut sources);
            wrap_all(&sources, columns, &mut laid.lines);
            laid.text_len = text.len();
        }
        Body::Reasoning { text, .. } => {
            if laid.text_len == text.len() {
                return laid;
            }
            laid.lines.truncate(laid.frozen_lines);
            let from = laid.markdown.frozen;
            let rest = text.get(from..).unwrap_or("");
            let whole = rest.rfind('\n').map_or(0, |at| at + 1);
            let (done, tail) = rest.split_at_checked(whole).unwrap_or(("", rest));
            for line in done.lines() {
                wrap::wrap(
                    &Source::plain(line.to_owned(), style.theme.reasoning),
                    columns,
                    &mut laid.lines,
                );
            }
            laid.frozen_lines = laid.lines.len();
            laid.markdown.frozen = from + whole;
            if !tail.is_empty() {
                wrap::wrap(
                    &Source::plain(tail.to_owned(), style.theme.reasoning),
                    columns,
                    &mut laid.lines,
                );
            }
            laid.text_len = text.len();
        }
        body @ (Body::Prompt(_)
        | Body::Tool(_)
        | Body::Diff(_)
        | Body::Notice(_)
        | Body::Problem(_)
        | Body::Aside(_)) => {
            if laid.text_len == 0 {
                return laid;
            }
            laid.lines.clear();
            wrap_all(&cells::sources(body, style), columns, &mut laid.lines);
            laid.text_len = 0;
        }
    }
    laid.lines.push(Line::default());
    laid
}

fn wrap_all(sources: &[Source], columns: usize, out: &mut Vec<Line<'static>>) {
    for source in sources {
        wrap::wrap(source, columns, out);
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn style(theme: &Theme, columns: u16) -> Style<'_> {
        Style {
            theme,
            grammars: None,
            columns,
            unfolded: false,
        }
    }

    fn text(lines: &[Line<'_>]) -> Vec<String> {
        lines.iter().map(ToString::to_string).collect()
    }

    fn numbered(cells: usize) -> Pane {
        let mut pane = Pane::default();
        for n in 0..cells {
            pane.transcript.notice(&format!("cell {n}"));
        }
        pane
    }

    fn screen(pane: &mut Pane, cache: &mut PaneCache, theme: &Theme, height: u16) -> Vec<String> {
        let top = cache.settle(pane, style(theme, 40), height);
        text(&cache.visible(&pane.transcript, style(theme, 40), top, height))
    }

    #[test]
    fn scrolling_goes_where_it_should_and_returns_to_the_tail() {
        let theme = Theme::plain();
        let (mut pane, mut cache) = (numbered(10), PaneCache::default());
        // Ten cells of a line and a gap: 19 rows count.
        assert_eq!(
            screen(&mut pane, &mut cache, &theme, 3),
            ["• cell 8", "", "• cell 9"]
        );
        pane.scroll_by(-2);
        assert_eq!(
            screen(&mut pane, &mut cache, &theme, 3),
            ["• cell 7", "", "• cell 8"]
        );
        assert_eq!(pane.scroll, Scroll::Anchored { cell: 7, line: 0 });
        // New text does not move an anchored pane.
        pane.transcript.notice("cell 10");
        assert_eq!(
            screen(&mut pane, &mut cache, &theme, 3),
            ["• cell 7", "", "• cell 8"]
        );
        pane.scroll_by(-1000);
        assert_eq!(
            screen(&mut pane, &mut cache, &theme, 3),
            ["• cell 0", "", "• cell 1"]
        );
        pane.scroll_by(3);
        assert_eq!(
            screen(&mut pane, &mut cache, &theme, 3),
            ["", "• cell 2", ""]
        );
        pane.scroll_by(1000);
        assert_eq!(
            screen(&mut pane, &mut cache, &theme, 3),
            ["• cell 9", "", "• cell 10"]
        );
        assert_eq!(pane.scroll, Scroll::FollowTail);
    }

    #[test]
    fn only_what_is_seen_is_laid_out() {
        let theme = Theme::plain();
        let (mut pane, mut cache) = (numbered(10_000), PaneCache::default());
        screen(&mut pane, &mut cache, &theme, 20);
        assert!(cache.cells.iter().flatten().count() <= 12);
    }

    #[test]
    fn a_cleared_transcript_is_not_drawn_from_the_cache() {
        let theme = Theme::plain();
        let (mut pane, mut cache) = (numbered(2), PaneCache::default());
        screen(&mut pane, &mut cache, &theme, 4);
        pane.transcript.clear();
        pane.transcript.notice("new");
        assert_eq!(screen(&mut pane, &mut cache, &theme, 4), ["• new", ""]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn a_stream_laid_out_as_it_comes_equals_the_whole(
            parts in prop::collection::vec(prop::sample::select(vec![
                "some words ", "\n", "\n\n", "```\n", "- item ", "**bold** ", "longwordthatneedsbreaking", "漢字", "# h", "`x` ",
            ]), 1..40),
            columns in 5u16..50,
            reasoning: bool,
        ) {
            let theme = Theme::plain();
            let mut pane = Pane::default();
            let mut cache = PaneCache::default();
            for part in &parts {
                if reasoning { pane.transcript.reasoning_delta(part) } else { pane.transcript.answer_delta(part) }
                cache.settle(&mut pane, style(&theme, columns), 10);
            }
            let streamed = text(cache.lines(&pane.transcript, 0, style(&theme, columns)));
            let whole = text(PaneCache::default().lines(&pane.transcript, 0, style(&theme, columns)));
            prop_assert_eq!(streamed, whole);
        }
    }
}
