//! Text from a model, a tool or a file, made fit for a terminal.
//!
//! Nothing that came from outside may move the cursor, set a title, write the clipboard or reorder what is
//! read. Every place that prints or draws foreign text sends it through [`visible`] first.

use std::borrow::Cow;

/// `text` with every control, bidi and invisible character shown as a sign: C0 as its control picture
/// (U+2400 block), others as `<U+XXXX>`. Line feeds and tabs stay; CR before LF goes. Costs nothing when
/// there is none.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text
        .bytes()
        .all(|b| matches!(b, b'\n' | b'\t' | 0x20..=0x7e))
    {
        return Cow::Borrowed(text);
    }
    if !text.chars().any(|c| c != '\n' && c != '\t' && sign(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\t' => out.push(c),
            '\r' if chars.peek() == Some(&'\n') => {}
            c if !sign(c) => out.push(c),
            // The control pictures stand in code point order at U+2400.
            c if (c as u32) < 0x20 => out.extend(char::from_u32(0x2400 + c as u32)),
            '\u{7f}' => out.push('\u{2421}'),
            c => out.push_str(&format!("<U+{:04X}>", c as u32)),
        }
    }
    Cow::Owned(out)
}

/// Characters that must not reach a terminal as they are.
fn sign(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        // Soft hyphen, Arabic letter mark, Mongolian vowel separator.
        | '\u{ad}' | '\u{61c}' | '\u{180e}'
        // Zero width space, joiners apart (emoji and Indic scripts need U+200C and U+200D); bidi marks.
        | '\u{200b}' | '\u{200e}' | '\u{200f}'
        // Line and paragraph separators, bidi embeddings, overrides and isolates, invisible operators.
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        // Tag characters.
        | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_on_a_terminal_comes_through() {
        for (raw, shown) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("a\r\nb", "a\nb"),
            ("a\rb", "a␍b"),
            ("\x1b]52;c;eA==\x07", "␛]52;c;eA==␇"),
            ("\u{9b}31m", "<U+009B>31m"),
            ("x\u{202e}y", "x<U+202E>y"),
            ("x\u{200b}y\u{e0041}", "x<U+200B>y<U+E0041>"),
            ("\x7f", "␡"),
            ("naïve 漢字 👩‍💻", "naïve 漢字 👩‍💻"),
        ] {
            assert_eq!(visible(raw), shown);
        }
    }
}
