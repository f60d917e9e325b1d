//! Symbols that nobody who follows the protocol would send. Whatever comes, a decoder ends.

use damson_core::sketch::{DecodeError, Decoder, Run};
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use crate::sets::{KEY, Pair, items, random};

fn garbage(rng: &mut ChaCha8Rng, len: u32) -> Run {
    let mut bytes = vec![0; Run::encoded_len(&(0..len))];
    rng.fill_bytes(&mut bytes);
    Run::decode(0..len, &bytes).unwrap()
}

/// Symbols with these sums, and zero checks.
fn crafted(len: u32, sums: &[(u32, u64)]) -> Run {
    let mut bytes = vec![0; Run::encoded_len(&(0..len))];
    for (index, sum) in sums {
        bytes[*index as usize * 8..][..8].copy_from_slice(&sum.to_le_bytes());
    }
    Run::decode(0..len, &bytes).unwrap()
}

/// The symbols from 128 on that hold an item.
fn symbols_of(item: u64, len: u32) -> Vec<u32> {
    let run = Run::of(128..len, KEY, [item]);
    let mut bytes = Vec::new();
    run.encode(&mut bytes);
    let sums = bytes.chunks_exact(8).map(|sum| u64::from_le_bytes(sum.try_into().unwrap()));
    (128..).zip(sums).filter(|(_, sum)| *sum != 0).map(|(index, _)| index).collect()
}

#[test]
fn garbage_is_no_difference() {
    for seed in 0..200 {
        let mut rng = random(seed);
        let len = 1 + (rng.next_u64() % 2_000) as u32;
        let mut decoder = Decoder::new(KEY, 1_000);
        let result = decoder.push(&Run::empty(0..len), &garbage(&mut rng, len));
        assert_ne!(result, Ok(true), "{seed}");
    }
}

#[test]
fn much_garbage_ends_too() {
    let mut decoder = Decoder::new(KEY, 1_000);
    let result = decoder.push(&Run::empty(0..200_000), &garbage(&mut random(1), 200_000));
    assert_ne!(result, Ok(true));
}

#[test]
fn zeros_are_an_equal_set() {
    let run = Run::empty(0..1_000);
    let mut decoder = Decoder::new(KEY, 10);
    assert_eq!(decoder.push(&run, &run), Ok(true));
    assert_eq!(decoder.differences(), Vec::<u64>::new());
}

#[test]
fn an_item_that_its_own_symbols_contradict_is_not_taken_out_for_ever() {
    for item in 0..100 {
        let symbols = symbols_of(item, 3_000);
        if symbols.is_empty() {
            continue;
        }
        for alone in &symbols {
            let mut decoder = Decoder::new(KEY, 10);
            let result = decoder.push(&Run::empty(0..3_000), &crafted(3_000, &[(*alone, item)]));
            assert_eq!(result, Ok(false));
        }
        let all: Vec<(u32, u64)> = symbols.iter().map(|index| (*index, item)).collect();
        let mut decoder = Decoder::new(KEY, 10);
        assert_eq!(decoder.push(&Run::empty(0..3_000), &crafted(3_000, &all)), Ok(false));
    }
}

/// Three items whose exclusive or is zero, and that share a symbol without a check: there they hide one another.
fn hiding(rng: &mut ChaCha8Rng) -> [u64; 3] {
    let near: Vec<u64> = items(rng, 1_000);
    let symbols: Vec<Vec<u32>> = near.iter().map(|item| symbols_of(*item, 160)).collect();
    for (a, b) in (0..near.len()).flat_map(|a| (0..a).map(move |b| (a, b))) {
        let third = near[a] ^ near[b];
        let mut shared = symbols[a].iter().filter(|index| symbols[b].contains(index)).peekable();
        if shared.peek().is_some() && shared.any(|index| symbols_of(third, 160).contains(index)) {
            return [near[a], near[b], third];
        }
    }
    panic!("there are such items")
}

#[test]
fn items_that_hide_one_another_are_found_and_not_taken_out_for_ever() {
    let mut rng = random(1);
    let mut set = items(&mut rng, 20);
    for _ in 0..10 {
        let triple = hiding(&mut rng);
        set.extend(triple);
        for differences in [&triple[..], &triple[..2], &triple[1..], &set[..], &set[1..set.len() - 1]] {
            let run = Run::of(0..600, KEY, differences.iter().copied());
            let mut decoder = Decoder::new(KEY, 60);
            assert_eq!(decoder.push(&Run::empty(0..600), &run), Ok(true));
            let mut expected = differences.to_vec();
            expected.sort_unstable();
            assert_eq!(decoder.differences(), expected);
        }
    }
}

#[test]
fn one_symbol_again_and_again_gives_nothing() {
    let mut sums = items(&mut random(1), 1);
    sums.push(0);
    for sum in sums {
        let repeated: Vec<(u32, u64)> = (0..2_000).map(|index| (index, sum)).collect();
        let mut decoder = Decoder::new(KEY, 1_000);
        let result = decoder.push(&Run::empty(0..2_000), &crafted(2_000, &repeated));
        assert_eq!(result == Ok(true), sum == 0);
    }
}

#[test]
fn a_damaged_symbol_never_gives_a_wrong_difference() {
    for seed in 0..300 {
        let mut rng = random(seed);
        let pair = Pair::random(&mut rng, 0, 20);
        let mut bytes = Vec::new();
        Run::of(0..200, KEY, pair.theirs.iter().copied()).encode(&mut bytes);
        let at = (rng.next_u64() % bytes.len() as u64) as usize;
        bytes[at] ^= 1 << (rng.next_u64() % 8);
        let theirs = Run::decode(0..200, &bytes).unwrap();
        let mut decoder = Decoder::new(KEY, 20);
        let ours = Run::of(0..200, KEY, pair.ours.iter().copied());
        assert_eq!(decoder.push(&ours, &theirs), Ok(false), "{seed}");
    }
}

#[test]
fn more_differences_than_allowed_are_an_error() {
    let pair = Pair::random(&mut random(1), 0, 5_000);
    let mut decoder = Decoder::new(KEY, 100);
    assert_eq!(pair.push(&mut decoder, 7_000), Err(DecodeError::TooManyDifferences));
}

#[test]
fn more_symbols_than_so_few_differences_need_are_too_much_work() {
    let run = Run::empty(0..2_000_000);
    assert_eq!(Decoder::new(KEY, 10).push(&run, &run), Err(DecodeError::TooMuchWork));
    let pair = Pair::random(&mut random(1), 0, 600);
    let mut decoder = Decoder::new(KEY, 100);
    let result = (0..5_000).try_for_each(|_| pair.push(&mut decoder, 1).map(|_| ()));
    assert_eq!(result, Err(DecodeError::TooMuchWork));
}

#[test]
fn symbols_out_of_place_change_nothing() {
    let pair = Pair::random(&mut random(1), 10, 5);
    let mut decoder = Decoder::new(KEY, 10);
    let misplaced = |start, end, expected| Err(DecodeError::Misplaced { start, end, expected });
    assert_eq!(decoder.push(&Run::empty(1..5), &Run::empty(1..5)), misplaced(1, 5, 0));
    assert_eq!(decoder.push(&Run::empty(0..4), &Run::empty(0..5)), misplaced(0, 5, 0));
    assert!(!pair.push(&mut decoder, 3).unwrap());
    assert_eq!(decoder.push(&Run::empty(0..3), &Run::empty(0..3)), misplaced(0, 3, 3));
    assert!(pair.push(&mut decoder, 60).unwrap());
    assert_eq!(decoder.differences(), pair.differences);
}
