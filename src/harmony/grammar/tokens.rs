//! An engine's vocabulary as a grammar needs it: the bytes of every id, the special tokens, a trie of them all.

use crate::conversation::TokenId;
use crate::harmony::vocab::{self, Vocabulary, is_special};
use llguidance::ParserFactory;
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{
    ApproximateTokEnv, InferenceCapabilities, SimpleVob, TokEnv, TokRxInfo, TokTrie,
};
use rustc_hash::FxHashMap;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenTableError {
    #[error("the vocabulary has no id for {0}")]
    NoSpecial(&'static str),
    #[error("the vocabulary cannot be arranged as a tree: {0}")]
    Tree(String),
}

/// The ids that an engine samples, arranged for grammars. Some 0.3 s and 40 MB for the whole of o200k.
pub struct TokenTable {
    factory: ParserFactory,
    env: TokEnv,
    /// Ids that spell what a lower id spells already, and that id. Ascending.
    aliases: Vec<(u32, u32)>,
    /// Ids of the Harmony tokens that grammars name.
    specials: FxHashMap<TokenId, u32>,
}

impl std::fmt::Debug for TokenTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenTable")
            .field("ids", &self.trie().vocab_size())
            .field("aliases", &self.aliases.len())
            .finish_non_exhaustive()
    }
}

impl TokenTable {
    /// `harmony`: the Harmony id of each of the engine's ids, in their order.
    pub fn new(
        vocabulary: &Vocabulary,
        harmony: impl IntoIterator<Item = TokenId>,
    ) -> Result<TokenTable, TokenTableError> {
        let mut words: Vec<Vec<u8>> = Vec::with_capacity(201_089);
        let mut specials = FxHashMap::default();
        let mut aliases = Vec::new();
        let mut known: FxHashMap<&[u8], u32> = FxHashMap::default();
        for (id, token) in (0u32..).zip(harmony) {
            let bytes = vocabulary.token_bytes(token).unwrap_or_default();
            if is_special(token) {
                specials.insert(token, id);
                let mut word = vec![TokTrie::SPECIAL_TOKEN_MARKER];
                word.extend_from_slice(bytes);
                words.push(word);
            } else if let Some(&first) = known.get(bytes) {
                aliases.push((id, first));
                words.push(Vec::new());
            } else {
                known.insert(bytes, id);
                words.push(bytes.to_vec());
            }
        }
        let id_of = |token, name| {
            specials
                .get(&token)
                .copied()
                .ok_or(TokenTableError::NoSpecial(name))
        };
        for (token, name) in [
            (vocab::START, "<|start|>"),
            (vocab::CHANNEL, "<|channel|>"),
            (vocab::MESSAGE, "<|message|>"),
            (vocab::END, "<|end|>"),
            (vocab::CALL, "<|call|>"),
        ] {
            id_of(token, name)?;
        }
        let end = id_of(vocab::RETURN, "<|return|>")?;
        let count = u32::try_from(words.len()).unwrap_or(u32::MAX);
        let trie = TokTrie::from(&TokRxInfo::new(count, end), &words);
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new(
            &env,
            InferenceCapabilities::default(),
            &SlicedBiasComputer::general_slices(),
        )
        .map_err(|error| TokenTableError::Tree(format!("{error:#}")))?;
        factory.quiet();
        Ok(TokenTable {
            factory,
            env,
            aliases,
            specials,
        })
    }

    pub(super) fn factory(&self) -> &ParserFactory {
        &self.factory
    }

    pub(super) fn trie(&self) -> &TokTrie {
        self.env.tok_trie()
    }

    /// The engine's id of a special token.
    pub(super) fn special(&self, token: TokenId) -> Option<u32> {
        self.specials.get(&token).copied()
    }

    pub(super) fn call(&self) -> Option<u32> {
        self.special(vocab::CALL)
    }

    pub(super) fn message(&self) -> Option<u32> {
        self.special(vocab::MESSAGE)
    }

    /// What an ordinary id spells; `None` for a special one.
    pub(super) fn text(&self, id: u32) -> Option<&[u8]> {
        let trie = self.trie();
        if id as usize >= trie.vocab_size() {
            return None;
        }
        let bytes = trie.token(id);
        (!bytes.is_empty() && bytes.first() != Some(&TokTrie::SPECIAL_TOKEN_MARKER))
            .then_some(bytes)
    }

    /// The id that stands for all that spell the same.
    pub(super) fn canonical(&self, id: u32) -> u32 {
        match self.aliases.binary_search_by_key(&id, |(alias, _)| *alias) {
            Ok(at) => self.aliases.get(at).map_or(id, |(_, first)| *first),
            Err(_) => id,
        }
    }

    pub(super) fn allow_aliases(&self, ids: &mut SimpleVob) {
        for &(alias, first) in &self.aliases {
            if ids.is_allowed(first) {
                ids.allow_token(alias);
            }
        }
    }
}
