//! What of a pane is laid out: the rows near the screen, of the rest how many there are.
//!
//! A cell is wrapped again only when it, the width or the theme changed. Rows far from the screen are given up
//! ([`LIMIT`]), and made again when they are come back to; their number stays, so that a long way goes by counting.

use super::Style;
use super::rows::{Counted, Key, Laid};
use crate::tui::terminal::links::Links;
use crate::tui::transcript::{Body, Transcript};
use std::ops::Range;

/// Rows that are kept besides those on screen: some 100 pages, of a few hundred bytes a row.
const LIMIT: usize = 4000;
/// Cells at the end whose rows always stay: they may still grow.
const GROWING: usize = 4;

#[derive(Debug, Default)]
pub struct PaneCache {
    generation: u64,
    /// [`Transcript::earlier`], as far as it is known here.
    earlier: usize,
    cells: Vec<Slot>,
    /// Rows in all slots.
    rows: usize,
    /// The cells on screen, as settled last.
    pub(super) seen: Range<usize>,
    links: Links,
}

/// What is known of a cell's layout.
#[derive(Debug, Default)]
enum Slot {
    #[default]
    Nothing,
    /// The rows were given up.
    Counted(Counted),
    Laid(Box<Laid>),
}

impl Slot {
    fn rows(&self) -> usize {
        match self {
            Slot::Nothing | Slot::Counted(_) => 0,
            Slot::Laid(laid) => laid.rows.lines.len(),
        }
    }
}

impl PaneCache {
    pub fn clear(&mut self) {
        self.cells.clear();
        self.rows = 0;
    }

    /// Where the links in the rows lead.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// Cells that are laid out.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        let laid = |slot: &&Slot| matches!(slot, Slot::Laid(_));
        self.cells.iter().filter(laid).count()
    }

    /// The slot of a cell, and what its layout depends on.
    fn slot<'t>(
        &mut self,
        transcript: &Transcript,
        at: usize,
        style: Style<'t>,
    ) -> Option<(&mut Slot, Key, Style<'t>)> {
        if self.generation != transcript.generation {
            self.clear();
            (self.generation, self.earlier) = (transcript.generation, transcript.earlier);
        }
        let more = transcript.earlier.saturating_sub(self.earlier);
        if more > 0 {
            let slots = std::iter::repeat_with(Slot::default);
            self.cells.splice(0..0, slots.take(more));
            self.seen = self.seen.start + more..self.seen.end + more;
            self.earlier = transcript.earlier;
        }
        let cell = transcript.cells().get(at)?;
        if self.cells.len() <= at {
            self.cells.resize_with(at + 1, Slot::default);
        }
        // A turn's reasoning is open unless it was folded; cards are folded unless they were opened.
        let all = matches!(cell.body, Body::Thought(_)) || style.unfolded;
        let style = Style {
            unfolded: cell.unfolded.unwrap_or(all),
            ..style
        };
        let key = Key {
            epoch: cell.epoch,
            columns: style.columns,
            unfolded: style.unfolded,
            hidden: cell.hidden,
            coloured: style.grammars.is_some()
                && matches!(cell.body, Body::Answer { .. } | Body::Diff(_)),
        };
        Some((self.cells.get_mut(at)?, key, style))
    }

    pub(super) fn laid(
        &mut self,
        transcript: &Transcript,
        at: usize,
        style: Style<'_>,
    ) -> Option<&Laid> {
        let cell = transcript.cells().get(at)?;
        let (slot, key, style) = self.slot(transcript, at, style)?;
        let before = slot.rows();
        let mut laid = match std::mem::take(slot) {
            Slot::Laid(laid) if laid.key == key => laid,
            Slot::Nothing | Slot::Counted(_) | Slot::Laid(_) => Box::new(Laid::new(key)),
        };
        laid.lay_out(cell, style, &self.links);
        let after = laid.rows.lines.len();
        self.rows = self.rows + after - before;
        if after > before && self.rows > LIMIT {
            self.give_up(at, transcript.cells().len());
        }
        let slot = self.cells.get_mut(at)?;
        *slot = Slot::Laid(laid);
        match slot {
            Slot::Laid(laid) => Some(laid),
            Slot::Nothing | Slot::Counted(_) => None,
        }
    }

    /// Gives rows up, those farthest from `around` first, until half of what may be kept is left. What is on screen
    /// and what may still grow stays.
    fn give_up(&mut self, around: usize, cells: usize) {
        let last = cells.saturating_sub(GROWING);
        let near = self.seen.start.saturating_sub(1)..self.seen.end + 1;
        let stays = |at: usize| at == around || at >= last || near.contains(&at);
        let rows = |(at, slot): (usize, &Slot)| if stays(at) { 0 } else { slot.rows() };
        let mut kept: usize = self.cells.iter().enumerate().map(rows).sum();
        if kept <= LIMIT {
            return;
        }
        let (mut low, mut high) = (0, self.cells.len());
        while kept > LIMIT / 2 && low < high {
            let at = if around.abs_diff(low) > around.abs_diff(high) {
                low += 1;
                low - 1
            } else {
                high -= 1;
                high
            };
            let Some(slot) = self.cells.get_mut(at).filter(|_| !stays(at)) else {
                continue;
            };
            if let Slot::Laid(laid) = slot {
                let gone = laid.rows.lines.len();
                *slot = Slot::Counted(laid.counted());
                kept -= gone;
                self.rows -= gone;
            }
        }
    }

    /// How many rows a cell has, and whether the last is the gap after it.
    pub(super) fn measured(
        &mut self,
        transcript: &Transcript,
        at: usize,
        style: Style<'_>,
    ) -> (usize, bool) {
        let Some(cell) = transcript.cells().get(at) else {
            return (0, false);
        };
        if let Some((Slot::Counted(counted), key, _)) = self.slot(transcript, at, style)
            && counted.is_of(cell, key)
        {
            return (counted.rows, counted.gap);
        }
        let counted = self.laid(transcript, at, style).map(Laid::counted);
        counted.map_or((0, false), |counted| (counted.rows, counted.gap))
    }
}
