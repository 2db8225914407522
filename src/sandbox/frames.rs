//! The frames between Descant and `supervisor.py`: pure encoding and decoding, no I/O.
//!
//! What arrives has passed through a pipe that model-written code could scribble on, so a frame counts only with
//! this session's nonce, and anything malformed ends the session.

use serde::Deserialize;

pub(super) const NONCE: usize = 16;

/// The supervisor sends at most 32 KiB of output in a frame.
const FRAME_LIMIT: usize = 64 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// The supervisor is up.
    Hello(Box<Hello>),
    Output(Vec<u8>),
    Done {
        cell: u64,
        status: CellStatus,
    },
    /// The kernel ended and a new one took its place; `cell` is the one that ran, 0 if none did.
    KernelEnded {
        cell: u64,
        status: i64,
        memory: bool,
        /// It was killed because the view was full.
        disk: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CellStatus {
    Ok,
    Error,
    Interrupted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("a frame of {0} bytes")]
    Length(usize),
    #[error("a frame that its supervisor did not send")]
    Nonce,
    #[error("a frame of the unknown type {0}")]
    Type(u8),
    #[error("a malformed frame of type {0}")]
    Body(char),
}

/// What the supervisor says of itself as the kernel sees it: how far the engine did what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Hello {
    pub(super) python: String,
    /// Descant's own filter of system calls is in force.
    pub(super) filtered: bool,
    /// The bounding and the effective set, as bits.
    pub(super) capabilities: u64,
    pub(super) no_new_privileges: bool,
    pub(super) seccomp: bool,
    /// The root file system is.
    pub(super) read_only: bool,
    /// Those that are up, without its own loop.
    pub(super) interfaces: Vec<String>,
}

impl Hello {
    /// What was asked for and is not so.
    pub(super) fn unconfined(&self, network: bool) -> Option<String> {
        if self.capabilities != 0 {
            return Some(format!("it left the capabilities {:#x}", self.capabilities));
        }
        if !self.no_new_privileges {
            return Some("it allows new privileges".to_owned());
        }
        if !self.read_only {
            return Some("its root file system can be written".to_owned());
        }
        if !network && !self.interfaces.is_empty() {
            return Some(format!("it has a network ({})", self.interfaces.join(", ")));
        }
        None
    }
}

#[derive(Deserialize)]
struct Done {
    cell: u64,
    status: CellStatus,
}

#[derive(Deserialize)]
struct KernelEnded {
    cell: u64,
    status: i64,
    memory: bool,
    disk: bool,
}

/// Collects bytes as they come and gives out whole frames.
pub(super) struct FrameReader {
    nonce: [u8; NONCE],
    buffer: Vec<u8>,
}

impl FrameReader {
    pub(super) fn new(nonce: [u8; NONCE]) -> Self {
        Self {
            nonce,
            buffer: Vec::new(),
        }
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if there is one. After an error the stream cannot be trusted any more.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some((length, rest)) = self.buffer.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if !(NONCE + 1..=FRAME_LIMIT).contains(&length) {
            return Err(FrameError::Length(length));
        }
        let Some(frame) = rest.get(..length) else {
            return Ok(None);
        };
        let Some(frame) = frame.strip_prefix(&self.nonce) else {
            return Err(FrameError::Nonce);
        };
        let frame = match frame {
            [b'O', body @ ..] => Frame::Output(body.to_vec()),
            [b'H', body @ ..] => Frame::Hello(Box::new(parse('H', body)?)),
            [b'D', body @ ..] => {
                let Done { cell, status } = parse('D', body)?;
                Frame::Done { cell, status }
            }
            [b'K', body @ ..] => {
                let KernelEnded {
                    cell,
                    status,
                    memory,
                    disk,
                } = parse('K', body)?;
                Frame::KernelEnded {
                    cell,
                    status,
                    memory,
                    disk,
                }
            }
            [other, ..] => return Err(FrameError::Type(*other)),
            [] => return Err(FrameError::Length(length)),
        };
        self.buffer.drain(..4 + length);
        Ok(Some(frame))
    }
}

fn parse<'a, T: Deserialize<'a>>(kind: char, body: &'a [u8]) -> Result<T, FrameError> {
    serde_json::from_slice(body).map_err(|_malformed| FrameError::Body(kind))
}

/// What Descant sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// The first one: the nonce of this session and the kernel's source.
    Hello {
        nonce: [u8; NONCE],
        kernel: &'a str,
    },
    Run {
        cell: u64,
        code: &'a str,
        /// Bytes that may be written below `/workspace`; 0 where nothing can be.
        disk: u64,
    },
    Interrupt {
        cell: u64,
    },
    /// Kill the kernel and all that it started.
    Kill {
        cell: u64,
    },
}

impl Command<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let (kind, body) = match self {
            Command::Hello { nonce, kernel } => (b'N', [nonce, kernel.as_bytes()].concat()),
            Command::Run { cell, code, disk } => (
                b'R',
                json(&[
                    ("cell", (*cell).into()),
                    ("code", (*code).into()),
                    ("disk", (*disk).into()),
                ]),
            ),
            Command::Interrupt { cell } => (b'I', json(&[("cell", (*cell).into())])),
            Command::Kill { cell } => (b'K', json(&[("cell", (*cell).into())])),
        };
        let length = u32::try_from(body.len() + 1).unwrap_or(u32::MAX);
        let mut frame = length.to_be_bytes().to_vec();
        frame.push(kind);
        frame.extend_from_slice(&body);
        frame
    }
}

fn json(fields: &[(&str, serde_json::Value)]) -> Vec<u8> {
    let object: serde_json::Map<String, serde_json::Value> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    serde_json::Value::Object(object).to_string().into_bytes()
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
    use proptest::prelude::*;

    const OURS: [u8; NONCE] = *b"0123456789abcdef";

    const HELLO: &[u8] = br#"H{"python": "3.13.1", "filtered": true, "capabilities": 0, "no_new_privileges": true, "seccomp": true,
        "read_only": true, "interfaces": []}"#;

    fn hello() -> Hello {
        Hello {
            python: "3.13.1".into(),
            filtered: true,
            capabilities: 0,
            no_new_privileges: true,
            seccomp: true,
            read_only: true,
            interfaces: Vec::new(),
        }
    }

    #[test]
    fn an_engine_that_did_not_do_as_it_was_asked_is_found_out() {
        assert_eq!(hello().unconfined(false), None);
        let with = |change: fn(&mut Hello), network: bool| {
            let mut hello = hello();
            change(&mut hello);
            hello.unconfined(network).unwrap_or_default()
        };
        assert!(with(|h| h.capabilities = 1 << 21, false).contains("0x200000"));
        assert!(with(|h| h.no_new_privileges = false, false).contains("privileges"));
        assert!(with(|h| h.read_only = false, false).contains("written"));
        assert!(with(|h| h.interfaces = vec!["eth0".into()], false).contains("eth0"));
        assert_eq!(with(|h| h.interfaces = vec!["eth0".into()], true), "");
    }

    fn frame(nonce: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(nonce.len() + body.len()).unwrap();
        [&length.to_be_bytes(), nonce, body].concat()
    }

    fn read(bytes: &[u8], size: usize) -> Result<Vec<Frame>, FrameError> {
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
            frame(&OURS, HELLO),
            frame(&OURS, b"O"),
            frame(&OURS, b"Otext \xff"),
            frame(&OURS, b"D{\"cell\": 7, \"status\": \"interrupted\"}"),
            frame(
                &OURS,
                b"K{\"cell\": 0, \"status\": -9, \"memory\": true, \"disk\": false}",
            ),
        ]
        .concat();
        for size in 1..stream.len() {
            assert_eq!(
                read(&stream, size).unwrap(),
                [
                    Frame::Hello(Box::new(hello())),
                    Frame::Output(Vec::new()),
                    Frame::Output(b"text \xff".to_vec()),
                    Frame::Done {
                        cell: 7,
                        status: CellStatus::Interrupted
                    },
                    Frame::KernelEnded {
                        cell: 0,
                        status: -9,
                        memory: true,
                        disk: false
                    },
                ]
            );
        }
    }

    #[test]
    fn anything_else_is_an_error() {
        let bad = |bytes: &[u8]| read(bytes, 1).unwrap_err();
        assert_eq!(bad(b"hi there"), FrameError::Length(0x6869_2074));
        assert_eq!(bad(&frame(&OURS, b"")), FrameError::Length(16));
        assert_eq!(bad(&frame(b"0123456789abcdeX", b"D{}")), FrameError::Nonce);
        assert_eq!(bad(&frame(&OURS, b"Z")), FrameError::Type(b'Z'));
        assert_eq!(bad(&frame(&OURS, b"D{\"cell\": 1}")), FrameError::Body('D'));
        assert_eq!(
            bad(&frame(&OURS, b"D{\"cell\": 1, \"status\": \"died\"}")),
            FrameError::Body('D')
        );
        assert_eq!(bad(&frame(&OURS, b"K\xff")), FrameError::Body('K'));
        assert_eq!(
            bad(&frame(&OURS, &vec![b'O'; 70_000])),
            FrameError::Length(70_016)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_frames_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..200), cut in 1usize..50) {
            let _ = read(&body, cut);
            let _ = read(&frame(&OURS, &body), cut);
        }

        #[test]
        fn commands_hold_their_code_exactly(code in any::<String>(), cell in any::<u64>()) {
            let bytes = Command::Run { cell, code: &code, disk: 7 }.encode();
            let (length, rest) = bytes.split_first_chunk::<4>().unwrap();
            prop_assert_eq!(u32::from_be_bytes(*length) as usize, rest.len());
            prop_assert_eq!(rest[0], b'R');
            let value: serde_json::Value = serde_json::from_slice(&rest[1..]).unwrap();
            prop_assert_eq!(value, serde_json::json!({"cell": cell, "code": code, "disk": 7}));
        }
    }
}
