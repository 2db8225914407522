//! Links in what the model wrote, as the terminal's own (OSC 8).
//!
//! Model text never holds an escape sequence: a link is a number in [`Links`], carried by its cells as the colour
//! of their underline, which no theme uses. So layout, clipping and ratatui's difference of frames count no cell
//! wrongly, and [`super::wire`] alone writes the sequence, around the cells. Only addresses that [`address`]
//! lets through get a number; the rest stay text.

use ratatui::style::{Color, Style};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Terminals cut or refuse longer ones.
pub const LONGEST: usize = 2000;
/// What a colour has room for.
const MOST: usize = 0xff_ffff;

/// The addresses on screen; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Links(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    numbers: HashMap<Arc<str>, u32>,
    addresses: Vec<Arc<str>>,
}

impl Links {
    /// `style` for text that leads to `target`; unchanged where a terminal must not be sent it.
    pub fn link(&self, style: Style, target: &str) -> Style {
        let Some(address) = address(target) else {
            return style;
        };
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = match table.numbers.get(address.as_ref()) {
            Some(number) => *number,
            None if table.addresses.len() >= MOST => return style,
            None => {
                let address: Arc<str> = address.into();
                let number = u32::try_from(table.addresses.len()).unwrap_or(u32::MAX);
                table.addresses.push(Arc::clone(&address));
                table.numbers.insert(address, number);
                number
            }
        };
        style.underline_color(Color::from_u32(number))
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.addresses.len()
    }

    pub(super) fn at(&self, number: u32) -> Option<Arc<str>> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.addresses.get(usize::try_from(number).ok()?).cloned()
    }
}

/// The number a cell carries.
pub(super) fn number(underline: Color) -> Option<u32> {
    match underline {
        Color::Rgb(red, green, blue) => Some(u32::from_be_bytes([0, red, green, blue])),
        _ => None,
    }
}

/// `target` as it may be given to a terminal: an absolute address on the web, of mail or of a file here, in printable
/// ASCII. What is not ASCII is percent-encoded; a control character or a space makes it none.
pub fn address(target: &str) -> Option<Cow<'_, str>> {
    let (scheme, rest) = target.split_once(':')?;
    let known = match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => rest.strip_prefix("//").is_some_and(|host| {
            host.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '[' | '_'))
        }),
        "mailto" => rest.contains('@'),
        "file" => rest.starts_with("///"),
        _ => false,
    };
    let clean = |c: char| !c.is_control() && !c.is_whitespace() && !crate::text::is_unsafe(c);
    if !known || target.len() > LONGEST || !target.chars().all(clean) {
        return None;
    }
    if target.is_ascii() {
        return Some(Cow::Borrowed(target));
    }
    let mut out = String::with_capacity(target.len() * 2);
    for byte in target.bytes() {
        if byte.is_ascii() {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Some(Cow::Owned(out))
}

/// Whether a terminal can be sent links, by `TERM` and whether this is tmux (which passes them on or drops them).
/// The Linux console, GNU screen and old terminals print parts of a sequence they do not know.
pub fn supported(term: &str, tmux: bool) -> bool {
    const NOT: &[&str] = &[
        "linux", "dumb", "vt", "screen", "cons", "ansi", "eterm", "cygwin", "unknown",
    ];
    tmux || !(term.is_empty() || NOT.iter().any(|name| term.starts_with(name)))
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
    fn only_clean_absolute_addresses_of_known_kinds_are_links() {
        for (target, expected) in [
            (
                "https://example.org/a?b=c#d",
                Some("https://example.org/a?b=c#d"),
            ),
            ("HTTP://example.org", Some("HTTP://example.org")),
            ("mailto:a@b.org", Some("mailto:a@b.org")),
            ("file:///etc/hosts", Some("file:///etc/hosts")),
            (
                "https://de.wikipedia.org/wiki/Köln",
                Some("https://de.wikipedia.org/wiki/K%C3%B6ln"),
            ),
            ("file://server/share", None),
            ("file:relative", None),
            ("javascript:alert(1)", None),
            ("vscode://file/x", None),
            ("ssh://host", None),
            ("//host/path", None),
            ("src/main.rs", None),
            ("https://", None),
            ("https:///x", None),
            ("https://a\u{1b}]8;;evil\u{7}", None),
            ("https://a\u{9c}b", None),
            ("https://a\u{202e}b", None),
            ("https://a b", None),
            ("mailto:", None),
        ] {
            assert_eq!(address(target).as_deref(), expected, "{target:?}");
        }
        assert_eq!(address(&format!("https://a/{}", "x".repeat(LONGEST))), None);
    }

    #[test]
    fn an_address_has_one_number_and_keeps_the_rest_of_the_style() {
        let links = Links::default();
        let bold = Style::new().bold();
        let first = links.link(bold, "https://a.org");
        let second = links.link(bold, "https://b.org");
        assert_eq!(links.link(bold, "https://a.org"), first);
        assert_ne!(first, second);
        assert_eq!(links.link(bold, "javascript:x"), bold);
        let number = number(second.underline_color.unwrap()).unwrap();
        assert_eq!(links.at(number).as_deref(), Some("https://b.org"));
    }

    #[test]
    fn terminals() {
        for (term, tmux, expected) in [
            ("xterm-256color", false, true),
            ("tmux-256color", true, true),
            ("screen-256color", true, true),
            ("screen-256color", false, false),
            ("linux", false, false),
            ("dumb", false, false),
            ("", false, false),
            ("foot", false, true),
        ] {
            assert_eq!(supported(term, tmux), expected, "{term} {tmux}");
        }
    }
}
