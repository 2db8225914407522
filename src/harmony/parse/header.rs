//! Reads a message header, whole or damaged.
//!
//! Pure: the text between the markers in, a [`Reading`] out. Every word of a header is either understood
//! (role, channel, `to=RECIPIENT`, content type, or a repetition of one) or kept as `residue`, which
//! becomes the beginning of the message's text; so no word is lost. A recipient is only what is plainly
//! one: a call must never come out of a guess.

mod reader;

use crate::conversation::{Channel, Header, Role};
use reader::Reader;

/// A header with more text (in bytes) or more markers than this is none: whole ones have 60 and 2.
const LONGEST_HEADER: usize = 256;
const MOST_PARTS: usize = 8;
/// In bytes: bytes that are never a whole one are not waited for.
const LONGEST_CHARACTER: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// The head of the header, before any marker.
    None,
    Channel,
    Constrain,
}

impl Marker {
    pub(super) fn spelling(self) -> &'static str {
        match self {
            Marker::None => "",
            Marker::Channel => "<|channel|>",
            Marker::Constrain => "<|constrain|>",
        }
    }
}

/// A header as it comes in: runs of text, each after a marker.
#[derive(Debug, Clone)]
pub(super) struct RawHeader {
    parts: Vec<(Marker, Vec<u8>)>,
    len: usize,
    /// The role came before this header: the prompt ended with it, or no start token was written.
    role_given: bool,
    /// Something is wrong already, whatever the words say.
    damaged: bool,
}

/// Whether `<|message|>` closed the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// Everything before it is header.
    ByMessage,
    /// It never came: what does not look like a header is already the text.
    No,
}

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) header: Header,
    /// Words that belong to no field, as they stood.
    pub(super) residue: String,
    pub(super) repaired: bool,
    /// The residue can no longer turn out to be header as more text comes.
    pub(super) decided: bool,
}

impl Reading {
    /// Whether it says anything beyond "the assistant speaks".
    pub(super) fn says_something(&self) -> bool {
        let Header {
            role,
            channel,
            recipient,
            content_type,
        } = &self.header;
        *role != Role::Assistant
            || channel.is_some()
            || recipient.is_some()
            || content_type.is_some()
            || !self.residue.is_empty()
    }
}

impl RawHeader {
    pub(super) fn new(role_given: bool, damaged: bool) -> RawHeader {
        RawHeader {
            parts: vec![(Marker::None, Vec::new())],
            len: 0,
            role_given,
            damaged,
        }
    }

    pub(super) fn mark(&mut self, marker: Marker) {
        match self.parts.last_mut() {
            // A marker without a word after it says nothing; repeated ones must not pile up.
            Some((last, text)) if *last != Marker::None && text.is_empty() => {
                *last = marker;
                self.damaged = true;
            }
            _ => self.parts.push((marker, Vec::new())),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.len += bytes.len();
        if let Some((_, text)) = self.parts.last_mut() {
            text.extend_from_slice(bytes);
        }
    }

    /// The header written out, for where it turns out to have been text.
    pub(super) fn spelled(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len + 16);
        for (marker, text) in &self.parts {
            bytes.extend_from_slice(marker.spelling().as_bytes());
            bytes.extend_from_slice(text);
        }
        bytes
    }

    /// Whether the first word is, or may become, the name of a channel.
    pub(super) fn may_name_a_channel(&self) -> bool {
        let text = self
            .parts
            .iter()
            .find(|(_, text)| !text.is_empty())
            .map(|(_, text)| String::from_utf8_lossy(text));
        let Some(text) = text else { return true };
        words(&text).next().is_none_or(|(_, word, complete)| {
            channel_prefix(word, Closed::ByMessage).is_some()
                || !complete && CHANNELS.iter().any(|(name, _)| name.starts_with(word))
        })
    }

    /// Whether the text so far shows that `<|message|>` was forgotten.
    pub(super) fn is_hopeless(&self) -> bool {
        if self.len > LONGEST_HEADER + LONGEST_CHARACTER || self.parts.len() > MOST_PARTS {
            return true;
        }
        // What becomes text is whole characters.
        if self.ends_in_half_a_character() {
            return false;
        }
        if self.len > LONGEST_HEADER {
            return true;
        }
        // Nearly all headers are read once, when they close; only a word past the channel can decide.
        self.read(Closed::No).decided
    }

    fn ends_in_half_a_character(&self) -> bool {
        let text = self.parts.last().map_or(&[][..], |(_, text)| text);
        let last = text.utf8_chunks().last();
        last.is_some_and(|chunk| {
            let half = std::str::from_utf8(chunk.invalid());
            half.is_err_and(|error| error.error_len().is_none())
        })
    }

    pub(super) fn read(&self, closed: Closed) -> Reading {
        let mut reader = Reader::new(
            closed,
            self.role_given.then_some(Role::Assistant),
            self.damaged,
        );
        let mut first = true;
        let mut spelled_markup = false;
        for (marker, text) in &self.parts {
            for (marker, text) in
                split_spelled(*marker, &String::from_utf8_lossy(text), &mut spelled_markup)
            {
                let mut marker = marker;
                if marker == Marker::Channel && text.trim().is_empty() {
                    reader.note_damage(true);
                }
                for (space, word, complete) in words(text) {
                    let word = Word {
                        space,
                        text: word,
                        complete,
                        head: first,
                        marker,
                    };
                    reader.word(&word);
                    first = false;
                    marker = Marker::None;
                }
                reader.end_of_part(text);
            }
        }
        reader.note_damage(spelled_markup);
        let mut reading = reader.finish();
        if closed == Closed::No && !reading.says_something() && spelled_markup {
            // Markup spelled out and nothing else: a text about markup.
            reading.residue = self
                .parts
                .iter()
                .map(|(_, text)| String::from_utf8_lossy(text))
                .collect();
        }
        reading
    }
}

/// Splits at markers that were spelled out as text.
fn split_spelled<'a>(marker: Marker, text: &'a str, found: &mut bool) -> Vec<(Marker, &'a str)> {
    let mut parts = Vec::with_capacity(1);
    let (mut marker, mut rest) = (marker, text);
    loop {
        let next = [Marker::Channel, Marker::Constrain]
            .into_iter()
            .filter_map(|marker| {
                rest.split_once(marker.spelling())
                    .map(|(before, after)| (before, marker, after))
            })
            .min_by_key(|(before, ..)| before.len());
        let Some((before, next, after)) = next else {
            parts.push((marker, rest));
            return parts;
        };
        *found = true;
        parts.push((marker, before));
        (marker, rest) = (next, after);
    }
}

/// The words of a text, each with the white space before it and whether white space follows.
fn words(text: &str) -> impl Iterator<Item = (&str, &str, bool)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let word = rest.trim_start();
        let (space, _) = rest.split_at_checked(rest.len() - word.len())?;
        let end = word.find(char::is_whitespace).unwrap_or(word.len());
        let (word, after) = word.split_at_checked(end)?;
        rest = after;
        (!word.is_empty()).then_some((space, word, !after.is_empty()))
    })
}

/// Letters that recipients, channels and content types are made of.
fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ':' | '/' | '+')
}

/// The leading name of a word, and the rest of it.
fn split_name(word: &str) -> (&str, &str) {
    let end = word.find(|c| !is_name_char(c)).unwrap_or(word.len());
    word.split_at_checked(end).unwrap_or((word, ""))
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && word.chars().all(is_name_char)
}

const CHANNELS: [(&str, Channel); 3] = [
    ("analysis", Channel::Analysis),
    ("commentary", Channel::Commentary),
    ("final", Channel::Final),
];

/// Content types that models write without `<|constrain|>`, known well enough to stand without a recipient.
const CONTENT_TYPES: [&str; 5] = ["json", "code", "text", "markdown", "python_code"];

/// Reads a channel at the beginning of a word: the channel, what follows it, and whether it was repeated
/// or decorated (`commentary?commentary?`). Punctuation at the end is decoration only in a closed header.
fn channel_prefix(word: &str, closed: Closed) -> Option<(Channel, &str, bool)> {
    let (name, channel) = CHANNELS
        .into_iter()
        .find(|(name, _)| word.starts_with(name))?;
    let mut rest = word.strip_prefix(name)?;
    let mut decorated = false;
    loop {
        let bare = rest.trim_start_matches(|c: char| c.is_ascii_punctuation());
        if bare.is_empty() {
            let kept = if closed == Closed::ByMessage {
                ""
            } else {
                rest
            };
            return Some((channel, kept, decorated || !rest.is_empty()));
        }
        match bare.strip_prefix(name) {
            Some(after) => (rest, decorated) = (after, true),
            None => return Some((channel, rest, decorated)),
        }
    }
}

struct Word<'a> {
    space: &'a str,
    text: &'a str,
    /// White space follows, so no more text can change it.
    complete: bool,
    /// The first word of the header.
    head: bool,
    /// The marker right before it.
    marker: Marker,
}
