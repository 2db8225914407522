//! What `agent.py` says to Descant: pure decoding, no I/O. File names travel as texts with one character a byte.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::sandbox::link::{FrameError, parse};

/// The agent cuts its lists and pieces well below this.
pub(super) const FRAME_LIMIT: usize = 8 << 20;

/// What lies in a folder of the view. Names are any bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewEntry {
    pub name: Vec<u8>,
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: u32,
    pub stamp: Stamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Folder,
    Link,
    /// The overlay's mark of a removed name.
    Whiteout,
    /// A device, pipe or socket.
    Other,
}

/// Tells whether a file is the one it was: only the kernel sets the change time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub len: u64,
    pub modified: u64,
    pub changed: u64,
    pub inode: u64,
}

/// A folder that was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub folder: Vec<u8>,
    /// Of the upper layer where the view has one and it was asked for, else all there are.
    pub entries: Vec<ViewEntry>,
    /// With an upper layer: all names of the folder as the view shows it.
    pub names: Option<Vec<Vec<u8>>>,
    pub problem: Option<String>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Ended {
    pub(super) run: u64,
    /// As Python says it: negative for a signal.
    pub(super) status: i64,
    pub(super) cwd: Option<String>,
    pub(super) env: Option<BTreeMap<String, String>>,
    pub(super) notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// It is up; `problem`: what the image lacks.
    Hello {
        problem: String,
    },
    Output(Vec<u8>),
    Ended(Ended),
    Listed(Listed),
    Piece(Vec<u8>),
    Answer(Result<Option<ViewEntry>, String>),
}

type RawEntry = (String, char, u32, u64, u64, u64, u64);

#[derive(Deserialize)]
struct RawListed {
    folder: String,
    entries: Vec<RawEntry>,
    names: Option<Vec<String>>,
    problem: Option<String>,
}

#[derive(Deserialize)]
struct Hello {
    problem: String,
}

#[derive(Deserialize)]
struct RawAnswer {
    entry: Option<RawEntry>,
    error: Option<String>,
}

/// A name as the agent writes it: one character a byte.
pub(super) fn text(name: &[u8]) -> String {
    name.iter().copied().map(char::from).collect()
}

pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(c).ok()).collect()
}

fn entry(raw: RawEntry) -> Option<ViewEntry> {
    let (name, kind, mode, len, modified, changed, inode) = raw;
    Some(ViewEntry {
        name: bytes(&name)?,
        kind: match kind {
            'f' => EntryKind::File,
            'd' => EntryKind::Folder,
            'l' => EntryKind::Link,
            'w' => EntryKind::Whiteout,
            'o' => EntryKind::Other,
            _ => return None,
        },
        mode,
        stamp: Stamp {
            len,
            modified,
            changed,
            inode,
        },
    })
}

fn listed(raw: RawListed) -> Option<Listed> {
    Some(Listed {
        folder: bytes(&raw.folder)?,
        entries: raw.entries.into_iter().map(entry).collect::<Option<_>>()?,
        names: match raw.names {
            Some(names) => Some(
                names
                    .iter()
                    .map(|name| bytes(name))
                    .collect::<Option<_>>()?,
            ),
            None => None,
        },
        problem: raw.problem,
    })
}

impl Frame {
    /// # Errors
    /// When the type or what the body says is none of the agent's.
    pub(super) fn decode(kind: u8, body: Vec<u8>) -> Result<Self, FrameError> {
        let malformed = || FrameError::Body(char::from(kind));
        Ok(match kind {
            b'O' => Frame::Output(body),
            b'G' => Frame::Piece(body),
            b'H' => {
                let Hello { problem } = parse(kind, &body)?;
                Frame::Hello { problem }
            }
            b'E' => Frame::Ended(parse(kind, &body)?),
            b'L' => Frame::Listed(listed(parse(kind, &body)?).ok_or_else(malformed)?),
            b'A' => {
                let raw: RawAnswer = parse(kind, &body)?;
                Frame::Answer(match (raw.error, raw.entry) {
                    (Some(error), _) => Err(error),
                    (None, Some(raw)) => Ok(Some(entry(raw).ok_or_else(malformed)?)),
                    (None, None) => Ok(None),
                })
            }
            _ => return Err(malformed()),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(frame: &[u8]) -> Result<Frame, FrameError> {
        let (kind, body) = frame.split_first().unwrap();
        Frame::decode(*kind, body.to_vec())
    }

    #[test]
    fn every_frame_of_the_agent_is_understood() {
        let is = |frame: &[u8], expected: Frame| assert_eq!(decode(frame).unwrap(), expected);
        is(
            br#"H{"problem": ""}"#,
            Frame::Hello {
                problem: String::new(),
            },
        );
        is(b"Otext \xff", Frame::Output(b"text \xff".to_vec()));
        is(b"G\0", Frame::Piece(vec![0]));
        is(
            br#"L{"folder": "a", "entries": [["\u00ff", "w", 0, 1, 2, 3, 4]], "names": ["b"], "problem": null}"#,
            Frame::Listed(Listed {
                folder: b"a".to_vec(),
                entries: vec![ViewEntry {
                    name: vec![0xff],
                    kind: EntryKind::Whiteout,
                    mode: 0,
                    stamp: Stamp {
                        len: 1,
                        modified: 2,
                        changed: 3,
                        inode: 4,
                    },
                }],
                names: Some(vec![b"b".to_vec()]),
                problem: None,
            }),
        );
        is(
            br#"A{"error": "Permission denied"}"#,
            Frame::Answer(Err("Permission denied".to_owned())),
        );
        is(br#"A{}"#, Frame::Answer(Ok(None)));
        is(
            br#"E{"run": 1, "status": -9, "cwd": null, "env": {"A": "b"}, "notes": ["n"]}"#,
            Frame::Ended(Ended {
                run: 1,
                status: -9,
                cwd: None,
                env: Some(BTreeMap::from([("A".to_owned(), "b".to_owned())])),
                notes: vec!["n".to_owned()],
            }),
        );
    }

    #[test]
    fn anything_else_is_an_error() {
        for bad in [
            &b"Z"[..],
            b"A",
            br#"L{"folder": "\u20ac", "entries": [], "names": null, "problem": null}"#,
            br#"A{"entry": ["a", "x", 0, 1, 2, 3, 4]}"#,
            br#"A{"entry": ["a", "f", -1, 1, 2, 3, 4]}"#,
        ] {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_body_is_a_frame_or_an_error(kind in any::<u8>(), body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Frame::decode(kind, body);
        }

        #[test]
        fn names_come_back_byte_for_byte(name in proptest::collection::vec(any::<u8>(), 0..50)) {
            prop_assert_eq!(bytes(&text(&name)).unwrap(), name);
        }
    }
}
