//! Large pastes, folded to a chip: `[pasted 120 lines]`.
//!
//! In the text a chip is one character of the end of the last private-use plane, which no font and no program
//! uses; should one come in, it becomes a replacement character. A paste is kept until the message is sent,
//! also while its chip is deleted: undo may bring it back.

use std::ops::RangeInclusive;
use std::sync::Arc;

/// Longer pastes are folded.
pub const LARGE_BYTES: usize = 2048;
/// So are pastes of more lines.
const LARGE_LINES: usize = 12;
/// What stands for a paste in the text: more than anybody pastes into a message.
const MARKS: RangeInclusive<u32> = 0x10_f000..=0x10_fffd;

pub fn is_large(text: &str) -> bool {
    text.len() > LARGE_BYTES || text.lines().nth(LARGE_LINES).is_some()
}

pub fn is_mark(c: char) -> bool {
    MARKS.contains(&u32::from(c))
}

pub fn without_marks(text: &str) -> String {
    text.chars()
        .map(|c| if is_mark(c) { '\u{fffd}' } else { c })
        .collect()
}

#[derive(Debug, Clone, Default)]
pub struct Pastes {
    all: Vec<Paste>,
}

#[derive(Debug, Clone)]
struct Paste {
    text: Arc<str>,
    label: String,
}

impl Pastes {
    /// The mark of a new one.
    pub fn add(&mut self, text: String) -> char {
        let text = without_marks(&text);
        let lines = text.lines().count();
        let mut label = if lines > 1 {
            format!("pasted {lines} lines")
        } else {
            format!("pasted {} characters", text.chars().count())
        };
        let same = self.all.iter().filter(|p| p.label.contains(&label)).count();
        if same > 0 {
            label.push_str(&format!(", {}", same + 1));
        }
        self.all.push(Paste {
            text: text.into(),
            label: format!("[{label}]"),
        });
        let index = u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX);
        let code = MARKS.start().saturating_add(index).min(*MARKS.end());
        char::from_u32(code).unwrap_or('\u{10fffd}')
    }

    /// Whether there is a mark left for another one.
    pub fn has_room(&self) -> bool {
        self.all.len() < MARKS.count()
    }

    fn paste(&self, mark: char) -> Option<&Paste> {
        let index = u32::from(mark).checked_sub(*MARKS.start())?;
        self.all.get(usize::try_from(index).ok()?)
    }

    pub fn get(&self, mark: char) -> Option<&str> {
        self.paste(mark).map(|p| &*p.text)
    }

    pub fn label(&self, mark: char) -> Option<&str> {
        self.paste(mark).map(|p| p.label.as_str())
    }

    pub fn expanded(&self, text: &str) -> String {
        self.replaced(text, |paste| &paste.text)
    }

    pub fn labelled(&self, text: &str) -> String {
        self.replaced(text, |paste| &paste.label)
    }

    fn replaced<'a>(&'a self, text: &str, with: impl Fn(&'a Paste) -> &'a str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            match self.paste(c) {
                Some(paste) => out.push_str(with(paste)),
                None => out.push(c),
            }
        }
        out
    }
}
