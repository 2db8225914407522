//! What a turn may say, token by token: the grammar that sampling is held to.
//!
//! A [`Guide`] follows one generation and knows which tokens may come next: channels and recipients that exist,
//! JSON arguments that match their tool's schema (llguidance), V4A text for `apply_patch` (`patch`), free text
//! everywhere else. Inside a patch the files named must exist and the old lines of a hunk must be lines of that
//! very file, so a hunk that is finished is found where it was made. It samples nothing and knows no engine: ids
//! are those of a [`TokenTable`], which an engine builds for its vocabulary. The thing to know before changing
//! it: a state must never be a dead end, because a model that may say nothing can only be let go.

mod patch;
mod tokens;
mod turn;

pub use tokens::{TokenTable, TokenTableError};

use crate::conversation::FunctionSpec;
use llguidance::Matcher;
use llguidance::toktrie::SimpleVob;
use patch::PatchGuide;
use std::sync::Arc;

/// The tool whose argument is a patch.
const APPLY_PATCH: &str = "apply_patch";

/// The files that a patch may name.
pub trait PatchTargets: Send + Sync + std::fmt::Debug {
    /// The paths of the files that can be updated or deleted, as a patch names them; `None`: not known, so any.
    /// Asked on a thread of its own when a patch begins.
    fn paths(&self) -> Option<Vec<String>>;
    /// The lines of one of them as a patch quotes them, without their ends; `None` if it cannot be edited as text.
    /// Asked on the engine's thread while it samples: the answer must come from memory or from one small file.
    fn lines(&self, path: &str) -> Option<Vec<String>>;
}

/// What the model is offered, from which the grammar of a turn is made.
#[derive(Debug, Clone, Default)]
pub struct Offer {
    pub functions: Vec<FunctionSpec>,
    /// Whether the built-in `python` tool is there.
    pub python: bool,
    /// `None`: patches may name any path and quote any line.
    pub targets: Option<Arc<dyn PatchTargets>>,
}

/// Why a generation is not held to a grammar (any more).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    #[error("the grammar of a turn cannot be built: {0}")]
    Build(String),
    #[error("the grammar gave up at token {at}: {reason}")]
    Follow { at: usize, reason: String },
}

/// One generation under its grammar. Ids are the table's.
pub struct Guide {
    table: Arc<TokenTable>,
    offer: Arc<Offer>,
    part: Part,
    /// Tokens accepted.
    seen: usize,
}

enum Part {
    /// Headers, free text and JSON.
    Turn(Box<Matcher>),
    Patch(Box<PatchGuide>),
    /// A stop token came.
    Over,
}

impl std::fmt::Debug for Guide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let part = match self.part {
            Part::Turn(_) => "turn",
            Part::Patch(_) => "patch",
            Part::Over => "over",
        };
        f.debug_struct("Guide")
            .field("part", &part)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

impl Guide {
    /// A guide for what follows `<|start|>assistant`.
    pub fn new(table: &Arc<TokenTable>, offer: &Arc<Offer>) -> Result<Guide, GrammarError> {
        Guide::of(
            turn::grammar(table, offer, turn::Asides::Allowed),
            table,
            offer,
        )
    }

    /// As [`Guide::new`], for who has thought enough: a call or the answer, and nothing before.
    pub fn for_answer(table: &Arc<TokenTable>, offer: &Arc<Offer>) -> Result<Guide, GrammarError> {
        Guide::of(
            turn::grammar(table, offer, turn::Asides::None),
            table,
            offer,
        )
    }

    fn of(
        grammar: String,
        table: &Arc<TokenTable>,
        offer: &Arc<Offer>,
    ) -> Result<Guide, GrammarError> {
        let parser = table
            .factory()
            .create_parser(llguidance::api::TopLevelGrammar::from_lark(grammar))
            .map_err(|error| GrammarError::Build(format!("{error:#}")))?;
        Ok(Guide {
            table: Arc::clone(table),
            offer: Arc::clone(offer),
            part: Part::Turn(Box::new(Matcher::new(Ok(parser)))),
            seen: 0,
        })
    }

    /// Whether `id` may come next. Cheap: what a sampler asks about the token it would like to choose.
    pub fn allows(&mut self, id: u32) -> bool {
        let id = self.table.canonical(id);
        match &mut self.part {
            Part::Turn(matcher) => matcher.validate_tokens(&[id]).is_ok_and(|valid| valid == 1),
            Part::Patch(patch) => {
                Some(id) == self.table.call() && patch.is_complete()
                    || self.table.text(id).is_some_and(|bytes| patch.allows(bytes))
            }
            Part::Over => false,
        }
    }

    /// All ids that may come next. A walk over the vocabulary: asked only when a sampled token is not allowed.
    pub fn mask(&mut self) -> Result<Mask, GrammarError> {
        let mut ids = match &mut self.part {
            Part::Turn(matcher) => {
                matcher
                    .compute_mask()
                    .map_err(|error| GrammarError::Follow {
                        at: self.seen,
                        reason: format!("{error:#}"),
                    })?
            }
            Part::Patch(patch) => {
                let mut ids = self.table.trie().alloc_token_set();
                patch.add_allowed(self.table.trie(), &mut ids);
                if let Some(call) = self.table.call()
                    && patch.is_complete()
                {
                    ids.allow_token(call);
                }
                ids
            }
            Part::Over => self.table.trie().alloc_token_set(),
        };
        self.table.allow_aliases(&mut ids);
        if ids.is_zero() {
            return Err(GrammarError::Follow {
                at: self.seen,
                reason: "no token may follow".into(),
            });
        }
        Ok(Mask(ids))
    }

    /// Takes the token that was chosen.
    pub fn accept(&mut self, id: u32) -> Result<(), GrammarError> {
        let (id, at) = (self.table.canonical(id), self.seen);
        self.seen += 1;
        let refused = |reason: String| GrammarError::Follow { at, reason };
        match &mut self.part {
            Part::Turn(matcher) => {
                matcher
                    .consume_token(id)
                    .map_err(|error| refused(format!("{error:#}")))?;
                let over = matcher.is_stopped()
                    || matcher
                        .is_accepting()
                        .map_err(|error| refused(format!("{error:#}")))?;
                // The turn's grammar ends at its stop token, and where a patch begins.
                if over && Some(id) == self.table.message() {
                    self.part = Part::Patch(Box::new(PatchGuide::new(self.offer.targets.as_ref())));
                } else if over {
                    self.part = Part::Over;
                }
            }
            Part::Patch(_) if Some(id) == self.table.call() => self.part = Part::Over,
            Part::Patch(patch) => {
                let bytes = self.table.text(id).unwrap_or_default();
                if !patch.accept(bytes) {
                    return Err(refused("the patch cannot go on like that".into()));
                }
            }
            Part::Over => return Err(refused("the turn is over".into())),
        }
        Ok(())
    }

    /// Whether a stop token has ended the turn.
    pub fn is_over(&self) -> bool {
        matches!(self.part, Part::Over)
    }
}

/// A set of ids.
#[derive(Debug)]
pub struct Mask(SimpleVob);

impl Mask {
    pub fn contains(&self, id: u32) -> bool {
        (id as usize) < self.0.len() && self.0.is_allowed(id)
    }

    /// The lowest id of the set but one.
    pub fn first_but(&self, excluded: Option<usize>) -> Option<usize> {
        self.0
            .iter()
            .map(|id| id as usize)
            .find(|id| Some(*id) != excluded)
    }

    /// Makes every logit outside the set impossible.
    pub fn apply(&self, logits: &mut [f32]) {
        for (id, logit) in (0u32..).zip(logits) {
            if !self.contains(id) {
                *logit = f32::NEG_INFINITY;
            }
        }
    }
}
