//! Engines: Harmony token ids in, Harmony events out.
//!
//! An engine owns a model (or a connection to one) and nothing else: it knows neither tools nor sessions.
//! `engine/mistral` runs a checkpoint in process, `engine/server` asks a server, `engine/scripted` replays fixtures in tests; `load` gets
//! from a model's name to one of them, by way of `models` (where it lies), `checkpoint` (is it whole), `fit`
//! (does it fit into what `memory` says there is) and `demo` (the built-in one). The one
//! thing to know: the ids of [`EngineEvent::Finished`] are the record of what was generated, stop token
//! included, and go back into the next prompt untouched, so that a prefix cache keeps holding.

mod bandwidth;
pub mod checkpoint;
mod codec;
pub mod demo;
pub mod fit;
pub mod guided;
mod load;
pub mod memory;
pub mod mistral;
pub mod models;
mod outbox;
pub mod reasoning;
pub mod reduced;
pub mod sample;
pub mod scripted;
pub mod server;
mod transcript;

pub use load::{LoadOptions, load, load_mistral};
pub use server::profile::Protocol;

use crate::conversation::{PromptProfile, PromptSpec, TokenId, Usage};
use crate::harmony::HarmonyEvent;
use crate::harmony::grammar::Offer;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How the next token is chosen. OpenAI's recommendation for GPT-OSS is temperature 1.0, top-p 1.0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// 0 is greedy.
    pub temperature: f32,
    pub top_p: f32,
    pub min_p: f32,
    /// The same seed, prompt and build give the same tokens.
    pub seed: u64,
    /// Tokens of analysis after which a generation is made to go on to the answer; `None`: no limit.
    pub reasoning_budget: Option<usize>,
}

impl Sampling {
    pub const GREEDY: Sampling = Sampling {
        temperature: 0.0,
        top_p: 1.0,
        min_p: 0.0,
        seed: 0,
        reasoning_budget: None,
    };
}

/// One generation.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    /// Harmony ids, ending in `<|start|>assistant`.
    pub prompt: Vec<TokenId>,
    pub sampling: Sampling,
    /// At most this many new tokens.
    pub max_tokens: usize,
    /// Cancelling stops the stream at the next token; `Finished` still comes, with what there was.
    pub cancel: CancellationToken,
    /// What the fixed part of the prompt says, for servers that are told messages.
    pub spec: Option<Arc<PromptSpec>>,
    /// What the model is offered, where sampling is held to its grammar. `None`: any token may come.
    pub offer: Option<Arc<Offer>>,
}

/// What an engine is, once loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineInfo {
    /// As the user named it, e.g. `gpt-oss-20b` or `demo`.
    pub name: String,
    pub profile: PromptProfile,
    /// Tokens that prompt and answer may have together.
    pub context_length: usize,
    /// `cpu`, `cuda:0`, `metal`, or the server's address.
    pub device: String,
    /// How it is spoken to, where it is a server.
    pub protocol: Option<Protocol>,
}

impl EngineInfo {
    /// Its name, with how it is spoken to where it is a server.
    pub fn shown(&self) -> String {
        match self.protocol {
            Some(protocol) => format!("{} ({})", self.name, protocol.short()),
            None => self.name.clone(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// `<|return|>`, `<|call|>`, or the scripted equivalent.
    Stop,
    /// `max_tokens` or the context was reached.
    Length,
    Cancelled,
}

#[derive(Debug, Clone, PartialEq)]
pub enum EngineEvent {
    /// A line for the user: what is waited for.
    Notice(String),
    /// Prompt tokens computed so far, of the total that were not cached.
    Prefill { done: usize, total: usize },
    /// Ids as they are generated, each before the events that it leads to.
    Tokens(Vec<TokenId>),
    /// What the stream says; `reasoning tokens` are counted by the engine adapter.
    Harmony(HarmonyEvent),
    /// The reasoning was ended at the budget, after so many tokens of analysis.
    ReasoningEnded { tokens: usize },
    /// The last event of a generation that ran.
    Finished {
        tokens: Vec<TokenId>,
        usage: Usage,
        stop: StopReason,
    },
    /// The last event of a generation that broke; what was generated until then is kept.
    Failed {
        error: EngineError,
        tokens: Vec<TokenId>,
    },
}

/// What can go wrong with a model or its engine. Every message names the thing and the next step.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EngineError {
    #[error("{model}: {reason}\n  {hint}")]
    Unavailable {
        model: String,
        reason: String,
        hint: String,
    },
    #[error("{0}")]
    NotEnoughMemory(Box<fit::Shortage>),
    #[error(
        "the prompt has {prompt} tokens and the context holds {context}\n  start a new conversation, or ask for less at a time"
    )]
    ContextFull { prompt: usize, context: usize },
    #[error("{url}: {what}\n  {hint}")]
    Server {
        url: String,
        what: String,
        hint: String,
        /// It is not there, or has no time.
        unavailable: bool,
    },
    #[error("the engine stopped: {0}\n  the conversation is kept; try again")]
    Broken(String),
}

impl EngineError {
    /// Whether the model, its server or the memory for it is not available, and not what was asked wrong.
    pub fn is_unavailable(&self) -> bool {
        match self {
            EngineError::Unavailable { .. } | EngineError::NotEnoughMemory { .. } => true,
            EngineError::Server { unavailable, .. } => *unavailable,
            EngineError::ContextFull { .. } | EngineError::Broken(_) => false,
        }
    }
}

/// Progress of a load, for the status bar.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadProgress {
    pub stage: &'static str,
    /// Bytes of weights read so far and in all; `None` where a stage has no size.
    pub bytes: Option<(u64, u64)>,
    pub elapsed: Duration,
}

/// A loaded model. `generate` returns at once; events come over the channel, whose capacity is the
/// engine's own (it joins deltas rather than block the model when the reader is slow).
pub trait Engine: Send + Sync + std::fmt::Debug {
    fn info(&self) -> &EngineInfo;
    fn generate(&self, request: GenerateRequest) -> mpsc::Receiver<EngineEvent>;
    /// Ends what runs beside it, so that dropping it gives its memory back. No generation may be running; one may
    /// follow all the same.
    fn retire(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
