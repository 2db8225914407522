//! Choosing the next token from logits: greedy, temperature, min-p, top-p, seeded.
//!
//! Pure: logits and a generator in, an index out. It knows neither vocabularies nor engines. The order is
//! temperature, then min-p and top-p, both on the same temperature-scaled distribution over the whole
//! vocabulary (neither sees the other's cut renormalised), then one draw among what both keep.

use super::Sampling;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Logits further below the best than this many temperatures are taken as impossible: all of them together
/// hold less than 1e-7 of the probability in a vocabulary of 200,000.
const NEGLIGIBLE: f32 = 28.0;

/// The sampler of one generation.
#[derive(Debug)]
pub struct Sampler {
    sampling: Sampling,
    rng: StdRng,
    /// Index and weight of the candidates, kept to save the allocation at each token.
    candidates: Vec<(usize, f32)>,
}

impl Sampler {
    pub fn new(sampling: Sampling) -> Self {
        Sampler {
            sampling,
            rng: StdRng::seed_from_u64(sampling.seed),
            candidates: Vec::new(),
        }
    }

    /// The index of the chosen token, never `excluded`; `None` when no other logit is a number above
    /// negative infinity.
    pub fn choose(&mut self, logits: &[f32], excluded: Option<usize>) -> Option<usize> {
        let (best, top) = best_two(logits, excluded).0?;
        if !(self.sampling.temperature > 0.0) || top == f32::INFINITY {
            return Some(best);
        }
        let inverse = 1.0 / self.sampling.temperature;
        self.keep_likely(logits, excluded, top, inverse);
        self.keep_top_p();
        Some(self.draw().unwrap_or(best))
    }

    /// Fills the candidates with weights relative to the best token's, min-p applied.
    fn keep_likely(&mut self, logits: &[f32], excluded: Option<usize>, top: f32, inverse: f32) {
        let min_p = self.sampling.min_p.clamp(0.0, 1.0);
        // A weight relative to the best is the ratio min-p compares with, so its cut needs no total.
        let lowest = if self.cuts_by_top_p() {
            NEGLIGIBLE
        } else {
            NEGLIGIBLE.min(-min_p.ln())
        };
        let floor = top - lowest / inverse;
        self.candidates.clear();
        self.candidates.extend(
            logits
                .iter()
                .enumerate()
                .filter(|&(i, &logit)| logit >= floor && Some(i) != excluded)
                .map(|(i, &logit)| (i, ((logit - top) * inverse).exp())),
        );
    }

    fn cuts_by_top_p(&self) -> bool {
        self.sampling.top_p < 1.0
    }

    /// Keeps the smallest set of most likely tokens whose probability reaches top-p, then applies min-p.
    fn keep_top_p(&mut self) {
        if !self.cuts_by_top_p() {
            return;
        }
        let total: f64 = self.candidates.iter().map(|&(_, w)| f64::from(w)).sum();
        let wanted = total * f64::from(self.sampling.top_p.max(0.0));
        self.candidates
            .sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut sum = 0.0;
        let mut kept = 0;
        for &(_, weight) in &self.candidates {
            sum += f64::from(weight);
            kept += 1;
            if sum >= wanted {
                break;
            }
        }
        self.candidates.truncate(kept);
        let min_p = self.sampling.min_p.clamp(0.0, 1.0);
        self.candidates.retain(|&(_, weight)| weight >= min_p);
    }

    fn draw(&mut self) -> Option<usize> {
        let total: f64 = self.candidates.iter().map(|&(_, w)| f64::from(w)).sum();
        let mut left = self.rng.random::<f64>() * total;
        for &(index, weight) in &self.candidates {
            left -= f64::from(weight);
            if left < 0.0 {
                return Some(index);
            }
        }
        // Rounding left a remainder: the last candidate owns it.
        self.candidates.last().map(|&(index, _)| index)
    }
}

/// Index and value of the best logit (the lowest index among equals) and the value of the second best.
pub fn best_two(logits: &[f32], excluded: Option<usize>) -> (Option<(usize, f32)>, Option<f32>) {
    let mut best: Option<(usize, f32)> = None;
    let mut second: Option<f32> = None;
    for (i, &logit) in logits.iter().enumerate() {
        if logit.is_nan() || logit == f32::NEG_INFINITY || Some(i) == excluded {
            continue;
        }
        match best {
            Some((_, top)) if logit <= top => {
                if second.is_none_or(|s| logit > s) {
                    second = Some(logit);
                }
            }
            _ => {
                second = best.map(|(_, top)| top);
                best = Some((i, logit));
            }
        }
    }
    (best, second)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
