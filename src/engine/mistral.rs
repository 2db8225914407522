//! mistral.rs in process: a checkpoint folder on this machine's CPU or accelerator.
//!
//! It hands mistral.rs raw token ids and takes raw token ids: its chat templates, its Harmony parser, its
//! tool matching, its sampler and its downloads are all kept out. `steer` decides the tokens, `runner` owns
//! the model, `ledger` knows the prefix cache, `load` fills it all. The one thing to know before changing it:
//! the last id of a sequence must never be one that a later prompt contains (`steer` says why), and the
//! response channel must be drained to its end (mistral.rs panics when an error finds no receiver).

mod bounds;
mod follow;
mod ledger;
pub(super) mod load;
mod prefill;
mod read_ahead;
mod runner;
mod steer;

pub use steer::Probe;

use super::bandwidth;
use super::codec::Codec;
use super::outbox::{CAPACITY, Outbox};
use super::sample::Sampler;
use super::transcript::Transcript;
use super::{
    Engine, EngineError, EngineEvent, EngineInfo, GenerateRequest, LoadProgress, Sampling,
    StopReason,
};
use crate::conversation::Usage;
use crate::harmony::grammar::TokenTable;
use crate::harmony::vocab::Vocabulary;
use follow::{End, Follow, Patience};
use futures_util::future::BoxFuture;
use mistralrs::core::Response;
use mistralrs::{
    Constraint, Device, NormalRequest, Request, RequestMessage, SamplingParams, StopTokens,
};
use prefill::Reading;
use runner::Runner;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use steer::{Chooser, Generation, Steer};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What an error says, without the stack that candle writes behind it where `RUST_BACKTRACE` is set.
pub fn message_of(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let lines = text
        .lines()
        .take_while(|line| !line.trim_start().starts_with("0: "));
    lines.collect::<Vec<_>>().join("\n")
}

/// Where a load's progress goes; a full channel drops a report, the next one supersedes it.
type Progress = mpsc::Sender<LoadProgress>;

/// Room in mistral.rs's response channel, which it awaits at each token. Our task empties it all the time.
const RESPONSES: usize = 256;

/// Tokens that an answer is taken to add to the prefix cache before it is known: a limit is mostly the whole
/// context, and making room for that would empty the cache at each request where memory is short.
const USUAL_ANSWER: usize = 1024;

/// One sequence of the engine: a step of a prompt, or a prompt and what is generated from it.
struct Sequence<'a> {
    generation: &'a Arc<Generation>,
    cancel: &'a CancellationToken,
    reading: Reading,
    /// The ledger is to know its key. On a paged cache a step adds nothing to its prompt.
    filed: bool,
}

/// A model loaded by mistral.rs.
pub struct MistralEngine {
    shared: Arc<Shared>,
    handle: Handle,
}

struct Shared {
    info: EngineInfo,
    vocabulary: Arc<Vocabulary>,
    codec: Arc<Codec>,
    weights_per_token: u64,
    device: Device,
    /// The demo is trained for greedy decoding, whatever is asked.
    always_greedy: bool,
    /// PagedAttention reuses whole blocks of this many tokens and does not tell; `None` on the plain cache.
    block: Option<usize>,
    runner: Arc<Mutex<Runner>>,
    /// The vocabulary as grammars need it, made when the first is asked for. `None`: it could not be.
    table: Arc<OnceLock<Option<Arc<TokenTable>>>>,
    requests: AtomicUsize,
    /// Tells other processes that the checkpoint is loaded.
    _in_use: Option<std::fs::File>,
}

impl std::fmt::Debug for MistralEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MistralEngine")
            .field("info", &self.shared.info)
            .finish_non_exhaustive()
    }
}

impl Engine for MistralEngine {
    fn info(&self) -> &EngineInfo {
        &self.shared.info
    }

    fn generate(&self, request: GenerateRequest) -> mpsc::Receiver<EngineEvent> {
        self.generate_probed(request, None)
    }

    fn retire(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if let Err(error) = self.shared.runner.lock().await.retire().await {
                tracing::warn!(%error, "the engine is let go as it is");
            }
        })
    }
}

impl MistralEngine {
    /// Bytes of weights that decoding one token reads.
    pub fn weights_per_token(&self) -> u64 {
        self.shared.weights_per_token
    }

    /// Bytes a second that the model's device reads from its memory, measured now: half a second of its time.
    pub fn memory_bandwidth(&self) -> Option<f64> {
        bandwidth::measure(&self.shared.device)
    }

    /// [`Engine::generate`] with the eyes and hands of a test.
    #[doc(hidden)]
    pub fn generate_probed(
        &self,
        request: GenerateRequest,
        probe: Option<Arc<Probe>>,
    ) -> mpsc::Receiver<EngineEvent> {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let shared = self.shared.clone();
        self.handle.spawn(async move {
            let mut outbox = Outbox::new(sender);
            shared.run(request, probe, &mut outbox).await;
            while !outbox.is_empty() && outbox.deliver().await {}
        });
        receiver
    }
}

impl Shared {
    async fn run(&self, request: GenerateRequest, probe: Option<Arc<Probe>>, outbox: &mut Outbox) {
        let prompt = self.codec.encode(&request.prompt, &self.vocabulary);
        let context = self.info.context_length;
        if prompt.is_empty() || prompt.len() >= context {
            let error = EngineError::ContextFull {
                prompt: prompt.len(),
                context,
            };
            return outbox.push(EngineEvent::Failed {
                error,
                tokens: Vec::new(),
            });
        }
        let nothing = |stop| EngineEvent::Finished {
            tokens: Vec::new(),
            usage: Usage {
                prompt_tokens: prompt.len(),
                ..Usage::default()
            },
            stop,
        };
        let limit = request.max_tokens.min(context - prompt.len());
        if limit == 0 {
            return outbox.push(nothing(StopReason::Length));
        }
        // The generation before may still be computing a cancelled prompt.
        let mut runner = tokio::select! {
            biased;
            () = request.cancel.cancelled() => return outbox.push(nothing(StopReason::Cancelled)),
            () = outbox.closed() => return,
            runner = self.runner.clone().lock_owned() => runner,
        };
        let queue = match runner.queue(prompt.len() + limit.min(USUAL_ANSWER)).await {
            Ok(queue) => queue,
            Err(error) => {
                return outbox.push(EngineEvent::Failed {
                    error,
                    tokens: Vec::new(),
                });
            }
        };
        let found = self.reused(runner.ledger().found(&prompt));
        let expected = prompt.len() - found;
        outbox.push(EngineEvent::Prefill {
            done: 0,
            total: expected,
        });
        let started = Instant::now();
        let mut reading = Reading {
            before: 0,
            here: expected,
            expected,
            last: false,
        };
        let mut reached = found;
        for end in self.steps(found, prompt.len(), &mut runner) {
            reading.here = end - reached;
            reached = end;
            let part = prompt.get(..end).unwrap_or(&prompt).to_vec();
            let generation = Arc::new(Generation::nothing(self.codec.clone(), &request, end));
            let sequence = Sequence {
                generation: &generation,
                cancel: &request.cancel,
                reading,
                filed: self.block.is_none(),
            };
            let going = self
                .sequence(
                    &mut runner,
                    &queue,
                    part,
                    sequence,
                    outbox,
                    |end, _| match end {
                        End::Stopped(StopReason::Length) => None,
                        End::Stopped(stop) => Some(nothing(*stop)),
                        End::Refused(error) | End::Died(error) | End::Hung(error) => {
                            Some(EngineEvent::Failed {
                                error: error.clone(),
                                tokens: Vec::new(),
                            })
                        }
                    },
                )
                .await;
            if !going {
                return;
            }
            reading.before += match (self.block, generation.first()) {
                (None, Some(first)) => first.fresh,
                (Some(_), _) | (None, None) => reading.here,
            };
        }

        reading.here = prompt.len() - reached;
        reading.last = true;
        let sampling = if self.always_greedy {
            Sampling::GREEDY
        } else {
            request.sampling
        };
        let generation = Arc::new(Generation::new(
            self.codec.clone(),
            &request,
            Chooser {
                sampler: Sampler::new(sampling),
                guided: self.guided(&request).await,
                reasoning: self.thinking(&request),
            },
            prompt.len(),
            limit,
            probe,
        ));
        let sequence = Sequence {
            generation: &generation,
            cancel: &request.cancel,
            reading,
            filed: true,
        };
        let length = prompt.len();
        self.sequence(
            &mut runner,
            &queue,
            prompt,
            sequence,
            outbox,
            |end, transcript| {
                let usage = self.usage(&generation, length, reading, started, transcript);
                let tokens = transcript.take_tokens();
                Some(match end {
                    End::Stopped(stop) => EngineEvent::Finished {
                        tokens,
                        usage,
                        stop: *stop,
                    },
                    End::Refused(error) | End::Died(error) | End::Hung(error) => {
                        EngineEvent::Failed {
                            error: error.clone(),
                            tokens,
                        }
                    }
                })
            },
        )
        .await;
    }

    /// Runs one sequence to its end, says what `conclude` makes of it, and leaves the engine ready for the
    /// next. `false`: that was the last of this request.
    async fn sequence(
        &self,
        runner: &mut Runner,
        queue: &mpsc::Sender<Request>,
        prompt: Vec<u32>,
        sequence: Sequence<'_>,
        outbox: &mut Outbox,
        conclude: impl FnOnce(&End, &mut Transcript) -> Option<EngineEvent>,
    ) -> bool {
        let (sender, responses) = mpsc::channel(RESPONSES);
        let id = self.requests.fetch_add(1, Ordering::Relaxed);
        let sacrifice = self.codec.sacrifice();
        let generation = sequence.generation;
        let mut follow = Follow::new(
            generation,
            responses,
            sequence.cancel,
            outbox,
            Transcript::new(&self.vocabulary),
            Patience::of(sequence.reading),
            sequence.reading,
        );
        let request = completion(id, prompt.clone(), generation, sacrifice, sender);
        let end = match queue.send(request).await {
            Ok(()) => follow.run_out().await,
            Err(_) => End::Died(EngineError::Broken("its thread had ended".into())),
        };
        follow.transcript.finish(follow.outbox);
        let said = conclude(&end, &mut follow.transcript);
        let going = said.is_none();
        if let Some(event) = said {
            follow.outbox.push(event);
        }
        match end {
            End::Stopped(_) => {
                if !follow.drain().await {
                    runner.mark_hung();
                } else if runner.caches() && sequence.filed {
                    let key = prompt.into_iter().chain(generation.handed()).collect();
                    runner.ledger().add(key);
                }
            }
            // An error inside the engine empties its cache.
            End::Refused(_) => {
                follow.drain().await;
                runner.forget_front();
            }
            End::Died(_) => runner.forget_front(),
            End::Hung(_) => runner.mark_hung(),
        }
        going
    }

    /// Where a long prompt is cut, so that reading it can be followed and left.
    fn steps(&self, found: usize, length: usize, runner: &mut Runner) -> Vec<usize> {
        let step = match self.block {
            Some(_) => prefill::STEP_PAGED,
            None => prefill::STEP_PLAIN,
        };
        let ends = prefill::ends(found, length, step);
        // The plain cache keeps a copy of each; a conversation's own prefix is worth more than a number.
        let copies = if self.block.is_none() {
            ends.iter().sum::<usize>() + length + USUAL_ANSWER
        } else {
            0
        };
        if runner.caches() && !runner.ledger().is_full_with(copies) {
            ends
        } else {
            Vec::new()
        }
    }

    fn usage(
        &self,
        generation: &Generation,
        prompt: usize,
        reading: Reading,
        started: Instant,
        transcript: &Transcript,
    ) -> Usage {
        let first = generation.first();
        let fresh = match (self.block, first) {
            (None, Some(first)) => reading.before + first.fresh,
            (Some(_), _) | (None, None) => reading.expected,
        };
        let until_first = match first {
            Some(first) => first.at.saturating_duration_since(started.into_std()),
            None => started.elapsed(),
        };
        let after = match (first, generation.last_at()) {
            (Some(first), Some(last)) => last.saturating_duration_since(first.at),
            _ => Duration::ZERO,
        };
        Usage {
            prompt_tokens: prompt,
            cached_tokens: prompt.saturating_sub(fresh),
            generated_tokens: transcript.len(),
            reasoning_tokens: transcript.reasoning_tokens(),
            prefill_seconds: until_first.as_secs_f64(),
            decode_seconds: after.as_secs_f64(),
        }
    }

    /// Of the prompt tokens that are in the prefix cache, those that it can give back.
    fn reused(&self, found: usize) -> usize {
        match self.block {
            Some(block) => found / block.max(1) * block.max(1),
            None => found,
        }
    }
}

fn completion(
    id: usize,
    prompt: Vec<u32>,
    generation: &Arc<Generation>,
    sacrifice: u32,
    response: mpsc::Sender<Response>,
) -> Request {
    Request::Normal(Box::new(NormalRequest {
        id,
        messages: RequestMessage::CompletionTokens(prompt),
        sampling_params: SamplingParams {
            // Zero is its fast way of taking the best, and the best is what the processor left.
            temperature: Some(0.0),
            stop_toks: Some(StopTokens::Ids(vec![sacrifice])),
            ..SamplingParams::neutral()
        },
        response,
        return_logprobs: false,
        is_streaming: true,
        constraint: Constraint::None,
        suffix: None,
        tools: None,
        tool_choice: None,
        logits_processors: Some(vec![Arc::new(Steer(generation.clone()))]),
        return_raw_logits: false,
        web_search_options: None,
        model_id: None,
        truncate_sequence: false,
    }))
}
