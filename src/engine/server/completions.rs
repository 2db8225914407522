//! `/v1/completions` of vLLM: token ids in, token ids out
//! (<https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html>, `CompletionRequest`).
//!
//! Ids come as `token_ids` where `return_token_ids` is known (0.10.2), else as the tokens of `logprobs`, spelled
//! `token_id:N` with `return_tokens_as_token_ids` (0.6.3). The stop token is among them.

use super::adapter::{Adapter, Reading, figures, ids};
use super::fault::Fault;
use crate::conversation::TokenId;
use crate::engine::codec::Codec;
use crate::engine::{Sampling, StopReason};
use crate::harmony::vocab;
use serde_json::{Value, json};
use std::sync::Arc;

/// How the server tells ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    TokenIds,
    Logprobs,
}

/// The body of a request. Everything that decides about sampling is said: a model's own defaults may be others.
pub(super) fn body(
    model: &str,
    prompt: &[u32],
    codec: &Codec,
    sampling: Sampling,
    limit: usize,
    form: Form,
) -> Value {
    let mut body = json!({
        "model": model,
        "prompt": prompt,
        "stream": true,
        "stream_options": {"include_usage": true},
        "max_tokens": limit,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "min_p": sampling.min_p,
        "top_k": 0,
        "repetition_penalty": 1.0,
        "seed": sampling.seed & 0x7FFF_FFFF,
        "skip_special_tokens": false,
        "add_special_tokens": false,
        "stop_token_ids": stops(codec),
    });
    ask_for_ids(&mut body, form);
    body
}

/// Makes a request one whose answer tells ids.
pub(super) fn ask_for_ids(body: &mut Value, form: Form) {
    match form {
        Form::TokenIds => body["return_token_ids"] = json!(true),
        Form::Logprobs => {
            body["logprobs"] = json!(0);
            body["return_tokens_as_token_ids"] = json!(true);
        }
    }
}

/// The ids that end a generation, as the server knows them.
fn stops(codec: &Codec) -> Vec<u32> {
    let ends = [vocab::CALL, vocab::RETURN];
    codec
        .harmony_ids()
        .into_iter()
        .zip(0u32..)
        .filter(|(harmony, _)| ends.contains(harmony))
        .map(|(_, id)| id)
        .collect()
}

/// The ids of a choice, in either form; `None` where it tells none.
pub(super) fn told(choice: &Value) -> Option<Vec<u32>> {
    if let Some(ids) = ids(choice.get("token_ids")) {
        return Some(ids);
    }
    let tokens = choice.get("logprobs")?.get("tokens")?.as_array()?;
    tokens
        .iter()
        .map(|token| token.as_str()?.strip_prefix("token_id:")?.parse().ok())
        .collect()
}

pub(super) struct Completions {
    codec: Arc<Codec>,
    last: Option<TokenId>,
}

impl Completions {
    pub(super) fn new(codec: Arc<Codec>) -> Completions {
        Completions { codec, last: None }
    }
}

impl Adapter for Completions {
    fn take(&mut self, event: &Value, reading: &mut Reading) -> Result<(), Fault> {
        if let Some(usage) = event.get("usage").filter(|usage| usage.is_object()) {
            reading.figures = figures(usage);
        }
        // The last event has the figures alone.
        let Some(choice) = event.get("choices").and_then(|choices| choices.get(0)) else {
            return Ok(());
        };
        let reason = choice.get("finish_reason").and_then(Value::as_str);
        let text = choice.get("text").and_then(Value::as_str).unwrap_or("");
        match told(choice) {
            Some(ids) => reading
                .tokens
                .extend(ids.into_iter().map(|id| self.codec.to_harmony(id))),
            None if text.is_empty() && reason.is_some() => {}
            None => {
                return Err(Fault::Unreadable(
                    "an event of /v1/completions without the ids of its tokens".to_owned(),
                ));
            }
        }
        self.last = reading.tokens.last().copied().or(self.last);
        let Some(reason) = reason else {
            return Ok(());
        };
        reading.end = Some(match reason {
            "length" => StopReason::Length,
            "stop" => {
                // A server that keeps the stop token to itself names it beside the reason.
                let ended = self
                    .last
                    .is_some_and(crate::engine::transcript::ends_generation);
                if let (false, Some(stop)) =
                    (ended, choice.get("stop_reason").and_then(Value::as_u64))
                {
                    let id = u32::try_from(stop).unwrap_or(vocab::RESERVED);
                    reading.tokens.push(self.codec.to_harmony(id));
                } else if !ended {
                    reading.tokens.push(vocab::RETURN);
                }
                StopReason::Stop
            }
            other => return Err(Fault::Said(format!("it ended the generation: {other}"))),
        });
        Ok(())
    }
}
