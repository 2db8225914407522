//! What every protocol's adapter gives: a request's body, and ids read from the events of its stream.
//!
//! Two of them get ids from the server as they were sampled; the other two get text that the server has parsed, and
//! write it down as the Harmony that it must have been ([`super::compose`]). Everything above sees ids.

use super::fault::Fault;
use crate::conversation::{TokenId, Usage};
use crate::engine::StopReason;
use serde_json::Value;

/// What an event came to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Reading {
    pub(super) tokens: Vec<TokenId>,
    /// Prompt tokens computed, of those that were not cached.
    pub(super) prefill: Option<(usize, usize)>,
    pub(super) figures: Figures,
    /// The generation is over; figures may still follow.
    pub(super) end: Option<StopReason>,
}

/// What a server counted, as far as it says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) prompt: Option<usize>,
    pub(super) cached: Option<usize>,
    pub(super) generated: Option<usize>,
    pub(super) reasoning: Option<usize>,
}

impl Figures {
    /// Later ones win.
    pub(super) fn take(&mut self, other: Figures) {
        self.prompt = other.prompt.or(self.prompt);
        self.cached = other.cached.or(self.cached);
        self.generated = other.generated.or(self.generated);
        self.reasoning = other.reasoning.or(self.reasoning);
    }

    /// Over our own counts.
    pub(super) fn usage(self, ours: Usage) -> Usage {
        let prompt_tokens = self.prompt.unwrap_or(ours.prompt_tokens);
        Usage {
            prompt_tokens,
            cached_tokens: self.cached.unwrap_or(0).min(prompt_tokens),
            generated_tokens: self.generated.unwrap_or(ours.generated_tokens),
            reasoning_tokens: self.reasoning.unwrap_or(ours.reasoning_tokens),
            ..ours
        }
    }
}

/// Reads one stream.
pub(super) trait Adapter: Send {
    /// Takes the data of one event, which is JSON and no error.
    fn take(&mut self, event: &Value, reading: &mut Reading) -> Result<(), Fault>;
}

/// A count in an event.
pub(super) fn count(value: Option<&Value>) -> Option<usize> {
    usize::try_from(value?.as_u64()?).ok()
}

/// Token ids in an event; `None` where there are none, or something else stands there.
pub(super) fn ids(value: Option<&Value>) -> Option<Vec<u32>> {
    let id = |id: &Value| u32::try_from(id.as_u64()?).ok();
    value?.as_array()?.iter().map(id).collect()
}

/// The `usage` of the OpenAI protocols, in the words of chat completions or of Responses.
pub(super) fn figures(usage: &Value) -> Figures {
    let detail =
        |of: [&str; 2], name: &str| of.iter().find_map(|of| count(usage.get(*of)?.get(name)));
    Figures {
        prompt: count(
            usage
                .get("prompt_tokens")
                .or_else(|| usage.get("input_tokens")),
        ),
        cached: detail(
            ["prompt_tokens_details", "input_tokens_details"],
            "cached_tokens",
        ),
        generated: count(
            usage
                .get("completion_tokens")
                .or_else(|| usage.get("output_tokens")),
        ),
        reasoning: detail(
            ["completion_tokens_details", "output_tokens_details"],
            "reasoning_tokens",
        )
        // SGLang.
        .or_else(|| count(usage.get("reasoning_tokens"))),
    }
}
