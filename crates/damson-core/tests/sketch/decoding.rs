use damson_core::sketch::{Decoder, Key, Run, RunError, SYMBOLS_MAX, next_batch};
use proptest::prelude::*;

use crate::sets::{KEY, Pair, items, random};

#[test]
fn the_exact_difference_is_found() {
    for (differences, common, tries) in [
        (0, 100_000, 1),
        (1, 1_000, 50),
        (2, 1_000, 50),
        (3, 1_000, 50),
        (10, 0, 50),
        (10, 50_000, 2),
        (100, 1_000, 20),
        (1_000, 0, 3),
        (1_000, 100_000, 1),
        (10_000, 20_000, 1),
    ] {
        for seed in 0..tries {
            let pair = Pair::random(&mut random(seed), common, differences);
            let mut decoder = Decoder::new(KEY, differences);
            let mut more = 16;
            while !pair.push(&mut decoder, more).unwrap() {
                more = next_batch(decoder.received(), decoder.estimate());
            }
            assert_eq!(decoder.differences(), pair.differences, "{differences} {seed}");
            assert!(decoder.received() < 40 + 3 * differences as u32, "{differences} {seed}");
        }
    }
}

#[test]
fn runs_of_any_length_will_do() {
    let pair = Pair::random(&mut random(1), 500, 300);
    for step in [1, 7, 64, 129, 1_000] {
        assert!(pair.needed(step) < 600 + step);
    }
}

#[test]
fn equal_sets_need_one_symbol() {
    let pair = Pair::random(&mut random(1), 1_000, 0);
    assert_eq!(pair.needed(1), 1);
}

#[test]
fn nothing_is_known_before_the_first_symbol() {
    let mut decoder = Decoder::new(KEY, 10);
    assert!(!decoder.push(&Run::default(), &Run::default()).unwrap());
    assert_eq!((decoder.is_done(), decoder.estimate()), (false, None));
}

#[test]
fn an_item_that_comes_and_goes_was_never_there() {
    let mut run = Run::of(0..300, KEY, items(&mut random(1), 50));
    let before = run.clone();
    run.toggle(KEY, 77);
    assert_ne!(run, before);
    run.toggle(KEY, 77);
    assert_eq!(run, before);
}

#[test]
fn with_different_keys_nothing_is_found() {
    let set = items(&mut random(1), 30);
    let ours = Run::of(0..200, KEY, set.iter().copied());
    let theirs = Run::of(0..200, Key(KEY.0, KEY.1 + 1), set.iter().copied());
    assert!(!Decoder::new(KEY, 1_000).push(&ours, &theirs).unwrap());
}

#[test]
fn symbols_survive_their_encoding() {
    let set = items(&mut random(1), 400);
    for (start, end) in [(0, 0), (0, 1), (0, 500), (1, 2), (100, 128), (127, 129), (128, 300), (5_000, 5_001)]
    {
        let run = Run::of(start..end, KEY, set.iter().copied());
        let mut bytes = Vec::new();
        run.encode(&mut bytes);
        assert_eq!(bytes.len(), Run::encoded_len(&(start..end)));
        assert_eq!(Run::decode(start..end, &bytes), Ok(run));
    }
    assert_eq!(Run::encoded_len(&(0..16)), 8 + 4 + 15 * 9);
    assert_eq!(Run::encoded_len(&(128..228)), 800);
}

#[test]
fn bytes_that_are_no_symbols_are_refused() {
    let length = |bytes, start, end| Err(RunError::Length { bytes, start, end });
    assert_eq!(Run::decode(0..2, &[0; 20]), length(20, 0, 2));
    assert_eq!(Run::decode(0..2, &[0; 22]), length(22, 0, 2));
    assert_eq!(Run::decode(0..SYMBOLS_MAX, &[0; 8]), length(8, 0, SYMBOLS_MAX));
    let (start, end) = (3, 2);
    assert_eq!(Run::decode(start..end, &[]), Err(RunError::Range { start, end }));
    let end = SYMBOLS_MAX + 1;
    assert_eq!(Run::decode(SYMBOLS_MAX..end, &[0; 8]), Err(RunError::Range { start: SYMBOLS_MAX, end }));
}

proptest! {
    /// Items that are no hashes: small numbers, zero among them.
    #[test]
    fn any_two_sets_are_reconciled(
        ours in prop::collection::btree_set(0_u64..40, 0..30),
        theirs in prop::collection::btree_set(0_u64..40, 0..30),
        key in any::<(u64, u64)>(),
    ) {
        let key = Key(key.0, key.1);
        let mut decoder = Decoder::new(key, 60);
        let mut done = false;
        while !done {
            prop_assert!(decoder.received() < 1_000);
            let range = decoder.received()..decoder.received() + 8;
            let run = Run::of(range.clone(), key, ours.iter().copied());
            done = decoder.push(&run, &Run::of(range, key, theirs.iter().copied())).unwrap();
        }
        let differences: Vec<u64> = ours.symmetric_difference(&theirs).copied().collect();
        prop_assert_eq!(decoder.differences(), differences);
    }
}
