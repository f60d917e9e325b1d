//! What the reconciliation of two sets costs: `cargo run --release -p damson-core --example sketch_overhead`.
//!
//! The bound is what any protocol has to send to name `d` of all 64-bit items, `d (64 - log2 d + 1.443)` bits. The decisions
//! that rest on these figures stand in the description of `damson_core::sketch`.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::time::Instant;

use damson_core::sketch::{
    Decoder, Gauge, Key, Prefix, Run, Wanted, batch_by_gauge, first_batch, next_batch,
};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// How many items the other side is taken to have.
const SET_LEN: u64 = 1_000_000;

fn main() {
    println!(
        "Half of the differences are on each side, which has {SET_LEN} items; bytes with what is wanted.\n"
    );
    println!("          symbols/d       bytes/bound  with batches:               decoding");
    println!("      d   median   99 %   one by one   bytes/bound  99 %  rounds   ns each");
    for (differences, tries) in
        [(1, 1_000), (3, 1_000), (10, 1_000), (30, 500), (100, 300), (1_000, 60), (10_000, 12), (100_000, 3)]
    {
        differences_cost(differences, tries);
    }
    println!("\nbytes of each wanted item");
    for wanted in [10, 1_000, 100_000] {
        let items = items(&mut ChaCha8Rng::seed_from_u64(1), wanted);
        let bytes = Wanted::new(&items, SET_LEN).encode().len();
        println!("{wanted:7}   {:.2}", bytes as f64 / wanted as f64);
    }
    println!("\nkept symbols: ns for each change");
    for len in [1_024, 4_096, 16_384] {
        println!("{len:7}   {:.0}", toggle_ns(len));
    }
}

/// One line of the table.
fn differences_cost(differences: usize, tries: u64) {
    let pairs: Vec<Pair> = (0..tries).map(|seed| Pair::new(seed, differences)).collect();
    let step = (differences / 200).max(1) as u32;
    let mut one_by_one: Vec<(u32, usize)> = pairs.iter().map(|pair| pair.needed(step)).collect();
    let mut batches: Vec<(usize, u32)> = pairs.iter().map(Pair::exchange).collect();
    let rounds: u32 = batches.iter().map(|(_, rounds)| rounds).sum();
    one_by_one.sort_unstable();
    batches.sort_unstable();
    let d = differences as f64;
    let bound = d * (64.0 - d.log2() + 1.443) / 8.0;
    let (median, most) = (pairs.len() / 2, pairs.len() * 99 / 100);
    println!(
        "{differences:7}   {:6.3} {:6.3}   {:10.2}   {:11.2} {:5.2}  {:6.2}   {:7.0}",
        f64::from(one_by_one[median].0) / d,
        f64::from(one_by_one[most].0) / d,
        one_by_one[median].1 as f64 / bound,
        batches[median].0 as f64 / bound,
        batches[most].0 as f64 / bound,
        f64::from(rounds) / tries as f64,
        decode_ns(&pairs[0], one_by_one[most].0),
    );
}

/// What each side has alone.
struct Pair {
    ours: Vec<u64>,
    theirs: Vec<u64>,
    key: Key,
}

impl Pair {
    fn new(seed: u64, differences: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let key = Key(rng.next_u64(), rng.next_u64());
        let ours = items(&mut rng, differences / 2);
        Self { ours, theirs: items(&mut rng, differences - differences / 2), key }
    }

    fn runs(&self, from: u32, to: u32) -> (Run, Run) {
        let of = |items: &[u64]| Run::of(from..to, self.key, items.iter().copied());
        (of(&self.ours), of(&self.theirs))
    }

    fn decoder(&self) -> Decoder {
        Decoder::new(self.key, self.ours.len() + self.theirs.len())
    }

    fn push(&self, decoder: &mut Decoder, more: u32) -> bool {
        let from = decoder.received();
        let (ours, theirs) = self.runs(from, from + more);
        decoder.push(&ours, &theirs).expect("symbols of two sets")
    }

    /// Symbols and bytes, if symbols come almost one by one.
    fn needed(&self, step: u32) -> (u32, usize) {
        let mut decoder = self.decoder();
        while !self.push(&mut decoder, step) {}
        (decoder.received(), Run::encoded_len(&(0..decoder.received())) + self.wanted())
    }

    /// Bytes and rounds, if nothing is known before: a first batch, a gauge when it was not enough, then as estimated.
    fn exchange(&self) -> (usize, u32) {
        let (mut decoder, mut bytes, mut rounds) = (self.decoder(), 0, 1);
        let mut more = first_batch(None);
        while !self.push(&mut decoder, more) {
            more = next_batch(decoder.received(), decoder.estimate());
            if rounds == 1 {
                bytes += Gauge::BYTES;
                more = batch_by_gauge(decoder.received(), self.gauged());
            }
            rounds += 1;
        }
        (bytes + Run::encoded_len(&(0..decoder.received())) + self.wanted(), rounds)
    }

    fn gauged(&self) -> u64 {
        let of = |items: &[u64]| Prefix::new(self.key, 0, items.iter().copied(), 0).gauge();
        of(&self.ours).differences(&of(&self.theirs))
    }

    fn wanted(&self) -> usize {
        Wanted::new(&self.theirs, SET_LEN).encode().len()
    }
}

/// Nanoseconds for each difference: the best of several runs.
fn decode_ns(pair: &Pair, symbols: u32) -> f64 {
    let differences = pair.ours.len() + pair.theirs.len();
    let (ours, theirs) = pair.runs(0, symbols);
    let best = best_of((300_000 / differences).clamp(3, 1_000), || {
        black_box(pair.decoder().push(&ours, &theirs).expect("symbols of two sets"));
    });
    best / differences as f64
}

fn toggle_ns(len: u32) -> f64 {
    let changes = items(&mut ChaCha8Rng::seed_from_u64(2), 10_000);
    let mut prefix = Prefix::new(Key(1, 2), len, [], 1_000);
    let best = best_of(20, || {
        changes.iter().for_each(|item| prefix.toggle(*item));
        prefix.settle();
    });
    best / changes.len() as f64
}

fn best_of(tries: usize, mut run: impl FnMut()) -> f64 {
    let timed = (0..tries).map(|_| {
        let began = Instant::now();
        run();
        began.elapsed().as_secs_f64() * 1e9
    });
    timed.fold(f64::MAX, f64::min)
}

fn items(rng: &mut ChaCha8Rng, count: usize) -> Vec<u64> {
    (0..count).map(|_| rng.next_u64()).collect()
}
