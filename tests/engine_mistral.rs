//! The in-process engine on a small random checkpoint: record, sampling, limits, cancel, silence.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "engine_checkpoint/bare.rs"]
mod bare;
#[path = "engine_checkpoint/random.rs"]
mod random;

use bare::Bare;
use descant::conversation::TokenId;
use descant::engine::mistral::{MistralEngine, Probe};
use descant::engine::models::ModelPlaces;
use descant::engine::{
    Engine, EngineError, EngineEvent, GenerateRequest, LoadOptions, Sampling, StopReason,
    load_mistral,
};
use descant::harmony::HarmonyEvent;
use descant::harmony::vocab::{self, Vocabulary};
use random::Shape;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

struct Setup {
    home: TempDir,
    vocabulary: Arc<Vocabulary>,
    byte_ids: [u32; 256],
}

impl Setup {
    fn new(shape: &Shape) -> Self {
        let home = tempfile::tempdir().unwrap();
        let vocabulary = Vocabulary::load(home.path()).unwrap();
        let byte_ids = byte_ids(&vocabulary);
        random::write(&home.path().join("model"), shape, &byte_ids);
        Setup {
            home,
            vocabulary,
            byte_ids,
        }
    }

    fn options(&self) -> LoadOptions {
        options(self.home.path())
    }

    async fn engine(&self) -> MistralEngine {
        load_mistral(self.options(), self.vocabulary.clone())
            .await
            .unwrap()
    }

    /// `<|start|>` and text, in Harmony's ids.
    fn prompt(&self, text: &str) -> Vec<TokenId> {
        std::iter::once(vocab::START)
            .chain(text.bytes().map(|b| self.byte_ids[usize::from(b)]))
            .collect()
    }
}

fn options(home: &Path) -> LoadOptions {
    let places = ModelPlaces {
        models_dir: home.join("models"),
        hub_cache: None,
        current_dir: home.to_owned(),
        home_dir: None,
    };
    LoadOptions::new("./model", places, home.join("cache"))
}

fn byte_ids(vocabulary: &Vocabulary) -> [u32; 256] {
    let mut ids = [u32::MAX; 256];
    for id in 0..2_000 {
        if let Some([byte]) = vocabulary.token_bytes(id) {
            ids[usize::from(*byte)] = id;
        }
    }
    assert!(ids.iter().all(|id| *id != u32::MAX));
    ids
}

fn request(prompt: Vec<TokenId>, max_tokens: usize) -> GenerateRequest {
    GenerateRequest {
        prompt,
        sampling: Sampling::GREEDY,
        max_tokens,
        cancel: CancellationToken::new(),
    }
}

struct Outcome {
    events: Vec<EngineEvent>,
}

impl Outcome {
    async fn of(mut events: tokio::sync::mpsc::Receiver<EngineEvent>) -> Self {
        let mut all = Vec::new();
        let limit = Duration::from_secs(60);
        while let Some(event) = tokio::time::timeout(limit, events.recv())
            .await
            .expect("an event or the end")
        {
            all.push(event);
        }
        Outcome { events: all }
    }

    fn finished(&self) -> (&[TokenId], &descant::conversation::Usage, StopReason) {
        match self.events.last() {
            Some(EngineEvent::Finished {
                tokens,
                usage,
                stop,
            }) => (tokens, usage, *stop),
            other => panic!("no end: {other:?}"),
        }
    }

    fn text(&self) -> String {
        let delta = |event: &EngineEvent| match event {
            EngineEvent::Harmony(HarmonyEvent::TextDelta(text)) => Some(text.clone()),
            _ => None,
        };
        self.events.iter().filter_map(delta).collect()
    }
}

/// In the checkpoint's ids: specials first, then bytes.
fn to_checkpoint(tokens: &[TokenId], setup: &Setup) -> Vec<u32> {
    let specials = [
        200_006, 200_007, 200_008, 200_005, 200_003, 200_002, 200_012, 200_000,
    ];
    tokens
        .iter()
        .map(|t| match specials.iter().position(|s| s == t) {
            Some(i) => i as u32,
            None => 8 + setup.byte_ids.iter().position(|b| b == t).unwrap() as u32,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_is_what_a_bare_loop_generates() {
    let setup = Setup::new(&Shape::default());
    let engine = setup.engine().await;
    let bare = Bare::load(&setup.home.path().join("model"), false).await;
    let mut compared = 0;
    for text in [
        "a",
        "In a.txt, change `one` to `two`.",
        "0123456789",
        "\u{e9}\u{4e16}",
    ] {
        let prompt = setup.prompt(text);
        let outcome = Outcome::of(engine.generate(request(prompt.clone(), 100))).await;
        let (tokens, usage, stop) = outcome.finished();
        let theirs = bare.greedy_ids(to_checkpoint(&prompt, &setup), 100).await;
        let ours = to_checkpoint(tokens, &setup);
        // Ours ends at a stop token, theirs runs on.
        assert_eq!(ours, theirs[..ours.len()]);
        assert_eq!(stop == StopReason::Length, ours.len() == 100);
        assert_eq!(usage.generated_tokens, ours.len());
        assert_eq!(usage.prompt_tokens, prompt.len());
        compared += ours.len();
    }
    assert!(compared >= 100, "only {compared} tokens were compared");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_token_is_the_last_of_the_record_and_the_next_prompt_finds_the_rest() {
    let setup = Setup::new(&Shape::default());
    let engine = setup.engine().await;
    let prompt = setup.prompt("a question");
    let probe = Arc::new(Probe {
        call_at: Some(12),
        ..Probe::default()
    });
    let first =
        Outcome::of(engine.generate_probed(request(prompt.clone(), 100), Some(probe))).await;
    let (tokens, usage, stop) = first.finished();
    assert_eq!(
        (tokens.len(), tokens.last(), stop),
        (13, Some(&vocab::CALL), StopReason::Stop)
    );
    assert_eq!(usage.cached_tokens, 0);

    let mut next = prompt.clone();
    next.extend_from_slice(tokens);
    let known = next.len();
    next.extend(setup.prompt("a tool's answer"));
    let second = Outcome::of(engine.generate(request(next.clone(), 5))).await;
    let (_, usage, _) = second.finished();
    // All but the `<|call|>`, whose keys the engine never computed.
    assert_eq!(usage.cached_tokens, known - 1);
    assert_eq!(usage.prompt_tokens, next.len());
    assert_eq!(
        second.events[0],
        EngineEvent::Prefill {
            done: 0,
            total: next.len() - known + 1
        }
    );
    let total = next.len() - known + 1;
    assert_eq!(
        second.events[1],
        EngineEvent::Prefill { done: total, total }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn seeds_reproduce_and_differ() {
    let setup = Setup::new(&Shape::default());
    let engine = setup.engine().await;
    let run = async |seed| {
        let sampling = Sampling {
            temperature: 1.0,
            top_p: 1.0,
            min_p: 0.0,
            seed,
        };
        let request = GenerateRequest {
            sampling,
            ..request(setup.prompt("dice"), 40)
        };
        Outcome::of(engine.generate(request))
            .await
            .finished()
            .0
            .to_vec()
    };
    let (a, b, c) = (run(1).await, run(1).await, run(2).await);
    assert_eq!(a, b);
    assert_ne!(a, c);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_whole_whatever_the_reader_does() {
    let setup = Setup::new(&Shape::default());
    let engine = setup.engine().await;
    let quick = Outcome::of(engine.generate(request(setup.prompt("slow reader"), 600))).await;
    let mut events = engine.generate(request(setup.prompt("slow reader"), 600));
    // The model runs to its end while nobody reads.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let mut slow = Vec::new();
    while let Some(event) = events.recv().await {
        slow.push(event);
    }
    let slow = Outcome { events: slow };
    assert_eq!(slow.text(), quick.text());
    assert_eq!(slow.finished().0, quick.finished().0);
    assert!(
        slow.finished().1.generated_tokens > 64,
        "too short to fill the channel"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_stops_at_the_next_token_and_keeps_what_there_was() {
    let setup = Setup::new(&Shape::default());
    let engine = setup.engine().await;
    let request = request(setup.prompt("never ending"), 1_900);
    let cancel = request.cancel.clone();
    let prompt = request.prompt.clone();
    let mut events = engine.generate(request);
    let mut text = 0;
    while text < 5 {
        if let Some(EngineEvent::Harmony(_)) = events.recv().await {
            text += 1;
        }
    }
    let pressed = Instant::now();
    cancel.cancel();
    let outcome = Outcome::of(events).await;
    let stopped = pressed.elapsed();
    let (tokens, usage, stop) = outcome.finished();
    assert_eq!(stop, StopReason::Cancelled);
    assert!(!tokens.is_empty() && tokens.len() < 1_900);
    assert_eq!(usage.generated_tokens, tokens.len());
    assert!(
        stopped < Duration::from_millis(100),
        "stopped after {stopped:?}"
    );

    // What was generated is in the cache, so going on costs little and is right.
    let mut next = prompt;
    next.extend_from_slice(tokens);
    let known = next.len();
    next.push(vocab::END);
    let (_, usage, _) = Outcome::of(engine.generate(self::request(next, 3)))
        .await
        .finished_owned();
    assert!(
        usage.cached_tokens + 2 >= known,
        "{} of {known} were cached",
        usage.cached_tokens
    );
}

impl Outcome {
    fn finished_owned(&self) -> (Vec<TokenId>, descant::conversation::Usage, StopReason) {
        let (tokens, usage, stop) = self.finished();
        (tokens.to_vec(), *usage, stop)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_frees_the_engine() {
    let setup = Setup::new(&Shape::default());
    let engine = setup.engine().await;
    let mut events = engine.generate(request(setup.prompt("leaving"), 1_900));
    let _first = events.recv().await;
    drop(events);
    let start = Instant::now();
    let outcome = Outcome::of(engine.generate(request(setup.prompt("next"), 3))).await;
    assert_eq!(outcome.finished().0.len(), 3);
    assert!(
        start.elapsed() < Duration::from_millis(500),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_exact() {
    let setup = Setup::new(&Shape {
        context: 1024,
        ..Shape::default()
    });
    let engine = setup.engine().await;
    assert_eq!(engine.info().context_length, 1024);
    let long = setup.prompt(&"x".repeat(1_000));
    let outcome = Outcome::of(engine.generate(request(long.clone(), 500))).await;
    let (tokens, _, stop) = outcome.finished();
    assert_eq!(
        (tokens.len() + long.len(), stop),
        (1024, StopReason::Length)
    );
    // The context is full to the last token and the engine still lives.
    let over = setup.prompt(&"x".repeat(1_023));
    let outcome = Outcome::of(engine.generate(request(over, 5))).await;
    assert!(
        matches!(
            outcome.events[..],
            [EngineEvent::Failed {
                error: EngineError::ContextFull {
                    prompt: 1024,
                    context: 1024
                },
                ..
            }]
        ),
        "{:?}",
        outcome.events
    );
    let outcome = Outcome::of(engine.generate(request(setup.prompt("x"), 0))).await;
    assert_eq!(outcome.finished().2, StopReason::Length);
    assert_eq!(
        Outcome::of(engine.generate(request(setup.prompt("x"), 2)))
            .await
            .finished()
            .0
            .len(),
        2
    );
}
