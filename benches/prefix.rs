//! What is computed again: prompt tokens computed over prompt tokens that are new, across a turn of 20 tool calls.
//!
//! `cargo bench --bench prefix`; with `-- --check` a miss is an error (wanted: at most 1.1). The agent is the real one,
//! with its tools, its record and its prompt for GPT-OSS, and the engine runs a random checkpoint of bytes in process,
//! prefix cache on. What the model says is chosen for it, token by token, because random weights read no files; the
//! engine computes every one of them. New is what no earlier prompt or generation of the turn had.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "../tests/engine_checkpoint/random.rs"]
mod random;
#[allow(dead_code)]
#[path = "../tests/engine_checkpoint/setup.rs"]
mod setup;

use descant::agent::{
    Agent, AgentCommand, AgentEvent, AgentOptions, ApprovalPolicy, Check, Host, ImageWish, Limits,
    LoadWish, ModelChoice, ModelLoad, ModelOptions, PullOffer, SandboxLoad, Settled,
};
use descant::config::{Asking, CompactSettings};
use descant::conversation::{Effort, TokenId, Usage};
use descant::engine::mistral::{MistralEngine, Probe};
use descant::engine::{Engine, EngineEvent, EngineInfo, GenerateRequest};
use descant::harmony::vocab::{self, ENCODINGS_VARIABLE, encodings_dir};
use descant::patch::Journal;
use descant::sandbox::SandboxError;
use descant::session;
use descant::tools::python::Interpreter;
use descant::workspace::Workspace;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use random::Shape;
use setup::Setup;
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const CALLS: usize = 20;

fn main() -> ExitCode {
    // The prompt of GPT-OSS needs its vocabulary's folder in the environment.
    let data = std::env::temp_dir().join("descant-bench-prefix");
    let folder = encodings_dir(&data);
    if std::env::var_os(ENCODINGS_VARIABLE).as_deref() != Some(folder.as_os_str()) {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(std::env::args_os().skip(1))
            .env(ENCODINGS_VARIABLE, &folder)
            .status()
            .unwrap();
        return if status.success() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    let check = std::env::args().any(|argument| argument == "--check");
    // `cargo test --all-targets` runs benches too; a short turn shows that it works.
    let calls = if std::env::args().any(|a| a == "--bench") {
        CALLS
    } else {
        2
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let ratio = runtime.block_on(measure(&data, calls));
    println!("prompt tokens computed over new, {calls} calls: {ratio:.4} (at most 1.1)");
    if check && ratio > 1.1 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// What one generation was given, said and cost.
#[derive(Debug, Default)]
struct Step {
    prompt: Vec<TokenId>,
    said: Vec<TokenId>,
    usage: Usage,
}

/// The in-process engine, its words chosen.
#[derive(Debug)]
struct Led {
    engine: MistralEngine,
    scripts: Mutex<Vec<Vec<TokenId>>>,
    steps: Arc<Mutex<Vec<Step>>>,
}

impl Engine for Led {
    fn info(&self) -> &EngineInfo {
        self.engine.info()
    }

    fn generate(&self, request: GenerateRequest) -> mpsc::Receiver<EngineEvent> {
        let script = self.scripts.lock().unwrap().remove(0);
        let probe = Arc::new(Probe {
            script,
            ..Probe::default()
        });
        let prompt = request.prompt.clone();
        let mut events = self.engine.generate_probed(request, Some(probe));
        let steps = self.steps.clone();
        let (sender, receiver) = mpsc::channel(256);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if let EngineEvent::Finished { tokens, usage, .. } = &event {
                    steps.lock().unwrap().push(Step {
                        prompt: prompt.clone(),
                        said: tokens.clone(),
                        usage: *usage,
                    });
                }
                if sender.send(event).await.is_err() {
                    return;
                }
            }
        });
        receiver
    }
}

/// Nothing is asked of the program around this agent.
struct NoHost;

impl Host for NoHost {
    fn models(&self) -> Vec<ModelChoice> {
        Vec::new()
    }

    fn load(&self, _: &str, _: LoadWish) -> ModelLoad {
        panic!("no other model is asked for")
    }

    fn pull(&self, _: &str) -> BoxFuture<'static, Result<PullOffer, String>> {
        panic!("no model is downloaded")
    }

    fn memory_short(&self, _: &str) -> BoxFuture<'static, ()> {
        std::future::pending().boxed()
    }

    fn sandbox(&self, _: ImageWish) -> SandboxLoad {
        panic!("no container is asked for")
    }

    fn project(&self) -> Option<String> {
        None
    }

    fn trust(&self, _: bool) -> Result<Settled, String> {
        Ok(Settled::default())
    }

    fn checkup(&self) -> BoxFuture<'static, Vec<Check>> {
        std::future::ready(Vec::new()).boxed()
    }
}

/// The scripts of a turn in the checkpoint's tokens: reasoning and a page of a file, then an answer.
fn scripts(setup: &Setup, calls: usize) -> Vec<Vec<TokenId>> {
    let mut out: Vec<Vec<TokenId>> = (0..calls)
        .map(|n| {
            let arguments = format!(
                r#"{{"path":"notes.txt","offset":{},"limit":12}}"#,
                n * 12 + 1
            );
            [
                vec![vocab::CHANNEL],
                setup.text("analysis"),
                vec![vocab::MESSAGE],
                setup.text(&format!("Page {n} is next, I read on and keep it in mind.")),
                vec![vocab::END, vocab::START],
                setup.text("assistant"),
                vec![vocab::CHANNEL],
                setup.text("commentary to=functions.read_file "),
                vec![vocab::CONSTRAIN],
                setup.text("json"),
                vec![vocab::MESSAGE],
                setup.text(&arguments),
                vec![vocab::CALL],
            ]
            .concat()
        })
        .collect();
    out.push(
        [
            vec![vocab::CHANNEL],
            setup.text("final"),
            vec![vocab::MESSAGE],
            setup.text("That was all."),
            vec![vocab::RETURN],
        ]
        .concat(),
    );
    out
}

async fn measure(data: &std::path::Path, calls: usize) -> f64 {
    let shape = Shape {
        context: 32_768,
        ..Shape::default()
    };
    let setup = Setup::new(&shape);
    let vocabulary = descant::harmony::vocab::Vocabulary::load(data).unwrap();
    let steps: Arc<Mutex<Vec<Step>>> = Arc::default();
    let led: Arc<dyn Engine> = Arc::new(Led {
        engine: setup.engine().await,
        scripts: Mutex::new(scripts(&setup, calls)),
        steps: steps.clone(),
    });
    let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let lines: String = (1..=300)
        .map(|n| format!("note {n}: remember {}\n", n * 7919))
        .collect();
    std::fs::write(dir.path().join("notes.txt"), lines).unwrap();
    let workspace = Workspace::open(dir.path()).unwrap();
    let journal = Journal::open(home.path(), &workspace).unwrap();
    let writer =
        session::Writer::create(home.path(), dir.path(), "random", std::time::UNIX_EPOCH).unwrap();
    let words = vocabulary.clone();
    let mut handle = Agent::spawn(AgentOptions {
        workspace: Arc::new(workspace),
        journal,
        model_name: "random".into(),
        model_load: Some(ModelLoad {
            progress: mpsc::channel(1).1,
            outcome: async move { Ok((led, vocabulary)) }.boxed(),
        }),
        unload_after: None,
        sandbox: SandboxLoad {
            progress: mpsc::channel(1).1,
            cancel: CancellationToken::new(),
            outcome: async {
                Err::<Box<dyn Interpreter>, _>(SandboxError::NoEngine {
                    reason: "not needed here".into(),
                    hint: "none".into(),
                })
            }
            .boxed(),
        },
        model: ModelOptions {
            effort: Effort::Medium,
            effort_asked: false,
            asking: Asking::default(),
            seed: 1,
            compact: CompactSettings::default(),
            date: "2026-11-21".into(),
            instructions: String::new(),
            context_files: Vec::new(),
            python: String::new(),
        },
        approvals: ApprovalPolicy::ProposeOnly,
        host: Arc::new(NoHost),
        shell: "/bin/sh".into(),
        session: Some(writer),
        words: Arc::new(move || Ok(words.clone())),
        limits: Limits::default(),
        told: Vec::new(),
        asks_trust: false,
    });
    let prompt = AgentCommand::Submit("Read notes.txt to its end.".into());
    handle.commands.send(prompt).await.unwrap();
    loop {
        match handle.events.recv().await.unwrap() {
            AgentEvent::TurnDone { answered, .. } => {
                assert!(answered);
                break;
            }
            AgentEvent::TurnFailed { error, .. } => panic!("{error}"),
            AgentEvent::ToolFinished { output, .. } => {
                assert!(output.starts_with("note "), "{output}");
            }
            _ => {}
        }
    }
    let steps = steps.lock().unwrap();
    assert_eq!(steps.len(), calls + 1);
    ratio(&steps, &setup)
}

/// What was computed, over what no earlier prompt or generation of the turn had.
fn ratio(steps: &[Step], setup: &Setup) -> f64 {
    let (mut computed, mut new, mut asked) = (0, 0, 0);
    let mut known: Vec<u8> = Vec::new();
    for step in steps {
        let prompt = setup.vocabulary.decode_bytes(&step.prompt);
        let shared = known
            .iter()
            .zip(&prompt)
            .take_while(|(a, b)| a == b)
            .count();
        new += tokens_of(prompt.get(shared..).unwrap_or_default());
        computed += step.usage.prompt_tokens - step.usage.cached_tokens;
        asked += step.usage.prompt_tokens;
        known = prompt;
        known.extend(setup.vocabulary.decode_bytes(&step.said));
    }
    println!(
        "{} prompts of {asked} tokens together: {computed} computed, {new} new",
        steps.len()
    );
    computed as f64 / new as f64
}

/// Tokens of the checkpoint in a text with its special tokens spelled: each of these is one, else a byte.
fn tokens_of(text: &[u8]) -> usize {
    let mut rest = text;
    let mut count = 0;
    while !rest.is_empty() {
        let special = random::SPECIALS
            .iter()
            .find(|(name, _)| rest.starts_with(name.as_bytes()));
        let length = special.map_or(1, |(name, _)| name.len());
        rest = rest.get(length..).unwrap_or_default();
        count += 1;
    }
    count
}
