//! What the words of a header mean, one after the other.
//!
//! The state of a reading in progress, and nothing else; `header` cuts the words. The thing to know: a word that
//! is not understood goes to the residue, and where `<|message|>` does not vouch for the header, the first such
//! word that can no longer become one decides that all which follows is text.

use super::{
    CHANNELS, CONTENT_TYPES, Closed, Marker, Reading, Word, channel_prefix, is_name, is_name_char,
    split_name,
};
use crate::conversation::{Channel, Header, Role};

pub(super) struct Reader {
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
    pub(super) fn new(closed: Closed, role: Option<Role>, damaged: bool) -> Reader {
        Reader {
            closed,
            role,
            unknown_role: None,
            channel: None,
            recipient: None,
            recipients_differ: false,
            dangling_to: false,
            content_type: None,
            residue: String::new(),
            repaired: damaged,
            decided: false,
        }
    }

    /// What the words themselves do not show.
    pub(super) fn note_damage(&mut self, damaged: bool) {
        self.repaired |= damaged;
    }

    pub(super) fn word(&mut self, word: &Word) {
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

    pub(super) fn end_of_part(&mut self, text: &str) {
        // White space at the end belongs to the text that goes on after it, and a line break ends any header.
        let trailing = text.strip_prefix(text.trim_end()).unwrap_or("");
        if !self.residue.is_empty() {
            self.residue.push_str(trailing);
        }
        let said =
            self.channel.is_some() || self.recipient.is_some() || self.unknown_role.is_some();
        self.decided |= said && text.trim_start().contains(['\n', '\r']);
    }

    pub(super) fn finish(mut self) -> Reading {
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
