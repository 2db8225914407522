//! `/completion` of llama.cpp: token ids in, token ids out
//! (<https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md>).
//!
//! Two things its documentation does not say, both seen with build 11549: a report of the prompt's progress carries
//! `"tokens":[0]`, which nobody sampled; and while the text ends inside a character nothing is sent, so that of an
//! emoji only the last id is told. `tokens_predicted` shows how many are missing, the text which bytes they had.

use super::adapter::{Adapter, Figures, Reading, count, ids};
use super::fault::Fault;
use crate::conversation::TokenId;
use crate::engine::codec::Codec;
use crate::engine::{Sampling, StopReason};
use crate::harmony::vocab::{Vocabulary, is_special};
use serde_json::{Value, json};
use std::sync::Arc;

/// The body of a request. Everything that decides about sampling is said: its own defaults are others.
pub(super) fn body(prompt: &[u32], sampling: Sampling, limit: usize) -> Value {
    json!({
        "prompt": prompt,
        "stream": true,
        "return_tokens": true,
        "return_progress": true,
        "cache_prompt": true,
        "n_predict": limit,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "min_p": sampling.min_p,
        "top_k": 0,
        "typical_p": 1.0,
        "repeat_penalty": 1.0,
        "seed": sampling.seed & 0x7FFF_FFFF,
        // The last event would repeat the whole prompt.
        "response_fields": [
            "content", "tokens", "stop", "stop_type", "timings", "tokens_evaluated", "tokens_predicted",
        ],
    })
}

pub(super) struct Completion {
    codec: Arc<Codec>,
    vocabulary: Arc<Vocabulary>,
    seen: usize,
}

impl Completion {
    pub(super) fn new(codec: Arc<Codec>, vocabulary: Arc<Vocabulary>) -> Completion {
        Completion {
            codec,
            vocabulary,
            seen: 0,
        }
    }

    /// `told` with the `missing` ids that were sampled before them: `text` is what all of them spell. Where the bytes
    /// themselves were lost on the way (a model can sample what is no UTF-8), the ids of what is left of the text.
    fn with_untold(&self, missing: usize, told: Vec<TokenId>, text: &str) -> Vec<TokenId> {
        let spelled = self.vocabulary.decode_bytes(&told);
        let before = text.as_bytes().strip_suffix(spelled.as_slice());
        if let Some(mut ids) = before.and_then(|before| split(&self.vocabulary, before, missing)) {
            ids.extend(told);
            return ids;
        }
        let special = told.last().copied().filter(|id| is_special(*id));
        let spelled = self.vocabulary.decode_bytes(special.as_slice());
        let spelled = String::from_utf8_lossy(&spelled);
        let before = text.strip_suffix(spelled.as_ref()).unwrap_or(text);
        let mut ids = self.vocabulary.encode_text(before);
        ids.extend(special);
        ids
    }
}

impl Adapter for Completion {
    fn take(&mut self, event: &Value, reading: &mut Reading) -> Result<(), Fault> {
        if let Some(progress) = event.get("prompt_progress") {
            let at = |name| count(progress.get(name)).unwrap_or(0);
            let cached = at("cache");
            let (done, total) = (at("processed"), at("total"));
            reading.prefill = Some((done.saturating_sub(cached), total.saturating_sub(cached)));
            return Ok(());
        }
        let stop = event.get("stop").and_then(Value::as_bool);
        let Some(told) = ids(event.get("tokens")) else {
            return Err(Fault::Unreadable(
                "an event of /completion without the ids of its tokens; return_tokens came with llama.cpp b4350"
                    .to_owned(),
            ));
        };
        let mut told: Vec<TokenId> = told
            .into_iter()
            .map(|id| self.codec.to_harmony(id))
            .collect();
        if stop != Some(true) {
            let predicted = count(event.get("tokens_predicted")).unwrap_or(self.seen + told.len());
            let missing = predicted.saturating_sub(self.seen + told.len());
            self.seen += missing + told.len();
            if missing > 0 {
                let text = event.get("content").and_then(Value::as_str).unwrap_or("");
                told = self.with_untold(missing, told, text);
            }
        }
        reading.tokens.extend(told);
        if stop == Some(true) {
            let timings = event.get("timings");
            let timing = |name| count(timings.and_then(|timings| timings.get(name)));
            let prompt = count(event.get("tokens_evaluated"));
            let computed = timing("prompt_n");
            reading.figures = Figures {
                prompt,
                cached: timing("cache_n").or_else(|| prompt?.checked_sub(computed?)),
                generated: timing("predicted_n"),
                reasoning: None,
            };
            reading.end = Some(match event.get("stop_type").and_then(Value::as_str) {
                Some("limit") => StopReason::Length,
                _ => StopReason::Stop,
            });
        }
        Ok(())
    }
}

/// `bytes` as exactly `parts` ordinary tokens, the longest first; there may be several ways, and one is as good as
/// another: they spell the same.
fn split(vocabulary: &Vocabulary, bytes: &[u8], parts: usize) -> Option<Vec<TokenId>> {
    // Half a character and what stands before it: more would take long, and does not come.
    const MOST: usize = 64;
    if bytes.len() > MOST || parts > bytes.len() {
        return None;
    }
    if parts == 0 {
        return bytes.is_empty().then(Vec::new);
    }
    let longest = bytes.len() - (parts - 1);
    (1..=longest).rev().find_map(|length| {
        let (first, rest) = bytes.split_at(length);
        let id = vocabulary.token_of(first)?;
        let mut ids = vec![id];
        ids.extend(split(vocabulary, rest, parts - 1)?);
        Some(ids)
    })
}
