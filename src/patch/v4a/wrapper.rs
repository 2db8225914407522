//! What models put around a patch: JSON with the text in a string, a code fence, a shell heredoc.
//!
//! Fences and heredocs need no work here: the parser ignores everything before `*** Begin Patch` and after
//! `*** End Patch`. Only where the end marker is missing does the wrapper's last line have to go.

use std::borrow::Cow;

pub(super) const BEGIN: &str = "*** Begin Patch";

/// The patch text inside `text`.
pub(super) fn unwrap(text: &str) -> Cow<'_, str> {
    let trimmed = text.trim_start_matches('\u{feff}').trim();
    if trimmed.starts_with(['{', '[', '"'])
        && let Ok(value) = serde_json::from_str::<serde_json::Value>(trimmed)
        && let Some(inner) = only_string(&value)
    {
        return Cow::Owned(without_wrapper_end(&inner).to_owned());
    }
    Cow::Borrowed(without_wrapper_end(text))
}

/// The only string of the JSON, or of several the only one with a patch in it.
fn only_string(value: &serde_json::Value) -> Option<String> {
    let mut strings = Vec::new();
    collect(value, &mut strings);
    if let [one] = strings.as_slice() {
        return Some((*one).to_owned());
    }
    let mut patches = strings.into_iter().filter(|text| text.contains(BEGIN));
    let first = patches.next()?;
    patches.next().is_none().then(|| first.to_owned())
}

fn collect<'a>(value: &'a serde_json::Value, strings: &mut Vec<&'a str>) {
    match value {
        serde_json::Value::String(text) => strings.push(text),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, strings)),
        serde_json::Value::Object(fields) => {
            fields.values().for_each(|item| collect(item, strings))
        }
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

/// Cuts the closing fence or heredoc word of a patch that has no `*** End Patch`.
fn without_wrapper_end(text: &str) -> &str {
    let mut closing = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        // What follows is content. (A unified diff says itself where it ends.)
        if line.starts_with("***") || line.starts_with("diff --git ") || line.starts_with("--- ") {
            break;
        }
        if line.starts_with("```") {
            closing.push("```");
        }
        if let Some((_, word)) = line.split_once("<<") {
            let word = word
                .trim_start_matches('-')
                .split_whitespace()
                .next()
                .unwrap_or_default();
            closing.push(word.trim_matches(['\'', '"']));
        }
    }
    let mut rest = text.trim_end();
    while let Some(at) = closing.iter().position(|word| {
        !word.is_empty()
            && rest
                .lines()
                .last()
                .is_some_and(|last| last.trim().trim_end_matches(['"', '\'', ')']) == *word)
    }) {
        closing.remove(at);
        rest = rest
            .rsplit_once('\n')
            .map(|(before, _)| before)
            .unwrap_or_default()
            .trim_end();
    }
    // Without a wrapper the text stays as it is: white space at its end can be a context line.
    if rest.len() == text.trim_end().len() {
        text
    } else {
        rest
    }
}
