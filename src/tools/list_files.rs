//! `functions.list_files`: the files of the repository, ignored ones left out.

use super::arguments::lenient_text;
use super::{ToolError, cap, tree};
use crate::workspace::Workspace;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

/// Files of one answer; the byte cap holds as well.
const MOST_FILES: usize = 500;

#[derive(Debug, Default, Deserialize)]
pub(super) struct ListFiles {
    #[serde(default, deserialize_with = "lenient_text")]
    path: Option<String>,
    #[serde(default, deserialize_with = "lenient_text", alias = "pattern")]
    glob: Option<String>,
}

pub(super) fn summary(call: &ListFiles) -> String {
    let mut words = "list files".to_owned();
    if let Some(glob) = &call.glob {
        words.push_str(&format!(" {glob}"));
    }
    if let Some(path) = &call.path {
        words.push_str(&format!(" in {path}"));
    }
    words
}

pub(super) fn run(
    workspace: &Workspace,
    call: &ListFiles,
    cancel: &CancellationToken,
) -> Result<String, ToolError> {
    let scope = tree::Scope::new(workspace, call.path.as_deref(), call.glob.as_deref())?;
    let mut files = Vec::new();
    scope.walk(cancel, |path| {
        files.push(path.to_owned());
        Ok(tree::Walk::On)
    })?;
    files.sort_unstable();
    Ok(render(&files))
}

fn render(files: &[String]) -> String {
    if files.is_empty() {
        return "No files.".into();
    }
    let mut text = String::new();
    let mut shown = 0;
    for file in files.iter().take(MOST_FILES) {
        if text.len() + file.len() + 1 > cap::ANSWER_LIMIT {
            break;
        }
        text.push_str(file);
        text.push('\n');
        shown += 1;
    }
    if shown < files.len() {
        text.push_str(&format!(
            "[{shown} of {} files; narrow with path or glob]",
            files.len()
        ));
    } else {
        text.pop();
    }
    text
}
