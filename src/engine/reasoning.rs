//! The reasoning budget: how much analysis one generation may hold before it has to go on to the answer.
//!
//! Pure: the ids of a generation in, whether its reasoning is over out. Who samples closes the message then and
//! opens what follows; so the record stays well-formed, and the model says the rest itself. The one thing to
//! know: a character is never cut, the message goes on until its last one is whole.

use crate::conversation::{Channel, Role, TokenId};
use crate::harmony::HarmonyEvent;
use crate::harmony::parse::Parser;
use crate::harmony::vocab::{self, Vocabulary};
use std::sync::Arc;

/// Tokens that a character may take to become whole; a text that is never valid is cut after them.
const LONGEST_CHARACTER: usize = 4;

/// What one generation has spent.
#[derive(Debug)]
pub struct Reasoning {
    budget: usize,
    /// Tokens of analysis so far, without headers and ends.
    spent: usize,
    vocabulary: Arc<Vocabulary>,
    parser: Parser,
    events: Vec<HarmonyEvent>,
    /// An analysis message to nobody is open.
    open: bool,
    /// The beginning of a character whose last bytes are still to come.
    partial: Vec<u8>,
}

impl Reasoning {
    /// `budget`: tokens of analysis; 0 allows an empty message.
    pub fn new(budget: usize, vocabulary: &Arc<Vocabulary>) -> Reasoning {
        Reasoning {
            budget,
            spent: 0,
            vocabulary: Arc::clone(vocabulary),
            parser: Parser::new(vocabulary),
            events: Vec::new(),
            open: false,
            partial: Vec::new(),
        }
    }

    /// Takes the next id of the generation, from after `<|start|>assistant` on.
    pub fn take(&mut self, token: TokenId) {
        let was_open = self.open;
        self.parser.push(token, &mut self.events);
        for event in self.events.drain(..) {
            match event {
                HarmonyEvent::MessageStarted(header) => {
                    self.open = header.role == Role::Assistant
                        && header.channel == Some(Channel::Analysis)
                        && header.recipient.is_none();
                }
                HarmonyEvent::MessageDone(_) => self.open = false,
                HarmonyEvent::TextDelta(_) => {}
            }
        }
        if self.open && was_open && !vocab::is_special(token) {
            self.spent += 1;
            let bytes = self.vocabulary.token_bytes(token).unwrap_or_default();
            self.partial.extend_from_slice(bytes);
            self.partial = unfinished(&self.partial).to_vec();
        } else {
            self.partial.clear();
        }
    }

    /// The open message is analysis and has to end here.
    pub fn is_over(&self) -> bool {
        let whole = self.partial.is_empty() || self.spent >= self.budget + LONGEST_CHARACTER;
        self.open && self.spent >= self.budget && whole
    }

    /// Tokens of analysis so far.
    pub fn spent(&self) -> usize {
        self.spent
    }
}

/// What ends the reasoning: `<|end|><|start|>assistant`.
pub(super) fn end(vocabulary: &Vocabulary) -> Vec<TokenId> {
    let assistant = vocabulary.encode_text("assistant");
    [&[vocab::END, vocab::START], assistant.as_slice()].concat()
}

/// What begins the answer behind it: `<|channel|>final<|message|>`.
pub(super) fn answer(vocabulary: &Vocabulary) -> Vec<TokenId> {
    let channel = vocabulary.encode_text("final");
    [&[vocab::CHANNEL], channel.as_slice(), &[vocab::MESSAGE]].concat()
}

/// The beginning of a character at the end of `bytes`; empty where there is none, or nothing can make it one.
fn unfinished(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(_) => return &[],
            Err(error) => {
                let (_, after) = rest.split_at(error.valid_up_to());
                match error.error_len() {
                    None => return after,
                    Some(wrong) => rest = after.get(wrong..).unwrap_or_default(),
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::engine::scripted::encode_spelled;

    fn vocabulary() -> Arc<Vocabulary> {
        Vocabulary::load(tempfile::tempdir().unwrap().path()).unwrap()
    }

    /// After how many ids of `text` its reasoning is over.
    fn over_after(vocabulary: &Arc<Vocabulary>, budget: usize, text: &str) -> Option<usize> {
        let mut reasoning = Reasoning::new(budget, vocabulary);
        let ids = encode_spelled(text, vocabulary);
        ids.iter().position(|id| {
            reasoning.take(*id);
            reasoning.is_over()
        })
    }

    #[test]
    fn only_analysis_to_nobody_counts_and_messages_add_up() {
        let vocabulary = vocabulary();
        let after = |budget, text| over_after(&vocabulary, budget, text);
        let thought = "<|channel|>analysis<|message|>one two three four five";
        assert_eq!(after(0, thought), Some(2));
        assert_eq!(after(3, thought), Some(5));
        assert_eq!(after(5, thought), Some(7));
        assert_eq!(after(6, thought), None);
        let twice = "<|channel|>analysis<|message|>one two<|end|><|start|>assistant<|channel|>analysis<|message|>a b";
        assert_eq!(after(3, twice), Some(11));
        for other in [
            "<|channel|>final<|message|>one two three",
            "<|channel|>commentary<|message|>one two three",
            "<|channel|>analysis to=python code<|message|>one two three",
        ] {
            assert_eq!(after(1, other), None, "{other}");
        }
    }

    #[test]
    fn a_character_is_not_cut() {
        let vocabulary = vocabulary();
        // In bytes, each a token.
        let byte = |b: u8| {
            (0..2_000)
                .find(|id| vocabulary.token_bytes(*id) == Some(&[b][..]))
                .unwrap()
        };
        let mut reasoning = Reasoning::new(1, &vocabulary);
        for id in encode_spelled("<|channel|>analysis<|message|>", &vocabulary) {
            reasoning.take(id);
        }
        let said: Vec<bool> = "€"
            .bytes()
            .map(|b| {
                reasoning.take(byte(b));
                reasoning.is_over()
            })
            .collect();
        assert_eq!(said, [false, false, true]);
        // What is no text at all ends all the same.
        let mut reasoning = Reasoning::new(0, &vocabulary);
        for id in encode_spelled("<|channel|>analysis<|message|>", &vocabulary) {
            reasoning.take(id);
        }
        for _ in 0..LONGEST_CHARACTER {
            reasoning.take(byte(0xF0));
        }
        assert!(reasoning.is_over());
    }
}
