//! `/v1/chat/completions`, streamed (<https://platform.openai.com/docs/api-reference/chat-streaming>), with reasoning
//! beside the text: `reasoning_content` (llama.cpp, SGLang, mistral.rs, older vLLM) or `reasoning` (Ollama, LM Studio,
//! vLLM from 0.12).

use super::adapter::{Adapter, Reading, figures};
use super::compose::Composer;
use super::dialogue::{Said, instructions, offered, said};
use super::fault::Fault;
use crate::engine::{GenerateRequest, StopReason};
use crate::harmony::vocab::Vocabulary;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a server was found to be like.
#[derive(Debug, Default)]
pub(super) struct Habits {
    /// It calls reasoning `reasoning`, not `reasoning_content`.
    reasoning: AtomicBool,
    /// It takes no effort.
    no_effort: AtomicBool,
}

impl Habits {
    pub(super) fn refuses_effort(&self) -> bool {
        self.no_effort.load(Ordering::Relaxed)
    }

    /// Never again.
    pub(super) fn leave_effort_out(&self) {
        self.no_effort.store(true, Ordering::Relaxed);
    }
}

/// The body of a request.
pub(super) fn body(
    model: &str,
    request: &GenerateRequest,
    vocabulary: &Arc<Vocabulary>,
    habits: &Habits,
    limit: usize,
) -> Value {
    let mut body = json!({
        "model": model,
        "messages": messages(request, vocabulary, habits),
        "stream": true,
        "stream_options": {"include_usage": true},
        "max_tokens": limit,
        "temperature": request.sampling.temperature,
        "top_p": request.sampling.top_p,
        "seed": request.sampling.seed & 0x7FFF_FFFF,
    });
    if request.sampling.min_p > 0.0 {
        body["min_p"] = json!(request.sampling.min_p);
    }
    let Some(spec) = &request.spec else {
        return body;
    };
    if !habits.refuses_effort() {
        let effort = spec.effort.as_str();
        body["reasoning_effort"] = json!(effort);
        // Where a template is told, not the server.
        body["chat_template_kwargs"] = json!({"reasoning_effort": effort});
    }
    let tools: Vec<Value> = offered(spec)
        .into_iter()
        .map(|tool| {
            json!({"type": "function", "function": {
                "name": tool.name, "description": tool.description, "parameters": tool.parameters,
            }})
        })
        .collect();
    if !tools.is_empty() {
        body["tools"] = json!(tools);
        body["parallel_tool_calls"] = json!(false);
    }
    body
}

fn messages(
    request: &GenerateRequest,
    vocabulary: &Arc<Vocabulary>,
    habits: &Habits,
) -> Vec<Value> {
    let system = match &request.spec {
        Some(spec) => spec.instructions.trim_end().to_owned(),
        None => instructions(vocabulary, &request.prompt),
    };
    let reasoning = if habits.reasoning.load(Ordering::Relaxed) {
        "reasoning"
    } else {
        "reasoning_content"
    };
    let mut messages = vec![json!({"role": "system", "content": system})];
    // What the model said up to the next word of somebody else is one message.
    let mut own = Own::default();
    for said in said(vocabulary, &request.prompt) {
        let other = match said {
            Said::Reasoning(text) => {
                join(own.reasoning.get_or_insert_default(), &text);
                continue;
            }
            Said::Text(text) => {
                join(own.text.get_or_insert_default(), &text);
                continue;
            }
            Said::Call {
                id,
                name,
                arguments,
            } => {
                own.calls.push(json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}));
                continue;
            }
            Said::User(text) => json!({"role": "user", "content": text}),
            Said::Result { id, text } => {
                json!({"role": "tool", "tool_call_id": id, "content": text})
            }
        };
        messages.extend(std::mem::take(&mut own).message(reasoning));
        messages.push(other);
    }
    messages.extend(own.message(reasoning));
    messages
}

#[derive(Debug, Default)]
struct Own {
    reasoning: Option<String>,
    text: Option<String>,
    calls: Vec<Value>,
}

impl Own {
    fn message(self, reasoning: &str) -> Option<Value> {
        if self.reasoning.is_none() && self.text.is_none() && self.calls.is_empty() {
            return None;
        }
        let mut message = Map::new();
        message.insert("role".to_owned(), json!("assistant"));
        message.insert("content".to_owned(), json!(self.text.unwrap_or_default()));
        if let Some(text) = self.reasoning {
            message.insert(reasoning.to_owned(), json!(text));
        }
        if !self.calls.is_empty() {
            message.insert("tool_calls".to_owned(), json!(self.calls));
        }
        Some(Value::Object(message))
    }
}

fn join(text: &mut String, more: &str) {
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(more);
}

pub(super) struct Chat {
    composer: Composer,
    habits: Arc<Habits>,
    /// The call that is being told: its index and id, as far as the server says them.
    call: Option<(Option<u64>, String)>,
    /// Why it is over, before the figures came.
    stop: Option<StopReason>,
}

impl Chat {
    pub(super) fn new(vocabulary: Arc<Vocabulary>, habits: Arc<Habits>) -> Chat {
        Chat {
            composer: Composer::new(vocabulary),
            habits,
            call: None,
            stop: None,
        }
    }

    fn call(&mut self, delta: &Value, reading: &mut Reading) -> Result<(), Fault> {
        let index = delta.get("index").and_then(Value::as_u64);
        let id = delta.get("id").and_then(Value::as_str).unwrap_or("");
        let function = delta.get("function").unwrap_or(&Value::Null);
        let name = function.get("name").and_then(Value::as_str).unwrap_or("");
        let same = self.composer.is_in_call()
            && self.call.as_ref().is_some_and(|(old_index, old_id)| {
                let same_id = id.is_empty() || id == old_id;
                *old_index == index && same_id && (name.is_empty() || !id.is_empty())
            });
        if !same {
            if name.is_empty() {
                return Err(Fault::Unreadable(
                    "arguments of a tool call that was not begun, or is over".to_owned(),
                ));
            }
            self.composer.call(name, &mut reading.tokens);
            self.call = Some((index, id.to_owned()));
        }
        match function.get("arguments") {
            Some(Value::String(text)) => self.composer.arguments(text, &mut reading.tokens),
            // Some write the object itself.
            Some(object @ Value::Object(_)) => {
                self.composer
                    .arguments(&object.to_string(), &mut reading.tokens);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Adapter for Chat {
    fn take(&mut self, event: &Value, reading: &mut Reading) -> Result<(), Fault> {
        if let Some(usage) = event.get("usage").filter(|usage| usage.is_object()) {
            reading.figures = figures(usage);
        }
        let Some(choice) = event.get("choices").and_then(|choices| choices.get(0)) else {
            return Ok(());
        };
        let delta = choice.get("delta").unwrap_or(&Value::Null);
        let text = |name: &str| {
            delta
                .get(name)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        if let Some(reasoning) = text("reasoning_content") {
            self.composer.reasoning(reasoning, &mut reading.tokens);
        } else if let Some(reasoning) = text("reasoning") {
            self.habits.reasoning.store(true, Ordering::Relaxed);
            self.composer.reasoning(reasoning, &mut reading.tokens);
        }
        if let Some(content) = text("content").or_else(|| text("refusal")) {
            self.composer.text(content, &mut reading.tokens);
        }
        for call in delta
            .get("tool_calls")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            self.call(call, reading)?;
        }
        if let (Some(reason), None) = (
            choice.get("finish_reason").and_then(Value::as_str),
            self.stop,
        ) {
            let stop = match reason {
                "length" => StopReason::Length,
                "stop" | "tool_calls" | "function_call" => StopReason::Stop,
                other => {
                    return Err(Fault::Said(format!(
                        "it ended the generation: {}",
                        super::fault::quoted(other)
                    )));
                }
            };
            self.composer.end(stop, &mut reading.tokens);
            self.stop = Some(stop);
            reading.end = Some(stop);
        }
        Ok(())
    }
}
