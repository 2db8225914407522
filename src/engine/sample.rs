//! Choosing the next token from logits: greedy, temperature, min-p, top-p, seeded.
//!
//! Pure: logits and a generator in, an index out. It knows neither vocabularies nor engines. The order is
//! temperature, then min-p and top-p, both on the same temperature-scaled distribution over the whole
//! vocabulary (neither sees the other's cut renormalised), then one draw among what both keep.

use super::Sampling;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Below this many temperatures under the best a token is taken as impossible: all such tokens of a
/// vocabulary of 200,000 together hold less than 1e-7 of the probability.
const NEGLIGIBLE: f32 = 28.0;

/// The sampler of one generation.
#[derive(Debug)]
pub struct Sampler {
    sampling: Sampling,
    rng: StdRng,
    /// Weight of every token relative to the best, kept to save the allocation at each token.
    weights: Vec<f32>,
}

impl Sampler {
    pub fn new(sampling: Sampling) -> Self {
        Sampler {
            sampling,
            rng: StdRng::seed_from_u64(sampling.seed),
            weights: Vec::new(),
        }
    }

    /// The index of the chosen token, never `excluded`; `None` when no other logit is a number above
    /// negative infinity.
    pub fn choose(&mut self, logits: &[f32], excluded: Option<usize>) -> Option<usize> {
        let (best, top) = best(logits, excluded)?;
        if self.sampling.temperature <= 0.0
            || self.sampling.temperature.is_nan()
            || top == f32::INFINITY
        {
            return Some(best);
        }
        let inverse = 1.0 / self.sampling.temperature;
        self.weights.clear();
        self.weights.extend(
            logits
                .iter()
                .map(|logit| exp_negative((logit - top) * inverse)),
        );
        if let Some(weight) = excluded.and_then(|i| self.weights.get_mut(i)) {
            *weight = 0.0;
        }
        let min_p = self.sampling.min_p.clamp(0.0, 1.0);
        if self.sampling.top_p >= 1.0 && min_p == 0.0 {
            return Some(self.draw_any().unwrap_or(best));
        }
        let mut candidates = self.top_p_set();
        // A weight relative to the best is the ratio that min-p compares with.
        candidates.retain(|&(_, weight)| weight >= min_p);
        Some(self.draw_of(&candidates).unwrap_or(best))
    }

    /// The smallest set of most likely tokens whose probability reaches top-p, the likeliest first.
    fn top_p_set(&self) -> Vec<(usize, f32)> {
        let possible = self
            .weights
            .iter()
            .copied()
            .enumerate()
            .filter(|&(_, weight)| weight > 0.0);
        let mut candidates: Vec<(usize, f32)> = possible.collect();
        if self.sampling.top_p >= 1.0 {
            return candidates;
        }
        let total: f64 = candidates
            .iter()
            .map(|&(_, weight)| f64::from(weight))
            .sum();
        let wanted = total * f64::from(self.sampling.top_p.max(0.0));
        candidates.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut sum = 0.0;
        let within = candidates.iter().take_while(|&&(_, weight)| {
            let before = sum;
            sum += f64::from(weight);
            before < wanted
        });
        let kept = within.count().max(1);
        candidates.truncate(kept);
        candidates
    }

    fn draw_of(&mut self, candidates: &[(usize, f32)]) -> Option<usize> {
        let total: f64 = candidates
            .iter()
            .map(|&(_, weight)| f64::from(weight))
            .sum();
        let mut left = self.rng.random::<f64>() * total;
        for &(index, weight) in candidates {
            left -= f64::from(weight);
            if left < 0.0 {
                return Some(index);
            }
        }
        // Rounding left a remainder: the last candidate owns it.
        candidates.last().map(|&(index, _)| index)
    }

    /// A draw from all weights: whole blocks are passed over by their sums.
    fn draw_any(&mut self) -> Option<usize> {
        const BLOCK: usize = 1024;
        let sums: Vec<f64> = self
            .weights
            .chunks(BLOCK)
            .map(|block| f64::from(block.iter().sum::<f32>()))
            .collect();
        let mut left = self.rng.random::<f64>() * sums.iter().sum::<f64>();
        let mut last = None;
        for (number, (block, sum)) in self.weights.chunks(BLOCK).zip(&sums).enumerate() {
            if *sum <= 0.0 {
                continue;
            }
            if left < *sum {
                for (index, &weight) in block
                    .iter()
                    .enumerate()
                    .filter(|(_, weight)| **weight > 0.0)
                {
                    last = Some(number * BLOCK + index);
                    left -= f64::from(weight);
                    if left < 0.0 {
                        break;
                    }
                }
                return last;
            }
            left -= sum;
            last = block
                .iter()
                .rposition(|weight| *weight > 0.0)
                .map(|i| number * BLOCK + i);
        }
        last
    }
}

/// `exp` of a number that is not above zero, 0 below [`NEGLIGIBLE`] and for what is no number. Written out
/// because a vocabulary of 200,000 calls to the library's costs a millisecond a token: this the compiler
/// vectorizes. Range reduction and coefficients are those of Cephes' `expf`.
fn exp_negative(x: f32) -> f32 {
    // Above zero is only what the caller leaves out.
    let clamped = x.clamp(-NEGLIGIBLE - 1.0, 0.0);
    let n = (clamped * std::f32::consts::LOG2_E - 0.5) as i32;
    let n_float = n as f32;
    let r = clamped - n_float * 0.693_359_4 + n_float * 2.121_944_4e-4;
    let poly = 1.987_569_1e-4;
    let poly = poly * r + 1.398_199_9e-3;
    let poly = poly * r + 8.333_452e-3;
    let poly = poly * r + 4.166_579_6e-2;
    let poly = poly * r + 0.166_666_65;
    let poly = poly * r + 0.5;
    let value = poly * r * r + r + 1.0;
    let scale = f32::from_bits(((n + 127) << 23) as u32);
    if x >= -NEGLIGIBLE { value * scale } else { 0.0 }
}

/// Index and value of the best logit, the lowest index among equals.
fn best(logits: &[f32], excluded: Option<usize>) -> Option<(usize, f32)> {
    let at = excluded.unwrap_or(logits.len()).min(logits.len());
    let (before, after) = logits.split_at(at);
    let after = after.get(1..).unwrap_or_default();
    let top = maximum(before).max(maximum(after));
    if top == f32::NEG_INFINITY {
        return None;
    }
    let index = match before.iter().position(|logit| *logit == top) {
        Some(index) => index,
        None => at + 1 + after.iter().position(|logit| *logit == top)?,
    };
    Some((index, top))
}

/// The largest number, negative infinity if there is none. In lanes, so that it is vectorized.
fn maximum(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let (chunks, rest) = values.as_chunks::<16>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    let larger = |a: f32, b: &f32| if *b > a { *b } else { a };
    let top = lanes.iter().fold(f32::NEG_INFINITY, larger);
    rest.iter().fold(top, larger)
}

/// Index and value of the best logit and the value of the second best. For tests that look how sure a model is.
pub fn best_two(logits: &[f32], excluded: Option<usize>) -> (Option<(usize, f32)>, Option<f32>) {
    let Some((index, top)) = best(logits, excluded) else {
        return (None, None);
    };
    let others = logits
        .iter()
        .enumerate()
        .filter(|&(i, _)| i != index && Some(i) != excluded);
    let second = others
        .map(|(_, logit)| *logit)
        .fold(f32::NEG_INFINITY, f32::max);
    (
        Some((index, top)),
        (second > f32::NEG_INFINITY).then_some(second),
    )
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
