//! What Descant's engine costs over a bare mistral.rs loop: two ratios, both arms in one run, interleaved.
//!
//! - tokens a second while decoding, Descant over bare (wanted: at least 0.97);
//! - time to the first token of the second request of a turn, Descant over a bare loop that continues its own
//!   prefix cache (wanted: at most 1.2).
//!
//! `cargo bench --bench engine` prints them; with `-- --check` a miss is an error. The checkpoint is random,
//! with the demo's dimensions and a vocabulary of bytes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "../tests/engine_checkpoint/bare.rs"]
mod bare;
#[path = "../tests/engine_checkpoint/random.rs"]
mod random;
#[path = "../tests/engine_checkpoint/setup.rs"]
mod setup;

use bare::Bare;
use descant::engine::mistral::{MistralEngine, Probe};
use descant::engine::{Engine, EngineEvent};
use mistralrs::core::Response;
use random::Shape;
use setup::{Setup, finished, request};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

const ROUNDS: usize = 15;
const DECODED: usize = 400;
const PROMPT: usize = 1_500;

fn main() -> ExitCode {
    let check = std::env::args().any(|argument| argument == "--check");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let (speed, first_token) = runtime.block_on(measure());
    println!(
        "tokens a second, Descant over bare mistral.rs:             {speed:.3} (at least 0.97)"
    );
    println!(
        "first token of the second request, Descant over bare:      {first_token:.3} (at most 1.2)"
    );
    if check && (speed < 0.97 || first_token > 1.2) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

async fn measure() -> (f64, f64) {
    let shape = Shape {
        hidden: 192,
        layers: 4,
        heads: 6,
        key_value_heads: 6,
        intermediate: 512,
        context: 4096,
        seed: 3,
    };
    let setup = Setup::new(&shape);
    let engine = setup.engine().await;
    let bare = Bare::load(&setup.home.path().join("model"), true).await;
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    let mut our_first = Vec::new();
    let mut their_first = Vec::new();
    for round in 0..ROUNDS {
        // Each round has a prompt of its own, and the arms take turns at going first.
        let name = format!("round {round} ");
        if round % 2 == 0 {
            ours.push(decode_ours(&engine, &setup, &name).await);
            theirs.push(decode_bare(&bare, &setup, &name).await);
            our_first.push(second_request_ours(&engine, &setup, &name).await);
            their_first.push(second_request_bare(&bare, &setup, &name).await);
        } else {
            theirs.push(decode_bare(&bare, &setup, &name).await);
            ours.push(decode_ours(&engine, &setup, &name).await);
            their_first.push(second_request_bare(&bare, &setup, &name).await);
            our_first.push(second_request_ours(&engine, &setup, &name).await);
        }
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let (our_first, their_first) = (median(our_first), median(their_first));
    println!("decode: Descant {ours:.0} tokens/s, bare {theirs:.0} tokens/s");
    println!(
        "second request: Descant {:.2} ms, bare {:.2} ms",
        our_first * 1e3,
        their_first * 1e3
    );
    (ours / theirs, our_first / their_first)
}

/// Tokens a second from the first token to the last.
async fn decode_ours(engine: &MistralEngine, setup: &Setup, name: &str) -> f64 {
    let mut events = engine.generate(request(setup.prompt(name), DECODED));
    let mut start = None;
    while let Some(event) = events.recv().await {
        match event {
            EngineEvent::Prefill { done, .. } if done > 0 => start = Some(Instant::now()),
            EngineEvent::Finished { tokens, .. } => {
                return (tokens.len() - 1) as f64 / start.unwrap().elapsed().as_secs_f64();
            }
            EngineEvent::Prefill { .. }
            | EngineEvent::Notice(_)
            | EngineEvent::Tokens(_)
            | EngineEvent::Harmony(_)
            | EngineEvent::ReasoningEnded { .. } => {}
            EngineEvent::Failed { error, .. } => panic!("{error}"),
        }
    }
    panic!("no end")
}

async fn decode_bare(bare: &Bare, setup: &Setup, name: &str) -> f64 {
    let prompt = setup.to_checkpoint(&setup.prompt(name));
    // The stop tokens of ours, so that both run as far.
    let mut chunks = bare.stream(prompt, DECODED, vec![5, 6], None).await;
    let mut start = None;
    let mut count = 0;
    while let Some(chunk) = chunks.recv().await {
        assert!(matches!(chunk, Response::CompletionChunk(_)));
        start.get_or_insert_with(Instant::now);
        count += 1;
    }
    f64::from(count - 1) / start.unwrap().elapsed().as_secs_f64()
}

fn long_prompt(setup: &Setup, name: &str) -> Vec<u32> {
    let words = (0..)
        .map(|n| format!("{name}word{} ", n * 7919 % 1009))
        .collect_until(PROMPT);
    setup.prompt(&words)
}

async fn second_request_ours(engine: &MistralEngine, setup: &Setup, name: &str) -> f64 {
    let mut prompt = long_prompt(setup, name);
    let probe = Arc::new(Probe {
        call_at: Some(30),
        ..Probe::default()
    });
    let events = setup::all(engine.generate_probed(request(prompt.clone(), 60), Some(probe))).await;
    prompt.extend(finished(&events).0);
    prompt.extend(setup.prompt("the tool answers with a line or two of text"));
    let start = Instant::now();
    let mut events = engine.generate(request(prompt, 2));
    let mut first = None;
    while let Some(event) = events.recv().await {
        if matches!(event, EngineEvent::Prefill { done, .. } if done > 0) {
            first = Some(start.elapsed().as_secs_f64());
        }
    }
    first.unwrap()
}

async fn second_request_bare(bare: &Bare, setup: &Setup, name: &str) -> f64 {
    let mut prompt = setup.to_checkpoint(&long_prompt(setup, name));
    prompt.extend(bare.greedy_ids(prompt.clone(), 31).await);
    prompt
        .extend(setup.to_checkpoint(&setup.prompt("the tool answers with a line or two of text")));
    let start = Instant::now();
    let mut chunks = bare.stream(prompt, 2, vec![7], None).await;
    let mut first = None;
    while chunks.recv().await.is_some() {
        first.get_or_insert_with(|| start.elapsed().as_secs_f64());
    }
    first.unwrap()
}

trait CollectUntil: Iterator<Item = String> {
    /// The strings joined, cut at so many bytes.
    fn collect_until(self, bytes: usize) -> String
    where
        Self: Sized,
    {
        let mut text = String::new();
        for part in self {
            text.push_str(&part);
            if text.len() >= bytes {
                text.truncate(bytes);
                break;
            }
        }
        text
    }
}

impl<I: Iterator<Item = String>> CollectUntil for I {}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
