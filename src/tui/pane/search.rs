//! Searching a pane: `/` and what follows.
//!
//! Matches are found in the text as it would be unfolded and before it is wrapped, cell by cell and at most
//! [`BUDGET`] bytes a frame, from the screen downwards and then upwards, so that the nearest match is found
//! first and a long transcript holds nothing up. A cell is the unit, and a model's output limit bounds a cell.

use super::rows::{Style, sources};
use super::{RowAt, Scroll};
use crate::tui::terminal::links::Links;
use crate::tui::transcript::{Body, Cell, Transcript};
use regex::{Regex, RegexBuilder};

/// Bytes of text that are looked at before the next frame.
const BUDGET: usize = 128 * 1024;
/// A cell that has no text still costs a look.
const CELL_COST: usize = 64;
/// Cells at the end that may still change.
const TAIL: usize = 64;

/// A match: the n-th of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    pub cell: usize,
    pub nth: usize,
}

#[derive(Debug)]
pub struct Search {
    query: String,
    /// Letters go to the query.
    pub typing: bool,
    /// Where Esc goes back to.
    pub origin: Scroll,
    /// The cell the search looks from.
    from: usize,
    pattern: Option<Regex>,
    texts: Vec<Option<Text>>,
    /// Matches of each cell; shorter than the transcript while it is looked through.
    counts: Vec<u32>,
    total: usize,
    /// Cells looked at, in the order of [`Search::nth_cell`], of `cells`.
    looked: usize,
    cells: usize,
    revision: u64,
    pub current: Option<Hit>,
    /// The current match is to be brought on screen.
    pub goes: bool,
}

#[derive(Debug)]
struct Text {
    version: (u64, usize),
    text: Box<str>,
}

impl Search {
    pub fn new(origin: Scroll, from: usize) -> Search {
        Search {
            query: String::new(),
            typing: true,
            origin,
            from,
            pattern: None,
            texts: Vec::new(),
            counts: Vec::new(),
            total: 0,
            looked: 0,
            cells: 0,
            revision: 0,
            current: None,
            goes: false,
        }
    }

    pub fn query(&self) -> &str {
        &self.query
    }

    pub fn pattern(&self) -> Option<&Regex> {
        self.pattern.as_ref()
    }

    /// Changes the query and begins again. Small letters find both, a capital only itself.
    pub fn edit(&mut self, change: impl FnOnce(&mut String)) {
        change(&mut self.query);
        self.pattern = (!self.query.is_empty())
            .then(|| {
                RegexBuilder::new(&regex::escape(&self.query))
                    .case_insensitive(!self.query.chars().any(char::is_uppercase))
                    .build()
                    .ok()
            })
            .flatten();
        self.counts.clear();
        (self.total, self.looked, self.cells) = (0, 0, 0);
        self.current = None;
        self.goes = true;
    }

    /// `3/17`, with `…` while there is more to look through.
    pub fn said(&self) -> String {
        if self.query.is_empty() {
            return String::new();
        }
        let more = if self.unfinished() { "\u{2026}" } else { "" };
        match self.current {
            None if self.unfinished() => more.to_owned(),
            None => "no match".to_owned(),
            Some(hit) => {
                let before: usize = self
                    .counts
                    .iter()
                    .take(hit.cell)
                    .map(|count| *count as usize)
                    .sum();
                format!("{}/{}{more}", before + hit.nth + 1, self.total)
            }
        }
    }

    pub fn unfinished(&self) -> bool {
        self.pattern.is_some() && self.looked < self.cells
    }

    /// To the next match or the one before, around the ends.
    pub fn step(&mut self, forward: bool) {
        let Some(hit) = self.current else {
            return;
        };
        let count = |cell: usize| self.counts.get(cell).map_or(0, |count| *count as usize);
        let cells = self.counts.len();
        let within = if forward {
            (hit.nth + 1 < count(hit.cell)).then(|| hit.nth + 1)
        } else {
            hit.nth.checked_sub(1)
        };
        let next = match within {
            Some(nth) => Some(Hit { nth, ..hit }),
            None => (1..=cells)
                .map(|n| {
                    if forward {
                        (hit.cell + n) % cells
                    } else {
                        (hit.cell + cells - n) % cells
                    }
                })
                .find(|cell| count(*cell) > 0)
                .map(|cell| Hit {
                    cell,
                    nth: if forward { 0 } else { count(cell) - 1 },
                }),
        };
        if next.is_some() {
            self.current = next;
            self.goes = true;
        }
    }

    /// The cell looked at as the n-th: from the screen to the end, then back to the beginning.
    fn nth_cell(&self, n: usize) -> usize {
        let from = self.from.min(self.cells);
        if n < self.cells - from {
            from + n
        } else {
            self.cells - 1 - n
        }
    }

    /// So many cells came before the others: they are looked through too.
    pub fn moved(&mut self, by: usize) {
        self.from += by;
        if let Scroll::Anchored { cell, .. } = &mut self.origin {
            *cell += by;
        }
        if let Some(hit) = &mut self.current {
            hit.cell += by;
        }
        self.texts
            .splice(0..0, std::iter::repeat_with(|| None).take(by));
        self.counts.clear();
        (self.total, self.looked, self.cells) = (0, 0, 0);
    }

    /// Looks at more of the transcript.
    pub fn advance(&mut self, transcript: &Transcript, style: Style<'_>) {
        let Some(pattern) = self.pattern.clone() else {
            return;
        };
        let cells = transcript.cells();
        if self.looked == 0 {
            self.cells = cells.len();
            self.revision = transcript.revision;
            self.counts = vec![0; cells.len()];
        }
        let mut budget = BUDGET;
        while self.looked < self.cells && budget > 0 {
            let at = self.nth_cell(self.looked);
            self.looked += 1;
            budget = budget.saturating_sub(self.look(cells, at, &pattern, style) + CELL_COST);
            let count = self.counts.get(at).map_or(0, |count| *count as usize);
            if self.current.is_none() && count > 0 {
                // Above the screen the nearest is the last.
                let nth = if at < self.from { count - 1 } else { 0 };
                self.current = Some(Hit { cell: at, nth });
            }
        }
        if self.looked >= self.cells && self.revision != transcript.revision {
            // What was added or changed since is at the end.
            self.revision = transcript.revision;
            self.counts.resize(cells.len(), 0);
            for at in cells.len().min(self.cells).saturating_sub(TAIL)..cells.len() {
                self.look(cells, at, &pattern, style);
            }
            (self.cells, self.looked) = (cells.len(), cells.len());
        }
    }

    /// Counts the matches of a cell; bytes that were looked at.
    fn look(&mut self, cells: &[Cell], at: usize, pattern: &Regex, style: Style<'_>) -> usize {
        let Some(cell) = cells.get(at) else {
            return 0;
        };
        if self.texts.len() <= at {
            self.texts.resize_with(at + 1, || None);
        }
        let version = version(cell);
        let text = match self.texts[at].take() {
            Some(text) if text.version == version => text,
            _ => Text {
                version,
                text: plain(cell, style).into(),
            },
        };
        let found = pattern.find_iter(&text.text).count();
        let bytes = text.text.len();
        self.texts[at] = Some(text);
        if let Some(count) = self.counts.get_mut(at) {
            self.total = self.total - *count as usize + found;
            *count = u32::try_from(found).unwrap_or(u32::MAX);
        }
        bytes
    }
}

fn version(cell: &Cell) -> (u64, usize) {
    let length = match &cell.body {
        Body::Answer { text, .. } | Body::Reasoning { text, .. } => text.len(),
        Body::Prompt(_)
        | Body::Thought(_)
        | Body::Tool(_)
        | Body::Diff(_)
        | Body::Notice(_)
        | Body::Problem(_)
        | Body::Aside(_) => 0,
    };
    (cell.epoch, length)
}

fn plain(cell: &Cell, style: Style<'_>) -> String {
    let style = Style {
        unfolded: true,
        ..style
    };
    let mut out = String::new();
    for source in sources(cell, style, &Links::default()) {
        for span in &source.spans {
            out.push_str(&span.content);
        }
        out.push('\n');
    }
    out
}

/// Where the rows of a logical line hold a match: its row, and the columns from the left edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    pub at: RowAt,
    pub columns: std::ops::Range<usize>,
    pub nth: usize,
}
