//! The lines of a file that a patch updates, arranged for quoting them.

use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A file's lines. `rank`: the place of a line's text among the distinct texts in order.
#[derive(Debug)]
pub(super) struct Target {
    /// The rank of each line.
    ranks: Vec<u32>,
    /// The distinct texts, sorted.
    texts: Arc<[Arc<str>]>,
    /// The lines of each rank, ascending.
    places: Vec<Vec<u32>>,
    /// A hunk that begins at a line from here on can be found elsewhere too, however far it goes.
    doubtful: u32,
}

impl Target {
    /// `None` if a line holds what no line of a patch can.
    pub(super) fn new(lines: Vec<String>) -> Option<Target> {
        if lines
            .iter()
            .any(|line| line.contains(['\n', '\r']) || line.contains('\0'))
        {
            return None;
        }
        let mut texts: Vec<Arc<str>> = lines.iter().map(|line| Arc::from(line.as_str())).collect();
        texts.sort_unstable();
        texts.dedup();
        let rank_of: FxHashMap<&str, u32> = texts.iter().map(|text| &**text).zip(0u32..).collect();
        let mut places = vec![Vec::new(); texts.len()];
        let mut ranks = Vec::with_capacity(lines.len());
        for (line, text) in (0u32..).zip(&lines) {
            let rank = *rank_of.get(text.as_str())?;
            places.get_mut(rank as usize)?.push(line);
            ranks.push(rank);
        }
        let doubtful = ranks.len() - longest_repeated_end(&ranks);
        Some(Target {
            doubtful: u32::try_from(doubtful).ok()?,
            ranks,
            texts: texts.into(),
            places,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ranks.is_empty()
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.ranks.len()).unwrap_or(u32::MAX)
    }

    /// Whether a hunk may begin at the line: at or after `cursor`, and with an end that makes it the only one.
    pub(super) fn can_begin(&self, line: u32, cursor: u32) -> bool {
        cursor <= line && line < self.doubtful
    }

    /// Whether any hunk may begin from `cursor` on.
    pub(super) fn has_room(&self, cursor: u32) -> bool {
        cursor < self.doubtful
    }

    /// The texts that a hunk may begin with.
    pub(super) fn first_lines(&self, cursor: u32) -> Arc<[Arc<str>]> {
        if cursor == 0 && self.doubtful == self.len() {
            return Arc::clone(&self.texts);
        }
        self.texts_of(cursor..self.doubtful)
    }

    /// The texts that a hunk may go on with whose old lines so far are the `count` lines from each of `starts`.
    pub(super) fn next_lines(&self, starts: &[u32], count: u32, cursor: u32) -> Arc<[Arc<str>]> {
        let begun = starts
            .iter()
            .filter(|start| self.can_begin(**start, cursor));
        self.texts_of(begun.map(|start| start + count))
    }

    fn texts_of(&self, lines: impl Iterator<Item = u32>) -> Arc<[Arc<str>]> {
        let mut ranks: Vec<u32> = lines
            .filter_map(|line| self.ranks.get(line as usize).copied())
            .collect();
        ranks.sort_unstable();
        ranks.dedup();
        ranks
            .into_iter()
            .filter_map(|rank| self.texts.get(rank as usize).map(Arc::clone))
            .collect()
    }

    fn rank(&self, text: &str) -> Option<usize> {
        self.texts
            .binary_search_by(|known| (**known).cmp(text))
            .ok()
    }

    /// All lines with that text.
    pub(super) fn all(&self, text: &str) -> Arc<[u32]> {
        let places = self.rank(text).and_then(|rank| self.places.get(rank));
        places
            .map(|places| Arc::from(places.as_slice()))
            .unwrap_or_default()
    }

    /// Those of `starts` where line `start + count` has that text.
    pub(super) fn narrowed(&self, starts: &[u32], count: u32, text: &str) -> Arc<[u32]> {
        let rank = self.rank(text);
        starts
            .iter()
            .copied()
            .filter(|start| {
                let found = self.ranks.get((start + count) as usize);
                found.is_some_and(|found| Some(*found as usize) == rank)
            })
            .collect()
    }
}

/// The length of the longest end of `ranks` that also stands elsewhere in it (it may overlap itself). By the
/// Z function of the reversed text: linear.
fn longest_repeated_end(ranks: &[u32]) -> usize {
    let reversed: Vec<u32> = ranks.iter().rev().copied().collect();
    let at = |i: usize| reversed.get(i);
    let mut z = vec![0usize; reversed.len()];
    let (mut left, mut right, mut longest) = (0, 0, 0);
    for i in 1..reversed.len() {
        let mut length = 0;
        if i < right {
            length = z.get(i - left).copied().unwrap_or(0).min(right - i);
        }
        while at(i + length).is_some() && at(length) == at(i + length) {
            length += 1;
        }
        if i + length > right {
            (left, right) = (i, i + length);
        }
        if let Some(slot) = z.get_mut(i) {
            *slot = length;
        }
        longest = longest.max(length);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::longest_repeated_end;

    #[test]
    fn the_end_that_is_not_alone() {
        assert_eq!(longest_repeated_end(&[]), 0);
        assert_eq!(longest_repeated_end(&[1]), 0);
        assert_eq!(longest_repeated_end(&[1, 2, 3]), 0);
        assert_eq!(longest_repeated_end(&[1, 1, 1]), 2);
        assert_eq!(longest_repeated_end(&[1, 2, 1, 2]), 2);
        assert_eq!(longest_repeated_end(&[5, 1, 2, 9, 1, 2]), 2);
        assert_eq!(longest_repeated_end(&[1, 2, 3, 1]), 1);
    }
}
