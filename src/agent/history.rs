//! The conversation and its record: what is said to the model, and what goes to disk, in one order.

use super::{Resumed, ReviewId};
use crate::conversation::{CallId, Item, TurnId, Usage};
use crate::session::{Record, TurnEnd, Writer};

#[derive(Debug)]
pub(super) struct History {
    items: Vec<Item>,
    writer: Option<Writer>,
    turns: u64,
    calls: u64,
    reviews: u64,
}

impl History {
    pub(super) fn new(resumed: Resumed, writer: Option<Writer>) -> History {
        let calls = resumed.items.iter().filter_map(|item| match item {
            Item::ToolResult { call, .. } => Some(call.0),
            Item::User { .. } | Item::Attached { .. } | Item::Generated { .. } => None,
        });
        History {
            calls: calls.max().unwrap_or(0),
            turns: resumed.turns,
            items: resumed.items,
            writer,
            reviews: 0,
        }
    }

    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    pub(super) fn next_turn(&mut self) -> TurnId {
        self.turns += 1;
        TurnId(self.turns)
    }

    /// The number of the next call; [`History::count_calls`] takes it.
    pub(super) fn next_call(&self) -> CallId {
        CallId(self.calls + 1)
    }

    pub(super) fn count_calls(&mut self, made: usize) {
        self.calls += made as u64;
    }

    pub(super) fn next_review(&mut self) -> ReviewId {
        self.reviews += 1;
        ReviewId(self.reviews)
    }

    /// Appends to the conversation and to its record. `Err`: what the user should know; the conversation
    /// goes on unrecorded.
    pub(super) async fn push(&mut self, item: Item) -> Result<(), String> {
        self.items.push(item.clone());
        self.record(item.into()).await
    }

    pub(super) async fn turn_started(&mut self, turn: TurnId) -> Result<(), String> {
        self.record(Record::TurnStarted { turn }).await
    }

    pub(super) async fn turn_ended(
        &mut self,
        turn: TurnId,
        usage: Usage,
        end: TurnEnd,
    ) -> Result<(), String> {
        self.record(Record::TurnEnded { turn, usage, end }).await
    }

    pub(super) async fn clear(&mut self) -> Result<(), String> {
        self.items.clear();
        self.record(Record::Cleared).await
    }

    /// Each line is synced before the turn goes on, on a thread that may wait for the disk. After a failure
    /// nothing more is written: a record with a hole would claim a conversation that never was.
    async fn record(&mut self, record: Record) -> Result<(), String> {
        let Some(mut writer) = self.writer.take() else {
            return Ok(());
        };
        let written = tokio::task::spawn_blocking(move || {
            let result = writer.append(&record);
            (writer, result)
        });
        match written.await {
            Ok((writer, Ok(()))) => {
                self.writer = Some(writer);
                Ok(())
            }
            Ok((_, Err(error))) => Err(format!("the conversation is no longer recorded: {error}")),
            Err(error) => Err(format!(
                "the conversation is no longer recorded: {error}; this is our bug"
            )),
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
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_record_that_fails_is_said_once_and_the_conversation_goes_on() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = Writer::read_only(file.path());
        let mut history = History::new(Resumed::default(), Some(writer));
        let message = |text: &str| Item::User { text: text.into() };
        let problem = history.push(message("one")).await.unwrap_err();
        let place = file.path().display().to_string();
        assert!(
            problem.starts_with(&format!(
                "the conversation is no longer recorded: cannot write {place}"
            )),
            "{problem}"
        );
        assert_eq!(history.push(message("two")).await, Ok(()));
        assert_eq!(history.turn_started(TurnId(1)).await, Ok(()));
        assert_eq!(history.items(), [message("one"), message("two")]);
        assert_eq!(std::fs::read(file.path()).unwrap(), b"");
    }

    #[test]
    fn a_resumed_conversation_goes_on_counting() {
        let result = |call| Item::ToolResult {
            call: CallId(call),
            tool: "python".into(),
            text: "1".into(),
        };
        let resumed = Resumed {
            items: vec![result(1), result(7), result(3)],
            turns: 4,
        };
        let mut history = History::new(resumed, None);
        assert_eq!(history.next_call(), CallId(8));
        history.count_calls(2);
        assert_eq!(history.next_call(), CallId(10));
        assert_eq!(history.next_turn(), TurnId(5));
    }
}
