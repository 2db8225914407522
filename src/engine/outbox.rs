//! Events on their way to a reader that may be slow.
//!
//! The model must never wait for the screen, and no text may be lost: while the reader's channel is full,
//! text deltas of one message, and ids, are joined here. What waits is bounded by `max_tokens` of text.

use super::EngineEvent;
use crate::conversation::TokenId;
use crate::harmony::HarmonyEvent;
use std::collections::VecDeque;
use tokio::sync::mpsc;

/// Events a reader can be behind before deltas are joined: two frames of a fast model.
pub(super) const CAPACITY: usize = 64;

#[derive(Debug)]
pub(super) struct Outbox {
    sender: mpsc::Sender<EngineEvent>,
    waiting: VecDeque<EngineEvent>,
}

impl Outbox {
    pub(super) fn new(sender: mpsc::Sender<EngineEvent>) -> Self {
        Outbox {
            sender,
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, event: EngineEvent) {
        let event = match event {
            EngineEvent::Tokens(more) => match self.tokens() {
                Some(tokens) => return tokens.extend(more),
                None => EngineEvent::Tokens(more),
            },
            other => other,
        };
        if let EngineEvent::Harmony(HarmonyEvent::TextDelta(more)) = &event
            && let Some(EngineEvent::Harmony(HarmonyEvent::TextDelta(text))) =
                self.waiting.back_mut()
        {
            text.push_str(more);
            return;
        }
        self.waiting.push_back(event);
    }

    /// The waiting ids that more may be joined to: at the end, or with no more than text after them.
    fn tokens(&mut self) -> Option<&mut Vec<TokenId>> {
        let mut from_the_end = self.waiting.iter_mut().rev();
        match (from_the_end.next(), from_the_end.next()) {
            (Some(EngineEvent::Tokens(tokens)), _)
            | (
                Some(EngineEvent::Harmony(HarmonyEvent::TextDelta(_))),
                Some(EngineEvent::Tokens(tokens)),
            ) => Some(tokens),
            _ => None,
        }
    }

    /// Hands over what the channel has room for.
    pub(super) fn flush(&mut self) {
        while !self.waiting.is_empty() {
            let Ok(permit) = self.sender.try_reserve() else {
                return;
            };
            if let Some(event) = self.waiting.pop_front() {
                permit.send(event);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Waits for room and hands over; `false` when the reader is gone.
    pub(super) async fn deliver(&mut self) -> bool {
        match self.sender.reserve().await {
            Ok(permit) => {
                if let Some(event) = self.waiting.pop_front() {
                    permit.send(event);
                }
                true
            }
            Err(_closed) => false,
        }
    }

    /// Resolves when the reader drops its end.
    pub(super) fn closed(&self) -> impl Future<Output = ()> + 'static {
        let sender = self.sender.clone();
        async move { sender.closed().await }
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

    fn delta(text: &str) -> EngineEvent {
        EngineEvent::Harmony(HarmonyEvent::TextDelta(text.into()))
    }

    #[tokio::test]
    async fn deltas_join_while_the_reader_sleeps_and_nothing_is_lost() {
        let (sender, mut receiver) = mpsc::channel(2);
        let mut outbox = Outbox::new(sender);
        outbox.push(EngineEvent::Prefill { done: 0, total: 9 });
        for text in ["a", "b", "c", "d"] {
            outbox.flush();
            outbox.push(delta(text));
        }
        outbox.push(EngineEvent::Prefill { done: 9, total: 9 });
        outbox.push(delta("e"));
        let mut got = Vec::new();
        while let Some(event) = {
            outbox.flush();
            receiver.try_recv().ok()
        } {
            got.push(event);
        }
        assert_eq!(
            got,
            [
                EngineEvent::Prefill { done: 0, total: 9 },
                delta("a"),
                delta("bcd"),
                EngineEvent::Prefill { done: 9, total: 9 },
                delta("e"),
            ]
        );
        drop(receiver);
        outbox.closed().await;
        outbox.push(delta("f"));
        assert!(!outbox.deliver().await);
    }
}
