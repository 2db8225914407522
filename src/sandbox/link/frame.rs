//! The framing itself: pure encoding and decoding, no I/O.

pub(in crate::sandbox) const NONCE: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::sandbox) enum FrameError {
    #[error("a frame of {0} bytes")]
    Length(usize),
    #[error("a frame that its own process did not send")]
    Nonce,
    #[error("a malformed frame of type {0:?}")]
    Body(char),
}

/// Collects bytes as they come and gives out whole frames.
pub(in crate::sandbox) struct FrameReader {
    nonce: [u8; NONCE],
    /// A longer frame is an error: it would have to be kept in memory.
    limit: usize,
    buffer: Vec<u8>,
    /// What of the buffer has been given out.
    taken: usize,
}

impl FrameReader {
    pub(super) fn new(nonce: [u8; NONCE], limit: usize) -> Self {
        Self {
            nonce,
            limit,
            buffer: Vec::new(),
            taken: 0,
        }
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, its type and its body, if there is one. After an error the stream cannot be trusted any
    /// more.
    pub(super) fn next(&mut self) -> Result<Option<(u8, Vec<u8>)>, FrameError> {
        let pending = self.buffer.get(self.taken..).unwrap_or_default();
        let Some((length, rest)) = pending.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if !(NONCE + 1..=self.limit).contains(&length) {
            return Err(FrameError::Length(length));
        }
        let Some(frame) = rest.get(..length) else {
            return Ok(None);
        };
        let Some(frame) = frame.strip_prefix(&self.nonce) else {
            return Err(FrameError::Nonce);
        };
        let Some((kind, body)) = frame.split_first() else {
            return Err(FrameError::Length(length));
        };
        let whole = (*kind, body.to_vec());
        self.taken += 4 + length;
        Ok(Some(whole))
    }
}

/// A frame to the container.
pub(super) fn encode(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 1).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(body.len() + 5);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.push(kind);
    frame.extend_from_slice(body);
    frame
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OURS: [u8; NONCE] = *b"0123456789abcdef";
    const LIMIT: usize = 64 * 1024;

    fn sent(nonce: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(nonce.len() + body.len()).unwrap();
        [&length.to_be_bytes(), nonce, body].concat()
    }

    fn read(bytes: &[u8], size: usize) -> Result<Vec<(u8, Vec<u8>)>, FrameError> {
        let mut reader = FrameReader::new(OURS, LIMIT);
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
            sent(&OURS, b"O"),
            sent(&OURS, b"Otext \xff"),
            sent(&OURS, b"D{}"),
        ]
        .concat();
        for size in 1..stream.len() {
            let expected = [
                (b'O', Vec::new()),
                (b'O', b"text \xff".to_vec()),
                (b'D', b"{}".to_vec()),
            ];
            assert_eq!(read(&stream, size).unwrap(), expected);
        }
    }

    #[test]
    fn anything_else_is_an_error() {
        let bad = |bytes: &[u8]| read(bytes, 1).unwrap_err();
        assert_eq!(bad(b"hi there"), FrameError::Length(0x6869_2074));
        assert_eq!(bad(&sent(&OURS, b"")), FrameError::Length(16));
        assert_eq!(bad(&sent(b"0123456789abcdeX", b"D{}")), FrameError::Nonce);
        let long = vec![b'O'; LIMIT];
        assert_eq!(bad(&sent(&OURS, &long)), FrameError::Length(LIMIT + 16));
    }

    #[test]
    fn a_frame_to_the_container_says_its_length() {
        assert_eq!(encode(b'R', b"abc"), b"\0\0\0\x04Rabc");
        assert_eq!(encode(b'D', b""), b"\0\0\0\x01D");
    }

    proptest! {
        #[test]
        fn any_bytes_are_frames_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..200), cut in 1usize..50) {
            let _ = read(&body, cut);
            let _ = read(&sent(&OURS, &body), cut);
        }
    }
}
