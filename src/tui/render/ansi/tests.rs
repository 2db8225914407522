use super::*;
use crate::text;
use proptest::prelude::*;
use ratatui::style::Modifier;

fn output(parts: &[&str]) -> Output {
    let mut output = Output::default();
    for part in parts {
        output.append(part);
    }
    output.end();
    output
}

#[test]
fn what_a_terminal_would_show_on_one_line() {
    let rows: &[(&str, &str)] = &[
        ("plain\ntext\n", "plain\ntext\n"),
        ("one\r\ntwo", "one\ntwo"),
        (" 10%\r 50%\r100%\n", "100%\n"),
        ("long line\rshort\n", "shortline\n"),
        ("long line\r\x1b[Kshort\n", "short\n"),
        ("long line\x1b[2K\rnew", "new"),
        ("abc\x1b[1K", "   "),
        ("ab\x08c", "ac"),
        ("\x08\x08x", "x"),
        ("a\tb", "a       b"),
        ("ab\x1b[5Gc\x1b[3Dd\x1b[Ce", "abd e"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[38;5;9mx\x1b[38:2::1:2:3my\x1b[m", "xy"),
        ("\x1b[2J\x1b[H", "␛[2J␛[H"),
        ("\x1b[?25l", "␛[?25l"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("\x1bPq\x1b\\", "␛Pq␛\\"),
        ("\x1b[31", "␛[31"),
        ("\x1b", "␛"),
        ("\x1b\x1b[31mx", "␛x"),
        ("\x1b[3\n1mx", "␛[3\n1mx"),
        ("\x1b[999999999999999999999m", "␛[999999999999999999999m"),
        ("\x1b[38;5;999m", "␛[38;5;999m"),
        ("\u{9b}31m\u{202e}\u{e0041}", "<U+009B>31m<U+202E><U+E0041>"),
        ("bell\x07 nul\0", "bell␇ nul␀"),
    ];
    for (raw, shown) in rows {
        assert_eq!(&output(&[raw])[..], *shown, "{raw:?}");
    }
}

#[test]
fn colours_are_the_themes() {
    let theme = Theme::named("dark").unwrap();
    let raw = "a\x1b[1;31mb\x1b[22;42mc\x1b[0md\x1b[38;2;250;200;10me\n\x1b[4mf";
    let output = output(&[raw]);
    let spans = output.spans(0..output.len(), theme.output, &theme);
    let expected: Vec<(&str, Style)> = vec![
        ("a", theme.output),
        ("b", theme.output.fg(theme.error.fg.unwrap()).bold()),
        ("c", theme.output.fg(theme.ok.fg.unwrap()).reversed()),
        ("d", theme.output),
        ("e", theme.output.fg(theme.warn.fg.unwrap())),
        ("\n", theme.output),
        ("f", theme.output.fg(theme.warn.fg.unwrap()).underlined()),
    ];
    let spans: Vec<(&str, Style)> = spans
        .iter()
        .map(|span| (span.content.as_ref(), span.style))
        .collect();
    assert_eq!(spans, expected);
}

#[test]
fn without_colours_weight_stays() {
    let theme = Theme::plain();
    let output = output(&["\x1b[1;31mb\x1b[44mc"]);
    let spans = output.spans(0..2, Style::default(), &theme);
    assert!(
        spans
            .iter()
            .all(|span| span.style.fg.is_none() && span.style.bg.is_none()),
        "{spans:?}"
    );
    assert_eq!(spans[0].style.add_modifier, Modifier::BOLD);
    assert_eq!(
        spans[1].style.add_modifier,
        Modifier::BOLD | Modifier::REVERSED
    );
}

#[test]
fn the_front_can_be_dropped() {
    let theme = Theme::named("dark").unwrap();
    let mut output = output(&["\x1b[31mone\ntwo \x1b[32mgreen\nthree"]);
    assert_eq!(output.drop_front(4), 1);
    assert_eq!(&output[..], "two green\nthree");
    let spans = output.spans(0..9, theme.output, &theme);
    assert_eq!(spans[0].style.fg, theme.error.fg);
    assert_eq!(
        (spans[1].content.as_ref(), spans[1].style.fg),
        ("green", theme.ok.fg)
    );
    output.append("\rTHR");
    assert_eq!(&output[..], "two green\nTHRee");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn pieces_equal_the_whole_and_nothing_acts(
        parts in prop::collection::vec(prop::sample::select(vec![
            "word", " ", "\n", "\r", "\r\n", "\x08", "\t", "\x1b", "[", "31", ";", "m", "K", "2K", "\x1b[1;3", "\x1b[0m", "\x1b[31m", "\x1b[2J",
            "\x1b]8;;x\x07", "\u{9b}", "漢", "é", "\u{202e}", "C", "5G", "\x1b[4D", "\0",
        ]), 0..40),
        cuts in prop::collection::vec(0usize..6, 0..40),
    ) {
        let raw: String = parts.concat();
        let whole = output(&[&raw]);
        let mut stream = Output::default();
        let mut from = 0;
        for cut in cuts {
            let mut to = (from + cut).min(raw.len());
            while !raw.is_char_boundary(to) {
                to += 1;
            }
            stream.append(&raw[from..to]);
            from = to;
        }
        stream.append(&raw[from..]);
        stream.end();
        prop_assert_eq!(&stream[..], &whole[..]);
        prop_assert!(!whole.chars().any(|c| c != '\n' && (c.is_control() || text::is_unsafe(c))));
        let theme = Theme::named("dark").unwrap();
        let all = 0..whole.len();
        let letters = |output: &Output| -> Vec<(char, Style)> {
            let spans = output.spans(all.clone(), theme.output, &theme);
            spans.iter().flat_map(|span| span.content.chars().map(|c| (c, span.style)).collect::<Vec<_>>()).collect()
        };
        prop_assert_eq!(letters(&stream), letters(&whole));
        let shown: String = letters(&whole).iter().map(|(c, _)| *c).collect();
        prop_assert_eq!(&shown, &whole[..]);
    }
}
