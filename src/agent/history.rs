//! The conversation and its record: what is said to the model, and what goes to disk, in one order.
//!
//! Every change is a [`Record`], taken into the state and written; so a conversation that is resumed is the
//! one that was left. What streams is handed to the system before it is shown and synced in the background.

use super::ReviewId;
use crate::conversation::{CallId, Item, TokenId, TurnId};
use crate::session::{Record, State, Writer};
use futures_util::FutureExt;
use std::time::{Duration, Instant};

/// How often a stream is brought to the disk.
const SYNC_EVERY: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct History {
    state: State,
    writer: Option<Writer>,
    /// Calls that were made and have no answer on record yet.
    open_calls: u64,
    reviews: u64,
    sync: Sync,
}

/// What streamed and is not known to be on disk.
#[derive(Debug, Default)]
struct Sync {
    last: Option<Instant>,
    running: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
}

impl History {
    pub(super) fn new(state: State, writer: Option<Writer>) -> History {
        History {
            state,
            writer,
            open_calls: 0,
            reviews: 0,
            sync: Sync::default(),
        }
    }

    pub(super) fn items(&self) -> &[Item] {
        self.state.items()
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub(super) fn writer(&self) -> Option<&Writer> {
        self.writer.as_ref()
    }

    /// Another conversation from here on; reviews go on counting.
    pub(super) fn replace(&mut self, state: State, writer: Option<Writer>) {
        *self = History {
            reviews: self.reviews,
            ..History::new(state, writer)
        };
    }

    /// The same conversation, recorded elsewhere from here on.
    pub(super) fn record_in(&mut self, writer: Writer) {
        self.writer = Some(writer);
    }

    /// Calls up to this number were made, answered or not.
    pub(super) fn numbered(&mut self, calls: u64) {
        self.open_calls = self.open_calls.max(calls);
    }

    /// The number of the turn that begins next.
    pub(super) fn next_turn(&self) -> TurnId {
        TurnId(self.state.turns() + 1)
    }

    /// The number of the next call; [`History::count_calls`] takes it.
    pub(super) fn next_call(&self) -> CallId {
        CallId(self.state.calls().0.max(self.open_calls) + 1)
    }

    pub(super) fn count_calls(&mut self, made: usize) {
        self.open_calls = self.next_call().0 - 1 + made as u64;
    }

    pub(super) fn next_review(&mut self) -> ReviewId {
        self.reviews += 1;
        ReviewId(self.reviews)
    }

    /// Takes a record into the conversation and writes it, on disk when this returns. `Err`: what the user
    /// should know; the conversation goes on unrecorded.
    pub(super) async fn take(&mut self, record: Record) -> Result<(), String> {
        let Some(mut writer) = self.writer.take() else {
            self.state.take(record);
            return Ok(());
        };
        // Each event is synced before the turn goes on, on a thread that may wait for the disk.
        let written = tokio::task::spawn_blocking(move || {
            let result = writer.append(&record);
            (writer, record, result)
        });
        match written.await {
            Ok((writer, record, result)) => {
                self.state.take(record);
                self.written(writer, result.map_err(|error| error.to_string()))
            }
            Err(error) => Err(unrecorded(&format!("{error}; this is our bug"))),
        }
    }

    /// After a failure nothing more is written: a record with a hole would claim a conversation that never was.
    fn written(&mut self, writer: Writer, result: Result<(), String>) -> Result<(), String> {
        match result {
            Ok(()) => {
                self.writer = Some(writer);
                Ok(())
            }
            Err(error) => Err(unrecorded(&error)),
        }
    }

    pub(super) async fn push(&mut self, item: Item) -> Result<(), String> {
        self.take(item.into()).await
    }

    /// Takes a record that only says more of what runs. It is in the system's hands when this returns (a
    /// write into its memory, too short to be worth a thread), and on disk a quarter of a second later.
    pub(super) fn stream(&mut self, record: Record) -> Result<(), String> {
        let Some(mut writer) = self.writer.take() else {
            self.state.take(record);
            return Ok(());
        };
        let result = writer.stream(&record).map_err(|error| error.to_string());
        self.state.take(record);
        let result = result.and_then(|()| self.sync.keep_up(&writer));
        self.written(writer, result)
    }

    /// The generation is over and gave these ids. What was streamed of them is not written again.
    pub(super) async fn generated(&mut self, tokens: Vec<TokenId>) -> Result<(), String> {
        match tokens.strip_prefix(self.state.part()) {
            Some(rest) => {
                let tokens = rest.to_vec();
                self.take(Record::Tokens { tokens, last: true }).await
            }
            // The stream told another story than its end: the end counts.
            None => self.push(Item::Generated { tokens }).await,
        }
    }
}

impl Sync {
    /// Starts a sync where the last one is long enough ago and done.
    fn keep_up(&mut self, writer: &Writer) -> Result<(), String> {
        if self.last.is_some_and(|last| last.elapsed() < SYNC_EVERY) {
            return Ok(());
        }
        if let Some(running) = &mut self.running {
            match running.now_or_never() {
                None => return Ok(()),
                Some(Ok(Err(error))) => return Err(format!("cannot write to the disk: {error}")),
                Some(Ok(Ok(())) | Err(_)) => {}
            }
        }
        self.last = Some(Instant::now());
        self.running = writer
            .syncer()
            .map(|file| tokio::task::spawn_blocking(move || file.sync_data()));
        Ok(())
    }
}

fn unrecorded(why: &str) -> String {
    format!("the conversation is no longer recorded: {why}")
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

    fn message(text: &str) -> Item {
        Item::User { text: text.into() }
    }

    #[tokio::test]
    async fn a_record_that_fails_is_said_once_and_the_conversation_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        std::fs::write(&path, b"").unwrap();
        let mut history = History::new(State::default(), Some(Writer::read_only(&path)));
        let problem = history.push(message("one")).await.unwrap_err();
        let place = path.display().to_string();
        assert!(
            problem.starts_with(&format!(
                "the conversation is no longer recorded: cannot write {place}"
            )),
            "{problem}"
        );
        assert_eq!(history.push(message("two")).await, Ok(()));
        let more = Record::Tokens {
            tokens: vec![1],
            last: false,
        };
        assert_eq!(history.stream(more), Ok(()));
        assert_eq!(history.items(), [message("one"), message("two")]);
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }

    #[tokio::test]
    async fn what_streamed_is_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let writer = Writer::create(&state, folder.path(), "demo", std::time::UNIX_EPOCH).unwrap();
        let path = writer.path().to_owned();
        let mut history = History::new(State::default(), Some(writer));
        let stream = |tokens: &[TokenId]| Record::Tokens {
            tokens: tokens.to_vec(),
            last: false,
        };
        history.stream(stream(&[1, 2])).unwrap();
        history.stream(stream(&[3])).unwrap();
        history.generated(vec![1, 2, 3, 4]).await.unwrap();
        // An engine whose end is not what it streamed: the end counts.
        history.stream(stream(&[7, 8])).unwrap();
        history.generated(vec![9]).await.unwrap();
        let generated = |tokens: &[TokenId]| Item::Generated {
            tokens: tokens.to_vec(),
        };
        let expected = [generated(&[1, 2, 3, 4]), generated(&[9])];
        assert_eq!(history.items(), expected);
        let lines = std::fs::read_to_string(&path).unwrap();
        assert!(
            lines.contains(r#"{"record":"tokens","tokens":[4],"last":true}"#),
            "{lines}"
        );
        let loaded = crate::session::load(&path).unwrap();
        assert_eq!(loaded.into_state().items(), expected);
    }

    #[test]
    fn a_resumed_conversation_goes_on_counting() {
        let result = |call| {
            Record::from(Item::ToolResult {
                call: CallId(call),
                tool: "python".into(),
                text: "1".into(),
            })
        };
        let turn = Record::TurnStarted {
            turn: TurnId(4),
            prompt: None,
        };
        let state = State::of([turn, result(1), result(7), result(3)]);
        let mut history = History::new(state, None);
        assert_eq!(history.next_call(), CallId(8));
        history.count_calls(2);
        assert_eq!(history.next_call(), CallId(10));
        assert_eq!(history.next_turn(), TurnId(5));
    }
}
