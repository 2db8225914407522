//! What was said and done, as cells: the data behind the conversation and the reasoning pane.
//!
//! Text is made safe as it enters ([`crate::text`]) and only ever appended to, replaced or finished,
//! so that the view can tell from a cell's epoch and length what it has to lay out again. How a cell looks
//! is in [`crate::tui::transcript::cells`]. Every cell knows its [`Moment`], which links an answer or a tool call to the
//! reasoning that led to it.

pub(super) mod cells;
mod fold;
mod link;
pub(super) mod thought;

pub use link::Moment;

use crate::agent::ToolStatus;
use crate::conversation::CallId;
use crate::patch::v4a::Stream;
use crate::patch::{Decisions, Plan};
use crate::text::{self, Prose};
use crate::tui::render::ansi::Output;
use std::time::Duration;

/// Output of a running tool kept for the card; the model is told its own, capped share by the agent.
const OUTPUT_LIMIT: usize = 64 * 1024;

/// The tool of the user's own commands, as no tool of the model's can be called.
pub const USER_SHELL: &str = "!";

#[derive(Debug, Default)]
pub struct Transcript {
    cells: Vec<Cell>,
    /// Counts the times it was emptied, so that a cache does not mistake new cells for old.
    pub generation: u64,
    /// Counts what was added, so that a pane that does not follow can tell that there is news.
    pub revision: u64,
    /// Cells that were put before the others since it was emptied.
    pub earlier: usize,
    /// What new cells belong to.
    pub now: Moment,
    /// Of the message that streams.
    prose: Prose,
}

#[derive(Debug)]
pub struct Cell {
    /// Counts changes other than text appended to a streaming body.
    pub epoch: u64,
    pub body: Body,
    pub moment: Moment,
    /// The user's choice for this cell; else what holds for all.
    pub unfolded: Option<bool>,
    /// Its turn is folded: it takes no row.
    pub hidden: bool,
    /// What copying gives, where what is shown lacks something (joiners that shape nothing).
    pub exact: Option<Box<str>>,
}

#[derive(Debug)]
pub enum Body {
    Prompt(String),
    /// A preamble or an answer, in Markdown.
    Answer {
        text: String,
        open: bool,
    },
    /// The model's analysis, as it was written.
    Reasoning {
        text: String,
        open: bool,
    },
    /// The line above a turn's reasoning, and all of it that is left when it is folded.
    Thought(Thought),
    Tool(ToolCard),
    Diff(DiffCard),
    Notice(String),
    Problem(String),
    /// One quiet line, e.g. what a turn cost.
    Aside(String),
}

/// A turn in the reasoning pane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thought {
    /// The first line of what the user asked.
    pub prompt: String,
    /// What it came to, when the turn is over.
    pub done: Option<Thinking>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thinking {
    /// From the turn's start to its end.
    pub elapsed: Duration,
    /// 0 where the engine does not count them.
    pub tokens: usize,
    pub lines: usize,
}

#[derive(Debug)]
pub struct ToolCard {
    pub call: CallId,
    pub tool: String,
    /// The call in words; empty while it is being written.
    pub summary: String,
    pub arguments: String,
    /// A patch while it is written.
    pub preview: Option<Box<Stream>>,
    pub output: Output,
    /// Lines that fell off the front of `output`.
    pub dropped: usize,
    pub state: ToolState,
}

impl ToolState {
    pub fn running(now: Duration) -> ToolState {
        ToolState::Running {
            since: now,
            seconds: 0,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum ToolState {
    Writing,
    /// Since when by our clock, and the whole seconds that are shown.
    Running {
        since: Duration,
        seconds: u64,
    },
    Done {
        status: ToolStatus,
        exit_code: Option<i32>,
        elapsed: Duration,
    },
}

/// A review that is over.
#[derive(Debug)]
pub struct DiffCard {
    /// Without the files' images.
    pub plan: Box<Plan>,
    /// What was decided here; `None` where somebody else decided.
    pub decisions: Option<Decisions>,
    /// The journal's number; `None` when nothing was written.
    pub checkpoint: Option<u64>,
    pub declined: usize,
}

impl Transcript {
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    pub fn clear(&mut self) {
        self.cells.clear();
        self.generation += 1;
        self.earlier = 0;
    }

    /// Puts what was said earlier, in so many turns, before the rest; that is no news. How many cells it was.
    pub fn prepend(&mut self, mut earlier: Transcript, turns: u32) -> usize {
        let count = earlier.cells.len();
        self.now.turn += turns;
        for cell in &mut self.cells {
            cell.moment.turn += turns;
        }
        earlier.cells.append(&mut self.cells);
        self.cells = earlier.cells;
        self.earlier += count;
        count
    }

    pub fn push(&mut self, body: Body) {
        self.revision += 1;
        self.cells.push(Cell {
            epoch: 0,
            body,
            moment: self.now,
            unfolded: None,
            hidden: false,
            exact: None,
        });
    }

    pub fn notice(&mut self, text: &str) {
        self.push(Body::Notice(text::prose(text).into_owned()));
    }

    pub fn problem(&mut self, text: &str) {
        self.push(Body::Problem(text::prose(text).into_owned()));
    }

    /// The cell a message streams into: the last one, but for notices that came in between.
    fn streaming(&mut self) -> Option<&mut Cell> {
        self.cells.iter_mut().rev().find(|cell| {
            !matches!(
                cell.body,
                Body::Notice(_) | Body::Problem(_) | Body::Aside(_)
            )
        })
    }

    pub fn answer_delta(&mut self, delta: &str) {
        self.revision += 1;
        let mut prose = std::mem::take(&mut self.prose);
        match self.streaming().map(|c| &mut c.body) {
            Some(Body::Answer { text, open: true }) => {
                let more = prose.take(text, delta);
                text.push_str(&more);
            }
            _ => {
                prose = Prose::default();
                let text = prose.take("", delta);
                self.push(Body::Answer { text, open: true });
            }
        }
        self.prose = prose;
    }

    pub fn reasoning_delta(&mut self, delta: &str) {
        self.revision += 1;
        let mut prose = std::mem::take(&mut self.prose);
        match self.streaming().map(|c| &mut c.body) {
            Some(Body::Reasoning { text, open: true }) => {
                let more = prose.take(text, delta);
                text.push_str(&more);
            }
            _ => {
                prose = Prose::default();
                let text = prose.take("", delta);
                self.push_reasoning(text, true);
            }
        }
        self.prose = prose;
    }

    /// Into a turn that the user folded it goes folded.
    fn push_reasoning(&mut self, text: String, open: bool) {
        self.push(Body::Reasoning { text, open });
        let at = self.cells.len() - 1;
        let folded = self
            .head(at)
            .is_some_and(|head| self.cells[head].unfolded == Some(false));
        self.cells[at].hidden = folded;
    }

    pub fn answer_done(&mut self, said: &str) {
        let whole = text::prose(said);
        match self.streaming() {
            Some(Cell {
                epoch,
                exact,
                body:
                    Body::Answer {
                        text,
                        open: open @ true,
                    },
                ..
            }) => {
                *open = false;
                finish(text, epoch, &whole);
                *exact = exactly(said, &whole);
            }
            _ if whole.trim().is_empty() => {}
            _ => {
                let exact = exactly(said, &whole);
                self.push(Body::Answer {
                    text: whole.into_owned(),
                    open: false,
                });
                if let Some(cell) = self.cells.last_mut() {
                    cell.exact = exact;
                }
            }
        }
    }

    pub fn reasoning_done(&mut self, whole: &str) {
        let whole = text::prose(whole);
        match self.streaming() {
            Some(Cell {
                epoch,
                body:
                    Body::Reasoning {
                        text,
                        open: open @ true,
                    },
                ..
            }) => {
                *open = false;
                finish(text, epoch, &whole);
            }
            _ if whole.trim().is_empty() => {}
            _ => self.push_reasoning(whole.into_owned(), false),
        }
    }

    /// A turn is over, however: nothing streams and nothing runs any more.
    pub fn close_open(&mut self) {
        for cell in self.cells.iter_mut().rev() {
            match &mut cell.body {
                Body::Answer { open, .. } | Body::Reasoning { open, .. } => *open = false,
                // The user's own command runs on beside turns.
                Body::Tool(card) if card.tool == USER_SHELL => {}
                Body::Tool(card) if !matches!(card.state, ToolState::Done { .. }) => {
                    card.state = ToolState::Done {
                        status: ToolStatus::Failed,
                        exit_code: None,
                        elapsed: Duration::ZERO,
                    };
                    cell.epoch += 1;
                }
                // Everything before the turn's prompt is closed already.
                Body::Prompt(_) | Body::Thought(_) => return,
                Body::Tool(_)
                | Body::Diff(_)
                | Body::Notice(_)
                | Body::Problem(_)
                | Body::Aside(_) => {}
            }
        }
    }

    /// A second passed: what runs shows how long it does. `own`: a command of the user's runs, perhaps since an
    /// earlier turn; a tool of the model's is of the last one.
    pub fn tick(&mut self, now: Duration, mut own: bool) {
        let mut turn = true;
        for cell in self.cells.iter_mut().rev() {
            if !turn && !own {
                return;
            }
            match &mut cell.body {
                Body::Tool(ToolCard {
                    tool,
                    state: ToolState::Running { since, seconds },
                    ..
                }) => {
                    own &= tool != USER_SHELL;
                    let elapsed = now.saturating_sub(*since).as_secs();
                    if elapsed != *seconds {
                        *seconds = elapsed;
                        cell.epoch += 1;
                    }
                }
                Body::Prompt(_) => turn = false,
                Body::Answer { .. }
                | Body::Reasoning { .. }
                | Body::Thought(_)
                | Body::Tool(_)
                | Body::Diff(_)
                | Body::Notice(_)
                | Body::Problem(_)
                | Body::Aside(_) => {}
            }
        }
    }

    /// Changes the card of a call, made when there is none yet.
    pub fn tool(&mut self, call: CallId, tool: &str, change: impl FnOnce(&mut ToolCard)) {
        self.revision += 1;
        for cell in self.cells.iter_mut().rev() {
            if let Body::Tool(card) = &mut cell.body
                && card.call == call
            {
                cell.epoch += 1;
                return change(card);
            }
        }
        let mut card = ToolCard {
            call,
            tool: text::label(tool),
            summary: String::new(),
            arguments: String::new(),
            preview: None,
            output: Output::default(),
            dropped: 0,
            state: ToolState::Writing,
        };
        change(&mut card);
        self.push(Body::Tool(card));
    }
}

/// What a copy of `said` gives, where `shown` is not it.
fn exactly(said: &str, shown: &str) -> Option<Box<str>> {
    let exact = text::visible(said);
    (exact != shown).then(|| exact.into())
}

/// The stream's whole text wins over what was gathered, and is laid out again only if it differs.
fn finish(text: &mut String, epoch: &mut u64, whole: &str) {
    if text != whole && !whole.is_empty() {
        *text = whole.to_owned();
        *epoch += 1;
    }
}

impl ToolCard {
    pub fn append_output(&mut self, text: &str) {
        // What a program prints may be coloured; a carriage return in a file is one.
        if self.runs_a_program() {
            self.output.append(text);
        } else {
            self.output.append(&text::prose(text));
        }
        if self.output.len() > OUTPUT_LIMIT {
            let mut cut = self.output.len() - OUTPUT_LIMIT / 2;
            while !self.output.is_char_boundary(cut) {
                cut += 1;
            }
            let cut = self
                .output
                .get(cut..)
                .and_then(|t| t.find('\n'))
                .map_or(cut, |n| cut + n + 1);
            self.dropped += self.output.drop_front(cut);
        }
    }

    fn runs_a_program(&self) -> bool {
        !["read_file", "list_files", "search", "apply_patch"]
            .iter()
            .any(|tool| self.tool.ends_with(tool))
    }

    pub fn append_arguments(&mut self, text: &str) {
        if self.tool == "apply_patch" {
            self.preview.get_or_insert_default().push(text);
        }
        if self.arguments.len() < OUTPUT_LIMIT {
            self.arguments.push_str(&text::prose(text));
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
