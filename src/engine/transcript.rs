//! From generated ids to what an engine reports: Harmony events and the tokens spent on reasoning.

use super::EngineEvent;
use super::outbox::Outbox;
use crate::conversation::{Channel, TokenId};
use crate::harmony::HarmonyEvent;
use crate::harmony::parse::{MessageSpan, Parser};
use crate::harmony::vocab::{self, Vocabulary};
use std::sync::Arc;

/// Whether a generation ends with this id: a call, an answer, or the end that GPT-OSS's own
/// `generation_config.json` lists beside them.
pub(super) fn ends_generation(id: TokenId) -> bool {
    matches!(id, vocab::CALL | vocab::RETURN | vocab::END_OF_TEXT)
}

/// Reads one generation.
pub(super) struct Transcript {
    parser: Parser,
    events: Vec<HarmonyEvent>,
    tokens: Vec<TokenId>,
}

impl Transcript {
    pub(super) fn new(vocabulary: &Arc<Vocabulary>) -> Self {
        Transcript {
            parser: Parser::new(vocabulary),
            events: Vec::new(),
            tokens: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, token: TokenId, outbox: &mut Outbox) {
        self.tokens.push(token);
        outbox.push(EngineEvent::Tokens(vec![token]));
        self.parser.push(token, &mut self.events);
        self.report(outbox);
    }

    /// The stream is over: what was open is reported as cut.
    pub(super) fn finish(&mut self, outbox: &mut Outbox) {
        self.parser.finish(&mut self.events);
        self.report(outbox);
    }

    fn report(&mut self, outbox: &mut Outbox) {
        for event in self.events.drain(..) {
            outbox.push(EngineEvent::Harmony(event));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Tokens of analysis messages, their headers and ends included. Whole after `finish`.
    pub(super) fn reasoning_tokens(&self) -> usize {
        let analysis = |span: &&MessageSpan| span.header.channel == Some(Channel::Analysis);
        self.parser
            .spans()
            .iter()
            .filter(analysis)
            .map(|span| span.tokens.len())
            .sum()
    }

    pub(super) fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    pub(super) fn take_tokens(&mut self) -> Vec<TokenId> {
        std::mem::take(&mut self.tokens)
    }
}
