//! Reads Harmony messages from the token ids a model generates, as they come.
//!
//! Tolerant, because GPT-OSS damages a header in a few percent of its turns; incremental; and lossless:
//! every ordinary token ends up in the text or the header of one message, and its place in one
//! [`MessageSpan`]. On well-formed streams it equals `openai-harmony`'s parser. Time is linear in the tokens.
//! The thing to know before changing it: `parse/header.rs` decides what a header says, and a recipient comes
//! only from words that plainly name one, since whoever reads the messages runs what is addressed to a tool.

mod header;

#[cfg(test)]
mod tests;

use super::HarmonyEvent;
use super::vocab::{
    CALL, CHANNEL, CONSTRAIN, END, END_OF_TEXT, MESSAGE, RETURN, START, Vocabulary, is_special,
};
use crate::conversation::{Channel, Header, Message, MessageEnd, Role, TokenId};
use header::{Closed, Marker, RawHeader, Reading};
use std::ops::Range;
use std::sync::Arc;

/// Where a message lies in the generated ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageSpan {
    /// From its `<|start|>` (the first message: from the beginning) through its end token. Spans are in order
    /// and leave nothing out but tokens at the very end that say nothing (`<|start|>assistant`).
    pub tokens: Range<usize>,
    pub header: Header,
    pub end: MessageEnd,
    /// Whether it came past its header.
    pub has_body: bool,
}

impl MessageSpan {
    /// A header that was cut before it was complete.
    pub fn is_bare_header(&self) -> bool {
        !self.has_body && self.end == MessageEnd::Cut
    }
}

/// The state between two tokens. It starts inside an assistant message, after `<|start|>assistant`.
#[derive(Debug)]
pub struct Parser {
    vocabulary: Arc<Vocabulary>,
    state: State,
    spans: Vec<MessageSpan>,
    /// Tokens seen.
    seen: usize,
    /// Where the message in progress began.
    began: usize,
}

#[derive(Debug)]
enum State {
    /// After an end token.
    Between,
    Header(RawHeader),
    Body(Body),
    /// A channel marker in the middle of a text: the next message, its start forgotten, or text that
    /// spells markup. Its header decides.
    Aside {
        body: Body,
        header: RawHeader,
        began: usize,
    },
}

#[derive(Debug)]
struct Body {
    header: Header,
    text: String,
    /// The beginning of a character whose last bytes are still to come.
    partial: Vec<u8>,
    repaired: bool,
    /// Its header never closed, so a `<|message|>` may still come.
    unclosed: bool,
    /// All there is may still be header.
    bare: bool,
}

impl Parser {
    pub fn new(vocabulary: &Arc<Vocabulary>) -> Parser {
        Parser {
            vocabulary: Arc::clone(vocabulary),
            state: State::Header(RawHeader::new(true, false)),
            spans: Vec::new(),
            seen: 0,
            began: 0,
        }
    }

    /// Where the messages reported so far lie.
    pub fn spans(&self) -> &[MessageSpan] {
        &self.spans
    }

    /// Takes the next token; appends what it completes.
    pub fn push(&mut self, token: TokenId, events: &mut Vec<HarmonyEvent>) {
        self.state = match std::mem::replace(&mut self.state, State::Between) {
            State::Between => self.between(token, events),
            State::Header(header) => self.in_header(header, token, events),
            State::Body(body) => self.in_body(body, token, events),
            State::Aside {
                body,
                header,
                began,
            } => self.aside(body, header, began, token, events),
        };
        self.seen += 1;
    }

    /// The stream is over: completes the message in progress.
    pub fn finish(&mut self, events: &mut Vec<HarmonyEvent>) {
        match std::mem::replace(&mut self.state, State::Between) {
            State::Between => {}
            State::Header(header) => {
                self.end_header(&header, MessageEnd::Cut, self.seen, events);
            }
            State::Body(body) => self.end_body(body, MessageEnd::Cut, self.seen, events),
            State::Aside {
                mut body, header, ..
            } => {
                body.repaired = true;
                body.push(&header.spelled(), events);
                self.end_body(body, MessageEnd::Cut, self.seen, events);
            }
        }
    }

    fn between(&mut self, token: TokenId, events: &mut Vec<HarmonyEvent>) -> State {
        match token {
            START => State::Header(RawHeader::new(false, false)),
            END | CALL | RETURN | END_OF_TEXT => State::Between,
            // Whoever speaks without a start token is the model, if it does not say otherwise.
            _ => self.in_header(RawHeader::new(false, true), token, events),
        }
    }

    fn in_header(
        &mut self,
        mut header: RawHeader,
        token: TokenId,
        events: &mut Vec<HarmonyEvent>,
    ) -> State {
        match token {
            MESSAGE => {
                let reading = header.read(Closed::ByMessage);
                return State::Body(open(reading, false, events));
            }
            START => {
                let said = self.end_header(&header, MessageEnd::Cut, self.seen, events);
                // Nothing but a doubled `<|start|>assistant`: what follows is still the same message.
                return State::Header(RawHeader::new(false, !said));
            }
            END => self.end_header(&header, MessageEnd::End, self.seen + 1, events),
            CALL => self.end_header(&header, MessageEnd::Call, self.seen + 1, events),
            RETURN => self.end_header(&header, MessageEnd::Return, self.seen + 1, events),
            END_OF_TEXT => self.end_header(&header, MessageEnd::Cut, self.seen + 1, events),
            CHANNEL => {
                header.mark(Marker::Channel);
                return State::Header(header);
            }
            CONSTRAIN => {
                header.mark(Marker::Constrain);
                return State::Header(header);
            }
            text => {
                header.push(self.bytes(text));
                return if header.is_hopeless() {
                    State::Body(open(header.read(Closed::No), true, events))
                } else {
                    State::Header(header)
                };
            }
        };
        State::Between
    }

    fn in_body(&mut self, mut body: Body, token: TokenId, events: &mut Vec<HarmonyEvent>) -> State {
        match token {
            END => self.end_body(body, MessageEnd::End, self.seen + 1, events),
            CALL => self.end_body(body, MessageEnd::Call, self.seen + 1, events),
            RETURN => self.end_body(body, MessageEnd::Return, self.seen + 1, events),
            END_OF_TEXT => {
                body.repaired = true;
                self.end_body(body, MessageEnd::Cut, self.seen + 1, events);
            }
            START => {
                body.repaired = true;
                self.end_body(body, MessageEnd::Cut, self.seen, events);
                return State::Header(RawHeader::new(false, false));
            }
            CHANNEL => {
                let mut header = RawHeader::new(true, true);
                header.mark(Marker::Channel);
                return State::Aside {
                    body,
                    header,
                    began: self.seen,
                };
            }
            MESSAGE if body.is_empty() || body.unclosed => {
                body.repaired = true;
                body.unclosed = false;
                return State::Body(body);
            }
            text => {
                body.repaired |= is_special(text);
                body.push(self.bytes(text), events);
                return State::Body(body);
            }
        }
        State::Between
    }

    fn aside(
        &mut self,
        mut body: Body,
        mut header: RawHeader,
        began: usize,
        token: TokenId,
        events: &mut Vec<HarmonyEvent>,
    ) -> State {
        match token {
            CHANNEL => header.mark(Marker::Channel),
            CONSTRAIN => header.mark(Marker::Constrain),
            MESSAGE => {
                let reading = header.read(Closed::ByMessage);
                if names_known_channel(&reading) {
                    body.repaired = true;
                    self.end_body(body, MessageEnd::Cut, began, events);
                    return State::Body(open(reading, false, events));
                }
                return self.not_a_header(body, &header, token, events);
            }
            text if !is_special(text) => {
                header.push(self.bytes(text));
                if !header.may_name_a_channel() || header.is_hopeless() {
                    body.repaired = true;
                    body.push(&header.spelled(), events);
                    return State::Body(body);
                }
            }
            other => return self.not_a_header(body, &header, other, events),
        }
        State::Aside {
            body,
            header,
            began,
        }
    }

    /// The markup was text after all; `token` follows it.
    fn not_a_header(
        &mut self,
        mut body: Body,
        header: &RawHeader,
        token: TokenId,
        events: &mut Vec<HarmonyEvent>,
    ) -> State {
        body.repaired = true;
        body.push(&header.spelled(), events);
        self.in_body(body, token, events)
    }

    /// A header that ended without `<|message|>`. False where it said nothing, and there is no message.
    fn end_header(
        &mut self,
        header: &RawHeader,
        end: MessageEnd,
        until: usize,
        events: &mut Vec<HarmonyEvent>,
    ) -> bool {
        let reading = header.read(Closed::No);
        if !reading.says_something() {
            return false;
        }
        let bare = !reading.decided;
        let mut body = open(reading, true, events);
        body.bare = bare;
        self.end_body(body, end, until, events);
        true
    }

    fn end_body(
        &mut self,
        mut body: Body,
        end: MessageEnd,
        until: usize,
        events: &mut Vec<HarmonyEvent>,
    ) {
        let has_body = !body.bare;
        body.flush(events);
        self.spans.push(MessageSpan {
            tokens: self.began..until,
            header: body.header.clone(),
            end,
            has_body,
        });
        self.began = until;
        let Body {
            header,
            text,
            repaired,
            ..
        } = body;
        events.push(HarmonyEvent::MessageDone(Message {
            header,
            text,
            end,
            repaired,
        }));
    }

    fn bytes(&self, token: TokenId) -> &[u8] {
        self.vocabulary
            .token_bytes(token)
            .unwrap_or("\u{FFFD}".as_bytes())
    }
}

fn open(reading: Reading, unclosed: bool, events: &mut Vec<HarmonyEvent>) -> Body {
    let Reading {
        header,
        residue,
        repaired,
        ..
    } = reading;
    events.push(HarmonyEvent::MessageStarted(header.clone()));
    let mut body = Body {
        header,
        text: String::new(),
        partial: Vec::new(),
        repaired,
        unclosed,
        bare: false,
    };
    body.push(residue.as_bytes(), events);
    body
}

fn names_known_channel(reading: &Reading) -> bool {
    let known = matches!(
        reading.header.channel,
        Some(Channel::Analysis | Channel::Commentary | Channel::Final)
    );
    known && reading.residue.is_empty() && reading.header.role == Role::Assistant
}

impl Body {
    fn is_empty(&self) -> bool {
        self.text.is_empty() && self.partial.is_empty()
    }

    /// Appends bytes and reports the whole characters among them; invalid ones become U+FFFD.
    fn push(&mut self, bytes: &[u8], events: &mut Vec<HarmonyEvent>) {
        let joined;
        let mut rest = if self.partial.is_empty() {
            bytes
        } else {
            self.partial.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.partial);
            &joined
        };
        let from = self.text.len();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    self.text.push_str(valid);
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    self.text.push_str(&String::from_utf8_lossy(valid));
                    let Some(invalid) = error.error_len() else {
                        self.partial = after.to_vec();
                        break;
                    };
                    self.text.push('\u{FFFD}');
                    rest = after.get(invalid..).unwrap_or_default();
                }
            }
        }
        self.report(from, events);
    }

    /// No more bytes will come: half a character is an invalid one.
    fn flush(&mut self, events: &mut Vec<HarmonyEvent>) {
        let from = self.text.len();
        if !std::mem::take(&mut self.partial).is_empty() {
            self.text.push('\u{FFFD}');
        }
        self.report(from, events);
    }

    fn report(&self, from: usize, events: &mut Vec<HarmonyEvent>) {
        if let Some(delta) = self.text.get(from..).filter(|delta| !delta.is_empty()) {
            events.push(HarmonyEvent::TextDelta(delta.into()));
        }
    }
}
