//! Select Graphic Rendition: `CSI … m`, and what the theme makes of it.

use crate::tui::theme::Theme;
use ratatui::style::{Color, Modifier, Style};

/// The eight colours that every theme has a legible one for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hue {
    Grey,
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
    Bright,
}

/// What the parameters so far have set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sgr {
    front: Option<Hue>,
    back: Option<Hue>,
    modifier: Modifier,
}

impl Sgr {
    /// A background becomes reversed text in its colour: two colours of the theme may not be legible on each other.
    pub fn style(self, theme: &Theme) -> Style {
        let mut style = Style::default().add_modifier(self.modifier);
        if self.back.is_some() {
            style = style.add_modifier(Modifier::REVERSED);
        }
        let colour = self.back.or(self.front).and_then(|hue| hue.colour(theme));
        colour.map_or(style, |colour| style.fg(colour))
    }
}

impl Hue {
    fn colour(self, theme: &Theme) -> Option<Color> {
        match self {
            Hue::Grey => theme.dim,
            Hue::Red => theme.error,
            Hue::Green => theme.ok,
            Hue::Yellow => theme.warn,
            Hue::Blue => theme.link,
            Hue::Magenta => theme.syntax_keyword,
            Hue::Cyan => theme.heading,
            Hue::Bright => theme.text,
        }
        .fg
    }

    fn basic(number: u32) -> Option<Hue> {
        Some(match number {
            0 | 8 => Hue::Grey,
            1 | 9 => Hue::Red,
            2 | 10 => Hue::Green,
            3 | 11 => Hue::Yellow,
            4 | 12 => Hue::Blue,
            5 | 13 => Hue::Magenta,
            6 | 14 => Hue::Cyan,
            7 | 15 => Hue::Bright,
            _ => return None,
        })
    }

    /// xterm's palette: 16 named, a cube of 6 x 6 x 6, 24 greys.
    fn indexed(number: u32) -> Option<Hue> {
        match number {
            0..16 => Hue::basic(number),
            16..232 => {
                let cube = number - 16;
                let level = |step: u32| if step == 0 { 0 } else { 55 + 40 * step };
                Some(Hue::rgb(
                    level(cube / 36),
                    level(cube / 6 % 6),
                    level(cube % 6),
                ))
            }
            232..256 => Some(if number < 244 { Hue::Grey } else { Hue::Bright }),
            _ => None,
        }
    }

    fn rgb(red: u32, green: u32, blue: u32) -> Hue {
        let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
        if (most - least) * 4 < most.max(1) {
            return if most < 140 { Hue::Grey } else { Hue::Bright };
        }
        // Nearer to the most than to the least counts as on.
        let on = |part: u32| part - least > most - part;
        match (on(red), on(green), on(blue)) {
            (true, false, false) => Hue::Red,
            (false, true, false) => Hue::Green,
            (true, true, false) => Hue::Yellow,
            (false, false, true) => Hue::Blue,
            (true, false, true) => Hue::Magenta,
            (false, true, true) => Hue::Cyan,
            (true, true, true) | (false, false, false) => Hue::Bright,
        }
    }
}

/// Takes the parameters in; false, and nothing changed, where they are none of this kind.
pub fn apply(parameters: &str, pen: &mut Sgr) -> bool {
    let mut next = *pen;
    let mut groups = parameters.split(';');
    while let Some(group) = groups.next() {
        let mut numbers = group.split(':').map(number);
        let Some(Some(code)) = numbers.next() else {
            return false;
        };
        match code {
            0 => next = Sgr::default(),
            1 => next.modifier |= Modifier::BOLD,
            2 => next.modifier |= Modifier::DIM,
            3 => next.modifier |= Modifier::ITALIC,
            4 if numbers.next() == Some(Some(0)) => next.modifier -= Modifier::UNDERLINED,
            4 | 21 => next.modifier |= Modifier::UNDERLINED,
            7 => next.modifier |= Modifier::REVERSED,
            9 => next.modifier |= Modifier::CROSSED_OUT,
            22 => next.modifier -= Modifier::BOLD | Modifier::DIM,
            23 => next.modifier -= Modifier::ITALIC,
            24 => next.modifier -= Modifier::UNDERLINED,
            27 => next.modifier -= Modifier::REVERSED,
            29 => next.modifier -= Modifier::CROSSED_OUT,
            30..=37 => next.front = Hue::basic(code - 30),
            90..=97 => next.front = Hue::basic(code - 90 + 8),
            40..=47 => next.back = Hue::basic(code - 40),
            100..=107 => next.back = Hue::basic(code - 100 + 8),
            39 => next.front = None,
            49 => next.back = None,
            38 | 48 | 58 => {
                let own: Vec<Option<u32>> = numbers.collect();
                let colour = if own.is_empty() {
                    separate(&mut groups)
                } else {
                    joined(&own)
                };
                let Some(colour) = colour else {
                    return false;
                };
                match code {
                    38 => next.front = Some(colour),
                    48 => next.back = Some(colour),
                    _ => {}
                }
            }
            // Blinking, hiding, fonts, frames: what they would do, nobody misses.
            5 | 6 | 8 | 10..=20 | 25 | 26 | 28 | 50..=57 | 59..=65 | 73..=75 => {}
            _ => return false,
        }
    }
    *pen = next;
    true
}

/// `None` for what is no number; nothing at all is 0.
fn number(text: &str) -> Option<u32> {
    if text.is_empty() {
        Some(0)
    } else {
        text.parse().ok().filter(|number| *number < 100_000)
    }
}

/// `38;5;n`, `38;2;r;g;b`
fn separate<'a>(groups: &mut impl Iterator<Item = &'a str>) -> Option<Hue> {
    let mut next = || groups.next().and_then(number);
    match next()? {
        5 => Hue::indexed(next()?),
        2 => Some(Hue::rgb(byte(next()?)?, byte(next()?)?, byte(next()?)?)),
        _ => None,
    }
}

/// `38:5:n`, `38:2:r:g:b`, `38:2:space:r:g:b`
fn joined(own: &[Option<u32>]) -> Option<Hue> {
    match own {
        [Some(5), Some(index)] => Hue::indexed(*index),
        [Some(2), Some(red), Some(green), Some(blue)]
        | [Some(2), _, Some(red), Some(green), Some(blue)] => {
            Some(Hue::rgb(byte(*red)?, byte(*green)?, byte(*blue)?))
        }
        _ => None,
    }
}

fn byte(value: u32) -> Option<u32> {
    (value < 256).then_some(value)
}
