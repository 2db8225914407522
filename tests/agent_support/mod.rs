//! An agent on a scripted engine in a folder of its own, for the `agent_*` tests.
//!
//! Prompts are rendered for GPT-OSS, which needs an environment variable to be set before the process starts
//! (see `harmony::vocab`). So [`check`] runs the test binary once more with it and reports what that said.

#![allow(dead_code)]

use descant::agent::{
    Agent, AgentCommand, AgentEvent, AgentHandle, AgentOptions, ApprovalPolicy, Check, Host,
    ImageWish, Limits, LoadWish, ModelChoice, ModelLoad, ModelOptions, PullOffer, ReviewId,
    SandboxLoad, Settled,
};
use descant::config::{Asking, CompactSettings, SamplingConfig};
use descant::conversation::{Effort, PromptProfile};
use descant::engine::Engine;
use descant::engine::scripted::{Script, ScriptedEngine, ScriptedGeneration};
use descant::harmony::vocab::{ENCODINGS_VARIABLE, Vocabulary, encodings_dir};
use descant::patch::{Decision, Decisions, Journal, Plan};
use descant::sandbox::{CellExit, CellResult, SandboxError};
use descant::session;
use descant::tools::python::Interpreter;
use descant::workspace::Workspace;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, VecDeque};
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

/// The program around the agent: loads what it was given, and remembers what was asked for.
pub struct TestHost {
    loads: Mutex<VecDeque<Result<Script, descant::engine::EngineError>>>,
    pub asked: Mutex<Vec<String>>,
    pub wishes: Mutex<Vec<LoadWish>>,
    /// What the hub offers, in order.
    pub pulls: Mutex<VecDeque<Result<PullOffer, String>>>,
    /// The machine's word that memory is short.
    pub memory_short: Arc<tokio::sync::Notify>,
    /// What becomes of the containers that are asked for, in order.
    pub fetches: Mutex<VecDeque<Fetch>>,
    /// What was loaded.
    pub engines: Arc<Mutex<Vec<Arc<ScriptedEngine>>>>,
}

/// What becomes of an image that is fetched for a new container.
pub enum Fetch {
    Works(Arc<FakePython>),
    Fails,
    /// Goes on until it is cancelled.
    Hangs,
}

impl Host for TestHost {
    fn models(&self) -> Vec<ModelChoice> {
        vec![ModelChoice {
            name: "demo".into(),
            place: "built in".into(),
        }]
    }

    fn pull(&self, name: &str) -> BoxFuture<'static, Result<PullOffer, String>> {
        self.asked.lock().unwrap().push(format!("pull {name}"));
        let pull = self.pulls.lock().unwrap().pop_front();
        std::future::ready(pull.unwrap_or_else(|| Err(format!("there is no {name}")))).boxed()
    }

    fn memory_short(&self, _device: &str) -> BoxFuture<'static, ()> {
        let short = self.memory_short.clone();
        async move { short.notified().await }.boxed()
    }

    fn load(&self, name: &str, wish: LoadWish) -> ModelLoad {
        self.wishes.lock().unwrap().push(wish);
        self.asked.lock().unwrap().push(name.to_owned());
        let load = self.loads.lock().unwrap().pop_front().unwrap();
        let engines = self.engines.clone();
        let (_sender, progress) = tokio::sync::mpsc::channel(4);
        let outcome = async move {
            let vocabulary = vocabulary();
            let engine = Arc::new(ScriptedEngine::new(load?, vocabulary.clone()));
            engines.lock().unwrap().push(engine.clone());
            Ok((engine as Arc<dyn Engine>, vocabulary))
        };
        ModelLoad {
            progress,
            outcome: outcome.boxed(),
        }
    }

    fn sandbox(&self, wish: ImageWish) -> SandboxLoad {
        self.asked.lock().unwrap().push(format!("{wish:?}"));
        let fetch = self.fetches.lock().unwrap().pop_front().unwrap();
        let (sender, progress) = tokio::sync::mpsc::channel(4);
        let told = descant::agent::ImageProgress {
            image: "python".into(),
            stage: descant::sandbox::ImageStage::Downloading,
            bytes: (10_000_000, 40_000_000),
            layers: (1, 3),
            elapsed: Duration::ZERO,
        };
        let cancel = CancellationToken::new();
        let cancelled = cancel.clone();
        let outcome = async move {
            sender.send(told).await.unwrap();
            tokio::task::yield_now().await;
            match fetch {
                Fetch::Works(python) => Ok(Box::new(Shared(python)) as Box<dyn Interpreter>),
                Fetch::Fails => Err(SandboxError::NoEngine {
                    reason: "the engine left".into(),
                    hint: "start it".into(),
                }),
                Fetch::Hangs => {
                    cancelled.cancelled().await;
                    Err(SandboxError::Cancelled {
                        image: "python".into(),
                    })
                }
            }
        };
        SandboxLoad {
            progress,
            cancel,
            outcome: outcome.boxed(),
        }
    }

    fn project(&self) -> Option<String> {
        None
    }

    fn trust(&self, _uses: bool) -> Result<Settled, String> {
        Ok(Settled::default())
    }

    fn checkup(&self) -> BoxFuture<'static, Vec<Check>> {
        let check = Check {
            name: "version",
            ok: true,
            detail: "1".into(),
            hint: None,
        };
        std::future::ready(vec![check]).boxed()
    }
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

pub fn is_end(event: &AgentEvent) -> bool {
    matches!(
        event,
        AgentEvent::TurnDone { .. }
            | AgentEvent::TurnFailed { .. }
            | AgentEvent::TurnInterrupted { .. }
    )
}

/// Events in words, those left out that depend on timing (deltas, progress, usage).
pub fn told(events: &[AgentEvent]) -> Vec<String> {
    events.iter().filter_map(tell).collect()
}

fn tell(event: &AgentEvent) -> Option<String> {
    Some(match event {
        AgentEvent::ModelFailed(error) => format!("model failed: {error}"),
        AgentEvent::TurnStarted { turn, prompt } => format!("turn {}: {prompt}", turn.0),
        AgentEvent::Queued { text } => format!("queued: {text}"),
        AgentEvent::ReasoningDone(text) => format!("reasoning: {text}"),
        AgentEvent::AnswerDone { text, last: true } => format!("answer: {text}"),
        AgentEvent::AnswerDone { text, last: false } => format!("preamble: {text}"),
        AgentEvent::ToolStarted { call, summary, .. } => format!("call {}: {summary}", call.0),
        AgentEvent::ToolOutput { call, text } => format!("output {}: {text}", call.0),
        AgentEvent::ToolFinished {
            call,
            status,
            output,
            exit_code,
            ..
        } => {
            let code = exit_code
                .map(|code| format!(" exit {code}"))
                .unwrap_or_default();
            format!("{status:?} {}{code}: {output}", call.0)
        }
        AgentEvent::ToolUnavailable { tool, reason } => format!("unavailable {tool}: {reason}"),
        AgentEvent::ReviewRequested { review, .. } => format!("review {}", review.0),
        AgentEvent::ReviewDone {
            review,
            applied,
            declined_hunks,
            ..
        } => {
            let written = applied.as_ref().map_or(0, |applied| applied.changes.len());
            format!(
                "reviewed {}: {written} files written, {declined_hunks} declined",
                review.0
            )
        }
        AgentEvent::TurnDone { answered, .. } => format!("done, answered: {answered}"),
        AgentEvent::TurnFailed { error, .. } => format!("failed: {error}"),
        AgentEvent::TurnInterrupted { .. } => "interrupted".into(),
        AgentEvent::Notice(text) => format!("notice: {text}"),
        AgentEvent::Problem(text) => format!("problem: {text}"),
        AgentEvent::ModelSwitching { name } => format!("switching to {name}"),
        AgentEvent::Approvals(policy) => format!("approvals: {policy:?}"),
        AgentEvent::Effort(effort) => format!("effort: {}", effort.as_str()),
        AgentEvent::Answer(answer) => format!("answer: {answer:?}"),
        AgentEvent::TakenBack { text } => format!("taken back: {text:?}"),
        AgentEvent::ShellStarted { run, command } => format!("shell {}: {command}", run.0),
        AgentEvent::ShellOutput { run, text } => format!("printed {}: {text}", run.0),
        AgentEvent::ShellFinished { run, end, .. } => format!("shell {} over: {end:?}", run.0),
        AgentEvent::Files(list) => format!("files: {}", list.paths.join(" ")),
        AgentEvent::ModelLoading(_)
        | AgentEvent::ModelResting { .. }
        | AgentEvent::Pull(_)
        | AgentEvent::ModelReady(_)
        | AgentEvent::Sandbox(_)
        | AgentEvent::Prefill { .. }
        | AgentEvent::ReasoningDelta(_)
        | AgentEvent::AnswerDelta(_)
        | AgentEvent::ToolCallDelta { .. }
        | AgentEvent::Context(_)
        | AgentEvent::Generating { .. }
        | AgentEvent::History(_)
        | AgentEvent::Generation(_) => return None,
    })
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

/// What one cell does.
#[derive(Debug)]
pub enum Cell {
    Ends(&'static str, CellExit),
    /// Prints, then runs until it is interrupted.
    Hangs(&'static str),
    Breaks,
}

/// A Python that plays its cells in order.
#[derive(Debug, Default)]
pub struct FakePython {
    cells: Mutex<VecDeque<Cell>>,
    pub ran: Mutex<Vec<String>>,
    pub stopped: Mutex<bool>,
    pub network: Mutex<Vec<bool>>,
}

impl FakePython {
    pub fn with(cells: impl Into<VecDeque<Cell>>) -> Self {
        FakePython {
            cells: Mutex::new(cells.into()),
            ..FakePython::default()
        }
    }
}

struct Shared(Arc<FakePython>);

impl Interpreter for Shared {
    fn description(&self) -> &str {
        "fake 1.0"
    }

    fn run<'a>(
        &'a self,
        code: &'a str,
        mut output: Box<dyn FnMut(&str) + Send + 'a>,
        cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<CellResult, SandboxError>> {
        async move {
            self.0.ran.lock().unwrap().push(code.into());
            let cell = self
                .0
                .cells
                .lock()
                .unwrap()
                .pop_front()
                .expect("one more cell than scripted");
            let (text, exit) = match cell {
                Cell::Ends(text, exit) => (text, exit),
                Cell::Hangs(text) => {
                    output(text);
                    cancel.cancelled().await;
                    return Ok(CellResult {
                        output: text.into(),
                        exit: CellExit::Interrupted,
                    });
                }
                Cell::Breaks => return Err(SandboxError::Kernel("the pipe closed".into())),
            };
            output(text);
            Ok(CellResult {
                output: text.into(),
                exit,
            })
        }
        .boxed()
    }

    fn network(&self) -> bool {
        self.0.network.lock().unwrap().last() == Some(&true)
    }

    fn set_network(&self, on: bool) -> BoxFuture<'_, ()> {
        async move { self.0.network.lock().unwrap().push(on) }.boxed()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        async move { *self.0.stopped.lock().unwrap() = true }.boxed()
    }
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
