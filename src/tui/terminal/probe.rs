//! What the terminal answers to questions about itself, read before the key reader starts.
//!
//! One burst of questions goes out after the first frame: the background colour (OSC 11), the keyboard
//! protocol, and last the device attributes, which every terminal answers, so that silence about the
//! others is an answer too. Bytes that are no reply are keys and are passed on as they come; nobody waits.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Background, keyboard enhancement, device attributes.
pub const QUESTIONS: &[u8] = b"\x1b]11;?\x1b\\\x1b[?u\x1b[c";

#[derive(Debug, PartialEq)]
pub enum Reply {
    /// The payload of OSC 11.
    Background(String),
    /// The terminal knows the enhanced keyboard protocol.
    Keyboard,
    /// Device attributes: nothing more will come.
    Done,
    Key(KeyEvent),
    /// Several characters at once that are no single key, e.g. a bracketed paste.
    Paste(String),
}

/// Cuts the bytes read so far into replies and keys; an unfinished sequence stays for more bytes.
#[derive(Debug, Default)]
pub struct Probe {
    pending: Vec<u8>,
    /// The last answer came.
    answered: bool,
}

const PASTE: &[u8] = b"\x1b[200~";
const PASTE_END: &[u8] = b"\x1b[201~";

impl Probe {
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Reply> {
        self.pending.extend_from_slice(bytes);
        let mut out = Vec::new();
        let mut at = 0;
        while at < self.pending.len() {
            let Some((used, reply)) = next(self.pending.get(at..).unwrap_or(&[])) else {
                break;
            };
            out.extend(reply);
            at += used;
        }
        self.pending.drain(..at);
        self.answered |= out.contains(&Reply::Done);
        out
    }

    /// A paste has begun and not ended.
    pub fn is_in_paste(&self) -> bool {
        self.pending.starts_with(PASTE)
    }

    /// All answers came, and nothing that was read waits for more bytes.
    pub fn is_done(&self) -> bool {
        self.answered && self.pending.is_empty()
    }

    /// The deadline passed: what is left was no reply. A lone escape is the key.
    pub fn finish(&mut self) -> Vec<Reply> {
        let rest = std::mem::take(&mut self.pending);
        match rest.as_slice() {
            [0x1b] => vec![key(KeyCode::Esc, KeyModifiers::NONE)],
            _ => Vec::new(),
        }
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Reply {
    Reply::Key(KeyEvent::new(code, modifiers))
}

/// The first item of `bytes` and its length; `None` while it is unfinished.
fn next(bytes: &[u8]) -> Option<(usize, Option<Reply>)> {
    let first = *bytes.first()?;
    match first {
        0x1b => match *bytes.get(1)? {
            b']' => osc(bytes),
            b'[' => csi(bytes),
            b'O' => {
                let code = arrow(*bytes.get(2)?);
                Some((3, code.map(|c| key(c, KeyModifiers::NONE))))
            }
            0x1b => Some((1, Some(key(KeyCode::Esc, KeyModifiers::NONE)))),
            b'\r' => Some((2, Some(key(KeyCode::Enter, KeyModifiers::ALT)))),
            other if (b' '..0x7f).contains(&other) => Some((
                2,
                Some(key(KeyCode::Char(char::from(other)), KeyModifiers::ALT)),
            )),
            _ => Some((2, None)),
        },
        b'\r' => Some((1, Some(key(KeyCode::Enter, KeyModifiers::NONE)))),
        b'\t' => Some((1, Some(key(KeyCode::Tab, KeyModifiers::NONE)))),
        0x7f => Some((1, Some(key(KeyCode::Backspace, KeyModifiers::NONE)))),
        0 => Some((1, None)),
        control @ 1..=0x1a => {
            let letter = char::from(control - 1 + b'a');
            Some((1, Some(key(KeyCode::Char(letter), KeyModifiers::CONTROL))))
        }
        0x1c..=0x1f => Some((1, None)),
        _ => utf8(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Option<(usize, Option<Reply>)> {
    let length = match bytes.first()? {
        0..=0x7f => 1,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => return Some((1, None)),
    };
    let text = bytes.get(..length)?;
    match std::str::from_utf8(text)
        .ok()
        .and_then(|t| t.chars().next())
    {
        Some(c) => Some((length, Some(key(KeyCode::Char(c), KeyModifiers::NONE)))),
        None => Some((1, None)),
    }
}

/// `ESC ] 11 ; payload` up to BEL or `ESC \`.
fn osc(bytes: &[u8]) -> Option<(usize, Option<Reply>)> {
    let bell = bytes.iter().position(|b| *b == 7);
    let string_end = bytes.windows(2).position(|w| w == b"\x1b\\");
    let (end, used) = match (bell, string_end) {
        (Some(bell), Some(end)) if bell < end => (bell, bell + 1),
        (_, Some(end)) => (end, end + 2),
        (Some(bell), None) => (bell, bell + 1),
        (None, None) => return None,
    };
    let body = String::from_utf8_lossy(bytes.get(2..end)?);
    let reply = body
        .strip_prefix("11;")
        .map(|payload| Reply::Background(payload.to_owned()));
    Some((used, reply))
}

fn csi(bytes: &[u8]) -> Option<(usize, Option<Reply>)> {
    let body = bytes.get(2..)?;
    let end = body.iter().position(|b| (0x40..=0x7e).contains(b))?;
    let parameters = body.get(..end)?;
    let used = end + 3;
    let private = parameters.first() == Some(&b'?');
    let reply = match (body.get(end)?, private) {
        (b'u', true) => Some(Reply::Keyboard),
        (b'c', true) => Some(Reply::Done),
        (b'~', false) if parameters == b"200" => {
            let rest = bytes.get(used..)?;
            let close = memchr::memmem::find(rest, PASTE_END)?;
            let text = String::from_utf8_lossy(rest.get(..close)?).into_owned();
            return Some((used + close + PASTE_END.len(), Some(Reply::Paste(text))));
        }
        (b'~', false) => match parameters {
            b"3" => Some(key(KeyCode::Delete, KeyModifiers::NONE)),
            b"5" => Some(key(KeyCode::PageUp, KeyModifiers::NONE)),
            b"6" => Some(key(KeyCode::PageDown, KeyModifiers::NONE)),
            _ => None,
        },
        (last, false) if parameters.is_empty() => arrow(*last).map(|c| key(c, KeyModifiers::NONE)),
        _ => None,
    };
    Some((used, reply))
}

fn arrow(last: u8) -> Option<KeyCode> {
    match last {
        b'A' => Some(KeyCode::Up),
        b'B' => Some(KeyCode::Down),
        b'C' => Some(KeyCode::Right),
        b'D' => Some(KeyCode::Left),
        b'H' => Some(KeyCode::Home),
        b'F' => Some(KeyCode::End),
        b'P' => Some(KeyCode::F(1)),
        _ => None,
    }
}

/// Drops a background reply that came after the deadline, which the key reader takes for keys: `Alt+]`,
/// then `11;rgb:…` up to `Alt+\` or `Ctrl+G`.
#[derive(Debug, Default)]
pub struct LateReply {
    swallowing: usize,
}

impl LateReply {
    /// The longest reply, `11;rgba:ffff/ffff/ffff/ffff`, and some.
    const LONGEST: usize = 40;

    pub fn swallows(&mut self, event: &KeyEvent) -> bool {
        let alt = event.modifiers.contains(KeyModifiers::ALT);
        if self.swallowing == 0 {
            if event.code == KeyCode::Char(']') && alt {
                self.swallowing = Self::LONGEST;
                return true;
            }
            return false;
        }
        let ends = (event.code == KeyCode::Char('\\') && alt)
            || (event.code == KeyCode::Char('g')
                && event.modifiers.contains(KeyModifiers::CONTROL));
        let belongs = matches!(event.code, KeyCode::Char(c) if c.is_ascii_hexdigit() || "rgba:;/".contains(c));
        self.swallowing = if ends || !belongs {
            0
        } else {
            self.swallowing - 1
        };
        ends || belongs
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

    fn chars(text: &str) -> Vec<Reply> {
        text.chars()
            .map(|c| key(KeyCode::Char(c), KeyModifiers::NONE))
            .collect()
    }

    #[test]
    fn replies_and_keys_are_told_apart_at_any_split() {
        let stream = "hé\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\l\x1b[?1u\x1b[A\rl\x1b[?62;4co\x1b[200~p\nq\x1b[201~\x1bx".as_bytes();
        let mut expected = chars("hé");
        expected.push(Reply::Background("rgb:1e1e/1e1e/1e1e".into()));
        expected.extend(chars("l"));
        expected.extend([
            Reply::Keyboard,
            key(KeyCode::Up, KeyModifiers::NONE),
            key(KeyCode::Enter, KeyModifiers::NONE),
        ]);
        expected.extend(chars("l"));
        expected.push(Reply::Done);
        expected.extend(chars("o"));
        expected.push(Reply::Paste("p\nq".into()));
        expected.push(key(KeyCode::Char('x'), KeyModifiers::ALT));
        for cut in 0..stream.len() {
            let mut probe = Probe::default();
            let mut got = probe.feed(&stream[..cut]);
            got.extend(probe.feed(&stream[cut..]));
            got.extend(probe.finish());
            assert_eq!(got, expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_paste_that_has_begun_is_waited_for_also_after_the_last_answer() {
        let mut probe = Probe::default();
        assert_eq!(probe.feed(b"\x1b[?62c\x1b[200~one\rtw"), [Reply::Done]);
        assert!(probe.is_in_paste() && !probe.is_done());
        let whole = Reply::Paste("one\rtwo".into());
        assert_eq!(probe.feed(b"o\x1b[201~"), [whole]);
        assert!(!probe.is_in_paste() && probe.is_done());
    }

    #[test]
    fn a_lone_escape_is_the_key_once_nothing_follows() {
        let mut probe = Probe::default();
        assert_eq!(probe.feed(b"\x1b"), []);
        assert_eq!(probe.finish(), [key(KeyCode::Esc, KeyModifiers::NONE)]);
        assert_eq!(
            probe.feed(b"\x03"),
            [key(KeyCode::Char('c'), KeyModifiers::CONTROL)]
        );
    }

    #[test]
    fn a_late_reply_is_not_typed() {
        let mut late = LateReply::default();
        let alt = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::ALT);
        let plain = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
        let mut events = vec![plain('a'), alt(']')];
        events.extend("11;rgb:1e1e/1e1e/1e1e".chars().map(plain));
        events.push(alt('\\'));
        events.push(plain('b'));
        let kept: Vec<KeyEvent> = events.into_iter().filter(|e| !late.swallows(e)).collect();
        assert_eq!(kept, [plain('a'), plain('b')]);
        // Who types Alt+] loses that key and nothing else.
        assert!(late.swallows(&alt(']')));
        assert!(!late.swallows(&plain('h')));
        assert!(!late.swallows(&plain('1')));
    }
}
