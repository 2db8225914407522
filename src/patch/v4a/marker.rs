//! Single lines that are not file content: `***` markers and `@@` headers, with what models make of them.

pub(super) enum Marker<'a> {
    Begin,
    End,
    Add(&'a str),
    Delete(&'a str),
    Update(&'a str),
    MoveTo(&'a str),
    EndOfFile,
}

pub(super) fn is_end_patch(text: &str) -> bool {
    text.trim()
        .strip_prefix("***")
        .is_some_and(|rest| is_word(rest.trim(), "end patch"))
}

/// `rest` is `word`, in any case, with or without a colon or stars behind it.
pub(super) fn is_word(rest: &str, word: &str) -> bool {
    rest.trim_end_matches(['*', ':', ' '])
        .eq_ignore_ascii_case(word)
}

/// What follows `word:`.
pub(super) fn strip_word<'a>(rest: &'a str, word: &str) -> Option<&'a str> {
    let head = rest.get(..word.len())?;
    let tail = rest.get(word.len()..)?;
    if !head.eq_ignore_ascii_case(word) {
        return None;
    }
    tail.trim_start().strip_prefix(':').map(str::trim)
}

/// `@@`, `@@ text`, `@@ text @@` and unified diff's `@@ -1,2 +3,4 @@ text`: the inner `None` is a bare one.
pub(super) fn header_of(line: &str, in_body: bool) -> Option<Option<String>> {
    let text = if in_body { line } else { line.trim_start() };
    let rest = text.strip_prefix("@@")?;
    if rest.chars().next().is_some_and(|c| !c.is_whitespace()) && !rest.starts_with('@') {
        // `@@decorator`, as some models write it.
        return Some(Some(rest.trim().to_owned()));
    }
    let mut rest = rest.trim();
    rest = rest.strip_suffix("@@").unwrap_or(rest).trim();
    let mut words = rest.split_whitespace();
    let is_range = |word: Option<&str>, sign: char| {
        word.and_then(|word| word.strip_prefix(sign))
            .is_some_and(|range| {
                !range.is_empty() && range.chars().all(|c| c.is_ascii_digit() || c == ',')
            })
    };
    if is_range(words.next(), '-') && is_range(words.next(), '+') {
        let section = rest
            .split_once("@@")
            .map(|(_, section)| section.trim())
            .unwrap_or_default();
        return Some((!section.is_empty()).then(|| section.to_owned()));
    }
    Some((!rest.is_empty()).then(|| rest.to_owned()))
}
