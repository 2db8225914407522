//! Harmony, the message format GPT-OSS speaks: rendering a conversation to tokens and reading back what
//! the model generates.
//!
//! Rendering is `openai-harmony`'s; parsing is ours, because damaged headers are common and no generated
//! text may be lost. Nothing here runs tools or talks to an engine. Before changing the parser, read the
//! tests in `harmony/parse.rs`: any token sequence whatever must go through without a panic or a lost byte.

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
