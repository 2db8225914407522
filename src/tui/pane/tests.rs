#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use super::*;
use crate::tui::theme::Theme;
use proptest::prelude::*;
use ratatui::text::Line;

fn style(theme: &Theme, columns: u16) -> Style<'_> {
    Style {
        theme,
        grammars: None,
        columns,
        unfolded: false,
        joined: false,
        unfold_key: "Ctrl+O",
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
    let style = style(theme, 40);
    let room = Room {
        height,
        grows: false,
    };
    cache.settle(pane, style, room);
    pane.shown
        .iter()
        .map(|at| {
            cache
                .row(&pane.transcript, *at, style)
                .unwrap()
                .0
                .to_string()
        })
        .collect()
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
    assert!(cache.len() <= 12);
}

#[test]
fn rows_far_from_the_screen_are_given_up_and_the_way_back_is_exact() {
    let theme = Theme::plain();
    let (mut pane, mut cache) = (numbered(20_000), PaneCache::default());
    let mut seen = Vec::new();
    screen(&mut pane, &mut cache, &theme, 20);
    while pane.scroll != (Scroll::Anchored { cell: 0, line: 0 }) {
        pane.scroll_by(-19);
        let rows = screen(&mut pane, &mut cache, &theme, 20);
        seen.push((pane.scroll, rows));
        assert!(cache.len() <= 2_100, "{}", cache.len());
    }
    for (scroll, rows) in seen.into_iter().rev() {
        pane.scroll = scroll;
        assert_eq!(
            screen(&mut pane, &mut cache, &theme, 20),
            rows,
            "{scroll:?}"
        );
    }
    // By counting, without a row in between.
    pane.follow_tail();
    pane.scroll_by(-30_000);
    let rows = screen(&mut pane, &mut cache, &theme, 20);
    assert!(cache.len() <= 2_100);
    let mut fresh = PaneCache::default();
    assert_eq!(screen(&mut pane, &mut fresh, &theme, 20), rows);
}

#[test]
fn an_address_is_a_link_when_it_has_come_to_its_end() {
    let theme = Theme::plain();
    let (mut pane, mut cache) = (Pane::default(), PaneCache::default());
    let url = "https://example.org/a.b";
    for at in 0..url.len() {
        pane.transcript.answer_delta(&url[at..at + 1]);
        cache.settle(
            &mut pane,
            style(&theme, 60),
            Room {
                height: 10,
                grows: false,
            },
        );
    }
    assert_eq!(cache.links().len(), 0);
    pane.transcript.answer_delta(". And https://other.org");
    cache.settle(
        &mut pane,
        style(&theme, 60),
        Room {
            height: 10,
            grows: false,
        },
    );
    assert_eq!(cache.links().len(), 1);
    pane.transcript
        .answer_done(&format!("{url}. And https://other.org"));
    cache.settle(
        &mut pane,
        style(&theme, 60),
        Room {
            height: 10,
            grows: false,
        },
    );
    assert_eq!(cache.links().len(), 2);
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
            cache.settle(&mut pane, style(&theme, columns), Room { height: 10, grows: true });
        }
        let streamed = text(cache.lines(&pane.transcript, 0, style(&theme, columns)));
        let whole = text(PaneCache::default().lines(&pane.transcript, 0, style(&theme, columns)));
        prop_assert_eq!(streamed, whole);
    }
}

/// A pane of `height` rows while a turn runs, and what it shows.
struct Growing {
    pane: Pane,
    cache: PaneCache,
    theme: Theme,
    columns: u16,
    height: u16,
    grows: bool,
}

impl Growing {
    fn new(height: u16) -> Growing {
        Growing {
            pane: Pane::default(),
            cache: PaneCache::default(),
            theme: Theme::plain(),
            columns: 20,
            height,
            grows: true,
        }
    }

    /// The first row, the numbers of the rows shown, and how many are left empty.
    fn settle(&mut self) -> (RowAt, usize) {
        let room = Room {
            height: self.height,
            grows: self.grows,
        };
        let style = style(&self.theme, self.columns);
        let top = self.cache.settle(&mut self.pane, style, room);
        (top, usize::from(self.height) - self.pane.shown.len())
    }

    fn lines(&mut self, count: usize) {
        for _ in 0..count {
            self.pane.transcript.reasoning_delta("a line\n");
        }
    }

    /// The last row of text.
    fn last(&mut self) -> RowAt {
        let cell = self.pane.transcript.cells().len() - 1;
        let style = style(&self.theme, self.columns);
        let lines = self.cache.lines(&self.pane.transcript, cell, style);
        // A gap ends it.
        RowAt {
            cell,
            row: lines.len() - 2,
        }
    }
}

#[test]
fn a_view_that_follows_stands_still_and_moves_on_by_several_rows() {
    let mut growing = Growing::new(12);
    let mut tops = Vec::new();
    for _ in 0..22 {
        growing.lines(1);
        tops.push(growing.settle().0.row);
    }
    // The first twelve lines have room; then one row more is needed, and three are left empty.
    let mut expected = vec![0; 12];
    expected.extend([4; 4]);
    expected.extend([8; 4]);
    expected.extend([12; 2]);
    assert_eq!(tops, expected);
    assert!(growing.pane.follows());
    // The turn is over: what is read stays where it is, and the next line needs no more room than its own.
    growing.grows = false;
    assert_eq!(growing.settle().0.row, 12);
    growing.lines(3);
    assert_eq!(growing.settle().0.row, 13);
}

#[test]
fn a_pane_of_two_rows_shows_two() {
    let mut growing = Growing::new(2);
    for _ in 0..9 {
        growing.lines(1);
        growing.settle();
    }
    assert_eq!(growing.settle(), (RowAt { cell: 0, row: 7 }, 0));
}

#[test]
fn a_view_that_stands_still_can_be_scrolled_and_stays_there() {
    let mut growing = Growing::new(12);
    growing.lines(12);
    growing.settle();
    growing.lines(1);
    let (top, empty) = growing.settle();
    // Nine lines and the gap that ends them.
    assert_eq!((top.row, growing.pane.shown.len(), empty), (4, 10, 2));
    // Up by one: the end is still there, but it is no longer followed.
    growing.pane.scroll_by(-1);
    assert_eq!(growing.settle().0.row, 3);
    assert!(!growing.pane.follows() && !growing.pane.has_news());
    growing.lines(5);
    assert_eq!(growing.settle().0.row, 3, "who scrolled stays");
    assert!(growing.pane.has_news());
    growing.pane.scroll_by(100);
    assert_eq!(growing.settle(), (RowAt { cell: 0, row: 6 }, 0));
    assert!(growing.pane.follows());
    growing.lines(1);
    growing.settle();
    // The key for it puts the end at the bottom.
    growing.pane.go_to_end();
    assert_eq!(growing.settle(), (RowAt { cell: 0, row: 7 }, 0));
    // Sending a message does not move a view that follows.
    growing.lines(1);
    let before = growing.settle();
    growing.pane.follow_tail();
    assert_eq!(growing.settle(), before);
}

#[test]
fn a_new_width_or_a_goal_on_screen_leaves_the_view_at_its_end() {
    let mut growing = Growing::new(12);
    growing.lines(20);
    growing.settle();
    growing.lines(1);
    let (top, empty) = growing.settle();
    assert!(empty > 0);
    // Something to be seen that is on screen moves nothing.
    growing.pane.goal = Some(RowAt { cell: 0, row: 15 });
    assert_eq!(growing.settle(), (top, empty));
    assert!(growing.pane.follows());
    growing.columns = 3;
    assert_eq!(growing.settle().1, 0, "laid out anew");
    growing.columns = 20;
    assert_eq!(growing.settle().1, 0);
    growing.lines(1);
    assert!(growing.settle().1 > 0);
    growing.height = 30;
    assert_eq!(growing.settle().0.row, 0, "all of it has room");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_end_of_what_is_followed_is_always_on_screen(
        steps in prop::collection::vec((0usize..6, prop::bool::weighted(0.1), 2u16..20, prop::bool::weighted(0.8)), 1..60),
        height in 1u16..40,
    ) {
        let mut growing = Growing::new(height);
        let mut before = RowAt::default();
        for (lines, other_height, new_height, grows) in steps {
            growing.lines(lines);
            growing.grows = grows;
            if lines == 5 {
                growing.pane.transcript.notice("a notice of two rows or more");
            }
            if growing.pane.transcript.is_empty() {
                continue;
            }
            let same = !other_height;
            if other_height {
                growing.height = new_height;
            }
            let (top, empty) = growing.settle();
            let last = growing.last();
            prop_assert!(growing.pane.follows());
            prop_assert!(growing.pane.shown.contains(&last), "{last:?} of {:?}", growing.pane.shown);
            // Text that is appended moves a view on, never back.
            prop_assert!(!same || top >= before, "{top:?} after {before:?}");
            // All that may be empty below text that does not fit is a part of the pane.
            prop_assert!(top == RowAt::default() || empty <= usize::from(growing.height) / 4);
            before = top;
        }
    }
}
