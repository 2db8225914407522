//! One generation: ask the engine, forward its stream, bring it to an end whatever happens.
//!
//! Nothing of the stream is shown before its ids are in the record: a killed process loses nothing that was on
//! screen.

use super::context::Budget;
use super::history::History;
use super::link::{Attended, Link};
use super::repetition::Repetition;
use super::stop::Stops;
use super::stream::{Call, Stream};
use super::{AgentEvent, HistoryEvent};
use crate::conversation::{CallId, PromptSpec, TokenId, Usage};
use crate::engine::{Engine, EngineError, EngineEvent, GenerateRequest, Sampling, StopReason};
use crate::harmony::grammar::Offer;
use crate::session::Record;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// How long a cancelled engine has to hand over what it generated. It stops at the next token, except in
/// the middle of a prefill chunk, which is not waited for at all: nothing was generated then.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How long ids are gathered for a line of the record. A frame of the screen is no shorter, so nobody sees
/// it; and a fast model's record is half as large.
const GATHER: Duration = Duration::from_millis(30);

/// How often a consumer is told how far a generation is.
const PACE: Duration = Duration::from_secs(1);

/// What is asked of the engine.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) prompt: Vec<TokenId>,
    pub(super) budget: Budget,
    pub(super) sampling: Sampling,
    /// How long it may say nothing.
    pub(super) silence: Duration,
    pub(super) repetition: Repetition,
    pub(super) stops: Stops,
    pub(super) next_call: CallId,
    /// What the fixed part of the prompt says.
    pub(super) spec: Option<Arc<PromptSpec>>,
    /// What sampling is held to; `None`: nothing.
    pub(super) offer: Option<Arc<Offer>>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ending {
    Stopped,
    /// The token limit.
    Length,
    /// It only repeated itself.
    Repeating,
    Interrupted,
    Broken(EngineError),
}

#[derive(Debug)]
pub(super) struct Generation {
    pub(super) tokens: Vec<TokenId>,
    pub(super) usage: Usage,
    pub(super) calls: Vec<Call>,
    pub(super) answer: Option<String>,
    pub(super) ending: Ending,
}

/// Where a generation goes.
#[derive(Debug)]
pub(super) enum Recording<'a> {
    /// Into the conversation.
    Into(&'a mut History),
    /// Nowhere: it is neither recorded nor shown, but for its size.
    Aside,
}

/// What the engine said and nobody was told yet.
#[derive(Debug, Default)]
struct Held {
    tokens: Vec<TokenId>,
    events: Vec<AgentEvent>,
    /// Ids so far, and when the first of them came.
    count: usize,
    began: Option<Instant>,
    /// When the consumer is next told of them.
    pace: Option<Instant>,
    /// The next moment to record and tell; at once where the last is long ago.
    due: Option<Instant>,
}

impl Held {
    fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.events.is_empty()
    }

    fn is_due(&self) -> bool {
        !self.is_empty() && self.due.is_none_or(|due| due <= Instant::now())
    }

    /// Into the record, then to the consumer.
    fn tell(&mut self, link: &mut Link, recording: &mut Recording<'_>) {
        if self.is_empty() {
            return;
        }
        let tokens = std::mem::take(&mut self.tokens);
        self.count += tokens.len();
        let now = Instant::now();
        let began = *self.began.get_or_insert(now);
        match recording {
            Recording::Into(history) => {
                // The end of a stream tells events without ids.
                let recorded = if tokens.is_empty() {
                    Ok(())
                } else {
                    history.stream(Record::Tokens {
                        tokens,
                        last: false,
                    })
                };
                if let Err(problem) = recorded {
                    link.send(AgentEvent::Problem(problem));
                }
                for event in self.events.drain(..) {
                    link.send(event);
                }
                if *self.pace.get_or_insert(now + PACE) <= now {
                    self.pace = Some(now + PACE);
                    link.send(AgentEvent::Generating {
                        tokens: self.count,
                        elapsed: now - began,
                    });
                }
            }
            Recording::Aside => {
                self.events.clear();
                link.send(HistoryEvent::CompactProgress { tokens: self.count }.into());
            }
        }
        self.due = Some(now + GATHER);
    }

    /// The engine's next event, or `None` when what is held is due. Cancel-safe.
    async fn next(
        &self,
        events: &mut mpsc::Receiver<EngineEvent>,
        silence: Duration,
    ) -> Option<Result<Option<EngineEvent>, tokio::time::error::Elapsed>> {
        let due = async {
            match self.due {
                Some(due) if !self.is_empty() => sleep_until(due).await,
                Some(_) | None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = due => None,
            event = timeout(silence, events.recv()) => Some(event),
        }
    }
}

pub(super) async fn generate(
    link: &mut Link,
    mut recording: Recording<'_>,
    engine: &dyn Engine,
    ask: Ask,
) -> Generation {
    let cancel = link.interrupt().child_token();
    let mut events = engine.generate(GenerateRequest {
        prompt: ask.prompt,
        sampling: ask.sampling,
        max_tokens: ask.budget.max_new,
        cancel: cancel.clone(),
        spec: ask.spec,
        offer: ask.offer,
    });
    let mut stream = Stream::new(ask.next_call, ask.stops);
    let mut repetition = ask.repetition;
    let mut repeating = false;
    let mut held = Held::default();
    // Ids so far; and those up to the end of an answer that came to a text at which it ends.
    let (mut heard, mut kept) = (0, None);
    let (mut tokens, usage, ending) = loop {
        if held.is_due() {
            held.tell(link, &mut recording);
        }
        match link
            .attend_with_room(held.next(&mut events, ask.silence))
            .await
        {
            Attended::Done(None) => {}
            Attended::Done(Some(Ok(Some(event)))) => {
                if let EngineEvent::Tokens(ids) = &event {
                    if kept.is_some() {
                        continue;
                    }
                    heard += ids.len();
                    if ids.iter().any(|id| repetition.take(*id)) {
                        repeating = true;
                        cancel.cancel();
                    }
                }
                if let Some(last) = take(link, &mut held, &mut stream, event) {
                    break last;
                }
                if stream.stopped && kept.is_none() {
                    kept = Some(heard);
                    cancel.cancel();
                }
                if stream.answer.is_some() {
                    // The turn is over with `final`; an engine that does not stop there is told to.
                    cancel.cancel();
                }
            }
            Attended::Done(Some(Ok(None))) => {
                break lost("its event stream ended before the generation did".into());
            }
            Attended::Done(Some(Err(_elapsed))) => {
                cancel.cancel();
                break lost(format!(
                    "nothing came from it for {} seconds",
                    ask.silence.as_secs()
                ));
            }
            Attended::Interrupted => {
                let last = last_word(link, &mut held, &mut stream, &mut events).await;
                break (last.0, last.1, Ending::Interrupted);
            }
        }
    };
    held.tell(link, &mut recording);
    if let Some(kept) = kept {
        tokens.truncate(kept);
    }
    Generation {
        tokens,
        usage,
        calls: stream.calls,
        answer: stream.answer,
        ending: match ending {
            Ending::Stopped | Ending::Length if repeating => Ending::Repeating,
            ending => ending,
        },
    }
}

type Last = (Vec<TokenId>, Usage, Ending);

fn lost(reason: String) -> Last {
    (
        Vec::new(),
        Usage::default(),
        Ending::Broken(EngineError::Broken(reason)),
    )
}

/// Keeps an event to be told; `Some` when it was the last.
fn take(link: &mut Link, held: &mut Held, stream: &mut Stream, event: EngineEvent) -> Option<Last> {
    match event {
        EngineEvent::Notice(line) => link.send(AgentEvent::Notice(line)),
        EngineEvent::Prefill { done, total } => link.send(AgentEvent::Prefill { done, total }),
        EngineEvent::Tokens(tokens) => held.tokens.extend(tokens),
        EngineEvent::Harmony(event) => held.events.extend(stream.take(event)),
        EngineEvent::ReasoningEnded { tokens } => held.events.push(AgentEvent::Notice(format!(
            "The reasoning was ended after {tokens} tokens, its budget (sampling.reasoning_budget)."
        ))),
        EngineEvent::Finished {
            tokens,
            usage,
            stop,
        } => {
            let ending = match stop {
                StopReason::Stop | StopReason::Cancelled => Ending::Stopped,
                StopReason::Length => Ending::Length,
            };
            return Some((tokens, usage, ending));
        }
        EngineEvent::Failed { error, tokens } => {
            return Some((tokens, Usage::default(), Ending::Broken(error)));
        }
    }
    None
}

/// After an interrupt: the ids of what was generated, so that the record equals what the user saw.
async fn last_word(
    link: &mut Link,
    held: &mut Held,
    stream: &mut Stream,
    events: &mut mpsc::Receiver<EngineEvent>,
) -> Last {
    // What is in the queue already may be the beginning of an answer.
    while let Ok(event) = events.try_recv() {
        if let Some(last) = take(link, held, stream, event) {
            return last;
        }
    }
    if !stream.began {
        return lost("interrupted".into());
    }
    let handed_over = async {
        while let Some(event) = events.recv().await {
            if let Some(last) = take(link, held, stream, event) {
                return last;
            }
        }
        lost("its event stream ended before the generation did".into())
    };
    timeout(LAST_WORD, handed_over)
        .await
        .unwrap_or_else(|_| lost("interrupted".into()))
}
