//! What the engine's prefix cache holds, kept by us because the engine neither tells nor forgets.
//!
//! mistral.rs 0.8.1 files every finished sequence under its tokens, looks for the longest common prefix,
//! and on a CPU never drops an entry: twenty calls of a long turn would hold twenty copies of its cache. So
//! we count, and [`super::runner`] replaces the engine's front (not the model) when the count passes a budget.

/// The engine allocates its caches in steps of so many tokens.
const STEP: usize = 512;

#[derive(Debug)]
pub(super) struct Ledger {
    entries: Vec<Vec<u32>>,
    bytes: u64,
    bytes_per_token: u64,
    budget: u64,
}

impl Ledger {
    pub(super) fn new(bytes_per_token: u64, budget: u64) -> Self {
        Ledger {
            entries: Vec::new(),
            bytes: 0,
            bytes_per_token,
            budget,
        }
    }

    /// Prompt tokens the engine will find: its rule is the longest common prefix with any entry, and
    /// nothing when that is the whole prompt.
    pub(super) fn found(&self, prompt: &[u32]) -> usize {
        let common =
            |entry: &Vec<u32>| entry.iter().zip(prompt).take_while(|(a, b)| a == b).count();
        let longest = self.entries.iter().map(common).max().unwrap_or(0);
        if longest == prompt.len() { 0 } else { longest }
    }

    pub(super) fn add(&mut self, key: Vec<u32>) {
        // The engine's map replaces an equal key.
        if self.entries.contains(&key) {
            return;
        }
        self.bytes += self.size(key.len());
        self.entries.push(key);
    }

    /// Whether a sequence of so many tokens more would pass the budget.
    pub(super) fn is_full_with(&self, tokens: usize) -> bool {
        !self.entries.is_empty() && self.bytes + self.size(tokens) > self.budget
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    fn size(&self, tokens: usize) -> u64 {
        tokens.next_multiple_of(STEP) as u64 * self.bytes_per_token
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_longest_prefix_and_nothing_for_a_repeat() {
        let mut ledger = Ledger::new(1, 10_000);
        assert_eq!(ledger.found(&[1, 2, 3]), 0);
        ledger.add(vec![1, 2, 3, 0]);
        ledger.add(vec![1, 2, 7, 8, 0]);
        assert_eq!(ledger.found(&[1, 2, 3, 4]), 3);
        assert_eq!(ledger.found(&[1, 2, 7, 8, 9]), 4);
        assert_eq!(ledger.found(&[5]), 0);
        // The engine computes a prompt that it holds whole again.
        assert_eq!(ledger.found(&[1, 2, 7, 8]), 0);
    }

    #[test]
    fn counts_in_steps_and_clears() {
        let mut ledger = Ledger::new(2, 4096);
        assert!(
            !ledger.is_full_with(100_000),
            "an empty cache is never full"
        );
        ledger.add(vec![0; 513]);
        assert!(
            !ledger.is_full_with(1024),
            "2048 + 2048 bytes are the budget"
        );
        assert!(ledger.is_full_with(1025));
        ledger.add(vec![0; 513]);
        assert!(
            !ledger.is_full_with(1024),
            "an equal key replaces its entry"
        );
        ledger.clear();
        assert!(!ledger.is_full_with(100_000));
    }
}
