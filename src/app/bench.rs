//! `descant bench`: what a model does on this machine, beside what its memory allows.

use super::{Setup, UsageError, parts};
use crate::cli::BenchArgs;
use crate::cli::exit::Exit;
use crate::cli::output::{stderr_text, stdout_text};
use crate::cli::signals::Signals;
use crate::conversation::{PromptProfile, TokenId, Usage};
use crate::engine::mistral::MistralEngine;
use crate::engine::{
    Engine, EngineEvent, GenerateRequest, LoadOptions, Sampling, StopReason, load_mistral,
};
use crate::harmony::vocab::{self, Vocabulary};
use crate::text;
use anyhow::{Context, bail};
use serde::Serialize;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// A model may end an answer early: so many are asked for at most to fill `--generate`.
const ANSWERS: usize = 16;
/// Tokens of the message after: what a tool's short answer has.
const NEXT_MESSAGE: usize = 64;

#[derive(Debug, Serialize)]
struct Report {
    model: String,
    device: String,
    context_tokens: usize,
    load_seconds: f64,
    /// Of weights, for one token.
    bytes_per_token: u64,
    /// Absent where it could not be measured.
    bytes_per_second: Option<f64>,
    /// `bytes_per_second / bytes_per_token`.
    bound_tokens_per_second: Option<f64>,
    rows: Vec<Row>,
}

/// Medians over the runs.
#[derive(Debug, Serialize)]
struct Row {
    prompt_tokens: usize,
    prefill_tokens_per_second: f64,
    first_token_seconds: f64,
    /// To the first token of the next message, with everything before it in the prefix cache.
    next_message_seconds: f64,
    decode_tokens_per_second: f64,
}

/// Loads the model and measures it. Exit 4 where it cannot be loaded, 130 on Ctrl+C.
///
/// # Errors
/// When the arguments do not fit the model, and when it fails.
pub async fn run(setup: &Setup, args: BenchArgs) -> anyhow::Result<Exit> {
    if args.runs == 0 || args.generate < 2 || args.prompt.contains(&0) {
        bail!(UsageError(
            "--runs and --prompt are at least 1, --generate at least 2".to_owned()
        ));
    }
    let cancel = CancellationToken::new();
    let mut signals = Signals::listen()?;
    tokio::select! {
        exit = measured(setup, &args, &cancel) => exit,
        () = signals.next() => {
            cancel.cancel();
            Ok(Exit::Interrupted)
        }
    }
}

async fn measured(
    setup: &Setup,
    args: &BenchArgs,
    cancel: &CancellationToken,
) -> anyhow::Result<Exit> {
    let name = setup.model();
    let say = |line: &str| {
        if setup.streams.stderr_terminal && !setup.streams.dumb {
            stderr_text(&format!("\r\x1b[K{}", text::visible(line)));
        }
    };
    say(&format!("loading {name}"));
    let data = setup.paths.data.clone();
    let vocabulary = tokio::task::spawn_blocking(move || Vocabulary::load(&data)).await??;
    let started = Instant::now();
    // As long as the longest run, where nothing else was asked for: a whole context's cache takes memory.
    let longest = args.prompt.iter().max().copied().unwrap_or(0);
    let needed = longest + 2 * args.generate + NEXT_MESSAGE;
    let asked = parts::load_options(setup, &name);
    let options = LoadOptions {
        context_length: asked.context_length.or(Some(needed.next_multiple_of(1024))),
        ..asked
    };
    let engine = load_mistral(options, std::sync::Arc::clone(&vocabulary)).await?;
    let words = Words::of(engine.info().profile, &vocabulary);
    let load_seconds = started.elapsed().as_secs_f64();
    let context = engine.info().context_length;
    if needed > context {
        bail!(UsageError(format!(
            "{name} holds {context} tokens here; a prompt of {longest} with {} generated twice and a message after takes {needed}; give a smaller --prompt",
            args.generate
        )));
    }
    say("measuring the memory");
    let engine = std::sync::Arc::new(engine);
    let measured = std::sync::Arc::clone(&engine);
    let bytes_per_second = tokio::task::spawn_blocking(move || measured.memory_bandwidth()).await?;
    let mut rows = Vec::new();
    let mut seed = 0;
    // The first request pays for what is made once.
    one(&engine, &words.prompt(64, 0), 8, cancel).await?;
    for &length in &args.prompt {
        let mut runs = Vec::new();
        for number in 1..=args.runs {
            say(&format!(
                "prompt of {length} tokens, run {number} of {}",
                args.runs
            ));
            runs.push(run_once(&engine, &words, length, args.generate, &mut seed, cancel).await?);
        }
        let median = |of: fn(&Row) -> f64| {
            let mut values: Vec<f64> = runs.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
        };
        rows.push(Row {
            // The model's own: the demo has other tokens.
            prompt_tokens: runs.first().map_or(length, |row| row.prompt_tokens),
            prefill_tokens_per_second: median(|row| row.prefill_tokens_per_second),
            first_token_seconds: median(|row| row.first_token_seconds),
            next_message_seconds: median(|row| row.next_message_seconds),
            decode_tokens_per_second: median(|row| row.decode_tokens_per_second),
        });
    }
    say("");
    let bytes_per_token = engine.weights_per_token();
    let report = Report {
        model: name,
        device: engine.info().device.clone(),
        context_tokens: context,
        load_seconds,
        bytes_per_token,
        bytes_per_second,
        bound_tokens_per_second: bytes_per_second
            .filter(|_| bytes_per_token > 0)
            .map(|speed| speed / bytes_per_token as f64),
        rows,
    };
    let printed = if args.json {
        format!("{}\n", text::json(&serde_json::to_string(&report)?))
    } else {
        text::visible(&table(&report)).into_owned()
    };
    stdout_text(&printed)?;
    Ok(Exit::Done)
}

/// One prompt that nothing before has in common with, what follows it, and the message after that.
async fn run_once(
    engine: &MistralEngine,
    words: &Words,
    length: usize,
    generate: usize,
    seed: &mut u32,
    cancel: &CancellationToken,
) -> anyhow::Result<Row> {
    *seed += 1;
    let mut asked = words.prompt(length, *seed);
    let (tokens, first) = one(engine, &asked, generate, cancel).await?;
    asked.extend(tokens);
    asked.extend(words.prompt(NEXT_MESSAGE, *seed));
    let (_, next) = one(engine, &asked, generate, cancel).await?;
    // From the first token of an answer to its last.
    let decoded = |usage: &Usage| usage.generated_tokens.saturating_sub(1);
    let (mut tokens, mut seconds) = (decoded(&first), first.decode_seconds);
    for _ in 1..ANSWERS {
        if tokens + 1 >= generate {
            break;
        }
        *seed += 1;
        let (_, usage) = one(engine, &words.prompt(length, *seed), generate, cancel).await?;
        tokens += decoded(&usage);
        seconds += usage.decode_seconds;
    }
    let fresh = first.prompt_tokens - first.cached_tokens;
    Ok(Row {
        prompt_tokens: first.prompt_tokens,
        prefill_tokens_per_second: fresh as f64 / first.prefill_seconds,
        first_token_seconds: first.prefill_seconds,
        next_message_seconds: next.prefill_seconds,
        decode_tokens_per_second: if tokens > 0 {
            tokens as f64 / seconds
        } else {
            f64::NAN
        },
    })
}

async fn one(
    engine: &MistralEngine,
    prompt: &[TokenId],
    max_tokens: usize,
    cancel: &CancellationToken,
) -> anyhow::Result<(Vec<TokenId>, Usage)> {
    let mut events = engine.generate(GenerateRequest {
        prompt: prompt.to_vec(),
        sampling: Sampling::GREEDY,
        max_tokens,
        cancel: cancel.clone(),
        spec: None,
        offer: None,
    });
    while let Some(event) = events.recv().await {
        match event {
            EngineEvent::Finished {
                stop: StopReason::Cancelled,
                ..
            } => bail!("it was cancelled"),
            EngineEvent::Finished { tokens, usage, .. } => return Ok((tokens, usage)),
            EngineEvent::Failed { error, .. } => bail!(error),
            EngineEvent::Notice(_)
            | EngineEvent::Prefill { .. }
            | EngineEvent::Tokens(_)
            | EngineEvent::Harmony(_)
            | EngineEvent::ReasoningEnded { .. } => {}
        }
    }
    Err(anyhow::anyhow!("the engine ended without an answer")).context("the log file may say why")
}

/// Ids below it are text; above are special tokens.
const ORDINARY: TokenId = 199_998;

/// What prompts are made of.
struct Words(Vec<TokenId>);

impl Words {
    /// The whole vocabulary; for the demo, whose own is small and spells a word out, single letters.
    fn of(profile: PromptProfile, vocabulary: &Vocabulary) -> Self {
        let letter = |id: &TokenId| {
            vocabulary
                .token_bytes(*id)
                .is_some_and(|bytes| matches!(bytes, [byte] if byte.is_ascii_lowercase()))
        };
        let ordinary = 0..ORDINARY;
        Words(match profile {
            PromptProfile::GptOss => ordinary.collect(),
            PromptProfile::Demo => ordinary.filter(letter).collect(),
        })
    }

    /// Tokens in no order, other ones for each seed, after `<|start|>`.
    fn prompt(&self, length: usize, seed: u32) -> Vec<TokenId> {
        let word = |n: u32| {
            let mixed = (n ^ seed.rotate_left(16)).wrapping_mul(0x9e37_79b1);
            let place = (mixed ^ (mixed >> 15)) as usize % self.0.len().max(1);
            self.0.get(place).copied().unwrap_or(vocab::RESERVED)
        };
        std::iter::once(vocab::START)
            .chain((1..u32::try_from(length).unwrap_or(u32::MAX)).map(word))
            .collect()
    }
}

fn table(report: &Report) -> String {
    let gb = |bytes: f64| bytes / 1e9;
    let mut out = format!(
        "{} on {}, context of {} tokens, loaded in {:.1} s\n\n",
        report.model, report.device, report.context_tokens, report.load_seconds
    );
    out.push_str(" prompt        prefill   first token   next message        decode\n");
    for row in &report.rows {
        out.push_str(&format!(
            "{:>7}  {:>7.0} tokens/s  {:>8.3} s     {:>8.3} s  {:>7.1} tokens/s\n",
            row.prompt_tokens,
            row.prefill_tokens_per_second,
            row.first_token_seconds,
            row.next_message_seconds,
            row.decode_tokens_per_second,
        ));
    }
    let reads = gb(report.bytes_per_token as f64);
    out.push_str(&format!("\nA token reads {reads:.3} GB of weights. "));
    match (report.bytes_per_second, report.bound_tokens_per_second) {
        (Some(speed), Some(bound)) => out.push_str(&format!(
            "This device reads {:.1} GB/s of its memory: no more than {bound:.0} tokens/s,\nunless the weights fit a cache nearer to it.\n",
            gb(speed)
        )),
        _ => out.push_str("What this device's memory allows could not be measured.\n"),
    }
    out
}
