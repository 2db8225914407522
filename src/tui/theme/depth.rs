//! How many colours the terminal has, which background, and colours it has for those it has not.

use ratatui::style::{Color, Style};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Background {
    #[default]
    Dark,
    Light,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// `NO_COLOR`, `--color never`, a dumb or monochrome terminal.
    NoColour,
    Sixteen,
    Palette,
    #[default]
    TrueColour,
}

/// What the environment says about colour; read once, at start-up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColourHints {
    pub no_color: bool,
    pub term: String,
    pub colorterm: String,
    pub colorfgbg: Option<String>,
    /// `TERM_PROGRAM`.
    pub program: String,
    /// `TMUX` is set.
    pub tmux: bool,
    /// `STY` is set: GNU screen.
    pub screen: bool,
    /// `WT_SESSION` is set: Windows Terminal.
    pub windows_terminal: bool,
}

impl ColourHints {
    /// The environment's answer to `get`.
    pub fn read(no_color: bool, get: impl Fn(&str) -> Option<String>) -> ColourHints {
        let text = |name: &str| get(name).unwrap_or_default();
        let set = |name: &str| get(name).is_some_and(|value| !value.is_empty());
        ColourHints {
            no_color,
            term: text("TERM"),
            colorterm: text("COLORTERM"),
            colorfgbg: get("COLORFGBG"),
            program: text("TERM_PROGRAM"),
            tmux: set("TMUX"),
            screen: set("STY"),
            windows_terminal: set("WT_SESSION"),
        }
    }

    pub fn depth(&self) -> Depth {
        const TRUE: &[&str] = &[
            "alacritty",
            "contour",
            "direct",
            "foot",
            "ghostty",
            "kitty",
            "rio",
            "wezterm",
        ];
        // Terminals of the terminfo database without colour.
        const NONE: &[&str] = &["dumb", "vt100", "vt102", "vt220", "vt320"];
        let term = self.term.as_str();
        if self.no_color || NONE.contains(&term) || term.ends_with("-m") {
            return Depth::NoColour;
        }
        // The kernel's console takes longer colours and shows others.
        if term == "linux" || term.starts_with("linux-") {
            return Depth::Sixteen;
        }
        let palette = term.contains("256color");
        // GNU screen does not know true colour, and passes COLORTERM of the terminal around it on.
        if self.screen && !self.tmux {
            return if palette {
                Depth::Palette
            } else {
                Depth::Sixteen
            };
        }
        let said = matches!(self.colorterm.as_str(), "truecolor" | "24bit");
        let known = TRUE.iter().any(|name| term.contains(name));
        // tmux gives the terminal around it the nearest colours it has.
        let programs = ["iTerm.app", "WezTerm", "ghostty", "vscode", "rio"];
        let program = !self.tmux && programs.contains(&self.program.as_str());
        if said || known || program || self.windows_terminal {
            Depth::TrueColour
        } else if palette || self.tmux || !self.colorterm.is_empty() {
            Depth::Palette
        } else {
            Depth::Sixteen
        }
    }

    pub fn background(&self) -> Option<Background> {
        // The kernel's console cannot be asked.
        if self.term == "linux" {
            return Some(Background::Dark);
        }
        let index: u8 = self.colorfgbg.as_ref()?.rsplit(';').next()?.parse().ok()?;
        // `fg;bg` or `fg;other;bg` with palette indices; 7 and 9 to 15 are light.
        Some(if index == 7 || (9..=15).contains(&index) {
            Background::Light
        } else {
            Background::Dark
        })
    }
}

/// The payload of an OSC 11 reply, `rgb:1e1e/1e1e/1e1e`, by luminance.
pub fn background_of(reply: &str) -> Option<Background> {
    let rgb = reply
        .strip_prefix("rgb:")
        .or_else(|| reply.strip_prefix("rgba:"))?;
    let mut parts = rgb.split('/').map(|part| {
        let max = 16f32.powi(i32::try_from(part.len()).ok()?) - 1.0;
        let value = u32::from_str_radix(part, 16).ok()?;
        (max > 0.0).then(|| value as f32 / max)
    });
    let mut next = || parts.next().flatten();
    let (r, g, b) = (next()?, next()?, next()?);
    let luminance = 0.299 * r + 0.587 * g + 0.114 * b;
    Some(if luminance > 0.5 {
        Background::Light
    } else {
        Background::Dark
    })
}

/// The style with colours of the 256-colour palette.
pub fn in_palette(style: Style) -> Style {
    let reduced = |colour: Color| match colour {
        Color::Rgb(r, g, b) => Color::Indexed(nearest([r, g, b])),
        other => other,
    };
    Style {
        fg: style.fg.map(reduced),
        bg: style.bg.map(reduced),
        ..style
    }
}

/// The index from 16 on (the first 16 are the user's own) that looks most alike: the least distance in Oklab.
fn nearest(rgb: [u8; 3]) -> u8 {
    let wanted = oklab(rgb);
    let distance = |index: u8| {
        let have = oklab(palette(index));
        wanted
            .iter()
            .zip(have)
            .map(|(a, b)| (a - b) * (a - b))
            .sum::<f32>()
    };
    (16..=255)
        .min_by(|a, b| distance(*a).total_cmp(&distance(*b)))
        .unwrap_or(16)
}

/// Another background of the palette for one that the palette reduces to the same grey as its counterpart: the nearest
/// that still has its hue, and on which every one of `texts` is legible. `None` where there is no such colour, or
/// these are not colours of the theme's own.
pub fn with_hue(colour: Color, texts: &[Color]) -> Option<Color> {
    /// Between two hues that are taken for kin, in radians: the palette has few pale ones.
    const NEAR: f32 = 1.0;
    let Color::Rgb(r, g, b) = colour else {
        return None;
    };
    let wanted = oklab([r, g, b]);
    let hue = |[_, a, b]: [f32; 3]| b.atan2(a);
    let turned = |have: [f32; 3]| {
        let apart = (hue(have) - hue(wanted)).abs();
        apart.min(std::f32::consts::TAU - apart)
    };
    let distance = |index: &u8| -> f32 {
        let have = oklab(palette(*index));
        wanted.iter().zip(have).map(|(a, b)| (a - b).powi(2)).sum()
    };
    let fits = |index: &u8| {
        let rgb = palette(*index);
        let grey = rgb.iter().max() == rgb.iter().min();
        let legible = |text: &Color| match text {
            Color::Rgb(r, g, b) => contrast([*r, *g, *b], rgb) >= LEGIBLE,
            Color::Indexed(index @ 16..) => contrast(palette(*index), rgb) >= LEGIBLE,
            _ => false,
        };
        !grey && turned(oklab(rgb)) < NEAR && texts.iter().all(legible)
    };
    (16..=231)
        .filter(fits)
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
        .map(Color::Indexed)
}

/// WCAG 2, success criterion 1.4.3.
const LEGIBLE: f32 = 4.5;

/// The contrast of two colours by WCAG 2, from 1 to 21.
pub(super) fn contrast(a: [u8; 3], b: [u8; 3]) -> f32 {
    let luminance = |rgb: [u8; 3]| {
        let [r, g, b] = rgb.map(linear);
        0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05
    };
    let (a, b) = (luminance(a), luminance(b));
    a.max(b) / a.min(b)
}

/// xterm's colours from 16 on: a cube of 6 x 6 x 6, then 24 greys.
pub(super) fn palette(index: u8) -> [u8; 3] {
    match index.checked_sub(232) {
        Some(grey) => [8 + 10 * grey; 3],
        None => {
            let level = |v: u8| if v == 0 { 0 } else { 55 + 40 * v };
            let at = index.saturating_sub(16);
            [level(at / 36), level(at / 6 % 6), level(at % 6)]
        }
    }
}

/// sRGB's curve undone: light, from 0 to 1.
pub(super) fn linear(channel: u8) -> f32 {
    let value = f32::from(channel) / 255.0;
    if value <= 0.04045 {
        value / 12.92
    } else {
        ((value + 0.055) / 1.055).powf(2.4)
    }
}

/// Björn Ottosson's perceptual space (2020).
fn oklab(rgb: [u8; 3]) -> [f32; 3] {
    let [r, g, b] = rgb.map(linear);
    let l = (0.412_221_47 * r + 0.536_332_54 * g + 0.051_445_993 * b).cbrt();
    let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
    let s = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
    [
        0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
        1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
        0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
    ]
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;

    #[test]
    fn depth_of_terminals() {
        use Depth::*;
        let rows: &[(&[(&str, &str)], Depth)] = &[
            (
                &[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")],
                TrueColour,
            ),
            (&[("TERM", "xterm-256color")], Palette),
            (&[("TERM", "xterm")], Sixteen),
            (&[("TERM", "xterm-kitty")], TrueColour),
            (&[("TERM", "xterm-direct")], TrueColour),
            (&[("TERM", "linux")], Sixteen),
            (&[("TERM", "linux"), ("COLORTERM", "truecolor")], Sixteen),
            (
                &[
                    ("TERM", "screen"),
                    ("STY", "1.a"),
                    ("COLORTERM", "truecolor"),
                ],
                Sixteen,
            ),
            (
                &[
                    ("TERM", "screen.xterm-256color"),
                    ("STY", "1.a"),
                    ("COLORTERM", "truecolor"),
                ],
                Palette,
            ),
            (&[("TERM", "screen"), ("TMUX", "/tmp/t,1,0")], Palette),
            (
                &[("TERM", "tmux-256color"), ("TMUX", "/tmp/t,1,0")],
                Palette,
            ),
            (
                &[
                    ("TERM", "tmux-256color"),
                    ("TMUX", "/tmp/t,1,0"),
                    ("COLORTERM", "truecolor"),
                ],
                TrueColour,
            ),
            (
                &[
                    ("TERM", "xterm-256color"),
                    ("TERM_PROGRAM", "Apple_Terminal"),
                ],
                Palette,
            ),
            (
                &[("TERM", "xterm-256color"), ("TERM_PROGRAM", "iTerm.app")],
                TrueColour,
            ),
            (&[("WT_SESSION", "x")], TrueColour),
            (&[("TERM", "dumb")], NoColour),
            (&[("TERM", "vt100")], NoColour),
            (&[("TERM", "screen-256color-m")], NoColour),
            (&[], Sixteen),
        ];
        for (variables, expected) in rows {
            let get = |name: &str| {
                let found = variables.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(
                ColourHints::read(false, get).depth(),
                *expected,
                "{variables:?}"
            );
            assert_eq!(
                ColourHints::read(true, get).depth(),
                NoColour,
                "{variables:?}"
            );
        }
    }

    #[test]
    fn backgrounds_of_variables_and_replies() {
        use Background::*;
        for (fgbg, expected) in [
            ("0;15", Some(Light)),
            ("15;default;0", Some(Dark)),
            ("0;7", Some(Light)),
            ("", None),
        ] {
            let hints = ColourHints {
                colorfgbg: Some(fgbg.into()),
                ..ColourHints::default()
            };
            assert_eq!(hints.background(), expected, "{fgbg}");
        }
        for (reply, expected) in [
            ("rgb:1e1e/1e1e/1e1e", Some(Dark)),
            ("rgb:ffff/fafa/f0f0", Some(Light)),
            ("rgb:ff/ff/ff", Some(Light)),
            ("rgba:ffff/ffff/ffff/ffff", Some(Light)),
            ("rgb:///", None),
            ("#123456", None),
        ] {
            assert_eq!(background_of(reply), expected, "{reply}");
        }
    }

    #[test]
    fn the_palettes_own_colours_stay_and_others_find_their_neighbour() {
        for index in 16..=255 {
            let found = palette(nearest(palette(index)));
            assert_eq!(found, palette(index), "{index}");
        }
        for (rgb, expected) in [
            ([0x16, 0x18, 0x1d], 234),
            ([250, 250, 250], 231),
            ([0xff, 0x88, 0x00], 208),
        ] {
            assert_eq!(nearest(rgb), expected, "{rgb:?}");
        }
    }
}
