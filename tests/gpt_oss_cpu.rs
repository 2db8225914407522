//! GPT-OSS itself, tiny and with random weights, through the real path: only in the variant that
//! `scripts/gpt-oss-on-cpu.sh` builds, which changes one line of mistral.rs so that it loads on a CPU.
#![cfg(feature = "gpt-oss-on-cpu")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use descant::conversation::{TokenId, Usage};
use descant::engine::mistral::{MistralEngine, Probe};
use descant::engine::models::ModelPlaces;
use descant::engine::{
    Engine, EngineEvent, GenerateRequest, LoadOptions, Sampling, StopReason, load_mistral,
};
use descant::harmony::vocab::{self, Vocabulary};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Two best logits closer than this may swap under another order of additions.
const CLOSE: f32 = 0.05;
const WINDOW: usize = 128;

struct Setup {
    home: tempfile::TempDir,
    vocabulary: Arc<Vocabulary>,
}

impl Setup {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let vocabulary = Vocabulary::load(home.path()).unwrap();
        Setup { home, vocabulary }
    }

    async fn engine(&self, prefix_cache: bool) -> MistralEngine {
        let folder = std::env::var_os("DESCANT_TINY_GPT_OSS")
            .map(PathBuf::from)
            .expect("run scripts/gpt-oss-on-cpu.sh: it makes the checkpoint");
        let places = ModelPlaces {
            models_dir: self.home.path().join("models"),
            hub_cache: None,
            lm_studio: Vec::new(),
            servers: Default::default(),
            current_dir: self.home.path().to_owned(),
            home_dir: None,
        };
        let name = folder.display().to_string();
        let options = LoadOptions {
            prefix_cache,
            context_length: Some(2048),
            ..LoadOptions::new(name, places, self.home.path().join("cache"))
        };
        load_mistral(options, self.vocabulary.clone())
            .await
            .unwrap()
    }
}

/// Ordinary tokens spread over the vocabulary, after `<|start|>`.
fn prompt(length: usize, seed: u32) -> Vec<TokenId> {
    let word = |n: u32| n.wrapping_add(seed).wrapping_mul(2_654_435_761) % 199_998;
    std::iter::once(vocab::START)
        .chain((1..u32::try_from(length).unwrap()).map(word))
        .collect()
}

fn request(prompt: Vec<TokenId>, max_tokens: usize) -> GenerateRequest {
    GenerateRequest {
        prompt,
        sampling: Sampling::GREEDY,
        max_tokens,
        cancel: CancellationToken::new(),
        spec: None,
        offer: None,
    }
}

struct Answer {
    tokens: Vec<TokenId>,
    usage: Usage,
    stop: StopReason,
    margins: Vec<f32>,
}

async fn generate(engine: &MistralEngine, request: GenerateRequest) -> Answer {
    let probe = Arc::new(Probe::default());
    let mut events = engine.generate_probed(request, Some(probe.clone()));
    let patience = Duration::from_secs(300);
    loop {
        match tokio::time::timeout(patience, events.recv()).await {
            Ok(Some(EngineEvent::Finished {
                tokens,
                usage,
                stop,
            })) => {
                let margins = probe.margins.lock().unwrap().clone();
                return Answer {
                    tokens,
                    usage,
                    stop,
                    margins,
                };
            }
            Ok(Some(EngineEvent::Failed { error, .. })) => panic!("{error}"),
            Ok(Some(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Equal up to the first token whose two best logits are nearly the same; at least `least` tokens.
fn assert_same(ours: &Answer, theirs: &Answer, least: usize) {
    let pairs = ours.tokens.iter().zip(&theirs.tokens);
    let same = pairs.take_while(|(a, b)| a == b).count();
    if same < ours.tokens.len().max(theirs.tokens.len()) {
        let margin = theirs.margins.get(same).copied().unwrap_or(f32::INFINITY);
        assert!(
            margin < CLOSE,
            "token {same} differs, two best logits {margin} apart"
        );
    }
    assert!(same >= least, "only {same} tokens are the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_ids_come_back_and_are_the_same_each_time() {
    let setup = Setup::new();
    let engine = setup.engine(true).await;
    assert_eq!(engine.info().device, "cpu");
    let first = generate(&engine, request(prompt(40, 1), 24)).await;
    let again = generate(&engine, request(prompt(40, 1), 24)).await;
    assert_eq!(first.tokens, again.tokens);
    assert_eq!(first.tokens.len(), 24);
    assert_eq!(first.stop, StopReason::Length);
    assert_eq!(first.usage.prompt_tokens, 40);
    let other = generate(&engine, request(prompt(40, 2), 24)).await;
    assert_ne!(
        first.tokens, other.tokens,
        "the prompt does not matter to it"
    );
}

/// A conversation of several turns that outgrows the window, with the cache asked for and without.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_longer_than_the_window_is_the_same_with_the_cache_asked_for() {
    let setup = Setup::new();
    let (with, without) = (setup.engine(true).await, setup.engine(false).await);
    let mut history = prompt(90, 3);
    for turn in 0..6 {
        let ours = generate(&with, request(history.clone(), 20)).await;
        let theirs = generate(&without, request(history.clone(), 20)).await;
        assert_same(&ours, &theirs, 10);
        // mistral.rs cannot reuse a sliding layer's cache here, so Descant does not let it.
        assert_eq!(ours.usage.cached_tokens, 0, "turn {turn}");
        history.extend(theirs.tokens);
        history.extend(prompt(60, 10 + turn));
    }
    assert!(history.len() > 4 * WINDOW, "{}", history.len());
}

/// What is generated one by one across the window's edge equals a prompt that is computed at once.
#[tokio::test(flavor = "multi_thread")]
async fn decoding_past_the_window_equals_reading_past_it() {
    let setup = Setup::new();
    let engine = setup.engine(true).await;
    let start = prompt(100, 4);
    let long = generate(&engine, request(start.clone(), 80)).await;
    assert_eq!(long.tokens.len(), 80, "{:?}", long.stop);
    for known in [20, 40, 60] {
        let mut read = start.clone();
        read.extend(&long.tokens[..known]);
        let rest = generate(&engine, request(read, 80 - known)).await;
        let expected = Answer {
            tokens: long.tokens[known..].to_vec(),
            margins: long.margins[known..].to_vec(),
            usage: long.usage,
            stop: long.stop,
        };
        assert_same(&rest, &expected, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_it_and_the_next_request_is_answered() {
    let setup = Setup::new();
    let engine = setup.engine(true).await;
    let cancelled = request(prompt(30, 5), 1000);
    let cancel = cancelled.cancel.clone();
    let mut events = engine.generate(cancelled);
    while let Some(event) = events.recv().await {
        match event {
            EngineEvent::Finished { stop, .. } => assert_eq!(stop, StopReason::Cancelled),
            EngineEvent::Failed { error, .. } => panic!("{error}"),
            EngineEvent::Prefill { done, total } if done < total => {}
            _ => cancel.cancel(),
        }
    }
    let next = generate(&engine, request(prompt(30, 5), 5)).await;
    assert_eq!(next.tokens.len(), 5);
}
