//! One generation: ask the engine, forward its stream, bring it to an end whatever happens.

use super::AgentEvent;
use super::context::Budget;
use super::link::{Attended, Link};
use super::stream::{Call, Stream};
use crate::conversation::{CallId, TokenId, Usage};
use crate::engine::{Engine, EngineError, EngineEvent, GenerateRequest, Sampling, StopReason};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a cancelled engine has to hand over what it generated. It stops at the next token, except in
/// the middle of a prefill chunk, which is not waited for at all: nothing was generated then.
const LAST_WORD: Duration = Duration::from_secs(1);

/// What is asked of the engine.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) prompt: Vec<TokenId>,
    pub(super) budget: Budget,
    pub(super) sampling: Sampling,
    /// How long it may say nothing.
    pub(super) silence: Duration,
    pub(super) next_call: CallId,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ending {
    Stopped,
    /// The token limit.
    Length,
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

pub(super) async fn generate(link: &mut Link, engine: &dyn Engine, ask: Ask) -> Generation {
    let cancel = link.interrupt().child_token();
    let mut events = engine.generate(GenerateRequest {
        prompt: ask.prompt,
        sampling: ask.sampling,
        max_tokens: ask.budget.max_new,
        cancel: cancel.clone(),
    });
    let mut stream = Stream::new(ask.next_call);
    let (tokens, usage, ending) = loop {
        match link
            .attend_with_room(timeout(ask.silence, events.recv()))
            .await
        {
            Attended::Done(Ok(Some(event))) => {
                if let Some(last) = take(link, &mut stream, event) {
                    break last;
                }
                if stream.answer.is_some() {
                    // The turn is over with `final`; an engine that does not stop there is told to.
                    cancel.cancel();
                }
            }
            Attended::Done(Ok(None)) => {
                break lost("its event stream ended before the generation did".into());
            }
            Attended::Done(Err(_elapsed)) => {
                cancel.cancel();
                break lost(format!(
                    "nothing came from it for {} seconds",
                    ask.silence.as_secs()
                ));
            }
            Attended::Interrupted => {
                let last = last_word(link, &mut stream, &mut events).await;
                break (last.0, last.1, Ending::Interrupted);
            }
        }
    };
    Generation {
        tokens,
        usage,
        calls: stream.calls,
        answer: stream.answer,
        ending,
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

/// Forwards an event; `Some` when it was the last.
fn take(link: &mut Link, stream: &mut Stream, event: EngineEvent) -> Option<Last> {
    match event {
        EngineEvent::Prefill { done, total } => link.send(AgentEvent::Prefill { done, total }),
        EngineEvent::Harmony(event) => {
            if let Some(event) = stream.take(event) {
                link.send(event);
            }
        }
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
    stream: &mut Stream,
    events: &mut mpsc::Receiver<EngineEvent>,
) -> Last {
    // What is in the queue already may be the beginning of an answer.
    while let Ok(event) = events.try_recv() {
        if let Some(last) = take(link, stream, event) {
            return last;
        }
    }
    if !stream.began {
        return lost("interrupted".into());
    }
    let handed_over = async {
        while let Some(event) = events.recv().await {
            if let Some(last) = take(link, stream, event) {
                return last;
            }
        }
        lost("its event stream ended before the generation did".into())
    };
    timeout(LAST_WORD, handed_over)
        .await
        .unwrap_or_else(|_| lost("interrupted".into()))
}
