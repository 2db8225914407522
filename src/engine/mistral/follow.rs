//! Following one generation: mistral.rs's responses in, events out, nobody made to wait.

use super::prefill::Reading;
use super::steer::Generation;
use crate::conversation::TokenId;
use crate::engine::outbox::Outbox;
use crate::engine::transcript::Transcript;
use crate::engine::{EngineError, EngineEvent, StopReason};
use mistralrs::core::Response;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How a generation ended, for its reader and for the engine's owner.
#[derive(Debug)]
pub(super) enum End {
    /// As it should. The sequence may still be finishing in the engine.
    Stopped(StopReason),
    /// The engine reported an error and lives.
    Refused(EngineError),
    /// The engine's thread is gone.
    Died(EngineError),
    /// The engine's thread does not answer.
    Hung(EngineError),
}

/// When an engine counts as hung: no machine takes this long for one token,
const PATIENCE: Duration = Duration::from_secs(120);
/// nor this long for one of a prompt's.
const PATIENCE_PER_PROMPT_TOKEN: Duration = Duration::from_millis(250);

/// How long the engine may be silent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) first_token: Duration,
    pub(super) token: Duration,
}

impl Patience {
    pub(super) fn of(reading: Reading) -> Self {
        let tokens = u32::try_from(reading.expected).unwrap_or(u32::MAX);
        Patience {
            first_token: PATIENCE + PATIENCE_PER_PROMPT_TOKEN.saturating_mul(tokens),
            token: PATIENCE,
        }
    }
}

pub(super) struct Follow<'a> {
    pub(super) generation: &'a Generation,
    pub(super) responses: mpsc::Receiver<Response>,
    pub(super) cancel: &'a CancellationToken,
    pub(super) outbox: &'a mut Outbox,
    pub(super) transcript: Transcript,
    pub(super) patience: Patience,
    pub(super) reading: Reading,
    reader_gone: bool,
    prefill_done: bool,
    reasoning_ended: bool,
    new: Vec<TokenId>,
}

impl<'a> Follow<'a> {
    pub(super) fn new(
        generation: &'a Generation,
        responses: mpsc::Receiver<Response>,
        cancel: &'a CancellationToken,
        outbox: &'a mut Outbox,
        transcript: Transcript,
        patience: Patience,
        reading: Reading,
    ) -> Self {
        Follow {
            generation,
            responses,
            cancel,
            outbox,
            transcript,
            patience,
            reading,
            reader_gone: false,
            prefill_done: false,
            reasoning_ended: false,
            new: Vec::new(),
        }
    }

    /// Until the generation has stopped, by itself or by its reader's wish. A cancelled prompt goes on
    /// being computed behind our back; [`Follow::drain`] waits for that.
    pub(super) async fn run_out(&mut self) -> End {
        let mut deadline = Instant::now() + self.patience.first_token;
        loop {
            if let Some(stop) = self.take_new() {
                return match self.generation.broken() {
                    Some(reason) => End::Refused(EngineError::Broken(reason)),
                    None => End::Stopped(stop),
                };
            }
            self.outbox.flush();
            let waiting = !self.outbox.is_empty();
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => {
                    self.generation.seal(StopReason::Cancelled);
                }
                () = self.outbox.closed(), if !self.reader_gone => {
                    self.reader_gone = true;
                    self.generation.seal(StopReason::Cancelled);
                }
                response = self.responses.recv() => {
                    deadline = Instant::now() + self.patience.token;
                    if let Some(end) = self.read(response) {
                        return end;
                    }
                }
                delivered = self.outbox.deliver(), if waiting && !self.reader_gone => {
                    self.reader_gone = !delivered;
                }
                () = sleep_until(deadline) => {
                    self.generation.seal(StopReason::Cancelled);
                    self.take_new();
                    return End::Hung(EngineError::Broken(
                        "no token came for minutes; its thread seems to hang".into(),
                    ));
                }
            }
        }
    }

    /// What a response means beyond the ids that came with it; `None`: go on.
    fn read(&mut self, response: Option<Response>) -> Option<End> {
        let reason = match response {
            Some(Response::CompletionChunk(_) | Response::CompletionDone(_)) => return None,
            Some(Response::InternalError(error) | Response::ValidationError(error)) => {
                error.to_string()
            }
            Some(Response::CompletionModelError(error, _) | Response::ModelError(error, _)) => {
                error
            }
            Some(
                Response::Done(_)
                | Response::Chunk(_)
                | Response::ImageGeneration(_)
                | Response::Speech { .. }
                | Response::Raw { .. }
                | Response::Embeddings { .. },
            ) => "mistral.rs answered what was not asked".into(),
            None => {
                // The channel closes behind the last token; any earlier, a thread died.
                let stopped = self.take_new();
                return match stopped {
                    Some(stop) => Some(End::Stopped(stop)),
                    None => {
                        self.generation.seal(StopReason::Cancelled);
                        Some(End::Died(EngineError::Broken(
                            "its thread ended in the middle of an answer; the log file may say why"
                                .into(),
                        )))
                    }
                };
            }
        };
        self.generation.seal(StopReason::Cancelled);
        self.take_new();
        tracing::warn!(reason, "mistral.rs refused");
        Some(End::Refused(EngineError::Broken(super::message_of(
            &reason,
        ))))
    }

    /// Reads the ids recorded since the last time.
    fn take_new(&mut self) -> Option<StopReason> {
        self.new.clear();
        let stop = self.generation.since(self.transcript.len(), &mut self.new);
        if let (false, Some(first)) = (self.prefill_done, self.generation.first()) {
            self.prefill_done = true;
            self.outbox.push(self.reading.reached(first.fresh));
        }
        for &token in &self.new {
            self.transcript.push(token, self.outbox);
        }
        if let (false, Some(tokens)) = (self.reasoning_ended, self.generation.reasoning_ended()) {
            self.reasoning_ended = true;
            self.outbox.push(EngineEvent::ReasoningEnded { tokens });
        }
        stop
    }

    /// Empties the engine's channel until it closes, and the outbox as its reader allows. `false` when
    /// the engine does not come to an end.
    pub(super) async fn drain(&mut self) -> bool {
        let deadline = Instant::now() + self.patience.first_token.max(self.patience.token);
        loop {
            self.outbox.flush();
            let waiting = !self.outbox.is_empty();
            tokio::select! {
                biased;
                response = self.responses.recv() => if response.is_none() {
                    return true;
                },
                delivered = self.outbox.deliver(), if waiting && !self.reader_gone => {
                    self.reader_gone = !delivered;
                }
                () = sleep_until(deadline) => return false,
            }
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
