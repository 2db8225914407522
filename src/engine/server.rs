//! A model server in place of a model in process: llama.cpp, vLLM, Ollama, LM Studio, SGLang, mistral.rs.
//!
//! `profile` says which servers there are, `probe` what one speaks, an adapter a protocol (`completion`,
//! `completions`, `responses`, `chat`) reads its stream, `follow` keeps time. The one thing to know before changing
//! it: everything above sees Harmony ids, sampled by the server or written down by `compose`; and nothing is sent
//! again once an id has come.

mod adapter;
pub mod address;
mod chat;
mod completion;
mod completions;
mod compose;
mod dialogue;
mod fault;
mod follow;
mod http;
mod probe;
pub mod profile;
mod responses;
mod sse;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;

use super::codec::Codec;
use super::outbox::{CAPACITY, Outbox};
use super::reasoning::Reasoning;
use super::{
    Engine, EngineError, EngineEvent, EngineInfo, GenerateRequest, LoadProgress, Sampling,
};
use crate::conversation::{PromptProfile, TokenId};
use crate::harmony::vocab::Vocabulary;
use adapter::Adapter;
use fault::Fault;
use http::Http;
use probe::Way;
use profile::Target;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// How often a server that does not answer is asked again at the start: most are not there at all.
const STARTING: u32 = 2;

/// A model at a server.
#[derive(Debug)]
pub struct ServerEngine {
    shared: Arc<Shared>,
    handle: Handle,
}

#[derive(Debug)]
struct Shared {
    info: EngineInfo,
    target: Target,
    /// As the server names it.
    model: String,
    http: Http,
    way: Way,
    habits: Arc<chat::Habits>,
    vocabulary: Arc<Vocabulary>,
    /// The user knows that no reasoning budget is kept here.
    told_of_budget: AtomicBool,
}

/// Connects to a server and finds out how to speak to it. A server that is still loading its model is waited for.
///
/// # Errors
/// No connection, a key that is refused, a model that is not there, a protocol that nobody knows.
pub async fn connect(
    target: Target,
    vocabulary: Arc<Vocabulary>,
    progress: impl FnMut(LoadProgress),
) -> Result<ServerEngine, EngineError> {
    let http = open(&target)?;
    let models = patient_models(&http, &target, progress).await?;
    let model = probe::choose(&target, &models)?;
    let (way, context_length) = probe::way(&http, &target, &model, &vocabulary).await?;
    let profile = match way.codec().map(Arc::as_ref) {
        Some(Codec::Reduced(_)) => PromptProfile::Demo,
        Some(Codec::Harmony) | None => PromptProfile::GptOss,
    };
    let info = EngineInfo {
        name: format!("{}@{}", model.id, target.server),
        profile,
        context_length,
        device: target.profile.address.base().to_owned(),
        protocol: Some(way.protocol()),
    };
    tracing::info!(
        server = info.device,
        model = model.id,
        protocol = way.protocol().path(),
        context_length,
        "connected"
    );
    Ok(ServerEngine {
        shared: Arc::new(Shared {
            info,
            model: model.id,
            target,
            http,
            way,
            habits: Arc::default(),
            vocabulary,
            told_of_budget: AtomicBool::new(false),
        }),
        handle: Handle::current(),
    })
}

/// The ids of the models that a server has.
///
/// # Errors
/// When it cannot be asked.
pub async fn list(target: &Target, patience: Duration) -> Result<Vec<String>, EngineError> {
    let http = open(target)?;
    let models = probe::models(&http, patience)
        .await
        .map_err(|fault| fault.error(target, 1))?;
    Ok(models.into_iter().map(|model| model.id).collect())
}

fn open(target: &Target) -> Result<Http, EngineError> {
    Http::new(&target.profile).map_err(|reason| EngineError::Unavailable {
        model: target.profile.address.base().to_owned(),
        reason,
        hint: "descant doctor says more".to_owned(),
    })
}

/// [`probe::models`] of a server that may be starting.
async fn patient_models(
    http: &Http,
    target: &Target,
    mut progress: impl FnMut(LoadProgress),
) -> Result<Vec<probe::Listed>, EngineError> {
    let began = Instant::now();
    let mut attempt = 0;
    loop {
        let fault = match probe::models(http, probe::PATIENCE).await {
            Ok(models) => return Ok(models),
            Err(fault) => fault,
        };
        attempt += 1;
        // llama.cpp listens before it has read the weights, and says so.
        let loading = matches!(&fault, Fault::Status { status: 503, message, .. } if message.to_lowercase().contains("loading"));
        let go_on = if loading {
            began.elapsed() < target.profile.timeouts.first_token
        } else {
            fault.is_passing() && attempt <= target.profile.retries.min(STARTING)
        };
        let Some(wait) = fault.wait(attempt).filter(|_| go_on) else {
            return Err(fault.error(target, attempt));
        };
        progress(LoadProgress {
            stage: if loading {
                "the server is loading it"
            } else {
                "waiting for the server"
            },
            bytes: None,
            elapsed: began.elapsed(),
        });
        tokio::time::sleep(wait.min(Duration::from_secs(5))).await;
    }
}

impl Engine for ServerEngine {
    fn info(&self) -> &EngineInfo {
        &self.shared.info
    }

    fn generate(&self, request: GenerateRequest) -> mpsc::Receiver<EngineEvent> {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let shared = Arc::clone(&self.shared);
        self.handle.spawn(async move {
            let mut outbox = Outbox::new(sender);
            follow::run(&shared, request, &mut outbox).await;
            while !outbox.is_empty() && outbox.deliver().await {}
        });
        receiver
    }
}

impl Shared {
    /// A prompt in the server's ids; `None` where it is told messages.
    fn ids(&self, prompt: &[TokenId]) -> Option<Vec<u32>> {
        let codec = self.way.codec()?;
        Some(codec.encode(prompt, &self.vocabulary))
    }

    /// What watches over a reasoning budget. A server that is told messages cannot be made to go on with an answer.
    fn reasoning(&self, budget: Option<usize>) -> Option<Reasoning> {
        self.way.codec()?;
        Some(Reasoning::new(budget?, &self.vocabulary))
    }

    /// A line for the user where a budget is asked for and cannot be kept, once.
    fn says_of_budget(&self, request: &GenerateRequest) -> Option<String> {
        let asked = request.sampling.reasoning_budget.is_some() && self.way.codec().is_none();
        (asked && !self.told_of_budget.swap(true, Ordering::Relaxed)).then(|| {
            format!(
                "{} is told messages, so sampling.reasoning_budget is not kept there; /effort low reasons less",
                self.target.server
            )
        })
    }

    /// What is sent for a request of at most `limit` new tokens.
    fn body(&self, request: &GenerateRequest, ids: Option<&[u32]>, limit: usize) -> Value {
        let (vocabulary, habits) = (&self.vocabulary, self.habits.as_ref());
        let sampling = match self.info.profile {
            // It is trained for greedy decoding, whatever is asked.
            PromptProfile::Demo => Sampling::GREEDY,
            PromptProfile::GptOss => request.sampling,
        };
        let ids = ids.unwrap_or_default();
        match &self.way {
            Way::Completion(_) => completion::body(ids, sampling, limit),
            Way::Completions(codec, form) => {
                completions::body(&self.model, ids, codec, sampling, limit, *form)
            }
            Way::Responses => responses::body(&self.model, request, vocabulary, habits, limit),
            Way::Chat => chat::body(&self.model, request, vocabulary, habits, limit),
        }
    }

    fn adapter(&self) -> Box<dyn Adapter> {
        let vocabulary = Arc::clone(&self.vocabulary);
        match &self.way {
            Way::Completion(codec) => {
                Box::new(completion::Completion::new(Arc::clone(codec), vocabulary))
            }
            Way::Completions(codec, _) => {
                Box::new(completions::Completions::new(Arc::clone(codec)))
            }
            Way::Responses => Box::new(responses::Responses::new(vocabulary)),
            Way::Chat => Box::new(chat::Chat::new(vocabulary, Arc::clone(&self.habits))),
        }
    }
}
