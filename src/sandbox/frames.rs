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
    Hello {
        python: String,
    },
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

#[derive(Deserialize)]
struct Hello {
    python: String,
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
            [b'H', body @ ..] => {
                let Hello { python } = parse('H', body)?;
                Frame::Hello { python }
            }
            [b'D', body @ ..] => {
                let Done { cell, status } = parse('D', body)?;
                Frame::Done { cell, status }
            }
            [b'K', body @ ..] => {
                let KernelEnded {
                    cell,
                    status,
                    memory,
                } = parse('K', body)?;
                Frame::KernelEnded {
                    cell,
                    status,
                    memory,
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
            Command::Run { cell, code } => (b'R', json(&[("cell", (*cell).into()), ("code", (*code).into())])),
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
