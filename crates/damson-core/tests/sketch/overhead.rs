//! What a difference costs. The bounds are what was measured with these seeds, and a few percent more.

use damson_core::sketch::{Decoder, Gauge, Prefix, Run, Wanted, batch_by_gauge, first_batch, next_batch};

use crate::sets::{KEY, Pair, random};

/// The median and the 95 % of symbols for each difference.
fn symbols(differences: usize, step: u32, tries: u64) -> (f64, f64) {
    let pairs = (0..tries).map(|seed| Pair::random(&mut random(seed), 0, differences));
    let mut needed: Vec<u32> = pairs.map(|pair| pair.needed(step)).collect();
    needed.sort_unstable();
    let at = |share: usize| f64::from(needed[needed.len() * share / 100]) / differences as f64;
    (at(50), at(95))
}

#[test]
fn a_difference_costs_few_symbols() {
    for (differences, step, tries, median_max, most_max) in [
        (1, 1, 100, 1.0, 1.0),
        (10, 1, 300, 1.4, 2.6),
        (100, 1, 100, 1.38, 1.7),
        (1_000, 5, 20, 1.2, 1.3),
        (10_000, 50, 2, 1.14, 1.14),
    ] {
        let (median, most) = symbols(differences, step, tries);
        assert!(median <= median_max && most <= most_max, "{differences}: {median} {most}");
    }
}

#[test]
fn a_first_batch_for_a_hint_is_enough_in_99_of_a_hundred() {
    for (differences, step, tries) in [(100, 1, 300), (300, 2, 300), (1_000, 5, 300)] {
        let enough = first_batch(Some(differences as u64));
        let pairs = (0..tries).map(|seed| Pair::random(&mut random(seed), 0, differences));
        let short = pairs.filter(|pair| pair.needed(step) > enough + step).count();
        assert!(short * 100 <= tries as usize, "{short} of {tries} with {differences}, and {enough} symbols");
    }
}

/// Bytes and round trips of a whole exchange that begins with knowing nothing.
fn exchange(pair: &Pair, set_len: u64) -> (usize, u32) {
    let mut decoder = Decoder::new(KEY, pair.differences.len());
    let (mut more, mut bytes, mut rounds) = (first_batch(None), 0, 1);
    while !pair.push(&mut decoder, more).unwrap() {
        more = next_batch(decoder.received(), decoder.estimate());
        if rounds == 1 {
            bytes += Gauge::BYTES;
            let [ours, theirs] =
                [&pair.ours, &pair.theirs].map(|set| Prefix::new(KEY, 0, set.clone(), 0).gauge());
            more = batch_by_gauge(decoder.received(), ours.differences(&theirs));
        }
        rounds += 1;
    }
    bytes += Run::encoded_len(&(0..decoder.received()));
    let found = decoder.differences();
    let wanted: Vec<u64> = found.into_iter().filter(|item| pair.theirs.contains(item)).collect();
    (bytes + Wanted::new(&wanted, set_len).encode().len(), rounds)
}

#[test]
fn an_exchange_stays_near_the_bound_and_takes_few_rounds() {
    for (differences, tries, ratio_max) in [(10, 60, 2.3), (100, 40, 2.4), (1_000, 15, 2.0)] {
        let pairs = (0..tries).map(|seed| Pair::random(&mut random(seed), 0, differences));
        let mut exchanges: Vec<(usize, u32)> = pairs.map(|pair| exchange(&pair, 1_000_000)).collect();
        let rounds: u32 = exchanges.iter().map(|(_, rounds)| rounds).sum();
        exchanges.sort_unstable();
        let d = differences as f64;
        let bound = d * (64.0 - d.log2() + 1.443) / 8.0;
        let ratio = exchanges[exchanges.len() / 2].0 as f64 / bound;
        assert!(ratio <= ratio_max, "{differences}: {ratio}");
        assert!(
            f64::from(rounds) / f64::from(tries as u32) < 3.0,
            "{differences}: {rounds} rounds in {tries}"
        );
    }
}
