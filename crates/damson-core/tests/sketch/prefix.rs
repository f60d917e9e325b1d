use damson_core::sketch::{Gauge, Prefix, Run};
use rand_core::Rng;

use crate::sets::{KEY, items, random};

fn same(prefix: &mut Prefix, set: &[u64]) {
    let len = prefix.len();
    assert_eq!(prefix.symbols(0..len), Some(Run::of(0..len, KEY, set.iter().copied())));
    let mut gauge = Gauge::default();
    set.iter().for_each(|item| gauge.toggle(KEY, *item));
    assert_eq!(prefix.gauge(), gauge);
}

#[test]
fn a_prefix_kept_up_to_date_equals_one_made_from_scratch() {
    for pending_max in [0, 1, 100, 10_000] {
        let mut rng = random(1);
        let mut set = items(&mut rng, 500);
        let mut prefix = Prefix::new(KEY, 1_000, set.iter().copied(), pending_max);
        same(&mut prefix, &set);
        for step in 0..2_000 {
            let item = if rng.next_u64().is_multiple_of(2) && !set.is_empty() {
                set.swap_remove((rng.next_u64() % set.len() as u64) as usize)
            } else {
                set.push(rng.next_u64());
                set[set.len() - 1]
            };
            prefix.toggle(item);
            if step % 300 == 0 {
                same(&mut prefix, &set);
            }
        }
        same(&mut prefix, &set);
    }
}

#[test]
fn what_comes_and_goes_while_it_waits_leaves_nothing() {
    let mut prefix = Prefix::new(KEY, 100, [], 1_000);
    for item in [5, 6, 5, 7, 7, 7, 6] {
        prefix.toggle(item);
    }
    same(&mut prefix, &[7]);
}

#[test]
fn it_grows_and_shrinks_with_changes_still_waiting() {
    let mut set = items(&mut random(1), 300);
    let mut prefix = Prefix::new(KEY, 50, set.iter().copied(), 1_000);
    for (len, new) in [(400, 1), (401, 2), (100, 3), (0, 4), (700, 5)] {
        prefix.toggle(new);
        set.push(new);
        prefix.resize(len, set.iter().copied());
        assert_eq!(prefix.len(), len);
        same(&mut prefix, &set);
    }
}

#[test]
fn symbols_are_given_as_far_as_there_are_any() {
    let set = items(&mut random(1), 300);
    let mut prefix = Prefix::new(KEY, 300, set.iter().copied(), 10);
    for range in [0..0, 0..1, 10..20, 100..200, 128..129, 299..300] {
        assert_eq!(prefix.symbols(range.clone()), Some(Run::of(range, KEY, set.iter().copied())));
    }
    assert_eq!((prefix.symbols(299..301), prefix.symbols(400..400)), (None, None));
}
