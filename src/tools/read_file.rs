//! `functions.read_file`: the text of a file, exactly, in pages.

use super::arguments::{lenient_count, lenient_text};
use super::outputs::Outputs;
use super::{ToolError, cap, tree};
use crate::workspace::Workspace;
use serde::Deserialize;

/// Lines of a page when the model names no limit, and the most it can ask for.
const DEFAULT_LINES: usize = 400;
const MOST_LINES: usize = 2_000;
/// Bytes of a page likewise.
const DEFAULT_BYTES: usize = 24 * 1024;
const MOST_BYTES: usize = 64 * 1024;

#[derive(Debug, Default, Deserialize)]
pub(super) struct ReadFile {
    #[serde(
        default,
        deserialize_with = "lenient_text",
        alias = "file",
        alias = "file_path"
    )]
    path: Option<String>,
    /// The first line, from 1.
    #[serde(default, deserialize_with = "lenient_count")]
    offset: Option<usize>,
    #[serde(default, deserialize_with = "lenient_count")]
    limit: Option<usize>,
}

pub(super) fn summary(call: &ReadFile) -> String {
    let path = call.path.as_deref().unwrap_or("a file");
    let first = call.offset.filter(|first| *first > 0).unwrap_or(1);
    match (first, call.limit.filter(|limit| *limit > 0)) {
        (1, None) => format!("read {path}"),
        (_, None) => format!("read {path} from line {first}"),
        (_, Some(1)) => format!("read {path}, line {first}"),
        (_, Some(limit)) => {
            let last = first.saturating_add(limit - 1);
            format!("read {path}, lines {first}-{last}")
        }
    }
}

pub(super) fn run(
    workspace: &Workspace,
    outputs: Option<&Outputs>,
    call: &ReadFile,
) -> Result<String, ToolError> {
    let Some(path) = call.path.as_deref() else {
        return Err(ToolError::Arguments("`path` is missing".into()));
    };
    if let Some(text) = outputs.and_then(|outputs| outputs.read(path)) {
        return page(path, &text?, call.offset, call.limit);
    }
    let bytes = tree::read(workspace, path)?;
    let Some(text) = tree::text(&bytes) else {
        return Err(ToolError::File {
            path: path.to_owned(),
            reason: format!(
                "a binary file of {} bytes; only text can be read",
                bytes.len()
            ),
        });
    };
    page(path, &text, call.offset, call.limit)
}

/// The asked lines of a text. Whole and within the caps, it is the text itself less its final newline.
fn page(
    path: &str,
    text: &str,
    offset: Option<usize>,
    limit: Option<usize>,
) -> Result<String, ToolError> {
    if text.is_empty() {
        return Ok("(empty file)".into());
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let total = lines.len();
    let first = offset.unwrap_or(1).max(1);
    if first > total {
        return Err(ToolError::File {
            path: path.to_owned(),
            reason: format!("offset {first} is past the end; the file has {total} lines"),
        });
    }
    let (most_lines, most_bytes) = match limit {
        Some(limit) => (limit.clamp(1, MOST_LINES), MOST_BYTES),
        None => (DEFAULT_LINES, DEFAULT_BYTES),
    };
    let mut shown = String::new();
    let mut last = first - 1;
    for line in lines.iter().skip(first - 1).take(most_lines) {
        if shown.len() + line.len() > most_bytes {
            if shown.is_empty() {
                // One line longer than a page: its head, or the model could never get past it.
                let (head, rest) = line.split_at(cap::floor_boundary(line, most_bytes));
                shown = format!("{head}\n[{} bytes of line {first} left out]\n", rest.len());
                last += 1;
            }
            break;
        }
        shown.push_str(line);
        last += 1;
    }
    let body = without_final_newline(&shown);
    Ok(if last < total {
        format!(
            "{body}\n[lines {first}-{last} of {total}; continue with offset={}]",
            last + 1
        )
    } else if first > 1 {
        format!("{body}\n[lines {first}-{last} of {total}]")
    } else {
        body.to_owned()
    })
}

fn without_final_newline(text: &str) -> &str {
    let Some(text) = text.strip_suffix('\n') else {
        return text;
    };
    text.strip_suffix('\r').unwrap_or(text)
}
