//! Keys and their names: `Ctrl+C`, `PageUp`, `y`.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Keys with a name of more than one character. Left of each what users may write too.
const NAMED: &[(&[&str], &str, KeyCode)] = &[
    (&["enter", "return"], "Enter", KeyCode::Enter),
    (&["esc", "escape"], "Esc", KeyCode::Esc),
    (&["tab"], "Tab", KeyCode::Tab),
    (&["space"], "Space", KeyCode::Char(' ')),
    (&["backspace"], "Backspace", KeyCode::Backspace),
    (&["delete", "del"], "Delete", KeyCode::Delete),
    (&["insert", "ins"], "Insert", KeyCode::Insert),
    (&["up"], "Up", KeyCode::Up),
    (&["down"], "Down", KeyCode::Down),
    (&["left"], "Left", KeyCode::Left),
    (&["right"], "Right", KeyCode::Right),
    (&["home"], "Home", KeyCode::Home),
    (&["end"], "End", KeyCode::End),
    (&["pageup", "pgup"], "PageUp", KeyCode::PageUp),
    (&["pagedown", "pgdn"], "PageDown", KeyCode::PageDown),
];

const MODIFIERS: [(&[&str], &str, KeyModifiers); 3] = [
    (&["ctrl", "control"], "Ctrl+", KeyModifiers::CONTROL),
    (&["alt", "option", "meta"], "Alt+", KeyModifiers::ALT),
    (&["shift"], "Shift+", KeyModifiers::SHIFT),
];

/// What users may write for the keys that have names.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMED
        .iter()
        .filter_map(|(names, _, _)| names.first().copied())
}

/// The table's name of a key.
pub fn name(key: &KeyEvent) -> String {
    let mut modifiers = key.modifiers;
    let code = match key.code {
        KeyCode::BackTab => {
            modifiers.insert(KeyModifiers::SHIFT);
            "Tab".to_owned()
        }
        KeyCode::F(n) => format!("F{n}"),
        code => match (NAMED.iter().find(|(_, _, named)| *named == code), code) {
            (Some((_, name, _)), _) => (*name).to_owned(),
            (None, KeyCode::Char(c)) => {
                // Shift is in the character already.
                modifiers.remove(KeyModifiers::SHIFT);
                // Some terminals name the key, not the letter.
                let shifted = key.modifiers.contains(KeyModifiers::SHIFT);
                if modifiers.contains(KeyModifiers::CONTROL) || shifted {
                    c.to_uppercase().to_string()
                } else {
                    c.to_string()
                }
            }
            (None, other) => format!("{other:?}"),
        },
    };
    let mut out = String::new();
    for (_, label, modifier) in MODIFIERS {
        if modifiers.contains(modifier) {
            out.push_str(label);
        }
    }
    out + &code
}

/// The key that `text` names; capitals matter only in a letter that stands alone.
pub fn parse(text: &str) -> Option<KeyEvent> {
    let mut modifiers = KeyModifiers::NONE;
    let mut rest = text;
    while let Some((word, tail)) = rest.split_once('+') {
        // `+` itself, as in `Ctrl++`.
        if tail.is_empty() {
            break;
        }
        let word = word.to_lowercase();
        let (_, _, modifier) = MODIFIERS
            .iter()
            .find(|(names, _, _)| names.contains(&word.as_str()))?;
        modifiers |= *modifier;
        rest = tail;
    }
    let mut chars = rest.chars();
    let code = match (chars.next()?, chars.next()) {
        (c, None) if modifiers.contains(KeyModifiers::CONTROL) => {
            KeyCode::Char(c.to_ascii_lowercase())
        }
        (c, None) if modifiers.contains(KeyModifiers::SHIFT) => {
            modifiers.remove(KeyModifiers::SHIFT);
            KeyCode::Char(c.to_uppercase().next()?)
        }
        (c, None) => KeyCode::Char(c),
        (_, Some(_)) => {
            let word = rest.to_lowercase();
            let named = NAMED
                .iter()
                .find(|(names, _, _)| names.contains(&word.as_str()));
            match named {
                Some((_, _, KeyCode::Tab)) if modifiers.contains(KeyModifiers::SHIFT) => {
                    KeyCode::BackTab
                }
                Some((_, _, code)) => *code,
                None => KeyCode::F(
                    word.strip_prefix('f')?
                        .parse()
                        .ok()
                        .filter(|n| (1..=24).contains(n))?,
                ),
            }
        }
    };
    Some(KeyEvent::new(code, modifiers))
}

/// Whether the key types a character where text is written.
pub fn is_text(key: &KeyEvent) -> bool {
    let plain = !key
        .modifiers
        .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    plain && matches!(key.code, KeyCode::Char(_))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn what_users_write_is_the_tables_name() {
        for (written, expected) in [
            ("ctrl+x", "Ctrl+X"),
            ("Ctrl+X", "Ctrl+X"),
            ("CONTROL+x", "Ctrl+X"),
            ("alt+enter", "Alt+Enter"),
            ("option+x", "Alt+x"),
            ("ctrl+alt+del", "Ctrl+Alt+Delete"),
            ("alt+ctrl+del", "Ctrl+Alt+Delete"),
            ("shift+tab", "Shift+Tab"),
            ("shift+g", "G"),
            ("G", "G"),
            ("g", "g"),
            ("f12", "F12"),
            ("pgdn", "PageDown"),
            ("space", "Space"),
            ("+", "+"),
            ("ctrl++", "Ctrl++"),
            ("?", "?"),
            ("\u{e9}", "\u{e9}"),
        ] {
            let event = parse(written).unwrap_or_else(|| panic!("{written} is no key"));
            assert_eq!(name(&event), expected, "{written}");
        }
        for no_key in ["", "hyper+x", "ctrl+", "ab", "f0", "f25", "ctrl+ab", "+x"] {
            assert_eq!(parse(no_key), None, "{no_key:?}");
        }
    }
}
