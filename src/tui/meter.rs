//! What fills the context, in tokens: the numbers, a bar of them, and the same in words.

use crate::agent::ContextUse;

/// Cells of the bar: with the names before it, it fits on 40 columns.
const BAR: usize = 24;
/// A sign for each part, told apart without colour.
const FREE: char = '\u{b7}';

/// What fills the context, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meter {
    pub told: ContextUse,
    /// Tokens of the generation that runs, which are not in `told` yet.
    pub running: usize,
}

impl Meter {
    pub fn used(&self) -> usize {
        self.told.used() + self.running
    }

    /// What the agent counted; one that is told before a model is there has no limit.
    pub fn tell(&mut self, told: ContextUse) {
        let limit = told.limit.or(self.told.limit);
        *self = Meter {
            told: ContextUse { limit, ..told },
            running: 0,
        };
    }

    /// Another conversation begins; what the model has room for stays known.
    pub fn empty(&mut self) {
        *self = Meter {
            told: ContextUse {
                limit: self.told.limit,
                reserve: self.told.reserve,
                ..ContextUse::default()
            },
            running: 0,
        };
    }

    /// `1412 of 131072 tokens, 1%`
    pub fn summary(&self) -> String {
        let used = self.used();
        match self.told.limit {
            Some(limit) => {
                let percent = used.saturating_mul(100).checked_div(limit).unwrap_or(0);
                format!("{used} of {limit} tokens, {percent}%")
            }
            None => format!("{used} tokens; the model that is loading says how many fit"),
        }
    }

    /// Each part with its sign, its name and its tokens.
    pub fn parts(&self) -> Vec<(char, &'static str, usize)> {
        let told = &self.told;
        let mut parts = vec![
            ('#', "instructions and tools", told.fixed),
            ('=', "conversation", told.conversation + self.running),
            ('+', "files and commands", told.attached),
        ];
        if let Some(limit) = told.limit {
            let free = limit.saturating_sub(self.used());
            let reserve = told.reserve.min(free);
            parts.push((FREE, "free", free - reserve));
            parts.push(('-', "kept for an answer", reserve));
        }
        parts
    }

    /// The parts as cells of a bar; what is there at all has at least one. `None` while the whole is not known.
    pub fn bar(&self) -> Option<String> {
        let limit = self.told.limit.filter(|limit| *limit > 0)?;
        let parts = self.parts();
        let mut cells: Vec<usize> = parts
            .iter()
            .map(|(_, _, tokens)| match tokens {
                0 => 0,
                tokens => (tokens * BAR + limit / 2)
                    .checked_div(limit)
                    .unwrap_or(0)
                    .max(1),
            })
            .collect();
        // What rounding made too many or too few is taken from the largest.
        while let sum @ 1.. = cells.iter().sum::<usize>()
            && sum != BAR
        {
            let largest = cells.iter_mut().max()?;
            *largest = if sum > BAR {
                *largest - 1
            } else {
                *largest + 1
            };
        }
        let cells = parts.iter().zip(cells);
        Some(
            cells
                .flat_map(|((sign, ..), count)| std::iter::repeat_n(*sign, count))
                .collect(),
        )
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

    fn meter(told: (usize, usize, usize), reserve: usize, limit: Option<usize>) -> Meter {
        let (fixed, conversation, attached) = told;
        Meter {
            told: ContextUse {
                fixed,
                conversation,
                attached,
                reserve,
                limit,
            },
            running: 0,
        }
    }

    #[test]
    fn the_bar_has_every_part_and_one_length() {
        for (told, reserve, limit, bar) in [
            ((1000, 3000, 2000), 6000, 12_000, "##======++++------------"),
            (
                (0, 0, 0),
                4096,
                8192,
                "\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}------------",
            ),
            // What is little is seen all the same.
            (
                (1, 1, 1),
                1,
                131_072,
                "#=+\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}\u{b7}-",
            ),
            // A reserve larger than the room is the room.
            ((50, 40, 0), 1000, 100, "############==========--"),
            ((100, 100, 0), 10, 100, "############============"),
        ] {
            assert_eq!(meter(told, reserve, Some(limit)).bar().unwrap(), bar);
        }
        for limit in 1..300 {
            let bar = meter((limit / 3, limit / 7, limit / 9), 40, Some(limit)).bar();
            assert_eq!(bar.unwrap().chars().count(), BAR, "{limit}");
        }
        assert_eq!(meter((1, 1, 1), 1, None).bar(), None);
        assert_eq!(meter((1, 1, 1), 1, Some(0)).bar(), None);
    }

    #[test]
    fn the_parts_are_the_whole() {
        let mut full = meter((1000, 3000, 2000), 4096, Some(16_384));
        full.running = 50;
        assert_eq!(full.summary(), "6050 of 16384 tokens, 36%");
        let sum: usize = full.parts().iter().map(|(_, _, tokens)| tokens).sum();
        assert_eq!(sum, 16_384);
        full.empty();
        assert_eq!(full.summary(), "0 of 16384 tokens, 0%");
    }
}
