use super::*;
use proptest::prelude::*;

fn rows(text: &str, columns: usize) -> Vec<String> {
    let mut rows = Rows {
        joined: true,
        ..Rows::default()
    };
    rows.push(&Source::plain(text, Style::default()), columns);
    rows.lines
        .iter()
        .map(|l| l.spans.iter().map(|s| s.content.as_ref()).collect())
        .collect()
}

#[test]
fn table() {
    let cases: &[(&str, usize, &[&str])] = &[
        ("", 10, &[""]),
        ("one two three", 20, &["one two three"]),
        ("one two three", 7, &["one two", "three"]),
        ("one two three", 8, &["one two", "three"]),
        ("  indented words here", 12, &["  indented", "words here"]),
        ("abcdefghij", 4, &["abcd", "efgh", "ij"]),
        ("a bcdefghij", 4, &["a", "bcde", "fghi", "j"]),
        ("漢字漢字", 5, &["漢字", "漢字"]),
        ("x    y", 3, &["x", "y"]),
        ("   ", 2, &["  "]),
        ("see 漢字漢字", 8, &["see 漢字", "漢字"]),
        ("「漢字」。", 6, &["「漢", "字」。"]),
        ("a\tb\tc", 20, &["a   b   c"]),
        ("\u{301}x", 5, &["\u{25cc}\u{301}x"]),
        ("👍🏽👍🏽👍🏽", 5, &["👍🏽👍🏽", "👍🏽"]),
        ("🇩🇪🇫🇷", 3, &["🇩🇪", "🇫🇷"]),
        ("👨‍👩‍👧x", 2, &["👨‍👩‍👧", "x"]),
        ("לא נכון", 4, &["לא", "נכון"]),
    ];
    for (text, columns, expected) in cases {
        assert_eq!(rows(text, *columns), *expected, "{text:?} at {columns}");
    }
}

#[test]
fn joined_emoji_stand_one_by_one_where_a_terminal_counts_them_so() {
    let mut out = Vec::new();
    let text = "👩🏽\u{200d}🚀 ❤\u{fe0f}\u{200d}🔥 नी\u{200d}क";
    wrap(&Source::plain(text, Style::default()), 40, &mut out);
    assert_eq!(out[0].to_string(), "👩🏽🚀 ❤\u{fe0f}🔥 नी\u{200d}क");
}

#[test]
fn gutters_repeat_and_yield_to_narrow_columns() {
    let source = Source::plain("alpha beta gamma", Style::default())
        .gutter(Span::raw("> "), Span::raw("| "));
    let mut out = Vec::new();
    wrap(&source, 12, &mut out);
    let text: Vec<String> = out.iter().map(|l| l.to_string()).collect();
    assert_eq!(text, ["> alpha beta", "| gamma"]);
    out.clear();
    wrap(&source, 5, &mut out);
    assert_eq!(out[0].to_string(), "alpha");
}

#[test]
fn clip_marks_what_is_missing() {
    assert_eq!(clip("short", 5), "short");
    assert_eq!(clip("longer", 5), "long…");
    assert_eq!(clip("漢字漢", 4), "漢…");
    assert_eq!(clip("x", 0), "");
}

/// Text of every kind that is hard on a width.
fn any_text() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "a",
        "word",
        " ",
        "  ",
        "\t",
        "漢",
        "ｶﾞ",
        "é",
        "e\u{301}",
        "\u{301}",
        "🙂",
        "👍🏽",
        "👨‍👩‍👧",
        "🇩🇪",
        "❤\u{fe0f}",
        "1\u{fe0f}\u{20e3}",
        "لا",
        "שלום",
        "نی\u{200c}",
        "กำ",
        "नमस्ते",
        "각",
        "\u{1160}",
        "。",
        "（",
        "https://example.org/a/b",
        "—",
    ]);
    prop::collection::vec(parts, 0..40).prop_map(|parts| parts.concat())
}

fn squeeze(text: &str) -> String {
    text.replace([' ', '\t', '\u{25cc}'], "")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nothing_but_break_spaces_is_lost(text in any_text(), columns in 2usize..60) {
        prop_assert_eq!(squeeze(&rows(&text, columns).concat()), squeeze(&text));
    }

    #[test]
    fn no_row_is_wider_than_the_pane_and_ratatui_agrees(text in any_text(), columns in 3u16..60, verbatim: bool, joined: bool) {
        use ratatui::buffer::Buffer;
        use ratatui::layout::Rect;
        let mut source = Source::plain(text, Style::default());
        source.verbatim = verbatim;
        let mut rows = Rows { joined, ..Rows::default() };
        rows.push(&source, usize::from(columns));
        for row in rows.lines {
            let cells: usize = row.spans.iter().map(|span| width(&span.content)).sum();
            prop_assert!(cells <= usize::from(columns), "{row:?}");
            // Twice as wide as need be: what does not fit shows.
            let mut buffer = Buffer::empty(Rect::new(0, 0, columns * 2, 1));
            let (end, _) = buffer.set_line(0, 0, &row, columns * 2);
            prop_assert_eq!(usize::from(end), cells, "{:?}", row);
        }
    }

    #[test]
    fn a_line_in_pieces_equals_the_whole(
        pieces in prop::collection::vec((any_text(), any::<bool>()), 1..8),
        columns in 2usize..40,
        verbatim: bool,
    ) {
        let style = |bold: &bool| if *bold { Style::new().bold() } else { Style::new() };
        let source = |spans: Vec<Span<'static>>, continues| Source {
            fill: Style::default(),
            spans,
            first: vec![Span::raw("- ")],
            rest: vec![Span::raw("  ")],
            verbatim,
            continues,
        };
        let spans: Vec<Span<'static>> = pieces.iter().map(|(text, bold)| Span::styled(text.clone(), style(bold))).collect();
        let mut rows = Rows::default();
        let mut kept = Mark::default();
        for (n, span) in spans.iter().enumerate() {
            rows.rewind(&kept);
            rows.push(&source(vec![span.clone()], n > 0), columns);
            kept = rows.mark();
            rows.push(&source(vec![Span::raw("tail that is taken back")], true), columns);
        }
        rows.rewind(&kept);
        let mut whole = Rows::default();
        whole.push(&source(spans, false), columns);
        prop_assert_eq!(rows.lines, whole.lines);
        prop_assert_eq!(rows.rows, whole.rows);
    }
}
