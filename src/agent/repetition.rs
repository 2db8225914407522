//! A model that only repeats itself: the end of a generation is one short piece again and again.
//!
//! Pure: ids in, whether it has gone on for too long out.

use crate::conversation::TokenId;

/// The longest piece that is looked for, in tokens.
const LONGEST: usize = 128;

/// Watches one generation.
#[derive(Debug)]
pub(super) struct Repetition {
    /// Tokens that repeat, after which it is over; 0 is never.
    guard: usize,
    /// The last ids, the newest at `next - 1`, round and round.
    last: Vec<TokenId>,
    next: usize,
    /// By distance less one: how many ids in a row were the same as the one that far before.
    same: [usize; LONGEST],
}

impl Repetition {
    pub(super) fn new(guard: usize) -> Repetition {
        Repetition {
            guard,
            last: Vec::with_capacity(LONGEST),
            next: 0,
            same: [0; LONGEST],
        }
    }

    /// Takes the next id; true when the last `guard` ids are nothing but a piece and its repetitions.
    pub(super) fn take(&mut self, id: TokenId) -> bool {
        if self.guard == 0 {
            return false;
        }
        let held = self.last.len();
        let mut over = false;
        for (distance, same) in (1..).zip(self.same.iter_mut()) {
            let before = (distance <= held)
                .then(|| self.last.get((self.next + LONGEST - distance) % LONGEST))
                .flatten();
            *same = if before == Some(&id) { *same + 1 } else { 0 };
            // At least three times in all, however long the piece and short the guard.
            over |= *same + distance >= self.guard.max(3 * distance) && *same > 0;
        }
        if held < LONGEST {
            self.last.push(id);
        } else if let Some(slot) = self.last.get_mut(self.next) {
            *slot = id;
        }
        self.next = (self.next + 1) % LONGEST;
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over_at(guard: usize, ids: impl IntoIterator<Item = u32>) -> Option<usize> {
        let mut repetition = Repetition::new(guard);
        ids.into_iter().position(|id| repetition.take(id))
    }

    #[test]
    fn a_piece_that_repeats_is_noticed_whatever_its_length() {
        for length in [1, 2, 7, 100, 128] {
            let told = (0..50).chain((0..2_000).map(|n| 1_000 + n % length));
            assert_eq!(over_at(500, told), Some(50 + 499), "{length}");
        }
        let longer = (0..2_000).map(|n| n % 129);
        assert_eq!(over_at(500, longer), None);
    }

    #[test]
    fn what_changes_or_ends_in_time_is_not() {
        let counting = (0..3_000).flat_map(|n| [7, 8, n]);
        assert_eq!(over_at(500, counting), None);
        let table = [0; 499].into_iter().chain(1..100).chain([0; 499]);
        assert_eq!(over_at(500, table), None);
        assert_eq!(over_at(0, [0; 5_000]), None);
        // A short guard still wants three times.
        assert_eq!(over_at(2, [5, 6, 5, 6, 5, 6]), Some(5));
    }
}
