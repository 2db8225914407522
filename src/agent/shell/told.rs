//! What the model is told of a command of the user's, and the command read back from it: the record has no
//! other trace of one.

use super::super::attach::fenced;
use super::super::{AgentEvent, RunId, ShellEnd};
use crate::conversation::Item;
use std::time::Duration;

const INTRODUCTION: &str = "The user ran a command of their own in the repository root:\n";
const NOTHING: &str = "It printed nothing.";
const PRINTED: &str = "It printed:\n";
const INTERRUPTED: &str = "The user interrupted it";
const FAILED: &str = "It was ended from outside, or did not start";
const EXITED: &str = "It ended with exit code ";

/// Runs of resumed conversations count from here: no run of this process comes so far.
const PAST: u64 = 1 << 32;

/// A command that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Told {
    pub(super) command: String,
    pub(super) end: ShellEnd,
    /// To a tenth of a second.
    pub(super) elapsed: Duration,
    pub(super) printed: String,
}

impl Told {
    pub(super) fn item(&self) -> Item {
        let how = match self.end {
            ShellEnd::Exited(code) => format!("{EXITED}{code}"),
            ShellEnd::Interrupted => INTERRUPTED.to_owned(),
            ShellEnd::Failed => FAILED.to_owned(),
        };
        let said = if self.printed.trim().is_empty() {
            NOTHING.to_owned()
        } else {
            format!("{PRINTED}{}", fenced(&self.printed))
        };
        Item::Attached {
            name: format!("! {}", self.command),
            text: format!(
                "{INTRODUCTION}{}\n{how} after {:.1} s. {said}",
                fenced(&self.command),
                self.elapsed.as_secs_f64()
            ),
        }
    }

    /// `None` where the item is something else.
    pub(in super::super) fn read(name: &str, text: &str) -> Option<Told> {
        let command = name.strip_prefix("! ")?;
        let rest = text.strip_prefix(INTRODUCTION)?;
        let rest = rest.strip_prefix(&fenced(command))?.strip_prefix('\n')?;
        let (how, rest) = rest.split_once(" after ")?;
        let (seconds, said) = rest.split_once(" s. ")?;
        let end = match how {
            INTERRUPTED => ShellEnd::Interrupted,
            FAILED => ShellEnd::Failed,
            _ => ShellEnd::Exited(how.strip_prefix(EXITED)?.parse().ok()?),
        };
        let printed = match said {
            NOTHING => "",
            _ => {
                let block = said.strip_prefix(PRINTED)?;
                let (fence, _) = block.split_once('\n')?;
                block
                    .strip_prefix(fence)?
                    .strip_prefix('\n')?
                    .strip_suffix(fence)?
            }
        };
        Some(Told {
            command: command.to_owned(),
            end,
            elapsed: Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?,
            printed: printed.to_owned(),
        })
    }

    /// What a consumer was told when it ran; `number` counts the commands of the conversation.
    pub(in super::super) fn events(self, number: u64) -> Vec<AgentEvent> {
        let run = RunId(PAST + number);
        let mut events = vec![AgentEvent::ShellStarted {
            run,
            command: self.command,
        }];
        if !self.printed.is_empty() {
            events.push(AgentEvent::ShellOutput {
                run,
                text: self.printed,
            });
        }
        events.push(AgentEvent::ShellFinished {
            run,
            end: self.end,
            elapsed: self.elapsed,
        });
        events
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read_back() {
        for command in ["ls", "echo '```' after 3 s. x", "printf 'a\\n'\nls", ""] {
            for end in [
                ShellEnd::Exited(0),
                ShellEnd::Exited(-1),
                ShellEnd::Interrupted,
                ShellEnd::Failed,
            ] {
                for printed in ["", "one\n", "```\n````x\n", "It printed:\n```\n```\n"] {
                    let told = Told {
                        command: command.into(),
                        end,
                        elapsed: Duration::from_millis(1_200),
                        printed: printed.into(),
                    };
                    let Item::Attached { name, text } = told.item() else {
                        panic!("another item")
                    };
                    assert_eq!(Told::read(&name, &text), Some(told));
                }
            }
        }
    }

    #[test]
    fn other_words_are_no_command() {
        for (name, text) in [
            ("a.rs", "The message above names a.rs."),
            ("! ls", "something else"),
            (
                "! ls",
                "The user ran a command of their own in the repository root:\n```\nls\n```\nIt ended with exit code x after 1 s. It printed nothing.",
            ),
        ] {
            assert_eq!(Told::read(name, text), None, "{text}");
        }
    }
}
