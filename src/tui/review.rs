//! A review: the user's way through the hunks of a plan.
//!
//! State and keys only; [`crate::tui::view`] draws it. The one thing to know: splitting and editing
//! renumber the plan's hunks, so decisions are kept by position and become [`Decisions`] only at the end,
//! and every step that `r` may take back keeps what it changed.

use crate::agent::ReviewId;
use crate::patch::{Decision, Decisions, Hunk, LineKind, Plan};
use crate::text;
use crate::tui::keymap::{Action, Context, Keymap};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::time::Duration;
use tui_textarea::TextArea;

#[derive(Debug)]
pub struct Review {
    pub id: ReviewId,
    pub plan: Box<Plan>,
    pub items: Vec<Item>,
    /// The item on screen.
    pub at: usize,
    pub mode: Mode,
    /// Rows scrolled down, and how many can be; the latter is set by the layout.
    pub scroll: usize,
    pub max_scroll: usize,
    /// Counts changes of the plan.
    pub revision: u64,
    /// Why the last key did nothing.
    pub message: Option<String>,
    pub opened: Duration,
    /// The user was typing a message as it opened: for a moment keys still go there.
    pub guarded: bool,
    steps: Vec<Step>,
}

/// A hunk; or what happens to a file besides its lines: a move, or all of it where it has no hunks.
#[derive(Debug, Clone)]
pub struct Item {
    pub file: usize,
    pub hunk: Option<usize>,
    pub decision: Option<Decision>,
}

#[derive(Debug)]
pub enum Mode {
    Browse,
    Note {
        rest_of_file: bool,
        line: Box<TextArea<'static>>,
    },
    ConfirmFinish,
}

/// What `r` takes back.
#[derive(Debug)]
enum Step {
    Decided {
        at: usize,
        before: Vec<(usize, Option<Decision>)>,
    },
    Replanned {
        at: usize,
        plan: Box<Plan>,
        items: Vec<Item>,
    },
}

/// What a key led to.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    Open,
    /// The key means nothing here.
    Ignored,
    /// Every hunk is decided, or the user finished.
    Done(Decisions),
    /// The hunk's lines with their signs, for the editor.
    Edit(String),
    Help,
    ScrollHalf {
        down: bool,
    },
}

impl Review {
    pub fn new(id: ReviewId, plan: Box<Plan>, opened: Duration, guarded: bool) -> Review {
        let items = items_of(&plan);
        Review {
            id,
            plan,
            items,
            at: 0,
            mode: Mode::Browse,
            scroll: 0,
            max_scroll: 0,
            revision: 0,
            message: None,
            opened,
            guarded,
            steps: Vec::new(),
        }
    }

    pub fn hunk(&self) -> Option<&Hunk> {
        let item = self.items.get(self.at)?;
        self.plan.files.get(item.file)?.hunks.get(item.hunk?)
    }

    fn undecided(&self) -> usize {
        self.items.iter().filter(|i| i.decision.is_none()).count()
    }

    pub fn key(&mut self, keys: &Keymap, key: KeyEvent) -> Outcome {
        self.message = None;
        match &mut self.mode {
            Mode::Note { line, .. } => match keys.lookup(Context::Note, &key) {
                Some(Action::Confirm) => self.confirm_note(),
                Some(Action::Cancel) => {
                    self.mode = Mode::Browse;
                    Outcome::Open
                }
                _ => {
                    note_key(line, key);
                    Outcome::Open
                }
            },
            Mode::ConfirmFinish => {
                self.mode = Mode::Browse;
                match key.code {
                    KeyCode::Char('y' | 'q') | KeyCode::Enter => self.done(),
                    _ => Outcome::Open,
                }
            }
            Mode::Browse => match keys.lookup(Context::Review, &key) {
                Some(action) => self.act(action),
                None => Outcome::Ignored,
            },
        }
    }

    /// A paste while a note is written.
    pub fn paste(&mut self, text: &str) {
        if let Mode::Note { line, .. } = &mut self.mode {
            line.insert_str(text::typed(text).replace('\n', " "));
        }
    }

    fn act(&mut self, action: Action) -> Outcome {
        match action {
            Action::Accept => self.decide(self.at..self.at + 1, &Decision::Accept),
            Action::AcceptFile => self.decide(self.rest_of_file(), &Decision::Accept),
            Action::AcceptAll => {
                let undecided: Vec<usize> = (0..self.items.len())
                    .filter(|i| self.items[*i].decision.is_none())
                    .collect();
                self.decide(undecided, &Decision::Accept)
            }
            Action::Reject => self.ask_note(false),
            Action::RejectFile => self.ask_note(true),
            Action::Split => self.split(),
            Action::Edit => match self.hunk() {
                Some(hunk) => Outcome::Edit(signed_lines(hunk)),
                None => self.say("a file without lines has nothing to edit"),
            },
            Action::Back => self.back(),
            Action::NextHunk => self.go(self.at + 1),
            Action::PreviousHunk => self.go(self.at.wrapping_sub(1)),
            Action::LineDown if self.scroll < self.max_scroll => {
                self.scroll += 1;
                Outcome::Open
            }
            Action::LineDown => self.go(self.at + 1),
            Action::LineUp if self.scroll > 0 => {
                self.scroll -= 1;
                Outcome::Open
            }
            Action::LineUp => {
                let before = self.at;
                let outcome = self.go(self.at.wrapping_sub(1));
                if self.at != before {
                    // Coming from below one sees its end; the layout brings this to the last row.
                    self.scroll = usize::MAX;
                }
                outcome
            }
            Action::Finish if self.undecided() == 0 => self.done(),
            Action::Finish => {
                self.mode = Mode::ConfirmFinish;
                Outcome::Open
            }
            Action::Command("help") => Outcome::Help,
            Action::HalfPageDown => Outcome::ScrollHalf { down: true },
            Action::HalfPageUp => Outcome::ScrollHalf { down: false },
            _ => Outcome::Ignored,
        }
    }

    fn say(&mut self, message: &str) -> Outcome {
        self.message = Some(message.to_owned());
        Outcome::Open
    }

    fn go(&mut self, to: usize) -> Outcome {
        if to < self.items.len() {
            self.at = to;
            self.scroll = 0;
        }
        Outcome::Open
    }

    /// This item and the undecided ones after it in its file.
    fn rest_of_file(&self) -> Vec<usize> {
        let file = self.items.get(self.at).map(|i| i.file);
        (self.at..self.items.len())
            .filter(|i| {
                let item = &self.items[*i];
                Some(item.file) == file && (*i == self.at || item.decision.is_none())
            })
            .collect()
    }

    fn decide(&mut self, which: impl IntoIterator<Item = usize>, decision: &Decision) -> Outcome {
        let mut before = Vec::new();
        for index in which {
            if let Some(item) = self.items.get_mut(index) {
                before.push((index, item.decision.replace(decision.clone())));
            }
        }
        self.steps.push(Step::Decided {
            at: self.at,
            before,
        });
        if self.undecided() == 0 {
            return self.done();
        }
        let open = |i: &usize| self.items[*i].decision.is_none();
        let next = (self.at + 1..self.items.len())
            .find(open)
            .or_else(|| (0..self.at).find(open));
        self.go(next.unwrap_or(self.at))
    }

    fn done(&self) -> Outcome {
        let mut decisions = Decisions::default();
        for item in &self.items {
            let decision = item
                .decision
                .clone()
                .unwrap_or(Decision::Reject { note: None });
            match item
                .hunk
                .and_then(|h| self.plan.files.get(item.file)?.hunks.get(h))
            {
                Some(hunk) => {
                    decisions.hunks.insert(hunk.id, decision);
                }
                None => {
                    decisions.files.insert(item.file, decision);
                }
            }
        }
        Outcome::Done(decisions)
    }

    fn ask_note(&mut self, rest_of_file: bool) -> Outcome {
        let mut line = TextArea::default();
        line.set_cursor_line_style(ratatui::style::Style::default());
        self.mode = Mode::Note {
            rest_of_file,
            line: Box::new(line),
        };
        Outcome::Open
    }

    fn confirm_note(&mut self) -> Outcome {
        let Mode::Note { rest_of_file, line } = std::mem::replace(&mut self.mode, Mode::Browse)
        else {
            return Outcome::Open;
        };
        let note = line.lines().join(" ").trim().to_owned();
        let decision = Decision::Reject {
            note: (!note.is_empty()).then_some(note),
        };
        if rest_of_file {
            self.decide(self.rest_of_file(), &decision)
        } else {
            self.decide(self.at..self.at + 1, &decision)
        }
    }

    fn split(&mut self) -> Outcome {
        let Some(id) = self.hunk().map(|h| h.id) else {
            return self.say("a file without lines cannot be split");
        };
        let before = self.plan.clone();
        if !self.plan.split_hunk(id) {
            return self.say("this hunk has one run of changes: it cannot be split (e edits it)");
        }
        self.replanned(before);
        Outcome::Open
    }

    /// What came back from the editor.
    pub fn edited(&mut self, text: &str) {
        let Some((id, same)) = self.hunk().map(|h| (h.id, signed_lines(h) == text)) else {
            return;
        };
        if same {
            self.message = Some("nothing was edited".to_owned());
            return;
        }
        let before = self.plan.clone();
        match self.plan.edit_hunk(id, text) {
            Ok(()) => self.replanned(before),
            Err(error) => {
                self.plan = before;
                self.message = Some(text::label(&error.to_string()));
            }
        }
    }

    /// The hunk at the cursor became any number of hunks: the items before and after it keep what was decided.
    fn replanned(&mut self, before: Box<Plan>) {
        let fresh = items_of(&self.plan);
        let old = std::mem::replace(&mut self.items, fresh);
        let after = old.len() - self.at - 1;
        let count = self.items.len();
        for (index, item) in old.iter().enumerate() {
            let place = if index < self.at {
                Some(index)
            } else if index > self.at {
                (index + count).checked_sub(old.len())
            } else {
                None
            };
            if let Some(now) = place.and_then(|p| self.items.get_mut(p)) {
                now.decision.clone_from(&item.decision);
            }
        }
        self.steps.push(Step::Replanned {
            at: self.at,
            plan: before,
            items: old,
        });
        // An edit may leave nothing of the hunk.
        self.at = self.at.min(count.saturating_sub(after.max(1)));
        self.scroll = 0;
        self.revision += 1;
    }

    fn back(&mut self) -> Outcome {
        match self.steps.pop() {
            Some(Step::Decided { at, before }) => {
                for (index, decision) in before {
                    if let Some(item) = self.items.get_mut(index) {
                        item.decision = decision;
                    }
                }
                self.go(at)
            }
            Some(Step::Replanned { at, plan, items }) => {
                self.plan = plan;
                self.items = items;
                self.revision += 1;
                self.go(at)
            }
            None => self.go(self.at.wrapping_sub(1)),
        }
    }
}

fn items_of(plan: &Plan) -> Vec<Item> {
    let mut items = Vec::new();
    for (file, plan) in plan.files.iter().enumerate() {
        if plan.is_decided_whole() {
            items.push(Item {
                file,
                hunk: None,
                decision: None,
            });
        }
        items.extend((0..plan.hunks.len()).map(|h| Item {
            file,
            hunk: Some(h),
            decision: None,
        }));
    }
    items
}

/// What the editor shows above the hunk; `edit_hunk` passes over lines that begin so.
const EDIT_HELP: &str = "# Change the + lines, add new ones, or turn a - line back into a context line (a space).\n\
                         # Leave the text of context and - lines as it is. These lines are passed over.\n";

/// A hunk as the editor gets it: a sign, then the line as it is.
fn signed_lines(hunk: &Hunk) -> String {
    let mut out = EDIT_HELP.to_owned();
    for line in &hunk.lines {
        out.push(match line.kind {
            LineKind::Context => ' ',
            LineKind::Removed => '-',
            LineKind::Added => '+',
        });
        out.push_str(&line.text);
        out.push('\n');
    }
    out
}

fn note_key(line: &mut TextArea<'static>, key: KeyEvent) {
    match key.code {
        KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => {
            line.delete_line_by_head();
        }
        // A note is one line.
        KeyCode::Char('j' | 'm') if key.modifiers.contains(KeyModifiers::CONTROL) => {}
        KeyCode::Char(c) if text::is_unsafe(c) => {}
        _ => {
            line.input(key);
        }
    }
}

#[cfg(test)]
mod tests;
