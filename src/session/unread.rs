//! A record as bytes: its end can be read before the rest.

use super::folder::io_error;
use super::read::{Loaded, parse_head};
use super::{Head, Lines, Record, SessionError, parse_line};
use crate::conversation::{PromptSpec, TurnId};
use memchr::memmem;
use std::path::{Path, PathBuf};

const TURN: &[u8] = b"\n{\"record\":\"turn_started\"";
const PROMPT: &[u8] = b"\n{\"record\":\"prompt\"";

/// What a file holds, not parsed yet.
#[derive(Debug, Clone)]
pub struct Unread {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Unread {
    pub fn read(path: &Path) -> Result<Unread, SessionError> {
        Ok(Unread {
            bytes: std::fs::read(path).map_err(|error| io_error("read", path, error))?,
            path: path.to_owned(),
        })
    }

    pub fn head(&self) -> Result<Head, SessionError> {
        let line = Lines::of(&self.bytes).next().unwrap_or_default();
        parse_head(&self.path, line)
    }

    /// Every record that is whole, and a warning for each line that is not. What was streamed in portions comes
    /// together: one record of ids where nothing stands between them.
    pub fn load(&self) -> Result<Loaded, SessionError> {
        let mut loaded = Loaded {
            head: self.head()?,
            records: Vec::new(),
            warnings: Vec::new(),
        };
        for (index, line) in Lines::of(&self.bytes).enumerate().skip(1) {
            if !take(line, &mut loaded.records) {
                loaded.warnings.push(format!(
                    "{}: line {} is damaged and was left out",
                    self.path.display(),
                    index + 1
                ));
            }
        }
        Ok(loaded)
    }

    /// The records of the last turns, at least `least` bytes of them, from the beginning of a turn on. What stands
    /// before has no part in how they are shown. `None`: there is no such place, so all has to be read.
    pub fn tail(&self, least: usize) -> Option<Vec<Record>> {
        let mut least = least.max(1);
        loop {
            let before = self.bytes.len().checked_sub(least)?;
            let at = memmem::rfind(self.bytes.get(..before)?, TURN)? + 1;
            let mut records = Vec::new();
            for line in Lines::of(self.bytes.get(at..)?) {
                take(line, &mut records);
            }
            let first = match records.first() {
                Some(Record::TurnStarted { turn, .. }) => *turn,
                _ => return None,
            };
            if stands_alone(&records, first) {
                return Some(records);
            }
            least = (self.bytes.len() - at) * 2;
        }
    }

    /// The fixed prompt as it was last.
    pub fn spec(&self) -> Option<PromptSpec> {
        // Mostly at the beginning: forwards is faster than back.
        let at = memmem::find_iter(&self.bytes, PROMPT).last()? + 1;
        let line = Lines::of(self.bytes.get(at..)?).next()?;
        match parse_line(line).0.into_iter().next_back()? {
            Record::Prompt { spec } => Some(*spec),
            _ => None,
        }
    }
}

/// Nothing in them takes a turn before `first`, or that one, away.
fn stands_alone(records: &[Record], first: TurnId) -> bool {
    records.iter().all(|record| match record {
        Record::Cleared => false,
        Record::Rewound { turn, .. } => *turn > first,
        Record::Item(_)
        | Record::Tokens { .. }
        | Record::Output { .. }
        | Record::TurnStarted { .. }
        | Record::TurnEnded { .. }
        | Record::CallEnded { .. }
        | Record::Reviewed { .. }
        | Record::Said { .. }
        | Record::Prompt { .. }
        | Record::Compacted { .. } => true,
    })
}

/// Adds what a line holds; `false` where something of it is damaged.
fn take(line: &[u8], out: &mut Vec<Record>) -> bool {
    if line.is_empty() {
        return true;
    }
    let (records, whole) = parse_line(line);
    for record in records {
        match (out.last_mut(), record) {
            (
                Some(Record::Tokens {
                    tokens,
                    last: last @ false,
                }),
                Record::Tokens {
                    tokens: more,
                    last: ends,
                },
            ) => {
                tokens.extend(more);
                *last = ends;
            }
            (_, record) => out.push(record),
        }
    }
    whole
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

    fn unread(lines: &[&str]) -> Unread {
        let head = r#"{"descant_session":2,"id":"20261120T185300Z-3fa2b1c4","created":1,"workspace":"/w","model":"m"}"#;
        let mut text = head.to_owned();
        for line in lines {
            text.push_str(&format!("\n{line}"));
        }
        Unread {
            path: "/a/record".into(),
            bytes: (text + "\n").into_bytes(),
        }
    }

    fn turn(number: u64) -> String {
        format!(r#"{{"record":"turn_started","turn":{number},"prompt":"p{number}"}}"#)
    }

    fn first(records: Option<Vec<Record>>) -> Option<u64> {
        match records?.first()? {
            Record::TurnStarted { turn, .. } => Some(turn.0),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_end_begins_with_a_turn_that_nothing_after_it_takes_away() {
        let (one, two, three) = (turn(1), turn(2), turn(3));
        let tokens = r#"{"record":"tokens","tokens":[1,2]}"#;
        let last = r#"{"record":"tokens","tokens":[3],"last":true}"#;
        let back_to = |number: u64| format!(r#"{{"record":"rewound","turn":{number}}}"#);
        let (back_2, back_3) = (back_to(2), back_to(3));
        for (lines, expected) in [
            (
                vec![&*one, tokens, last, &two, tokens, last, &three, tokens],
                Some(3),
            ),
            (
                vec![&*one, tokens, &two, tokens, &three, tokens, &back_3],
                Some(1),
            ),
            (
                vec![&*one, tokens, &two, tokens, &three, tokens, &back_2],
                Some(1),
            ),
            (
                vec![&*one, tokens, &two, r#"{"record":"cleared"}"#, tokens],
                None,
            ),
            (vec![tokens, last], None),
            (vec![], None),
        ] {
            assert_eq!(first(unread(&lines).tail(1)), expected, "{lines:?}");
        }
        let some = unread(&[&one, tokens, tokens, &two, tokens, &three, last]);
        assert_eq!(first(some.tail(40)), Some(3));
        assert_eq!(first(some.tail(120)), Some(2));
        assert_eq!(first(some.tail(4000)), None);
        // A torn last line is no record.
        let torn = unread(&[&one, tokens, &two, tokens, r#"{"record":"tok"#]);
        assert_eq!(torn.tail(1).unwrap().len(), 2);
        assert_eq!(torn.load().unwrap().warnings.len(), 1);
    }

    #[test]
    fn portions_of_a_stream_come_together() {
        let one = turn(1);
        let tokens = r#"{"record":"tokens","tokens":[1,2]}"#;
        let last = r#"{"record":"tokens","tokens":[3],"last":true}"#;
        let said = r#"{"record":"said","text":"x"}"#;
        let loaded = unread(&[&one, tokens, tokens, last, tokens, said, tokens])
            .load()
            .unwrap();
        let ids = |record: &Record| match record {
            Record::Tokens { tokens, last } => Some((tokens.clone(), *last)),
            _ => None,
        };
        let portions: Vec<_> = loaded.records.iter().filter_map(ids).collect();
        let expected = [
            (vec![1, 2, 1, 2, 3], true),
            (vec![1, 2], false),
            (vec![1, 2], false),
        ];
        assert_eq!(portions, expected);
    }
}
