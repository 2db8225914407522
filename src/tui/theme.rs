//! Colours and text attributes by meaning, read from the TOML files in `themes/`.
//!
//! A theme names what a thing is (`diff_add`), never where it is drawn. The plain theme has no colour at
//! all, for `NO_COLOR` and dumb terminals; every meaning also has a sign or a word, so nothing is lost.

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::str::FromStr;

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ThemeName {
    /// From `COLORFGBG` or what the terminal says its background is.
    #[default]
    Auto,
    Dark,
    Light,
    /// The terminal's own 16 colours.
    Ansi16,
    /// No colour.
    Plain,
}

impl FromStr for ThemeName {
    type Err = ThemeError;

    fn from_str(text: &str) -> Result<Self, ThemeError> {
        match text {
            "auto" => Ok(ThemeName::Auto),
            "dark" => Ok(ThemeName::Dark),
            "light" => Ok(ThemeName::Light),
            "ansi16" => Ok(ThemeName::Ansi16),
            "plain" => Ok(ThemeName::Plain),
            _ => Err(ThemeError::Unknown(text.to_owned())),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ThemeError {
    #[error("there is no theme `{0}`\n  choose auto, dark, light, ansi16 or plain")]
    Unknown(String),
    #[error(
        "the theme file is not valid: {0}\n  this is a bug in Descant; --color never works without it"
    )]
    Syntax(#[from] toml::de::Error),
    #[error(
        "the theme gives `{style}` the colour `{colour}`, which is none\n  use a name, an index 0-255 or #rrggbb"
    )]
    Colour { style: String, colour: String },
    #[error(
        "the theme lacks the style `{0}`\n  this is a bug in Descant; --color never works without it"
    )]
    Missing(&'static str),
    #[error("the theme has a style `{0}` that nothing uses\n  this is a bug in Descant; remove it")]
    Unused(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ThemeFile {
    styles: BTreeMap<String, StyleSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StyleSpec {
    fg: Option<String>,
    bg: Option<String>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    reverse: bool,
}

macro_rules! theme {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// The styles, by meaning.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Theme {
            /// Marks that colour would carry (backticks of code) stay in the text.
            pub plain: bool,
            $($(#[$doc])* pub $name: Style,)*
        }

        impl Theme {
            fn from_styles(mut styles: BTreeMap<String, Style>) -> Result<Theme, ThemeError> {
                let theme = Theme {
                    plain: false,
                    $($name: styles.remove(stringify!($name)).ok_or(ThemeError::Missing(stringify!($name)))?,)*
                };
                match styles.into_keys().next() {
                    Some(unused) => Err(ThemeError::Unused(unused)),
                    None => Ok(theme),
                }
            }

            fn without_colour(style: Style) -> Theme {
                Theme { plain: true, $($name: style,)* }
            }
        }
    };
}

theme! {
    text, dim, heading, strong, emphasis, code, link,
    /// What the user said.
    prompt,
    reasoning,
    /// The focused pane's rule.
    focus, rule,
    ok, warn, error,
    tool, output,
    diff_add, diff_remove, diff_context, diff_header,
    /// The changed words within a changed line.
    diff_add_word, diff_remove_word,
    line_number,
    /// Code in diffs, by [`super::syntax::Token`].
    syntax_comment, syntax_constant, syntax_function, syntax_keyword, syntax_string, syntax_type,
    status, status_strong,
    /// A key in a hint.
    key,
    selected, popup,
}

impl Theme {
    pub fn parse(text: &str) -> Result<Theme, ThemeError> {
        let file: ThemeFile = toml::from_str(text)?;
        let mut styles = BTreeMap::new();
        for (name, spec) in file.styles {
            let style = spec.style(&name)?;
            styles.insert(name, style);
        }
        Theme::from_styles(styles)
    }

    /// An embedded theme; `Auto` is dark until the terminal is known.
    pub fn named(name: ThemeName) -> Result<Theme, ThemeError> {
        match name {
            ThemeName::Auto | ThemeName::Dark => {
                Theme::parse(include_str!("../../themes/dark.toml"))
            }
            ThemeName::Light => Theme::parse(include_str!("../../themes/light.toml")),
            ThemeName::Ansi16 => Theme::parse(include_str!("../../themes/ansi16.toml")),
            ThemeName::Plain => Ok(Theme::plain()),
        }
    }

    /// No colour. What must stand out does so by weight, which `NO_COLOR` allows.
    pub fn plain() -> Theme {
        let none = Style::default();
        let bold = none.add_modifier(Modifier::BOLD);
        let reverse = none.add_modifier(Modifier::REVERSED);
        Theme {
            heading: bold,
            strong: bold,
            prompt: bold,
            focus: bold,
            error: bold,
            tool: bold,
            diff_add_word: bold,
            diff_remove_word: bold,
            diff_header: bold,
            status_strong: bold,
            key: bold,
            selected: reverse,
            ..Theme::without_colour(none)
        }
    }
}

impl StyleSpec {
    fn style(&self, name: &str) -> Result<Style, ThemeError> {
        let colour = |text: &Option<String>| -> Result<Option<Color>, ThemeError> {
            match text {
                None => Ok(None),
                Some(text) => {
                    Color::from_str(text)
                        .map(Some)
                        .map_err(|_unspecific| ThemeError::Colour {
                            style: name.to_owned(),
                            colour: text.clone(),
                        })
                }
            }
        };
        let mut style = Style {
            fg: colour(&self.fg)?,
            bg: colour(&self.bg)?,
            ..Style::default()
        };
        for (on, modifier) in [
            (self.bold, Modifier::BOLD),
            (self.dim, Modifier::DIM),
            (self.italic, Modifier::ITALIC),
            (self.underline, Modifier::UNDERLINED),
            (self.reverse, Modifier::REVERSED),
        ] {
            if on {
                style = style.add_modifier(modifier);
            }
        }
        Ok(style)
    }
}

/// What the environment says about colour; read once, at start-up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColourHints {
    pub no_color: bool,
    pub term: String,
    pub colorterm: String,
    pub colorfgbg: Option<String>,
}

impl ColourHints {
    /// The theme to start with, and whether asking the terminal for its background could change it.
    pub fn resolve(&self, asked: ThemeName) -> (ThemeName, bool) {
        if self.no_color || self.term == "dumb" {
            return (ThemeName::Plain, false);
        }
        if asked != ThemeName::Auto {
            return (asked, false);
        }
        // The built-in themes use the 256-colour palette.
        let many = self.term.contains("256color")
            || self.term.contains("direct")
            || !self.colorterm.is_empty()
            || ["alacritty", "ghostty", "kitty", "foot"]
                .iter()
                .any(|t| self.term.contains(t));
        if !many {
            return (ThemeName::Ansi16, false);
        }
        match self.colorfgbg.as_deref().and_then(background_is_light) {
            Some(true) => (ThemeName::Light, false),
            Some(false) => (ThemeName::Dark, false),
            None => (ThemeName::Dark, true),
        }
    }
}

/// `COLORFGBG` is `fg;bg` or `fg;other;bg` with palette indices; 7 and 9 to 15 are light.
fn background_is_light(colorfgbg: &str) -> Option<bool> {
    let index: u8 = colorfgbg.rsplit(';').next()?.parse().ok()?;
    Some(index == 7 || (9..=15).contains(&index))
}

/// The theme for the payload of an OSC 11 reply, `rgb:1e1e/1e1e/1e1e`; by relative luminance.
pub fn theme_for_background(reply: &str) -> Option<ThemeName> {
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
        ThemeName::Light
    } else {
        ThemeName::Dark
    })
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
    fn every_embedded_theme_is_complete() {
        for name in [
            ThemeName::Dark,
            ThemeName::Light,
            ThemeName::Ansi16,
            ThemeName::Plain,
        ] {
            let theme = Theme::named(name).unwrap_or_else(|e| panic!("{name:?}: {e}"));
            assert_ne!(
                theme.diff_add_word, theme.diff_add,
                "{name:?}: changed words stand out"
            );
        }
    }

    #[test]
    fn plain_has_no_colour() {
        assert!(
            !format!("{:?}", Theme::plain()).contains("Some"),
            "no fg or bg is set"
        );
    }

    #[test]
    fn errors_name_the_style() {
        let missing = Theme::parse("[styles]\ntext = {}").unwrap_err().to_string();
        assert!(missing.contains("`dim`"), "{missing}");
        let colour = Theme::parse("[styles]\ntext = { fg = 'mauveish' }")
            .unwrap_err()
            .to_string();
        assert!(
            colour.contains("`text`") && colour.contains("mauveish"),
            "{colour}"
        );
    }

    #[test]
    fn start_theme() {
        let hints = |no_color, term: &str, colorterm: &str, fgbg: Option<&str>| ColourHints {
            no_color,
            term: term.into(),
            colorterm: colorterm.into(),
            colorfgbg: fgbg.map(Into::into),
        };
        use ThemeName::*;
        let rows = [
            (
                hints(true, "xterm-256color", "", None),
                Dark,
                (Plain, false),
            ),
            (hints(false, "dumb", "", None), Light, (Plain, false)),
            (hints(false, "xterm-256color", "", None), Auto, (Dark, true)),
            (
                hints(false, "xterm-256color", "", Some("0;15")),
                Auto,
                (Light, false),
            ),
            (
                hints(false, "xterm-256color", "", Some("15;default;0")),
                Auto,
                (Dark, false),
            ),
            (hints(false, "linux", "", None), Auto, (Ansi16, false)),
            (hints(false, "linux", "", None), Light, (Light, false)),
        ];
        for (hints, asked, expected) in rows {
            assert_eq!(hints.resolve(asked), expected, "{hints:?}");
        }
    }

    #[test]
    fn background_replies() {
        assert_eq!(
            theme_for_background("rgb:1e1e/1e1e/1e1e"),
            Some(ThemeName::Dark)
        );
        assert_eq!(
            theme_for_background("rgb:ffff/fafa/f0f0"),
            Some(ThemeName::Light)
        );
        assert_eq!(theme_for_background("rgb:ff/ff/ff"), Some(ThemeName::Light));
        assert_eq!(theme_for_background("rgb:///"), None);
        assert_eq!(theme_for_background("#123456"), None);
    }
}
