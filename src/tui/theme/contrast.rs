//! Every style is legible on every background it is drawn on, by WCAG 2 (success criterion 1.4.3: 4.5 to 1).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    clippy::excessive_precision
)]

use super::catalogue::{BUILT_IN, Themes};
use super::depth::{Background, Depth, contrast, linear, palette};
use super::{STYLES, Theme};
use ratatui::style::{Color, Modifier, Style};

/// Backgrounds people have, besides the theme's own.
const DARK: &[[u8; 3]] = &[[0; 3], [0x1e; 3], [0x28, 0x2c, 0x34], [0x00, 0x2b, 0x36]];
const LIGHT: &[[u8; 3]] = &[[255; 3], [0xfa; 3], [0xfd, 0xf6, 0xe3], [0xf0; 3]];

/// The 16 colours of the kernel's console and of xterm.
const CONSOLE: [[u8; 3]; 16] = [
    [0, 0, 0],
    [170, 0, 0],
    [0, 170, 0],
    [170, 85, 0],
    [0, 0, 170],
    [170, 0, 170],
    [0, 170, 170],
    [170, 170, 170],
    [85, 85, 85],
    [255, 85, 85],
    [85, 255, 85],
    [255, 255, 85],
    [85, 85, 255],
    [255, 85, 255],
    [85, 255, 255],
    [255, 255, 255],
];
const XTERM: [[u8; 3]; 16] = [
    [0, 0, 0],
    [205, 0, 0],
    [0, 205, 0],
    [205, 205, 0],
    [0, 0, 238],
    [205, 0, 205],
    [0, 205, 205],
    [229, 229, 229],
    [127, 127, 127],
    [255, 0, 0],
    [0, 255, 0],
    [255, 255, 0],
    [92, 92, 255],
    [255, 0, 255],
    [0, 255, 255],
    [255, 255, 255],
];

fn rgb(colour: Color, sixteen: &[[u8; 3]; 16]) -> [u8; 3] {
    let index = match colour {
        Color::Rgb(r, g, b) => return [r, g, b],
        Color::Indexed(index) => index,
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
        Color::Reset => panic!("a theme does not name the terminal's own colour"),
    };
    match sixteen.get(usize::from(index)) {
        Some(rgb) => *rgb,
        None => palette(index),
    }
}

/// What a style comes to on a background, as text and background.
fn drawn(
    style: Style,
    (fg, bg): ([u8; 3], [u8; 3]),
    sixteen: &[[u8; 3]; 16],
) -> ([u8; 3], [u8; 3]) {
    let fg = style.fg.map_or(fg, |colour| rgb(colour, sixteen));
    let bg = style.bg.map_or(bg, |colour| rgb(colour, sixteen));
    if style.add_modifier.contains(Modifier::REVERSED) {
        (bg, fg)
    } else {
        (fg, bg)
    }
}

fn failures(name: &str, themes: &Themes, sixteen: &[[u8; 3]; 16]) -> Vec<String> {
    let theme = themes.theme(name).unwrap();
    let screen = |theme: &Theme| {
        let colour = |colour: Option<Color>| rgb(colour.expect(name), sixteen);
        (colour(theme.screen.fg), colour(theme.screen.bg))
    };
    let own = screen(&theme);
    let others = match (themes.depth, themes.background) {
        // What 16 colours look like is the palette's doing: black or white is what can be promised.
        (Depth::Sixteen, _) => &[][..],
        _ if name.starts_with("ansi16") => &[],
        (_, Some(Background::Light)) => LIGHT,
        (_, Some(Background::Dark) | None) => DARK,
    };
    let mut surfaces = vec![own];
    surfaces.extend(others.iter().map(|bg| (own.0, *bg)));
    let by_name = |wanted: &str| {
        let row = STYLES.iter().find(|row| row.name == wanted);
        (row.unwrap_or_else(|| panic!("`{wanted}` is no style")).get)(&theme)
    };
    let mut out = Vec::new();
    for row in STYLES {
        let least = match row.name {
            "rule" => 1.5,
            _ if name.starts_with("high-contrast") && themes.depth != Depth::Sixteen => 7.0,
            _ => 4.5,
        };
        for surface in &surfaces {
            let over = row.over.iter().map(|below| (*below, by_name(below)));
            for (below, beneath) in [("screen", Style::default())].into_iter().chain(over) {
                let style = beneath.patch((row.get)(&theme));
                let (fg, bg) = drawn(style, *surface, sixteen);
                let reached = contrast(fg, bg);
                if reached < least {
                    out.push(format!(
                        "{name} at {:?}: {} on {below}: {fg:02x?} on {bg:02x?} is {reached:.2}, not {least}",
                        themes.depth, row.name
                    ));
                }
            }
        }
    }
    out
}

#[test]
fn every_style_is_legible_on_every_background_it_is_drawn_on() {
    let mut wrong = Vec::new();
    for (name, _) in BUILT_IN {
        for depth in [Depth::TrueColour, Depth::Palette, Depth::Sixteen] {
            for sixteen in [&CONSOLE, &XTERM] {
                let light = name.ends_with("light");
                let background = if light {
                    Background::Light
                } else {
                    Background::Dark
                };
                let themes = Themes::new(depth, Some(background), name);
                wrong.extend(failures(name, &themes, sixteen));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What comes and what goes differ by their backgrounds too, with fewer colours as well.
#[test]
fn what_comes_and_what_goes_have_backgrounds_of_their_own() {
    for (name, _) in BUILT_IN {
        for depth in [Depth::TrueColour, Depth::Palette] {
            for background in [Background::Dark, Background::Light] {
                let theme = Themes::new(depth, Some(background), name)
                    .theme(name)
                    .unwrap();
                for (add, remove) in [
                    (theme.diff_add, theme.diff_remove),
                    (theme.diff_add_word, theme.diff_remove_word),
                ] {
                    assert!(
                        add.bg.is_none() || add.bg != remove.bg,
                        "{name} at {depth:?} on {background:?}: {add:?} {remove:?}"
                    );
                }
            }
        }
    }
}

/// How deuteranopes and protanopes see a colour: Viénot, Brettel and Mollon (1999), on linear light.
fn seen_by(rgb: [u8; 3], green_blind: bool) -> [f32; 3] {
    let [r, g, b] = rgb.map(linear);
    // RGB to LMS, the missing cone rebuilt from the other two, and back.
    let l = 17.8824 * r + 43.5161 * g + 4.11935 * b;
    let m = 3.45565 * r + 27.1554 * g + 3.86714 * b;
    let s = 0.0299566 * r + 0.184309 * g + 1.46709 * b;
    let (l, m) = if green_blind {
        (l, 0.494207 * l + 1.24827 * s)
    } else {
        (2.02344 * m - 2.52581 * s, m)
    };
    [
        0.0809444479 * l - 0.130504409 * m + 0.116721066 * s,
        -0.0102485335 * l + 0.0540193266 * m - 0.113614708 * s,
        -0.000365296938 * l - 0.00412161469 * m + 0.693511405 * s,
    ]
}

/// CIE L*a*b* of linear sRGB under D65.
fn lab([r, g, b]: [f32; 3]) -> [f32; 3] {
    let f = |t: f32| {
        if t > 0.008856 {
            t.cbrt()
        } else {
            7.787 * t + 16.0 / 116.0
        }
    };
    let x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047);
    let y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
    let z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

#[test]
fn who_sees_no_green_or_no_red_tells_added_from_removed() {
    /// CIE76; 2.3 is just noticed, 20 is another colour at a glance.
    const APART: f32 = 20.0;
    for name in ["colour-blind", "colour-blind-light"] {
        for depth in [Depth::TrueColour, Depth::Palette, Depth::Sixteen] {
            let light = name.ends_with("light");
            let background = if light {
                Background::Light
            } else {
                Background::Dark
            };
            let theme = Themes::new(depth, Some(background), name)
                .theme(name)
                .unwrap();
            let seen = |style: Style, green_blind| {
                let screen = if light {
                    ([0; 3], [255; 3])
                } else {
                    ([255; 3], [0; 3])
                };
                let (fg, bg) = drawn(style, screen, &XTERM);
                // Of marked words the background is what one sees first.
                let marked = style.add_modifier.contains(Modifier::BOLD)
                    && (style.bg.is_some() || style.add_modifier.contains(Modifier::REVERSED));
                let told = if marked { bg } else { fg };
                lab(seen_by(told, green_blind))
            };
            for (what, one, other) in [
                ("lines", theme.diff_add, theme.diff_remove),
                ("words", theme.diff_add_word, theme.diff_remove_word),
                ("outcomes", theme.ok, theme.error),
            ] {
                for green_blind in [true, false] {
                    let (a, b) = (seen(one, green_blind), seen(other, green_blind));
                    let apart: f32 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
                    let apart = apart.sqrt();
                    assert!(
                        apart >= APART,
                        "{name} at {depth:?}: {what} are {apart:.1} apart"
                    );
                }
            }
        }
    }
}

#[test]
fn the_simulation_is_the_published_one() {
    // Greys look the same to all; to a deuteranope a red and a green of equal weight look alike.
    let grey = seen_by([128; 3], true);
    let [expected, ..] = [128u8; 3].map(linear);
    for channel in grey {
        assert!((channel - expected).abs() < 0.01, "{grey:?}");
    }
    let apart = |a: [u8; 3], b: [u8; 3]| {
        let (a, b) = (lab(seen_by(a, true)), lab(seen_by(b, true)));
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f32>()
            .sqrt()
    };
    let (red, green, blue) = ([0xb0, 0x4c, 0x30], [0x70, 0x70, 0x28], [0x30, 0x60, 0xd0]);
    assert!(apart(red, green) < 15.0, "{}", apart(red, green));
    assert!(apart(red, blue) > 60.0, "{}", apart(red, blue));
}
