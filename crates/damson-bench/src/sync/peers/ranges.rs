//! negentropy: fingerprints of ranges, halved until they are equal or short.

use anyhow::{Context, ensure};
use negentropy::{Id, Negentropy, NegentropyStorageVector};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::sides::Sides;
use crate::sync::difference::Said;

/// All items have the same: a state has no order in time. They are sorted by their ids then, so differences are scattered.
const TIMESTAMP: u64 = 0;
/// Messages may have any length.
const FRAME_BYTES_MAX: u64 = 0;

/// The median, by bytes, of so many runs.
pub fn ranges(keys: u32, diff: u32, runs: usize) -> anyhow::Result<Said> {
    let mut all =
        (0..runs).map(|run| once(&Sides::new(keys, diff, run))).collect::<anyhow::Result<Vec<_>>>()?;
    all.sort_by_key(|said| said.bytes);
    all.get(runs / 2).copied().context("no runs")
}

fn once(sides: &Sides) -> anyhow::Result<Said> {
    let (one, other) = (storage(sides.of_one())?, storage(sides.of_other())?);
    let mut asking = Negentropy::borrowed(&one, FRAME_BYTES_MAX)?;
    let mut answering = Negentropy::borrowed(&other, FRAME_BYTES_MAX)?;
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let (mut bytes, mut round_trips) = (0, 0_u32);
    let mut next = Some(asking.initiate()?);
    while let Some(question) = next {
        let answer = answering.reconcile(&question)?;
        bytes += (question.len() + answer.len()) as u64;
        round_trips += 1;
        next = asking.reconcile_with_ids(&answer, &mut have, &mut need)?;
    }
    let found = |ids: &[Id], numbers: std::ops::Range<u64>| -> bool {
        let mut wanted: Vec<Id> = numbers.map(id).collect();
        let mut ids = ids.to_vec();
        wanted.sort();
        ids.sort();
        wanted == ids
    };
    ensure!(
        found(&have, sides.one.clone()) && found(&need, sides.other.clone()),
        "negentropy did not find what differs"
    );
    Ok(Said { bytes, round_trips: round_trips.into() })
}

fn storage(numbers: impl Iterator<Item = u64>) -> anyhow::Result<NegentropyStorageVector> {
    let mut storage = NegentropyStorageVector::new();
    for number in numbers {
        storage.insert(TIMESTAMP, id(number))?;
    }
    storage.seal()?;
    Ok(storage)
}

fn id(number: u64) -> Id {
    let mut bytes = [0; 32];
    for (half, seed) in bytes.chunks_mut(16).zip(0..) {
        half.copy_from_slice(&xxh3_128_with_seed(&number.to_le_bytes(), seed).to_le_bytes());
    }
    Id::from_byte_array(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_found_and_named() {
        let said = ranges(3_000, 100, 1).unwrap();
        // Every missing id is named once at least.
        assert!(said.bytes > 100 * 32 && said.round_trips >= 2.0, "{said:?}");
        assert_eq!(ranges(3_000, 100, 1).unwrap(), said);
    }
}
