//! Server-sent events, from bytes as they come: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.
//!
//! Pure. Whatever the bytes are cut into, the same events come out. Only the data of an event is kept; its name
//! stands in the data too in every protocol here. An event is bounded: a line without end is an error, not memory.

/// Bytes of one event. The longest that a server sends is llama.cpp's last, which may repeat the settings.
const LIMIT: usize = 4 << 20;

/// The event is longer than [`LIMIT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

#[derive(Debug, Default)]
pub(super) struct Events {
    /// The line in progress, its end not yet seen.
    line: Vec<u8>,
    /// The data of the event in progress; `None` before its first data line.
    data: Option<Vec<u8>>,
    /// A carriage return ended the last line: a newline that follows belongs to it.
    after_return: bool,
    began: bool,
}

impl Events {
    /// Takes bytes; appends the data of every event that they complete.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<Vec<u8>>) -> Result<(), TooLong> {
        for &byte in bytes {
            let return_before = std::mem::take(&mut self.after_return);
            match byte {
                b'\n' if return_before => {}
                b'\n' | b'\r' => {
                    self.after_return = byte == b'\r';
                    self.end_line(out);
                }
                other => {
                    self.line.push(other);
                    if self.line.len() + self.data.as_ref().map_or(0, Vec::len) > LIMIT {
                        return Err(TooLong);
                    }
                }
            }
        }
        Ok(())
    }

    /// The stream is over: what a server sent without the empty line behind it.
    pub(super) fn finish(&mut self, out: &mut Vec<Vec<u8>>) {
        out.extend(self.data.take());
    }

    fn end_line(&mut self, out: &mut Vec<Vec<u8>>) {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !std::mem::replace(&mut self.began, true) {
            line = line.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            return out.extend(self.data.take());
        }
        let (field, value) = match line.iter().position(|&byte| byte == b':') {
            Some(at) => {
                let (field, value) = line.split_at(at);
                let value = value.get(1..).unwrap_or_default();
                (field, value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &[][..]),
        };
        // `error:` is no field of the standard; llama.cpp has used it as one.
        if field == b"data" || field == b"error" {
            match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events(chunks: &[&[u8]]) -> Vec<String> {
        let mut events = Events::default();
        let mut out = Vec::new();
        for chunk in chunks {
            events.push(chunk, &mut out).unwrap();
        }
        events.finish(&mut out);
        out.into_iter()
            .map(|data| String::from_utf8(data).unwrap())
            .collect()
    }

    const STREAM: &str = "\u{FEFF}: a comment\n\nevent: x\ndata: {\"a\":\"\u{1F99C}\"}\n\ndata:two\r\ndata\r\ndata:  lines\r\n\r\n\
        id: 4\rdata: cr\r\rretry: 3\n\nerror: {\"code\":500}\n\ndata: [DONE]\n";

    #[test]
    fn a_stream_is_read_as_the_standard_says() {
        let expected = [
            "{\"a\":\"\u{1F99C}\"}",
            "two\n\n lines",
            "cr",
            "{\"code\":500}",
            "[DONE]",
        ];
        assert_eq!(events(&[STREAM.as_bytes()]), expected);
        // Every way to cut it in two, in the middle of a character and of a line end too.
        for at in 0..=STREAM.len() {
            let (a, b) = STREAM.as_bytes().split_at(at);
            assert_eq!(events(&[a, b]), expected, "cut at {at}");
        }
        let single: Vec<&[u8]> = STREAM.as_bytes().chunks(1).collect();
        assert_eq!(events(&single), expected);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut events = Events::default();
        let mut out = Vec::new();
        let chunk = vec![b'x'; 64 << 10];
        let taken = (0..)
            .take_while(|_| events.push(&chunk, &mut out) == Ok(()))
            .count();
        assert_eq!(taken, LIMIT / chunk.len());
        let mut events = Events::default();
        let line = [b"data: ".as_slice(), &chunk, b"\n"].concat();
        let taken = (0..)
            .take_while(|_| events.push(&line, &mut out) == Ok(()))
            .count();
        assert!(taken <= LIMIT / chunk.len() && out.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_chunks_give_the_same_events(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b':'), Just(b'd'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(0..200usize, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let (mut whole, mut parts) = (Vec::new(), Vec::new());
            let mut events = Events::default();
            events.push(&bytes, &mut whole).unwrap();
            events.finish(&mut whole);
            let mut events = Events::default();
            let mut from = 0;
            for cut in cuts.into_iter().chain([bytes.len()]) {
                events.push(&bytes[from..cut], &mut parts).unwrap();
                from = cut;
            }
            events.finish(&mut parts);
            prop_assert_eq!(whole, parts);
        }
    }
}
