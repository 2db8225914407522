//! The sampler inside mistral.rs: a logits processor that decides every token and keeps the record.
//!
//! mistral.rs calls a processor with the logits before every token and then samples from what it returns.
//! Ours samples by itself, writes the id to its own record, and returns logits that leave one choice; so no id is lost and sampling
//! is ours. Where the generation ends (a stop token, the limit, a cancel), the last id goes to the record
//! only and the engine is handed the sacrificial id, which it stops at: the engine's prefix cache files a
//! sequence under all its tokens though the last one's keys were never computed, and this last one must
//! be an id that no prompt contains.

use crate::conversation::TokenId;
use crate::engine::codec::Codec;
use crate::engine::guided::Guided;
use crate::engine::reasoning::Reasoning;
use crate::engine::sample::{Sampler, best_two};
use crate::engine::transcript::ends_generation;
use crate::engine::{GenerateRequest, Sampling, StopReason};
use mistralrs::{CustomLogitsProcessor, Device, Tensor};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// One generation as the engine's thread and our task see it.
pub(super) struct Generation {
    codec: Arc<Codec>,
    cancel: CancellationToken,
    limit: usize,
    /// Prompt tokens in the checkpoint's ids.
    prompt: usize,
    probe: Option<Arc<Probe>>,
    state: Mutex<State>,
}

/// What decides about the next token.
pub(super) struct Chooser {
    pub(super) sampler: Sampler,
    pub(super) guided: Guided,
    pub(super) reasoning: Option<Thinking>,
}

struct State {
    chooser: Chooser,
    record: Vec<TokenId>,
    /// What the engine was handed, in the checkpoint's ids: with the prompt, its prefix cache's key.
    handed: Vec<u32>,
    stop: Option<StopReason>,
    broken: Option<String>,
    first: Option<First>,
    last_at: Option<Instant>,
}

/// The reasoning of a generation that has a budget for it, in the checkpoint's ids.
#[derive(Debug)]
pub(super) struct Thinking {
    pub(super) reasoning: Reasoning,
    /// `<|end|><|start|>assistant`
    pub(super) end: Vec<u32>,
    /// `<|channel|>final<|message|>`, for where no grammar asks for a call or the answer.
    pub(super) answer: Vec<u32>,
    /// What has to come next, the next one last.
    pub(super) due: Vec<u32>,
    /// Tokens of analysis when it was ended.
    pub(super) ended: Option<usize>,
}

impl Thinking {
    /// The next id, where it is not the model's to choose.
    fn due(&mut self, guided: &mut Guided) -> Option<u32> {
        let may_end = |guided: &mut Guided| self.end.first().is_some_and(|id| guided.allows(*id));
        if self.due.is_empty() && self.reasoning.is_over() && may_end(guided) {
            if !guided.go_on_to_answer() {
                self.due.extend(self.answer.iter().rev());
            }
            self.due.extend(self.end.iter().rev());
            self.ended.get_or_insert(self.reasoning.spent());
        }
        self.due.pop()
    }
}

/// What the first call tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct First {
    pub(super) at: Instant,
    /// Prompt tokens that were computed; the others came from the prefix cache.
    pub(super) fresh: usize,
}

/// What the tests of the prefix cache ask and see. Not for programs.
#[derive(Debug, Default)]
pub struct Probe {
    /// Choose `<|call|>` as the token with this number (from 0), whatever the logits say.
    pub call_at: Option<usize>,
    /// What is said first, whatever the logits say.
    pub script: Vec<TokenId>,
    /// Best logit minus second best, by token.
    pub margins: Mutex<Vec<f32>>,
}

impl Generation {
    pub(super) fn new(
        codec: Arc<Codec>,
        request: &GenerateRequest,
        chooser: Chooser,
        prompt: usize,
        limit: usize,
        probe: Option<Arc<Probe>>,
    ) -> Self {
        Generation {
            codec,
            cancel: request.cancel.clone(),
            limit,
            prompt,
            probe,
            state: Mutex::new(State {
                chooser,
                record: Vec::new(),
                handed: Vec::new(),
                stop: None,
                broken: None,
                first: None,
                last_at: None,
            }),
        }
    }

    /// Computes a prompt and ends: no token is chosen.
    pub(super) fn nothing(codec: Arc<Codec>, request: &GenerateRequest, prompt: usize) -> Self {
        let sampler = Sampler::new(Sampling::GREEDY);
        let chooser = Chooser {
            sampler,
            guided: Guided::default(),
            reasoning: None,
        };
        Generation::new(codec, request, chooser, prompt, 0, None)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics while it holds the lock; if it did, the record is still the truth.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends the ids recorded after the first `known` and says why the generation ended, if it did.
    pub(super) fn since(&self, known: usize, new: &mut Vec<TokenId>) -> Option<StopReason> {
        let state = self.state();
        new.extend(state.record.iter().skip(known));
        state.stop
    }

    /// Ends the generation here unless it has ended; nothing is recorded after.
    pub(super) fn seal(&self, reason: StopReason) {
        self.state().stop.get_or_insert(reason);
    }

    pub(super) fn first(&self) -> Option<First> {
        self.state().first
    }

    pub(super) fn last_at(&self) -> Option<Instant> {
        self.state().last_at
    }

    /// Tokens of analysis when the budget ended it, if it did.
    pub(super) fn reasoning_ended(&self) -> Option<usize> {
        self.state().chooser.reasoning.as_ref()?.ended
    }

    /// Why no token could be chosen, if so.
    pub(super) fn broken(&self) -> Option<String> {
        self.state().broken.clone()
    }

    /// What the engine's prefix cache files this generation under, beside the prompt.
    pub(super) fn handed(&self) -> Vec<u32> {
        self.state().handed.clone()
    }

    /// The next id for the engine.
    fn next(&self, logits: &[f32], seen: usize) -> u32 {
        let mut state = self.state();
        let now = Instant::now();
        state.first.get_or_insert_with(|| First {
            at: now,
            // At its first call the engine passes only the part of the prompt that it had to compute.
            fresh: seen.min(self.prompt),
        });
        let sacrifice = self.codec.sacrifice();
        if self.cancel.is_cancelled() {
            state.stop.get_or_insert(StopReason::Cancelled);
        }
        if self.limit == 0 {
            state.stop.get_or_insert(StopReason::Length);
        }
        if state.stop.is_none() {
            match self.choose(&mut state, logits, sacrifice) {
                Some(id) => {
                    let token = self.codec.to_harmony(id);
                    if let Some(thinking) = &mut state.chooser.reasoning {
                        thinking.reasoning.take(token);
                    }
                    state.record.push(token);
                    state.last_at = Some(now);
                    if ends_generation(token) {
                        state.stop = Some(StopReason::Stop);
                    } else if state.record.len() >= self.limit {
                        state.stop = Some(StopReason::Length);
                    } else {
                        state.handed.push(id);
                        return id;
                    }
                }
                None => {
                    state.broken = Some("the model's scores are not numbers".into());
                    state.stop = Some(StopReason::Cancelled);
                }
            }
        }
        state.handed.push(sacrifice);
        sacrifice
    }

    fn choose(&self, state: &mut State, logits: &[f32], sacrifice: u32) -> Option<u32> {
        let excluded = usize::try_from(sacrifice).ok();
        if let Some(probe) = &self.probe {
            if let (Some((_, best)), second) = best_two(logits, excluded) {
                let margin = best - second.unwrap_or(f32::NEG_INFINITY);
                probe
                    .margins
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(margin);
            }
            if probe.call_at == Some(state.record.len()) {
                return self.codec.call();
            }
            if let Some(token) = probe.script.get(state.record.len()) {
                let id = self.codec.of_harmony(*token)?;
                state.chooser.guided.take(id);
                return Some(id);
            }
        }
        let Chooser {
            sampler,
            guided,
            reasoning,
        } = &mut state.chooser;
        if let Some(due) = reasoning.as_mut().and_then(|thinking| thinking.due(guided)) {
            return Some(due);
        }
        u32::try_from(guided.choose(sampler, logits, excluded)?).ok()
    }
}

/// The processor handed to mistral.rs.
pub(super) struct Steer(pub(super) Arc<Generation>);

impl CustomLogitsProcessor for Steer {
    fn apply(&self, logits: &Tensor, context: &[u32]) -> mistralrs::Result<Tensor> {
        let values: Vec<f32> = logits.to_vec1()?;
        let id = self.0.next(&values, context.len()) as usize;
        // The engine takes the best of what it gets, so ids beyond the chosen one may be left out.
        let mut only = vec![f32::NEG_INFINITY; id + 1];
        if let Some(chosen) = only.last_mut() {
            *chosen = 1.0;
        }
        Tensor::from_vec(only, id + 1, &Device::Cpu)
    }
}
