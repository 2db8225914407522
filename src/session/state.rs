//! What the records of a conversation add up to: the history the model is told, and where its turns begin.

use super::{Entry, Record};
use crate::conversation::{CallId, Item, PromptSpec, TokenId, TurnId};

/// Where a turn begins in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub turn: TurnId,
    /// Items before it.
    pub at: usize,
    /// What the user asked.
    pub prompt: String,
}

/// A conversation as its records have it. Taking a record that is about to be written keeps the one in
/// memory and the one on disk the same by construction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    items: Vec<Item>,
    marks: Vec<Mark>,
    /// The histories that compactions replaced, oldest first: going back may lead into them.
    compacted: Vec<(Vec<Item>, Vec<Mark>)>,
    /// The generation that runs.
    part: Vec<TokenId>,
    /// Patches that were written, with their turn.
    checkpoints: Vec<(TurnId, u64)>,
    spec: Option<PromptSpec>,
    turns: u64,
    calls: u64,
}

impl State {
    pub fn of(records: impl IntoIterator<Item = Record>) -> State {
        let mut state = State::default();
        for record in records {
            state.take(record);
        }
        state.close();
        state
    }

    pub fn take(&mut self, record: Record) {
        match record {
            Record::Tokens { tokens, last } => {
                self.part.extend(tokens);
                if last {
                    self.close();
                }
                return;
            }
            // Part of a turn, and of no consequence for the generation that may still run.
            Record::Said { .. } => return,
            // The whole wins over what was gathered.
            Record::Item(Entry {
                entry: Item::Generated { .. },
            }) => self.part.clear(),
            Record::Item(_)
            | Record::Output { .. }
            | Record::TurnStarted { .. }
            | Record::TurnEnded { .. }
            | Record::CallEnded { .. }
            | Record::Reviewed { .. }
            | Record::Prompt { .. }
            | Record::Rewound { .. }
            | Record::Compacted { .. }
            | Record::Cleared => self.close(),
        }
        match record {
            Record::Item(Entry { entry }) => self.push(entry),
            Record::TurnStarted { turn, prompt } => {
                self.turns = self.turns.max(turn.0);
                self.marks.push(Mark {
                    turn,
                    at: self.items.len(),
                    prompt: prompt.unwrap_or_default(),
                });
            }
            Record::Reviewed {
                call, checkpoint, ..
            } => {
                self.calls = self.calls.max(call.0);
                if let (Some(number), Some(mark)) = (checkpoint, self.marks.last()) {
                    self.checkpoints.push((mark.turn, number));
                }
            }
            Record::Output { call, .. } | Record::CallEnded { call, .. } => {
                self.calls = self.calls.max(call.0);
            }
            Record::Prompt { spec } => self.spec = Some(*spec),
            Record::Rewound { turn, undone } => {
                self.checkpoints
                    .retain(|(_, number)| !undone.contains(number));
                self.rewind(turn);
            }
            Record::Compacted { items, .. } => {
                let items = std::mem::replace(&mut self.items, items);
                self.compacted
                    .push((items, std::mem::take(&mut self.marks)));
            }
            Record::Cleared => {
                let (turns, calls) = (self.turns, self.calls);
                *self = State {
                    turns,
                    calls,
                    ..State::default()
                };
            }
            Record::Tokens { .. } | Record::Said { .. } | Record::TurnEnded { .. } => {}
        }
    }

    fn push(&mut self, item: Item) {
        match &item {
            Item::ToolResult { call, .. } => self.calls = self.calls.max(call.0),
            // Version 1 had the question here alone.
            Item::User { text } => {
                if let Some(mark) = self.marks.last_mut()
                    && mark.prompt.is_empty()
                {
                    mark.prompt.clone_from(text);
                }
            }
            Item::Attached { .. } | Item::Generated { .. } => {}
        }
        self.items.push(item);
    }

    /// The generation that ran is an item now.
    fn close(&mut self) {
        if !self.part.is_empty() {
            let tokens = std::mem::take(&mut self.part);
            self.items.push(Item::Generated { tokens });
        }
    }

    fn rewind(&mut self, turn: TurnId) {
        let since = |marks: &[Mark]| marks.iter().position(|mark| mark.turn >= turn);
        while let Some((_, marks)) = self.compacted.last()
            && since(marks).is_some()
            && let Some((items, marks)) = self.compacted.pop()
        {
            (self.items, self.marks) = (items, marks);
        }
        if let Some(at) = since(&self.marks) {
            let items = self.marks.get(at).map_or(0, |mark| mark.at);
            self.items.truncate(items);
            self.marks.truncate(at);
        }
    }

    /// What the model is told, oldest first.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    pub fn into_items(self) -> Vec<Item> {
        self.items
    }

    /// The turns that can be gone back to, oldest first.
    pub fn marks(&self) -> impl Iterator<Item = &Mark> {
        let earlier = self.compacted.iter().flat_map(|(_, marks)| marks);
        earlier.chain(&self.marks)
    }

    /// The patches that were written in this turn and after it, newest first.
    pub fn checkpoints_since(&self, turn: TurnId) -> Vec<u64> {
        let since = self.checkpoints.iter().filter(|(of, _)| *of >= turn);
        since.rev().map(|(_, number)| *number).collect()
    }

    pub fn spec(&self) -> Option<&PromptSpec> {
        self.spec.as_ref()
    }

    /// The number of the last turn.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// The number of the last call that was answered.
    pub fn calls(&self) -> CallId {
        CallId(self.calls)
    }

    /// The ids of the running generation so far.
    pub fn part(&self) -> &[TokenId] {
        &self.part
    }
}
