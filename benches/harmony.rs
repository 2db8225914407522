//! Cost of parsing Harmony, per token, at 100,000 tokens over that at 1,000: 1 is linear, and 1.2 is the most
//! that is allowed. Three shapes: one long message, many short ones, and damage all through.
//!
//! `cargo bench --bench harmony` prints the ratios and exits 1 when one is above 1.2.

#![allow(clippy::print_stdout)]

use anyhow::{Context, Result};
use descant::conversation::TokenId;
use descant::harmony::parse::Parser;
use descant::harmony::vocab::{CALL, CHANNEL, END, MESSAGE, START, Vocabulary};
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SHORT: usize = 1_000;
const LONG: usize = 100_000;
const ALLOWED: f64 = 1.2;
const PIECE: usize = 500;
const RUNS: usize = 60;

fn main() -> Result<ExitCode> {
    let vocabulary = Vocabulary::load(&std::env::temp_dir()).context("loading the vocabulary")?;
    let text = |text: &str| vocabulary.encode_text(text);
    let prose = text("The quick brown fox jumps over the lazy dog; naïve café, 北京, 🦀.\n");

    let mut opening = vec![CHANNEL];
    opening.extend(text("analysis"));
    opening.push(MESSAGE);

    let mut call = vec![CHANNEL];
    call.extend(text("commentary to=functions.search json"));
    call.push(MESSAGE);
    call.extend(text("{\"pattern\":\"x\"}"));
    call.extend([CALL, START]);
    call.extend(text("assistant"));

    let mut damage = vec![CHANNEL, CHANNEL];
    damage.extend(text("commentary?commentary to="));
    damage.push(CHANNEL);
    damage.extend(text("final The answer"));
    damage.extend([MESSAGE, START, START, END]);

    let mut worst = 0.0_f64;
    for (name, opening, unit) in [
        ("one long message", &opening, &prose),
        ("many calls", &Vec::new(), &call),
        ("damage all through", &Vec::new(), &damage),
    ] {
        let stream: Vec<TokenId> = opening
            .iter()
            .chain(unit.iter().cycle())
            .copied()
            .take(LONG)
            .collect();
        let (short, long) = (
            per_token(&vocabulary, &stream, SHORT),
            per_token(&vocabulary, &stream, LONG),
        );
        let ratio = long / short;
        worst = worst.max(ratio);
        println!(
            "harmony parse, {name}: {short:.0} ns a token at {SHORT}, {long:.0} at {LONG}, ratio {ratio:.2}"
        );
    }
    println!("harmony parse: worst ratio {worst:.2}, allowed {ALLOWED}");
    Ok(if worst <= ALLOWED {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Nanoseconds a token over the first `count` of `stream`. Timed in pieces of a fraction of a millisecond, each
/// the fastest of many runs, so that a busy machine does not weigh on the long stream more than on the short.
fn per_token(vocabulary: &Arc<Vocabulary>, stream: &[TokenId], count: usize) -> f64 {
    let stream = stream.get(..count).unwrap_or(stream);
    let mut fastest = vec![Duration::MAX; stream.len().div_ceil(PIECE)];
    for _ in 0..RUNS {
        let mut parser = Parser::new(vocabulary);
        let mut events = Vec::new();
        for (piece, fastest) in stream.chunks(PIECE).zip(&mut fastest) {
            let started = Instant::now();
            for &token in piece {
                parser.push(token, &mut events);
                // As an engine does: what is reported is handed on at once.
                black_box(&events);
                events.clear();
            }
            *fastest = started.elapsed().min(*fastest);
        }
        parser.finish(&mut events);
        black_box(&events);
    }
    let total: Duration = fastest.iter().sum();
    total.as_nanos() as f64 / stream.len() as f64
}
