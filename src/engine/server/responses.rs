//! `/v1/responses`, streamed (<https://platform.openai.com/docs/api-reference/responses-streaming>). Nothing is kept at
//! the server: every request tells the whole conversation.

use super::adapter::{Adapter, Reading, figures};
use super::chat::Habits;
use super::compose::Composer;
use super::dialogue::{Said, instructions, offered, said};
use super::fault::{Fault, error_of};
use crate::engine::{GenerateRequest, StopReason};
use crate::harmony::vocab::Vocabulary;
use serde_json::{Value, json};
use std::sync::Arc;

/// The body of a request.
pub(super) fn body(
    model: &str,
    request: &GenerateRequest,
    vocabulary: &Arc<Vocabulary>,
    habits: &Habits,
    limit: usize,
) -> Value {
    let system = match &request.spec {
        Some(spec) => spec.instructions.trim_end().to_owned(),
        None => instructions(vocabulary, &request.prompt),
    };
    let input: Vec<Value> = said(vocabulary, &request.prompt)
        .into_iter()
        .enumerate()
        .map(|(number, said)| item(number, said))
        .collect();
    let mut body = json!({
        "model": model,
        "instructions": system,
        "input": input,
        "stream": true,
        "store": false,
        "max_output_tokens": limit,
        "temperature": request.sampling.temperature,
        "top_p": request.sampling.top_p,
    });
    let Some(spec) = &request.spec else {
        return body;
    };
    if !habits.refuses_effort() {
        body["reasoning"] = json!({"effort": spec.effort.as_str()});
    }
    let tools: Vec<Value> = offered(spec)
        .into_iter()
        .map(|tool| {
            json!({
                "type": "function", "name": tool.name, "description": tool.description,
                "parameters": tool.parameters, "strict": false,
            })
        })
        .collect();
    if !tools.is_empty() {
        body["tools"] = json!(tools);
        body["parallel_tool_calls"] = json!(false);
    }
    body
}

fn item(number: usize, said: Said) -> Value {
    match said {
        Said::User(text) => json!({
            "type": "message", "role": "user", "content": [{"type": "input_text", "text": text}],
        }),
        Said::Reasoning(text) => json!({
            "type": "reasoning", "id": format!("rs_{number}"), "summary": [],
            "content": [{"type": "reasoning_text", "text": text}],
        }),
        Said::Text(text) => json!({
            "type": "message", "id": format!("msg_{number}"), "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }),
        Said::Call {
            id,
            name,
            arguments,
        } => json!({
            "type": "function_call", "id": format!("fc_{number}"), "call_id": id, "name": name,
            "arguments": arguments, "status": "completed",
        }),
        Said::Result { id, text } => json!({
            "type": "function_call_output", "call_id": id, "output": text,
        }),
    }
}

/// One item of the output: what of it was told already.
#[derive(Debug)]
struct OutputItem {
    kind: Kind,
    /// Of a call.
    name: String,
    /// By deltas: its end tells it once more, and may come behind the items after it.
    told: bool,
    done: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reasoning,
    Message,
    Call,
}

pub(super) struct Responses {
    composer: Composer,
    items: Vec<OutputItem>,
}

impl Responses {
    pub(super) fn new(vocabulary: Arc<Vocabulary>) -> Responses {
        Responses {
            composer: Composer::new(vocabulary),
            items: Vec::new(),
        }
    }

    /// An item begins. A call is begun with its first argument: only then is it sure that no other comes before.
    fn added(&mut self, item: &Value) -> Result<(), Fault> {
        if let Some(kind) = kind(item) {
            let name = item.get("name").and_then(Value::as_str).unwrap_or("");
            if kind == Kind::Call && name.is_empty() {
                return Err(Fault::Unreadable(
                    "a function call without a name".to_owned(),
                ));
            }
            self.items.push(OutputItem {
                kind,
                name: name.to_owned(),
                told: false,
                done: false,
            });
        }
        Ok(())
    }

    /// The latest item of this kind, which a delta belongs to, and whether this is its first. Text needs no beginning.
    fn delta(&mut self, kind: Kind) -> Option<(&str, bool)> {
        let open = |item: &OutputItem| item.kind == kind && !item.done;
        if kind != Kind::Call && !self.items.iter().any(open) {
            self.items.push(OutputItem {
                kind,
                name: String::new(),
                told: false,
                done: false,
            });
        }
        let item = self.items.iter_mut().rfind(|item| open(item))?;
        let first = !std::mem::replace(&mut item.told, true);
        Some((&item.name, first))
    }

    /// An item that is complete: what its deltas did not tell. They end in the order in which they began.
    fn done(&mut self, item: &Value, reading: &mut Reading) -> Result<(), Fault> {
        let Some(kind) = kind(item) else {
            return Ok(());
        };
        let open = |open: &&mut OutputItem| open.kind == kind && !open.done;
        if !self
            .items
            .iter_mut()
            .any(|item| item.kind == kind && !item.done)
        {
            self.added(item)?;
        }
        if let Some(open) = self.items.iter_mut().find(open) {
            open.done = true;
            if open.told {
                return Ok(());
            }
        }
        let part = |list: &str| {
            let parts = item
                .get(list)
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            let texts = parts.filter_map(|part| part.get("text")?.as_str());
            texts.collect::<String>()
        };
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or("");
        match kind {
            Kind::Message => self.composer.text(&part("content"), &mut reading.tokens),
            Kind::Reasoning => {
                let whole = part("content");
                let told = if whole.is_empty() {
                    part("summary")
                } else {
                    whole
                };
                self.composer.reasoning(&told, &mut reading.tokens);
            }
            Kind::Call => {
                self.composer.call(text("name"), &mut reading.tokens);
                self.composer
                    .arguments(text("arguments"), &mut reading.tokens);
            }
        }
        Ok(())
    }

    fn over(&mut self, event: &Value, stop: StopReason, reading: &mut Reading) {
        if let Some(usage) = event.pointer("/response/usage") {
            reading.figures = figures(usage);
        }
        self.composer.end(stop, &mut reading.tokens);
        reading.end = Some(stop);
    }
}

impl Adapter for Responses {
    fn take(&mut self, event: &Value, reading: &mut Reading) -> Result<(), Fault> {
        let kind = event.get("type").and_then(Value::as_str).unwrap_or("");
        let delta = event.get("delta").and_then(Value::as_str).unwrap_or("");
        match kind {
            "response.output_item.added" => {
                self.added(event.get("item").unwrap_or(&Value::Null))?;
            }
            "response.reasoning_text.delta"
            | "response.reasoning.delta"
            | "response.reasoning_summary_text.delta" => {
                self.delta(Kind::Reasoning);
                self.composer.reasoning(delta, &mut reading.tokens);
            }
            "response.output_text.delta" | "response.refusal.delta" => {
                self.delta(Kind::Message);
                self.composer.text(delta, &mut reading.tokens);
            }
            "response.function_call_arguments.delta" => {
                let Some((name, first)) = self.delta(Kind::Call) else {
                    return Err(Fault::Unreadable(
                        "arguments of a function call that was not begun".to_owned(),
                    ));
                };
                let name = name.to_owned();
                if first {
                    self.composer.call(&name, &mut reading.tokens);
                } else if !self.composer.is_in_call() {
                    return Err(Fault::Unreadable(
                        "arguments of a function call that is over".to_owned(),
                    ));
                }
                self.composer.arguments(delta, &mut reading.tokens);
            }
            "response.output_item.done" => {
                if let Some(item) = event.get("item") {
                    self.done(item, reading)?;
                }
            }
            "response.completed" => self.over(event, StopReason::Stop, reading),
            "response.incomplete" => {
                let reason = event.pointer("/response/incomplete_details/reason");
                match reason.and_then(Value::as_str) {
                    Some("max_output_tokens" | "max_tokens" | "length") | None => {
                        self.over(event, StopReason::Length, reading);
                    }
                    Some(other) => {
                        return Err(Fault::Said(format!(
                            "it ended the generation: {}",
                            super::fault::quoted(other)
                        )));
                    }
                }
            }
            "response.failed" | "error" => {
                let response = event.get("response").unwrap_or(event);
                let said = error_of(response).unwrap_or_else(|| "it does not say why".to_owned());
                return Err(Fault::Said(said));
            }
            // Parts and the echoes of what the deltas said.
            _ => {}
        }
        Ok(())
    }
}

fn kind(item: &Value) -> Option<Kind> {
    match item.get("type")?.as_str()? {
        "reasoning" => Some(Kind::Reasoning),
        "message" => Some(Kind::Message),
        "function_call" => Some(Kind::Call),
        _ => None,
    }
}
