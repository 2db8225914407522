//! An engine that replays recorded generations, for tests of everything above engines.
//!
//! A script is a list of generations written as Harmony text with its special tokens spelled
//! (`<|channel|>analysis<|message|>...<|call|>`), each with an optional delay and an optional accident. The
//! engine gives them out in order, whatever it is asked, and keeps every prompt it was given for the test to
//! look at. It runs no model and is never chosen but by a test or by the hidden `-m scripted:FILE`.

use super::outbox::{CAPACITY, Outbox};
use super::reasoning::Reasoning;
use super::transcript::{Transcript, ends_generation};
use super::{Engine, EngineError, EngineEvent, EngineInfo, GenerateRequest, StopReason};
use crate::conversation::{PromptProfile, TokenId, Usage};
use crate::harmony::vocab::{self, Vocabulary};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// A whole script; the file format, as JSON or (by extension) TOML.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    #[serde(default = "default_name")]
    pub name: String,
    #[serde(default = "default_profile")]
    pub profile: PromptProfile,
    #[serde(default = "default_context")]
    pub context_length: usize,
    /// How long loading takes.
    #[serde(default)]
    pub load_ms: u64,
    #[serde(default)]
    pub generations: Vec<ScriptedGeneration>,
}

fn default_name() -> String {
    "scripted".into()
}

fn default_profile() -> PromptProfile {
    PromptProfile::GptOss
}

fn default_context() -> usize {
    131_072
}

impl Default for Script {
    fn default() -> Self {
        Script {
            name: default_name(),
            profile: default_profile(),
            context_length: default_context(),
            load_ms: 0,
            generations: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedGeneration {
    /// What follows `<|start|>assistant`, stop token included.
    pub text: String,
    /// Before the first token.
    #[serde(default)]
    pub prefill_ms: u64,
    /// Before each further token.
    #[serde(default)]
    pub token_ms: u64,
    #[serde(default)]
    pub accident: Option<Accident>,
}

/// What goes wrong, after so many tokens of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accident {
    /// The generation breaks.
    Fail(usize),
    /// Nothing more comes until the generation is cancelled.
    Hang(usize),
    /// The engine's task dies: the channel closes without a last event.
    Die(usize),
}

impl ScriptedGeneration {
    pub fn new(text: impl Into<String>) -> Self {
        ScriptedGeneration {
            text: text.into(),
            ..Self::default()
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    #[error("{0}")]
    Read(#[from] std::io::Error),
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
}

impl Script {
    /// The generations, in order, with nothing special about them.
    pub fn of<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Script {
            generations: texts.into_iter().map(ScriptedGeneration::new).collect(),
            ..Script::default()
        }
    }

    pub fn read(path: &Path) -> Result<Self, ScriptError> {
        let text = std::fs::read_to_string(path)?;
        if path.extension().is_some_and(|e| e == "toml") {
            Ok(toml::from_str(&text)?)
        } else {
            Ok(serde_json::from_str(&text)?)
        }
    }
}

#[derive(Debug)]
pub struct ScriptedEngine {
    info: EngineInfo,
    vocabulary: Arc<Vocabulary>,
    left: Mutex<VecDeque<ScriptedGeneration>>,
    asked: Mutex<Vec<GenerateRequest>>,
}

impl ScriptedEngine {
    pub fn new(script: Script, vocabulary: Arc<Vocabulary>) -> Self {
        ScriptedEngine {
            info: EngineInfo {
                name: script.name,
                profile: script.profile,
                context_length: script.context_length,
                device: "script".into(),
                protocol: None,
            },
            vocabulary,
            left: Mutex::new(script.generations.into()),
            asked: Mutex::new(Vec::new()),
        }
    }

    /// What it was asked so far, in order.
    pub fn requests(&self) -> Vec<GenerateRequest> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The prompts so far, decoded, special tokens spelled.
    pub fn prompts(&self) -> Vec<String> {
        let text = |r: &GenerateRequest| {
            String::from_utf8_lossy(&self.vocabulary.decode_bytes(&r.prompt)).into_owned()
        };
        self.requests().iter().map(text).collect()
    }

    /// Generations not given out yet.
    pub fn generations_left(&self) -> usize {
        self.left
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

impl Engine for ScriptedEngine {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn generate(&self, request: GenerateRequest) -> mpsc::Receiver<EngineEvent> {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let before = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.push(request.clone());
            asked.len()
        };
        let next = self
            .left
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        let vocabulary = self.vocabulary.clone();
        let context = self.info.context_length;
        tokio::spawn(async move {
            let mut outbox = Outbox::new(sender);
            match next {
                Some(generation) if request.prompt.len() < context => {
                    replay(&generation, &request, context, &vocabulary, &mut outbox).await;
                }
                Some(_) => outbox.push(EngineEvent::Failed {
                    error: EngineError::ContextFull {
                        prompt: request.prompt.len(),
                        context,
                    },
                    tokens: Vec::new(),
                }),
                None => outbox.push(EngineEvent::Failed {
                    error: EngineError::Broken(format!(
                        "the script has {} generations and was asked for one more",
                        before - 1
                    )),
                    tokens: Vec::new(),
                }),
            }
            while !outbox.is_empty() && outbox.deliver().await {}
        });
        receiver
    }
}

async fn replay(
    generation: &ScriptedGeneration,
    request: &GenerateRequest,
    context: usize,
    vocabulary: &Arc<Vocabulary>,
    outbox: &mut Outbox,
) {
    let ids = encode_spelled(&generation.text, vocabulary);
    let (ids, reasoning_ended) = within_budget(ids, request, vocabulary);
    let limit = request.max_tokens.min(context - request.prompt.len());
    let total = request.prompt.len();
    let mut transcript = Transcript::new(vocabulary);
    let start = Instant::now();
    let mut usage = Usage {
        prompt_tokens: total,
        ..Usage::default()
    };
    let mut stop = None;
    outbox.push(EngineEvent::Prefill { done: 0, total });
    outbox.flush();
    // By the clock and not from token to token: a timer that fires late makes no difference to the stream's speed.
    let mut due = tokio::time::Instant::now() + Duration::from_millis(generation.prefill_ms);
    for (index, &id) in ids.iter().enumerate() {
        // Never in the past, so that who reads can cancel between any two tokens.
        let pause = tokio::time::sleep_until(due.max(tokio::time::Instant::now()));
        let hung = match generation.accident {
            Some(Accident::Fail(after)) if after == index => {
                return fail(transcript, outbox);
            }
            Some(Accident::Die(after)) if after == index => return,
            Some(Accident::Hang(after)) => after == index,
            _ => false,
        };
        let live = async {
            pause.await;
            if hung {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = request.cancel.cancelled() => stop = Some(StopReason::Cancelled),
            () = outbox.closed() => return,
            () = live => {}
        }
        if stop.is_some() {
            break;
        }
        if index == 0 {
            outbox.push(EngineEvent::Prefill { done: total, total });
            usage.prefill_seconds = start.elapsed().as_secs_f64();
        }
        if transcript.len() == limit {
            stop = Some(StopReason::Length);
            break;
        }
        transcript.push(id, outbox);
        if let Some((at, tokens)) = reasoning_ended
            && at == transcript.len()
        {
            outbox.push(EngineEvent::ReasoningEnded { tokens });
        }
        outbox.flush();
        due += Duration::from_millis(generation.token_ms);
        if ends_generation(id) {
            stop = Some(StopReason::Stop);
            break;
        }
    }
    match (stop, generation.accident) {
        (None, Some(Accident::Fail(_))) => return fail(transcript, outbox),
        (None, Some(Accident::Die(_))) => return,
        (None, Some(Accident::Hang(_))) => {
            tokio::select! {
                () = request.cancel.cancelled() => stop = Some(StopReason::Cancelled),
                () = outbox.closed() => return,
            }
        }
        (Some(_), _) | (None, None) => {}
    }
    transcript.finish(outbox);
    usage.generated_tokens = transcript.len();
    usage.reasoning_tokens = transcript.reasoning_tokens();
    usage.decode_seconds = start.elapsed().as_secs_f64() - usage.prefill_seconds;
    // A text without a stop token is a model that ran into its limit.
    let stop = stop.unwrap_or(StopReason::Length);
    outbox.push(EngineEvent::Finished {
        tokens: transcript.take_tokens(),
        usage,
        stop,
    });
}

/// The ids with their analysis cut at the budget, as if the model had been made to end it; and after how many of
/// them that was, with how many tokens of analysis.
fn within_budget(
    ids: Vec<TokenId>,
    request: &GenerateRequest,
    vocabulary: &Arc<Vocabulary>,
) -> (Vec<TokenId>, Option<(usize, usize)>) {
    let Some(budget) = request.sampling.reasoning_budget else {
        return (ids, None);
    };
    let mut reasoning = Reasoning::new(budget, vocabulary);
    let mut kept = Vec::with_capacity(ids.len());
    let mut ended = None;
    for id in ids {
        if reasoning.is_over() && !vocab::is_special(id) {
            ended.get_or_insert((kept.len(), reasoning.spent()));
            continue;
        }
        reasoning.take(id);
        kept.push(id);
    }
    (kept, ended)
}

fn fail(mut transcript: Transcript, outbox: &mut Outbox) {
    transcript.finish(outbox);
    outbox.push(EngineEvent::Failed {
        error: EngineError::Broken("the script says so".into()),
        tokens: transcript.take_tokens(),
    });
}

/// Harmony text with its special tokens spelled, as ids. A spelling that is no special token is text.
pub fn encode_spelled(text: &str, vocabulary: &Vocabulary) -> Vec<TokenId> {
    const NAMES: [(&str, TokenId); 8] = [
        ("<|start|>", vocab::START),
        ("<|end|>", vocab::END),
        ("<|message|>", vocab::MESSAGE),
        ("<|channel|>", vocab::CHANNEL),
        ("<|constrain|>", vocab::CONSTRAIN),
        ("<|return|>", vocab::RETURN),
        ("<|call|>", vocab::CALL),
        ("<|endoftext|>", vocab::END_OF_TEXT),
    ];
    let mut ids = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let next = NAMES
            .iter()
            .filter_map(|&(name, id)| {
                rest.split_once(name)
                    .map(|(before, after)| (before, after, id))
            })
            .min_by_key(|(before, _, _)| before.len());
        let Some((before, after, id)) = next else {
            ids.extend(vocabulary.encode_text(rest));
            break;
        };
        ids.extend(vocabulary.encode_text(before));
        ids.push(id);
        rest = after;
    }
    ids
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
