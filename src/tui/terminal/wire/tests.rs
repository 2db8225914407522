#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use super::*;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::{Terminal, TerminalOptions, Viewport};
use std::cell::RefCell;
use std::num::NonZero;
use std::rc::Rc;

const COLUMNS: u16 = 24;
const ROWS: u16 = 4;

#[derive(Clone, Default)]
struct Sent(Rc<RefCell<Vec<u8>>>);

impl Write for Sent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A terminal of ours, what it is sent, and the terminal that reads it.
struct Line {
    terminal: Terminal<Wire<Sent>>,
    sent: Sent,
    emulator: vt100::Parser,
    /// The same, but what is drawn in colour there is a link here.
    linked: vt100::Parser,
}

impl Line {
    fn new() -> Line {
        let sent = Sent::default();
        let mut wire = Wire::new(sent.clone(), COLUMNS);
        wire.sends.links = true;
        let options = TerminalOptions {
            viewport: Viewport::Fixed(Rect::new(0, 0, COLUMNS, ROWS)),
        };
        let emulator = || {
            let cells = |n| NonZero::new(n).unwrap();
            vt100::Parser::new(cells(ROWS), cells(COLUMNS), 0)
        };
        let mut terminal = Terminal::with_options(wire, options).unwrap();
        terminal.backend_mut().clear().unwrap();
        Line {
            terminal,
            sent,
            emulator: emulator(),
            linked: emulator(),
        }
    }

    /// Draws a frame; what was sent for it.
    fn draw(&mut self, buffer: &Buffer, links: &Links, cursor: Option<Position>) -> String {
        self.terminal.backend_mut().set_links(links);
        self.terminal
            .draw(|frame| {
                frame.buffer_mut().clone_from(buffer);
                if let Some(cursor) = cursor {
                    frame.set_cursor_position(cursor);
                }
            })
            .unwrap();
        let sent = String::from_utf8(self.sent.0.take()).unwrap();
        self.emulator.process(sent.as_bytes());
        self.linked.process(links_as_colours(&sent).as_bytes());
        sent
    }

    /// Where the emulators show something else than `buffer`.
    fn differences(&self, buffer: &Buffer) -> Vec<String> {
        let mut out = Vec::new();
        let mut x = 0;
        let mut y = 0;
        while y < ROWS {
            let cell = buffer.cell((x, y)).unwrap();
            let seen = self.emulator.screen().cell(y, x).unwrap();
            let link = self.linked.screen().cell(y, x).unwrap().bgcolor();
            let seen = shown(seen, link);
            let meant = meant(cell);
            if seen != meant {
                out.push(format!("{x},{y}: {seen:?} and not {meant:?}"));
            }
            x += cell.cell_width().max(1);
            if x >= COLUMNS {
                (x, y) = (0, y + 1);
            }
        }
        out
    }
}

/// Links become background colours, and what colours were there is dropped.
fn links_as_colours(sent: &str) -> String {
    let style = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
    let open = regex::Regex::new("\u{1b}\\]8;id=([0-9]+);[^\u{1b}]+\u{1b}\\\\").unwrap();
    let sent = style.replace_all(sent, "");
    let sent = open.replace_all(&sent, "\u{1b}[48;5;10${1}m");
    sent.replace("\u{1b}]8;;\u{1b}\\", "\u{1b}[49m")
}

/// What one can tell of a cell: character, colours, attributes, link.
type Seen = (String, String, String, [bool; 5], Option<u32>);

fn shown(cell: &vt100::Cell, link: vt100::Color) -> Seen {
    let colour = |colour| match colour {
        vt100::Color::Default => "Reset".to_owned(),
        vt100::Color::Idx(n) => format!("{n}"),
        vt100::Color::Rgb(r, g, b) => format!("{r},{g},{b}"),
    };
    let symbol = match cell.contents() {
        "" => " ",
        symbol => symbol,
    };
    let attributes = [
        cell.bold(),
        cell.dim(),
        cell.italic(),
        cell.underline(),
        cell.inverse(),
    ];
    let link = match link {
        vt100::Color::Idx(n) => Some(u32::from(n) - 100),
        vt100::Color::Default | vt100::Color::Rgb(..) => None,
    };
    visible(
        symbol,
        colour(cell.fgcolor()),
        colour(cell.bgcolor()),
        attributes,
        link,
    )
}

fn meant(cell: &Cell) -> Seen {
    let colour = |colour| match colour {
        Color::Reset => "Reset".to_owned(),
        Color::Red => "1".to_owned(),
        Color::LightBlue => "12".to_owned(),
        Color::Indexed(n) => format!("{n}"),
        Color::Rgb(r, g, b) => format!("{r},{g},{b}"),
        other => panic!("{other}"),
    };
    let attributes = [
        Modifier::BOLD,
        Modifier::DIM,
        Modifier::ITALIC,
        Modifier::UNDERLINED,
        Modifier::REVERSED,
    ];
    visible(
        cell.symbol(),
        colour(cell.fg),
        colour(cell.bg),
        attributes.map(|attribute| cell.modifier.contains(attribute)),
        crate::tui::terminal::links::number(cell.underline_color),
    )
}

/// Of a blank the colour of its character is not seen, unless it is underlined or reversed.
fn visible(symbol: &str, fg: String, bg: String, attributes: [bool; 5], link: Option<u32>) -> Seen {
    let [_, _, _, underlined, reversed] = attributes;
    if symbol == " " && !underlined && !reversed {
        (symbol.to_owned(), String::new(), bg, [false; 5], link)
    } else {
        (symbol.to_owned(), fg, bg, attributes, link)
    }
}

fn links() -> Links {
    let links = Links::default();
    links.link(Style::new(), "https://a.org");
    links.link(Style::new(), "https://b.org/?x=1");
    links
}

fn colour() -> impl Strategy<Value = Color> {
    prop_oneof![
        6 => Just(Color::Reset),
        1 => Just(Color::Red),
        1 => Just(Color::LightBlue),
        1 => Just(Color::Indexed(145)),
        1 => Just(Color::Rgb(1, 20, 255)),
    ]
}

fn style() -> impl Strategy<Value = Style> {
    let attributes = prop::sample::select(vec![
        Modifier::empty(),
        Modifier::empty(),
        Modifier::BOLD,
        Modifier::BOLD | Modifier::ITALIC,
        Modifier::ITALIC,
        Modifier::UNDERLINED,
        Modifier::REVERSED,
        Modifier::CROSSED_OUT | Modifier::BOLD,
    ]);
    let link = prop_oneof![4 => Just(None), 1 => Just(Some(0)), 1 => Just(Some(1))];
    (colour(), colour(), attributes, link).prop_map(|(fg, bg, attributes, link)| {
        let style = Style::new().fg(fg).bg(bg).add_modifier(attributes);
        match link {
            Some(link) => style.underline_color(Color::from_u32(link)),
            None => style,
        }
    })
}

/// Pieces of text laid over what was there, some of them blank.
fn pieces() -> impl Strategy<Value = Vec<(u16, u16, String, Style)>> {
    let text = prop::sample::select(vec![
        "a",
        "words and more words",
        "  in  between ",
        "                        ",
        "      ",
        "漢字",
        "x漢y字z",
        "e\u{301}te\u{301}",
        "│",
        "─────",
    ])
    .prop_map(str::to_owned);
    prop::collection::vec((0..COLUMNS, 0..ROWS, text, style()), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_terminal_shows_what_was_drawn(
        frames in prop::collection::vec((pieces(), any::<bool>(), prop::option::of((0..COLUMNS, 0..ROWS))), 1..6),
    ) {
        let links = links();
        let mut line = Line::new();
        let area = Rect::new(0, 0, COLUMNS, ROWS);
        let mut buffer = Buffer::empty(area);
        for (pieces, anew, cursor) in frames {
            if anew {
                buffer = Buffer::empty(area);
            }
            for (x, y, text, mut style) in pieces {
                if text.contains(['漢', '字']) {
                    // On one of its own ratatui does not say what is left of a wide character under another.
                    style.bg = Some(Color::Reset);
                }
                // A wide character is not drawn over by half: what is left of it would be no character.
                let wide = |x: u16| buffer.cell((x, y)).is_some_and(|cell| cell.cell_width() > 1);
                let x = if x > 0 && wide(x - 1) { x - 1 } else { x };
                let (mut end, _) = buffer.set_stringn(x, y, &text, usize::MAX, style);
                while end < COLUMNS && end > 0 && buffer[(end, y)].symbol() == " " {
                    buffer[(end, y)].reset();
                    end += 1;
                }
            }
            let cursor = cursor.map(|(x, y)| Position { x, y });
            let sent = line.draw(&buffer, &links, cursor);
            let differences = line.differences(&buffer);
            prop_assert!(differences.is_empty(), "{differences:#?}\nafter {sent:?}");
            let screen = line.emulator.screen();
            prop_assert_eq!(screen.hide_cursor(), cursor.is_none());
            if let Some(cursor) = cursor {
                prop_assert_eq!(screen.cursor_position(), (cursor.y, cursor.x));
            }
            // Nothing changed: nothing is sent.
            prop_assert_eq!(line.draw(&buffer, &links, cursor), "");
        }
    }
}

/// A frame of rows of text, and then one more.
fn second(first: [&str; 2], then: [&str; 2]) -> String {
    let mut line = Line::new();
    let links = Links::default();
    let frame = |rows: [&str; 2]| {
        let mut buffer = Buffer::empty(Rect::new(0, 0, COLUMNS, ROWS));
        for (y, row) in (0..).zip(rows) {
            buffer.set_string(0, y, row, Style::new());
        }
        buffer
    };
    let cursor = Some(Position { x: 1, y: 3 });
    line.draw(&frame(first), &links, cursor);
    let sent = line.draw(&frame(then), &links, cursor);
    assert_eq!(line.differences(&frame(then)), [""; 0], "{sent:?}");
    let inner = sent.strip_prefix("\x1b[?2026h").unwrap();
    let inner = inner.strip_suffix("\x1b[4;2H\x1b[?2026l").unwrap();
    inner.to_owned()
}

#[test]
fn changes_are_written_in_few_bytes() {
    for (first, then, sent) in [
        // One letter, at the end of a row.
        (["ab", ""], ["abc", ""], "\x1b[1;3Hc"),
        // A gap that did not change is written over where it is short.
        (
            ["one two six", ""],
            ["ten two ten", ""],
            "\x1b[1Hten two ten",
        ),
        (
            ["a23456789012b", ""],
            ["x23456789012y", ""],
            "\x1b[1Hx\x1b[13Gy",
        ),
        // A rest that is blank is erased.
        (
            ["a long row of text", ""],
            ["a row", ""],
            "\x1b[1;3Hrow\x1b[K",
        ),
        (["abc", ""], ["a", ""], "\x1b[1;2H  "),
        (
            ["abcdefghijklmnopqrst", ""],
            ["a                  t", ""],
            "\x1b[1;2H\x1b[18X",
        ),
        (["", ""], ["a", "b"], "\x1b[1Ha\x1b[2Hb"),
    ] {
        assert_eq!(second(first, then), sent, "{first:?} {then:?}");
    }
}

#[test]
fn a_style_is_said_once() {
    let mut line = Line::new();
    let mut buffer = Buffer::empty(Rect::new(0, 0, COLUMNS, ROWS));
    let dim = Style::new().fg(Color::Red).add_modifier(Modifier::DIM);
    buffer.set_string(0, 0, "a b", dim);
    buffer.set_string(3, 0, " c", dim.add_modifier(Modifier::BOLD));
    buffer.set_string(5, 0, "d", Style::new().fg(Color::Red));
    buffer.set_string(0, 1, "e", Style::new());
    let sent = line.draw(&buffer, &Links::default(), None);
    assert_eq!(
        sent,
        "\x1b[?2026h\x1b[m\x1b[2J\x1b[1H\x1b[2;31ma b \x1b[1mc\x1b[22md\x1b[2H\x1b[me\x1b[?25l\x1b[?2026l"
    );
}

#[test]
fn without_colours_attributes_are_left() {
    let mut line = Line::new();
    line.terminal.backend_mut().sends.colours = false;
    let mut buffer = Buffer::empty(Rect::new(0, 0, COLUMNS, ROWS));
    let loud = Style::new().fg(Color::Red).bg(Color::Indexed(4)).bold();
    buffer.set_string(0, 0, "loud", loud);
    let sent = line.draw(&buffer, &Links::default(), None);
    assert!(sent.contains("\x1b[1mloud\x1b[m"), "{sent:?}");
}

#[test]
fn a_link_is_around_its_cells() {
    let links = links();
    let mut line = Line::new();
    let mut buffer = Buffer::empty(Rect::new(0, 0, COLUMNS, ROWS));
    let linked = |n| Style::new().underline_color(Color::from_u32(n));
    buffer.set_string(0, 0, "see", Style::new());
    buffer.set_string(4, 0, "here", linked(0));
    buffer.set_string(8, 0, "there", linked(1));
    buffer.set_string(13, 0, ".", Style::new());
    // A number that leads nowhere.
    buffer.set_string(14, 0, "x", linked(77));
    let sent = line.draw(&buffer, &links, None);
    assert!(
        sent.contains("see \x1b]8;id=0;https://a.org\x1b\\here\x1b]8;id=1;https://b.org/?x=1\x1b\\there\x1b]8;;\x1b\\.\x1b]8;;\x1b\\x"),
        "{sent:?}"
    );
    let mut without = Line::new();
    without.terminal.backend_mut().sends.links = false;
    let sent = without.draw(&buffer, &links, None);
    assert!(
        sent.contains("see herethere.x") && !sent.contains("]8;"),
        "{sent:?}"
    );
}

/// Terminals disagree on the width of some clusters of emoji; what stands behind them is in its column anyway.
#[test]
fn what_follows_an_emoji_of_uncertain_width_is_in_its_column() {
    for cluster in ["\u{2328}\u{fe0f}", "\u{1f1e9}\u{1f1ea}"] {
        let mut line = Line::new();
        let mut buffer = Buffer::empty(Rect::new(0, 0, COLUMNS, ROWS));
        buffer.set_string(0, 0, "old text here", Style::new());
        line.draw(&buffer, &Links::default(), None);
        buffer.set_string(0, 0, format!("a{cluster}b"), Style::new());
        line.draw(&buffer, &Links::default(), None);
        let screen = line.emulator.screen();
        let at = |x| screen.cell(0, x).unwrap().contents().to_owned();
        assert_eq!((at(0), at(3), at(4)), ("a".into(), "b".into(), "t".into()));
        assert!(
            !at(2).contains(|c: char| c.is_ascii_alphabetic()),
            "{:?}",
            at(2)
        );
    }
}

/// The screen was another program's in between: everything is drawn anew, in our own style.
#[test]
fn after_clearing_all_is_drawn_again() {
    let mut line = Line::new();
    let links = Links::default();
    let mut buffer = Buffer::empty(Rect::new(0, 0, COLUMNS, ROWS));
    buffer.set_string(2, 1, "text", Style::new().fg(Color::Red));
    line.draw(&buffer, &links, None);
    line.emulator.process(b"\x1b[1;44m garbage \x1b[?25h");
    line.terminal
        .resize(Rect::new(0, 0, COLUMNS, ROWS))
        .unwrap();
    line.terminal.backend_mut().clear().unwrap();
    let sent = line.draw(&buffer, &links, None);
    assert_eq!(line.differences(&buffer), [""; 0], "{sent:?}");
    assert!(line.emulator.screen().hide_cursor());
}
