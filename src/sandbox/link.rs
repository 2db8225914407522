//! A framed conversation with a process in the container: the kernel's supervisor, or the shell's agent.
//!
//! Frames to Descant:   u32 length, 16 bytes nonce, 1 byte type, body     (length counts all after itself)
//! Frames from Descant: u32 length, 1 byte type, body
//!
//! What arrives has passed through a pipe that model-written code could scribble on, so a frame counts only with this
//! link's nonce, and anything malformed ends the conversation. `wire.py` is the other side.

mod frame;

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

pub(super) use frame::{FrameError, NONCE};

/// Both sides' Python: what both processes in the container begin with.
#[rustfmt::skip]
macro_rules! container_program {
    ($own:literal) => {
        concat!(include_str!("seccomp.py"), include_str!("link/wire.py"), include_str!($own))
    };
}
pub(super) use container_program;

/// How long the other side may take to read one frame; the disk of a busy machine has its moments.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// What is kept of its standard error: only ever a Python that cannot run it.
const SAID: usize = 2048;

pub(super) type Input = Pin<Box<dyn AsyncWrite + Send>>;
pub(super) type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;

/// Why there is nobody to speak to any more. A sentence about its process, that begins with `it`.
#[derive(Debug)]
pub(super) enum Gone {
    /// The process ended.
    Ended {
        said: String,
    },
    Connection(Error),
    Write(std::io::Error),
    /// It sent something that is not a frame of its own, or none that belongs here.
    Protocol(String),
    Silent(&'static str),
}

impl Gone {
    /// Whether it simply ended, as it does when its memory runs out.
    pub(super) fn is_end(&self) -> bool {
        matches!(self, Gone::Ended { said } if said.is_empty())
    }
}

impl From<FrameError> for Gone {
    fn from(error: FrameError) -> Self {
        Gone::Protocol(error.to_string())
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gone::Ended { said } if said.is_empty() => f.write_str("it ended"),
            Gone::Ended { said } => write!(f, "it ended: {}", said.trim_end()),
            Gone::Connection(error) => write!(f, "the connection to it broke: {error}"),
            Gone::Write(error) => write!(f, "it takes no more input: {error}"),
            Gone::Protocol(what) => write!(f, "it sent {what}"),
            Gone::Silent(what) => write!(f, "it {what}"),
        }
    }
}

/// One end of the conversation.
pub(super) struct Link {
    input: Input,
    output: Output,
    frames: frame::FrameReader,
    /// What came on its standard error.
    said: Vec<u8>,
}

impl Link {
    /// Takes over a fresh attachment and says `greeting`, a nonce before it; the first frame that comes is the answer.
    /// `frames`: no frame from the other side is longer, in bytes.
    pub(super) async fn open(
        (input, output): (Input, Output),
        frames: usize,
        greeting: &[u8],
        limit: Duration,
    ) -> Result<(Self, (u8, Vec<u8>)), Gone> {
        let nonce: [u8; NONCE] = rand::random();
        let mut link = Self {
            input,
            output,
            frames: frame::FrameReader::new(nonce, frames),
            said: Vec::new(),
        };
        let greet = async {
            // A process that ended at once also refuses input: what it said is then the better reason.
            let sent = link.send(b'N', &[&nonce, greeting].concat()).await;
            match (link.next().await, sent) {
                (Ok(frame), Ok(())) => Ok(frame),
                (Err(Gone::Ended { said }), Err(write)) if said.is_empty() => Err(write),
                (Err(gone), _) | (Ok(_), Err(gone)) => Err(gone),
            }
        };
        let first = timeout(limit, greet)
            .await
            .unwrap_or(Err(Gone::Silent("did not come up in time")))?;
        Ok((link, first))
    }

    pub(super) async fn send(&mut self, kind: u8, body: &[u8]) -> Result<(), Gone> {
        let frame = frame::encode(kind, body);
        let write = async {
            self.input.write_all(&frame).await?;
            self.input.flush().await
        };
        match timeout(WRITE_TIMEOUT, write).await {
            Ok(done) => done.map_err(Gone::Write),
            Err(_elapsed) => Err(Gone::Silent("takes no more input")),
        }
    }

    pub(super) async fn send_json(&mut self, kind: u8, body: &impl Serialize) -> Result<(), Gone> {
        // Texts and numbers always serialise; an empty body would only be refused.
        self.send(kind, &serde_json::to_vec(body).unwrap_or_default())
            .await
    }

    /// The next frame: its type and its body. Safe to abandon at any point: what arrived is kept.
    pub(super) async fn next(&mut self) -> Result<(u8, Vec<u8>), Gone> {
        loop {
            if let Some(frame) = self.frames.next()? {
                return Ok(frame);
            }
            match self.output.next().await {
                Some(Ok(LogOutput::StdOut { message })) => self.frames.extend(&message),
                Some(Ok(LogOutput::StdErr { message })) => {
                    let room = SAID.saturating_sub(self.said.len());
                    self.said.extend(message.iter().take(room));
                }
                Some(Ok(LogOutput::Console { .. } | LogOutput::StdIn { .. })) => {
                    return Err(Gone::Protocol("bytes outside any stream".to_owned()));
                }
                Some(Err(error)) => return Err(Gone::Connection(error)),
                None => {
                    return Err(Gone::Ended {
                        said: String::from_utf8_lossy(&self.said).into_owned(),
                    });
                }
            }
        }
    }
}

/// The body of a frame of type `kind`.
pub(super) fn parse<T: DeserializeOwned>(kind: u8, body: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(body).map_err(|_malformed| FrameError::Body(char::from(kind)))
}
