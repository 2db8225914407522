//! A terminal screen as an SVG, for the README.

use std::fmt::Write;
use vt100::{Cell, Color, Screen};

const CELL_W: f32 = 8.4;
const CELL_H: f32 = 18.0;

/// A terminal's own colours.
pub struct Look {
    foreground: &'static str,
    background: &'static str,
}

pub const DARK: Look = Look {
    foreground: "#d8dee9",
    background: "#16181d",
};
pub const LIGHT: Look = Look {
    foreground: "#24292f",
    background: "#ffffff",
};

pub fn svg(screen: &Screen, look: &Look) -> String {
    format!("{}{}</svg>\n", head(screen, look, ""), cells(screen, look))
}

/// Pictures after one another, each for its seconds, again and again.
pub fn animated(frames: &[(Screen, f32)], look: &Look) -> String {
    let Some((first, _)) = frames.first() else {
        return String::new();
    };
    let whole: f32 = frames.iter().map(|(_, seconds)| seconds).sum();
    let mut css = format!("g {{ visibility: hidden; animation: {whole}s step-end infinite }}\n");
    let mut body = String::new();
    let mut at = 0.0;
    for (n, (screen, seconds)) in frames.iter().enumerate() {
        let (from, to) = (100.0 * at / whole, 100.0 * (at + seconds) / whole);
        let before = if n == 0 {
            String::new()
        } else {
            "0% { visibility: hidden } ".to_owned()
        };
        let after = if n + 1 == frames.len() {
            String::new()
        } else {
            format!("{to:.2}% {{ visibility: hidden }} ")
        };
        let _ = writeln!(
            css,
            "@keyframes f{n} {{ {before}{from:.2}% {{ visibility: visible }} {after}100% {{ visibility: {} }} }}\n#f{n} {{ animation-name: f{n} }}",
            if n + 1 == frames.len() {
                "visible"
            } else {
                "hidden"
            }
        );
        let _ = writeln!(body, "<g id=\"f{n}\">\n{}</g>", cells(screen, look));
        at += seconds;
    }
    format!(
        "{}{body}</svg>\n",
        head(first, look, &format!("<style>\n{css}</style>\n"))
    )
}

fn head(screen: &Screen, look: &Look, style: &str) -> String {
    let (rows, cols) = screen.size();
    let (rows, cols) = (rows.get(), cols.get());
    let (width, height) = (
        f32::from(cols) * CELL_W + 20.0,
        f32::from(rows) * CELL_H + 20.0,
    );
    let background = look.background;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"ui-monospace, \
         SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"14\">\n\
         {style}<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{background}\"/>\n"
    )
}

fn cells(screen: &Screen, look: &Look) -> String {
    let (rows, cols) = screen.size();
    let (rows, cols) = (rows.get(), cols.get());
    let mut out = String::new();
    for row in 0..rows {
        let mut col = 0;
        while col < cols {
            let Some(cell) = screen.cell(row, col) else {
                break;
            };
            let style = style(cell, look);
            let (start, mut text) = (col, String::new());
            // One run of cells that look alike.
            while let Some(next) = screen
                .cell(row, col)
                .filter(|c| col < cols && self::style(c, look) == style)
            {
                if !next.is_wide_continuation() {
                    text.push_str(if next.has_contents() {
                        next.contents()
                    } else {
                        " "
                    });
                }
                col += 1;
            }
            run(&mut out, row, start, col - start, &text, &style);
        }
    }
    out
}

#[derive(PartialEq)]
struct Style {
    foreground: String,
    background: Option<String>,
    bold: bool,
    dim: bool,
    underline: bool,
}

fn style(cell: &Cell, look: &Look) -> Style {
    let (mut foreground, mut background) = (color(cell.fgcolor()), color(cell.bgcolor()));
    if cell.inverse() {
        (foreground, background) = (
            background.or_else(|| Some(look.background.to_owned())),
            foreground.or_else(|| Some(look.foreground.to_owned())),
        );
    }
    Style {
        foreground: foreground.unwrap_or_else(|| look.foreground.to_owned()),
        background,
        bold: cell.bold(),
        dim: cell.dim(),
        underline: cell.underline(),
    }
}

fn run(out: &mut String, row: u16, start: u16, cells: u16, text: &str, style: &Style) {
    let (x, y) = (
        10.0 + f32::from(start) * CELL_W,
        10.0 + f32::from(row) * CELL_H,
    );
    let width = f32::from(cells) * CELL_W;
    if let Some(background) = &style.background {
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{CELL_H}\" fill=\"{background}\"/>"
        );
    }
    if text.trim().is_empty() {
        return;
    }
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let weight = if style.bold {
        " font-weight=\"bold\""
    } else {
        ""
    };
    let opacity = if style.dim { " opacity=\"0.6\"" } else { "" };
    let underline = if style.underline {
        " text-decoration=\"underline\""
    } else {
        ""
    };
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{width:.1}\" xml:space=\"preserve\" fill=\"{}\"{weight}{opacity}{underline}>{escaped}</text>",
        y + CELL_H * 0.75,
        style.foreground,
    );
}

/// `None` for the terminal's default.
fn color(color: Color) -> Option<String> {
    let (r, g, b) = match color {
        Color::Default => return None,
        Color::Rgb(r, g, b) => (r, g, b),
        Color::Idx(n) => indexed(n),
    };
    Some(format!("#{r:02x}{g:02x}{b:02x}"))
}

/// xterm's 256 colours: 16 named, a cube of 6 x 6 x 6, 24 greys.
fn indexed(n: u8) -> (u8, u8, u8) {
    const NAMED: [(u8, u8, u8); 16] = [
        (0x1d, 0x1f, 0x21),
        (0xcc, 0x66, 0x66),
        (0x98, 0xc3, 0x79),
        (0xe5, 0xc0, 0x7b),
        (0x61, 0xaf, 0xef),
        (0xc6, 0x78, 0xdd),
        (0x56, 0xb6, 0xc2),
        (0xc5, 0xc8, 0xc6),
        (0x7f, 0x84, 0x8e),
        (0xe0, 0x6c, 0x75),
        (0xa5, 0xe0, 0x75),
        (0xff, 0xd7, 0x7f),
        (0x7c, 0xc4, 0xff),
        (0xd6, 0x8c, 0xff),
        (0x70, 0xd8, 0xe0),
        (0xff, 0xff, 0xff),
    ];
    match n {
        0..=15 => NAMED[usize::from(n)],
        16..=231 => {
            let level = |v: u8| if v == 0 { 0 } else { 55 + 40 * v };
            let n = n - 16;
            (level(n / 36), level(n / 6 % 6), level(n % 6))
        }
        232..=255 => {
            let grey = 8 + 10 * (n - 232);
            (grey, grey, grey)
        }
    }
}
