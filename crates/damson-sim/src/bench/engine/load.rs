//! Which keys are used, and in which order: the same for both sides and all runs.

use xxhash_rust::xxh3::xxh3_64;

use super::super::entry::{KeyBytes, key};
use super::EngineOptions;

/// What is done in a run.
pub struct Load {
    /// The keys that are there.
    pub keys: Vec<KeyBytes>,
    /// Places of keys among those, at random: what is read and overwritten.
    pub again: Vec<usize>,
    /// Keys that come new, in portions: each may enlarge the maps by a tenth only, and is removed again.
    pub fresh: Vec<Vec<KeyBytes>>,
}

impl Load {
    pub fn new(options: &EngineOptions) -> Self {
        let (keys, deltas) = (options.keys as u64, options.deltas as u64);
        let portion = (options.keys / 10).max(1);
        let fresh: Vec<KeyBytes> = (keys..keys + deltas).map(key).collect();
        let at = |n: u64| usize::try_from(xxh3_64(&n.to_le_bytes()) % keys).expect("a place in memory");
        Self {
            keys: (0..keys).map(key).collect(),
            again: (0..deltas).map(at).collect(),
            fresh: fresh.chunks(portion).map(<[KeyBytes]>::to_vec).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_are_distinct_and_new_keys_come_in_portions_of_a_tenth() {
        let load = Load::new(&EngineOptions { keys: 1_000, deltas: 250, runs: 1 });
        let all: BTreeSet<&KeyBytes> = load.keys.iter().chain(load.fresh.iter().flatten()).collect();
        assert_eq!(all.len(), 1_250);
        assert_eq!(load.fresh.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
        assert_eq!(load.again.len(), 250);
        assert!(load.again.iter().all(|at| *at < 1_000));
    }
}
