//! What is kept of a cell's output: its head and its tail, in bounded memory, however much comes.
//!
//! The callback is given exactly what the result holds: the head as it comes, then, at the end, a line that says how
//! much was left out, and the tail. So a reader of the stream and a reader of the result see the same text.

use std::collections::VecDeque;

/// A limit smaller than this could not hold the line about what was left out.
const LEAST: usize = 256;
const LINE: usize = 64;

/// Receives bytes, gives out text.
pub(super) struct Capped<'a> {
    sink: &'a mut (dyn FnMut(&str) + Send),
    text: String,
    head_limit: usize,
    tail_limit: usize,
    /// Once something did not fit the head, all that follows goes here and its beginning is dropped.
    tail: VecDeque<u8>,
    left_out: u64,
    /// The beginning of a character whose end has not come yet.
    partial: Vec<u8>,
    at_line_start: bool,
}

impl<'a> Capped<'a> {
    pub(super) fn new(limit: usize, sink: &'a mut (dyn FnMut(&str) + Send)) -> Self {
        let room = limit.max(LEAST) - LINE;
        Self {
            sink,
            text: String::new(),
            head_limit: room / 2,
            tail_limit: room - room / 2,
            tail: VecDeque::new(),
            left_out: 0,
            partial: Vec::new(),
            at_line_start: true,
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let mut pending = std::mem::take(&mut self.partial);
        pending.extend_from_slice(bytes);
        let mut rest = pending.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => return self.str(text),
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    self.str(&String::from_utf8_lossy(valid));
                    match error.error_len() {
                        Some(length) => {
                            self.str("\u{fffd}");
                            rest = after.get(length..).unwrap_or_default();
                        }
                        None => {
                            self.partial = after.to_vec();
                            return;
                        }
                    }
                }
            }
        }
    }

    /// A line of the sandbox itself, in square brackets; it does not count against the limit.
    pub(super) fn note(&mut self, note: &str) {
        self.flush();
        let start = if self.at_line_start { "" } else { "\n" };
        self.emit(&format!("{start}[{note}]\n"));
    }

    pub(super) fn finish(mut self) -> String {
        self.flush();
        self.text
    }

    fn str(&mut self, text: &str) {
        let mut rest = text;
        if self.tail.is_empty() && self.left_out == 0 {
            let room = self.head_limit.saturating_sub(self.text.len());
            let (now, later) = text.split_at(text.floor_char_boundary(room));
            self.emit(now);
            rest = later;
        }
        // Only the last `tail_limit` bytes can stay: what is sure to go is not even copied.
        let skipped = rest.len().saturating_sub(self.tail_limit);
        let excess = (self.tail.len() + rest.len() - skipped).saturating_sub(self.tail_limit);
        self.tail.drain(..excess);
        self.left_out += (skipped + excess) as u64;
        self.tail.extend(rest.as_bytes().iter().skip(skipped));
    }

    /// Gives out the tail. Text may follow: a note, or what a later kernel says.
    fn flush(&mut self) {
        if !std::mem::take(&mut self.partial).is_empty() {
            self.str("\u{fffd}");
        }
        let mut tail: Vec<u8> = std::mem::take(&mut self.tail).into();
        if self.left_out > 0 {
            // The cut may have gone through a character.
            let broken = tail
                .iter()
                .take_while(|byte| (**byte & 0xc0) == 0x80)
                .count();
            tail.drain(..broken);
            let left_out = std::mem::take(&mut self.left_out) + broken as u64;
            let start = if self.at_line_start { "" } else { "\n" };
            self.emit(&format!("{start}[... {left_out} bytes left out ...]\n"));
        }
        self.emit(&String::from_utf8_lossy(&tail));
    }

    fn emit(&mut self, text: &str) {
        if let Some(last) = text.as_bytes().last() {
            self.at_line_start = *last == b'\n';
            self.text.push_str(text);
            (self.sink)(text);
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

    fn capped(limit: usize, pieces: &[&[u8]]) -> (String, String) {
        let mut seen = String::new();
        let mut sink = |text: &str| seen.push_str(text);
        let mut output = Capped::new(limit, &mut sink);
        for piece in pieces {
            output.bytes(piece);
        }
        let text = output.finish();
        (text, seen)
    }

    #[test]
    fn what_fits_is_kept_whole() {
        let (text, seen) = capped(1000, &[b"one\n", "zwei \u{e4}".as_bytes(), b"!\n"]);
        assert_eq!(text, "one\nzwei \u{e4}!\n");
        assert_eq!(seen, text);
    }

    #[test]
    fn a_text_just_over_the_head_goes_on_in_the_tail_without_a_gap() {
        let whole = "0123456789".repeat(90);
        for size in [1, 7, 64, 900] {
            let pieces: Vec<&[u8]> = whole.as_bytes().chunks(size).collect();
            assert_eq!(capped(1000, &pieces).0, whole, "in pieces of {size}");
        }
    }

    #[test]
    fn the_middle_goes_and_its_size_is_told() {
        let whole: String = (0..100_000).map(|n| format!("line {n}\n")).collect();
        for size in [1000, 4096, 1 << 20] {
            let pieces: Vec<&[u8]> = whole.as_bytes().chunks(size).collect();
            let (text, seen) = capped(1000, &pieces);
            assert_eq!(seen, text);
            assert!(text.len() <= 1000, "{} bytes", text.len());
            let (head, rest) = text.split_once("[... ").unwrap();
            let (count, tail) = rest.split_once(" bytes left out ...]\n").unwrap();
            let head = if whole.starts_with(head) {
                head
            } else {
                head.strip_suffix('\n').unwrap()
            };
            assert!(whole.starts_with(head) && whole.ends_with(tail));
            assert_eq!(
                head.len() + tail.len() + count.parse::<usize>().unwrap(),
                whole.len()
            );
        }
    }

    #[test]
    fn broken_characters_are_replaced_and_split_ones_are_joined() {
        let text = "a\u{e4}\u{20ac}\u{1f600}z";
        for size in 1..6 {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            assert_eq!(capped(1000, &pieces).0, text);
        }
        assert_eq!(
            capped(1000, &[b"a\xff\xfeb\xe2\x82"]).0,
            "a\u{fffd}\u{fffd}b\u{fffd}"
        );
        let bytes: Vec<u8> = (0..=255).collect();
        for size in 1..20 {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_eq!(capped(100_000, &pieces).0, String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn a_cut_through_a_character_leaves_no_broken_one() {
        let whole = "\u{20ac}".repeat(5000);
        for limit in 256..300 {
            let (text, _) = capped(limit, &[whole.as_bytes()]);
            assert!(!text.contains('\u{fffd}'), "limit {limit}");
        }
    }

    #[test]
    fn notes_stand_on_lines_of_their_own() {
        let mut sink = |_: &str| {};
        let mut output = Capped::new(1000, &mut sink);
        output.bytes(b"half a line");
        output.note("stopped");
        output.note("again");
        assert_eq!(output.finish(), "half a line\n[stopped]\n[again]\n");
    }

    #[test]
    fn memory_stays_bounded() {
        let mut sink = |_: &str| {};
        let mut output = Capped::new(4096, &mut sink);
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..100 {
            output.bytes(&piece);
            assert!(output.tail.capacity() + output.text.capacity() < 3 * 4096);
        }
    }
}
