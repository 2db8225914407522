use super::*;
use crate::tui::render::wrap::{Mark, Rows};
use proptest::prelude::*;
use ratatui::text::Line;

fn look<'t>(theme: &'t Theme, links: &'t Links, columns: usize) -> Look<'t> {
    Look {
        theme,
        links,
        grammars: None,
        columns,
        unfinished: "",
    }
}

fn plain_at(text: &str, columns: usize) -> Vec<String> {
    let (theme, links) = (Theme::plain(), Links::default());
    let mut rows = Rows::default();
    for source in render(text, look(&theme, &links, columns)) {
        rows.push(&source, columns);
    }
    rows.lines
        .iter()
        .map(|line| line.to_string().trim_end().to_owned())
        .collect()
}

fn plain(text: &str) -> Vec<String> {
    plain_at(text, 60)
}

#[test]
fn blocks() {
    let rows: &[(&str, &[&str])] = &[
        ("", &[]),
        ("# Title\n\ntext\n", &["# Title", "", "text"]),
        ("Title\n===\ntext", &["# Title", "text"]),
        ("# C# #", &["# C#"]),
        ("#hashtag", &["#hashtag"]),
        ("one\ntwo", &["one", "two"]),
        ("one\\\ntwo  \nthree\\", &["one", "two", "three\\"]),
        ("- a\n- b\n  - c\n", &["• a", "• b", "  • c"]),
        (
            "- a\n    - b\n        - c\n- d",
            &["• a", "  • b", "    • c", "• d"],
        ),
        ("1. a\n2. b\n\n3. c", &["1. a", "2. b", "", "3. c"]),
        ("1. a\n1. b\n1. c", &["1. a", "2. b", "3. c"]),
        ("9) a\n10) b\n    c", &["9) a", "10) b", "    c"]),
        (
            "- a\n\n  more\n\nafter",
            &["• a", "", "  more", "", "after"],
        ),
        ("- a\nlazy", &["• a", "  lazy"]),
        (
            "- [ ] open\n- [x] done\n- [y] no",
            &["[ ] open", "[x] done", "• [y] no"],
        ),
        ("-\n- b", &["•", "• b"]),
        ("text\n- item", &["text", "• item"]),
        ("in 2020\n2020. was", &["in 2020", "2020. was"]),
        ("---\n***", &["─".repeat(40).leak(), "─".repeat(40).leak()]),
        (
            "```rust\nfn x() {}\n\n  y\n```\nafter",
            &["    fn x() {}", "", "      y", "after"],
        ),
        ("```\na\n~~~\n````", &["    a", "    ~~~"]),
        (
            "    code\n\n    more\nafter",
            &["    code", "", "    more", "after"],
        ),
        (
            "1. do\n   ```sh\n   ls\n     -l\n   ```\n2. done",
            &["1. do", "     ls", "       -l", "2. done"],
        ),
        ("- a\n  ```\n  x\nout", &["• a", "    x", "out"]),
        (
            "> quoted\nlazily\n>\n> - in\n>   > twice",
            &["│ quoted", "│ lazily", "│", "│ • in", "│   │ twice"],
        ),
        ("> ```\n> x\n> ```\ny", &["│   x", "y"]),
        ("<b>raw</b>", &["<b>raw</b>"]),
        (
            "<!-- seen -->\n<div>\n\nx",
            &["<!-- seen -->", "<div>", "", "x"],
        ),
        ("[a]: https://x.y", &["[a]: https://x.y"]),
        ("&#27;[31m &#x202E;", &["␛[31m <U+202E>"]),
        ("```\nunclosed", &["    unclosed"]),
        ("\t- tab", &["    - tab"]),
        ("-\ta\n\t-\tb", &["• a", "  • b"]),
        (
            "# see `a|b`\n* * *",
            &["# see `a|b`", "─".repeat(40).leak()],
        ),
    ];
    for (input, expected) in rows {
        assert_eq!(plain(input), *expected, "{input:?}");
    }
}

#[test]
fn inlines() {
    let rows: &[(&str, &[&str])] = &[
        ("a **bold** `code` *em*", &["a bold `code` em"]),
        ("~~gone~~ here", &["~~gone~~ here"]),
        (
            "snake_case_name and 2 * 3 * 4",
            &["snake_case_name and 2 * 3 * 4"],
        ),
        ("`a\nb`", &["`a b`"]),
        ("*a\nb*", &["a", "b"]),
        ("\\*not\\*", &["*not*"]),
        ("[text](https://x.y)", &["text (https://x.y)"]),
        (
            "[https://good.org](https://evil.org)",
            &["https://good.org (https://evil.org)"],
        ),
        ("[x](javascript:alert)", &["x (javascript:alert)"]),
        ("<https://x.y>", &["https://x.y"]),
        ("<me@x.y>", &["me@x.y"]),
        ("![alt](pic.png)", &["alt (pic.png)"]),
        (
            "see https://x.y/z_(a), or not",
            &["see https://x.y/z_(a), or not"],
        ),
        ("1) first? no", &["1) first? no"]),
        ("*", &["•"]),
        ("**", &["**"]),
    ];
    for (input, expected) in rows {
        assert_eq!(plain(input), *expected, "{input:?}");
    }
}

#[test]
fn tables() {
    let text =
        "before\n| Name | n |\n|:-----|--:|\n| `a` | 1 |\n| longer **b** \\| c | 200 |\n\nafter";
    assert_eq!(
        plain(text),
        [
            "before",
            "Name         │   n",
            "─────────────┼────",
            "`a`          │   1",
            "longer b | c │ 200",
            "",
            "after",
        ]
    );
    assert_eq!(
        plain_at("a|b\n-|-\none two three four|five six seven", 20),
        [
            "a         │ b",
            "──────────┼─────────",
            "one two   │ five six",
            "three     │ seven",
            "four      │",
        ]
    );
    assert_eq!(
        plain_at(
            "|key|value|more|\n|-|-|-|\n|first one|x|y|\n|second|a long value|z|",
            20
        ),
        [
            "key: first one",
            "value: x",
            "more: y",
            "────────────",
            "key: second",
            "value: a long value",
            "more: z",
        ]
    );
    // No table: another count of cells, no row of dashes.
    assert_eq!(plain("a | b\n---|---|---"), ["a | b", "---|---|---"]);
}

#[test]
fn what_is_a_link_is_one_for_the_terminal_too() {
    let (theme, links) = (Theme::plain(), Links::default());
    let linked: Vec<String> = render(
        "[a](https://a.org) <https://b.org> https://c.org/d. [e](javascript:x) [f](mailto:f@g.org)",
        look(&theme, &links, 80),
    )
    .iter()
    .flat_map(|source| &source.spans)
    .filter(|span| span.style.underline_color.is_some())
    .map(|span| span.content.to_string())
    .collect();
    assert_eq!(
        linked,
        [
            "a",
            "https://a.org",
            "https://b.org",
            "https://c.org/d",
            "f",
            "mailto:f@g.org"
        ]
    );
}

#[test]
fn code_is_coloured_by_its_language_as_it_comes() {
    let grammars = Grammars::load();
    let theme = Theme::named("dark").unwrap();
    let links = Links::default();
    let look = Look {
        grammars: Some(&grammars),
        ..look(&theme, &links, 80)
    };
    let text = "```python\nx = \"\"\"one\ntwo\"\"\"  # done\n```\n";
    let spans: Vec<Vec<(String, bool)>> = render(text, look)
        .iter()
        .map(|source| {
            let string = theme.text.patch(theme.syntax_string);
            source
                .spans
                .iter()
                .map(|span| (span.content.to_string(), span.style == string))
                .collect()
        })
        .collect();
    assert_eq!(spans[1][0], ("two\"\"\"".to_owned(), true), "{spans:?}");
    assert!(
        spans[0]
            .iter()
            .any(|(text, string)| text == "x = " && !string),
        "{spans:?}"
    );
    for cut in 0..text.len() {
        let mut state = Markdown::default();
        let mut out = Vec::new();
        state.advance(&text[..cut], look, &mut out);
        state.advance(text, look, &mut out);
        state.tail(text, look, &mut out);
        assert_eq!(out, render(text, look), "{cut}");
    }
}

/// Rows as they are on screen when the text comes in these steps.
fn incremental(text: &str, cuts: &[usize], columns: usize, links: &Links) -> Vec<Line<'static>> {
    let theme = Theme::plain();
    let look = look(&theme, links, columns);
    let mut state = Markdown::default();
    let mut rows = Rows::default();
    let mut frozen = Mark::default();
    let mut seen = 0;
    let push = |sources: Vec<Source>, rows: &mut Rows| {
        for source in &sources {
            rows.push(source, columns);
        }
    };
    for cut in cuts.iter().chain([&text.len()]) {
        seen = (seen + cut).min(text.len());
        while !text.is_char_boundary(seen) {
            seen += 1;
        }
        rows.rewind(&frozen);
        let mut sources = Vec::new();
        state.advance(&text[..seen], look, &mut sources);
        push(sources, &mut rows);
        frozen = rows.mark();
        let mut sources = Vec::new();
        state.tail(&text[..seen], look, &mut sources);
        push(sources, &mut rows);
    }
    rows.lines
}

fn whole(text: &str, columns: usize, links: &Links) -> Vec<Line<'static>> {
    let theme = Theme::plain();
    let mut rows = Rows::default();
    for source in render(text, look(&theme, links, columns)) {
        rows.push(&source, columns);
    }
    rows.lines
}

fn markdown() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "word ",
        "\n",
        "\n\n",
        "\n",
        "```",
        "```rs\n",
        "\n```\n",
        "~~~\n",
        "- item",
        "\n- ",
        "\n  - ",
        "- [x] ",
        "  ",
        "    ",
        "1. one",
        "\n2. ",
        "\n   ",
        "# h",
        "**b**",
        "**",
        "*",
        "_",
        "`c`",
        "`",
        "> q",
        "\n> ",
        "---",
        "\n===\n",
        "\t",
        "[a](b)",
        "[",
        "](",
        "|",
        "\n|",
        "| a | b |\n|---|:-:|\n| c | d |\n",
        "é漢",
        "👍🏽",
        "***",
        "<p>",
        "&lt;",
        "&#27;",
        "\\",
        "https://x.y/z ",
        "~~",
        "שלום",
        ".",
    ]);
    // Now and then much of one thing, so that long paragraphs, lines, tables and code come too.
    let many = (part.clone(), 50usize..600).prop_map(|(part, times)| part.repeat(times));
    let piece = prop_oneof![20 => part.prop_map(str::to_owned), 1 => many];
    prop::collection::vec(piece, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn incremental_equals_full(
        text in markdown(),
        cuts in prop::collection::vec(prop_oneof![5 => 0usize..9, 1 => 0usize..3000], 0..60),
        columns in 20usize..200,
    ) {
        let links = Links::default();
        prop_assert_eq!(incremental(&text, &cuts, columns, &links), whole(&text, columns, &links), "{:?}", text);
    }

    #[test]
    fn no_word_is_lost_and_no_row_is_too_wide(text in markdown(), columns in 20usize..200) {
        let rows = whole(&text, columns, &Links::default());
        for row in &rows {
            prop_assert!(row.width() <= columns, "{row:?}");
        }
        let letters = |text: &str| -> Vec<char> {
            let mut letters: Vec<char> = text.chars().filter(|c| c.is_alphabetic() && *c != 'x').collect();
            letters.sort_unstable();
            letters
        };
        let shown: String = rows.iter().map(ToString::to_string).collect();
        let shown = letters(&shown);
        // What markup says in letters is drawn in another way: an entity, the line after a fence.
        let said = text.replace("&lt;", "<").replace("&#27;", "").replace("~~~", "```");
        let mut parts = said.split("```");
        let before = parts.next().unwrap_or_default().to_owned();
        let said = parts.fold(before, |said, part| said + part.find('\n').map_or("", |end| &part[end..]));
        for c in letters(&said) {
            prop_assert!(shown.contains(&c), "{c} of {text:?}");
        }
    }
}

/// Bytes that a delta at the end of `text` makes us read and draw again.
fn open_bytes(text: &str) -> usize {
    let (theme, links) = (Theme::plain(), Links::default());
    let look = look(&theme, &links, 80);
    let mut state = Markdown::default();
    let mut out = Vec::new();
    state.advance(text, look, &mut out);
    out.clear();
    state.tail(text, look, &mut out);
    out.iter()
        .flat_map(|source| &source.spans)
        .map(|span| span.content.len())
        .sum()
}

#[test]
fn a_delta_costs_the_same_however_long_its_block_is() {
    let blocks: &[(&str, &str)] = &[
        ("a paragraph of one line", "word with **bold** and `code` "),
        ("a paragraph of many lines", "some words of a line\n"),
        ("a paragraph in which an emphasis never ends", "*word "),
        ("a paragraph without spaces", "漢字の文章です"),
        ("code", "let x = 1;\n"),
        ("a line of code", "let x = 1; "),
        ("a list", "- an item of it\n"),
        ("a quote", "> a line of it\n"),
        ("a table", "| a | b |\n"),
    ];
    for (what, part) in blocks {
        let head = match *what {
            "code" | "a line of code" => "```rust\n",
            "a table" => "| a | b |\n|---|---|\n",
            _ => "",
        };
        let text = format!("{head}{}", part.repeat(100_000 / part.len()));
        assert!(
            open_bytes(&text) <= 13 * 1024,
            "{what}: {}",
            open_bytes(&text)
        );
    }
}
