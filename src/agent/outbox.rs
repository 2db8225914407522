//! The agent's end of the event queue: joins deltas while the reader is slow, and loses nothing.

use super::AgentEvent;
use std::collections::VecDeque;
use tokio::sync::mpsc;

/// Events that may wait here besides the queue's own room before the engine is no longer read: an event
/// other than a delta cannot be joined, so this is what bounds the memory.
const WAITING_ROOM: usize = 64;

#[derive(Debug)]
pub(super) struct Outbox {
    queue: mpsc::Sender<AgentEvent>,
    waiting: VecDeque<AgentEvent>,
}

impl Outbox {
    pub(super) fn new(queue: mpsc::Sender<AgentEvent>) -> Outbox {
        Outbox {
            queue,
            waiting: VecDeque::new(),
        }
    }

    /// Sends the event now if there is room, else keeps it behind those that wait. A consumer that is
    /// gone wants no events.
    pub(super) fn push(&mut self, event: AgentEvent) {
        if self.queue.is_closed() {
            self.waiting.clear();
            return;
        }
        match self.waiting.back_mut() {
            Some(last) => {
                if let Some(event) = join(last, event) {
                    self.append(event);
                }
            }
            None => self.waiting.push_back(event),
        }
        while let Ok(permit) = self.queue.try_reserve() {
            let Some(event) = self.waiting.pop_front() else {
                break;
            };
            permit.send(event);
        }
    }

    /// A newer word on how far a generation is takes the place of the one before, which parted two deltas.
    fn append(&mut self, event: AgentEvent) {
        if matches!(event, AgentEvent::Generating { .. }) {
            let told = |event: &AgentEvent| matches!(event, AgentEvent::Generating { .. });
            if let Some(at) = self.waiting.iter().rposition(told) {
                self.waiting.remove(at);
                if let Some(next) = self.waiting.remove(at)
                    && let Some(apart) = match at.checked_sub(1) {
                        Some(before) => join(&mut self.waiting[before], next),
                        None => Some(next),
                    }
                {
                    self.waiting.insert(at, apart);
                }
            }
        }
        self.waiting.push_back(event);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_ROOM
    }

    /// Sends the first waiting event when the queue has room. Cancel-safe; pends for ever when none waits.
    pub(super) async fn flush_one(&mut self) {
        if self.waiting.is_empty() {
            return std::future::pending().await;
        }
        match self.queue.reserve().await {
            Ok(permit) => {
                if let Some(event) = self.waiting.pop_front() {
                    permit.send(event);
                }
            }
            Err(_closed) => self.waiting.clear(),
        }
    }
}

/// Appends `next` to `last` where the two say the same as one; gives `next` back where they do not.
fn join(last: &mut AgentEvent, next: AgentEvent) -> Option<AgentEvent> {
    match (last, next) {
        (AgentEvent::ReasoningDelta(text), AgentEvent::ReasoningDelta(more))
        | (AgentEvent::AnswerDelta(text), AgentEvent::AnswerDelta(more)) => text.push_str(&more),
        (
            AgentEvent::ToolCallDelta { call, delta, .. },
            AgentEvent::ToolCallDelta {
                call: same,
                delta: more,
                ..
            },
        ) if *call == same => delta.push_str(&more),
        (
            AgentEvent::ToolOutput { call, text },
            AgentEvent::ToolOutput {
                call: same,
                text: more,
            },
        ) if *call == same => {
            text.push_str(&more);
        }
        (
            AgentEvent::Prefill { done, total },
            AgentEvent::Prefill {
                done: newer,
                total: newer_total,
            },
        ) => {
            (*done, *total) = (newer, newer_total);
        }
        (_, next) => return Some(next),
    }
    None
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

    #[tokio::test]
    async fn a_slow_reader_gets_fewer_events_and_every_character() {
        let (sender, mut reader) = mpsc::channel(2);
        let mut outbox = Outbox::new(sender);
        for n in 0..1000 {
            outbox.push(AgentEvent::ReasoningDelta(format!("{n} ")));
        }
        outbox.push(AgentEvent::AnswerDelta("a".into()));
        outbox.push(AgentEvent::Notice("between".into()));
        outbox.push(AgentEvent::AnswerDelta("b".into()));
        assert!(outbox.waiting.len() <= 4);
        let mut events = Vec::new();
        while !outbox.is_empty() || !reader.is_empty() {
            tokio::select! {
                biased;
                Some(event) = reader.recv() => events.push(event),
                () = outbox.flush_one() => {}
            }
        }
        let mut reasoning = String::new();
        let mut rest = Vec::new();
        for event in &events {
            match event {
                AgentEvent::ReasoningDelta(text) => reasoning.push_str(text),
                other => rest.push(format!("{other:?}")),
            }
        }
        let expected: String = (0..1000).map(|n| format!("{n} ")).collect();
        assert_eq!(reasoning, expected);
        assert_eq!(
            rest,
            [
                "AnswerDelta(\"a\")",
                "Notice(\"between\")",
                "AnswerDelta(\"b\")"
            ]
        );
        assert!(events.len() < 10);
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_holds_nothing_up() {
        let (sender, reader) = mpsc::channel(1);
        let mut outbox = Outbox::new(sender);
        outbox.push(AgentEvent::Notice("1".into()));
        outbox.push(AgentEvent::Notice("2".into()));
        drop(reader);
        outbox.flush_one().await;
        assert!(outbox.is_empty());
        outbox.push(AgentEvent::Notice("3".into()));
        assert!(outbox.is_empty());
    }
}
