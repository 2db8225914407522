//! The prefix cache never changes what is generated: greedy output with it equals greedy output without.
//!
//! Scripted conversations with the shapes of real ones: a prompt, generations ended by `<|call|>`, tool
//! results appended, a new user message that drops what was in the middle, a step back to an earlier branch.

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
#[path = "engine_checkpoint/setup.rs"]
mod setup;

use descant::conversation::TokenId;
use descant::engine::Engine;
use descant::engine::mistral::{MistralEngine, Probe};
use descant::harmony::vocab;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use random::Shape;
use setup::{Setup, all, finished, request};
use std::sync::Arc;

const CONVERSATIONS: u64 = 200;
const WORKERS: u64 = 4;
/// Two best logits closer than this may swap under another order of additions.
const CLOSE: f32 = 0.25;

#[derive(Default, Debug)]
struct Tally {
    generations: usize,
    /// Tokens compared.
    steps: usize,
    /// Of them, those whose two best logits are close.
    close: usize,
    /// Generations that parted at such a step.
    aside: usize,
    prompt_tokens: usize,
    cached_tokens: usize,
    /// Generations where the cache gave back less than the conversation's whole common part.
    missed: usize,
}

struct Pair {
    cached: MistralEngine,
    plain: MistralEngine,
}

impl Pair {
    /// One generation on both, compared; what the cached one gave.
    async fn generate(
        &self,
        prompt: &[TokenId],
        call_at: usize,
        known: usize,
        tally: &mut Tally,
    ) -> Vec<TokenId> {
        let run = async |engine: &MistralEngine| {
            let probe = Arc::new(Probe {
                call_at: Some(call_at),
                ..Probe::default()
            });
            let events = engine.generate_probed(request(prompt.to_vec(), 200), Some(probe.clone()));
            let (tokens, usage, _) = finished(&all(events).await);
            let margins = probe.margins.lock().unwrap().clone();
            (tokens, usage, margins)
        };
        let ((ours, usage, _), (theirs, plain_usage, margins)) =
            tokio::join!(run(&self.cached), run(&self.plain));
        assert_eq!(plain_usage.cached_tokens, 0);
        tally.generations += 1;
        tally.prompt_tokens += usage.prompt_tokens;
        tally.cached_tokens += usage.cached_tokens;
        if usage.cached_tokens < known {
            tally.missed += 1;
        }
        let same = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
        tally.steps += same;
        tally.close += margins.iter().take(same).filter(|m| **m < CLOSE).count();
        if same < ours.len().max(theirs.len()) {
            let margin = margins.get(same).copied().unwrap_or(f32::INFINITY);
            assert!(
                margin < CLOSE,
                "token {same} of {} differs with the cache on, two best logits {margin} apart; {} of {} prompt tokens cached",
                theirs.len(),
                usage.cached_tokens,
                usage.prompt_tokens,
            );
            tally.aside += 1;
        }
        ours
    }
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.generations += other.generations;
        self.steps += other.steps;
        self.close += other.close;
        self.aside += other.aside;
        self.prompt_tokens += other.prompt_tokens;
        self.cached_tokens += other.cached_tokens;
        self.missed += other.missed;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cache_on_equals_cache_off() {
    // Several pairs of engines side by side: a tiny model's time goes into waking threads.
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| tokio::spawn(converse(worker)))
        .collect();
    let mut tally = Tally::default();
    for worker in workers {
        tally.add(&worker.await.unwrap());
    }
    println!("{tally:?}");
    assert!(
        tally.close * 4 < tally.steps,
        "too many steps do not count: {tally:?}"
    );
    assert!(tally.aside * 50 < tally.generations, "{tally:?}");
    assert!(
        tally.cached_tokens * 2 > tally.prompt_tokens,
        "the cache is hardly used: {tally:?}"
    );
    // A full cache is emptied now and then; all others must hit.
    assert!(
        tally.missed * 20 < tally.generations,
        "the cache forgets: {tally:?}"
    );
}

/// One worker's part of the conversations.
async fn converse(worker: u64) -> Tally {
    let setup = Setup::new(&Shape {
        hidden: 32,
        layers: 2,
        intermediate: 64,
        ..Shape::default()
    });
    let pair = Pair {
        cached: setup.engine().await,
        plain: setup.engine_without_cache().await,
    };
    let fixed = setup
        .prompt("system: a fixed beginning that all conversations share, as the real prompt is. ");
    let mut tally = Tally::default();
    for seed in (worker..CONVERSATIONS).step_by(WORKERS as usize) {
        let mut rng = StdRng::seed_from_u64(seed);
        let words = |rng: &mut StdRng, most: usize| -> Vec<TokenId> {
            let length = rng.random_range(4..most);
            let text: String = (0..length)
                .map(|_| char::from(rng.random_range(b' '..b'~')))
                .collect();
            setup.text(&text)
        };
        let mut prompt = fixed.clone();
        prompt.extend(words(&mut rng, 200));
        let turn_start = prompt.len();
        let mut known = if tally.generations == 0 {
            0
        } else {
            fixed.len()
        };
        for _call in 0..rng.random_range(2..5) {
            let record = pair
                .generate(&prompt, rng.random_range(1..16), known, &mut tally)
                .await;
            prompt.extend_from_slice(&record);
            // The last id of the record was never computed.
            known = prompt.len() - 1;
            prompt.push(vocab::START);
            prompt.extend(words(&mut rng, 120));
        }
        let branch = prompt.clone();
        // A new user message: part of the turn is dropped, so the prefix parts in its middle.
        let kept = turn_start + (prompt.len() - turn_start) / 3;
        prompt.truncate(kept);
        prompt.push(vocab::END);
        prompt.extend(words(&mut rng, 60));
        pair.generate(&prompt, rng.random_range(1..16), kept, &mut tally)
            .await;
        // And back to what the turn had become.
        pair.generate(&branch, rng.random_range(1..16), known, &mut tally)
            .await;
    }
    tally
}

/// A long prompt is read in steps that build on each other through the cache.
#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_read_in_steps_equals_one_read_at_once() {
    let setup = Setup::new(&Shape::default());
    let pair = Pair {
        cached: setup.engine().await,
        plain: setup.engine_without_cache().await,
    };
    let mut tally = Tally::default();
    let mut rng = StdRng::seed_from_u64(7);
    for length in [768, 1023, 1024, 1025, 1300, 1900] {
        let text: String = (1..length)
            .map(|_| char::from(rng.random_range(b' '..b'~')))
            .collect();
        let mut prompt = setup.prompt(&text);
        let tokens = pair.generate(&prompt, 16, 0, &mut tally).await;
        // The whole of it is found, not a step.
        let known = prompt.len() + tokens.len() - 1;
        prompt.extend(tokens);
        prompt.extend(setup.text("+"));
        pair.generate(&prompt, 16, known, &mut tally).await;
    }
    assert_eq!((tally.aside, tally.missed), (0, 0), "{tally:?}");
}

/// Why the last id of a sequence is a sacrifice. When this fails, mistral.rs no longer needs it.
#[tokio::test(flavor = "multi_thread")]
async fn a_bare_loop_with_the_cache_goes_wrong() {
    let setup = Setup::new(&Shape::default());
    let folder = setup.home.path().join("model");
    let (cached, plain) = (
        bare::Bare::load(&folder, true).await,
        bare::Bare::load(&folder, false).await,
    );
    let mut wrong = 0;
    for script in 0..12 {
        let first =
            setup.to_checkpoint(&setup.prompt(&format!("script {script} asks for something")));
        let mut prompt = first.clone();
        prompt.extend(cached.greedy_ids(first, 9).await);
        prompt.extend(setup.to_checkpoint(&setup.text(" and a tool answers")));
        let with = cached.greedy_ids(prompt.clone(), 9).await;
        wrong += usize::from(with != plain.greedy_ids(prompt, 9).await);
    }
    assert!(wrong > 0, "mistral.rs's prefix cache is right by itself");
}

/// The engine never drops a prefix on a CPU; ours starts an empty cache when there are too many.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_cache_is_emptied_and_stays_right() {
    let setup = Setup::new(&Shape {
        context: 512,
        ..Shape::default()
    });
    let engine = setup.engine().await;
    let plain = setup.engine_without_cache().await;
    let mut emptied = 0;
    let mut prompt = setup.prompt("the same beginning");
    for round in 0..40 {
        let (tokens, usage, _) = finished(&all(engine.generate(request(prompt.clone(), 4))).await);
        let (theirs, _, _) = finished(&all(plain.generate(request(prompt.clone(), 4))).await);
        assert_eq!(tokens, theirs, "round {round}");
        emptied += usize::from(round > 0 && usage.cached_tokens == 0);
        prompt.extend(tokens);
        prompt.extend(setup.text("+"));
    }
    assert!((1..=4).contains(&emptied), "emptied {emptied} times");
}
