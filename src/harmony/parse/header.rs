//! Reads a message header, whole or damaged.
//!
//! Pure: the text between the markers in, a [`Reading`] out. Every word of a header is either understood
//! (role, channel, `to=RECIPIENT`, content type, or a repetition of one) or kept as `residue`, which
//! becomes the beginning of the message's text; so no word is lost. A recipient is only what is plainly
//! one: a call must never come out of a guess.

use crate::conversation::{Channel, Header, Role};

/// A header with more text (in bytes) or more markers than this is none: whole ones have 60 and 2.
const LONGEST_HEADER: usize = 256;
const MOST_PARTS: usize = 8;

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
        if self.len > LONGEST_HEADER || self.parts.len() > MOST_PARTS {
            return true;
        }
        // Nearly all headers are read once, when they close; only a word past the channel can decide.
        self.read(Closed::No).decided
    }

    pub(super) fn read(&self, closed: Closed) -> Reading {
        let mut reader = Reader {
            closed,
            role: self.role_given.then_some(Role::Assistant),
            unknown_role: None,
            channel: None,
            recipient: None,
            recipients_differ: false,
            dangling_to: false,
            content_type: None,
            residue: String::new(),
            repaired: self.damaged,
            decided: false,
        };
        let mut first = true;
        let mut spelled_markup = false;
        for (marker, text) in &self.parts {
            for (marker, text) in
                split_spelled(*marker, &String::from_utf8_lossy(text), &mut spelled_markup)
            {
                let mut marker = marker;
                if marker == Marker::Channel && text.trim().is_empty() {
                    reader.repaired = true;
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
        reader.repaired |= spelled_markup;
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

struct Reader {
    closed: Closed,
    role: Option<Role>,
    unknown_role: Option<String>,
    channel: Option<Channel>,
    recipient: Option<String>,
    recipients_differ: bool,
    /// `to=` stood alone.
    dangling_to: bool,
    content_type: Option<String>,
    residue: String,
    repaired: bool,
    decided: bool,
}

impl Reader {
    fn word(&mut self, word: &Word) {
        // A line break after a word ends any header that `<|message|>` does not close.
        let broken = self.closed == Closed::No && !word.head && word.space.contains(['\n', '\r']);
        if self.decided || broken {
            self.decided = true;
            if std::mem::take(&mut self.dangling_to) {
                self.keep(word, "to=");
            }
            return self.keep(word, word.text);
        }
        if word.head && word.marker == Marker::None {
            return self.role_word(word);
        }
        self.inner_word(word, word.text);
    }

    fn role_word(&mut self, word: &Word) {
        // The prompt ends with the role, but models repeat it.
        let given = self.role.is_some();
        match word.text {
            "assistant" => {
                self.role = Some(Role::Assistant);
                self.repaired |= given;
            }
            "user" if !given => self.role = Some(Role::User),
            "system" if !given => self.role = Some(Role::System),
            "developer" if !given => self.role = Some(Role::Developer),
            text => {
                // `assistantfinal`, `assistantto=python`, `final`: a marker or the role was lost.
                let rest = text.strip_prefix("assistant").unwrap_or(text);
                let names = rest.starts_with("to=")
                    || channel_prefix(rest, self.closed)
                        .is_some_and(|(_, rest, _)| rest.is_empty());
                if names && !(given && rest == text) {
                    (self.role, self.repaired) = (Some(Role::Assistant), true);
                    self.inner_word(
                        &Word {
                            marker: Marker::Channel,
                            ..*word
                        },
                        rest,
                    );
                } else if given {
                    self.inner_word(word, text);
                } else {
                    // A tool's name, if a recipient follows; else text.
                    self.unknown_role = Some(text.into());
                }
            }
        }
    }

    fn inner_word(&mut self, word: &Word, text: &str) {
        let closed = self.closed == Closed::ByMessage;
        // The role may stick to it: `assistantto=python`.
        let unstuck = text
            .strip_prefix("assistant")
            .filter(|rest| rest.starts_with("to="));
        self.repaired |= unstuck.is_some();
        if let Some(name) = unstuck.unwrap_or(text).strip_prefix("to=") {
            self.repaired |= word.marker != Marker::None;
            return self.recipient_word(word, name);
        }
        if std::mem::take(&mut self.dangling_to) {
            if is_name(text) {
                return self.recipient_word(word, text);
            }
            self.keep(word, "to=");
        }
        if text.starts_with("functions.")
            && text.len() > "functions.".len()
            && self.recipient.is_none()
        {
            self.repaired = true;
            return self.recipient_word(word, text);
        }
        match word.marker {
            Marker::Channel => return self.channel_word(word, text),
            Marker::Constrain => {
                let (name, rest) = split_name(text);
                return self.content_type_word(word, name, rest);
            }
            Marker::None => {}
        }
        // What follows is read as header only if a `<|message|>` vouches for it; prose begins with such
        // words too ("final code is below").
        let known_type = CONTENT_TYPES.contains(&text) && (closed || self.recipient.is_some());
        let new_type =
            closed && self.recipient.is_some() && self.content_type.is_none() && is_name(text);
        let repeated = text == "assistant"
            || channel_prefix(text, self.closed).is_some_and(|(channel, rest, _)| {
                rest.is_empty() && self.channel.as_ref().is_none_or(|known| *known == channel)
            });
        if repeated && closed {
            self.repaired = true;
            if text != "assistant" {
                self.channel_word(word, text);
            }
        } else if repeated {
            self.keep(word, text);
        } else if known_type || new_type {
            self.content_type_word(word, text, "");
        } else {
            self.residue_word(word, text);
        }
    }

    fn recipient_word(&mut self, word: &Word, text: &str) {
        let (name, rest) = split_name(text);
        if name.is_empty() {
            (self.dangling_to, self.repaired) = (rest.is_empty(), true);
            if !rest.is_empty() {
                self.residue_word(word, text);
            }
            return;
        }
        if rest.starts_with('=') {
            // `to=functions.fto=python`: no telling where the name ends, or whether another was meant.
            self.recipients_differ = true;
            return self.residue_word(word, word.text);
        }
        match &self.recipient {
            Some(known) if known != name => {
                // Two addressees: the call must not go to either.
                self.recipients_differ = true;
                self.residue_word(word, word.text);
                return;
            }
            Some(_) => self.repaired = true,
            None => self.recipient = Some(name.into()),
        }
        if !rest.is_empty() {
            self.residue_word(word, rest);
        }
    }

    fn channel_word(&mut self, word: &Word, text: &str) {
        if text == "assistant" {
            // The role again, where the channel belongs.
            self.repaired = true;
            return;
        }
        let known = channel_prefix(text, self.closed);
        let (channel, rest) = match known {
            Some((channel, "", decorated)) => {
                self.repaired |= decorated;
                (channel, "")
            }
            // A name of its own, as long as `<|message|>` shows that it ends here.
            Some(_) if is_name(text) && self.closed == Closed::ByMessage => {
                (Channel::Other(text.into()), "")
            }
            None if is_name(text) => (Channel::Other(text.into()), ""),
            Some((channel, rest, _)) => (channel, rest),
            None => return self.residue_word(word, text),
        };
        match (&self.channel, channel) {
            (None, channel) => self.channel = Some(channel),
            // The later one is the model's second try, unless it is no channel at all.
            (Some(_), Channel::Other(_)) => self.keep(word, text),
            (Some(old), channel) if *old == channel => self.repaired = true,
            (Some(Channel::Other(old)), channel) => {
                let old = old.clone();
                self.keep(word, &old);
                self.channel = Some(channel);
            }
            (Some(_), channel) => (self.channel, self.repaired) = (Some(channel), true),
        }
        let bare = rest.trim_start_matches(|c: char| c.is_ascii_punctuation());
        let repetition = !word.complete && CHANNELS.iter().any(|(name, _)| name.starts_with(bare));
        if rest.is_empty() {
        } else if bare.is_empty() || repetition || is_name(text) {
            // Decoration, the beginning of a repetition (`commentary?comm`), or a name of its own (`finally`),
            // as far as one can see: the next word decides.
            self.keep(word, rest);
        } else {
            self.residue_word(word, rest);
        }
    }

    fn content_type_word(&mut self, word: &Word, name: &str, rest: &str) {
        if !name.is_empty() {
            match &self.content_type {
                Some(known) if known != name => {
                    if CONTENT_TYPES.contains(&name) && CONTENT_TYPES.contains(&known.as_str()) {
                        (self.content_type, self.repaired) = (Some(name.into()), true);
                    } else {
                        self.keep(word, name);
                    }
                }
                Some(_) if !CONTENT_TYPES.contains(&name) => self.keep(word, name),
                Some(_) => self.repaired = true,
                None => self.content_type = Some(name.into()),
            }
        }
        if !rest.is_empty() {
            self.residue_word(word, rest);
        }
    }

    /// A word that is no header's, unless more of it is still to come.
    fn residue_word(&mut self, word: &Word, text: &str) {
        let unfinished = !word.complete && "to=".starts_with(text);
        let foreign = text
            .chars()
            .any(|c| !is_name_char(c) && !matches!(c, '<' | '|' | '>' | '='));
        if !unfinished && (word.complete || foreign) {
            self.decided = true;
        }
        self.keep(word, text);
    }

    fn keep(&mut self, word: &Word, text: &str) {
        self.repaired = true;
        if self.decided
            && let Some(role) = self.unknown_role.take()
        {
            // It was the first word of a text that has no header at all.
            self.residue.insert_str(0, &role);
        }
        if !self.residue.is_empty() {
            self.residue.push_str(if word.space.is_empty() {
                " "
            } else {
                word.space
            });
        }
        self.residue.push_str(text);
    }

    fn end_of_part(&mut self, text: &str) {
        // White space at the end belongs to the text that goes on after it, and a line break ends any header.
        let trailing = text.strip_prefix(text.trim_end()).unwrap_or("");
        if !self.residue.is_empty() {
            self.residue.push_str(trailing);
        }
        let said =
            self.channel.is_some() || self.recipient.is_some() || self.unknown_role.is_some();
        self.decided |= said && text.trim_start().contains(['\n', '\r']);
    }

    fn finish(mut self) -> Reading {
        if self.dangling_to {
            self.residue.push_str("to=");
        }
        if self.recipients_differ
            && let Some(recipient) = self.recipient.take()
        {
            self.residue.insert_str(0, &format!("to={recipient} "));
        }
        let role = match (self.role.take(), self.unknown_role.take()) {
            (Some(role), _) => role,
            (None, Some(name)) => {
                let tool = self.recipient.is_some() || name.contains('.') || name == "python";
                if tool && is_name(&name) {
                    self.repaired |= self.recipient.is_none();
                    Role::Tool(name)
                } else {
                    let space = if self.residue.is_empty() { "" } else { " " };
                    self.residue.insert_str(0, &format!("{name}{space}"));
                    self.repaired = true;
                    Role::Assistant
                }
            }
            (None, None) => {
                self.repaired = true;
                Role::Assistant
            }
        };
        if self.closed == Closed::No {
            self.repaired = true;
        }
        Reading {
            header: Header {
                role,
                channel: self.channel,
                recipient: self.recipient,
                content_type: self.content_type,
            },
            residue: self.residue,
            repaired: self.repaired,
            decided: self.decided,
        }
    }
}
