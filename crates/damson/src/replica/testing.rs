//! Is it sound to apply an implementation's snapshots again and again? For tests of implementations.

use bytes::Bytes;
use damson_core::crdt::NodeId;
use damson_core::scope::ScopeName;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::Replica;

const REPLICAS: usize = 3;
const HISTORIES: u64 = 50;
const STEPS: u64 = 40;

/// Plays random histories on three replicas without a network: `act` changes one of them, and snapshots of one are applied to another, late
/// and in any order. In the end all exchange theirs, and then every snapshot of before is applied once more everywhere.
///
/// # Errors
/// What [`Replica::anti_entropy`] must not be `true` for: replicas that end with different snapshots (it is not the whole state), an old
/// snapshot that changes something (a removal does not last), or no snapshot of a state from which something was removed.
pub fn check_anti_entropy<R: Replica>(
    make: impl Fn() -> R,
    mut act: impl FnMut(&mut R, usize, u64),
) -> Result<(), String> {
    (0..HISTORIES).try_for_each(|seed| history(&make, &mut act, seed))
}

fn history<R: Replica>(
    make: &impl Fn() -> R,
    act: &mut impl FnMut(&mut R, usize, u64),
    seed: u64,
) -> Result<(), String> {
    let name: ScopeName = "checked".parse().expect("it is a name");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut below = |n: usize| usize::try_from(rng.next_u64() % n as u64).expect("below a usize");
    let mut all: Vec<R> = (0..REPLICAS).map(|_| make()).collect();
    let mut taken: Vec<(usize, Bytes)> = Vec::new();
    for step in 0..STEPS {
        let (at, from) = (below(REPLICAS), below(REPLICAS));
        act(&mut all[at], at, step);
        if let Some(snapshot) = all[from].full_sync_snapshot(&name) {
            taken.push((from, snapshot));
        }
        if !taken.is_empty() && below(2) == 0 {
            let (from, snapshot) = taken[below(taken.len())].clone();
            all[at].apply_full_sync(&name, node(from), snapshot);
        }
    }
    // Twice, so that what one has heard of another reaches the third.
    for _ in 0..2 {
        for from in 0..REPLICAS {
            let Some(snapshot) = all[from].full_sync_snapshot(&name) else {
                return Err(format!("history {seed}: replica {from} has been changed, and has no snapshot"));
            };
            all.iter_mut().for_each(|replica| replica.apply_full_sync(&name, node(from), snapshot.clone()));
        }
    }
    let whole = all[0].full_sync_snapshot(&name);
    for (at, replica) in all.iter_mut().enumerate() {
        if replica.full_sync_snapshot(&name) != whole {
            return Err(format!("history {seed}: replicas 0 and {at} have exchanged everything and differ"));
        }
    }
    for (from, snapshot) in taken {
        for (at, replica) in all.iter_mut().enumerate() {
            replica.apply_full_sync(&name, node(from), snapshot.clone());
            if replica.full_sync_snapshot(&name) != whole {
                return Err(format!("history {seed}: an old snapshot of {from} has changed replica {at}"));
            }
        }
    }
    Ok(())
}

fn node(at: usize) -> NodeId {
    NodeId([u8::try_from(at).expect("a few"); 16])
}
