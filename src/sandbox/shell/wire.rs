//! The frames between Descant and `agent.py`: pure encoding and decoding, no I/O.
//!
//! As with the kernel's frames, one counts only with this exec's nonce, and anything malformed ends the
//! connection: what is read here may have been scribbled on by code of the same user.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(super) const NONCE: usize = 16;
/// The agent cuts its lists and pieces well below this.
const FRAME_LIMIT: usize = 8 << 20;

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
    Hello { problem: String, writable: bool },
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
    writable: bool,
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

/// Collects bytes as they come and gives out whole frames.
pub(super) struct FrameReader {
    nonce: [u8; NONCE],
    buffer: Vec<u8>,
    /// What of the buffer has been given out.
    taken: usize,
}

impl FrameReader {
    pub(super) fn new(nonce: [u8; NONCE]) -> Self {
        Self {
            nonce,
            buffer: Vec::new(),
            taken: 0,
        }
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if there is one; an error says what came instead.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, String> {
        let pending = self.buffer.get(self.taken..).unwrap_or_default();
        let Some((length, rest)) = pending.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if !(NONCE + 1..=FRAME_LIMIT).contains(&length) {
            return Err(format!("a frame of {length} bytes"));
        }
        let Some(frame) = rest.get(..length) else {
            return Ok(None);
        };
        let Some(frame) = frame.strip_prefix(&self.nonce) else {
            return Err("a frame that the shell's process did not send".to_owned());
        };
        let (kind, body) = frame.split_first().unwrap_or((&0, &[]));
        let read = match kind {
            b'O' => Some(Frame::Output(body.to_vec())),
            b'G' => Some(Frame::Piece(body.to_vec())),
            b'H' => {
                parse(body).map(|Hello { problem, writable }| Frame::Hello { problem, writable })
            }
            b'E' => parse(body).map(Frame::Ended),
            b'L' => parse(body).and_then(listed).map(Frame::Listed),
            b'A' => parse(body).and_then(|raw: RawAnswer| {
                Some(Frame::Answer(match (raw.error, raw.entry) {
                    (Some(error), _) => Err(error),
                    (None, Some(raw)) => Ok(Some(entry(raw)?)),
                    (None, None) => Ok(None),
                }))
            }),
            _ => None,
        };
        let kind = char::from(*kind);
        self.taken += 4 + length;
        read.map(Some)
            .ok_or_else(|| format!("a malformed frame of type {kind:?}"))
    }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

/// A frame to the agent.
pub(super) fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 1).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(body.len() + 5);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.push(kind);
    frame.extend_from_slice(body);
    frame
}

pub(super) fn request(kind: u8, body: &impl Serialize) -> Vec<u8> {
    // Texts and numbers always serialise; an empty body would only be refused.
    frame(kind, &serde_json::to_vec(body).unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OURS: [u8; NONCE] = *b"0123456789abcdef";

    fn sent(nonce: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(nonce.len() + body.len()).unwrap();
        [&length.to_be_bytes(), nonce, body].concat()
    }

    fn read(bytes: &[u8], size: usize) -> Result<Vec<Frame>, String> {
        let mut reader = FrameReader::new(OURS);
        let mut frames = Vec::new();
        for piece in bytes.chunks(size) {
            reader.extend(piece);
            while let Some(frame) = reader.next()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    #[test]
    fn frames_are_read_however_they_are_cut() {
        let stream = [
            sent(&OURS, br#"H{"problem": "", "writable": true}"#),
            sent(&OURS, b"Otext \xff"),
            sent(&OURS, br#"L{"folder": "a", "entries": [["\u00ff", "w", 0, 1, 2, 3, 4]], "names": ["b"], "problem": null}"#),
            sent(&OURS, br#"A{"error": "Permission denied"}"#),
            sent(&OURS, br#"A{}"#),
            sent(&OURS, br#"E{"run": 1, "status": -9, "cwd": null, "env": {"A": "b"}, "notes": ["n"]}"#),
        ]
        .concat();
        let expected = [
            Frame::Hello {
                problem: String::new(),
                writable: true,
            },
            Frame::Output(b"text \xff".to_vec()),
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
            Frame::Answer(Err("Permission denied".to_owned())),
            Frame::Answer(Ok(None)),
            Frame::Ended(Ended {
                run: 1,
                status: -9,
                cwd: None,
                env: Some(BTreeMap::from([("A".to_owned(), "b".to_owned())])),
                notes: vec!["n".to_owned()],
            }),
        ];
        for size in 1..stream.len() {
            assert_eq!(read(&stream, size).unwrap(), expected);
        }
    }

    #[test]
    fn anything_else_is_an_error() {
        for bad in [
            b"hi there".to_vec(),
            sent(&OURS, b""),
            sent(b"0123456789abcdeX", b"A{}"),
            sent(&OURS, b"Z"),
            sent(&OURS, b"A"),
            sent(
                &OURS,
                br#"L{"folder": "\u20ac", "entries": [], "names": null, "problem": null}"#,
            ),
            sent(&OURS, br#"A{"entry": ["a", "x", 0, 1, 2, 3, 4]}"#),
            sent(&OURS, br#"A{"entry": ["a", "f", -1, 1, 2, 3, 4]}"#),
        ] {
            assert!(read(&bad, 3).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_frames_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..200), cut in 1usize..50) {
            let _ = read(&body, cut);
            let _ = read(&sent(&OURS, &body), cut);
        }

        #[test]
        fn names_come_back_byte_for_byte(name in proptest::collection::vec(any::<u8>(), 0..50)) {
            prop_assert_eq!(bytes(&text(&name)).unwrap(), name);
        }
    }
}
