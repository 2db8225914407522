//! The themes there are, and which one is shown: what was chosen, on what background, with how many colours.

use super::depth::{Background, Depth, in_palette, with_hue};
use super::file::{ThemeError, ThemeFile, nearest};
use super::{STYLES, Theme};
use ratatui::style::{Color, Style};
use std::collections::BTreeMap;

/// The built-in themes, in the order of the list.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("dark", include_str!("../../../themes/dark.toml")),
    ("light", include_str!("../../../themes/light.toml")),
    (
        "high-contrast",
        include_str!("../../../themes/high-contrast.toml"),
    ),
    (
        "high-contrast-light",
        include_str!("../../../themes/high-contrast-light.toml"),
    ),
    (
        "colour-blind",
        include_str!("../../../themes/colour-blind.toml"),
    ),
    (
        "colour-blind-light",
        include_str!("../../../themes/colour-blind-light.toml"),
    ),
    ("ansi16", include_str!("../../../themes/ansi16.toml")),
    (
        "ansi16-light",
        include_str!("../../../themes/ansi16-light.toml"),
    ),
];

/// From the terminal's background.
pub const AUTO: &str = "auto";
/// No colour.
pub const PLAIN: &str = "plain";

/// A theme by its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub name: String,
    pub file: Result<ThemeFile, ThemeError>,
    /// A file of the user's.
    pub own: bool,
}

/// A theme file of the user's as it was found: its name, what errors call it, and its text or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFile {
    pub name: String,
    pub path: String,
    pub text: Result<String, String>,
}

#[derive(Debug, Clone)]
pub struct Themes {
    entries: Vec<Entry>,
    pub depth: Depth,
    /// `None` until the terminal is known; then dark is assumed.
    pub background: Option<Background>,
    /// A name of the list, or [`AUTO`].
    pub chosen: String,
}

impl Themes {
    pub fn new(depth: Depth, background: Option<Background>, chosen: &str) -> Themes {
        let built_in = BUILT_IN.iter().map(|(name, text)| Entry {
            name: (*name).to_owned(),
            file: ThemeFile::parse(name, text),
            own: false,
        });
        Themes {
            entries: built_in.collect(),
            depth,
            background,
            chosen: chosen.to_owned(),
        }
    }

    /// A terminal with all colours and this theme.
    pub fn fixed(name: &str) -> Themes {
        Themes::new(Depth::TrueColour, None, name)
    }

    /// Takes the user's files in; one with a built-in name replaces it.
    pub fn read(&mut self, files: Vec<UserFile>) {
        let keep = |entry: &Entry| !entry.own;
        let mut entries = Themes::fixed(AUTO).entries;
        entries.retain(keep);
        for found in files {
            let file = match &found.text {
                Ok(text) => ThemeFile::parse(&found.path, text),
                Err(reason) => Err(ThemeError::File {
                    place: found.path.clone(),
                    reason: reason.clone(),
                }),
            };
            let entry = Entry {
                name: found.name,
                file,
                own: true,
            };
            match entries.iter_mut().find(|known| known.name == entry.name) {
                Some(known) => *known = entry,
                None => entries.push(entry),
            }
        }
        self.entries = entries;
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Every name that can be chosen.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let own = self.entries.iter().map(|entry| entry.name.as_str());
        [AUTO].into_iter().chain(own).chain([PLAIN])
    }

    /// What is shown, and what is wrong with what was chosen: then it is as if nothing had been.
    pub fn current(&self) -> (Theme, Option<ThemeError>) {
        match self.theme(&self.chosen) {
            Ok(theme) => (theme, None),
            Err(error) => (
                self.theme(AUTO).unwrap_or_else(|_| Theme::plain()),
                Some(error),
            ),
        }
    }

    /// A theme as this terminal shows it.
    ///
    /// # Errors
    /// When there is none of that name, or its file is wrong.
    pub fn theme(&self, name: &str) -> Result<Theme, ThemeError> {
        if name == PLAIN {
            return Ok(Theme::plain());
        }
        let background = self.background.unwrap_or_default();
        let name = match (name, background) {
            (AUTO, Background::Dark) => "dark",
            (AUTO, Background::Light) => "light",
            (name, _) => name,
        };
        let mut whole = self.whole(name, &mut Vec::new())?;
        if whole.background != background
            && let Some(counterpart) = whole.counterpart.take()
        {
            whole = self.whole(&counterpart, &mut vec![name.to_owned()])?;
        }
        let painted = whole.paint || whole.background != background;
        let styles = match self.depth {
            Depth::NoColour => return Ok(Theme::plain()),
            Depth::TrueColour => whole.styles,
            Depth::Palette => in_256(whole.styles),
            Depth::Sixteen => self.sixteen(whole)?,
        };
        let mut theme = Theme {
            painted,
            ..Theme::default()
        };
        for row in STYLES {
            if let Some(style) = styles.get(row.name) {
                (row.set)(&mut theme, *style);
            }
        }
        Ok(theme)
    }

    /// The theme's own styles for 16 colours, else those of the theme that is made of them.
    fn sixteen(&self, whole: Whole) -> Result<BTreeMap<String, Style>, ThemeError> {
        let base = match whole.background {
            Background::Dark => "ansi16",
            Background::Light => "ansi16-light",
        };
        // Never a file of the user's, which may want more colours.
        let mut styles = Themes::fixed(base).whole(base, &mut Vec::new())?.styles;
        styles.extend(whole.ansi16);
        Ok(styles)
    }

    /// The theme with what it inherits.
    fn whole(&self, name: &str, inside: &mut Vec<String>) -> Result<Whole, ThemeError> {
        let Some(entry) = self.entries.iter().find(|entry| entry.name == name) else {
            return Err(ThemeError::Unknown {
                name: name.to_owned(),
                nearest: nearest(name, self.names()).to_owned(),
            });
        };
        let file = entry.file.clone()?;
        if inside.iter().any(|seen| seen == name) {
            return Err(ThemeError::File {
                place: format!("themes/{name}.toml"),
                reason: format!("{} inherit each other", inside.join(" and ")),
            });
        }
        inside.push(name.to_owned());
        let base = match (&file.inherits, file.background) {
            (Some(base), _) => Some(base.as_str()),
            (None, _) if !entry.own => None,
            // A file that replaces a built-in theme builds on the other one's kind, not on itself.
            (None, Some(Background::Light)) => Some("light"),
            (None, _) => Some("dark"),
        };
        let mut out = match base {
            // `inherits = "dark"` in the user's own dark.toml means the built-in one.
            Some(base) if base == name => Themes::fixed(base).whole(base, &mut Vec::new())?,
            Some(base) => {
                let mut base = self.whole(base, inside)?;
                base.counterpart = None;
                base
            }
            None => Whole::default(),
        };
        // A theme that chooses a colour chooses it for 16 colours only where it says so.
        out.background = file.background.unwrap_or(out.background);
        out.counterpart = file.counterpart.or(out.counterpart);
        out.paint |= file.paint;
        out.styles.extend(file.styles);
        out.ansi16.extend(file.ansi16);
        Ok(out)
    }
}

#[derive(Debug, Default)]
struct Whole {
    background: Background,
    counterpart: Option<String>,
    paint: bool,
    styles: BTreeMap<String, Style>,
    ansi16: BTreeMap<String, Style>,
}

/// Styles for 256 colours. What comes and what goes stay apart where the palette has one grey for both.
fn in_256(styles: BTreeMap<String, Style>) -> BTreeMap<String, Style> {
    const PAIR: [&str; 2] = ["diff_add", "diff_remove"];
    let reduced = |(name, style): (&String, &Style)| (name.clone(), in_palette(*style));
    let mut out: BTreeMap<String, Style> = styles.iter().map(reduced).collect();
    let background = |name: &str| out.get(name).and_then(|style| style.bg);
    let [add, remove] = PAIR.map(background);
    if add.is_none() || add != remove {
        return out;
    }
    let code = |name: &String| name.starts_with("syntax_");
    let tokens: Vec<Color> = out
        .iter()
        .filter(|(name, _)| code(name))
        .filter_map(|(_, style)| style.fg)
        .collect();
    for name in PAIR {
        let (Some(own), Some(style)) = (styles.get(name), out.get_mut(name)) else {
            continue;
        };
        let mut texts = tokens.clone();
        texts.extend(style.fg);
        if let Some(colour) = own.bg.and_then(|colour| with_hue(colour, &texts)) {
            style.bg = Some(colour);
        }
    }
    out
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
    use ratatui::style::Color;

    fn own(name: &str, text: &str) -> UserFile {
        UserFile {
            name: name.into(),
            path: format!("/c/themes/{name}.toml"),
            text: Ok(text.into()),
        }
    }

    #[test]
    fn every_built_in_theme_is_complete() {
        for (name, text) in BUILT_IN {
            let file = ThemeFile::parse(name, text).unwrap();
            assert!(!file.about.is_empty(), "{name} says what it is for");
            assert!(file.background.is_some(), "{name} names its background");
            let whole = Themes::fixed(name).whole(name, &mut Vec::new()).unwrap();
            for row in STYLES {
                assert!(whole.styles.contains_key(row.name), "{name}: {}", row.name);
            }
            let counterpart = file.counterpart.as_deref().unwrap_or("dark");
            assert!(BUILT_IN.iter().any(|(name, _)| *name == counterpart));
            let theme = Theme::named(name).unwrap();
            assert_ne!(theme.diff_add_word, theme.diff_add, "{name}: changed words");
        }
    }

    #[test]
    fn plain_has_no_colour() {
        for themes in [
            Themes::fixed(PLAIN),
            Themes::new(Depth::NoColour, None, "dark"),
        ] {
            let (theme, error) = themes.current();
            assert_eq!((theme, error), (Theme::plain(), None));
        }
        for row in STYLES {
            let style = (row.get)(&Theme::plain());
            assert_eq!((style.fg, style.bg), (None, None), "{}", row.name);
        }
    }

    #[test]
    fn the_background_chooses_and_a_theme_for_the_other_kind_paints_its_own() {
        use Background::{Dark, Light};
        let rows = [
            (AUTO, Some(Dark), "dark", false),
            (AUTO, None, "dark", false),
            (AUTO, Some(Light), "light", false),
            ("dark", Some(Light), "dark", true),
            ("light", None, "light", true),
            ("light", Some(Light), "light", false),
            ("colour-blind", Some(Light), "colour-blind-light", false),
            ("colour-blind-light", Some(Dark), "colour-blind", false),
            ("high-contrast", Some(Dark), "high-contrast", true),
        ];
        for (chosen, background, shown, painted) in rows {
            let mut themes = Themes::fixed(chosen);
            themes.background = background;
            let (theme, error) = themes.current();
            assert_eq!(error, None);
            let mut there = Themes::fixed(shown);
            there.background = there
                .whole(shown, &mut Vec::new())
                .ok()
                .map(|w| w.background);
            let expected = Theme {
                painted,
                ..there.theme(shown).unwrap()
            };
            assert_eq!(theme, expected, "{chosen} on {background:?}");
        }
    }

    #[test]
    fn fewer_colours_are_the_nearest_and_of_sixteen_the_theme_says_which() {
        let mut themes = Themes::fixed("colour-blind");
        themes.depth = Depth::Palette;
        let (theme, _) = themes.current();
        let rgb = |style: Style| matches!(style.fg, Some(Color::Rgb(..)));
        assert!(STYLES.iter().all(|row| !rgb((row.get)(&theme))));
        themes.depth = Depth::Sixteen;
        let (theme, _) = themes.current();
        for row in STYLES {
            let style = (row.get)(&theme);
            for colour in [style.fg, style.bg].into_iter().flatten() {
                let many = matches!(colour, Color::Rgb(..) | Color::Indexed(_));
                assert!(!many, "{}: {colour}", row.name);
            }
        }
        let plain16 = {
            let mut themes = Themes::fixed("ansi16");
            themes.depth = Depth::Sixteen;
            themes.current().0
        };
        assert_ne!(theme.diff_remove, plain16.diff_remove, "its own mapping");
        assert_eq!(theme.heading, plain16.heading, "else that of ansi16");
    }

    #[test]
    fn a_theme_of_the_users_inherits_and_a_bad_one_falls_back() {
        let mut themes = Themes::fixed("mine");
        themes.read(vec![
            own("mine", "inherits = 'light'\n[styles]\nkey = { fg = 'red' }"),
            own("bare", "[styles]\nkey = { fg = 'red' }"),
            own("dark", "inherits = 'dark'\n[styles]\nkey = { fg = 'red' }"),
            own("bad", "[styles]\nkee = {}"),
            own("a", "inherits = 'b'"),
            own("b", "inherits = 'a'"),
        ]);
        let red = Style::new().fg(Color::Red);
        let light = Theme::named("light").unwrap();
        let (mine, error) = themes.current();
        assert_eq!((mine.key, mine.heading, error), (red, light.heading, None));
        for name in ["bare", "dark"] {
            let theme = themes.theme(name).unwrap();
            let dark = Theme::named("dark").unwrap();
            assert_eq!((theme.key, theme.heading), (red, dark.heading), "{name}");
        }
        for (name, parts) in [
            ("bad", &["/c/themes/bad.toml, line 2", "`key`"][..]),
            ("a", &["inherit each other"]),
            ("mint", &["`mint`", "`mine`"]),
        ] {
            themes.chosen = name.into();
            let (theme, error) = themes.current();
            let message = error.unwrap().to_string();
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
            assert_eq!(theme, themes.theme(AUTO).unwrap(), "{name}");
        }
    }
}
