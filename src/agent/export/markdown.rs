//! An exported conversation as Markdown, to be read.

use super::Entry;
use crate::session::{Head, utc_date};
use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

pub(super) fn markdown(head: &Head, entries: &[Entry]) -> String {
    let date = utc_date(UNIX_EPOCH + Duration::from_secs(head.created));
    let mut out = format!(
        "# Conversation {}\n\nAbout `{}` with {}, begun on {date}.\n",
        head.id,
        head.workspace.display(),
        head.model
    );
    for entry in entries {
        out.push('\n');
        match entry {
            Entry::User { text, .. } => {
                let _ = writeln!(out, "## You\n\n{}", text.trim_end());
            }
            Entry::Reasoning { text } => {
                let quoted = text.trim().replace('\n', "\n> ");
                let _ = writeln!(out, "> *reasoning*\n>\n> {quoted}");
            }
            Entry::Answer { text, .. } => {
                let _ = writeln!(out, "{}", text.trim());
            }
            Entry::Tool {
                tool,
                summary,
                output,
                status,
                exit_code,
                ..
            } => {
                let exit = exit_code.map_or_else(String::new, |code| format!(", exit {code}"));
                let _ = writeln!(
                    out,
                    "**{tool}** {summary} ({status}{exit})\n\n{}",
                    fenced("", output)
                );
            }
            Entry::Command {
                command,
                output,
                how,
                exit_code,
                ..
            } => {
                let exit = exit_code.map_or_else(String::new, |code| format!(" {code}"));
                let _ = writeln!(
                    out,
                    "**! {command}** ({how}{exit})\n\n{}",
                    fenced("", output)
                );
            }
            Entry::Review {
                diff,
                accepted,
                declined,
                checkpoint,
                notes,
            } => {
                let number = checkpoint.map_or_else(String::new, |n| format!(", checkpoint {n}"));
                let _ = writeln!(
                    out,
                    "**Review**: {accepted} accepted, {declined} declined{number}\n\n{}",
                    fenced("diff", diff)
                );
                for note in notes {
                    let _ = writeln!(out, "\nNote: {note}");
                }
            }
            Entry::Notice { text } => {
                let _ = writeln!(out, "*{}*", text.trim().replace('\n', " "));
            }
            Entry::Problem { text } => {
                let _ = writeln!(out, "**Problem:** {}", text.trim().replace('\n', " "));
            }
            Entry::TurnEnd { how, error, .. } => match error {
                Some(error) => {
                    let _ = writeln!(out, "*The turn failed:* {}", error.replace('\n', " "));
                }
                None if *how == "answered" => {
                    out.pop();
                }
                None => {
                    let _ = writeln!(out, "*The turn ended: {}.*", how.replace('_', " "));
                }
            },
        }
    }
    out
}

/// In a fence longer than any in the text.
fn fenced(kind: &str, text: &str) -> String {
    let mut longest = 2;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    format!("{fence}{kind}\n{}\n{fence}", text.trim_end_matches('\n'))
}
