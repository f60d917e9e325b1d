//! A machine: a disk and a clock, and while it is up, a process with a node.

use std::collections::{BTreeMap, BTreeSet};

use damson_core::node::Node;
use damson_core::scope::ScopeName;
use damson_core::time::Time;
use damson_crdt::{Actor, Life, NodeId};

use crate::clock::WallClock;
use crate::disk::Disk;
use crate::oracle::{BatchNo, Oracle, Pending, renamed};

/// A machine.
#[derive(Debug)]
pub(crate) struct Host {
    pub id: NodeId,
    pub disk: Disk,
    pub clock: WallClock,
    pub process: Option<Process>,
    /// Batches without a certain author, as the disk of a stopped machine holds them.
    pub pending: Vec<Pending>,
    /// It never comes back.
    pub gone: bool,
    pub boots: u64,
}

/// A running node, and what the driver keeps beside it.
#[derive(Debug)]
pub(crate) struct Process {
    pub node: Node,
    pub boot: u64,
    pub life: Life,
    /// When the next tick is due.
    pub tick: Option<Time>,
    /// Ticks in a row after which the deadline had already passed.
    pub spins: u32,
    /// The latest that its wall clock has shown.
    pub wall_ms_max: u64,
    /// Writes to be acknowledged, by the ticket that makes them durable.
    pub unacked: BTreeMap<u64, Vec<BatchNo>>,
    pub pending: Vec<Pending>,
    /// The tickets that the node wants to be told of.
    pub awaits_disk: BTreeSet<u64>,
    /// It goes on with the life of a clean stop, and no peer has said yet whether it may.
    pub unproven: bool,
}

impl Process {
    /// Which authors have become certain? Those batches go to the log.
    pub fn settle(&mut self, oracle: &mut Oracle) {
        let life = self.node.life();
        let next = Actor::new(self.node.id(), life);
        let renames = life != self.life;
        self.life = life;
        let bases = bases(&self.pending);
        for pending in std::mem::take(&mut self.pending) {
            let unconfirmed =
                self.node.replica(&pending.scope).is_some_and(|replica| replica.unconfirmed() > 0);
            if renames {
                let batch = renamed(&pending.batch, bases[&pending.scope], next);
                oracle.log(Pending { batch, ..pending });
            } else if unconfirmed {
                self.pending.push(pending);
            } else {
                oracle.log(pending);
            }
        }
    }

    /// After a start: what of the batches without a certain author was on the disk, and under which name?
    pub fn take_over(&mut self, stored: Vec<Pending>, oracle: &mut Oracle) {
        let next = Actor::new(self.node.id(), self.life);
        let bases = bases(&stored);
        for pending in stored {
            let base = bases[&pending.scope];
            let goes_on = pending.batch.actor == next;
            let top = self.node.replica(&pending.scope).map_or(0, |replica| replica.context().top(next));
            let last = if goes_on { pending.batch.last() } else { pending.batch.last() - base };
            match (last <= top, goes_on) {
                (true, true) => self.pending.push(pending),
                (true, false) => {
                    oracle.log(Pending { batch: renamed(&pending.batch, base, next), ..pending })
                }
                // It was not on the disk, and nobody has seen it.
                (false, _) => {}
            }
        }
    }
}

/// For each scope the number above which operations have no certain author.
fn bases(pending: &[Pending]) -> BTreeMap<ScopeName, u64> {
    let mut out = BTreeMap::new();
    for one in pending {
        out.entry(one.scope.clone()).or_insert(one.batch.first - 1);
    }
    out
}
