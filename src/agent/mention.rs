//! `@path` in a message: how it is written, and where it is.
//!
//! A mention begins with `@` at the start of a word. A name with spaces or other odd characters stands in
//! quotes, with backslash escapes for what cannot be seen. The interface writes and finds mentions by these
//! rules, the agent reads them by the same; whether there is such a file is asked elsewhere.

use crate::text;

/// What may stand right before a mention, besides white space and the start of the text.
const OPENERS: &str = "([{<\"'`,;=";
/// What ends a sentence rather than a name.
const CLOSERS: &str = ".,;:!?)]}>\"'`";

/// The names after `@`, in order, each once. Without quotes everything up to white space is taken: see
/// [`readings`].
pub fn find(message: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut before = None;
    let mut rest = message;
    while let Some(c) = rest.chars().next() {
        let tail = rest.get(c.len_utf8()..).unwrap_or_default();
        if c == '@' && begins(before) {
            let (name, used) = name(tail);
            if !name.is_empty() && !found.contains(&name) {
                found.push(name);
            }
            before = Some('@');
            rest = tail.get(used..).unwrap_or_default();
        } else {
            before = Some(c);
            rest = tail;
        }
    }
    found
}

/// What a name may mean, the longest first: `a.rs).` is also `a.rs)` and `a.rs`.
pub fn readings(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| {
        name.strip_suffix(|c| CLOSERS.contains(c))
    })
    .filter(|name| !name.is_empty())
}

fn begins(before: Option<char>) -> bool {
    before.is_none_or(|c| c.is_whitespace() || OPENERS.contains(c))
}

/// The name that `text` begins with, and how many bytes it takes.
fn name(text: &str) -> (String, usize) {
    match text.strip_prefix('"') {
        None => {
            let end = text.find(char::is_whitespace).unwrap_or(text.len());
            (text.get(..end).unwrap_or_default().to_owned(), end)
        }
        Some(quoted) => match unquoted(quoted) {
            Some((name, used)) => (name, used + 1),
            None => (String::new(), 0),
        },
    }
}

/// A quoted name up to its closing quote, and the bytes it takes with the quote; `None` while it is open.
fn unquoted(text: &str) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((name, at + 1)),
            '\n' => return None,
            '\\' => match chars.next()?.1 {
                'n' => name.push('\n'),
                't' => name.push('\t'),
                'r' => name.push('\r'),
                'u' => {
                    let digits: String = chars
                        .by_ref()
                        .map(|(_, c)| c)
                        .skip_while(|c| *c == '{')
                        .take_while(|c| *c != '}')
                        .collect();
                    let code = u32::from_str_radix(&digits, 16).ok()?;
                    name.push(char::from_u32(code)?);
                }
                other => name.push(other),
            },
            c => name.push(c),
        }
    }
    None
}

/// A mention of `path`, as [`find`] reads it back.
pub fn write(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=@~%#&^".contains(c);
    let ends_plain = path.ends_with(|c: char| !CLOSERS.contains(c));
    if path.chars().all(plain) && ends_plain {
        return format!("@{path}");
    }
    let mut out = String::from("@\"");
    for c in path.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if text::is_unsafe(c) => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The mention that is being typed at the end of `before`: where its `@` stands, and what is typed of it.
pub fn open_at(before: &str) -> Option<(usize, String)> {
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    let typed = before.get(line..)?;
    // From the left: in `@"a @b` the second `@` is part of the first name.
    let mut previous = None;
    let mut skip_to = 0;
    for (at, c) in typed.char_indices() {
        if at >= skip_to && c == '@' && begins(previous) {
            let tail = typed.get(at + 1..).unwrap_or_default();
            match tail.strip_prefix('"') {
                Some(quoted) => match unquoted(quoted) {
                    Some((_, used)) => skip_to = at + 2 + used,
                    None => return Some((line + at, quoted.to_owned())),
                },
                None if tail.contains(char::is_whitespace) => {}
                None => return Some((line + at, tail.to_owned())),
            }
        }
        previous = Some(c);
    }
    None
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
    fn mentions_are_found_where_a_word_begins() {
        for (message, names) in [
            ("fix @src/main.rs", &["src/main.rs"][..]),
            ("@a and @b, then @a", &["a", "b,"]),
            ("(@a.rs) `@b`", &["a.rs)", "b`"]),
            ("mail me@example.org", &[]),
            ("a lone @ and @@ -1,3 +1,3 @@", &["@"]),
            ("@\"my file.txt\" now", &["my file.txt"]),
            (
                r#"@"a\"b\\c" and @"esc\u{1b}.txt""#,
                &["a\"b\\c", "esc\u{1b}.txt"],
            ),
            ("@\"never closed", &[]),
            ("@漢字/ä.rs", &["漢字/ä.rs"]),
        ] {
            assert_eq!(find(message), names, "{message}");
        }
        let all: Vec<&str> = readings("a.rs).").collect();
        assert_eq!(all, ["a.rs).", "a.rs)", "a.rs"]);
    }

    #[test]
    fn what_is_written_is_read_back_and_shows_everything() {
        for path in [
            "src/main.rs",
            "my file.txt",
            "a\"b",
            "back\\slash",
            "esc\u{1b}[2J",
            "bidi\u{202e}txt",
            "two\nlines",
            "ends.",
            "src/",
            "naïve/漢字.rs",
            "@types/node",
        ] {
            let written = write(path);
            let message = format!("see {written} please");
            assert_eq!(find(&message), [path], "{written}");
            assert!(!written.chars().any(text::is_unsafe), "{written:?}");
            assert!(!written.contains('\n'), "{written:?}");
        }
        assert_eq!(write("src/main.rs"), "@src/main.rs");
        assert_eq!(write("my file"), "@\"my file\"");
    }

    #[test]
    fn the_mention_being_typed_is_the_one_at_the_cursor() {
        let open = |before: &str| open_at(before);
        assert_eq!(open("see @sr"), Some((4, "sr".into())));
        assert_eq!(open("see @"), Some((4, String::new())));
        assert_eq!(open("see @src/main.rs "), None);
        assert_eq!(open("a@b"), None);
        assert_eq!(open("one\ntwo @\"my fi"), Some((8, "my fi".into())));
        assert_eq!(open("@\"my file\" @x"), Some((11, "x".into())));
        assert_eq!(open("@\"done\""), None);
    }
}
