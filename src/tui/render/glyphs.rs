//! Signs for terminals whose character set is not Unicode: the screen as ASCII, cell by cell.

use crate::tui::render::wrap;
use ratatui::buffer::Buffer;

/// What a locale says: `LC_ALL`, else `LC_CTYPE`, else `LANG`. One that is not set at all says nothing, and terminals
/// of today speak UTF-8.
pub fn is_ascii_only(get: impl Fn(&str) -> Option<String>) -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(get)
        .find(|value| !value.is_empty())
        .is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            !locale.contains("utf-8") && !locale.contains("utf8")
        })
}

/// Every cell as one ASCII character that means about the same.
pub fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if cell.symbol().is_ascii() {
            continue;
        }
        let symbol = cell.symbol().to_owned();
        let mut sign = symbol.chars().next().map_or(" ", sign).to_owned();
        // A wide character leaves the cell beside it to nobody.
        sign.push_str(&" ".repeat(wrap::width(&symbol).saturating_sub(1)));
        cell.set_symbol(&sign);
    }
}

fn sign(c: char) -> &'static str {
    match c {
        '\u{2500}' | '\u{2501}' | '\u{2504}' | '\u{2508}' | '\u{2550}' | '\u{2013}'
        | '\u{2014}' => "-",
        '\u{2502}' | '\u{2503}' | '\u{2506}' | '\u{250a}' | '\u{2551}' => "|",
        '\u{250c}'..='\u{254b}' | '\u{2552}'..='\u{2570}' => "+",
        '\u{203a}' | '\u{2192}' | '\u{25b8}' | '\u{25b6}' | '\u{bb}' => ">",
        '\u{2039}' | '\u{2190}' | '\u{25c2}' | '\u{ab}' => "<",
        '\u{2191}' | '\u{25b4}' | '\u{25b2}' => "^",
        '\u{2193}' | '\u{25be}' | '\u{25bc}' => "v",
        '\u{b7}' | '\u{2026}' => ".",
        '\u{2022}' | '\u{25cf}' | '\u{25cb}' | '\u{25e6}' => "*",
        '\u{2713}' | '\u{2714}' => "y",
        '\u{2717}' | '\u{2718}' | '\u{d7}' => "x",
        '\u{2018}' | '\u{2019}' => "'",
        '\u{201c}' | '\u{201d}' => "\"",
        '\u{2580}'..='\u{259f}' => "#",
        '\u{a0}' => " ",
        _ => "?",
    }
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
    fn locales() {
        for (variables, ascii) in [
            (&[][..], false),
            (&[("LANG", "C.UTF-8")], false),
            (&[("LANG", "de_DE.utf8")], false),
            (&[("LANG", "de_DE.ISO-8859-15")], true),
            (&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")], true),
            (&[("LANG", "C"), ("LC_CTYPE", "UTF-8")], false),
            (&[("LANG", "POSIX"), ("LC_ALL", "")], true),
        ] {
            let get = |name: &str| {
                let found = variables.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(is_ascii_only(get), ascii, "{variables:?}");
        }
    }

    #[test]
    fn a_row_keeps_its_width() {
        let mut buffer = Buffer::with_lines(["› a │ 漢x … ✓ é"]);
        let width = buffer.area.width;
        to_ascii(&mut buffer);
        let row: String = buffer.content.iter().map(|cell| cell.symbol()).collect();
        assert!(row.starts_with("> a | ? "), "{row:?}");
        assert_eq!(buffer.area.width, width);
        assert!(row.is_ascii());
    }
}
