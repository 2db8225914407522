//! Text from outside made safe to print and draw: the model's words, tool output, file names, diffs, errors.
//!
//! Nothing else decides which characters reach the terminal. Control characters become their pictures
//! (`ESC` is `␛`), bidi, zero-width, tag and other invisible characters become `<U+202E>`. The one thing
//! to know: [`visible`] and [`prose`] let the few joiners pass that only shape emoji and scripts, [`prose`] only where
//! they do so; [`exact`] hides nothing, because in a review what cannot be seen cannot be judged.

pub mod mask;
mod shaping;

pub use shaping::{JOINER, is_joined_emoji};

use std::borrow::Cow;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    Tab,
    Newline,
    Control,
    /// Changes order, hides, or takes no cell.
    Invisible,
    /// Joiners and variation selectors: they change how neighbours look, never what is said.
    Shaping,
}

/// The code points that Unicode calls default-ignorable or format, by what we do with them.
fn class(c: char) -> Class {
    match c {
        ' '..='~' => Class::Plain,
        '\n' => Class::Newline,
        '\t' => Class::Tab,
        _ if c.is_control() => Class::Control,
        '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' => Class::Shaping,
        '\u{ad}'
        | '\u{34f}'
        | '\u{600}'..='\u{605}'
        | '\u{61c}'
        | '\u{6dd}'
        | '\u{70f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => Class::Invisible,
        _ => Class::Plain,
    }
}

fn picture(c: char) -> char {
    match u32::from(c) {
        code @ 0..=0x1f => char::from_u32(0x2400 + code).unwrap_or('\u{fffd}'),
        0x7f => '\u{2421}',
        _ => '\u{fffd}',
    }
}

fn push_named(out: &mut String, c: char) {
    out.push_str(&format!("<U+{:04X}>", u32::from(c)));
}

fn push_visible(out: &mut String, c: char) {
    match class(c) {
        Class::Control if (0x80..0xa0).contains(&u32::from(c)) => push_named(out, c),
        Class::Control => out.push(picture(c)),
        _ => push_named(out, c),
    }
}

/// Lines for a stream (stdout, stderr): newlines, tabs and joiners stay, a carriage return before a newline
/// is dropped, all else that is not plain is made visible. Costs nothing where there is none.
pub fn visible(text: &str) -> Cow<'_, str> {
    let stays = |c| {
        matches!(
            class(c),
            Class::Plain | Class::Newline | Class::Tab | Class::Shaping
        )
    };
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            _ if stays(c) => out.push(c),
            '\r' if chars.peek() == Some(&'\n') => {}
            _ => push_visible(&mut out, c),
        }
    }
    Cow::Owned(out)
}

/// Running text of several lines for a pane: newlines and tabs stay, and a joiner where it shapes what stands on both
/// sides of it (else it goes); a carriage return before a newline is dropped, all else that is not plain is made visible.
pub fn prose(text: &str) -> Cow<'_, str> {
    prose_after(None, text)
}

/// [`prose`] for text that goes on after `before`.
fn prose_after(before: Option<char>, text: &str) -> Cow<'_, str> {
    if text
        .chars()
        .all(|c| matches!(class(c), Class::Plain | Class::Newline | Class::Tab))
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut before = before;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match class(c) {
            Class::Plain | Class::Newline | Class::Tab => out.push(c),
            Class::Shaping => {
                if !shaping::shapes(before, c, chars.peek().copied()) {
                    continue;
                }
                out.push(c);
            }
            Class::Control if c == '\r' && chars.peek() == Some(&'\n') => continue,
            Class::Control | Class::Invisible => push_visible(&mut out, c),
        }
        before = Some(c);
    }
    Cow::Owned(out)
}

/// [`prose`] of a stream, cut anywhere: what a piece of it gives depends on the pieces around it.
#[derive(Debug, Default)]
pub struct Prose {
    /// The end of the last piece, which only what follows decides on.
    held: String,
}

impl Prose {
    /// What comes after `shown`, the stream so far.
    pub fn take(&mut self, shown: &str, piece: &str) -> String {
        let mut piece = std::mem::take(&mut self.held) + piece;
        let decided = piece.trim_end_matches(|c| c == '\r' || class(c) == Class::Shaping);
        self.held = piece.split_off(decided.len());
        prose_after(shown.chars().next_back(), &piece).into_owned()
    }
}

/// One line for a label: as [`prose`], a newline is `␊` and a tab four spaces.
pub fn label(text: &str) -> String {
    prose(text).replace('\n', "\u{240a}").replace('\t', "    ")
}

/// A line of a file under review: everything is shown, tabs as `→` and their width, a carriage return as `␍`.
pub fn exact(text: &str) -> String {
    exact_with_origin(text).0
}

/// [`exact`], and for every byte of it the byte of `text` it stands for.
pub fn exact_with_origin(text: &str) -> (String, Vec<usize>) {
    let mut out = String::with_capacity(text.len() + 8);
    let mut origin = Vec::with_capacity(text.len() + 8);
    let mut column = 0;
    for (at, c) in text.char_indices() {
        let before = out.len();
        match class(c) {
            Class::Plain => {
                out.push(c);
                column += 1;
            }
            Class::Tab => {
                let width = 4 - column % 4;
                out.push('\u{2192}');
                out.extend(std::iter::repeat_n(' ', width - 1));
                column += width;
            }
            Class::Newline | Class::Control | Class::Invisible | Class::Shaping => {
                push_visible(&mut out, c);
                column += out.len() - before;
            }
        }
        origin.resize(out.len(), at);
    }
    (out, origin)
}

/// [`exact`] for a text of several lines, as a diff on a terminal.
pub fn exact_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for line in text.split_inclusive('\n') {
        match line.strip_suffix('\n') {
            Some(line) => {
                out.push_str(&exact(line));
                out.push('\n');
            }
            None => out.push_str(&exact(line)),
        }
    }
    out
}

/// JSON that means the same and holds no character that a terminal could act on or that cannot be seen.
pub fn json(json: &str) -> Cow<'_, str> {
    let stays = |c| matches!(class(c), Class::Plain | Class::Newline | Class::Tab);
    if json.chars().all(stays) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if stays(c) {
            out.push(c);
        } else {
            // Such a character can only be inside of a string.
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    Cow::Owned(out)
}

/// What a user pastes or a history file holds, cleaned to what the composer can hold and send: newlines
/// and tabs stay, control, bidi, tag and zero-width characters are dropped, joiners stay.
pub fn typed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match class(c) {
            Class::Plain | Class::Newline | Class::Tab | Class::Shaping => out.push(c),
            // Terminals send pasted line ends as CR.
            Class::Control if c == '\r' => {
                if chars.peek() != Some(&'\n') {
                    out.push('\n');
                }
            }
            Class::Control | Class::Invisible => {}
        }
    }
    out
}

/// Whether a terminal could be moved, or a reader misled, by this character; what must never be drawn.
pub fn is_unsafe(c: char) -> bool {
    matches!(class(c), Class::Control | Class::Invisible)
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
    fn streams_keep_tabs_and_joiners_and_nothing_that_acts() {
        for (raw, shown) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("a\r\nb", "a\nb"),
            ("a\rb", "a␍b"),
            ("\x1b]52;c;eA==\x07", "␛]52;c;eA==␇"),
            ("x\u{202e}y\u{e0041}", "x<U+202E>y<U+E0041>"),
            ("naïve 漢字 👩‍💻", "naïve 漢字 👩‍💻"),
        ] {
            assert_eq!(visible(raw), shown);
        }
    }

    #[test]
    fn table() {
        let rows: &[(&str, &str, &str)] = &[
            // input, prose, exact
            (
                "plain – ünï 漢字 🙂",
                "plain – ünï 漢字 🙂",
                "plain – ünï 漢字 🙂",
            ),
            ("a\tb", "a\tb", "a→  b"),
            ("\tx", "\tx", "→   x"),
            ("end\r", "end␍", "end␍"),
            ("\u{1b}[2J", "␛[2J", "␛[2J"),
            ("\u{1b}]52;c;AAAA\u{7}", "␛]52;c;AAAA␇", "␛]52;c;AAAA␇"),
            ("\u{9b}31m", "<U+009B>31m", "<U+009B>31m"),
            ("del\u{7f}", "del␡", "del␡"),
            ("nul\0", "nul␀", "nul␀"),
            ("a\u{202e}b", "a<U+202E>b", "a<U+202E>b"),
            (
                "a\u{2066}b\u{2069}",
                "a<U+2066>b<U+2069>",
                "a<U+2066>b<U+2069>",
            ),
            ("a\u{200b}b", "a<U+200B>b", "a<U+200B>b"),
            ("\u{feff}bom", "<U+FEFF>bom", "<U+FEFF>bom"),
            ("tag\u{e0041}", "tag<U+E0041>", "tag<U+E0041>"),
            (
                "soft\u{ad}hyphen",
                "soft<U+00AD>hyphen",
                "soft<U+00AD>hyphen",
            ),
            (
                "ls\u{2028}ps\u{2029}",
                "ls<U+2028>ps<U+2029>",
                "ls<U+2028>ps<U+2029>",
            ),
            ("fam\u{200d}ily", "family", "fam<U+200D>ily"),
            ("heart\u{fe0f}", "heart", "heart<U+FE0F>"),
            ("❤\u{fe0f}", "❤\u{fe0f}", "❤<U+FE0F>"),
            ("👩\u{200d}💻", "👩\u{200d}💻", "👩<U+200D>💻"),
            ("👩\u{200d}", "👩", "👩<U+200D>"),
            ("می\u{200c}خواهم", "می\u{200c}خواهم", "می<U+200C>خواهم"),
            ("hangul\u{3164}", "hangul<U+3164>", "hangul<U+3164>"),
        ];
        for (input, as_prose, as_exact) in rows {
            assert_eq!(prose(input), *as_prose, "prose of {input:?}");
            assert_eq!(exact(input), *as_exact, "exact of {input:?}");
        }
    }

    #[test]
    fn no_scalar_value_gets_through_unsafe() {
        for c in (0..=0x10ffff).filter_map(char::from_u32) {
            let text = c.to_string();
            for shown in [prose(&text).into_owned(), exact(&text), label(&text)] {
                assert!(
                    !shown
                        .chars()
                        .any(|c| !"\n\t".contains(c) && (c.is_control() || is_unsafe(c))),
                    "U+{:04X} became {shown:?}",
                    u32::from(c)
                );
            }
            // In a review two different characters never look like nothing.
            assert!(!exact(&text).is_empty());
        }
    }

    #[test]
    fn a_stream_cut_anywhere_gives_what_the_whole_gives() {
        let text = "👨\u{200d}👩\u{200d}👧 ❤\u{fe0f}\u{200d}🔥 1\u{fe0f}\u{20e3} a\u{200d}b می\u{200c}خواهم\r\nx\ry क\u{94d}\u{200d}ष\t\u{202e}.";
        let characters: Vec<char> = text.chars().collect();
        for size in 1..8 {
            let mut stream = Prose::default();
            let mut shown = String::new();
            for piece in characters.chunks(size) {
                let piece: String = piece.iter().collect();
                let more = stream.take(&shown, &piece);
                shown.push_str(&more);
            }
            assert_eq!(shown, prose(text), "in pieces of {size}");
        }
    }

    #[test]
    fn json_means_the_same_without_what_acts() {
        let text = "a\u{9b}b\u{202e}c\u{e0041}d\u{7f}e\u{fe0f}\u{1b}f\tg\n漢";
        let raw = serde_json::json!({ text: text }).to_string();
        let escaped = json(&raw);
        assert!(!escaped.chars().any(|c| c.is_control() || is_unsafe(c)));
        let back: serde_json::Value = serde_json::from_str(&escaped).unwrap();
        assert_eq!(back, serde_json::json!({ text: text }));
    }

    #[test]
    fn pastes_keep_their_lines_and_lose_what_hides() {
        assert_eq!(
            typed("a\r\nb\rc\td\u{1b}[31m\u{202e}e\u{e0041}"),
            "a\nb\nc\td[31me"
        );
        assert_eq!(typed("می\u{200c}خواهم"), "می\u{200c}خواهم");
    }
}
