//! Reading a long prompt in steps.
//!
//! mistral.rs 0.8.1 computes a whole prompt in one go: it tells nothing before the first token, a cancel waits
//! for all of it, and the output projection of every prompt token is in memory at once (3.2 GB at 4,000 tokens
//! of GPT-OSS's vocabulary in 32 bits). So a long prompt is handed over as sequences that each reach a step
//! further and generate nothing; each finds the one before in the prefix cache.

use crate::engine::EngineEvent;

/// Tokens a step computes on a paged cache, whose blocks are shared: enough to keep an accelerator busy.
pub(super) const STEP_PAGED: usize = 1024;
/// On the plain cache: it keeps a copy of each step, and allocates in steps of this size.
pub(super) const STEP_PLAIN: usize = 512;

/// Where one sequence stands in the reading of its prompt, in tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// Computed by the steps before.
    pub(super) before: usize,
    /// To compute in this sequence.
    pub(super) here: usize,
    /// To compute in all, as announced.
    pub(super) expected: usize,
    /// Nothing is left to read after this one.
    pub(super) last: bool,
}

impl Reading {
    /// The engine has computed `fresh` tokens more. On a paged cache it counts what it reused too; what was to be
    /// computed is then the best there is.
    pub(super) fn reached(self, fresh: usize) -> EngineEvent {
        let done = (self.before + fresh.min(self.here)).min(self.expected.max(1));
        EngineEvent::Prefill {
            done,
            total: if self.last { done } else { self.expected },
        }
    }
}

/// The lengths at which a prompt of `length` tokens is cut, of which `found` are in the cache. The rest after
/// the last cut is at least half a step, so that no sequence is run for a handful of tokens.
pub(super) fn ends(found: usize, length: usize, step: usize) -> Vec<usize> {
    (1..)
        .map(|n| found + n * step)
        .take_while(|end| end + step / 2 <= length)
        .collect()
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
    fn a_prompt_is_cut_where_enough_is_left() {
        assert_eq!(ends(0, 767, 512), [0usize; 0]);
        assert_eq!(ends(0, 768, 512), [512]);
        assert_eq!(ends(0, 1279, 512), [512]);
        assert_eq!(ends(0, 1280, 512), [512, 1024]);
        assert_eq!(ends(96, 1400, 512), [608, 1120]);
        assert_eq!(ends(1399, 1400, 512), [0usize; 0]);
    }

    #[test]
    fn steps_count_up_to_the_total() {
        let step = |before, last| Reading {
            before,
            here: if last { 1200 - before } else { 512 },
            expected: 1200,
            last,
        };
        let prefill = |done, total| EngineEvent::Prefill { done, total };
        assert_eq!(step(0, false).reached(512), prefill(512, 1200));
        assert_eq!(step(512, false).reached(512), prefill(1024, 1200));
        assert_eq!(step(1024, true).reached(176), prefill(1200, 1200));
        // It found more than was thought,
        assert_eq!(step(0, true).reached(200), prefill(200, 200));
        // or it counts what it reused, at a step as at the end.
        assert_eq!(step(512, false).reached(1024), prefill(1024, 1200));
        assert_eq!(step(1024, true).reached(1200), prefill(1200, 1200));
    }
}
