//! How a checkpoint's ids and Harmony's become each other, for every engine that hands ids to a model.

use crate::conversation::TokenId;
use crate::engine::reduced::ReducedVocabulary;
use crate::harmony::vocab::{self, Vocabulary};

/// How the checkpoint's ids relate to Harmony's.
#[derive(Debug)]
pub(in crate::engine) enum Codec {
    /// They are the same.
    Harmony,
    Reduced(Box<ReducedVocabulary>),
}

impl Codec {
    pub(in crate::engine) fn encode(
        &self,
        prompt: &[TokenId],
        vocabulary: &Vocabulary,
    ) -> Vec<u32> {
        match self {
            Codec::Harmony => prompt.to_vec(),
            Codec::Reduced(reduced) => reduced.encode_prompt(prompt, vocabulary),
        }
    }

    /// Ids beyond the table cannot be chosen: `load` compares its length with the checkpoint's.
    pub(in crate::engine) fn to_harmony(&self, id: u32) -> TokenId {
        match self {
            Codec::Harmony => id,
            Codec::Reduced(reduced) => reduced.to_harmony(id).unwrap_or(vocab::RESERVED),
        }
    }

    pub(in crate::engine) fn sacrifice(&self) -> u32 {
        match self {
            Codec::Harmony => vocab::RESERVED,
            Codec::Reduced(reduced) => reduced.sacrifice(),
        }
    }

    /// The Harmony id of each id of the checkpoint.
    pub(in crate::engine) fn harmony_ids(&self) -> Vec<TokenId> {
        match self {
            Codec::Harmony => (0..=vocab::LAST).collect(),
            Codec::Reduced(reduced) => reduced.harmony_ids().to_vec(),
        }
    }

    /// The id of one token; `None` where the checkpoint has none.
    pub(in crate::engine) fn of_harmony(&self, token: TokenId) -> Option<u32> {
        match self {
            Codec::Harmony => Some(token),
            Codec::Reduced(reduced) => {
                let at = reduced.harmony_ids().iter().position(|id| *id == token)?;
                u32::try_from(at).ok()
            }
        }
    }

    pub(in crate::engine) fn call(&self) -> Option<u32> {
        match self {
            Codec::Harmony => Some(vocab::CALL),
            Codec::Reduced(reduced) => reduced.special(vocab::CALL),
        }
    }
}
