//! What a command printed: a share that is shown as it comes, and a head and a tail that the model is told.
//!
//! Both are bounded whatever is printed. Bytes that are no UTF-8 become replacement characters, and a
//! character is never cut between two shares.

use std::collections::VecDeque;

/// Kept of the beginning and of the end for the model: about 4,000 tokens together.
const HEAD: usize = 10 * 1024;
const TAIL: usize = 6 * 1024;
/// Shown at once, at most; what came faster is passed over with a word.
const SHARE: usize = 32 * 1024;

#[derive(Debug, Default)]
pub(super) struct Output {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    /// Bytes that are in neither.
    left_out: u64,
    /// Not shown yet.
    waiting: VecDeque<u8>,
    passed_over: u64,
}

impl Output {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = HEAD - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);
        self.left_out += excess as u64;

        self.waiting.extend(bytes);
        let excess = self.waiting.len().saturating_sub(SHARE);
        self.waiting.drain(..excess);
        self.passed_over += excess as u64;
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What is to be shown now; `last`: nothing more comes, so half a character is one too.
    pub(super) fn flush(&mut self, last: bool) -> String {
        let mut bytes: Vec<u8> = self.waiting.drain(..).collect();
        if !last {
            let cut = bytes.len() - unfinished(&bytes);
            self.waiting.extend(bytes.drain(cut..));
        }
        let text = String::from_utf8_lossy(&bytes);
        match std::mem::take(&mut self.passed_over) {
            0 => text.into_owned(),
            passed => {
                // Whole lines: the first one lost its beginning.
                let from = text.find('\n').map_or(0, |at| at + 1);
                let shown = text.get(from..).unwrap_or_default();
                format!("[{} bytes not shown]\n{shown}", passed + from as u64)
            }
        }
    }

    /// For the model: without colours and cursor movements, which would only cost it tokens.
    pub(super) fn whole(&self) -> String {
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        let bytes = if self.left_out == 0 {
            [self.head.as_slice(), &tail].concat()
        } else {
            let note = format!("\n[{} bytes left out]\n", self.left_out);
            [self.head.as_slice(), note.as_bytes(), &tail].concat()
        };
        without_escapes(&String::from_utf8_lossy(&bytes))
    }
}

/// Bytes at the end that begin a character and do not complete it.
fn unfinished(bytes: &[u8]) -> usize {
    for back in 1..=3.min(bytes.len()) {
        let Some(&byte) = bytes.get(bytes.len() - back) else {
            return 0;
        };
        let length = match byte {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            0x80..=0xbf => continue,
            _ => return 0,
        };
        return if length > back { back } else { 0 };
    }
    0
}

/// Drops escape sequences whole; what a lone carriage return would overwrite on a terminal goes too, so that a
/// progress bar is its last state.
fn without_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.next() {
                Some('[') => {
                    chars.by_ref().find(|c| ('@'..='~').contains(c));
                }
                Some(']' | 'P' | '_' | '^' | 'X') => {
                    while let Some(c) = chars.next() {
                        if c == '\u{7}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                            break;
                        }
                    }
                }
                Some('(' | ')') => {
                    chars.next();
                }
                Some(_) | None => {}
            },
            '\r' => match chars.peek() {
                Some('\n' | '\r') | None => {}
                Some(_) => {
                    let line = out.rfind('\n').map_or(0, |at| at + 1);
                    out.truncate(line);
                }
            },
            c => out.push(c),
        }
    }
    out
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

    #[test]
    fn shares_never_cut_a_character() {
        let text = "aé漢🙂z";
        for cut in 0..=text.len() {
            let mut output = Output::default();
            let mut shown = String::new();
            output.push(&text.as_bytes()[..cut]);
            shown.push_str(&output.flush(false));
            output.push(&text.as_bytes()[cut..]);
            shown.push_str(&output.flush(false));
            shown.push_str(&output.flush(true));
            assert_eq!(shown, text, "cut at {cut}");
        }
        let mut output = Output::default();
        output.push(&[b'a', 0xe6]);
        assert_eq!(output.flush(false), "a");
        assert_eq!(output.flush(true), "\u{fffd}");
    }

    #[test]
    fn a_gigabyte_keeps_its_head_and_its_tail() {
        let mut output = Output::default();
        let line = "0123456789abcde\n".repeat(1 << 12);
        for _ in 0..(1 << 30) / line.len() {
            output.push(line.as_bytes());
        }
        output.push(b"the end\n");
        let whole = output.whole();
        assert!(whole.len() <= HEAD + TAIL + 64, "{}", whole.len());
        assert!(whole.starts_with("0123456789abcde\n"));
        assert!(whole.ends_with("the end\n"));
        assert!(whole.contains("bytes left out]\n"), "{whole}");
        let shown = output.flush(true);
        assert!(shown.len() <= SHARE + 64);
        assert!(shown.starts_with('[') && shown.ends_with("the end\n"));
        assert!(output.head.capacity() + output.tail.capacity() < 1 << 20);
    }

    #[test]
    fn the_model_reads_what_a_terminal_would_show() {
        for (printed, read) in [
            ("\x1b[1;32mok\x1b[0m done\n", "ok done\n"),
            ("\x1b]0;title\x07x\x1b]8;;http://a\x1b\\y", "xy"),
            (" 10%\r 50%\r100%\nend", "100%\nend"),
            ("a\r\nb", "a\nb"),
            ("\x1b(Bplain\x1b", "plain"),
            ("\x1b[", ""),
        ] {
            assert_eq!(without_escapes(printed), read, "{printed:?}");
        }
    }
}
