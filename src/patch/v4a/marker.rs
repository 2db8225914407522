//! Single lines that are not file content: `***` markers and `@@` headers, with what models make of them.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker<'a> {
    Begin,
    End,
    Add(&'a str),
    Delete(&'a str),
    Update(&'a str),
    MoveTo(&'a str),
    EndOfFile,
}

impl<'a> Marker<'a> {
    /// What follows the stars, `None` when it is no marker that is known.
    pub fn named(rest: &'a str) -> Option<Self> {
        let named = |word: &str| strip_word(rest, word);
        let marker = if is_word(rest, "begin patch") {
            Marker::Begin
        } else if is_word(rest, "end patch") {
            Marker::End
        } else if is_word(rest, "end of file") {
            Marker::EndOfFile
        } else if let Some(path) = named("add file").or_else(|| named("create file")) {
            Marker::Add(path)
        } else if let Some(path) = named("delete file").or_else(|| named("remove file")) {
            Marker::Delete(path)
        } else if let Some(path) = named("update file").or_else(|| named("modify file")) {
            Marker::Update(path)
        } else {
            Marker::MoveTo(named("move to").or_else(|| named("move file to"))?)
        };
        Some(marker)
    }

    pub fn path(self) -> Option<&'a str> {
        match self {
            Marker::Add(path)
            | Marker::Delete(path)
            | Marker::Update(path)
            | Marker::MoveTo(path) => Some(path),
            Marker::Begin | Marker::End | Marker::EndOfFile => None,
        }
    }
}

pub(super) fn is_end_patch(text: &str) -> bool {
    text.trim()
        .strip_prefix("***")
        .is_some_and(|rest| is_word(rest.trim(), "end patch"))
}

/// `rest` is `word`, in any case, with or without a colon or stars behind it.
fn is_word(rest: &str, word: &str) -> bool {
    rest.trim_end_matches(['*', ':', ' '])
        .eq_ignore_ascii_case(word)
}

/// What follows `word:`.
fn strip_word<'a>(rest: &'a str, word: &str) -> Option<&'a str> {
    let head = rest.get(..word.len())?;
    let tail = rest.get(word.len()..)?;
    if !head.eq_ignore_ascii_case(word) {
        return None;
    }
    tail.trim_start().strip_prefix(':').map(str::trim)
}

/// A `@@` line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Header {
    /// `None` for a bare one.
    pub text: Option<String>,
    /// The `a` of `@@ -a,b +c,d @@`.
    pub old_start: Option<usize>,
}

/// `@@`, `@@ text`, `@@ text @@` and unified diff's `@@ -1,2 +3,4 @@ text`.
pub(super) fn header_of(line: &str, in_body: bool) -> Option<Header> {
    let text = if in_body { line } else { line.trim_start() };
    let rest = text.strip_prefix("@@")?;
    let named = |text: &str| Header {
        text: (!text.is_empty()).then(|| text.to_owned()),
        old_start: None,
    };
    if rest.chars().next().is_some_and(|c| !c.is_whitespace()) && !rest.starts_with('@') {
        // `@@decorator`, as some models write it.
        return Some(named(rest.trim()));
    }
    let mut rest = rest.trim();
    rest = rest.strip_suffix("@@").unwrap_or(rest).trim();
    let mut words = rest.split_whitespace();
    fn range(word: Option<&str>, sign: char) -> Option<&str> {
        let range = word?.strip_prefix(sign)?;
        let digits = |c: char| c.is_ascii_digit() || c == ',';
        (!range.is_empty() && range.chars().all(digits)).then_some(range)
    }
    if let (Some(old), Some(_)) = (range(words.next(), '-'), range(words.next(), '+')) {
        let section = rest
            .split_once("@@")
            .map(|(_, section)| section.trim())
            .unwrap_or_default();
        return Some(Header {
            old_start: old.split(',').next().and_then(|start| start.parse().ok()),
            ..named(section)
        });
    }
    Some(named(rest))
}
