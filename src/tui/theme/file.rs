//! A theme file as data, and what is wrong with one.
//!
//! Errors name the file, the line, the key and the nearest known key. Nothing here reads a disk.

use super::STYLES;
use super::depth::Background;
use ratatui::style::{Color, Modifier, Style};
use std::collections::BTreeMap;
use std::str::FromStr;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThemeError {
    #[error("there is no theme `{name}`; the nearest is `{nearest}`")]
    Unknown { name: String, nearest: String },
    #[error("{place}: {reason}")]
    File { place: String, reason: String },
}

/// What a file says; styles it does not name come from the theme it inherits.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ThemeFile {
    pub about: String,
    pub inherits: Option<String>,
    /// The background it is made for.
    pub background: Option<Background>,
    /// The theme that is shown instead on the other kind of background.
    pub counterpart: Option<String>,
    /// Its own background is drawn in any case.
    pub paint: bool,
    pub styles: BTreeMap<String, Style>,
    /// The styles where the terminal has 16 colours.
    pub ansi16: BTreeMap<String, Style>,
}

/// The keys of a theme file, for errors and the docs.
pub const KEYS: &[(&str, &str)] = &[
    ("about", "one line for the list of `/theme`"),
    (
        "inherits",
        "the theme that fills what this one leaves out; without it `dark`, or `light` for light backgrounds",
    ),
    (
        "background",
        "`dark` or `light`: the background it is made for; without it that of the inherited theme",
    ),
    (
        "counterpart",
        "the theme to show instead on the other kind of background",
    ),
    (
        "paint",
        "true: always draw the background of `screen`, else only where the terminal's own is of the other kind",
    ),
    ("styles", "a table of the styles"),
    (
        "ansi16",
        "a table of styles for terminals with 16 colours, which replace those of `styles` there",
    ),
];

/// The keys of a style.
pub const ATTRIBUTES: &[(&str, &str)] = &[
    (
        "fg",
        "colour of the text: `#rrggbb`, a number of the 256-colour palette, or a name such as `lightblue`",
    ),
    ("bg", "colour behind it"),
    ("bold", "true or false"),
    ("dim", "true or false"),
    ("italic", "true or false"),
    ("underline", "true or false"),
    ("reverse", "true swaps text and background"),
];

struct Reader<'t> {
    file: &'t str,
    text: &'t str,
}

type Table<'i> = DeTable<'i>;

impl ThemeFile {
    /// `file` is what errors call it.
    pub fn parse(file: &str, text: &str) -> Result<ThemeFile, ThemeError> {
        let reader = Reader { file, text };
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            reader.wrong(at, error.message())
        })?;
        let mut out = ThemeFile::default();
        for (key, value) in table.get_ref() {
            let at = key.span().start;
            let name: &str = key.get_ref();
            match name {
                "about" => out.about = reader.text(name, value)?,
                "inherits" => out.inherits = Some(reader.text(name, value)?),
                "counterpart" => out.counterpart = Some(reader.text(name, value)?),
                "background" => {
                    out.background = Some(match reader.text(name, value)?.as_str() {
                        "dark" => Background::Dark,
                        "light" => Background::Light,
                        other => {
                            let reason = format!("background is `dark` or `light`, not `{other}`");
                            return Err(reader.wrong(value.span().start, &reason));
                        }
                    });
                }
                "paint" => out.paint = reader.switch(name, value)?,
                "styles" => out.styles = reader.styles(name, value)?,
                "ansi16" => out.ansi16 = reader.styles(name, value)?,
                _ => return Err(reader.unknown(at, name, KEYS.iter().map(|(key, _)| *key))),
            }
        }
        Ok(out)
    }
}

impl Reader<'_> {
    fn wrong(&self, at: usize, reason: &str) -> ThemeError {
        let before = self.text.as_bytes().iter().take(at);
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        ThemeError::File {
            place: format!("{}, line {line}", self.file),
            reason: reason.trim_end().to_owned(),
        }
    }

    fn unknown<'k>(
        &self,
        at: usize,
        key: &str,
        known: impl Iterator<Item = &'k str>,
    ) -> ThemeError {
        let last = key.rsplit('.').next().unwrap_or(key);
        let nearest = nearest(last, known);
        self.wrong(
            at,
            &format!("there is no key `{key}`; the nearest is `{nearest}`"),
        )
    }

    fn text(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<String, ThemeError> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text.clone().into_owned()),
            _ => Err(self.wrong(
                value.span().start,
                &format!("`{key}` takes a text in quotes"),
            )),
        }
    }

    fn switch(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<bool, ThemeError> {
        match value.get_ref() {
            DeValue::Boolean(on) => Ok(*on),
            _ => Err(self.wrong(value.span().start, &format!("`{key}` is true or false"))),
        }
    }

    fn table<'v, 'i>(
        &self,
        key: &str,
        value: &'v Spanned<DeValue<'i>>,
    ) -> Result<&'v Table<'i>, ThemeError> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => {
                let reason =
                    format!("`{key}` is a table, e.g. {{ fg = \"#88c0d0\", bold = true }}");
                Err(self.wrong(value.span().start, &reason))
            }
        }
    }

    fn styles(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<BTreeMap<String, Style>, ThemeError> {
        let mut out = BTreeMap::new();
        for (name, value) in self.table(key, value)? {
            let full = format!("{key}.{}", name.get_ref());
            if !STYLES.iter().any(|row| row.name == *name.get_ref()) {
                let known = STYLES.iter().map(|row| row.name);
                return Err(self.unknown(name.span().start, &full, known));
            }
            let name: &str = name.get_ref();
            out.insert(name.to_owned(), self.style(&full, value)?);
        }
        Ok(out)
    }

    fn style(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Style, ThemeError> {
        let mut style = Style::default();
        for (name, value) in self.table(key, value)? {
            let full = format!("{key}.{}", name.get_ref());
            let attribute: &str = name.get_ref();
            let modifier = match attribute {
                "fg" => {
                    style.fg = Some(self.colour(&full, value)?);
                    continue;
                }
                "bg" => {
                    style.bg = Some(self.colour(&full, value)?);
                    continue;
                }
                "bold" => Modifier::BOLD,
                "dim" => Modifier::DIM,
                "italic" => Modifier::ITALIC,
                "underline" => Modifier::UNDERLINED,
                "reverse" => Modifier::REVERSED,
                _ => {
                    let known = ATTRIBUTES.iter().map(|(name, _)| *name);
                    return Err(self.unknown(name.span().start, &full, known));
                }
            };
            if self.switch(&full, value)? {
                style = style.add_modifier(modifier);
            }
        }
        Ok(style)
    }

    fn colour(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Color, ThemeError> {
        let text = match value.get_ref() {
            DeValue::Integer(number) => number.to_string(),
            _ => self.text(key, value)?,
        };
        Color::from_str(&text).map_err(|_unspecific| {
            let reason = format!(
                "`{key}`: `{text}` is no colour; write #rrggbb, a number from 0 to 255 or a name such as lightblue"
            );
            self.wrong(value.span().start, &reason)
        })
    }
}

/// The candidate that shares most letters in order with `word`.
pub fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> &'k str {
    let likeness = |known: &str| similar::TextDiff::from_chars(word, known).ratio();
    known
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .unwrap_or_default()
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
    fn a_file_is_read_as_it_is_written() {
        let text = "about = 'mine'\ninherits = 'light'\npaint = true\n[styles]\n\
                    diff_add = { fg = '#00ff00', bg = 22, bold = true }\n[ansi16.key]\nfg = 'lightblue'\n";
        let file = ThemeFile::parse("mine.toml", text).unwrap();
        assert_eq!((file.about.as_str(), file.paint), ("mine", true));
        assert_eq!(file.inherits.as_deref(), Some("light"));
        let style = Style::new()
            .fg(Color::Rgb(0, 255, 0))
            .bg(Color::Indexed(22))
            .add_modifier(Modifier::BOLD);
        assert_eq!(file.styles["diff_add"], style);
        assert_eq!(file.ansi16["key"], Style::new().fg(Color::LightBlue));
    }

    #[test]
    fn an_error_names_file_line_key_and_the_nearest() {
        let rows: &[(&str, &[&str])] = &[
            ("stiles = {}", &["line 1", "`stiles`", "`styles`"]),
            (
                "[styles]\n\ndiff_ad = {}",
                &["line 3", "`styles.diff_ad`", "`diff_add`"],
            ),
            (
                "[styles]\nkey = { bolt = true }",
                &["line 2", "`styles.key.bolt`", "`bold`"],
            ),
            (
                "[styles]\nkey = { fg = 'mauveish' }",
                &["line 2", "`styles.key.fg`", "mauveish", "#rrggbb"],
            ),
            ("[styles]\nkey = 3", &["line 2", "`styles.key`", "table"]),
            ("[styles.key]\nbold = 'yes'", &["line 2", "true or false"]),
            ("about = 1", &["line 1", "quotes"]),
            ("background = 'grey'", &["line 1", "`grey`", "`light`"]),
            ("[styles\n", &["line 1"]),
        ];
        for (text, parts) in rows {
            let message = ThemeFile::parse("themes/x.toml", text)
                .unwrap_err()
                .to_string();
            for part in parts.iter().chain(&["themes/x.toml"]) {
                assert!(message.contains(part), "{text:?}: {message} lacks {part}");
            }
        }
    }
}
