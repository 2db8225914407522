//! The places given out so far.

use super::Place;
use std::collections::BTreeSet;
use std::ops::Range;

#[derive(Debug)]
pub(super) struct Placed {
    /// By hunk.
    places: Vec<Option<Place>>,
    /// Start and end of each hunk's changes, and the hunk. They never cross, so both ends ascend.
    cores: BTreeSet<(usize, usize, usize)>,
}

impl Placed {
    pub fn new(hunks: usize) -> Self {
        Self {
            places: vec![None; hunks],
            cores: BTreeSet::new(),
        }
    }

    pub fn has(&self, hunk: usize) -> bool {
        self.places.get(hunk).is_some_and(Option::is_some)
    }

    pub fn add(&mut self, hunk: usize, place: Place) {
        self.cores.insert((place.core.start, place.core.end, hunk));
        if let Some(slot) = self.places.get_mut(hunk) {
            *slot = Some(place);
        }
    }

    /// A hunk whose changes cross these. What is only context to one of them is free: hunks are written
    /// against the file as it is, and leaving such a place out would leave a wrong one alone.
    pub fn taken(&self, core: &Range<usize>) -> Option<usize> {
        self.cores
            .range(..(core.end, 0, 0))
            .next_back()
            .filter(|(_, end, _)| *end > core.start)
            .map(|(_, _, hunk)| *hunk)
    }

    /// Hunks and their places, in the file's order.
    pub fn in_order(self) -> Vec<(usize, Place)> {
        let places = self.places.into_iter().enumerate();
        let mut all: Vec<(usize, Place)> = places
            .filter_map(|(hunk, place)| Some((hunk, place?)))
            .collect();
        all.sort_by_key(|(hunk, place)| (place.range.start, place.range.end, *hunk));
        all
    }
}
