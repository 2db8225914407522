//! Sampling under a grammar.
//!
//! The token that the sampler would choose is checked; only when it may not come are all allowed tokens worked
//! out and the choice made again among them. That is the model's own distribution, less what cannot be said: a
//! token refused and drawn again has the probability it would have had with the others cut away beforehand.
//! (With top-p or min-p the set they keep is cut twice, before and after.)

use super::sample::Sampler;
use crate::harmony::grammar::{GrammarError, Guide};

/// The grammar of one generation, as long as it can be followed.
#[derive(Debug, Default)]
pub struct Guided {
    guide: Option<Guide>,
    /// For what follows a reasoning that was ended: calls and the answer.
    answer: Option<Guide>,
    /// Kept to save the allocation.
    allowed: Vec<f32>,
}

impl Guided {
    pub fn new(guide: Option<Guide>) -> Guided {
        Guided {
            guide,
            ..Guided::default()
        }
    }

    /// With a grammar for the answer alone, from after `<|start|>assistant` on.
    pub fn with_answer(self, answer: Option<Guide>) -> Guided {
        Guided { answer, ..self }
    }

    /// Whether `index` may come next.
    pub fn allows(&mut self, index: u32) -> bool {
        self.guide.as_mut().is_none_or(|guide| guide.allows(index))
    }

    /// What a test has chosen counts as said.
    pub(super) fn take(&mut self, index: u32) {
        if let Some(guide) = &mut self.guide
            && guide.accept(index).is_err()
        {
            self.guide = None;
        }
    }

    /// What comes next is a call or the answer, after `<|start|>assistant`. `false`: no grammar will see to it.
    pub fn go_on_to_answer(&mut self) -> bool {
        self.guide = self.guide.take().and(self.answer.take());
        self.guide.is_some()
    }

    /// The index of the next token, never `excluded`; `None` when no logit is a number above negative infinity.
    /// What is chosen counts as said.
    pub fn choose(
        &mut self,
        sampler: &mut Sampler,
        logits: &[f32],
        excluded: Option<usize>,
    ) -> Option<usize> {
        let free = sampler.choose(logits, excluded)?;
        match self.held(sampler, logits, excluded, free) {
            Ok(index) => Some(index),
            Err(error) => {
                // The parser takes whatever comes, so a grammar that fails costs the guarantee, not the turn.
                tracing::warn!(%error, "sampling goes on without a grammar");
                self.guide = None;
                Some(free)
            }
        }
    }

    fn held(
        &mut self,
        sampler: &mut Sampler,
        logits: &[f32],
        excluded: Option<usize>,
        free: usize,
    ) -> Result<usize, GrammarError> {
        let Some(guide) = &mut self.guide else {
            return Ok(free);
        };
        let id = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        let mut chosen = free;
        if !guide.allows(id(free)) {
            let mask = guide.mask()?;
            self.allowed.clear();
            self.allowed.extend_from_slice(logits);
            mask.apply(&mut self.allowed);
            // A model that finds all of them impossible still has to say one.
            chosen = match sampler.choose(&self.allowed, excluded) {
                Some(index) => index,
                None => mask.first_but(excluded).unwrap_or(free),
            };
        }
        guide.accept(id(chosen))?;
        Ok(chosen)
    }

    /// Whether the grammar held to here.
    pub fn is_held(&self) -> bool {
        self.guide.is_some()
    }
}
