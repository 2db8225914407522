//! Which reasoning led to which part of the conversation.
//!
//! A turn is cut into parts: each analysis message begins one, and what is said and done until the next
//! belongs to it. Part 0 is the user's message. Moments only grow along a transcript, so a counterpart is
//! found by bisection.

use super::{Body, Transcript};

/// A part of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment {
    pub turn: u32,
    pub part: u32,
}

impl Moment {
    pub fn next_turn(self) -> Moment {
        Moment {
            turn: self.turn + 1,
            part: 0,
        }
    }

    pub fn next_part(self) -> Moment {
        Moment {
            turn: self.turn,
            part: self.part + 1,
        }
    }

    fn start_of_turn(self) -> Moment {
        Moment { part: 0, ..self }
    }
}

impl Transcript {
    /// The cell that belongs to `moment`, else the one its turn begins with.
    pub fn counterpart(&self, moment: Moment) -> Option<usize> {
        self.first_at(moment)
            .filter(|at| !self.cells[*at].hidden)
            .or_else(|| self.first_at(moment.start_of_turn()))
    }

    fn first_at(&self, moment: Moment) -> Option<usize> {
        let at = self.cells.partition_point(|cell| cell.moment < moment);
        self.cells
            .get(at)
            .is_some_and(|cell| cell.moment == moment)
            .then_some(at)
    }

    /// An analysis message is open: more of it goes to the same cell.
    pub fn reasons(&self) -> bool {
        let last = self.cells.iter().rev().find(|cell| {
            !matches!(
                cell.body,
                Body::Notice(_) | Body::Problem(_) | Body::Aside(_)
            )
        });
        last.is_some_and(|cell| matches!(cell.body, Body::Reasoning { open: true, .. }))
    }

    /// What the user asked last.
    pub fn last_prompt(&self) -> &str {
        self.cells
            .iter()
            .rev()
            .find_map(|cell| match &cell.body {
                Body::Prompt(text) => Some(text.as_str()),
                _ => None,
            })
            .unwrap_or_default()
    }

    /// The nearest item from `from` on (`step` 1) or back (`step` -1) that can be selected.
    pub fn item(&self, from: usize, step: isize) -> Option<usize> {
        let mut at = from;
        loop {
            let cell = self.cells.get(at)?;
            if !cell.hidden && !matches!(cell.body, Body::Aside(_)) {
                return Some(at);
            }
            at = at.checked_add_signed(step)?;
        }
    }
}
