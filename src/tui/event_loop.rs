//! The one task that owns the terminal.
//!
//! A biased select: signals and input first, then the frame that is due, then the agent's events (at most
//! [`EVENTS_PER_FRAME`] at once), then what finished in the background, then a clock that runs only while
//! something animates. When nothing happens, nothing wakes it.

mod copy;
mod signals;

use super::TuiError;
use crate::agent::{AgentCommand, AgentEvent};
use crate::config::UiSettings;
use crate::tui::composer::OFFERED;
use crate::tui::composer::files;
use crate::tui::composer::history::History;
use crate::tui::copying::Copied;
use crate::tui::git::GitProbe;
use crate::tui::model::{Dirty, Effect, Model, Msg};
use crate::tui::pane::split;
use crate::tui::render::syntax::Grammars;
use crate::tui::terminal::announce;
use crate::tui::terminal::clipboard;
use crate::tui::terminal::clock::FrameClock;
use crate::tui::terminal::input::{Came, Input};
use crate::tui::terminal::wire::Sends;
use crate::tui::terminal::{self, Edited, Screen};
use crate::tui::theme::store;
use crate::tui::update::update;
use crate::tui::view::{self, ViewCache};
use signals::Signals;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// So that a burst of text cannot keep keys or frames waiting.
const EVENTS_PER_FRAME: usize = 64;
/// Answers of background work: history, panics of other threads. When full, a panic report is dropped.
const REPLIES: usize = 16;
/// Messages on their way to the history file; when full the oldest wait is the disk's, and entries are dropped.
const HISTORY_QUEUE: usize = 64;
/// In the state folder: how the panes are divided.
pub const LAYOUT_FILE: &str = "layout.json";
/// What the history file may take to be written when we leave.
const FAREWELL: Duration = Duration::from_millis(500);

pub struct Options {
    pub history: Option<History>,
    /// The folder of `config.toml`.
    pub config: PathBuf,
    pub editor: String,
    pub state: Option<PathBuf>,
    pub terminal: clipboard::Terminal,
    pub ui: UiSettings,
    pub git: Option<GitProbe>,
    /// Ask the terminal about itself; whether its background matters.
    pub ask: Option<bool>,
    pub prompt: Option<String>,
    /// What the terminal can be sent.
    pub sends: Sends,
    /// What the model asked for before there was a loop.
    pub first: Vec<Effect>,
}

struct Loop {
    screen: Screen,
    model: Model,
    cache: ViewCache,
    clock: FrameClock,
    started: Instant,
    input: Input,
    editor: String,
    config: PathBuf,
    /// Where the layout and copies that no terminal takes are kept.
    state: Option<PathBuf>,
    terminal: clipboard::Terminal,
    ui: UiSettings,
    git: Option<GitProbe>,
    looking: bool,
    /// The title as it was sent last; `None` while it is not ours.
    title: Option<String>,
    /// The terminal tells of its focus.
    tells_focus: bool,
    /// The transcript is on the normal screen: a key comes back, nothing is drawn.
    raw: bool,
    /// Commands that wait for room in the agent's queue; as many as the user typed meanwhile.
    outbox: VecDeque<AgentCommand>,
    history: Option<mpsc::Sender<String>>,
    reply: mpsc::Sender<Msg>,
    /// The generation of the latest search for files: older ones end.
    searched: Arc<AtomicU64>,
    quit: bool,
}

pub async fn run(
    screen: Screen,
    model: Model,
    options: Options,
    commands: mpsc::Sender<AgentCommand>,
    mut events: mpsc::Receiver<AgentEvent>,
) -> Result<(), TuiError> {
    let (reply, mut replies) = mpsc::channel(REPLIES);
    let panics = reply.clone();
    let _guard = screen.guard_panics(move |panic| {
        let text = format!("a part of Descant broke: {panic}\nthis is a bug; the session goes on, what was said is on record");
        let _ = panics.try_send(Msg::Warning(text));
    });
    let mut signals = Signals::new()?;
    let mut this = Loop {
        screen,
        model,
        cache: ViewCache::default(),
        clock: FrameClock::default(),
        started: Instant::now(),
        input: Input::paused(),
        editor: options.editor,
        config: options.config,
        state: options.state,
        terminal: options.terminal,
        ui: options.ui,
        git: options.git,
        looking: false,
        title: None,
        tells_focus: false,
        raw: false,
        outbox: VecDeque::new(),
        history: None,
        reply: reply.clone(),
        searched: Arc::default(),
        quit: false,
    };
    this.screen.set_sends(options.sends);
    this.draw()?;
    this.input = match options.ask {
        Some(background) => {
            this.screen.ask()?;
            Input::probing(background)
        }
        None => Input::direct(),
    };
    let writer = options.history.map(|history| {
        let (sender, receiver) = mpsc::channel(HISTORY_QUEUE);
        this.history = Some(sender);
        tokio::spawn(keep_history(history, receiver, reply.clone()))
    });
    for effect in options.first {
        this.effect(effect)?;
    }
    if let Some(prompt) = options.prompt {
        this.handle(Msg::Prompt(prompt))?;
    }

    let mut batch = Vec::with_capacity(EVENTS_PER_FRAME);
    let mut agent_gone = false;
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !this.quit {
        let now = this.started.elapsed();
        // Before input, or keys that come without a pause would hold every frame back.
        if this.clock.due().is_some_and(|due| due <= now) {
            this.draw()?;
        }
        let due = this.clock.due().map(|due| this.started + due);
        tokio::select! {
            biased;
            () = signals.terminate() => break,
            came = this.input.next() => match came {
                Ok(came) => for came in came {
                    match came {
                        Came::Msg(msg) => this.handle(msg)?,
                        Came::Keyboard => {
                            this.screen.enable_keyboard()?;
                            this.handle(Msg::Keyboard)?;
                        }
                    }
                },
                Err(error) => return Err(TuiError::Terminal(error)),
            },
            () = sleep_until(due) => {}
            permit = commands.reserve(), if !this.outbox.is_empty() => match permit {
                Ok(permit) => if let Some(command) = this.outbox.pop_front() {
                    permit.send(command);
                },
                Err(_closed) => this.outbox.clear(),
            },
            count = events.recv_many(&mut batch, EVENTS_PER_FRAME), if !agent_gone => {
                if count == 0 {
                    agent_gone = true;
                    this.handle(Msg::AgentGone)?;
                }
                for event in batch.drain(..) {
                    this.handle(Msg::Agent(event))?;
                }
            }
            Some(msg) = replies.recv() => this.handle(msg)?,
            _ = tick.tick(), if this.model.animates() => this.handle(Msg::Tick)?,
        }
    }
    this.screen.leave();
    // The agent is told to stop and interrupts what it does.
    for command in this.outbox {
        if commands.try_send(command).is_err() {
            break;
        }
    }
    drop(this.history);
    if let Some(writer) = writer {
        let _ = tokio::time::timeout(FAREWELL, writer).await;
    }
    Ok(())
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

impl Loop {
    fn handle(&mut self, msg: Msg) -> Result<(), TuiError> {
        let now = self.started.elapsed();
        if self.raw && matches!(msg, Msg::Key(_) | Msg::Paste(_)) {
            self.raw = false;
            self.screen.enter()?;
            self.forget_outside();
            self.clock.arm(Dirty::Now, now);
            return Ok(());
        }
        if matches!(msg, Msg::Git(_)) {
            self.looking = false;
        }
        let update = update(&mut self.model, msg, now);
        self.clock.arm(update.dirty, now);
        for effect in update.effects {
            self.effect(effect)?;
        }
        self.tell_outside()
    }

    /// The title follows what goes on; the focus matters once there is something to come back to.
    fn tell_outside(&mut self) -> Result<(), TuiError> {
        if self.raw || self.quit {
            return Ok(());
        }
        if self.model.running.is_some() && !self.tells_focus {
            self.tells_focus = true;
            self.screen.tell_focus()?;
        }
        if self.ui.title {
            let title = announce::title(&self.model);
            if self.title.as_ref() != Some(&title) {
                self.screen.set_title(&title)?;
                self.title = Some(title);
            }
        }
        Ok(())
    }

    /// The terminal was given back in between: what it was told is gone.
    fn forget_outside(&mut self) {
        self.title = None;
        self.tells_focus = false;
        self.model.look.unfocused = false;
    }

    fn effect(&mut self, effect: Effect) -> Result<(), TuiError> {
        match effect {
            Effect::Agent(command) => self.outbox.push_back(command),
            Effect::SaveHistory(text) => {
                if let Some(history) = &self.history {
                    let _ = history.try_send(text);
                }
            }
            Effect::Edit(text) => {
                let editor = self.editor.clone();
                let edited = self.away(|| terminal::edit(&editor, &text, Edited::Hunk))?;
                self.handle(Msg::Edited(edited))?;
            }
            Effect::Themes(request) => {
                let (reply, folder) = (self.reply.clone(), self.config.clone());
                tokio::task::spawn_blocking(move || {
                    let _ = reply.blocking_send(Msg::Themes(store::run(request, &folder)));
                });
            }
            Effect::Copy(copied) => self.copy(copied)?,
            Effect::EndCopy(copied, taken) => self.copied(copied, Some(taken))?,
            Effect::CopySelection(selection) => {
                let text = view::selected_text(&self.model, &mut self.cache, &selection);
                if let Some(text) = text.filter(|text| !text.is_empty()) {
                    let what = "the selection".to_owned();
                    self.copy(Copied { what, text })?;
                }
            }
            Effect::KeepModel(name) => {
                let (reply, path) = (self.reply.clone(), self.config.join("config.toml"));
                tokio::task::spawn_blocking(move || {
                    if let Err(error) = crate::config::set(&path, "model", name) {
                        let _ = reply.blocking_send(Msg::Warning(error.to_string()));
                    }
                });
            }
            Effect::SaveSplit(split) => {
                if let Some(folder) = self.state.clone() {
                    let reply = self.reply.clone();
                    tokio::task::spawn_blocking(move || {
                        let path = folder.join(LAYOUT_FILE);
                        if let Err(error) = split::save(&path, split) {
                            let text = format!("{} cannot be written: {error}", path.display());
                            let _ = reply.blocking_send(Msg::Warning(text));
                        }
                    });
                }
            }
            Effect::Call(text) => {
                let sequence = announce::call(text, self.ui.notify, self.terminal.way());
                self.screen.send(&sequence)?;
            }
            Effect::LookAtGit => {
                // One look at a time: what changes meanwhile is seen by the next.
                if let Some(probe) = self.git.clone().filter(|_| !self.looking) {
                    self.looking = true;
                    let reply = self.reply.clone();
                    tokio::task::spawn_blocking(move || {
                        let _ = reply.blocking_send(Msg::Git((probe.0)()));
                    });
                }
            }
            Effect::RawView(side) => {
                let text = view::plain_text(&self.model, side);
                self.screen.show_raw(&text)?;
                self.raw = true;
            }
            Effect::Mouse(on) => self.screen.set_mouse(on)?,
            Effect::EditMessage(text) => {
                let editor = self.editor.clone();
                let edited = self.away(|| terminal::edit(&editor, &text, Edited::Message))?;
                self.handle(Msg::Edited(edited))?;
            }
            Effect::MatchFiles(wanted) => {
                let reply = self.reply.clone();
                let latest = Arc::clone(&self.searched);
                latest.store(wanted.generation, Ordering::Relaxed);
                tokio::task::spawn_blocking(move || {
                    let current = || latest.load(Ordering::Relaxed) == wanted.generation;
                    let found = files::best(&wanted.list, &wanted.query, OFFERED, current);
                    if let Some(found) = found {
                        let _ = reply.blocking_send(Msg::Matched(wanted.generation, found));
                    }
                });
            }
            Effect::LoadGrammars => {
                let reply = self.reply.clone();
                tokio::task::spawn_blocking(move || {
                    let grammars = Arc::new(Grammars::load());
                    let _ = reply.blocking_send(Msg::Grammars(grammars));
                });
            }
            Effect::Suspend => {
                if let Err(error) = self.away(terminal::stop_job)? {
                    self.handle(Msg::Warning(format!(
                        "Descant could not be suspended: {error}"
                    )))?;
                }
            }
            Effect::Redraw => self.screen.forget()?,
            Effect::Quit => self.quit = true,
        }
        Ok(())
    }

    /// Gives the terminal back while `work` runs. The loop stands still meanwhile, which is meant: the
    /// agent's events wait in their queue.
    fn away<T>(&mut self, work: impl FnOnce() -> T) -> Result<T, TuiError> {
        self.input.pause();
        self.screen.leave();
        let done = tokio::task::block_in_place(work);
        self.screen.enter()?;
        self.forget_outside();
        self.input.resume();
        if let Ok((width, height)) = crossterm::terminal::size() {
            self.handle(Msg::Resize(width, height))?;
        }
        self.clock.arm(Dirty::Now, self.started.elapsed());
        Ok(done)
    }

    fn draw(&mut self) -> Result<(), TuiError> {
        if self.raw {
            self.clock.drawn(self.started.elapsed());
            return Ok(());
        }
        self.screen.draw(&mut self.model, &mut self.cache)?;
        let now = self.started.elapsed();
        self.clock.drawn(now);
        if view::moves_on(&self.model) {
            self.clock.arm(Dirty::Stream, now);
        }
        Ok(())
    }
}

/// Loads the history once, then appends what is sent, in order.
async fn keep_history(
    history: History,
    mut entries: mpsc::Receiver<String>,
    reply: mpsc::Sender<Msg>,
) {
    let shown = history.path.display().to_string();
    let warn = |what: &str, error: std::io::Error| {
        Msg::Warning(format!("the history {shown} cannot be {what}: {error}"))
    };
    let from = history.clone();
    match tokio::task::spawn_blocking(move || from.load()).await {
        Ok(Ok(older)) => {
            let _ = reply.send(Msg::History(older)).await;
        }
        Ok(Err(error)) => {
            let _ = reply.send(warn("read", error)).await;
        }
        Err(_panicked) => return,
    }
    let mut warned = false;
    while let Some(entry) = entries.recv().await {
        let to = history.clone();
        match tokio::task::spawn_blocking(move || to.append(entry)).await {
            Ok(Err(error)) if !warned => {
                warned = true;
                let _ = reply.send(warn("written", error)).await;
            }
            _ => {}
        }
    }
}
