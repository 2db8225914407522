use super::*;
use proptest::prelude::*;

fn plain(text: &str) -> Vec<String> {
    render(text, &Theme::plain())
        .iter()
        .map(|s| {
            s.first
                .iter()
                .chain(&s.spans)
                .map(|s| s.content.as_ref())
                .collect()
        })
        .collect()
}

#[test]
fn table() {
    let rows: &[(&str, &[&str])] = &[
        ("", &[]),
        ("# Title\n\ntext\n", &["# Title", "", "text"]),
        ("one\ntwo", &["one", "two"]),
        ("- a\n- b\n  - c\n", &["• a", "• b", "  • c"]),
        ("1. a\n2. b\n\n3. c", &["1. a", "2. b", "", "3. c"]),
        ("a **bold** `code` *em*", &["a bold `code` em"]),
        (
            "```rust\nfn x() {}\n\n  y\n```\nafter",
            &["    fn x() {}", "    ", "      y", "after"],
        ),
        (
            "1. do\n   ```sh\n   ls\n   ```\n2. done",
            &["1. do", "    ls", "2. done"],
        ),
        ("[text](https://x.y)", &["text (https://x.y)"]),
        ("<https://x.y>", &["https://x.y"]),
        ("> quoted", &["│ quoted"]),
        ("<b>raw</b>", &["<b>raw</b>"]),
        ("<!-- seen -->", &["<!-- seen -->"]),
        ("[a]: https://x.y", &["[a]: https://x.y"]),
        (
            "| a | b |\n|---|---|\n| 1 | 2 |",
            &["| a | b |", "|---|---|", "| 1 | 2 |"],
        ),
        ("&#27;[31m &#x202E;", &["␛[31m <U+202E>"]),
        ("```\nunclosed", &["    unclosed"]),
    ];
    for (input, expected) in rows {
        assert_eq!(plain(input), *expected, "{input:?}");
    }
}

fn incremental(text: &str, cuts: &[usize]) -> Vec<Source> {
    let theme = Theme::plain();
    let mut state = Markdown::default();
    let mut out = Vec::new();
    let mut seen = 0;
    for cut in cuts {
        seen = (seen + cut).min(text.len());
        while !text.is_char_boundary(seen) {
            seen += 1;
        }
        state.advance(&text[..seen], &theme, &mut out);
    }
    state.advance(text, &theme, &mut out);
    state.tail(text, &theme, &mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn incremental_equals_full(
        parts in prop::collection::vec(prop::sample::select(vec![
            "word ", "\n", "\n\n", "```", "```rs\n", "~~~\n", "- item", "  ", "    ", "1. one", "# h", "**b**", "`c`",
            "> q", "---", "\t", "[a](b)", "|", "é漢", "***", "<p>", "&lt;",
        ]), 0..40),
        cuts in prop::collection::vec(0usize..9, 0..60),
    ) {
        let text: String = parts.concat();
        prop_assert_eq!(incremental(&text, &cuts), render(&text, &Theme::plain()), "{:?}", text);
    }
}
