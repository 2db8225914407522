//! `functions.shell`: what the model's message means as a command, and what it is told of the outcome.
//!
//! Running it is the sandbox's; [`Shell`] is the part of it that a turn needs, so that tests can script one.

use super::arguments;
use super::view::Changes;
use crate::sandbox::{CommandExit, CommandResult, SandboxError};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

/// A shell on a view of the work tree, stateful between commands.
pub trait Shell: Send + Sync {
    /// Brings the view up to date with the work tree; before every command and every cell.
    fn begin(&self) -> BoxFuture<'_, Result<(), SandboxError>>;
    /// Runs one command; `output` gets what it prints as it comes. Cancelling interrupts it.
    fn run<'a>(
        &'a self,
        command: &'a str,
        output: Box<dyn FnMut(&str) + Send + 'a>,
        cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<CommandResult, SandboxError>>;
    /// What was changed in the view since [`Shell::begin`].
    fn changes(&self) -> BoxFuture<'_, Result<Changes, SandboxError>>;
    /// After the review of `changes`: what was not taken over is set back.
    fn settle<'a>(&'a self, changes: &'a Changes) -> BoxFuture<'a, Result<(), SandboxError>>;
}

#[derive(Deserialize, Default)]
struct Fields {
    #[serde(alias = "cmd", alias = "script", alias = "code", alias = "input")]
    command: Option<Words>,
}

/// As a text, or as the arguments of an `exec`, as models trained on other tools write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<String>),
}

/// The command of a call: `{"command": ...}`, a bare text, or the inside of a Markdown fence.
pub fn command(arguments: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(arguments.trim()) {
        Ok(serde_json::Value::String(command)) => return command,
        Ok(value @ serde_json::Value::Object(_)) => {
            if let Ok(Fields {
                command: Some(words),
            }) = serde_json::from_value(value)
            {
                return words.text();
            }
            return String::new();
        }
        _ => {}
    }
    if arguments.trim_start().starts_with("```") {
        return arguments::unfenced(arguments).to_owned();
    }
    arguments.trim().to_owned()
}

impl Words {
    fn text(self) -> String {
        match self {
            Words::Text(text) => text,
            Words::List(words) => match words.as_slice() {
                [shell, option, command]
                    if ["bash", "sh", "/bin/bash", "/bin/sh"].contains(&shell.as_str())
                        && option.starts_with('-')
                        && option.ends_with('c') =>
                {
                    command.clone()
                }
                words => words
                    .iter()
                    .map(|word| quoted(word))
                    .collect::<Vec<_>>()
                    .join(" "),
            },
        }
    }
}

/// A word as bash reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

pub(super) fn summary(arguments: &str) -> String {
    let command = command(arguments);
    let mut lines = command.lines().filter(|line| !line.trim().is_empty());
    match (lines.next(), lines.next()) {
        (None, _) => "shell".into(),
        (Some(only), None) => format!("$ {}", only.trim()),
        (Some(first), Some(_)) => format!("$ {} …", first.trim()),
    }
}

/// What the model is told of a command: its output, and its exit code or how else it ended.
pub fn answer(result: &CommandResult) -> String {
    let output = result.output.trim_end_matches(['\n', '\r']);
    let mut text = output.to_owned();
    if !text.is_empty() {
        text.push('\n');
    }
    let ending = match result.exit {
        CommandExit::Code(code) => format!("[exit code {code}]"),
        CommandExit::Timeout => "[stopped: the time limit was reached]".to_owned(),
        CommandExit::Interrupted => "[interrupted by the user]".to_owned(),
    };
    text.push_str(&ending);
    text
}

/// As a shell says it.
pub fn exit_code(exit: CommandExit) -> i32 {
    match exit {
        CommandExit::Code(code) => code,
        CommandExit::Timeout => 124,
        CommandExit::Interrupted => 130,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_found_in_what_models_write() {
        for (arguments, expected) in [
            (r#"{"command":"cargo test | tail"}"#, "cargo test | tail"),
            (r#"{"command":["bash","-lc","ls -l"]}"#, "ls -l"),
            (r#"{"command":["ls","a b","it's"]}"#, r"ls 'a b' 'it'\''s'"),
            (r#"{"cmd":"ls","timeout":5}"#, "ls"),
            ("\"ls\"", "ls"),
            ("ls -l\n", "ls -l"),
            ("```bash\nls\n```", "ls"),
            (r#"{"other":"ls"}"#, ""),
            ("[1]", "[1]"),
            ("", ""),
        ] {
            assert_eq!(command(arguments), expected, "{arguments}");
        }
        assert_eq!(summary(r#"{"command":"a\nb"}"#), "$ a …");
        assert_eq!(summary("{}"), "shell");
    }

    #[test]
    fn the_exit_code_is_always_told() {
        let result = |output: &str, exit| CommandResult {
            output: output.to_owned(),
            exit,
            folder: "/workspace".to_owned(),
        };
        assert_eq!(
            answer(&result("a\n", CommandExit::Code(0))),
            "a\n[exit code 0]"
        );
        assert_eq!(answer(&result("", CommandExit::Code(3))), "[exit code 3]");
        assert_eq!(
            answer(&result("", CommandExit::Timeout)),
            "[stopped: the time limit was reached]"
        );
    }
}
