//! The composition root: reads the command line and the configuration once, builds the parts, and runs what
//! was asked for.
//!
//! It may import everything; nothing imports it but `main`. It holds no logic of its own that a test would
//! want to reach without starting the program. Errors become exit codes here and nowhere else.

mod apply;
mod bench;
mod doctor;
mod host;
mod instructions;
mod logging;
mod models;
mod parts;
mod patches;
mod project;
mod python;
mod servers;
mod sessions;
mod trust;

use crate::agent::ApprovalPolicy;
use crate::cli::exit::Exit;
use crate::cli::output::{Streams, Style, paint, stderr_line, stdout_text};
use crate::cli::signals::Signals;
use crate::cli::{
    Apply, Args, ColorChoice, Command, CommonArgs, ModelsCommand, OnceArgs, SessionsCommand, once,
};
use crate::config::{Config, Layers, Paths, Project};
use crate::engine::EngineError;
use crate::engine::models::{ModelPlaces, resolve};
use crate::hub::{HubError, HubSettings};
use crate::text;
use crate::tui::{Keymap, TuiError};
use crate::workspace::Workspace;
use anyhow::{Context, bail};
use clap::{CommandFactory, Parser};
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use trust::Settings;

/// What every command needs, made once.
#[derive(Debug, Clone)]
pub struct Setup {
    pub paths: Paths,
    /// What the user typed.
    pub args: CommonArgs,
    /// What the repository would like to set.
    pub settings: Settings,
    pub config: Config,
    pub workspace: Arc<Workspace>,
    /// Where models are looked for.
    pub places: ModelPlaces,
    /// Where they are downloaded from and to; `None` without a home folder.
    pub hub: Option<HubSettings>,
    /// The model was given on the command line.
    pub model_asked: bool,
    /// The effort was given on the command line.
    pub effort_asked: bool,
    pub streams: Streams,
    /// `$VISUAL`, else `$EDITOR`, else `vi`.
    pub editor: String,
    pub keys: Arc<Keymap>,
    /// `NO_COLOR` is set, or `TERM` is `dumb`.
    pub no_color: bool,
    /// Lines to read instead of a screen to look at.
    pub screen_reader: bool,
}

impl Setup {
    /// The model to load, at the server that is configured; without one, `auto` is gpt-oss-20b where it is
    /// downloaded and this build can run it, else the demo.
    pub fn model(&self) -> String {
        if let Some(name) = servers::model(self) {
            return name;
        }
        const PREFERRED: &str = "gpt-oss-20b";
        let accelerated = cfg!(any(feature = "cuda", feature = "metal"));
        match self.config.model.as_str() {
            "auto" if accelerated && resolve(PREFERRED, &self.places).is_ok() => {
                PREFERRED.to_owned()
            }
            "auto" => "demo".to_owned(),
            named => named.to_owned(),
        }
    }
}

/// A mistake of the user's on the command line or in the configuration: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

/// Runs the program.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        // It repeats what was typed, which may be a file's name.
        Err(error) if error.use_stderr() => {
            stderr_line(text::visible(&error.to_string()).trim_end());
            return Exit::Usage.into();
        }
        Err(help) => help.exit(),
    };
    let color = Streams::new(args.common.color, no_color(), term().as_deref()).stderr_color;
    let exit = match run(args) {
        Ok(exit) => exit,
        Err(error) => {
            let message = text::visible(&format!("descant: {error:#}")).into_owned();
            stderr_line(&paint(color, Style::Red, &message));
            let no_terminal = matches!(error.downcast_ref(), Some(TuiError::NoTerminal));
            if let Some(error) = error.downcast_ref::<HubError>() {
                models::exit_of(error)
            } else if error.is::<UsageError>() || no_terminal {
                Exit::Usage
            } else if error.is::<EngineError>() {
                Exit::Unavailable
            } else {
                Exit::Failed
            }
        }
    };
    exit.into()
}

fn run(args: Args) -> anyhow::Result<Exit> {
    match &args.command {
        Some(Command::Completions { shell }) => {
            let mut out = Vec::new();
            clap_complete::generate(*shell, &mut Args::command(), "descant", &mut out);
            stdout_text(&String::from_utf8_lossy(&out))?;
            return Ok(Exit::Done);
        }
        Some(Command::Man) => {
            let mut out = Vec::new();
            clap_mangen::Man::new(Args::command()).render(&mut out)?;
            stdout_text(&String::from_utf8_lossy(&out))?;
            return Ok(Exit::Done);
        }
        _ => {}
    }
    if args.command.is_some() && (args.once.once || args.prompt.is_some()) {
        bail!(UsageError(
            "a subcommand takes no prompt and no --once; to ask about that word, write it after --"
                .to_owned()
        ));
    }
    let setup = setup(&args.common)?;
    if let Err(error) = logging::init(&setup.paths, args.common.verbose) {
        stderr_line(&text::visible(&format!(
            "descant: no log is kept: {error:#}"
        )));
    }
    if let Some(exit) = without_runtime(&args, &setup) {
        return exit;
    }
    // The model computes on threads of its own; these only carry events.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let exit = runtime.block_on(dispatch(args, setup));
    // A blocking thread that waits for the terminal or loads a model must not hold the exit up.
    runtime.shutdown_timeout(Duration::from_millis(200));
    exit
}

/// The commands on files alone: they wait for nothing, so they start no threads.
fn without_runtime(args: &Args, setup: &Setup) -> Option<anyhow::Result<Exit>> {
    match args.command.as_ref()? {
        Command::Apply { file, yes, check } => {
            Some(apply::run(setup, file.as_deref(), *yes, *check))
        }
        Command::Undo { merge } => Some(patches::undo(setup, *merge)),
        Command::Redo { merge } => Some(patches::redo(setup, *merge)),
        Command::Checkpoints => Some(patches::checkpoints(setup)),
        Command::Python(_)
        | Command::Sessions { .. }
        | Command::Resume { .. }
        | Command::Models { .. }
        | Command::Bench(_)
        | Command::Doctor { .. }
        | Command::Completions { .. }
        | Command::Man => None,
    }
}

async fn dispatch(args: Args, setup: Setup) -> anyhow::Result<Exit> {
    match args.command {
        Some(Command::Python(args)) => python::run(&setup, args).await,
        Some(Command::Sessions { command }) => match command.unwrap_or(SessionsCommand::List) {
            SessionsCommand::List => sessions::list(&setup),
            SessionsCommand::Show { id } => sessions::show(&setup, &id),
            SessionsCommand::Rm { id } => sessions::remove(&setup, &id),
        },
        Some(Command::Resume { id, last }) => {
            let past = match (id.as_deref(), last) {
                (None, false) => parts::Past::Choose,
                (id, _) => parts::Past::This(sessions::find_here(&setup, id)?),
            };
            parts::terminal(setup, None, past).await
        }
        Some(Command::Models { command }) => {
            models::run(&setup, command.unwrap_or(ModelsCommand::List)).await
        }
        Some(Command::Bench(args)) => bench::run(&setup, args).await,
        Some(Command::Doctor { json }) => doctor::run(&setup, json).await,
        Some(
            Command::Completions { .. }
            | Command::Man
            | Command::Apply { .. }
            | Command::Undo { .. }
            | Command::Redo { .. }
            | Command::Checkpoints,
        ) => Ok(Exit::Done),
        None if args.once.once => run_once(setup, args.once, args.prompt).await,
        None => parts::terminal(setup, args.prompt, parts::Past::None).await,
    }
}

async fn run_once(
    mut setup: Setup,
    args: OnceArgs,
    prompt: Option<String>,
) -> anyhow::Result<Exit> {
    let deadline = args
        .timeout
        .map(|secs| Instant::now() + Duration::from_secs(secs));
    let mut signals = Signals::listen()?;
    let streams = setup.streams;
    let reading = tokio::task::spawn_blocking(move || once_prompt(prompt, streams.stdin_terminal));
    let prompt = tokio::select! {
        prompt = reading => prompt.context("reading the prompt broke off")??,
        () = once::until(deadline) => return Ok(Exit::Timeout),
        () = signals.next() => return Ok(Exit::Interrupted),
    };
    let policy = match args.apply {
        Some(Apply::All) => ApprovalPolicy::ApplyAll,
        Some(Apply::Ask) => ApprovalPolicy::Review,
        Some(Apply::None) => ApprovalPolicy::ProposeOnly,
        // JSON is read by a program: it cannot answer.
        None if streams.stdin_terminal && streams.stderr_terminal && !args.json => {
            ApprovalPolicy::Review
        }
        None => ApprovalPolicy::ProposeOnly,
    };
    trust::before_once(&mut setup, args.json)?;
    let (agent, thread_id) = parts::start_agent(&setup, policy, parts::Greeting::OnStderr)?;
    let options = once::Options {
        prompt,
        thread_id,
        json: args.json,
        output_last_message: args.output_last_message,
        deadline,
        streams,
        editor: setup.editor.clone(),
    };
    let exit = once::run(options, signals, agent.commands.clone(), agent.events).await;
    parts::shut_down(agent.commands, agent.task).await;
    exit
}

/// The prompt of `--once`: the argument, with piped input appended as a block; `-` or none is standard input.
fn once_prompt(prompt: Option<String>, stdin_terminal: bool) -> anyhow::Result<String> {
    let piped = |needed: bool| -> anyhow::Result<Option<String>> {
        if stdin_terminal && !needed {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
        let text = String::from_utf8(bytes)
            .map_err(|error| UsageError(format!("standard input is not text: {error}")))?;
        Ok(Some(text).filter(|t| !t.trim().is_empty()))
    };
    let text = match prompt.as_deref() {
        None | Some("-") => piped(true)?.unwrap_or_default().trim_end().to_owned(),
        Some(text) if text.trim().is_empty() => String::new(),
        Some(text) => match piped(false)? {
            Some(input) => {
                format!(
                    "{text}\n<stdin>\n{}\n</stdin>",
                    input.trim_end_matches('\n')
                )
            }
            None => text.to_owned(),
        },
    };
    if text.is_empty() {
        bail!(UsageError(
            "no prompt: give one as an argument or on standard input".to_owned()
        ));
    }
    Ok(text)
}

fn setup(args: &CommonArgs) -> anyhow::Result<Setup> {
    let paths = Paths::from_env().context("there is no home folder; set HOME or DESCANT_HOME")?;
    let start = match &args.cd {
        Some(dir) => dir.clone(),
        None => std::env::current_dir().context("the current folder is gone; change to another")?,
    };
    if !start.is_dir() {
        bail!(UsageError(format!("{} is not a folder", start.display())));
    }
    let workspace = Workspace::discover(&start)?;
    let users = Layers::default().file(&paths.config_file());
    let users = users.and_then(Layers::config);
    let users = users.map_err(|e| UsageError(e.to_string()))?;
    let settings = Settings::look(&paths.state, &workspace, &users);
    let config = config(args, &paths, settings.used()).map_err(|e| UsageError(e.to_string()))?;
    let keys = Keymap::with(&config.keys).map_err(|e| UsageError(e.to_string()))?;
    let places = ModelPlaces {
        models_dir: paths.data.join("models"),
        hub_cache: ModelPlaces::hub_cache_from(
            path_var("HF_HUB_CACHE"),
            path_var("HF_HOME"),
            home().as_deref(),
        ),
        lm_studio: ModelPlaces::lm_studio_from(home().as_deref()),
        current_dir: start,
        home_dir: home(),
        servers: servers::known(&config, |name| std::env::var(name).ok()).map_err(UsageError)?,
    };
    let hub = models::hub_settings(places.hub_cache.as_deref(), places.home_dir.as_deref());
    let var = |name: &str| std::env::var(name).ok().filter(|v| !v.trim().is_empty());
    Ok(Setup {
        model_asked: args.model.is_some() || args.set.iter().any(|set| sets(set, "model")),
        effort_asked: args.effort.is_some() || args.set.iter().any(|set| sets(set, "effort")),
        screen_reader: config.ui.screen_reader || var("ACCESSIBLE").is_some(),
        paths,
        args: args.clone(),
        settings,
        config,
        workspace: Arc::new(workspace),
        places,
        hub,
        streams: Streams::new(args.color, no_color(), term().as_deref()),
        editor: var("VISUAL")
            .or_else(|| var("EDITOR"))
            .unwrap_or_else(|| "vi".to_owned()),
        keys: Arc::new(keys),
        no_color: match args.color {
            ColorChoice::Never => true,
            ColorChoice::Always => false,
            ColorChoice::Auto => no_color() || term().as_deref() == Some("dumb"),
        },
    })
}

/// `-c effort=high` asks for it as `--effort high` does.
fn sets(assignment: &str, key: &str) -> bool {
    assignment
        .split_once('=')
        .is_some_and(|(set, _)| set.trim() == key)
}

fn config(
    args: &CommonArgs,
    paths: &Paths,
    project: Option<&Project>,
) -> Result<Config, crate::config::ConfigError> {
    let mut layers = Layers::default().file(&paths.config_file())?;
    if let Some(project) = project {
        layers = layers.project(project)?;
    }
    let mut layers = layers.variables(|name| std::env::var(name).ok())?;
    for assignment in &args.set {
        layers = layers.assignment("-c", assignment)?;
    }
    if let Some(tokens) = args.reasoning_budget {
        let set = format!("sampling.reasoning_budget={tokens}");
        layers = layers.assignment("--reasoning-budget", &set)?;
    }
    if let Some(temperature) = args.temperature {
        let set = format!("sampling.temperature={temperature}");
        layers = layers.assignment("--temperature", &set)?;
    }
    if !args.stop.is_empty() {
        layers = layers.stops("--stop", &args.stop)?;
    }
    let mut config = layers.config()?;
    config.sampling.seed = args.seed.or(config.sampling.seed);
    if let Some(model) = &args.model {
        config.model.clone_from(model);
    }
    if let Some(server) = &args.server {
        config.server = Some(server.clone());
    }
    if let Some(effort) = args.effort {
        config.effort = effort;
    }
    // Hugging Face's own word for the same.
    let hub_offline = std::env::var("HF_HUB_OFFLINE").is_ok_and(|v| {
        ["1", "true", "yes", "on"].contains(&v.trim().to_ascii_lowercase().as_str())
    });
    config.offline |= args.offline || hub_offline;
    Ok(config)
}

fn path_var(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

fn home() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned())
}

fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
}

fn term() -> Option<String> {
    std::env::var("TERM").ok()
}
