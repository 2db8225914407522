//! Context accounting: what fits, counted in the engine's own tokens, and refused in words when it does not.

use super::AgentEvent;
use super::task::Core;
use crate::engine::EngineError;
use crate::harmony::render::{Rendered, render_counted};

/// Room for an answer that a generation must at least have, as a part of the context and in tokens: an
/// answer cut after a few words helps nobody.
const LEAST_SHARE: usize = 16;
const LEAST_ROOM: usize = 1_024;

/// What fills the context, in the engine's own tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ContextUse {
    /// Instructions and tools, the same in every prompt.
    pub fixed: usize,
    /// What was said, called and answered.
    pub conversation: usize,
    /// What stands beside the messages: files, the user's own commands, a summary.
    pub attached: usize,
    /// Room that an answer may take, at most.
    pub reserve: usize,
    /// `None` while no model is there to say it.
    pub limit: Option<usize>,
}

impl ContextUse {
    pub(super) fn new(
        rendered: &Rendered,
        generated: usize,
        reserve: usize,
        limit: Option<usize>,
    ) -> ContextUse {
        let told = rendered.ids.len() - rendered.fixed - rendered.attached;
        ContextUse {
            fixed: rendered.fixed,
            conversation: told + generated,
            attached: rendered.attached,
            reserve,
            limit,
        }
    }

    /// All that is told to the model.
    pub fn used(&self) -> usize {
        self.fixed + self.conversation + self.attached
    }
}

impl Core {
    /// Tells what the conversation fills as it stands, where no generation says it: it was resumed, rewound or
    /// compacted. Nothing when it has no fixed prompt yet.
    pub(super) async fn tell_context(&mut self) {
        let spec = self.fixed.as_ref().or_else(|| self.history.state().spec());
        let Some(spec) = spec.cloned() else {
            let told = ContextUse {
                reserve: self.link.asking.max_output_tokens,
                limit: self.context_length(),
                ..ContextUse::default()
            };
            return self.link.send(AgentEvent::Context(told));
        };
        let items = self.history.items().to_vec();
        let words = self.words.clone();
        let counted = tokio::task::spawn_blocking(move || {
            let vocabulary = words().ok()?;
            render_counted(&vocabulary, &spec, &items).ok()
        });
        // What cannot be rendered is said by the turn that needs it.
        if let Ok(Some(rendered)) = counted.await {
            let (reserve, limit) = (self.link.asking.max_output_tokens, self.context_length());
            let told = ContextUse::new(&rendered, 0, reserve, limit);
            self.link.send(AgentEvent::Context(told));
        }
    }

    fn context_length(&mut self) -> Option<usize> {
        let (engine, _) = self.model.here()?.as_ref().ok()?;
        Some(engine.info().context_length)
    }
}

/// What one generation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) prompt: usize,
    pub(super) max_new: usize,
    /// The context, not the setting, is what bounds `max_new`.
    pub(super) bounded_by_context: bool,
}

/// Refuses a prompt that leaves no room for an answer. Nothing is ever cut to make it fit.
pub(super) fn budget(
    prompt: usize,
    context: usize,
    max_tokens: usize,
) -> Result<Budget, EngineError> {
    let least = (context / LEAST_SHARE)
        .min(LEAST_ROOM)
        .min(max_tokens)
        .max(1);
    let room = context.saturating_sub(prompt);
    if room < least {
        return Err(EngineError::ContextFull { prompt, context });
    }
    Ok(Budget {
        prompt,
        max_new: max_tokens.max(1).min(room),
        bounded_by_context: room <= max_tokens,
    })
}

/// Why an answer stopped in the middle.
pub(super) fn cut_short(budget: Budget) -> String {
    if budget.bounded_by_context {
        format!(
            "the answer was cut off: the context is full after {} prompt and {} new tokens\n  start a new conversation with /new, or ask for less at a time",
            budget.prompt, budget.max_new
        )
    } else {
        format!(
            "the answer was cut off at the limit of {} tokens\n  raise max_output_tokens in the configuration, or ask for less at a time",
            budget.max_new
        )
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_fits_with_its_answer_or_is_refused() {
        let fits = |prompt, context, max| {
            budget(prompt, context, max).map(|b| (b.max_new, b.bounded_by_context))
        };
        let full = |prompt, context| Err(EngineError::ContextFull { prompt, context });
        assert_eq!(fits(100, 131_072, 4_096), Ok((4_096, false)));
        assert_eq!(fits(130_000, 131_072, 4_096), Ok((1_072, true)));
        assert_eq!(fits(131_072 - 1_024, 131_072, 4_096), Ok((1_024, true)));
        assert_eq!(
            fits(131_072 - 1_023, 131_072, 4_096),
            full(131_072 - 1_023, 131_072)
        );
        assert_eq!(fits(960, 1_024, 512), Ok((64, true)));
        assert_eq!(fits(961, 1_024, 512), full(961, 1_024));
        assert_eq!(fits(2_000, 1_024, 512), full(2_000, 1_024));
        assert_eq!(fits(1_014, 1_024, 10), Ok((10, true)));
        assert_eq!(fits(1_015, 1_024, 10), full(1_015, 1_024));
    }
}
