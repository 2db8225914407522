//! What Descant and `supervisor.py` say to each other: pure encoding and decoding, no I/O.

use serde::{Deserialize, Serialize};

use crate::sandbox::link::{FrameError, parse};

/// The supervisor sends at most 256 KiB of output in a frame.
pub(super) const FRAME_LIMIT: usize = 512 * 1024;

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
    /// What a file of the view holds, or the number of the error.
    Probed(Result<Vec<u8>, u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CellStatus {
    Ok,
    Error,
    Interrupted,
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
    /// Of `memory`, `process` and `CPU`, what has no limit.
    pub(super) unlimited: Vec<String>,
}

impl Hello {
    /// The limits that are not there, by their names in [`super::super::Report::missing`].
    pub(super) fn without(&self) -> impl Iterator<Item = &'static str> {
        self.unlimited
            .iter()
            .filter_map(|what| match what.as_str() {
                "memory" => Some("memory limit"),
                "process" => Some("process limit"),
                "CPU" => Some("CPU limit"),
                _ => None,
            })
    }

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

impl Frame {
    /// # Errors
    /// When the type or what the body says is none of the supervisor's.
    pub(super) fn decode(kind: u8, body: Vec<u8>) -> Result<Self, FrameError> {
        Ok(match kind {
            b'O' => Frame::Output(body),
            b'H' => Frame::Hello(Box::new(parse(kind, &body)?)),
            b'D' => {
                let Done { cell, status } = parse(kind, &body)?;
                Frame::Done { cell, status }
            }
            b'K' => {
                let KernelEnded {
                    cell,
                    status,
                    memory,
                    disk,
                } = parse(kind, &body)?;
                Frame::KernelEnded {
                    cell,
                    status,
                    memory,
                    disk,
                }
            }
            b'P' => Frame::Probed(match body.split_first() {
                Some((0, bytes)) => Ok(bytes.to_vec()),
                Some((errno, _)) => Err(*errno),
                None => return Err(FrameError::Body('P')),
            }),
            other => return Err(FrameError::Body(char::from(other))),
        })
    }
}

/// What Descant sends, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Command<'a> {
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
    /// Read a file below `/workspace`.
    Probe {
        path: &'a str,
        limit: u64,
    },
}

impl Command<'_> {
    pub(super) fn kind(&self) -> u8 {
        match self {
            Command::Run { .. } => b'R',
            Command::Interrupt { .. } => b'I',
            Command::Kill { .. } => b'K',
            Command::Probe { .. } => b'P',
        }
    }
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

    const HELLO: &[u8] = br#"{"python": "3.13.1", "filtered": true, "capabilities": 0, "no_new_privileges": true, "seccomp": true,
        "read_only": true, "interfaces": [], "unlimited": []}"#;

    fn hello() -> Hello {
        Hello {
            python: "3.13.1".into(),
            filtered: true,
            capabilities: 0,
            no_new_privileges: true,
            seccomp: true,
            read_only: true,
            interfaces: Vec::new(),
            unlimited: Vec::new(),
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

    fn decode(frame: &[u8]) -> Result<Frame, FrameError> {
        let (kind, body) = frame.split_first().unwrap();
        Frame::decode(*kind, body.to_vec())
    }

    #[test]
    fn every_frame_of_the_supervisor_is_understood() {
        let is = |frame: &[u8], expected: Frame| assert_eq!(decode(frame).unwrap(), expected);
        is(&[b"H", HELLO].concat(), Frame::Hello(Box::new(hello())));
        is(b"O", Frame::Output(Vec::new()));
        is(b"Otext \xff", Frame::Output(b"text \xff".to_vec()));
        let status = CellStatus::Interrupted;
        is(
            b"D{\"cell\": 7, \"status\": \"interrupted\"}",
            Frame::Done { cell: 7, status },
        );
        is(
            b"K{\"cell\": 0, \"status\": -9, \"memory\": true, \"disk\": false}",
            Frame::KernelEnded {
                cell: 0,
                status: -9,
                memory: true,
                disk: false,
            },
        );
        is(b"P\0bytes", Frame::Probed(Ok(b"bytes".to_vec())));
        is(b"P\x02", Frame::Probed(Err(2)));
    }

    #[test]
    fn anything_else_is_an_error() {
        for bad in [
            &b"Z"[..],
            b"D{\"cell\": 1}",
            b"D{\"cell\": 1, \"status\": \"died\"}",
            b"K\xff",
            b"H{}",
            b"P",
        ] {
            let kind = char::from(bad[0]);
            assert_eq!(decode(bad).unwrap_err(), FrameError::Body(kind), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_body_is_a_frame_or_an_error(kind in any::<u8>(), body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Frame::decode(kind, body);
        }

        #[test]
        fn commands_hold_their_code_exactly(code in any::<String>(), cell in any::<u64>()) {
            let command = Command::Run { cell, code: &code, disk: 7 };
            let value: serde_json::Value = serde_json::from_slice(&serde_json::to_vec(&command).unwrap()).unwrap();
            prop_assert_eq!(value, serde_json::json!({"cell": cell, "code": code, "disk": 7}));
            prop_assert_eq!(command.kind(), b'R');
        }
    }
}
