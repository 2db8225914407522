//! Building the parts of a conversation: the model that loads while the user types, the container that starts
//! meanwhile, the journal, the record, and the agent that has them all.

use super::Setup;
use super::host::Program;
use super::instructions::Instructions;
use super::trust::{Settings, policy};
use crate::agent::{
    Agent, AgentCommand, AgentHandle, AgentOptions, ApprovalPolicy, Limits, LoadWish, ModelLoad,
    ModelOptions, SandboxLoad, Words,
};
use crate::cli::exit::Exit;
use crate::cli::output::stderr_line;
use crate::config::{Asking, LoadMoment, ViewSetting};
use crate::conversation::PromptProfile;
use crate::engine::models::resolve;
use crate::engine::server::profile::Timeouts;
use crate::engine::{EngineError, LoadOptions, load};
use crate::harmony::render::python_tool;
use crate::harmony::vocab::Vocabulary;
use crate::sandbox::{
    EngineLocator, ExtraMount, ImageProgress, ImageWish, PinFile, SandboxConfig, SandboxError,
    ViewChoice,
};
use crate::session::{Shelf, utc_date};
use crate::text;
use crate::tools::python::Interpreter;
use crate::tools::workbench::Workbench;
use crate::tui::{
    self,
    git::{GitProbe, GitState},
};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Load reports that may wait; one that finds no room is superseded by the next.
const REPORT_ROOM: usize = 16;
/// How long the end waits for the agent to remove its container.
const FAREWELL: Duration = Duration::from_secs(8);

/// Who tells the user what was found at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeting {
    /// The agent, with its first events, and the question about the repository's settings.
    ByAgent,
    OnStderr,
}

/// Starts the agent, and gives its handle with the session's id.
///
/// # Errors
/// When the journal or the record cannot be opened.
pub(super) fn start_agent(
    setup: &Setup,
    approvals: ApprovalPolicy,
    greeting: Greeting,
) -> anyhow::Result<(AgentHandle, String)> {
    let journal = super::patches::journal(setup)?;
    let now = SystemTime::now();
    let shelf = Arc::new(Shelf {
        state_dir: setup.paths.state.clone(),
        workspace: setup.workspace.root().to_owned(),
        model: setup.model(),
        branch: setup.workspace.branch(),
    });
    let session = shelf.create(now)?;
    let words = words(setup);
    let instructions =
        Instructions::read(&setup.paths, &setup.workspace, &setup.places.current_dir);
    let mut lines: Vec<String> = instructions.told().into_iter().collect();
    lines.extend(instructions.unused.iter().cloned());
    let told = match greeting {
        Greeting::ByAgent => {
            if let Settings::Unusable(reason) = &setup.settings {
                let line = format!("the settings of this repository are not used: {reason}");
                lines.push(text::visible(&line).into_owned());
            }
            Some(lines)
        }
        Greeting::OnStderr => {
            for line in &lines {
                stderr_line(&format!("descant: {line}"));
            }
            None
        }
    };
    let id = session.id().to_string();
    let handle = Agent::spawn(AgentOptions {
        workspace: Arc::clone(&setup.workspace),
        journal,
        model_load: match setup.config.engine.load {
            LoadMoment::Start => {
                let wish = LoadWish::default();
                Some(load_model(setup, &setup.model(), wish, words.clone()))
            }
            LoadMoment::FirstUse => None,
        },
        model_name: setup.model(),
        unload_after: match setup.config.engine.unload_after_min {
            0 => None,
            minutes => Some(Duration::from_secs(minutes * 60)),
        },
        sandbox: load_sandbox(setup, ImageWish::Local),
        model: ModelOptions {
            effort: setup.config.effort,
            effort_asked: setup.effort_asked,
            asking: Asking::of(&setup.config),
            seed: rand::random(),
            compact: setup.config.compact,
            date: utc_date(now),
            context_files: instructions
                .used
                .iter()
                .map(|(name, _)| text::label(name))
                .collect(),
            instructions: instructions.text,
            python: python_tool(
                setup.config.sandbox.timeout_s,
                setup.config.sandbox.view != ViewSetting::ReadOnly,
            ),
        },
        approvals,
        host: Arc::new(Program {
            setup: setup.clone(),
            words: Arc::clone(&words),
        }),
        shell: user_shell(),
        session: Some(session),
        words,
        limits: limits(setup),
        asks_trust: told.is_some() && matches!(setup.settings, Settings::Undecided(_)),
        told: told.unwrap_or_default(),
    });
    Ok((handle, id))
}

/// An engine counts as broken when it says nothing; a server has its own time for that, which must be over first.
fn limits(setup: &Setup) -> Limits {
    let usual = Limits::default();
    let named = setup.places.servers.named.values();
    let longest = named.map(|profile| profile.timeouts.first_token.max(profile.timeouts.idle));
    let longest = longest
        .max()
        .unwrap_or_default()
        .max(Timeouts::default().first_token);
    Limits {
        engine_silence: usual.engine_silence.max(longest + Duration::from_secs(60)),
        ..usual
    }
}

/// `$SHELL`, read here once; where there is none, what every system has.
fn user_shell() -> String {
    let (variable, always) = if cfg!(windows) {
        ("COMSPEC", "cmd")
    } else {
        ("SHELL", "/bin/sh")
    };
    std::env::var(variable)
        .ok()
        .filter(|shell| !shell.trim().is_empty())
        .unwrap_or_else(|| always.to_owned())
}

/// The vocabulary, made when it is first needed and then shared.
fn words(setup: &Setup) -> Words {
    let data = setup.paths.data.clone();
    let once = OnceLock::new();
    Arc::new(move || once.get_or_init(|| Vocabulary::load(&data)).clone())
}

/// Where `name` is looked for, and how it is to be loaded.
pub(super) fn load_options(setup: &Setup, name: &str) -> LoadOptions {
    let cache = setup.paths.data.join("demo");
    LoadOptions {
        context_length: setup.config.context,
        ..LoadOptions::new(name.to_owned(), setup.places.clone(), cache)
    }
}

/// Loads a model in the background.
pub(super) fn load_model(setup: &Setup, name: &str, wish: LoadWish, words: Words) -> ModelLoad {
    let (sender, progress) = mpsc::channel(REPORT_ROOM);
    let mut options = load_options(setup, name);
    options.context_length = wish.context.or(options.context_length);
    options.whole_context = wish.beside;
    let outcome = async move {
        let broken = |reason: String| EngineError::Unavailable {
            model: "the vocabulary".to_owned(),
            reason,
            hint: "descant doctor says what is missing".to_owned(),
        };
        // A model that is not there is told of without the tables of its vocabulary (35 MB).
        resolve(&options.model, &options.places)?;
        let vocabulary = tokio::task::spawn_blocking(move || words())
            .await
            .map_err(|e| broken(e.to_string()))?
            .map_err(|e| broken(e.to_string()))?;
        let report = |report| {
            let _ = sender.try_send(report);
        };
        let engine = load(options, Arc::clone(&vocabulary), report).await?;
        if engine.info().profile == PromptProfile::GptOss {
            // Now, and not while the user waits for the first answer.
            let early = Arc::clone(&vocabulary);
            tokio::task::spawn_blocking(move || early.prepare_openai())
                .await
                .map_err(|e| broken(e.to_string()))?
                .map_err(|e| broken(e.to_string()))?;
        }
        Ok((engine, vocabulary))
    };
    ModelLoad {
        progress,
        outcome: Box::pin(outcome),
    }
}

/// Starts a container in the background.
pub(super) fn load_sandbox(setup: &Setup, wish: ImageWish) -> SandboxLoad {
    let (sender, progress) = mpsc::channel(REPORT_ROOM);
    let setup = setup.clone();
    let cancel = CancellationToken::new();
    let cancelled = cancel.clone();
    let outcome = Box::pin(async move {
        let report = |progress| {
            let _ = sender.try_send(progress);
        };
        let bench = start_sandbox(&setup, wish, report, &cancelled).await?;
        Ok(Box::new(bench) as Box<dyn Interpreter>)
    });
    SandboxLoad {
        progress,
        cancel,
        outcome,
    }
}

/// The sandbox as it is configured, on the folder that is worked in.
///
/// # Errors
/// When there is no engine or no image, or the container does not start.
pub(super) async fn start_sandbox(
    setup: &Setup,
    wish: ImageWish,
    progress: impl FnMut(ImageProgress) + Send,
    cancel: &CancellationToken,
) -> Result<Workbench, SandboxError> {
    let wanted = &setup.config.sandbox;
    if !wanted.enabled {
        return Err(SandboxError::Off);
    }
    if setup.config.offline && wish == ImageWish::Pull {
        return Err(SandboxError::NoImage {
            image: wanted.image.clone(),
            hint: "--offline forbids pulling it; run without, or import it from a file".to_owned(),
        });
    }
    let config = SandboxConfig {
        wish,
        ..sandbox_config(setup)?
    };
    let workspace = Arc::clone(&setup.workspace);
    let allow = wanted.allow.clone();
    Workbench::start_with_progress(config, workspace, allow, progress, cancel).await
}

fn sandbox_config(setup: &Setup) -> Result<SandboxConfig, SandboxError> {
    let wanted = &setup.config.sandbox;
    let engine = EngineLocator {
        local_only: setup.config.offline,
        ..EngineLocator::from_env()
    };
    let mounts = wanted.mounts.iter().map(|entry| {
        ExtraMount::parse(entry, engine.home.as_deref()).map_err(|reason| SandboxError::Mount {
            mount: entry.clone(),
            reason,
        })
    });
    Ok(SandboxConfig {
        mounts: mounts.collect::<Result<_, _>>()?,
        view: match wanted.view {
            ViewSetting::Auto => ViewChoice::Auto,
            ViewSetting::Overlay => ViewChoice::Overlay,
            ViewSetting::Copy => ViewChoice::Copy,
            ViewSetting::ReadOnly => ViewChoice::ReadOnly,
        },
        shell_timeout: Duration::from_secs(wanted.shell_timeout_s),
        disk: wanted.disk_mib << 20,
        image: wanted.image.clone(),
        memory: wanted.memory_mib << 20,
        pids: wanted.pids,
        cpus: wanted.cpus,
        timeout: Duration::from_secs(wanted.timeout_s),
        output_limit: wanted.output_kib << 10,
        pins: Some(PinFile {
            path: setup.paths.state.join("sandbox-images.json"),
            today: utc_date(SystemTime::now()),
        }),
        ..SandboxConfig::new(setup.workspace.root().to_owned(), engine)
    })
}

/// Which conversation the interface goes on with.
#[derive(Debug)]
pub(super) enum Past {
    /// A new one.
    None,
    /// The user chooses from a list.
    Choose,
    /// The one in this file.
    This(PathBuf),
}

/// The terminal UI until the user leaves it.
///
/// # Errors
/// When the agent cannot be started or the terminal fails.
pub(super) async fn terminal(
    setup: Setup,
    prompt: Option<String>,
    past: Past,
) -> anyhow::Result<Exit> {
    let approvals = policy(setup.config.approvals);
    let (agent, _id) = start_agent(&setup, approvals, Greeting::ByAgent)?;
    let mut options = tui_options(&setup, prompt);
    options.approvals = approvals;
    let workspace = Arc::clone(&setup.workspace);
    options.git = Some(GitProbe(Arc::new(move || GitState {
        branch: workspace.branch(),
        dirty: workspace.is_dirty(),
    })));
    options.state = Some(setup.paths.state.clone());
    options.history_file = Some(setup.paths.state.join("history"));
    // Whoever goes on with a conversation has begun before.
    options.first_start = matches!(past, Past::None)
        && setup.config.model == "auto"
        && setup.model() == "demo"
        && !super::models::catalog::any(&setup.places);
    let commands = agent.commands.clone();
    let first = match past {
        Past::None => None,
        Past::Choose => Some(AgentCommand::ListSessions),
        Past::This(path) => Some(AgentCommand::Resume(path)),
    };
    if let Some(command) = first {
        let _ = commands.send(command).await;
    }
    let ended = tui::run(options, agent.commands, agent.events).await;
    shut_down(commands, agent.task).await;
    ended?;
    Ok(Exit::Done)
}

/// How the interface starts; it keeps no history.
pub(super) fn tui_options(setup: &Setup, prompt: Option<String>) -> tui::TuiOptions {
    tui::TuiOptions {
        theme: setup.config.theme.clone(),
        no_color: setup.no_color,
        screen_reader: setup.screen_reader,
        config: setup.paths.config.clone(),
        effort: setup.config.effort,
        approvals: ApprovalPolicy::Review,
        branch: setup.workspace.branch(),
        workspace: setup.workspace.root().to_owned(),
        model: setup.model(),
        first_start: false,
        editor: setup.editor.clone(),
        keys: Arc::clone(&setup.keys),
        history_file: None,
        state: None,
        ui: setup.config.ui,
        git: None,
        prompt,
    }
}

/// Lets the agent end its turn and remove its container.
pub(super) async fn shut_down(commands: mpsc::Sender<AgentCommand>, task: JoinHandle<()>) {
    let _ = commands.send(AgentCommand::Shutdown).await;
    drop(commands);
    if tokio::time::timeout(FAREWELL, task).await.is_err() {
        tracing::warn!("the agent did not end in time; its container ends with the program");
    }
}
