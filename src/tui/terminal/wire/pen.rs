//! How the terminal draws what it is sent: colours, attributes, and the link that is open.

use crate::tui::terminal::links::{Links, number};
use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};
use std::fmt::Write;
use unicode_width::UnicodeWidthChar;

/// What is seen of an attribute where nothing is written.
const SEEN_ON_BLANK: Modifier = Modifier::REVERSED
    .union(Modifier::UNDERLINED)
    .union(Modifier::CROSSED_OUT)
    .union(Modifier::SLOW_BLINK)
    .union(Modifier::RAPID_BLINK);

/// An attribute, what turns it on and what turns it off (ECMA-48, SGR).
const ATTRIBUTES: [(Modifier, u8, u8); 9] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::SLOW_BLINK, 5, 25),
    (Modifier::RAPID_BLINK, 6, 25),
    (Modifier::REVERSED, 7, 27),
    (Modifier::HIDDEN, 8, 28),
    (Modifier::CROSSED_OUT, 9, 29),
];

/// What the terminal can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sends {
    pub links: bool,
    /// Without them a tool's output loses its own too.
    pub colours: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    fg: Color,
    bg: Color,
    attributes: Modifier,
    /// A number in [`Links`].
    link: Option<u32>,
}

impl Default for Look {
    fn default() -> Look {
        Look {
            fg: Color::Reset,
            bg: Color::Reset,
            attributes: Modifier::empty(),
            link: None,
        }
    }
}

impl Look {
    /// Of a cell, as far as the terminal can be sent it.
    pub fn of(cell: &Cell, sends: Sends) -> Look {
        let colour = |colour| match sends.colours {
            true => colour,
            false => Color::Reset,
        };
        Look {
            fg: colour(cell.fg),
            bg: colour(cell.bg),
            attributes: cell.modifier,
            link: number(cell.underline_color).filter(|_| sends.links),
        }
    }

    /// The look nearest to `now` that shows `cell`, whose own look this is: of a blank nobody sees the colour of
    /// its character.
    pub fn over(self, cell: &Cell, now: Look) -> Look {
        if cell.symbol() != " " || self.attributes.intersects(SEEN_ON_BLANK) {
            return self;
        }
        Look {
            fg: now.fg,
            attributes: now.attributes - SEEN_ON_BLANK,
            ..self
        }
    }
}

/// As an erased cell is.
pub(super) fn is_blank(cell: &Cell, sends: Sends) -> bool {
    let look = Look::of(cell, sends).over(cell, Look::default());
    cell.symbol() == " " && look == Look::default()
}

/// Terminals agree that `symbol` is `width` columns wide: not on sequences of emoji, flags and variation selectors.
pub(super) fn is_certain(symbol: &str, width: u16) -> bool {
    let flag = |c: char| ('\u{1f1e6}'..='\u{1f1ff}').contains(&c);
    let sum: usize = symbol.chars().map(|c| c.width().unwrap_or(0)).sum();
    symbol.is_ascii() || (sum == usize::from(width) && !symbol.contains(flag))
}

#[derive(Debug, Default)]
pub(super) struct Pen {
    now: Look,
}

impl Pen {
    pub fn look(&self) -> Look {
        self.now
    }

    /// Writes what turns the pen to `to`.
    pub fn change(&mut self, to: Look, links: &Links, out: &mut Vec<u8>) {
        if to.link != self.now.link {
            let address = to.link.and_then(|number| links.at(number));
            match (address, to.link) {
                // The id joins the rows of one link, so that the terminal underlines them together.
                (Some(address), Some(number)) => {
                    let open = format!("\x1b]8;id={number};{address}\x1b\\");
                    out.extend_from_slice(open.as_bytes());
                }
                _ => out.extend_from_slice(b"\x1b]8;;\x1b\\"),
            }
        }
        let step = parameters(self.now, to);
        let anew = parameters(Look::default(), to);
        let sequence = match (step, anew) {
            (step, _) if step.is_empty() => String::new(),
            (_, anew) if anew.is_empty() => "\x1b[m".to_owned(),
            (step, anew) if step.len() <= anew.len() + 2 => format!("\x1b[{step}m"),
            (_, anew) => format!("\x1b[0;{anew}m"),
        };
        out.extend_from_slice(sequence.as_bytes());
        self.now = to;
    }
}

/// SGR parameters from one look to another, with `;` between them.
fn parameters(from: Look, to: Look) -> String {
    let mut out = String::new();
    let mut say = |code: &str| {
        if !out.is_empty() {
            out.push(';');
        }
        out.push_str(code);
    };
    let gone = from.attributes - to.attributes;
    let mut kept = from.attributes & to.attributes;
    let mut said = 0;
    for (attribute, _, off) in ATTRIBUTES {
        // One code may turn off two; the other one of them is not kept then.
        if gone.contains(attribute) {
            let both = ATTRIBUTES.iter().filter(|(_, _, other)| *other == off);
            both.for_each(|(attribute, _, _)| kept.remove(*attribute));
            if said != off {
                say(&off.to_string());
            }
            said = off;
        }
    }
    for (attribute, on, _) in ATTRIBUTES {
        if (to.attributes - kept).contains(attribute) {
            say(&on.to_string());
        }
    }
    if from.fg != to.fg {
        say(&colour(to.fg, 30));
    }
    if from.bg != to.bg {
        say(&colour(to.bg, 40));
    }
    out
}

/// `base` is 30 for the foreground, 40 for the background. The sixteen colours have codes of their own, which
/// terminals that know no others understand too.
fn colour(colour: Color, base: u8) -> String {
    let plain = |n: u8| (base + n).to_string();
    let bright = |n: u8| (base + 60 + n).to_string();
    match colour {
        Color::Reset => plain(9),
        Color::Black => plain(0),
        Color::Red => plain(1),
        Color::Green => plain(2),
        Color::Yellow => plain(3),
        Color::Blue => plain(4),
        Color::Magenta => plain(5),
        Color::Cyan => plain(6),
        Color::Gray => plain(7),
        Color::DarkGray => bright(0),
        Color::LightRed => bright(1),
        Color::LightGreen => bright(2),
        Color::LightYellow => bright(3),
        Color::LightBlue => bright(4),
        Color::LightMagenta => bright(5),
        Color::LightCyan => bright(6),
        Color::White => bright(7),
        Color::Indexed(n) => format!("{};5;{n}", base + 8),
        Color::Rgb(red, green, blue) => {
            let mut out = format!("{};2", base + 8);
            for part in [red, green, blue] {
                let _ = write!(out, ";{part}");
            }
            out
        }
    }
}
