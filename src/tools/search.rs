//! `functions.search`: a regular expression over the files, with ripgrep's own libraries.

use super::arguments::lenient_text;
use super::{ToolError, cap, tree};
use crate::workspace::Workspace;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkMatch};
use serde::Deserialize;
use std::io;
use tokio_util::sync::CancellationToken;

/// Matches of one answer; the byte cap holds as well.
const MOST_MATCHES: usize = 200;
/// Bytes of one shown line; beyond it the line is cut, so that minified files cannot fill the answer.
const MOST_LINE: usize = 1_000;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Search {
    #[serde(default, alias = "query", alias = "regex")]
    pattern: Option<String>,
    #[serde(default, deserialize_with = "lenient_text")]
    path: Option<String>,
    #[serde(default, deserialize_with = "lenient_text")]
    glob: Option<String>,
}

pub(super) fn summary(call: &Search) -> String {
    let mut words = match call.pattern.as_deref() {
        Some(pattern) => format!("search \"{pattern}\""),
        None => "search".to_owned(),
    };
    for part in [&call.path, &call.glob].into_iter().flatten() {
        words.push_str(&format!(" in {part}"));
    }
    words
}

pub(super) fn run(
    workspace: &Workspace,
    call: &Search,
    cancel: &CancellationToken,
) -> Result<String, ToolError> {
    let Some(pattern) = call
        .pattern
        .as_deref()
        .filter(|pattern| !pattern.is_empty())
    else {
        return Err(ToolError::Arguments("`pattern` is missing".into()));
    };
    let matcher = RegexMatcherBuilder::new()
        .line_terminator(Some(b'\n'))
        .build(pattern)
        .map_err(|error| ToolError::Regex(said(pattern, &error)))?;
    let mut searcher = SearcherBuilder::new()
        .line_number(true)
        .binary_detection(BinaryDetection::quit(b'\0'))
        .build();
    let mut found = Found::default();
    let scope = tree::Scope::new(workspace, call.path.as_deref(), call.glob.as_deref())?;
    scope.walk(cancel, |path| {
        match tree::read(workspace, path) {
            Ok(bytes) => found.search(&mut searcher, &matcher, path, &bytes)?,
            // Asked for by name, it must not look as if nothing matched.
            Err(error) if scope.is_file(path) => return Err(error),
            // One that vanished or may not be read is passed over, as grep does.
            Err(_unreadable) => {}
        }
        Ok(if found.full {
            tree::Walk::Stop
        } else {
            tree::Walk::On
        })
    })?;
    Ok(found.render())
}

/// Where the pattern is wrong. `grep-regex` wraps the pattern before it parses it, so its own caret points
/// beside the place.
fn said(pattern: &str, error: &grep_regex::Error) -> String {
    match regex::bytes::Regex::new(pattern) {
        Err(error) => error.to_string(),
        Ok(_) => error.to_string(),
    }
}

#[derive(Default)]
struct Found {
    text: String,
    matches: usize,
    full: bool,
}

impl Found {
    fn search(
        &mut self,
        searcher: &mut Searcher,
        matcher: &RegexMatcher,
        path: &str,
        bytes: &[u8],
    ) -> Result<(), ToolError> {
        searcher
            .search_slice(matcher, bytes, Lines { path, found: self })
            .map_err(|error| ToolError::File {
                path: path.to_owned(),
                reason: error.to_string(),
            })
    }

    fn push(&mut self, path: &str, line: u64, text: &str) {
        let text = text.trim_end_matches(['\n', '\r']);
        let (shown, cut) = text.split_at(cap::floor_boundary(text, MOST_LINE));
        let mark = if cut.is_empty() { "" } else { " [line cut]" };
        let row = format!("{path}:{line}:{shown}{mark}\n");
        if self.matches == MOST_MATCHES || self.text.len() + row.len() > cap::ANSWER_LIMIT {
            self.full = true;
            return;
        }
        self.text.push_str(&row);
        self.matches += 1;
    }

    fn render(mut self) -> String {
        if self.full {
            self.text.push_str(&format!(
                "[the first {} matches; narrow the pattern, path or glob]",
                self.matches
            ));
        } else if self.text.pop().is_none() {
            self.text.push_str("No matches.");
        }
        self.text
    }
}

/// Collects the matching lines of one file.
struct Lines<'a> {
    path: &'a str,
    found: &'a mut Found,
}

impl Sink for Lines<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, matched: &SinkMatch<'_>) -> io::Result<bool> {
        let first = matched.line_number().unwrap_or(1);
        for (line, bytes) in (first..).zip(matched.lines()) {
            self.found
                .push(self.path, line, &String::from_utf8_lossy(bytes));
        }
        Ok(!self.found.full)
    }
}
