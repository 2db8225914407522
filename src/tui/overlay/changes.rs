//! `/diff`: everything the conversation changed, as it is open: what is compared, where it is scrolled to,
//! what is searched.

use crate::patch::Overall;
use crate::tui::render::wrap;
use crate::tui::theme::Theme;
use ratatui::text::Line;
use std::ops::Range;

#[derive(Debug)]
pub struct Changes {
    pub overall: Overall,
    pub scroll: usize,
    pub search: Search,
    /// As last laid out.
    pub laid: Laid,
}

#[derive(Debug, Default)]
pub struct Search {
    pub query: String,
    /// What is typed goes to the query.
    pub typing: bool,
    /// There is no match.
    pub failed: bool,
}

/// The lines on screen, and where they were laid out for.
#[derive(Debug, Default)]
pub struct Laid {
    pub columns: u16,
    /// With code coloured.
    pub coloured: bool,
    pub theme: Option<Theme>,
    pub lines: Vec<Line<'static>>,
    /// The first line of each file.
    pub files: Vec<usize>,
    /// Rows there are for them.
    pub height: usize,
}

impl Changes {
    pub fn new(overall: Overall) -> Changes {
        Changes {
            overall,
            scroll: 0,
            search: Search::default(),
            laid: Laid::default(),
        }
    }

    pub fn max_scroll(&self) -> usize {
        self.laid.lines.len().saturating_sub(self.laid.height)
    }

    pub fn scroll_by(&mut self, rows: i64) {
        let rows = isize::try_from(rows).unwrap_or_default();
        self.scroll = self
            .scroll
            .saturating_add_signed(rows)
            .min(self.max_scroll());
    }

    /// The file whose lines are at the top of the screen.
    pub fn file(&self) -> usize {
        let before = self.laid.files.iter().take_while(|at| **at <= self.scroll);
        before.count().saturating_sub(1)
    }

    pub fn go_to_file(&mut self, forward: bool) {
        let files = &self.laid.files;
        let to = if forward {
            files.iter().find(|at| **at > self.scroll)
        } else {
            files.iter().rev().find(|at| **at < self.scroll)
        };
        if let Some(to) = to {
            self.scroll = (*to).min(self.max_scroll());
        }
    }

    /// To the next line that has the query, from the top of the screen on, round the end.
    pub fn find(&mut self, forward: bool, here_too: bool) {
        let total = self.laid.lines.len();
        let steps = (usize::from(!here_too)..=total).map(|step| {
            let step = if forward {
                step
            } else {
                total - step.min(total)
            };
            (self.scroll + step).checked_rem(total).unwrap_or(0)
        });
        let mut rows = steps.filter(|row| {
            let line = self.laid.lines.get(*row);
            line.is_some_and(|line| !matches(line, &self.search.query).is_empty())
        });
        let found = rows.next();
        self.search.failed = found.is_none() && !self.search.query.is_empty();
        if let Some(row) = found {
            self.scroll = row;
        }
    }
}

/// The columns of a line that have the query, whatever its capitals.
pub fn matches(line: &Line<'_>, query: &str) -> Vec<Range<usize>> {
    let query: Vec<char> = query.chars().flat_map(char::to_lowercase).collect();
    if query.is_empty() {
        return Vec::new();
    }
    let text: String = line
        .spans
        .iter()
        .map(|span| span.content.as_ref())
        .collect();
    // Folding may give more characters: each knows the column of the one it comes from.
    let mut folded: Vec<(char, Range<usize>)> = Vec::new();
    let mut column = 0;
    for c in text.chars() {
        let next = column + wrap::width(c.encode_utf8(&mut [0; 4]));
        folded.extend(c.to_lowercase().map(|c| (c, column..next)));
        column = next;
    }
    folded
        .windows(query.len())
        .filter(|window| window.iter().map(|(c, _)| c).eq(&query))
        .filter_map(|window| Some(window.first()?.1.start..window.last()?.1.end))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn open(lines: &[&str], height: usize) -> Changes {
        let mut changes = Changes::new(Overall::default());
        changes.laid.lines = lines.iter().map(|l| Line::raw((*l).to_owned())).collect();
        changes.laid.height = height;
        changes
    }

    #[test]
    fn a_search_goes_round_both_ways() {
        let mut changes = open(&["a", "Foo", "b", "foo foo", "c"], 1);
        changes.search.query = "FOO".into();
        let mut rows = Vec::new();
        changes.find(true, true);
        rows.push(changes.scroll);
        for forward in [true, true, false, false] {
            changes.find(forward, false);
            rows.push(changes.scroll);
        }
        assert_eq!(rows, [1, 3, 1, 3, 1]);
        changes.search.query = "zebra".into();
        changes.find(true, false);
        assert_eq!((changes.scroll, changes.search.failed), (1, true));
        let mut empty = open(&[], 1);
        empty.search.query = "x".into();
        empty.find(true, false);
        empty.find(false, true);
        assert_eq!((empty.scroll, empty.search.failed), (0, true));
    }

    #[test]
    fn matches_are_columns_on_screen() {
        let line = Line::raw("日本 İx ix");
        let only = |query: &str| {
            matches(&line, query)
                .iter()
                .map(|m| (m.start, m.end))
                .collect::<Vec<_>>()
        };
        assert_eq!(only("ix"), [(8, 10)]);
        assert_eq!(only("本"), [(2, 4)]);
        assert!(matches(&line, "").is_empty());
    }

    #[test]
    fn files_are_jumped_to() {
        let mut changes = open(&["x"; 30], 10);
        changes.laid.files = vec![0, 8, 25];
        changes.go_to_file(true);
        assert_eq!((changes.scroll, changes.file()), (8, 1));
        // The last lines stay on the last row.
        changes.go_to_file(true);
        assert_eq!(changes.scroll, 20);
        changes.go_to_file(false);
        changes.go_to_file(false);
        assert_eq!((changes.scroll, changes.file()), (0, 0));
    }
}
