use damson_core::sketch::{Decoder, Gauge, batch_by_gauge, first_batch, next_batch, symbols_for};

use crate::sets::{KEY, Pair, items, random};

#[test]
fn symbols_tell_how_many_differences_there_are_within_a_factor_of_two() {
    for (differences, tries) in [(50, 100), (300, 50), (3_000, 10), (30_000, 1)] {
        for seed in 0..tries {
            let pair = Pair::random(&mut random(seed), 0, differences);
            for percent in [70, 90, 100] {
                let mut decoder = Decoder::new(KEY, differences);
                pair.push(&mut decoder, differences as u32 * percent / 100).unwrap();
                let Some(estimate) = decoder.estimate() else {
                    assert!(differences < 300 || percent < 90, "{differences} {percent} {seed}");
                    continue;
                };
                let ratio = estimate as f64 / differences as f64;
                assert!((0.5..2.0).contains(&ratio), "{differences} {percent} {seed}: {ratio}");
            }
        }
    }
}

#[test]
fn as_many_symbols_as_differences_tell_within_a_tenth() {
    for seed in 0..10 {
        let pair = Pair::random(&mut random(seed), 0, 3_000);
        let mut decoder = Decoder::new(KEY, 3_000);
        pair.push(&mut decoder, 3_000).unwrap();
        let estimate = decoder.estimate().expect("enough symbols");
        assert!((2_700..3_300).contains(&estimate), "{seed}: {estimate}");
    }
}

#[test]
fn few_symbols_say_nothing_and_enough_say_all() {
    let pair = Pair::random(&mut random(1), 0, 1_000);
    let mut decoder = Decoder::new(KEY, 1_000);
    pair.push(&mut decoder, 16).unwrap();
    assert_eq!(decoder.estimate(), None);
    pair.push(&mut decoder, 2_000).unwrap();
    assert_eq!(decoder.estimate(), Some(1_000));
}

#[test]
fn a_gauge_tells_within_a_factor_of_two() {
    let mut far_off = 0;
    for seed in 0..200 {
        let mut rng = random(seed);
        for differences in [10, 100, 1_000, 10_000] {
            let mut gauge = Gauge::default();
            items(&mut rng, differences).into_iter().for_each(|item| gauge.toggle(KEY, item));
            let ratio = Gauge::default().differences(&gauge) as f64 / differences as f64;
            far_off += u32::from(!(0.5..2.0).contains(&ratio));
            assert!((0.3..3.3).contains(&ratio), "{differences} {seed}: {ratio}");
        }
    }
    assert!(far_off <= 16, "{far_off} of 800");
}

#[test]
fn a_gauge_tells_up_to_a_million() {
    let mut gauge = Gauge::default();
    items(&mut random(1), 1_000_000).into_iter().for_each(|item| gauge.toggle(KEY, item));
    let estimate = Gauge::default().differences(&gauge);
    assert!((500_000..2_000_000).contains(&estimate), "{estimate}");
}

#[test]
fn a_gauge_survives_its_encoding_and_equal_sets_differ_by_nothing() {
    let mut gauge = Gauge::default();
    items(&mut random(1), 1_000).into_iter().for_each(|item| gauge.toggle(KEY, item));
    assert_eq!(Gauge::decode(&gauge.encode()), gauge);
    assert_eq!(gauge.differences(&gauge), 0);
    assert!(Gauge::decode(&[0xff; Gauge::BYTES]).differences(&Gauge::default()) > 0);
}

#[test]
fn batches_follow_estimates_and_always_grow() {
    assert_eq!((first_batch(None), first_batch(Some(2))), (16, 16));
    assert_eq!(first_batch(Some(63)), symbols_for(63));
    assert_eq!(first_batch(Some(1_000)), symbols_for(1_000) + 4 * 31);
    assert!(first_batch(Some(u64::MAX)) <= u32::MAX / 2);
    assert_eq!(next_batch(16, Some(1_000)), symbols_for(1_000) - 16);
    assert_eq!(next_batch(16, None), 48);
    assert_eq!(next_batch(1_600, Some(1_000)), 203);
    assert_eq!(batch_by_gauge(16, 800), next_batch(16, Some(900)));
    for received in [0, 1, 1_000, u32::MAX / 8] {
        for estimate in [None, Some(0), Some(1), Some(u64::MAX)] {
            assert!(next_batch(received, estimate) > 0);
        }
    }
}
