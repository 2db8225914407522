//! The whole state of the interface, as plain data.
//!
//! [`crate::tui::update`] changes it, [`crate::tui::view`] draws it; neither does I/O. Times are durations since the
//! interface started, so that nothing here reads a clock.

use crate::agent::{AgentCommand, AgentEvent, ReviewId, RunId, SandboxState};
use crate::agent::{ApprovalPolicy, LoadProgress, PullProgress};
use crate::conversation::{Effort, TurnId};
use crate::patch::Decisions;
use crate::tui::composer::{Composer, FileMatch, Wanted};
use crate::tui::copying::Copied;
use crate::tui::git::GitState;
use crate::tui::keymap::Keymap;
use crate::tui::meter::Meter;
use crate::tui::overlay::Overlay;
use crate::tui::pane::select::{Drag, Selection};
use crate::tui::pane::split::Split;
use crate::tui::pane::{Pane, Side};
use crate::tui::picker::Picker;
use crate::tui::render::syntax::Grammars;
use crate::tui::review::Review;
use crate::tui::theme::Theme;
use crate::tui::theme::catalogue::Themes;
use crate::tui::theme::choice::{ThemeMsg, ThemeRequest};
use crossterm::event::{KeyEvent, MouseEvent};
use std::sync::Arc;
use std::time::Duration;

/// What the loop tells [`crate::tui::update::update`].
#[derive(Debug)]
pub enum Msg {
    Key(KeyEvent),
    Paste(String),
    /// The message of the command line, sent at once.
    Prompt(String),
    Resize(u16, u16),
    Mouse(MouseEvent),
    Agent(AgentEvent),
    /// The agent's side of the channel is closed.
    AgentGone,
    /// A second passed while something runs.
    Tick,
    /// Messages of earlier sessions, oldest first.
    History(Vec<String>),
    /// The editor is closed: the text it left, or why there is none.
    Edited(Result<String, String>),
    /// The files that fit the `@` of this search.
    Matched(u64, Vec<FileMatch>),
    /// The terminal tells Shift+Enter from Enter.
    Keyboard,
    /// What colours code is there.
    Grammars(Arc<Grammars>),
    Themes(ThemeMsg),
    /// The terminal got the focus, or lost it.
    Focus(bool),
    /// The work tree was looked at.
    Git(GitState),
    /// tmux has a copy, or why it has not.
    TakenByTmux(Copied, Result<(), String>),
    /// What came of a copy; `lasting` is worth a place in the conversation.
    Copied {
        said: String,
        lasting: bool,
    },
    /// Something of ours failed that does not stop the session.
    Warning(String),
}

/// What [`crate::tui::update::update`] asks the loop to do.
#[derive(Debug)]
pub enum Effect {
    Agent(AgentCommand),
    /// Append a message to the history file.
    SaveHistory(String),
    /// Load what colours code; [`Msg::Grammars`] brings it.
    LoadGrammars,
    Themes(ThemeRequest),
    /// Let the user edit this text of a hunk.
    Edit(String),
    /// Let the user edit this message.
    EditMessage(String),
    /// Find the files that fit; [`Msg::Matched`] brings them.
    MatchFiles(Wanted),
    Suspend,
    /// To the clipboard; [`Msg::Copied`] says what came of it.
    Copy(Copied),
    /// The rest of it, after tmux was asked.
    EndCopy(Copied, Result<(), String>),
    CopySelection(Selection),
    /// Keep the model that was chosen at the first start.
    KeepModel(&'static str),
    /// Keep how the panes are divided.
    SaveSplit(Split),
    /// Call the user back to the terminal.
    Call(&'static str),
    /// Look at the work tree; [`Msg::Git`] brings it.
    LookAtGit,
    /// Print a pane's transcript to the normal screen, until a key.
    RawView(Side),
    /// Take the mouse, or leave it to the terminal.
    Mouse(bool),
    /// Draw everything again, whatever was drawn before.
    Redraw,
    Quit,
}

/// How soon the screen must follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Dirty {
    #[default]
    No,
    /// Only the stream or a clock moved.
    Stream,
    /// The user did something.
    Now,
}

#[derive(Debug, Default)]
pub struct Update {
    pub dirty: Dirty,
    pub effects: Vec<Effect>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Focus {
    #[default]
    Composer,
    Conversation,
    Reasoning,
}

#[derive(Debug)]
pub enum ModelState {
    Loading {
        name: String,
        progress: Option<LoadProgress>,
    },
    Ready {
        name: String,
        demo: bool,
        /// How it is spoken to, where it is a server.
        protocol: Option<&'static str>,
    },
    Failed {
        name: String,
    },
    /// Not loaded until it is needed.
    Resting {
        name: String,
    },
}

impl ModelState {
    /// As the user named it.
    pub fn name(&self) -> &str {
        match self {
            ModelState::Ready { demo: true, .. } => "demo",
            ModelState::Loading { name, .. }
            | ModelState::Ready { name, .. }
            | ModelState::Failed { name }
            | ModelState::Resting { name } => name,
        }
    }

    /// With how it is spoken to.
    pub fn shown(&self) -> String {
        match self {
            ModelState::Ready {
                name,
                protocol: Some(protocol),
                ..
            } => format!("{name} ({protocol})"),
            ModelState::Ready { name, .. }
            | ModelState::Loading { name, .. }
            | ModelState::Failed { name }
            | ModelState::Resting { name } => name.clone(),
        }
    }
}

/// What the running turn is doing.
#[derive(Debug, Clone, PartialEq)]
pub enum Activity {
    Waiting,
    Prefill { done: usize, total: usize },
    Thinking,
    Answering,
    Writing(String),
    Tool(String),
}

#[derive(Debug)]
pub struct Running {
    pub turn: TurnId,
    pub since: Duration,
    pub activity: Activity,
    pub interrupting: bool,
}

/// What the status bar shows.
#[derive(Debug)]
pub struct Status {
    pub model: ModelState,
    pub effort: Effort,
    /// Who decides about patches.
    pub approvals: ApprovalPolicy,
    pub tokens_per_second: Option<f64>,
    pub context: Meter,
    pub branch: Option<String>,
    /// Something is not committed; `None` while it is not known.
    pub dirty: Option<bool>,
    pub workspace: String,
    pub sandbox: Option<SandboxState>,
}

/// What colours code: loaded when the first patch comes, and not by who never sees one.
#[derive(Debug, Clone, Default)]
pub enum Colouring {
    #[default]
    NotAsked,
    Loading,
    Ready(Arc<Grammars>),
}

impl Colouring {
    pub fn grammars(&self) -> Option<&Grammars> {
        match self {
            Colouring::Ready(grammars) => Some(grammars),
            Colouring::NotAsked | Colouring::Loading => None,
        }
    }
}

/// What the interface is open for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    #[default]
    Conversation,
    /// One review, without a model: it ends with it.
    Review,
}

#[derive(Debug)]
pub struct Model {
    pub purpose: Purpose,
    pub size: (u16, u16),
    pub themes: Themes,
    /// The one of them that is shown.
    pub theme: Theme,
    pub composer: Composer,
    pub conversation: Pane,
    pub reasoning: Pane,
    pub look: Look,
    /// What lies over the panes and has the keys.
    pub overlay: Option<Overlay>,
    pub keys: Arc<Keymap>,
    pub running: Option<Running>,
    /// The user's own command that runs.
    pub shell: Option<RunId>,
    /// Messages that wait behind the running turn.
    pub queued: Vec<String>,
    pub status: Status,
    pub review: Option<Review>,
    /// A list that is open; a review that comes meanwhile waits below it.
    pub picker: Option<Picker>,
    /// The download that runs.
    pub pull: Option<PullProgress>,
    pub colouring: Colouring,
    /// Decisions that were sent and whose [`AgentEvent::ReviewDone`] is still to come.
    pub decided: Vec<(ReviewId, Decisions)>,
    /// The highest [`Review::revision`] that was laid out.
    pub reviewed: u64,
    pub clock: Clock,
}

/// What the user chose to see.
#[derive(Debug, Default)]
pub struct Look {
    pub focus: Focus,
    pub hide_reasoning: bool,
    pub unfolded: bool,
    pub split: Split,
    /// The mouse is ours; else the terminal selects text with it.
    pub mouse: bool,
    pub drag: Option<Drag>,
    pub selection: Option<Selection>,
    /// The terminal lost the focus; never true where it does not tell.
    pub unfocused: bool,
    /// A word to the user in the status bar, until the next key.
    pub said: Option<String>,
    /// The terminal draws joined emoji as one sign.
    pub joined: bool,
    /// The terminal's character set has no other signs.
    pub ascii: bool,
}

/// When things happened, for what depends on it.
#[derive(Debug, Default)]
pub struct Clock {
    pub now: Duration,
    /// The last character typed into a message that was not sent yet.
    pub typed: Option<Duration>,
    /// Esc, with nothing to interrupt: one more goes back to an earlier message.
    pub escaped: Option<Duration>,
    /// One more Ctrl+C quits.
    pub quit_armed: bool,
}

impl Model {
    pub fn new(size: (u16, u16), themes: Themes, status: Status) -> Model {
        let (theme, problem) = themes.current();
        let mut model = Model {
            purpose: Purpose::default(),
            size,
            themes,
            theme,
            composer: Composer::default(),
            conversation: Pane::default(),
            reasoning: Pane::default(),
            look: Look::default(),
            overlay: None,
            keys: Arc::default(),
            running: None,
            shell: None,
            queued: Vec::new(),
            status,
            review: None,
            picker: None,
            pull: None,
            colouring: Colouring::default(),
            decided: Vec::new(),
            reviewed: 0,
            clock: Clock::default(),
        };
        if let Some(problem) = problem {
            let text = format!(
                "{problem}\nthe theme is chosen as with `auto`; /theme lists what there is"
            );
            model.conversation.transcript.problem(&text);
        }
        crate::tui::layout::measure_composer(&mut model);
        model
    }

    pub fn pane(&self, side: Side) -> &Pane {
        match side {
            Side::Conversation => &self.conversation,
            Side::Reasoning => &self.reasoning,
        }
    }

    pub fn pane_mut(&mut self, side: Side) -> &mut Pane {
        match side {
            Side::Conversation => &mut self.conversation,
            Side::Reasoning => &mut self.reasoning,
        }
    }

    /// Both panes empty and at their end, for another conversation.
    pub fn clear_panes(&mut self) {
        for pane in [&mut self.conversation, &mut self.reasoning] {
            pane.clear();
        }
    }

    /// Something on screen changes by itself.
    pub fn animates(&self) -> bool {
        (self.running.is_some() || self.shell.is_some()) && self.review.is_none()
    }
}
