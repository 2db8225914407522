//! One text of a sorted list, as far as it is typed.

use std::sync::Arc;

#[derive(Debug, Clone)]
pub(super) struct Choice {
    /// Sorted by their bytes, each once.
    options: Arc<[Arc<str>]>,
    /// Those that begin with what is typed.
    from: usize,
    to: usize,
    typed: usize,
}

impl Choice {
    pub(super) fn new(options: Arc<[Arc<str>]>) -> Choice {
        Choice {
            from: 0,
            to: options.len(),
            options,
            typed: 0,
        }
    }

    /// With one more byte typed, if any option goes on so.
    pub(super) fn step(&self, byte: u8) -> Option<Choice> {
        let left = self.options.get(self.from..self.to)?;
        let at = |option: &Arc<str>| option.as_bytes().get(self.typed).copied();
        let below = left.partition_point(|option| at(option).is_none_or(|found| found < byte));
        let within = left.partition_point(|option| at(option).is_none_or(|found| found <= byte));
        (below < within).then(|| Choice {
            options: Arc::clone(&self.options),
            from: self.from + below,
            to: self.from + within,
            typed: self.typed + 1,
        })
    }

    /// The option that is typed to its end. (The shortest is the first of those that begin alike.)
    pub(super) fn done(&self) -> Option<&Arc<str>> {
        let first = self.options.get(self.from)?;
        (self.from < self.to && first.len() == self.typed).then_some(first)
    }
}
