//! A random checkpoint in a temporary home, loaded by Descant's engine.

use super::random::{self, Shape};
use descant::conversation::{TokenId, Usage};
use descant::engine::mistral::MistralEngine;
use descant::engine::models::ModelPlaces;
use descant::engine::{
    EngineEvent, GenerateRequest, LoadOptions, Sampling, StopReason, load_mistral,
};
use descant::harmony::vocab::{self, Vocabulary};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

pub struct Setup {
    pub home: TempDir,
    pub vocabulary: Arc<Vocabulary>,
    byte_ids: [TokenId; 256],
}

#[allow(dead_code)]
impl Setup {
    pub fn new(shape: &Shape) -> Self {
        let home = tempfile::tempdir().unwrap();
        let vocabulary = Vocabulary::load(home.path()).unwrap();
        let mut byte_ids = [TokenId::MAX; 256];
        for id in 0..2_000 {
            if let Some([byte]) = vocabulary.token_bytes(id) {
                byte_ids[usize::from(*byte)] = id;
            }
        }
        assert!(byte_ids.iter().all(|id| *id != TokenId::MAX));
        random::write(&home.path().join("model"), shape, &byte_ids);
        Setup {
            home,
            vocabulary,
            byte_ids,
        }
    }

    pub fn options(&self) -> LoadOptions {
        options(self.home.path())
    }

    pub async fn engine(&self) -> MistralEngine {
        load_mistral(self.options(), self.vocabulary.clone())
            .await
            .unwrap()
    }

    pub async fn engine_without_cache(&self) -> MistralEngine {
        let options = LoadOptions {
            prefix_cache: false,
            ..self.options()
        };
        load_mistral(options, self.vocabulary.clone())
            .await
            .unwrap()
    }

    /// Text in Harmony's ids, a token a byte.
    pub fn text(&self, text: &str) -> Vec<TokenId> {
        text.bytes()
            .map(|b| self.byte_ids[usize::from(b)])
            .collect()
    }

    /// `<|start|>` and text.
    pub fn prompt(&self, text: &str) -> Vec<TokenId> {
        std::iter::once(vocab::START)
            .chain(self.text(text))
            .collect()
    }

    /// In the checkpoint's ids: specials first, then bytes.
    pub fn to_checkpoint(&self, tokens: &[TokenId]) -> Vec<u32> {
        let id = |token: &TokenId| match random::SPECIALS.iter().position(|(_, id)| id == token) {
            Some(special) => special,
            None => {
                random::SPECIALS.len() + self.byte_ids.iter().position(|id| id == token).unwrap()
            }
        };
        tokens
            .iter()
            .map(|token| u32::try_from(id(token)).unwrap())
            .collect()
    }
}

pub fn options(home: &Path) -> LoadOptions {
    let places = ModelPlaces {
        models_dir: home.join("models"),
        hub_cache: None,
        lm_studio: Vec::new(),
        current_dir: home.to_owned(),
        home_dir: None,
        servers: Default::default(),
    };
    LoadOptions::new("./model", places, home.join("cache"))
}

pub fn request(prompt: Vec<TokenId>, max_tokens: usize) -> GenerateRequest {
    GenerateRequest {
        prompt,
        sampling: Sampling::GREEDY,
        max_tokens,
        cancel: CancellationToken::new(),
        spec: None,
        offer: None,
    }
}

/// Every event of a generation.
pub async fn all(mut events: Receiver<EngineEvent>) -> Vec<EngineEvent> {
    let mut all = Vec::new();
    let limit = Duration::from_secs(120);
    while let Some(event) = tokio::time::timeout(limit, events.recv())
        .await
        .expect("an event or the end")
    {
        all.push(event);
    }
    all
}

/// The end of a generation that ran.
pub fn finished(events: &[EngineEvent]) -> (Vec<TokenId>, Usage, StopReason) {
    match events.last() {
        Some(EngineEvent::Finished {
            tokens,
            usage,
            stop,
        }) => (tokens.clone(), *usage, *stop),
        other => panic!("no end: {other:?}"),
    }
}
