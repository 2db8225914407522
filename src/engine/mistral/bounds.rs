//! What sampling is held to beside the logits: the grammar of a turn, and the budget of its reasoning.

use super::Shared;
use super::steer::Thinking;
use crate::conversation::TokenId;
use crate::engine::GenerateRequest;
use crate::engine::guided::Guided;
use crate::engine::reasoning::{self, Reasoning};
use crate::harmony::grammar::{GrammarError, Guide, TokenTable};
use std::sync::Arc;

impl Shared {
    /// The grammar that the request is held to, and the one for what follows a reasoning that was ended. Where
    /// there can be none the model goes without.
    pub(super) async fn guided(&self, request: &GenerateRequest) -> Guided {
        let Some(offer) = request.offer.clone() else {
            return Guided::default();
        };
        let budgeted = request.sampling.reasoning_budget.is_some();
        let (vocabulary, codec) = (Arc::clone(&self.vocabulary), Arc::clone(&self.codec));
        let table = Arc::clone(&self.table);
        let made = tokio::task::spawn_blocking(move || {
            let table = table.get_or_init(|| {
                let table = TokenTable::new(&vocabulary, codec.harmony_ids());
                table
                    .inspect_err(|error| tracing::warn!(%error, "sampling goes without a grammar"))
                    .ok()
                    .map(Arc::new)
            });
            let table = table.as_ref()?;
            let answer = budgeted.then(|| Guide::for_answer(table, &offer));
            let guided = Guided::new(or_none(Guide::new(table, &offer)));
            Some(guided.with_answer(answer.and_then(or_none)))
        });
        made.await.ok().flatten().unwrap_or_default()
    }

    /// The reasoning of a request that has a budget for it.
    pub(super) fn thinking(&self, request: &GenerateRequest) -> Option<Thinking> {
        let budget = request.sampling.reasoning_budget?;
        let words = |tokens: Vec<TokenId>| self.codec.encode(&tokens, &self.vocabulary);
        Some(Thinking {
            reasoning: Reasoning::new(budget, &self.vocabulary),
            end: words(reasoning::end(&self.vocabulary)),
            answer: words(reasoning::answer(&self.vocabulary)),
            due: Vec::new(),
            ended: None,
        })
    }
}

fn or_none(guide: Result<Guide, GrammarError>) -> Option<Guide> {
    guide
        .inspect_err(|error| tracing::warn!(%error, "sampling goes without a grammar"))
        .ok()
}
