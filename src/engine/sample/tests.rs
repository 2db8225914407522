use super::*;
use proptest::prelude::*;

fn sampling(temperature: f32, top_p: f32, min_p: f32, seed: u64) -> Sampling {
    Sampling {
        temperature,
        top_p,
        min_p,
        seed,
        reasoning_budget: None,
    }
}

/// How often each index comes out of `n` draws.
fn frequencies(logits: &[f32], s: Sampling, n: usize) -> Vec<f64> {
    let mut sampler = Sampler::new(s);
    let mut counts = vec![0usize; logits.len()];
    for _ in 0..n {
        counts[sampler.choose(logits, None).unwrap()] += 1;
    }
    counts.into_iter().map(|c| c as f64 / n as f64).collect()
}

/// Logits of the distribution 0.5, 0.3, 0.15, 0.05 in a shuffled order.
fn four() -> [f32; 4] {
    [0.15f32.ln(), 0.5f32.ln(), 0.05f32.ln(), 0.3f32.ln()]
}

fn close(got: &[f64], want: &[f64]) {
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() < 0.01, "got {got:?}, want {want:?}");
        assert!(
            *w > 0.0 || *g == 0.0,
            "drew a token that was cut: got {got:?}, want {want:?}"
        );
    }
}

#[test]
fn greedy_takes_the_best_and_the_lowest_of_equals() {
    let mut greedy = Sampler::new(Sampling::GREEDY);
    assert_eq!(greedy.choose(&four(), None), Some(1));
    assert_eq!(greedy.choose(&[1.0, 3.0, 3.0], None), Some(1));
    assert_eq!(greedy.choose(&[f32::NAN, -1.0, f32::NAN], None), Some(1));
    assert_eq!(greedy.choose(&[f32::NAN, f32::NEG_INFINITY], None), None);
    assert_eq!(greedy.choose(&[], None), None);
    assert_eq!(greedy.choose(&[1.0, 3.0, 2.0], Some(1)), Some(2));
}

#[test]
fn temperature_one_draws_from_the_softmax() {
    close(
        &frequencies(&four(), sampling(1.0, 1.0, 0.0, 7), 40_000),
        &[0.15, 0.5, 0.05, 0.3],
    );
}

#[test]
fn temperature_sharpens_and_flattens() {
    // p^2 normalised: 0.0225, 0.25, 0.0025, 0.09 over 0.365.
    let want = [0.0616, 0.6849, 0.0068, 0.2466];
    close(
        &frequencies(&four(), sampling(0.5, 1.0, 0.0, 7), 40_000),
        &want,
    );
    let flat = frequencies(&four(), sampling(100.0, 1.0, 0.0, 7), 40_000);
    assert!(flat.iter().all(|f| (f - 0.25).abs() < 0.02), "{flat:?}");
}

#[test]
fn top_p_keeps_the_smallest_set_that_reaches_it() {
    // 0.5 + 0.3 reaches 0.7 and the third is cut; 0.5 alone reaches 0.4.
    close(
        &frequencies(&four(), sampling(1.0, 0.7, 0.0, 7), 40_000),
        &[0.0, 0.625, 0.0, 0.375],
    );
    close(
        &frequencies(&four(), sampling(1.0, 0.4, 0.0, 7), 1_000),
        &[0.0, 1.0, 0.0, 0.0],
    );
    close(
        &frequencies(&four(), sampling(1.0, 0.0, 0.0, 7), 1_000),
        &[0.0, 1.0, 0.0, 0.0],
    );
}

#[test]
fn min_p_keeps_what_is_at_least_that_part_of_the_best() {
    // 0.4 of 0.5 is 0.2: 0.5 and 0.3 stay.
    close(
        &frequencies(&four(), sampling(1.0, 1.0, 0.4, 7), 40_000),
        &[0.0, 0.625, 0.0, 0.375],
    );
    close(
        &frequencies(&four(), sampling(1.0, 1.0, 1.0, 7), 1_000),
        &[0.0, 1.0, 0.0, 0.0],
    );
}

#[test]
fn top_p_and_min_p_both_cut_the_whole_distribution() {
    // top-p 0.9 keeps 0.5, 0.3, 0.15; min-p 0.2 keeps what is at least 0.1: the same three.
    let want = [0.1579, 0.5263, 0.0, 0.3158];
    close(
        &frequencies(&four(), sampling(1.0, 0.9, 0.2, 7), 40_000),
        &want,
    );
}

#[test]
fn the_same_seed_gives_the_same_draws() {
    let draws = |seed| {
        let mut s = Sampler::new(sampling(1.0, 1.0, 0.0, seed));
        (0..64)
            .map(|_| s.choose(&four(), None).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(draws(3), draws(3));
    assert_ne!(draws(3), draws(4));
}

#[test]
fn best_two_finds_both() {
    assert_eq!(
        best_two(&[1.0, 5.0, 4.5], None),
        (Some((1, 5.0)), Some(4.5))
    );
    assert_eq!(
        best_two(&[5.0, 4.0, 5.0], None),
        (Some((0, 5.0)), Some(5.0))
    );
    assert_eq!(best_two(&[1.0], None), (Some((0, 1.0)), None));
    assert_eq!(
        best_two(&[1.0, 9.0, 2.0], Some(1)),
        (Some((2, 2.0)), Some(1.0))
    );
}

proptest! {
    /// Whatever the logits and settings: an index in range, never the excluded one, never one that min-p cuts.
    #[test]
    fn any_logits_any_settings(
        logits in prop::collection::vec(prop_oneof![-50f32..50.0, Just(f32::NAN), Just(f32::NEG_INFINITY), Just(f32::INFINITY)], 1..40),
        temperature in -1f32..4.0,
        top_p in -0.5f32..1.5,
        min_p in -0.5f32..1.5,
        seed: u64,
        excluded in 0usize..40,
    ) {
        let mut sampler = Sampler::new(sampling(temperature, top_p, min_p, seed));
        let possible = logits.iter().enumerate().any(|(i, l)| !l.is_nan() && *l > f32::NEG_INFINITY && i != excluded);
        for _ in 0..4 {
            let chosen = sampler.choose(&logits, Some(excluded));
            prop_assert_eq!(chosen.is_some(), possible);
            if let Some(i) = chosen {
                prop_assert!(i < logits.len() && i != excluded && !logits[i].is_nan());
                let best = best_two(&logits, Some(excluded)).0.unwrap().1;
                if temperature > 0.0 && best.is_finite() && min_p > 0.0 {
                    let ratio = ((logits[i] - best) / temperature).exp();
                    prop_assert!(ratio >= min_p.min(1.0) - 1e-4);
                }
            }
        }
    }
}

#[test]
fn the_written_out_exponential_is_the_librarys() {
    for step in 0..280_000 {
        let x = -(step as f32) / 10_000.0;
        let (got, want) = (exp_negative(x), x.exp());
        assert!(
            (got - want).abs() <= want * 3e-7,
            "exp({x}) = {want}, got {got}"
        );
    }
    for x in [0.0, 1.0, 1e30, f32::INFINITY] {
        assert_eq!(exp_negative(x), 1.0, "{x}");
    }
    for x in [-28.1, -1e30, f32::NEG_INFINITY, f32::NAN] {
        assert_eq!(exp_negative(x), 0.0, "{x}");
    }
}

/// A vocabulary's worth: draws reach every block, in proportion.
#[test]
fn a_large_vocabulary_is_drawn_evenly() {
    let logits = vec![0.5; 201_088];
    let mut sampler = Sampler::new(sampling(1.0, 1.0, 0.0, 11));
    let mut eighths = [0usize; 8];
    for _ in 0..4_000 {
        let index = sampler.choose(&logits, Some(200_000)).unwrap();
        assert_ne!(index, 200_000);
        eighths[index * 8 / 201_088] += 1;
    }
    assert!(
        eighths.iter().all(|n| (400..600).contains(n)),
        "{eighths:?}"
    );
    let mut spike = logits;
    spike[201_087] = 40.0;
    assert_eq!(sampler.choose(&spike, None), Some(201_087));
}
