//! `functions.apply_patch`: from the model's text to a plan. Writing it is the agent's, after the user's word.

use super::ToolError;
use crate::patch::{Plan, parse, plan};
use crate::workspace::Workspace;

/// Paths named in the summary of a call; more are counted.
const NAMED: usize = 3;

/// Parses the text (raw V4A, or JSON with one string) and locates it against the files as they are.
pub fn prepare(workspace: &Workspace, arguments: &str) -> Result<Plan, ToolError> {
    let patch = parse(arguments).map_err(|error| ToolError::Patch(error.to_string()))?;
    plan(workspace, &patch).map_err(|error| ToolError::Patch(error.to_string()))
}

pub(super) fn summary(arguments: &str) -> String {
    let Ok(patch) = parse(arguments) else {
        return "edit files".into();
    };
    let mut paths: Vec<&str> = patch.files.iter().map(|file| file.path.as_str()).collect();
    paths.dedup();
    match paths.split_at_checked(NAMED) {
        Some((first, rest)) if !rest.is_empty() => {
            format!("edit {} and {} more", first.join(", "), rest.len())
        }
        _ => format!("edit {}", paths.join(", ")),
    }
}
