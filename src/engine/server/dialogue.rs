//! A rendered prompt read back as messages, for the servers that are told messages.
//!
//! The prompt is the one truth of what the model is told: what `harmony::render` dropped (old reasoning, a header that
//! was cut) is not told here either. Only the fixed part is taken from its own description, where the schemas are.

use crate::conversation::{Channel, FunctionSpec, Message, MessageEnd, PromptSpec, Role, TokenId};
use crate::harmony::HarmonyEvent;
use crate::harmony::parse::Parser;
use crate::harmony::vocab::{END, Vocabulary};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    User(String),
    Reasoning(String),
    /// What the model told the user.
    Text(String),
    Call {
        id: String,
        name: String,
        /// JSON.
        arguments: String,
    },
    Result {
        id: String,
        text: String,
    },
}

/// The messages of a prompt behind its fixed part, in order. Every call has its result: one without is left out, and
/// a result without a call is told by the user.
pub(super) fn said(vocabulary: &Arc<Vocabulary>, prompt: &[TokenId]) -> Vec<Said> {
    let mut all = Vec::new();
    // Calls without a result yet: their place, and whose they are.
    let mut waiting: VecDeque<(usize, String)> = VecDeque::new();
    let mut calls = 0;
    for message in messages(vocabulary, prompt) {
        let Message {
            header, text, end, ..
        } = message;
        match header.role {
            Role::System | Role::Developer => {}
            Role::User => all.push(Said::User(text)),
            Role::Assistant => match (header.recipient, header.channel) {
                // One that was cut was never made.
                (Some(_), _) if end != MessageEnd::Call => {}
                (Some(recipient), _) => {
                    calls += 1;
                    let name = bare(&recipient).to_owned();
                    waiting.push_back((all.len(), name.clone()));
                    all.push(Said::Call {
                        id: format!("call_{calls}"),
                        arguments: arguments(&name, text),
                        name,
                    });
                }
                (None, Some(Channel::Analysis)) => all.push(Said::Reasoning(text)),
                (None, Some(Channel::Commentary | Channel::Final | Channel::Other(_)) | None) => {
                    all.push(Said::Text(text));
                }
            },
            Role::Tool(tool) => {
                let named = waiting.iter().position(|(_, name)| name == bare(&tool));
                let call = waiting.remove(named.unwrap_or(0));
                let id = call.and_then(|(at, _)| match all.get(at) {
                    Some(Said::Call { id, .. }) => Some(id.clone()),
                    _ => None,
                });
                all.push(match id {
                    Some(id) => Said::Result { id, text },
                    None => Said::User(format!("{tool} answered:\n{text}")),
                });
            }
        }
    }
    for (at, _) in waiting.into_iter().rev() {
        all.remove(at);
    }
    all
}

/// What the system and developer messages of a prompt say, where nothing else tells it.
pub(super) fn instructions(vocabulary: &Arc<Vocabulary>, prompt: &[TokenId]) -> String {
    let texts: Vec<String> = messages(vocabulary, prompt)
        .into_iter()
        .filter(|message| matches!(message.header.role, Role::System | Role::Developer))
        .map(|message| message.text)
        .collect();
    texts.join("\n\n")
}

/// A prompt's messages.
fn messages(vocabulary: &Arc<Vocabulary>, prompt: &[TokenId]) -> Vec<Message> {
    let mut parser = Parser::new(vocabulary);
    let mut events = Vec::new();
    // It begins inside a generation; a prompt does not.
    parser.push(END, &mut events);
    for &token in prompt {
        parser.push(token, &mut events);
    }
    parser.finish(&mut events);
    events
        .into_iter()
        .filter_map(|event| match event {
            HarmonyEvent::MessageDone(message) => Some(message),
            HarmonyEvent::MessageStarted(_) | HarmonyEvent::TextDelta(_) => None,
        })
        .collect()
}

fn bare(name: &str) -> &str {
    let name = name.split([' ', '<']).next().unwrap_or(name);
    name.strip_prefix("functions.").unwrap_or(name)
}

/// Arguments as the JSON object that these protocols have: raw text goes into its one field.
fn arguments(name: &str, text: String) -> String {
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(_)) => text,
        Ok(_) | Err(_) => json!({ field(name): text }).to_string(),
    }
}

/// The field of a tool that takes one text.
fn field(name: &str) -> &'static str {
    if name == "python" { "code" } else { "input" }
}

/// A tool on offer: its name, what it is for, and the JSON schema of its arguments.
pub(super) struct Offered {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) parameters: Value,
}

pub(super) fn offered(spec: &PromptSpec) -> Vec<Offered> {
    let python = spec.python.as_ref().map(|description| FunctionSpec {
        name: "python".to_owned(),
        description: description.trim_end().to_owned(),
        parameters: None,
    });
    let all = spec.functions.iter().cloned().chain(python);
    all.map(|function| Offered {
        parameters: function.parameters.unwrap_or_else(|| {
            let field = field(&function.name);
            json!({"type": "object", "properties": {field: {"type": "string"}}, "required": [field]})
        }),
        name: function.name,
        description: function.description,
    })
    .collect()
}
