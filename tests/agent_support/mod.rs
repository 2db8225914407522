//! An agent on a scripted engine in a folder of its own, for the `agent_*` tests.
//!
//! Prompts are rendered for GPT-OSS, which needs an environment variable to be set before the process starts
//! (see `harmony::vocab`). So [`check`] runs the test binary once more with it and reports what that said.

#![allow(dead_code, unused_imports)]

mod host;
mod python;
mod told;

pub use host::{Fetch, TestHost, too_large};
pub use python::{Cell, FakePython};
pub use told::{is_end, told};

use descant::agent::{
    Agent, AgentCommand, AgentEvent, AgentHandle, AgentOptions, ApprovalPolicy, Limits, ModelLoad,
    ModelOptions, ReviewId, SandboxLoad,
};
use descant::config::{Asking, CompactSettings, SamplingConfig};
use descant::conversation::{Effort, PromptProfile};
use descant::engine::Engine;
use descant::engine::scripted::{Script, ScriptedEngine, ScriptedGeneration};
use descant::harmony::vocab::{ENCODINGS_VARIABLE, Vocabulary, encodings_dir};
use descant::patch::{Decision, Decisions, Journal, Plan};
use descant::sandbox::SandboxError;
use descant::session;
use descant::tools::python::Interpreter;
use descant::workspace::Workspace;
use futures_util::FutureExt;
use python::Shared;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Longest wait for an event; far above any test's need, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn data_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("agent-data")
}

/// Runs `test` in a process whose environment names the vocabulary's folder.
pub fn check(name: &str, test: impl Future<Output = ()>) {
    let folder = encodings_dir(&data_dir());
    if std::env::var_os(ENCODINGS_VARIABLE).as_deref() == Some(folder.as_os_str()) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        return runtime.block_on(test);
    }
    static CHILD: OnceLock<Output> = OnceLock::new();
    let child = CHILD.get_or_init(|| {
        Command::new(std::env::current_exe().unwrap())
            .args(std::env::args_os().skip(1))
            .env(ENCODINGS_VARIABLE, &folder)
            .output()
            .unwrap()
    });
    let said = String::from_utf8_lossy(&child.stdout);
    let passed = said
        .lines()
        .any(|line| line == format!("test {name} ... ok"));
    assert!(
        child.status.success() || passed,
        "{said}\n{}",
        String::from_utf8_lossy(&child.stderr)
    );
}

pub fn vocabulary() -> Arc<Vocabulary> {
    static VOCABULARY: OnceLock<Arc<Vocabulary>> = OnceLock::new();
    VOCABULARY
        .get_or_init(|| Vocabulary::load(&data_dir()).unwrap())
        .clone()
}

pub fn reason(text: &str) -> String {
    format!("<|channel|>analysis<|message|>{text}<|end|><|start|>assistant")
}

pub fn answer(text: &str) -> String {
    format!("<|channel|>final<|message|>{text}<|return|>")
}

pub fn call(tool: &str, arguments: &str) -> String {
    format!(
        "<|channel|>commentary to=functions.{tool} <|constrain|>json<|message|>{arguments}<|call|>"
    )
}

pub fn python(code: &str) -> String {
    format!("<|channel|>analysis to=python code<|message|>{code}<|call|>")
}

/// An update of one line of `path`.
pub fn patch(path: &str, old: &str, new: &str) -> String {
    format!("*** Begin Patch\n*** Update File: {path}\n@@\n-{old}\n+{new}\n*** End Patch")
}

pub struct Rig {
    pub dir: TempDir,
    pub home: TempDir,
    pub host: Arc<TestHost>,
    pub engine: Arc<ScriptedEngine>,
    pub handle: AgentHandle,
    pub python: Arc<FakePython>,
    pub session: Option<PathBuf>,
}

/// What a rig is made of; change what the test is about.
pub struct Setup {
    pub script: Script,
    pub files: Vec<(&'static str, String)>,
    pub approvals: ApprovalPolicy,
    pub python: Result<Vec<Cell>, &'static str>,
    /// In place of `python`, where a test brings a container of its own.
    pub bench: Option<Box<dyn Interpreter>>,
    /// How long the container takes to start.
    pub python_delay: Duration,
    pub max_tokens: usize,
    /// In place of a greedy one with `max_tokens`.
    pub asking: Option<Asking>,
    pub compact: CompactSettings,
    pub limits: Limits,
    pub record: bool,
    pub effort_asked: bool,
    /// The folder of state of another rig, to go on with its conversations.
    pub home: Option<TempDir>,
    pub dir: Option<TempDir>,
    /// Load the model with the first message.
    pub first_use: bool,
    pub unload_after: Option<Duration>,
    pub load_fails: Option<descant::engine::EngineError>,
    /// In place of the script's.
    pub served: Option<Arc<dyn Engine>>,
    /// What further loads give, in order.
    pub loads: Vec<Result<Script, descant::engine::EngineError>>,
}

pub fn setup<T: Into<String>>(generations: impl IntoIterator<Item = T>) -> Setup {
    Setup {
        script: Script::of(generations),
        files: vec![
            ("a.txt", "one\ntwo\nthree\n".into()),
            (
                "src/greet.py",
                "def greet(name):\n    print(\"Hi \" + name)\n".into(),
            ),
        ],
        approvals: ApprovalPolicy::ApplyAll,
        python: Ok(Vec::new()),
        bench: None,
        python_delay: Duration::ZERO,
        max_tokens: 4_096,
        asking: None,
        compact: CompactSettings::default(),
        limits: Limits::default(),
        record: false,
        effort_asked: false,
        home: None,
        dir: None,
        first_use: false,
        unload_after: None,
        load_fails: None,
        served: None,
        loads: Vec::new(),
    }
}

impl Setup {
    pub fn generation(mut self, generation: ScriptedGeneration) -> Setup {
        self.script.generations.push(generation);
        self
    }

    pub fn review(mut self) -> Setup {
        self.approvals = ApprovalPolicy::Review;
        self
    }

    pub fn start(self) -> Rig {
        let fresh = self.dir.is_none();
        let dir = self.dir.unwrap_or_else(|| tempfile::tempdir().unwrap());
        let home = self.home.unwrap_or_else(|| tempfile::tempdir().unwrap());
        for (path, text) in self.files.iter().filter(|_| fresh) {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let workspace = Workspace::open(dir.path()).unwrap();
        let journal = Journal::open(home.path(), &workspace).unwrap();
        let vocabulary = vocabulary();
        let words = vocabulary.clone();
        let load = Duration::from_millis(self.script.load_ms);
        let engine = Arc::new(ScriptedEngine::new(self.script, vocabulary.clone()));
        let loaded: Arc<dyn Engine> = self.served.unwrap_or_else(|| engine.clone());
        let fails = self.load_fails;
        let (progress_sender, progress) = tokio::sync::mpsc::channel(4);
        let outcome = async move {
            tokio::time::sleep(load).await;
            let stage = "weights";
            let told = descant::engine::LoadProgress {
                stage,
                bytes: Some((1, 2)),
                elapsed: load,
            };
            progress_sender.send(told).await.unwrap();
            tokio::task::yield_now().await;
            match fails {
                Some(error) => Err(error),
                None => Ok((loaded, vocabulary)),
            }
        };
        let writer = self.record.then(|| {
            session::Writer::create(home.path(), dir.path(), "scripted", std::time::UNIX_EPOCH)
                .unwrap()
        });
        let session = writer.as_ref().map(|writer| writer.path().to_owned());
        let python = Arc::new(FakePython::default());
        let start = {
            let python = python.clone();
            async move {
                tokio::time::sleep(self.python_delay).await;
                if let Some(bench) = self.bench {
                    return Ok(bench);
                }
                match self.python {
                    Ok(cells) => {
                        python.cells.lock().unwrap().extend(cells);
                        Ok(Box::new(Shared(python)) as Box<dyn Interpreter>)
                    }
                    Err(reason) => Err(SandboxError::NoEngine {
                        reason: reason.into(),
                        hint: "install docker".into(),
                    }),
                }
            }
        };
        let host = Arc::new(TestHost {
            loads: Mutex::new(self.loads.into()),
            asked: Mutex::default(),
            wishes: Mutex::default(),
            pulls: Mutex::default(),
            memory_short: Arc::default(),
            fetches: Mutex::default(),
            engines: Arc::default(),
        });
        let handle = Agent::spawn(AgentOptions {
            workspace: Arc::new(workspace),
            journal,
            model_name: "scripted".into(),
            model_load: (!self.first_use).then(|| ModelLoad {
                progress,
                outcome: outcome.boxed(),
            }),
            unload_after: self.unload_after,
            sandbox: SandboxLoad {
                progress: tokio::sync::mpsc::channel(1).1,
                cancel: CancellationToken::new(),
                outcome: start.boxed(),
            },
            model: ModelOptions {
                asking: self.asking.unwrap_or(Asking {
                    sampling: SamplingConfig {
                        temperature: 0.0,
                        ..SamplingConfig::default()
                    },
                    max_output_tokens: self.max_tokens,
                }),
                seed: 0,
                compact: self.compact,
                effort: Effort::Low,
                effort_asked: self.effort_asked,
                date: "2026-11-20".into(),
                instructions: "Be brief.".into(),
                context_files: Vec::new(),
                python: descant::harmony::render::python_tool(60, true),
            },
            approvals: self.approvals,
            host: host.clone(),
            shell: "/bin/sh".into(),
            session: writer,
            words: Arc::new(move || Ok(words.clone())),
            limits: self.limits,
            told: Vec::new(),
            asks_trust: false,
        });
        Rig {
            dir,
            home,
            host,
            engine,
            handle,
            python,
            session,
        }
    }
}

impl Rig {
    /// Ends the agent; the folders outlive it.
    pub async fn end(self) -> (TempDir, TempDir) {
        self.send(AgentCommand::Shutdown).await;
        let Rig {
            dir, home, handle, ..
        } = self;
        drop(handle.events);
        handle.task.await.unwrap();
        (dir, home)
    }

    pub async fn send(&self, command: AgentCommand) {
        self.handle.commands.send(command).await.unwrap();
    }

    pub async fn submit(&self, text: &str) {
        self.send(AgentCommand::Submit(text.into())).await;
    }

    pub async fn next(&mut self) -> AgentEvent {
        tokio::time::timeout(PATIENCE, self.handle.events.recv())
            .await
            .expect("no event came")
            .expect("the agent ended")
    }

    /// Events up to and with the first that `wanted` takes.
    pub async fn until(&mut self, wanted: impl Fn(&AgentEvent) -> bool) -> Vec<AgentEvent> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await;
            let found = wanted(&event);
            events.push(event);
            if found {
                return events;
            }
        }
    }

    /// The events of one turn, in words.
    pub async fn turn(&mut self, prompt: &str) -> Vec<String> {
        self.submit(prompt).await;
        told(&self.until(is_end).await)
    }

    /// The rest of the running turn, in words.
    pub async fn rest(&mut self) -> Vec<String> {
        told(&self.until(is_end).await)
    }

    /// Waits for the question and takes the plan along.
    pub async fn review(&mut self) -> (ReviewId, Box<Plan>) {
        let events = self
            .until(|event| matches!(event, AgentEvent::ReviewRequested { .. }))
            .await;
        match events.into_iter().last() {
            Some(AgentEvent::ReviewRequested { review, plan, .. }) => (review, plan),
            other => panic!("{other:?}"),
        }
    }

    pub async fn decide(&self, review: ReviewId, plan: Box<Plan>, decisions: Decisions) {
        self.send(AgentCommand::Review {
            review,
            plan,
            decisions,
        })
        .await;
    }

    pub fn file(&self, path: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(path)).unwrap()
    }

    pub fn write(&self, path: &str, text: &str) {
        std::fs::write(self.dir.path().join(path), text).unwrap();
    }

    /// What follows the fixed prompt in the last prompt, special tokens spelled.
    pub fn last_prompt(&self) -> String {
        let prompt = self.engine.prompts().pop().unwrap();
        let (_, history) = prompt.split_once("<|start|>user").unwrap();
        format!("<|start|>user{history}")
    }

    pub async fn shut_down(self) {
        let Rig { handle, .. } = self;
        handle.commands.send(AgentCommand::Shutdown).await.unwrap();
        let mut events = handle.events;
        let drain = tokio::spawn(async move { while events.recv().await.is_some() {} });
        tokio::time::timeout(PATIENCE, handle.task)
            .await
            .unwrap()
            .unwrap();
        drain.await.unwrap();
    }
}

pub fn reject(note: &str) -> Decision {
    Decision::Reject {
        note: (!note.is_empty()).then(|| note.to_owned()),
    }
}

/// Every file beneath a folder, with its bytes.
pub fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let kind = path.symlink_metadata().unwrap().file_type();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_symlink() {
                let target = std::fs::read_link(&path).unwrap();
                files.insert(path, target.into_os_string().into_encoded_bytes());
            } else {
                files.insert(path.clone(), std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

pub fn demo_profile(mut setup: Setup) -> Setup {
    setup.script.profile = PromptProfile::Demo;
    setup
}

/// How long `work` took.
pub async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let begun = Instant::now();
    let done = work.await;
    (done, begun.elapsed())
}
