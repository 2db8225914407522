//! Model servers: every protocol against a stand-in on a real socket with faults, the program itself against one, and
//! against a real server where `scripts/llama-server-for-tests.sh` has installed it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    clippy::print_stderr
)]

#[path = "server/connecting.rs"]
mod connecting;
#[path = "server/faults.rs"]
mod faults;
#[path = "server/program.rs"]
mod program;
#[path = "server/protocols.rs"]
mod protocols;
#[path = "server/real.rs"]
mod real;
mod support;

use descant::conversation::{Effort, FunctionSpec, PromptProfile, PromptSpec, TokenId, Usage};
use descant::engine::server::address::Address;
use descant::engine::server::profile::{Profile, Target, Timeouts};
use descant::engine::server::{ServerEngine, connect};
use descant::engine::{Engine, EngineError, EngineEvent, GenerateRequest, Sampling, StopReason};
use descant::harmony::vocab::{MESSAGE, START, Vocabulary};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

fn vocabulary() -> Arc<Vocabulary> {
    static SHARED: OnceLock<Arc<Vocabulary>> = OnceLock::new();
    let load = || Vocabulary::load(std::path::Path::new("/nonexistent")).unwrap();
    Arc::clone(SHARED.get_or_init(load))
}

/// Whatever is at `url`, asked twice more when it fails, and never waited for long.
fn target(url: &str) -> Target {
    let mut profile = Profile::at(Address::parse(url).unwrap(), None);
    profile.retries = 2;
    profile.timeouts = Timeouts {
        connect: Duration::from_secs(30),
        first_token: Duration::from_secs(60),
        idle: Duration::from_secs(60),
    };
    Target {
        model: None,
        server: profile.address.short().to_owned(),
        profile,
    }
}

async fn engine(target: Target) -> ServerEngine {
    connect(target, vocabulary(), |_| {}).await.unwrap()
}

fn request() -> GenerateRequest {
    let mut prompt = vec![START];
    prompt.extend(vocabulary().encode_text("user"));
    prompt.push(MESSAGE);
    prompt.extend(vocabulary().encode_text("Go on."));
    GenerateRequest {
        prompt,
        sampling: Sampling::GREEDY,
        max_tokens: 500,
        cancel: CancellationToken::new(),
        spec: Some(Arc::new(PromptSpec {
            profile: PromptProfile::GptOss,
            effort: Effort::Medium,
            date: "2026-01-01".into(),
            instructions: "Be brief.".into(),
            python: None,
            functions: vec![FunctionSpec {
                name: "read_file".into(),
                description: "Read.".into(),
                parameters: None,
            }],
        })),
        offer: None,
    }
}

/// What became of a generation.
#[derive(Debug, Clone, PartialEq)]
struct Done {
    tokens: Vec<TokenId>,
    /// The ids as they were reported, which must be the same.
    streamed: Vec<TokenId>,
    notices: Vec<String>,
    usage: Usage,
    ended: Result<StopReason, EngineError>,
}

impl Done {
    fn text(&self) -> String {
        String::from_utf8(vocabulary().decode_bytes(&self.tokens)).unwrap()
    }

    fn error(&self) -> String {
        self.ended.clone().unwrap_err().to_string()
    }
}

async fn generate(engine: &ServerEngine, request: GenerateRequest) -> Done {
    let mut events = engine.generate(request);
    let (mut streamed, mut notices) = (Vec::new(), Vec::new());
    while let Some(event) = events.recv().await {
        let (tokens, usage, ended) = match event {
            EngineEvent::Tokens(tokens) => {
                streamed.extend(tokens);
                continue;
            }
            EngineEvent::Notice(line) => {
                notices.push(line);
                continue;
            }
            EngineEvent::Prefill { .. }
            | EngineEvent::Harmony(_)
            | EngineEvent::ReasoningEnded { .. } => continue,
            EngineEvent::Finished {
                tokens,
                usage,
                stop,
            } => (tokens, usage, Ok(stop)),
            EngineEvent::Failed { error, tokens } => (tokens, Usage::default(), Err(error)),
        };
        assert_eq!(streamed, tokens);
        assert!(events.recv().await.is_none(), "an event after the last");
        return Done {
            tokens,
            streamed,
            notices,
            usage,
            ended,
        };
    }
    panic!("no last event");
}
