//! Folding: single cards by the user's choice, the reasoning of a turn as a whole.

use super::{Body, Thinking, Thought, Transcript};
use std::time::Duration;

impl Transcript {
    /// Folds or unfolds a cell, or the turn it heads; `false` where there is nothing to fold. `all` is what
    /// holds for cells without a choice of their own.
    pub fn toggle(&mut self, at: usize, all: bool) -> bool {
        let Some(cell) = self.cells.get_mut(at) else {
            return false;
        };
        match cell.body {
            Body::Tool(_) | Body::Diff(_) => {
                cell.unfolded = Some(!cell.unfolded.unwrap_or(all));
                true
            }
            Body::Thought(_) => {
                let unfold = cell.unfolded == Some(false);
                self.fold_turn(at, !unfold);
                true
            }
            Body::Reasoning { .. } => match self.head(at) {
                Some(head) => {
                    self.fold_turn(head, true);
                    true
                }
                None => false,
            },
            Body::Prompt(_)
            | Body::Answer { .. }
            | Body::Notice(_)
            | Body::Problem(_)
            | Body::Aside(_) => false,
        }
    }

    /// Every cell as `unfolded` says; choices made one by one are forgotten.
    pub fn fold_all(&mut self, unfolded: bool) {
        for at in 0..self.cells.len() {
            if matches!(self.cells[at].body, Body::Thought(_)) {
                self.fold_turn(at, !unfolded);
            } else {
                self.cells[at].unfolded = None;
            }
        }
    }

    /// Makes the text of a cell visible.
    pub fn reveal(&mut self, at: usize) {
        let Some(cell) = self.cells.get_mut(at) else {
            return;
        };
        if matches!(cell.body, Body::Tool(_) | Body::Diff(_)) {
            cell.unfolded = Some(true);
        }
        if cell.hidden
            && let Some(head) = self.head(at)
        {
            self.fold_turn(head, false);
        }
    }

    /// The line above the reasoning at `at`, or `at` itself where it is one.
    pub fn head(&self, at: usize) -> Option<usize> {
        self.cells
            .get(..=at)?
            .iter()
            .rposition(|cell| matches!(cell.body, Body::Thought(_)))
    }

    pub fn fold_turn(&mut self, head: usize, folded: bool) {
        let mut cells = self.cells.iter_mut().skip(head);
        let Some(cell) = cells.next() else {
            return;
        };
        cell.unfolded = Some(!folded);
        for cell in cells.take_while(|cell| !matches!(cell.body, Body::Thought(_))) {
            cell.hidden = folded;
        }
    }

    /// The head of the turn whose reasoning begins now.
    pub fn begin_thought(&mut self, prompt: &str) {
        let prompt = prompt.lines().next().unwrap_or_default().to_owned();
        let now = std::mem::take(&mut self.now);
        self.now = super::Moment {
            turn: now.turn,
            part: 0,
        };
        self.push(Body::Thought(Thought { prompt, done: None }));
        self.now = now;
    }

    /// Whether the current turn has its head.
    pub fn thinks(&self) -> bool {
        let last = self.head(self.cells.len().saturating_sub(1));
        last.is_some_and(|at| self.cells[at].moment.turn == self.now.turn)
    }

    /// The turn is over: its head says what it came to, and folds what is below it if asked to.
    pub fn end_thought(&mut self, elapsed: Duration, tokens: usize, fold: bool) {
        if !self.thinks() {
            return;
        }
        let Some(head) = self.head(self.cells.len().saturating_sub(1)) else {
            return;
        };
        let lines = self
            .cells
            .iter()
            .skip(head)
            .filter_map(|cell| match &cell.body {
                Body::Reasoning { text, .. } => Some(text.lines().count()),
                _ => None,
            })
            .sum();
        if let Some(cell) = self.cells.get_mut(head)
            && let Body::Thought(thought) = &mut cell.body
        {
            cell.epoch += 1;
            thought.done = Some(Thinking {
                elapsed,
                tokens,
                lines,
            });
        }
        if fold {
            self.fold_turn(head, true);
        }
    }
}
