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

#[path = "engine_checkpoint/setup.rs"]
mod setup;

use bare::Bare;
use descant::conversation::{Channel, FunctionSpec, Message, MessageEnd, TokenId};
use descant::engine::mistral::Probe;
use descant::engine::{
    Engine, EngineError, EngineEvent, GenerateRequest, LoadOptions, Sampling, StopReason, load,
};
use descant::harmony::HarmonyEvent;
use descant::harmony::grammar::Offer;
use descant::harmony::parse::Parser;
use descant::harmony::vocab;
use random::Shape;
use setup::{Setup, all, finished, request};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn text_of(events: &[EngineEvent]) -> String {
    let delta = |event: &EngineEvent| match event {
        EngineEvent::Harmony(HarmonyEvent::TextDelta(text)) => Some(text.clone()),
        _ => None,
    };
    events.iter().filter_map(delta).collect()
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
        let outcome = all(engine.generate(request(prompt.clone(), 100))).await;
        let (tokens, usage, stop) = finished(&outcome);
        let theirs = bare.greedy_ids(setup.to_checkpoint(&prompt), 100).await;
        let ours = setup.to_checkpoint(&tokens);
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
    let first = all(engine.generate_probed(request(prompt.clone(), 100), Some(probe))).await;
    let (tokens, usage, stop) = finished(&first);
    assert_eq!(
        (tokens.len(), tokens.last(), stop),
        (13, Some(&vocab::CALL), StopReason::Stop)
    );
    assert_eq!(usage.cached_tokens, 0);

    let mut next = prompt.clone();
    next.extend_from_slice(&tokens);
    let known = next.len();
    next.extend(setup.prompt("a tool's answer"));
    let second = all(engine.generate(request(next.clone(), 5))).await;
    let (_, usage, _) = finished(&second);
    // All but the `<|call|>`, whose keys the engine never computed.
    assert_eq!(usage.cached_tokens, known - 1);
    assert_eq!(usage.prompt_tokens, next.len());
    assert_eq!(
        second[0],
        EngineEvent::Prefill {
            done: 0,
            total: next.len() - known + 1
        }
    );
    let total = next.len() - known + 1;
    assert_eq!(second[1], EngineEvent::Prefill { done: total, total });
}

fn prefills(events: &[EngineEvent]) -> Vec<(usize, usize)> {
    let prefill = |event: &EngineEvent| match event {
        EngineEvent::Prefill { done, total } => Some((*done, *total)),
        _ => None,
    };
    events.iter().filter_map(prefill).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_prompt_is_counted_while_it_is_read() {
    let setup = Setup::new(&Shape::default());
    let engine = setup.engine().await;
    let prompt = setup.prompt(&"words ".repeat(200));
    let length = prompt.len();
    assert_eq!(length, 1201);
    let events = all(engine.generate(request(prompt.clone(), 3))).await;
    assert_eq!(
        prefills(&events),
        [(0, length), (512, length), (length, length)]
    );
    let (tokens, usage, _) = finished(&events);
    assert_eq!((usage.cached_tokens, usage.prompt_tokens), (0, length));

    // What is in the cache is not read again.
    let mut next = prompt;
    next.extend(tokens);
    let known = next.len() - 1;
    next.extend(setup.text(&"more ".repeat(160)));
    let events = all(engine.generate(request(next.clone(), 3))).await;
    let left = next.len() - known;
    assert_eq!(prefills(&events), [(0, left), (512, left), (left, left)]);
    assert_eq!(finished(&events).1.cached_tokens, known);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_the_reading_of_a_prompt_at_the_step() {
    let setup = Setup::new(&Shape::default());
    let engine = setup.engine().await;
    let request = request(setup.prompt(&"words ".repeat(300)), 3);
    let cancel = request.cancel.clone();
    let mut events = engine.generate(request);
    let mut seen = Vec::new();
    while let Some(event) = events.recv().await {
        if matches!(event, EngineEvent::Prefill { done: 512, .. }) {
            cancel.cancel();
        }
        seen.push(event);
    }
    let (tokens, _, stop) = finished(&seen);
    assert_eq!((tokens.len(), stop), (0, StopReason::Cancelled));
    assert!(prefills(&seen).iter().all(|(done, total)| done < total));

    // What was read until then is in the cache.
    let again = all(engine.generate(setup::request(setup.prompt(&"words ".repeat(300)), 3))).await;
    assert!(finished(&again).1.cached_tokens >= 512);
}

#[tokio::test(flavor = "multi_thread")]
async fn seeds_reproduce_and_differ() {
    let setup = Setup::new(&Shape::default());
    let engine = setup.engine().await;
    let run = async |seed| {
        let sampling = Sampling {
            temperature: 1.0,
            seed,
            ..Sampling::GREEDY
        };
        let request = GenerateRequest {
            sampling,
            ..request(setup.prompt("dice"), 40)
        };
        finished(&all(engine.generate(request)).await).0
    };
    let (a, b, c) = (run(1).await, run(1).await, run(2).await);
    assert_eq!(a, b);
    assert_ne!(a, c);
}

/// The messages of a generation, and how many of its tokens are analysis to nobody, headers left out.
fn read(setup: &Setup, tokens: &[TokenId]) -> (Vec<Message>, usize) {
    let mut parser = Parser::new(&setup.vocabulary);
    let (mut events, mut messages, mut thought) = (Vec::new(), Vec::new(), 0);
    let mut thinking = false;
    for &token in tokens {
        parser.push(token, &mut events);
        thought += usize::from(thinking && !vocab::is_special(token));
        for event in events.drain(..) {
            match event {
                HarmonyEvent::MessageStarted(header) => {
                    thinking =
                        header.channel == Some(Channel::Analysis) && header.recipient.is_none();
                }
                HarmonyEvent::MessageDone(message) => {
                    thinking = false;
                    messages.push(message);
                }
                HarmonyEvent::TextDelta(_) => {}
            }
        }
    }
    parser.finish(&mut events);
    messages.extend(events.into_iter().filter_map(|event| match event {
        HarmonyEvent::MessageDone(message) => Some(message),
        HarmonyEvent::MessageStarted(_) | HarmonyEvent::TextDelta(_) => None,
    }));
    (messages, thought)
}

fn ended(events: &[EngineEvent]) -> Option<usize> {
    events.iter().find_map(|event| match event {
        EngineEvent::ReasoningEnded { tokens } => Some(*tokens),
        _ => None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn reasoning_goes_on_to_the_answer_at_its_budget() {
    let setup = Setup::new(&Shape::default());
    let engine = setup.engine().await;
    let thinks = [
        vec![vocab::CHANNEL],
        setup.text("analysis"),
        vec![vocab::MESSAGE],
        setup.text("I think, "),
    ];
    let run = async |budget| {
        let probe = Arc::new(Probe {
            script: thinks.concat(),
            ..Probe::default()
        });
        let mut request = request(setup.prompt("think"), 200);
        request.sampling.reasoning_budget = budget;
        all(engine.generate_probed(request, Some(probe))).await
    };
    let free = run(None).await;
    assert_eq!(ended(&free), None);
    let (messages, _) = read(&setup, &finished(&free).0);
    assert_eq!(messages.len(), 1, "{messages:?}");

    let held = run(Some(40)).await;
    let (tokens, usage, _) = finished(&held);
    let (messages, thought) = read(&setup, &tokens);
    // A character is said to its end.
    assert!((40..44).contains(&thought), "{thought}");
    assert_eq!(ended(&held), Some(thought));
    assert_eq!(
        (
            messages[0].end,
            messages[0].repaired,
            &messages[1].header.channel
        ),
        (MessageEnd::End, false, &Some(Channel::Final))
    );
    assert!(messages[0].text.starts_with("I think, "));
    // It is the model that answers.
    assert!(!messages[1].text.is_empty() && !messages[1].repaired);
    assert_eq!(usage.generated_tokens, tokens.len());
    // What was said before the budget is what is said without one.
    let whole = finished(&free).0;
    let same = tokens
        .iter()
        .zip(&whole)
        .take_while(|(a, b)| a == b)
        .count();
    assert_eq!(
        same,
        thinks.concat().len() + thought - setup.text("I think, ").len()
    );
    // And what is in the cache is right: the next prompt finds all of it.
    let mut next = setup.prompt("think");
    next.extend_from_slice(&tokens);
    let known = next.len();
    next.extend([vocab::END, vocab::START]);
    let again = all(engine.generate(setup::request(next, 2))).await;
    assert_eq!(finished(&again).1.cached_tokens, known - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_grammar_a_call_or_the_answer_follows_the_budget() {
    let setup = Setup::new(&Shape::default());
    let engine = setup.engine().await;
    let schema = serde_json::json!({"type": "object", "properties": {"n": {"type": "integer"}},
        "required": ["n"], "additionalProperties": false});
    let count = FunctionSpec {
        name: "count".into(),
        description: String::new(),
        parameters: Some(schema),
    };
    let offers = [vec![count], Vec::new()].map(|functions| {
        Arc::new(Offer {
            python: !functions.is_empty(),
            functions,
            targets: None,
        })
    });
    let thinks = [
        vec![vocab::CHANNEL],
        setup.text("analysis"),
        vec![vocab::MESSAGE],
        setup.text("So"),
    ];
    let (mut calls, mut answers) = (0, 0);
    for seed in 0..20 {
        let probe = Arc::new(Probe {
            script: thinks.concat(),
            ..Probe::default()
        });
        let request = GenerateRequest {
            sampling: Sampling {
                temperature: 8.0,
                seed,
                reasoning_budget: Some(6),
                ..Sampling::GREEDY
            },
            offer: Some(offers[usize::from(seed % 2 == 1)].clone()),
            ..request(setup.prompt(&format!("do {seed}")), 120)
        };
        let events = all(engine.generate_probed(request, Some(probe))).await;
        let (messages, thought) = read(&setup, &finished(&events).0);
        assert_eq!(ended(&events), Some(thought));
        assert!((6..10).contains(&thought), "{thought}: {messages:?}");
        assert!(
            messages.iter().all(|message| !message.repaired),
            "{messages:?}"
        );
        let [analysis, next, ..] = messages.as_slice() else {
            panic!("{messages:?}")
        };
        assert_eq!(analysis.end, MessageEnd::End);
        match &next.header.recipient {
            Some(_) => calls += 1,
            None => {
                assert_eq!(next.header.channel, Some(Channel::Final));
                answers += 1;
            }
        }
    }
    // The model chooses which, where there is anything to call.
    println!("{calls} calls and {answers} answers");
    assert!(calls > 0 && answers >= 10, "{calls}, {answers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_whole_whatever_the_reader_does() {
    let setup = Setup::new(&Shape::default());
    let engine = setup.engine().await;
    let quick = all(engine.generate(request(setup.prompt("slow reader"), 600))).await;
    let mut events = engine.generate(request(setup.prompt("slow reader"), 600));
    // The model runs to its end while nobody reads.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let mut slow = Vec::new();
    while let Some(event) = events.recv().await {
        slow.push(event);
    }
    assert_eq!(text_of(&slow), text_of(&quick));
    assert_eq!(finished(&slow).0, finished(&quick).0);
    assert!(
        finished(&slow).1.generated_tokens > 64,
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
    let outcome = all(events).await;
    let stopped = pressed.elapsed();
    let (tokens, usage, stop) = finished(&outcome);
    assert_eq!(stop, StopReason::Cancelled);
    assert!(!tokens.is_empty() && tokens.len() < 1_900);
    assert_eq!(usage.generated_tokens, tokens.len());
    assert!(
        stopped < Duration::from_millis(100),
        "stopped after {stopped:?}"
    );

    // What was generated is in the cache, so going on costs little and is right.
    let mut next = prompt;
    next.extend_from_slice(&tokens);
    let known = next.len();
    next.push(vocab::END);
    let (_, usage, _) = finished(&all(engine.generate(setup::request(next, 3))).await);
    assert!(
        usage.cached_tokens + 2 >= known,
        "{} of {known} were cached",
        usage.cached_tokens
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_frees_the_engine() {
    let setup = Setup::new(&Shape::default());
    let engine = setup.engine().await;
    let probe = Arc::new(Probe::default());
    let asked = request(setup.prompt("leaving"), 1_900);
    let mut events = engine.generate_probed(asked, Some(probe.clone()));
    let _first = events.recv().await;
    drop(events);
    let outcome = all(engine.generate(request(setup.prompt("next"), 3))).await;
    assert_eq!(finished(&outcome).0.len(), 3);
    let generated = probe.margins.lock().unwrap().len();
    assert!(generated < 1_900, "it went on to its limit");
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
    let outcome = all(engine.generate(request(long.clone(), 500))).await;
    let (tokens, _, stop) = finished(&outcome);
    assert_eq!(
        (tokens.len() + long.len(), stop),
        (1024, StopReason::Length)
    );
    // The context is full to the last token and the engine still lives.
    let over = setup.prompt(&"x".repeat(1_023));
    let outcome = all(engine.generate(request(over, 5))).await;
    assert!(
        matches!(
            outcome[..],
            [EngineEvent::Failed {
                error: EngineError::ContextFull {
                    prompt: 1024,
                    context: 1024
                },
                ..
            }]
        ),
        "{outcome:?}"
    );
    let outcome = all(engine.generate(request(setup.prompt("x"), 0))).await;
    assert_eq!(finished(&outcome).2, StopReason::Length);
    assert_eq!(
        finished(&all(engine.generate(request(setup.prompt("x"), 2))).await)
            .0
            .len(),
        2
    );
}

/// Whatever a checkpoint folder may be, the refusal names it, comes at once and says what to do.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_come_before_loading() {
    let setup = Setup::new(&Shape::default());
    let folder = setup.home.path().join("model");
    let refuse = async |options: LoadOptions| -> String {
        let mut stages = Vec::new();
        let error = load(options, setup.vocabulary.clone(), |progress| {
            stages.push(progress.stage);
        })
        .await
        .expect_err("a refusal");
        assert!(
            stages.iter().all(|stage| *stage == "checking"),
            "{error}: {stages:?}"
        );
        error.to_string()
    };
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let edit = |key: &str, value: serde_json::Value| {
        let mut changed: serde_json::Value = serde_json::from_str(&config).unwrap();
        changed[key] = value;
        std::fs::write(folder.join("config.json"), changed.to_string()).unwrap();
    };

    if !cfg!(any(feature = "cuda", feature = "metal")) {
        edit("model_type", "gpt_oss".into());
        let error = refuse(setup.options()).await;
        for part in ["GPT-OSS needs a GPU", "-m demo", "--features cuda"] {
            assert!(error.contains(part), "{error}");
        }
        edit(
            "quantization_config",
            serde_json::json!({"quant_method": "mxfp4"}),
        );
        assert!(
            refuse(setup.options())
                .await
                .contains("GPT-OSS needs a GPU")
        );
    }

    // Heads by the million: a cache no machine has.
    edit("num_key_value_heads", 40_000_000.into());
    let error = refuse(setup.options()).await;
    assert!(
        error.contains("does not fit into the memory that is free")
            && error.contains("needed in all"),
        "{error}"
    );

    edit("vocab_size", 32_000.into());
    let error = refuse(setup.options()).await;
    assert!(
        error.contains("vocab.json has 264 tokens and the weights have 32000"),
        "{error}"
    );
    std::fs::remove_file(folder.join("vocab.json")).unwrap();
    assert!(
        refuse(setup.options())
            .await
            .contains("vocabulary of 32000 tokens is not Harmony's")
    );

    std::fs::write(folder.join("config.json"), &config).unwrap();
    let weights = std::fs::read(folder.join("model.safetensors")).unwrap();
    std::fs::write(
        folder.join("model.safetensors"),
        &weights[..weights.len() - 1],
    )
    .unwrap();
    assert!(refuse(setup.options()).await.contains("is truncated"));
    std::fs::remove_file(folder.join("tokenizer.json")).unwrap();
    std::fs::write(folder.join("model.safetensors"), &weights).unwrap();
    assert!(refuse(setup.options()).await.contains("there is no"));
    assert!(
        refuse(LoadOptions {
            model: "gpt-oss-20b".into(),
            ..setup.options()
        })
        .await
        .contains("models pull gpt-oss-20b")
    );
}

/// What mistral.rs cannot load, it may meet as a panic: a refusal all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_cannot_be_built_is_refused() {
    let setup = Setup::new(&Shape::default());
    let folder = setup.home.path().join("model");
    std::fs::write(folder.join("tokenizer.json"), "{}").unwrap();
    let error = load(setup.options(), setup.vocabulary.clone(), |_| {})
        .await
        .expect_err("a refusal");
    assert!(matches!(error, EngineError::Unavailable { .. }), "{error}");
    let setup = Setup::new(&Shape::default());
    let folder = setup.home.path().join("model");
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    std::fs::write(
        folder.join("config.json"),
        config.replace("LlamaForCausalLM", "NoSuchModel"),
    )
    .unwrap();
    let error = load(setup.options(), setup.vocabulary.clone(), |_| {})
        .await
        .expect_err("a refusal");
    assert!(error.to_string().contains("mistral.rs"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_starts_with_checking_and_ends_ready() {
    let setup = Setup::new(&Shape::default());
    let mut reports = Vec::new();
    let engine = load(setup.options(), setup.vocabulary.clone(), |report| {
        reports.push(report)
    })
    .await
    .unwrap();
    assert_eq!(engine.info().device, "cpu");
    assert_eq!(reports.first().unwrap().stage, "checking");
    assert_eq!(reports.last().unwrap().stage, "ready");
    let size = reports.last().unwrap().bytes.unwrap();
    assert!(size.0 == size.1 && size.0 > 100_000, "{size:?}");
    assert!(
        reports
            .windows(2)
            .all(|pair| pair[0].elapsed <= pair[1].elapsed)
    );
}

/// The variable that makes a test of this file the loading child of [`nothing_is_printed`].
const CHILD: &str = "DESCANT_TEST_LOAD_IN";

/// Loads and generates on a terminal of its own, where progress bars and logs would show.
#[test]
fn nothing_is_printed() {
    let setup = Setup::new(&Shape::default());
    let pty = portable_pty::native_pty_system();
    let pair = pty
        .openpty(portable_pty::PtySize {
            rows: 24,
            cols: 80,
            pixel_width: 0,
            pixel_height: 0,
        })
        .unwrap();
    let mut command = portable_pty::CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["--exact", "loads_in_a_child", "--nocapture", "--quiet"]);
    command.env(CHILD, setup.home.path());
    command.env("TERM", "xterm-256color");
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let output = std::thread::spawn(move || {
        let mut output = Vec::new();
        // A terminal whose last program left reads as an error on Linux.
        let _end = std::io::Read::read_to_end(&mut reader, &mut output);
        output
    });
    assert!(child.wait().unwrap().success());
    drop(pair.master);
    let output = String::from_utf8(output.join().unwrap()).unwrap();
    let (_, after) = output.split_once("[[").expect("the child's first mark");
    let (between, _) = after.split_once("]]").expect("the child's last mark");
    assert_eq!(between, "", "mistral.rs wrote to the terminal");
}

/// The other half of [`nothing_is_printed`]; alone it does nothing.
#[test]
fn loads_in_a_child() {
    let Some(home) = std::env::var_os(CHILD) else {
        return;
    };
    let home = Path::new(&home);
    print!("[[");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let generated = runtime.block_on(async {
        let vocabulary = descant::harmony::vocab::Vocabulary::load(home).unwrap();
        let engine = load(setup::options(home), vocabulary.clone(), |_| {})
            .await
            .unwrap();
        let mut prompt = vec![vocab::START];
        prompt.extend(
            vocabulary
                .encode_text("a b c")
                .iter()
                .filter(|id| **id < 256),
        );
        all(engine.generate(request(prompt, 20))).await
    });
    print!("]]");
    assert!(!finished(&generated).0.is_empty());
}
