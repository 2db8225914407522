//! The terminal interface.
//!
//! A key press becomes a [`model::Msg`], [`update`] turns it into a changed [`model::Model`] and effects,
//! [`view`] draws the model; [`event_loop`] owns the terminal and is the only part that does I/O. It
//! speaks to the agent through commands and events alone and imports neither engine code nor tools.
//!
//! - [`keymap`], [`command`]: one table row for every key and slash command; help and docs come from them
//! - [`composer`], [`transcript`], [`pane`], [`overlay`], [`picker`], [`mod@review`]: the parts of the model
//! - [`render`]: from text to styled rows; [`theme`]: their colours; [`layout`], [`view`]: from model to screen
//! - [`terminal`]: the loop's instruments, from the keys that come in to the links and copies that go out
//! - [`meter`]: what fills the context; [`copying`], [`git`]: what is copied, and what is asked of the work tree
//! - [`linear`]: the interface in lines, for screen readers

mod command;
#[doc(hidden)] // for benches
pub mod composer;
mod copying;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod escapes;
mod event_loop;
pub mod git;
mod keymap;
mod layout;
mod linear;
mod meter;
#[doc(hidden)] // for benches and tests of the whole
pub mod model;
mod overlay;
mod pane;
mod picker;
mod render;
mod review;
#[doc(hidden)] // for the test of a panic
pub mod terminal;
#[cfg(test)]
mod testing;
#[doc(hidden)] // for benches and tests of the whole
pub mod theme;
mod transcript;
#[doc(hidden)] // for benches and tests of the whole
pub mod update;
#[doc(hidden)] // for benches and tests of the whole
pub mod view;

use crate::agent::{AgentCommand, AgentEvent};
use crate::agent::{ApprovalPolicy, ReviewId};
use crate::config::UiSettings;
use crate::conversation::Effort;
use crate::patch::{Decisions, Plan};
use crate::text;
use composer::history::History;
use git::GitProbe;
pub use keymap::{Keymap, RebindError};
use model::{Effect, Model, ModelState, Msg, Purpose, Status};
use pane::split;
use render::{clusters, glyphs};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use terminal::wire::Sends;
use terminal::{Screen, clipboard, links, tmux};
use theme::catalogue::Themes;
use theme::depth::{ColourHints, Depth};
use tokio::sync::mpsc;

/// How the interface starts.
#[derive(Debug, Clone)]
pub struct TuiOptions {
    /// `auto`, `plain`, or the name of a theme, built in or in the folder `themes` of `config`.
    pub theme: String,
    /// No colour, whatever the theme.
    pub no_color: bool,
    /// Lines on the normal screen instead of a drawn one, for screen readers.
    pub screen_reader: bool,
    /// The folder of `config.toml`.
    pub config: PathBuf,
    pub effort: Effort,
    /// Who decides about patches at the start.
    pub approvals: ApprovalPolicy,
    /// The git branch, for the status bar.
    pub branch: Option<String>,
    /// The folder worked in; its last part is shown.
    pub workspace: PathBuf,
    /// The model that is being loaded, as the user named it.
    pub model: String,
    /// No model is on this machine and none was asked for: begin with the question which.
    pub first_start: bool,
    /// The program (and arguments) that edits a hunk.
    pub editor: String,
    /// Where sent messages are kept for Up; `None` keeps none.
    pub history_file: Option<PathBuf>,
    /// Keys as the user wants them.
    pub keys: Arc<Keymap>,
    /// Where the layout of the panes and copies that no terminal takes are kept; `None` keeps none.
    pub state: Option<PathBuf>,
    pub ui: UiSettings,
    /// How to look at the work tree; `None`: the branch stays as it was at the start.
    pub git: Option<GitProbe>,
    /// A first message, sent at once.
    pub prompt: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    #[error(
        "the interface needs a terminal on standard input and output\n  use `descant --once` in scripts and pipes"
    )]
    NoTerminal,
    #[error("the terminal failed: {0}\n  the session is on record: `descant resume --last`")]
    Terminal(#[from] io::Error),
}

/// Runs the interface until the user leaves it, a signal ends it or the terminal is gone. Needs a
/// multi-threaded runtime. The terminal is as it was when this returns or panics.
pub async fn run(
    options: TuiOptions,
    commands: mpsc::Sender<AgentCommand>,
    events: mpsc::Receiver<AgentEvent>,
) -> Result<(), TuiError> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(TuiError::NoTerminal);
    }
    // A terminal that cannot place its cursor is read line by line as well.
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if options.screen_reader || dumb {
        return linear::run(options, commands, events).await;
    }
    let (model, loop_options) = prepared(options)?;
    shown(model, loop_options, commands, events).await
}

/// One review by itself, for `descant apply`: the plan as the user left it, and what was decided; `None` when it
/// was left with Ctrl+C or a signal. Keys are read from the controlling terminal, so standard input may be the
/// patch.
pub async fn review(
    options: TuiOptions,
    plan: Plan,
) -> Result<Option<(Plan, Decisions)>, TuiError> {
    if !io::stdout().is_terminal() {
        return Err(TuiError::NoTerminal);
    }
    // Questions to the terminal are answered on standard input.
    let piped = !io::stdin().is_terminal();
    let (mut model, mut loop_options) = prepared(options)?;
    if piped {
        loop_options.ask = None;
    }
    model.purpose = Purpose::Review;
    let request = AgentEvent::ReviewRequested {
        review: ReviewId(1),
        call: crate::conversation::CallId(1),
        plan: Box::new(plan),
    };
    let opened = update::update(&mut model, Msg::Agent(request), std::time::Duration::ZERO);
    loop_options.first.extend(opened.effects);
    // The loop's other end: one review comes back, and nothing is sent.
    let (commands, mut decided) = mpsc::channel(4);
    let (_quiet, events) = mpsc::channel(1);
    shown(model, loop_options, commands, events).await?;
    while let Ok(command) = decided.try_recv() {
        if let AgentCommand::Review {
            plan, decisions, ..
        } = command
        {
            return Ok(Some((*plan, decisions)));
        }
    }
    Ok(None)
}

fn prepared(options: TuiOptions) -> Result<(Model, event_loop::Options), TuiError> {
    // The one look at the environment, at start-up.
    let hints = ColourHints::read(options.no_color, |name| std::env::var(name).ok());
    let mut themes = Themes::new(hints.depth(), hints.background(), &options.theme);
    themes.read(theme::store::read(&options.config));
    let background_matters = themes.depth != Depth::NoColour && themes.background.is_none();
    let size = crossterm::terminal::size()?;
    let workspace = options
        .workspace
        .file_name()
        .unwrap_or(options.workspace.as_os_str());
    let status = Status {
        model: ModelState::Loading {
            name: options.model,
            progress: None,
        },
        effort: options.effort,
        approvals: options.approvals,
        tokens_per_second: None,
        context: meter::Meter::default(),
        branch: options.branch,
        dirty: None,
        workspace: text::label(&workspace.to_string_lossy()),
        sandbox: None,
    };
    let history = options.history_file.map(|path| History {
        path,
        folder: options.workspace,
    });
    let mut model = Model::new(size, themes, status);
    model.keys = options.keys;
    if options.first_start && options.prompt.is_none() {
        update::pull::open_start(&mut model);
    }
    model.look.mouse = options.ui.mouse;
    if let Some(folder) = &options.state {
        model.look.split = split::load(&folder.join(event_loop::LAYOUT_FILE));
    }
    let hint = terminal_hints(&hints.term);
    model.look.joined = clusters::drawn_as_one(&hint.term_program);
    model.look.ascii = glyphs::is_ascii_only(|name| std::env::var(name).ok());
    let loop_options = event_loop::Options {
        history,
        config: options.config,
        terminal: hint,
        state: options.state,
        ui: options.ui,
        git: options.git,
        editor: options.editor,
        ask: (hints.term != "dumb").then_some(background_matters),
        prompt: options.prompt,
        first: vec![Effect::LookAtGit],
        sends: Sends {
            links: links::supported(&hints.term, std::env::var_os("TMUX").is_some()),
            colours: hints.depth() != Depth::NoColour,
        },
    };
    Ok((model, loop_options))
}

async fn shown(
    model: Model,
    options: event_loop::Options,
    commands: mpsc::Sender<AgentCommand>,
    events: mpsc::Receiver<AgentEvent>,
) -> Result<(), TuiError> {
    terminal::marked(async move {
        let screen = Screen::take(model.look.mouse)?;
        event_loop::run(screen, model, options, commands, events).await
    })
    .await
}

/// What is between us and the clipboard, looked up at start-up.
fn terminal_hints(term: &str) -> clipboard::Terminal {
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    clipboard::Terminal {
        term: term.to_owned(),
        term_program: var("TERM_PROGRAM"),
        tmux: !var("TMUX").is_empty(),
        screen: !var("STY").is_empty(),
        vte: !var("VTE_VERSION").is_empty(),
        tmux_program: std::env::var_os("PATH")
            .filter(|_| !var("TMUX").is_empty())
            .and_then(|path| tmux::find(&path)),
    }
}
