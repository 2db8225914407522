//! One generation at a server: asked, asked again while nothing has come, followed to its end.
//!
//! Nobody waits for the reader and nothing waits for ever: every await here also serves the outbox, the user's
//! interrupt and a deadline. Leaving drops the answer, which closes the connection. Where reasoning is as long as its
//! budget, a second request goes on behind it with the answer.

use super::Shared;
use super::adapter::{Figures, Reading};
use super::fault::{Fault, error_of, quoted, speaks_of_effort};
use super::http::deepest;
use super::sse::{Events, TooLong};
use crate::conversation::Usage;
use crate::engine::outbox::Outbox;
use crate::engine::reasoning::{self, Reasoning};
use crate::engine::transcript::{Transcript, ends_generation};
use crate::engine::{EngineError, EngineEvent, GenerateRequest, StopReason};
use serde_json::Value;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How long the server's own counts are waited for behind the last token.
const FAREWELL: Duration = Duration::from_secs(2);

/// A server that is told messages counts other tokens than ours: so many of ours may stand for one of its.
const TOKENS_FOR_ONE: usize = 4;

/// How a stream ended.
enum Came {
    Over(StopReason),
    /// The reasoning is as long as it may be; the answer is to be asked for.
    Reasoned,
}

/// Why a wait came to nothing.
enum Halt {
    Cancelled,
    /// Nobody reads any more.
    Gone,
    Fault(Fault),
}

struct Follow<'a> {
    shared: &'a Shared,
    request: &'a GenerateRequest,
    outbox: &'a mut Outbox,
    transcript: Transcript,
    figures: Figures,
    /// Of a server that takes ids: what it may still reason.
    reasoning: Option<Reasoning>,
    limit: usize,
    /// Prompt tokens in all, and those reported as computed.
    prompt: usize,
    prefilled: usize,
    began: Instant,
    first: Option<Instant>,
    last: Instant,
    /// When a silence has lasted too long.
    deadline: Instant,
}

pub(super) async fn run(shared: &Shared, request: GenerateRequest, outbox: &mut Outbox) {
    let ids = shared.ids(&request.prompt);
    let prompt = ids.as_ref().map_or(request.prompt.len(), Vec::len);
    let context = shared.info.context_length;
    if prompt == 0 || prompt >= context {
        return outbox.push(EngineEvent::Failed {
            error: EngineError::ContextFull { prompt, context },
            tokens: Vec::new(),
        });
    }
    if let Some(line) = shared.says_of_budget(&request) {
        outbox.push(EngineEvent::Notice(line));
    }
    outbox.push(EngineEvent::Prefill {
        done: 0,
        total: prompt,
    });
    let now = Instant::now();
    let mut follow = Follow {
        shared,
        request: &request,
        outbox,
        transcript: Transcript::new(&shared.vocabulary),
        figures: Figures::default(),
        reasoning: shared.reasoning(request.sampling.reasoning_budget),
        limit: request.max_tokens.min(context - prompt),
        prompt,
        prefilled: prompt,
        began: now,
        first: None,
        last: now,
        deadline: now,
    };
    let ended = match follow.limit {
        0 => Ok(StopReason::Length),
        _ => follow.whole(ids).await,
    };
    follow.transcript.finish(follow.outbox);
    let usage = follow.usage();
    let tokens = follow.transcript.take_tokens();
    follow.outbox.push(match ended {
        Ok(stop) => EngineEvent::Finished {
            tokens,
            usage,
            stop,
        },
        Err(error) => EngineEvent::Failed { error, tokens },
    });
}

impl Follow<'_> {
    /// The generation; where its reasoning was ended, in two requests.
    async fn whole(&mut self, ids: Option<Vec<u32>>) -> Result<StopReason, EngineError> {
        if let Came::Over(stop) = self.attempts(ids.as_deref()).await? {
            return Ok(stop);
        }
        let vocabulary = &self.shared.vocabulary;
        let tokens = self.reasoning.take().map_or(0, |spent| spent.spent());
        self.outbox.push(EngineEvent::ReasoningEnded { tokens });
        // Its counts would be those of the second request alone.
        self.figures = Figures::default();
        for token in [reasoning::end(vocabulary), reasoning::answer(vocabulary)].concat() {
            self.transcript.push(token, self.outbox);
        }
        if self.transcript.len() >= self.limit {
            return Ok(StopReason::Length);
        }
        let said = [&self.request.prompt, self.transcript.tokens()].concat();
        let ids = self.shared.ids(&said);
        let came = self.attempts(ids.as_deref()).await?;
        self.figures = Figures::default();
        Ok(match came {
            Came::Over(stop) => stop,
            Came::Reasoned => StopReason::Length,
        })
    }

    /// Asks until something comes, as often as the profile allows.
    async fn attempts(&mut self, ids: Option<&[u32]>) -> Result<Came, EngineError> {
        let target = &self.shared.target;
        let mut attempt = 0;
        let before = self.transcript.len();
        loop {
            let limit = self.limit - before;
            let body = self.shared.body(self.request, ids, limit);
            let fault = match self.attempt(&body).await {
                Ok(came) => return Ok(came),
                Err(Halt::Cancelled | Halt::Gone) => {
                    return Ok(Came::Over(StopReason::Cancelled));
                }
                Err(Halt::Fault(fault)) => fault,
            };
            let habits = &self.shared.habits;
            let refuses_effort = matches!(&fault, Fault::Status { status: 400 | 422, message, .. } if speaks_of_effort(message));
            if refuses_effort && !habits.refuses_effort() {
                tracing::info!(
                    server = target.profile.address.base(),
                    "it takes no reasoning effort"
                );
                habits.leave_effort_out();
                continue;
            }
            attempt += 1;
            let again = self.transcript.len() == before
                && fault.is_passing()
                && attempt <= target.profile.retries;
            let Some(wait) = fault.wait(attempt).filter(|_| again) else {
                return Err(fault.error(target, attempt));
            };
            self.outbox.push(EngineEvent::Notice(format!(
                "{}: asked again in {:.1} s (attempt {} of {})",
                fault.error_line(target),
                wait.as_secs_f64(),
                attempt + 1,
                target.profile.retries + 1,
            )));
            let until = Instant::now() + wait;
            match self.attend(std::future::pending::<()>(), until).await {
                Err(Halt::Cancelled | Halt::Gone) => {
                    return Ok(Came::Over(StopReason::Cancelled));
                }
                Ok(()) | Err(Halt::Fault(_)) => {}
            }
        }
    }

    /// One request and its stream.
    async fn attempt(&mut self, body: &Value) -> Result<Came, Halt> {
        let shared = self.shared;
        let (path, timeouts) = (shared.way.protocol().path(), shared.target.profile.timeouts);
        self.deadline = Instant::now() + timeouts.first_token;
        let asked = self.attend(shared.http.stream(path, body), self.deadline);
        let mut response = asked.await?.map_err(Halt::Fault)?;
        let mut adapter = shared.adapter();
        let (mut events, mut data) = (Events::default(), Vec::new());
        let mut stop = None;
        loop {
            let chunk = match self.attend(response.chunk(), self.deadline).await {
                Ok(chunk) => chunk,
                // Only the server's own counts are missing.
                Err(halt) => return stop.map(Came::Over).ok_or(halt),
            };
            let mut over = false;
            match chunk {
                Ok(Some(bytes)) => {
                    let taken = events.push(&bytes, &mut data);
                    taken.map_err(|TooLong| Halt::Fault(Fault::TooLong))?;
                }
                Ok(None) => {
                    events.finish(&mut data);
                    over = true;
                }
                Err(error) => {
                    let fault = Fault::Cut(format!(": {}", deepest(&error)));
                    return stop.map(Came::Over).ok_or(Halt::Fault(fault));
                }
            }
            for event in data.drain(..) {
                if event == b"[DONE]" {
                    over = true;
                    break;
                }
                let mut reading = Reading::default();
                let taken = read(&event).and_then(|event| adapter.take(&event, &mut reading));
                // What came with a mistake was sampled all the same.
                let ended = self.take(reading, stop.is_some());
                if self.reasoning.as_ref().is_some_and(Reasoning::is_over) && stop.is_none() {
                    return Ok(Came::Reasoned);
                }
                if let (Some(ended), None) = (ended, stop) {
                    stop = Some(ended);
                    self.deadline = Instant::now() + FAREWELL;
                }
                if stop.is_none() {
                    taken.map_err(Halt::Fault)?;
                }
            }
            if over {
                return match stop {
                    Some(stop) => Ok(Came::Over(stop)),
                    None => Err(Halt::Fault(Fault::Cut(String::new()))),
                };
            }
        }
    }

    /// Takes what an event came to; why the generation ended, when it did.
    fn take(&mut self, reading: Reading, is_over: bool) -> Option<StopReason> {
        self.figures.take(reading.figures);
        let now = Instant::now();
        let timeouts = self.shared.target.profile.timeouts;
        if let (Some((done, total)), None) = (reading.prefill, self.first) {
            self.prefilled = total;
            self.outbox.push(EngineEvent::Prefill { done, total });
            self.deadline = now + timeouts.first_token;
        }
        if is_over {
            return None;
        }
        let raw = self.shared.way.codec().is_some();
        let most = match raw {
            true => self.limit,
            false => self.limit.saturating_mul(TOKENS_FOR_ONE),
        };
        if !reading.tokens.is_empty() {
            self.note_first(now);
            self.last = now;
            self.deadline = now + timeouts.idle;
        }
        for token in reading.tokens {
            if self.transcript.len() == most {
                return Some(StopReason::Length);
            }
            self.transcript.push(token, self.outbox);
            if let Some(reasoning) = &mut self.reasoning {
                reasoning.take(token);
                if reasoning.is_over() {
                    return None;
                }
            }
            if raw && ends_generation(token) {
                return Some(StopReason::Stop);
            }
        }
        reading.end
    }

    fn note_first(&mut self, now: Instant) {
        if self.first.is_none() {
            self.first = Some(now);
            let total = self.prefilled;
            self.outbox
                .push(EngineEvent::Prefill { done: total, total });
        }
    }

    /// Waits for `future` until `deadline`.
    async fn attend<T>(
        &mut self,
        future: impl Future<Output = T>,
        deadline: Instant,
    ) -> Result<T, Halt> {
        let mut future = pin!(future);
        loop {
            self.outbox.flush();
            let waiting = !self.outbox.is_empty();
            let closed = self.outbox.closed();
            tokio::select! {
                biased;
                () = self.request.cancel.cancelled() => return Err(Halt::Cancelled),
                () = closed => return Err(Halt::Gone),
                value = &mut future => return Ok(value),
                delivered = self.outbox.deliver(), if waiting => {
                    if !delivered {
                        return Err(Halt::Gone);
                    }
                }
                () = sleep_until(deadline) => {
                    let timeouts = self.shared.target.profile.timeouts;
                    let before_first = self.first.is_none();
                    let limit = if before_first { timeouts.first_token } else { timeouts.idle };
                    return Err(Halt::Fault(Fault::Silent { before_first, seconds: limit.as_secs() }));
                }
            }
        }
    }

    fn usage(&self) -> Usage {
        let until_first = self.first.unwrap_or_else(Instant::now) - self.began;
        let after = self.first.map_or(Duration::ZERO, |first| self.last - first);
        self.figures.usage(Usage {
            prompt_tokens: self.prompt,
            cached_tokens: 0,
            generated_tokens: self.transcript.len(),
            reasoning_tokens: self.transcript.reasoning_tokens(),
            prefill_seconds: until_first.as_secs_f64(),
            decode_seconds: after.as_secs_f64(),
        })
    }
}

/// An event's data as JSON that is no error.
fn read(event: &[u8]) -> Result<Value, Fault> {
    let value: Value = serde_json::from_slice(event).map_err(|error| {
        let sample = event.get(..80).unwrap_or(event);
        Fault::Unreadable(format!(
            "an event that is no JSON ({error}): {}",
            quoted(&String::from_utf8_lossy(sample))
        ))
    })?;
    match value.get("error") {
        Some(error) if !error.is_null() => Err(Fault::Said(error_of(&value).unwrap_or_default())),
        _ => Ok(value),
    }
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_the_stream_is_no_event() {
        assert!(matches!(
            read(b"{\"error\":null,\"a\":1}"),
            Ok(Value::Object(_))
        ));
        assert_eq!(
            read(b"{\"error\":{\"message\":\"out of memory\"}}"),
            Err(Fault::Said("out of memory".into()))
        );
        assert_eq!(
            read(b"{\"error\":\"gone\"}"),
            Err(Fault::Said("gone".into()))
        );
        let Err(Fault::Unreadable(what)) = read(b"{\"choices\":[{\"del") else {
            panic!("read")
        };
        assert!(what.contains("{\"choices\""), "{what}");
    }
}
