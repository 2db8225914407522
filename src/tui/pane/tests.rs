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
    cache.settle(pane, style, height);
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
