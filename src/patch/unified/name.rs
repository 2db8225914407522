//! File names as a diff's headers have them: quoted, prefixed, followed by a date.

/// The name at the start of `text`, and what follows it. A bare name ends at a tab.
pub(super) fn name(text: &str) -> Result<(String, &str), &'static str> {
    match text.strip_prefix('"') {
        Some(quoted) => unquoted(quoted),
        None => {
            let (name, rest) = text.split_once('\t').unwrap_or((text, ""));
            Ok((name.trim_end().to_owned(), rest))
        }
    }
}

/// The rest of a C string after its opening quote: `\303\244`, `\t`, `\"`.
fn unquoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut bytes = Vec::new();
    let mut rest = text;
    loop {
        let mut chars = rest.chars();
        match chars.next() {
            None => return Err("the name's closing `\"` is missing"),
            Some('"') => break rest = chars.as_str(),
            Some('\\') => {
                let escaped = chars.as_str();
                let octal = escaped
                    .get(..3)
                    .filter(|digits| digits.bytes().all(|b| (b'0'..=b'7').contains(&b)))
                    .and_then(|digits| u8::from_str_radix(digits, 8).ok());
                let (byte, len) = match (octal, chars.next()) {
                    (Some(byte), _) => (byte, 3),
                    (None, Some('a')) => (7, 1),
                    (None, Some('b')) => (8, 1),
                    (None, Some('t')) => (b'\t', 1),
                    (None, Some('n')) => (b'\n', 1),
                    (None, Some('v')) => (11, 1),
                    (None, Some('f')) => (12, 1),
                    (None, Some('r')) => (b'\r', 1),
                    (None, Some('"')) => (b'"', 1),
                    (None, Some('\\')) => (b'\\', 1),
                    (None, _) => return Err("an unknown escape in the quoted name"),
                };
                bytes.push(byte);
                rest = escaped.get(len..).unwrap_or_default();
            }
            Some(c) => {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest = chars.as_str();
            }
        }
    }
    let name =
        String::from_utf8(bytes).or(Err("a name that is not UTF-8; such files are not edited"))?;
    Ok((name, rest))
}

/// The two names of `diff --git`. Bare names with spaces can only be told apart when both halves are alike,
/// which is the case wherever the headers below do not name the file again.
pub(super) fn git_names(text: &str) -> Result<Option<(String, String)>, &'static str> {
    if text.starts_with('"') {
        let (old, rest) = name(text)?;
        let (new, _) = name(rest.trim_start())?;
        return Ok(Some((old, new)));
    }
    if text.ends_with('"')
        && let Some((old, _)) = text.split_once(" \"")
    {
        let quoted = text.get(old.len() + 1..).unwrap_or_default();
        return Ok(Some((old.to_owned(), name(quoted)?.0)));
    }
    let half = text.len() / 2;
    let halves = text
        .get(..half)
        .zip(text.get(half..).and_then(|rest| rest.strip_prefix(' ')))
        .filter(|(old, new)| common(old, new).is_some());
    Ok(halves.map(|(old, new)| (old.to_owned(), new.to_owned())))
}

/// The one name that both stand for: equal (`--no-prefix`), or equal behind `a/` and `b/` or another letter.
pub(super) fn common(old: &str, new: &str) -> Option<String> {
    if old == new {
        return Some(old.to_owned());
    }
    let (old, new) = (bare(old)?, bare(new)?);
    (old == new && !old.is_empty()).then(|| old.to_owned())
}

/// Without a prefix of one letter and a slash.
pub(super) fn bare(name: &str) -> Option<&str> {
    let (prefix, rest) = name.split_once('/')?;
    (prefix.len() == 1).then_some(rest)
}
