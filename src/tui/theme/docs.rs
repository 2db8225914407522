//! `docs/themes.md`, from the tables of styles, keys and built-in themes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use super::STYLES;
use super::catalogue::BUILT_IN;
use super::file::{ATTRIBUTES, KEYS, ThemeFile};
use std::path::Path;

fn page() -> String {
    let mut out = String::from(
        "# Themes\n\n\
         The tables here are written by a test from those in `src/tui/theme.rs` and `src/tui/theme/`; run the tests\n\
         with `DESCANT_BLESS=1` to write the page again.\n\n\
         `/theme` opens the list: Up and Down show each theme on the whole screen at once, Enter keeps one for the\n\
         session, `w` writes it to `config.toml` (comments stay), Esc goes back. `/theme NAME` chooses one at once.\n\
         In `config.toml` it is `theme = \"NAME\"`. A theme that does not exist or has a mistake never stops Descant: it\n\
         says so and starts as with `auto`.\n\n\
         | theme | what it is |\n|---|---|\n\
         | `auto` | `dark` or `light`, by what the terminal says its background is (OSC 11, else `COLORFGBG`, else dark) |\n",
    );
    for (name, text) in BUILT_IN {
        let about = ThemeFile::parse(name, text).unwrap().about;
        out.push_str(&format!("| `{name}` | {about} |\n"));
    }
    out.push_str(
        "| `plain` | no colours: weight, signs and words say the same |\n\n\
         A theme that has a counterpart gives way to it on the other kind of background: `colour-blind` shows\n\
         `colour-blind-light` on a light terminal. One that has none brings its own background there.\n\n\
         ## Colours of the terminal\n\n\
         | colours | where | what is shown |\n|---|---|---|\n\
         | 16 million | `COLORTERM` is `truecolor` or `24bit`; a `TERM` or `TERM_PROGRAM` that is known for it; Windows Terminal | the theme |\n\
         | 256 | `TERM` has `256color`; tmux | the nearest colours of the palette (Oklab) |\n\
         | 16 | the Linux console, GNU screen and every other `TERM` | the theme's table `ansi16`, else the styles of `ansi16` or `ansi16-light` |\n\
         | none | `NO_COLOR`, `--color never`, `TERM=dumb` or a monochrome one | `plain` |\n\n\
         GNU screen does not pass true colour on, so `COLORTERM` does not count inside it. `NO_COLOR` keeps every sign:\n\
         `+` and `-`, words for outcomes, bold. Where the locale names another character set than UTF-8, lines and signs\n\
         are drawn with ASCII characters.\n\n\
         Every text style of a built-in theme has a contrast of at least 4.5 to 1 (WCAG 2) on every background it is drawn\n\
         on, in 16 million, 256 and 16 colours, on common terminal backgrounds; the high-contrast themes 7 to 1 with 256 or more. In the\n\
         colour-blind themes added and removed stay far apart for deuteranopes and protanopes, by simulation. Tests compute both.\n\n\
         ## A theme of your own\n\n\
         `themes/NAME.toml` in the folder of `config.toml`:\n\n\
         ```toml\n\
         about = \"dark, with orange keys\"\n\
         inherits = \"dark\"\n\n\
         [styles]\n\
         key = { fg = \"#ffb454\", bold = true }\n\
         ```\n\n\
         A style that is named is replaced as a whole; `{}` is the terminal's own colours. `/theme` reads the files again\n\
         each time it opens. A mistake is named with its file, line, key and the nearest known key.\n\n\
         | key | what it is |\n|---|---|\n",
    );
    for (key, doc) in KEYS {
        out.push_str(&format!("| `{key}` | {doc} |\n"));
    }
    out.push_str("\nA style has:\n\n| key | what it is |\n|---|---|\n");
    for (key, doc) in ATTRIBUTES {
        out.push_str(&format!("| `{key}` | {doc} |\n"));
    }
    out.push_str("\nThe styles:\n\n| style | what it is for | drawn on |\n|---|---|---|\n");
    for row in STYLES {
        let over: Vec<String> = row.over.iter().map(|name| format!(", `{name}`")).collect();
        let on = match row.name {
            "screen" => String::new(),
            _ => format!("the screen{}", over.concat()),
        };
        out.push_str(&format!("| `{}` | {} | {on} |\n", row.name, row.doc));
    }
    out
}

#[test]
fn the_page_of_themes_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/themes.md");
    if std::env::var_os("DESCANT_BLESS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == page(),
        "docs/themes.md is not what the tables say: run the tests with DESCANT_BLESS=1"
    );
}
