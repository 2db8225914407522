//! What a list of conversations says about each, without reading them as conversations.

use super::{Entry, Head, Lines, Record, SessionError, parse_line, recent};
use crate::conversation::{Item, TurnId};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Characters of a title.
const TITLE: usize = 80;

/// A conversation in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub head: Head,
    pub path: PathBuf,
    /// The first words of the first message.
    pub title: String,
    /// Messages of the user that still belong to it.
    pub messages: usize,
    /// When something was last said.
    pub changed: SystemTime,
}

/// The conversations of a state folder in which something was said, the last one changed first.
pub fn summaries(state_dir: &Path) -> Result<Vec<Summary>, SessionError> {
    let mut out: Vec<Summary> = recent(state_dir)?
        .into_iter()
        .filter_map(|(head, path)| summary(head, path))
        .collect();
    out.sort_by(|a, b| {
        b.changed
            .cmp(&a.changed)
            .then_with(|| b.head.id.cmp(&a.head.id))
    });
    Ok(out)
}

fn summary(head: Head, path: PathBuf) -> Option<Summary> {
    // One that cannot be read any more is no choice.
    let bytes = std::fs::read(&path).ok()?;
    let changed = std::fs::metadata(&path).and_then(|found| found.modified());
    let (title, messages) = scan(&bytes)?;
    Some(Summary {
        head,
        path,
        title,
        messages,
        changed: changed.unwrap_or(SystemTime::UNIX_EPOCH),
    })
}

/// Title and number of messages; `None` where nothing was said. Lines that tell neither are not parsed.
fn scan(bytes: &[u8]) -> Option<(String, usize)> {
    // Each turn with its first words.
    let mut turns: Vec<(TurnId, Option<String>)> = Vec::new();
    for line in Lines::of(bytes).skip(1) {
        let tells = [
            &br#"{"record":"turn_started""#[..],
            br#"{"record":"rewound""#,
            br#"{"record":"cleared""#,
        ];
        let untitled = turns.last().is_some_and(|(_, words)| words.is_none());
        let asks = untitled && line.starts_with(br#"{"record":"item","entry":{"item":"user""#);
        if !asks && !tells.iter().any(|start| line.starts_with(start)) {
            continue;
        }
        for record in parse_line(line).0 {
            match record {
                Record::TurnStarted { turn, prompt } => {
                    turns.push((turn, prompt.as_deref().and_then(first_words)));
                }
                Record::Item(Entry {
                    entry: Item::User { text },
                }) => {
                    if let Some((_, words)) = turns.last_mut() {
                        *words = words.take().or_else(|| first_words(&text));
                    }
                }
                Record::Rewound { turn, .. } => turns.retain(|(of, _)| *of < turn),
                Record::Cleared => turns.clear(),
                Record::Item(_)
                | Record::Tokens { .. }
                | Record::Output { .. }
                | Record::TurnEnded { .. }
                | Record::CallEnded { .. }
                | Record::Reviewed { .. }
                | Record::Said { .. }
                | Record::Prompt { .. }
                | Record::Compacted { .. } => {}
            }
        }
    }
    let messages = turns.len();
    let title = turns.into_iter().find_map(|(_, words)| words)?;
    Some((title, messages))
}

fn first_words(text: &str) -> Option<String> {
    let line = text.lines().find(|line| !line.trim().is_empty())?;
    Some(line.trim().chars().take(TITLE).collect())
}
