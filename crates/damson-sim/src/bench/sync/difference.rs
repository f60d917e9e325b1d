//! What both nodes hold, in what they differ, and the one measured round.

use bytes::Bytes;
use damson_core::persist::Row;
use damson_core::replica::{Replica, ReplicaConfig, Slot, Tx};
use damson_crdt::codec::{encode_batches, encode_context};
use damson_crdt::{Actor, Batch, Clock, Context, Life, NodeId, Rules};

use super::super::entry::{key, value};
use super::options::{SyncBenchOptions, SyncPath};
use super::pair::{BOTH, Pair, scope};
use super::round::Round;

/// Keys in which they differed before, at most.
const WARM_UP_MAX: usize = 1_000;

/// What was measured in a run.
pub struct Measured {
    /// The round that made them equal.
    pub round: Round,
    /// The next one.
    pub equal: Round,
    /// The smallest encoding of the cells in which they differed.
    pub payload_bytes: usize,
    /// What contexts say of the authors who had written.
    pub actors_bytes: usize,
}

/// The rows of what both hold, by authors who are neither of them: each has written one key after the other.
pub fn shared(options: &SyncBenchOptions) -> Vec<Row> {
    let mut clock = Clock::default();
    let mut rows = Vec::new();
    for author in 0..options.actors {
        let actor = Actor::new(NodeId([b'c'; 16]), Life(1 + author as u64));
        let mut replica = Replica::new(scope(), actor, ReplicaConfig::default(), Rules::default());
        for n in (author..options.shared()).step_by(options.actors) {
            let mut tx = replica.begin(clock.tick(1), 1);
            put(&mut tx, n);
            tx.commit();
        }
        rows.append(&mut replica.take_rows());
    }
    rows
}

/// Makes the difference, and measures the round that ends it, and one after it.
pub fn measure(options: &SyncBenchOptions, pair: &mut Pair<'_>) -> Result<Measured, String> {
    let first = options.shared();
    for at in BOTH {
        pair.write(at, |tx| put(tx, first + at));
    }
    pair.settle();
    if !pair.is_equal() {
        return Err("the pair is not equal before it is made to differ".into());
    }
    warm_up(options, pair);
    pair.set_cut(true);
    let halves = differ(options, pair);
    pair.set_cut(false);
    let round = pair.round();
    if !pair.is_equal() {
        return Err("the pair is not equal after the round".into());
    }
    let actors_bytes = changed_actors(pair, &halves);
    let payload_bytes = halves.iter().map(|half| encoded(half)).sum();
    Ok(Measured { round, equal: pair.round(), payload_bytes, actors_bytes })
}

/// They have compared before, when about as much differed: each knows what the link carries, and both keep the first symbols
/// of their sets if they have used sketches.
fn warm_up(options: &SyncBenchOptions, pair: &mut Pair<'_>) {
    pair.set_cut(true);
    for n in 0..options.diff.min(WARM_UP_MAX).min(options.shared()) {
        pair.write(n % 2, |tx| put(tx, n));
    }
    if options.path == SyncPath::Sketch {
        forget_removals(pair);
    }
    pair.set_cut(false);
    pair.round();
}

/// Each node writes its half.
fn differ(options: &SyncBenchOptions, pair: &mut Pair<'_>) -> [Vec<Batch>; 2] {
    let from = options.shared() + 2;
    let middle = from + options.first_half();
    let halves = [from..middle, middle..from + options.diff];
    let both = BOTH.map(|at| halves[at].clone().map(|n| pair.write(at, |tx| put(tx, n))).collect());
    if matches!(options.path, SyncPath::Full | SyncPath::Sketch) {
        forget_removals(pair);
    }
    both
}

/// What the other misses from now on lies below the floor: no context can tell what has become of it.
fn forget_removals(pair: &mut Pair<'_>) {
    let slot = Slot::key(Bytes::from_static(b"removed"));
    for at in BOTH {
        pair.write(at, |tx| tx.put_register(&slot, Bytes::new(), None).expect("within all limits"));
        pair.write(at, |tx| _ = tx.remove(&slot));
        let replica = pair.node_mut(at).replica_mut(&scope()).expect("something was written");
        replica.truncate_removals(0);
    }
}

fn put(tx: &mut Tx<'_>, n: usize) {
    let slot = Slot::key(Bytes::copy_from_slice(&key(n as u64)));
    tx.put_register(&slot, Bytes::copy_from_slice(&value(n)), None).expect("within all limits");
}

fn encoded(batches: &[Batch]) -> usize {
    let mut out = Vec::new();
    encode_batches(&mut out, batches);
    out.len()
}

/// The entries, in a context, of those who have written.
fn changed_actors(pair: &Pair<'_>, halves: &[Vec<Batch>; 2]) -> usize {
    let seen = pair.node(0).replica(&scope()).expect("it holds keys").context();
    let mut changed = Context::default();
    for actor in halves.iter().filter_map(|half| half.first()).map(|batch| batch.actor) {
        changed.set(actor, seen.of(actor).cloned().unwrap_or_default());
    }
    let mut out = Vec::new();
    encode_context(&mut out, &changed);
    out.len()
}
