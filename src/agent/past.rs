//! What was said and done earlier, as a consumer shows it: the records of a conversation, read again.
//!
//! Pure: records in, the events of the time out, whole where they streamed. Also who still waits for an
//! answer: a killed process leaves calls without one, and the model must never see such a call.

mod kept;

pub(super) use kept::{kept, parts};

use super::shell::Told;
use super::stop::Stops;
use super::stream::{Call, Stream, shown_tool};
use super::{AgentEvent, ToolStatus};
use crate::conversation::{CallId, Item, MessageEnd, TokenId, TurnId, Usage};
use crate::harmony::parse::Parser;
use crate::harmony::vocab::Vocabulary;
use crate::patch::{Decisions, Plan};
use crate::session::{CallEnd, Entry, Record, TurnEnd};
use crate::tools::{self, Tool};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// One thing that was shown.
#[derive(Debug, Clone)]
pub enum Past {
    /// As it would come now.
    Event(AgentEvent),
    /// A patch and what was decided about it.
    Reviewed {
        /// Without the files' images.
        plan: Box<Plan>,
        decisions: Decisions,
        checkpoint: Option<u64>,
        declined: usize,
    },
    /// The end of a turn.
    Ended {
        end: TurnEnd,
        usage: Usage,
        elapsed: Duration,
    },
}

/// A conversation read again.
#[derive(Debug, Default)]
pub(super) struct Retold {
    pub(super) past: Vec<Past>,
    /// Calls of the last generation without an answer.
    pub(super) unanswered: Vec<Unanswered>,
    /// The turn that has no end.
    pub(super) unended: Option<TurnId>,
    /// The highest number that a call was given.
    pub(super) calls: u64,
    /// How many calls were made.
    made: u64,
}

/// A call that was made and not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unanswered {
    pub(super) call: CallId,
    pub(super) recipient: String,
    /// What it had printed.
    pub(super) output: String,
}

struct Reader<'a> {
    vocabulary: &'a Arc<Vocabulary>,
    out: Retold,
    part: Vec<TokenId>,
    /// Made and not begun.
    waiting: VecDeque<Call>,
    /// Begun and not answered, with its output so far and how it ended.
    open: Option<Open>,
    /// Commands of the user's own.
    commands: u64,
}

struct Open {
    call: CallId,
    recipient: String,
    output: String,
    end: Option<(CallEnd, Option<i32>, f64)>,
}

/// Reads the records that still belong to the conversation.
pub(super) fn retell(records: &[Record], vocabulary: &Arc<Vocabulary>) -> Retold {
    retell_part(&kept(records), 0, vocabulary)
}

/// Reads a part of the records that belong to the conversation, from the beginning of a turn on, after so many calls.
/// Without that number only those calls may be numbered otherwise that were cut off while they were written.
pub(super) fn retell_part(records: &[&Record], calls: u64, vocabulary: &Arc<Vocabulary>) -> Retold {
    let mut reader = Reader {
        vocabulary,
        out: Retold {
            calls,
            ..Retold::default()
        },
        part: Vec::new(),
        waiting: VecDeque::new(),
        open: None,
        commands: 0,
    };
    for record in records {
        reader.read(record);
    }
    reader.generated(None);
    let begun = reader.open.take().map(|open| Unanswered {
        call: open.call,
        recipient: open.recipient,
        output: open.output,
    });
    let waiting = reader.waiting.drain(..).map(|call| Unanswered {
        call: call.id,
        recipient: call.recipient,
        output: String::new(),
    });
    reader.out.unanswered = begun.into_iter().chain(waiting).collect();
    reader.out
}

impl Retold {
    /// The highest number, had there been `calls` before; read with none.
    pub(super) fn calls_after(&self, calls: u64) -> u64 {
        self.calls.max(calls + self.made)
    }
}

impl Reader<'_> {
    fn read(&mut self, record: &Record) {
        match record {
            Record::Tokens { tokens, last } => {
                self.part.extend_from_slice(tokens);
                if *last {
                    self.generated(None);
                }
                return;
            }
            Record::Said { .. } => {}
            Record::Item(Entry {
                entry: Item::Generated { tokens },
            }) => return self.generated(Some(tokens)),
            Record::Item(_)
            | Record::Output { .. }
            | Record::TurnStarted { .. }
            | Record::TurnEnded { .. }
            | Record::CallEnded { .. }
            | Record::Reviewed { .. }
            | Record::Prompt { .. }
            | Record::Rewound { .. }
            | Record::Compacted { .. }
            | Record::Cleared => self.generated(None),
        }
        match record {
            Record::TurnStarted { turn, prompt } => self.turn(*turn, prompt.as_deref()),
            Record::TurnEnded {
                usage,
                end,
                seconds,
                ..
            } => {
                self.out.unended = None;
                self.out.past.push(Past::Ended {
                    end: end.clone(),
                    usage: *usage,
                    elapsed: Duration::try_from_secs_f64(*seconds).unwrap_or_default(),
                });
            }
            Record::Item(Entry { entry }) => self.item(entry),
            Record::Output { call, text } => {
                self.begin(*call);
                if let Some(open) = &mut self.open {
                    open.output.push_str(text);
                }
                self.tell(AgentEvent::ToolOutput {
                    call: *call,
                    text: text.clone(),
                });
            }
            Record::CallEnded {
                call,
                end,
                exit_code,
                seconds,
            } => {
                self.begin(*call);
                if let Some(open) = &mut self.open {
                    open.end = Some((*end, *exit_code, *seconds));
                }
            }
            Record::Reviewed {
                call,
                checkpoint,
                declined,
                plan,
                decisions,
            } => {
                self.begin(*call);
                let plan = serde_json::from_value(plan.clone());
                let decisions = serde_json::from_value(decisions.clone());
                match (plan, decisions) {
                    (Ok(plan), Ok(decisions)) => self.out.past.push(Past::Reviewed {
                        plan,
                        decisions,
                        checkpoint: *checkpoint,
                        declined: *declined,
                    }),
                    (Err(error), _) | (_, Err(error)) => self.tell(AgentEvent::Problem(format!(
                        "a review on record cannot be shown: {error}"
                    ))),
                }
            }
            Record::Said { text, problem } => self.tell(if *problem {
                AgentEvent::Problem(text.clone())
            } else {
                AgentEvent::Notice(text.clone())
            }),
            Record::Compacted {
                tokens_before,
                tokens_after,
                ..
            } => self.tell(AgentEvent::Notice(compacted(*tokens_before, *tokens_after))),
            Record::Tokens { .. }
            | Record::Prompt { .. }
            | Record::Rewound { .. }
            | Record::Cleared => {}
        }
    }

    fn tell(&mut self, event: AgentEvent) {
        self.out.past.push(Past::Event(event));
    }

    fn turn(&mut self, turn: TurnId, prompt: Option<&str>) {
        // A turn without an end was cut off by the end of the process.
        self.waiting.clear();
        self.open = None;
        self.out.unended = Some(turn);
        if let Some(prompt) = prompt {
            self.tell(AgentEvent::TurnStarted {
                turn,
                prompt: prompt.to_owned(),
            });
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::User { text } => {
                // Version 1 had the question here alone; later ones have it where the turn begins.
                let told = self.out.past.last().is_some_and(|past| {
                    matches!(past, Past::Event(AgentEvent::TurnStarted { .. }))
                });
                if let (false, Some(turn)) = (told, self.out.unended)
                    && !self.began(turn)
                {
                    self.turn(turn, Some(text));
                }
            }
            // A command of the user's own; what a message mentioned was said by a notice.
            Item::Attached { name, text } => {
                if let Some(told) = Told::read(name, text) {
                    self.commands += 1;
                    let events = told.events(self.commands);
                    self.out.past.extend(events.into_iter().map(Past::Event));
                }
            }
            Item::Generated { .. } => {}
            Item::ToolResult { call, text, .. } => self.answered(*call, text),
        }
    }

    fn began(&self, wanted: TurnId) -> bool {
        self.out.past.iter().rev().any(
            |past| matches!(past, Past::Event(AgentEvent::TurnStarted { turn, .. }) if *turn == wanted),
        )
    }

    /// A generation is complete: `whole`, or what was gathered of it.
    fn generated(&mut self, whole: Option<&[TokenId]>) {
        let part = std::mem::take(&mut self.part);
        let tokens = whole.unwrap_or(&part);
        if tokens.is_empty() {
            return;
        }
        let mut parser = Parser::new(self.vocabulary);
        let mut stream = Stream::new(CallId(self.out.calls + 1), Stops::default());
        let mut events = Vec::new();
        for &token in tokens {
            parser.push(token, &mut events);
            self.whole_messages(&mut events, &mut stream);
        }
        parser.finish(&mut events);
        self.whole_messages(&mut events, &mut stream);
        self.out.calls += stream.calls.len() as u64;
        self.out.made += stream.calls.len() as u64;
        self.waiting.clear();
        for call in stream.calls {
            if call.end == MessageEnd::Cut {
                // It was on screen while it was written.
                self.tell(AgentEvent::ToolCallDelta {
                    call: call.id,
                    tool: shown_tool(&call.recipient),
                    delta: call.arguments,
                });
            } else {
                self.waiting.push_back(call);
            }
        }
    }

    fn whole_messages(
        &mut self,
        events: &mut Vec<crate::harmony::HarmonyEvent>,
        stream: &mut Stream,
    ) {
        for event in events.drain(..) {
            let event = stream.take(event);
            if let Some(event @ (AgentEvent::ReasoningDone(_) | AgentEvent::AnswerDone { .. })) =
                event
            {
                self.tell(event);
            }
        }
    }

    /// The call with this number runs; which one it is, the order says.
    fn begin(&mut self, id: CallId) {
        if self.open.as_ref().is_some_and(|open| open.call == id) {
            return;
        }
        let Some(call) = self.waiting.pop_front() else {
            return;
        };
        self.out.calls = self.out.calls.max(id.0);
        let tool = Tool::from_recipient(&call.recipient);
        let shown = shown_tool(&call.recipient);
        self.tell(AgentEvent::ToolStarted {
            call: id,
            summary: match tool {
                Some(tool) => tools::summary(tool, &call.arguments),
                None => format!("call {shown}"),
            },
            tool: shown,
            arguments: tool.map_or(call.arguments.clone(), |tool| {
                tools::shown(tool, &call.arguments)
            }),
        });
        self.open = Some(Open {
            call: id,
            recipient: call.recipient,
            output: String::new(),
            end: None,
        });
    }

    fn answered(&mut self, id: CallId, text: &str) {
        self.begin(id);
        let Some(open) = self.open.take() else {
            return;
        };
        let (end, exit_code, seconds) = open.end.unwrap_or((
            if text.starts_with("Error: ") {
                CallEnd::Failed
            } else {
                CallEnd::Completed
            },
            None,
            0.0,
        ));
        self.tell(AgentEvent::ToolFinished {
            call: id,
            status: status(end),
            output: text.to_owned(),
            exit_code,
            elapsed: Duration::try_from_secs_f64(seconds).unwrap_or_default(),
        });
    }
}

pub(super) fn compacted(before: usize, after: usize) -> String {
    format!(
        "The conversation was compacted: {before} tokens became {after}. What was said before is on record and no longer told to the model."
    )
}

pub(super) fn call_end(status: &ToolStatus) -> CallEnd {
    match status {
        ToolStatus::Completed => CallEnd::Completed,
        ToolStatus::Failed => CallEnd::Failed,
        ToolStatus::Declined => CallEnd::Declined,
    }
}

fn status(end: CallEnd) -> ToolStatus {
    match end {
        CallEnd::Completed => ToolStatus::Completed,
        CallEnd::Failed => ToolStatus::Failed,
        CallEnd::Declined => ToolStatus::Declined,
    }
}
