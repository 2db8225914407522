//! Which records of a conversation count, and where it can be read in parts.

use crate::conversation::Item;
use crate::session::{Entry, Record};
use std::ops::Range;

/// The records of a conversation in parts, each of whole turns and of at least `least` bytes of text or so.
pub(in crate::agent) fn parts(records: &[&Record], least: usize) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let (mut begin, mut weight) = (0, 0);
    for (at, record) in records.iter().enumerate() {
        if weight >= least && matches!(record, Record::TurnStarted { .. }) {
            out.push(begin..at);
            (begin, weight) = (at, 0);
        }
        weight += match record {
            Record::Tokens { tokens, .. } => tokens.len() * 4,
            Record::Output { text, .. } => text.len(),
            Record::Item(Entry { entry }) => match entry {
                Item::User { text }
                | Item::Attached { text, .. }
                | Item::ToolResult { text, .. } => text.len(),
                Item::Generated { tokens } => tokens.len() * 4,
            },
            Record::Reviewed { .. } => 1024,
            Record::TurnStarted { .. }
            | Record::TurnEnded { .. }
            | Record::CallEnded { .. }
            | Record::Said { .. }
            | Record::Prompt { .. }
            | Record::Rewound { .. }
            | Record::Compacted { .. }
            | Record::Cleared => 64,
        };
    }
    out.push(begin..records.len());
    out
}

/// What a rewind or a new beginning did not take away.
pub(in crate::agent) fn kept(records: &[Record]) -> Vec<&Record> {
    let mut kept: Vec<&Record> = Vec::with_capacity(records.len());
    for record in records {
        match record {
            Record::Cleared => kept.clear(),
            Record::Rewound { turn, .. } => {
                let begins = |record: &&Record| matches!(record, Record::TurnStarted { turn: at, .. } if at >= turn);
                if let Some(at) = kept.iter().position(begins) {
                    kept.truncate(at);
                }
            }
            record => kept.push(record),
        }
    }
    kept
}
