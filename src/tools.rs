//! The tools the model is offered: their specs, and their execution with capped output.
//!
//! A tool takes what the model wrote and gives back the text the model is told. It knows neither turns
//! nor approvals (that is [`crate::agent`]): `apply_patch` here only reads and plans. The one thing to
//! know: every file is read through [`crate::workspace`], so nothing outside the repository is reachable
//! and no symbolic link is followed.

pub mod apply_patch;
mod arguments;
pub mod cap;
pub mod files;
mod list_files;
pub mod outputs;
pub mod python;
mod read_file;
mod search;
pub mod shell;
mod tree;
pub mod view;
pub mod workbench;

use crate::conversation::FunctionSpec;
use crate::workspace::Workspace;
use outputs::Outputs;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Every tool there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tool {
    ReadFile,
    ListFiles,
    Search,
    ApplyPatch,
    Python,
    Shell,
}

impl Tool {
    pub const ALL: [Tool; 6] = [
        Tool::ReadFile,
        Tool::ListFiles,
        Tool::Search,
        Tool::ApplyPatch,
        Tool::Python,
        Tool::Shell,
    ];

    /// Without a namespace.
    pub fn name(self) -> &'static str {
        match self {
            Tool::ReadFile => "read_file",
            Tool::ListFiles => "list_files",
            Tool::Search => "search",
            Tool::ApplyPatch => "apply_patch",
            Tool::Python => "python",
            Tool::Shell => "shell",
        }
    }

    /// The role the tool's answer speaks as.
    pub fn role(self) -> &'static str {
        match self {
            Tool::ReadFile => "functions.read_file",
            Tool::ListFiles => "functions.list_files",
            Tool::Search => "functions.search",
            Tool::ApplyPatch => "functions.apply_patch",
            Tool::Python => "python",
            Tool::Shell => "functions.shell",
        }
    }

    /// The tool a recipient means. Models leave the namespace out, write another one's, or run into the
    /// markup that follows (`functions.search<|channel|>`, `python code`): the name is what stands before
    /// any of that.
    pub fn from_recipient(recipient: &str) -> Option<Tool> {
        let name = recipient_name(recipient);
        let bare = name
            .strip_prefix("functions.")
            .or_else(|| name.strip_prefix("function."))
            .unwrap_or(&name);
        match bare {
            "read_file" => Some(Tool::ReadFile),
            "list_files" => Some(Tool::ListFiles),
            "search" => Some(Tool::Search),
            "apply_patch" | "applypatch" => Some(Tool::ApplyPatch),
            "python" => Some(Tool::Python),
            "shell" => Some(Tool::Shell),
            _ => None,
        }
    }
}

/// The leading name characters of a recipient, in lower case: what may be shown and used as a role.
pub fn recipient_name(recipient: &str) -> String {
    recipient
        .trim()
        .trim_start_matches("to=")
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
        .take(64)
        .flat_map(char::to_lowercase)
        .collect()
}

/// The functions of the developer message. Kept short: every line of it is prefilled on the user's machine.
/// `shell`: whether it can be offered.
pub fn functions(shell: bool) -> Vec<FunctionSpec> {
    let path = || json!({"type": "string", "description": "relative to the repository root"});
    let mut functions = vec![
        FunctionSpec {
            name: Tool::ReadFile.name().into(),
            description: "Read a text file.".into(),
            parameters: Some(json!({
                "type": "object",
                "properties": {
                    "path": path(),
                    "offset": {"type": "integer", "description": "first line, from 1"},
                    "limit": {"type": "integer", "description": "lines; default 400"},
                },
                "required": ["path"],
            })),
        },
        FunctionSpec {
            name: Tool::ListFiles.name().into(),
            description: "List the files of the repository, ignored ones left out.".into(),
            parameters: Some(json!({
                "type": "object",
                "properties": {
                    "path": {"type": "string", "description": "a folder"},
                    "glob": {"type": "string", "description": "e.g. *.rs or src/**/*.py"},
                },
            })),
        },
        FunctionSpec {
            name: Tool::Search.name().into(),
            description: "Search the files with a regular expression. Answers PATH:LINE:TEXT."
                .into(),
            parameters: Some(json!({
                "type": "object",
                "properties": {
                    "pattern": {"type": "string"},
                    "path": {"type": "string", "description": "a file or folder"},
                    "glob": {"type": "string"},
                },
                "required": ["pattern"],
            })),
        },
        FunctionSpec {
            name: Tool::ApplyPatch.name().into(),
            description: APPLY_PATCH.into(),
            // Rendered as `(_: string) => any`, the form GPT-OSS knows for it; without a schema it would say
            // that the call takes nothing.
            parameters: Some(json!({"type": "string"})),
        },
    ];
    if shell {
        functions.push(FunctionSpec {
            name: Tool::Shell.name().into(),
            description: SHELL.into(),
            parameters: Some(json!({
                "type": "object",
                "properties": {"command": {"type": "string"}},
                "required": ["command"],
            })),
        });
    }
    functions
}

/// What has to be known to use it well, and no more.
const SHELL: &str = "Run a bash command in a container without network, in a copy of the repository at /workspace. The folder and exported variables stay for the next command; what still runs at its end is stopped. There is no .git. Files that it changes are proposed to the user as a patch; what they decline is set back.";

/// The format itself stands in the developer instructions, once.
const APPLY_PATCH: &str = "Edit files: the whole message is the patch. The user reviews each hunk and may decline some, with a note.";

/// Runs one of the tools that only read. `outputs`: what this conversation's answers were too long for. The text goes to the model, errors as well.
pub fn run_read_only(
    tool: Tool,
    workspace: &Workspace,
    outputs: Option<&Outputs>,
    arguments: &str,
    cancel: &CancellationToken,
) -> Result<String, ToolError> {
    match tool {
        Tool::ReadFile => read_file::run(workspace, outputs, &arguments::parse(arguments)?),
        Tool::ListFiles => list_files::run(workspace, &arguments::parse(arguments)?, cancel),
        Tool::Search => search::run(workspace, &arguments::parse(arguments)?, cancel),
        Tool::ApplyPatch | Tool::Python | Tool::Shell => Err(ToolError::NotReadOnly(tool.name())),
    }
}

/// The call in words: `read src/main.rs`. For display only, so bad arguments give the bare verb.
pub fn summary(tool: Tool, arguments: &str) -> String {
    match tool {
        Tool::ReadFile => read_file::summary(&arguments::parse(arguments).unwrap_or_default()),
        Tool::ListFiles => list_files::summary(&arguments::parse(arguments).unwrap_or_default()),
        Tool::Search => search::summary(&arguments::parse(arguments).unwrap_or_default()),
        Tool::ApplyPatch => apply_patch::summary(arguments),
        Tool::Python => python::summary(arguments),
        Tool::Shell => shell::summary(arguments),
    }
}

/// The arguments as they are shown: of a shell the command itself.
pub fn shown(tool: Tool, arguments: &str) -> String {
    match tool {
        Tool::Shell => shell::command(arguments),
        Tool::ReadFile | Tool::ListFiles | Tool::Search | Tool::ApplyPatch | Tool::Python => {
            arguments.to_owned()
        }
    }
}

/// What the model is told, after `Error: `.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The message is the workspace's own: `PATH: no such file` and the like.
    #[error("{0}")]
    Workspace(String),
    #[error("the arguments are not what the tool takes: {0}")]
    Arguments(String),
    #[error("{path}: {reason}")]
    File { path: String, reason: String },
    #[error("the glob {glob}: {reason}")]
    Glob { glob: String, reason: String },
    #[error("{0}")]
    Regex(String),
    #[error("{0}")]
    Patch(String),
    #[error("interrupted by the user")]
    Interrupted,
    #[error("{0} is not one of the tools that only read; this is a bug of Descant")]
    NotReadOnly(&'static str),
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
