//! Harmony, the message format GPT-OSS speaks: rendering a conversation to tokens and reading back what
//! the model generates.
//!
//! Rendering is `openai-harmony`'s; parsing is ours, because damaged headers are common and no generated
//! text may be lost. Nothing here runs tools or talks to an engine. Before changing the parser, read the
//! tests in `harmony/parse/tests.rs`: any token sequence whatever must go through without a panic or a lost byte.

pub mod grammar;
pub mod parse;
pub mod render;
pub mod vocab;

use crate::conversation::{Header, Message};

/// What the parser reports while tokens arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HarmonyEvent {
    /// A header is complete (or was given up on and repaired).
    MessageStarted(Header),
    /// More text of the message that started last. Never empty, always whole characters.
    TextDelta(String),
    /// The message that started last, complete.
    MessageDone(Message),
}

/// Whom a recipient means, however the model wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipientKind {
    /// The built-in interpreter.
    Python,
    /// A function of the developer message, without its namespace; it need not exist.
    Function(String),
}

/// Matches a recipient leniently: the namespace may be missing and markup may stick to the name, so
/// `apply_patch`, `functions.apply_patch` and `functions.apply_patch<|channel|>commentary` are the same.
/// `None` where it names no tool at all: nothing, or a role.
pub fn recipient_kind(recipient: &str) -> Option<RecipientKind> {
    let recipient = recipient.trim();
    let recipient = recipient.strip_prefix("to=").unwrap_or(recipient);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let name = recipient.split(|c| !is_name(c)).next().unwrap_or("");
    let name = name.strip_prefix("functions.").unwrap_or(name);
    match name.trim_matches('.') {
        "" | "functions" | "assistant" | "user" | "all" => None,
        "python" => Some(RecipientKind::Python),
        name => Some(RecipientKind::Function(name.into())),
    }
}

#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_matched_leniently() {
        let patch = Some(RecipientKind::Function("apply_patch".into()));
        for recipient in [
            "apply_patch",
            "functions.apply_patch",
            "functions.apply_patch<|channel|>commentary",
            " to=functions.apply_patch",
            "functions.apply_patch<|constrain|>json",
            "functions.apply_patch{",
        ] {
            assert_eq!(recipient_kind(recipient), patch, "{recipient}");
        }
        assert_eq!(recipient_kind("python"), Some(RecipientKind::Python));
        assert_eq!(
            recipient_kind("functions.python"),
            Some(RecipientKind::Python)
        );
        for recipient in [
            "",
            "assistant",
            "user",
            "all",
            "<|channel|>",
            "functions.",
            "functions",
        ] {
            assert_eq!(recipient_kind(recipient), None, "{recipient}");
        }
    }
}
