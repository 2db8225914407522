//! One generation's Harmony events, read as what they mean for a turn.
//!
//! Pure: events in, [`AgentEvent`]s out, and the calls and the answer kept for the turn.

use super::AgentEvent;
use super::stop::Stops;
use crate::conversation::{CallId, Channel, Header, Message, MessageEnd, Role};
use crate::harmony::HarmonyEvent;
use crate::tools::{Tool, recipient_name};

/// A tool call as the model wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) id: CallId,
    pub(super) recipient: String,
    pub(super) arguments: String,
    /// Only `<|call|>` makes it one that runs.
    pub(super) end: MessageEnd,
}

/// What kind of message is open.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Open {
    Reasoning,
    Answer { is_final: bool },
    Call { id: CallId, tool: String },
}

/// Reads one generation.
#[derive(Debug)]
pub(super) struct Stream {
    next_call: CallId,
    open: Option<Open>,
    pub(super) calls: Vec<Call>,
    /// The text of the message that ends the turn, once it is complete.
    pub(super) answer: Option<String>,
    /// Something was generated that the user or the model will refer to.
    pub(super) began: bool,
    stops: Stops,
    /// The answer came to one of the texts at which it ends: what the engine still says is not heard.
    pub(super) stopped: bool,
}

impl Stream {
    /// `next_call` numbers the first call of this generation; the others follow.
    pub(super) fn new(next_call: CallId, stops: Stops) -> Stream {
        Stream {
            next_call,
            open: None,
            calls: Vec::new(),
            answer: None,
            began: false,
            stops,
            stopped: false,
        }
    }

    /// The event's meaning for the consumer, if it has one.
    pub(super) fn take(&mut self, event: HarmonyEvent) -> Option<AgentEvent> {
        self.began = true;
        // An engine may have said more before it heard of the end: a call among it must not run.
        if self.stopped && self.answer.is_some() {
            return None;
        }
        match event {
            HarmonyEvent::MessageStarted(header) => {
                self.open = Some(self.kind(&header));
                None
            }
            HarmonyEvent::TextDelta(_) if self.stopped => None,
            HarmonyEvent::TextDelta(text) => self.open.as_ref().map(|open| match open {
                Open::Reasoning => AgentEvent::ReasoningDelta(text),
                Open::Answer { is_final } => {
                    self.stopped = *is_final && self.stops.take(&text);
                    AgentEvent::AnswerDelta(text)
                }
                Open::Call { id, tool } => AgentEvent::ToolCallDelta {
                    call: *id,
                    tool: tool.clone(),
                    delta: text,
                },
            }),
            HarmonyEvent::MessageDone(message) => self.done(message),
        }
    }

    fn kind(&mut self, header: &Header) -> Open {
        // A message that claims another role is the model telling itself a tale: shown, never run.
        if header.role != Role::Assistant {
            return Open::Answer { is_final: false };
        }
        if let Some(recipient) = &header.recipient {
            let id = self.next_call;
            self.next_call = CallId(id.0 + 1);
            return Open::Call {
                id,
                tool: shown_tool(recipient),
            };
        }
        match header.channel {
            Some(Channel::Analysis) => Open::Reasoning,
            Some(Channel::Final) => Open::Answer { is_final: true },
            Some(Channel::Commentary | Channel::Other(_)) | None => {
                Open::Answer { is_final: false }
            }
        }
    }

    fn done(&mut self, message: Message) -> Option<AgentEvent> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.kind(&message.header),
        };
        match open {
            Open::Reasoning => Some(AgentEvent::ReasoningDone(message.text)),
            Open::Answer { is_final } => {
                // A generation that ends with a message to the user ends the turn, whatever its channel.
                let whole_final = is_final && (message.end != MessageEnd::Cut || self.stopped);
                let last = message.header.role == Role::Assistant
                    && (whole_final || message.end == MessageEnd::Return);
                let text = if is_final && self.stopped {
                    self.stops.said().to_owned()
                } else {
                    message.text
                };
                if last {
                    self.answer = Some(text.clone());
                }
                self.stops.forget();
                Some(AgentEvent::AnswerDone { text, last })
            }
            Open::Call { id, .. } => {
                self.calls.push(Call {
                    id,
                    recipient: message.header.recipient.unwrap_or_default(),
                    arguments: message.text,
                    end: message.end,
                });
                None
            }
        }
    }
}

/// The tool's plain name where the recipient means one of ours, else what it says.
pub(super) fn shown_tool(recipient: &str) -> String {
    Tool::from_recipient(recipient)
        .map_or_else(|| recipient_name(recipient), |tool| tool.name().to_owned())
}
