//! Our own decisions on a disk that fails: at each call in turn, before or after it did what it was told, and with the power
//! on or off afterwards. The node and the disk's thread are the real ones; below them is a simulated store.
//!
//! Each write adds one to a counter, puts a key, and removes the one of two writes before: so the counter says which writes
//! are there, and which keys must be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use damson_core::crdt::{Life, NodeId};
use damson_core::node::{Boot, Config, Effect, Node as Core};
use damson_core::persist::{Row, Table};
use damson_core::replica::Slot;
use damson_core::scope::ScopeName;
use damson_store::{Durability, LoadReport, Snapshot, Store, StoreError, Visit};
use parking_lot::Mutex;

use super::disk::{Disk, Sync, Ticket};
use crate::clock::{OsClock, entropy};

/// Writes of each life.
const WRITES: u64 = 4;
const INTERVAL: Duration = Duration::from_millis(200);

/// When a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It did nothing.
    Before,
    /// It did all, and nobody knows.
    After,
}

/// What a disk holds.
#[derive(Debug, Clone, Default)]
struct Held {
    rows: BTreeMap<(Table, Bytes), Bytes>,
    mark: Option<Bytes>,
}

/// A disk, and what the power leaves of it.
#[derive(Debug, Default)]
struct Medium {
    written: Held,
    synced: Held,
    calls: usize,
    fails: Option<(usize, Fault)>,
    failed: bool,
}

impl Medium {
    fn holding(held: Held) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { written: held.clone(), synced: held, ..Self::default() }))
    }

    /// What is left when the power fails, and when it stays.
    fn both(&self) -> (Held, Held) {
        (self.synced.clone(), self.written.clone())
    }

    fn is_synced(&self) -> bool {
        self.synced.rows == self.written.rows
    }

    /// A call that does this, or fails. After a failure all fail, as a store does that is poisoned.
    fn call(&mut self, act: impl FnOnce(&mut Self)) -> Result<(), StoreError> {
        let fault = self.fails.filter(|(at, _)| *at == self.calls).map(|(_, fault)| fault);
        self.calls += 1;
        if !self.failed && fault != Some(Fault::Before) {
            act(self);
        }
        self.failed |= fault.is_some();
        if self.failed { Err(StoreError::Poisoned { first: "the disk".into() }) } else { Ok(()) }
    }
}

struct Failing(Arc<Mutex<Medium>>);

impl Store for Failing {
    fn load(&mut self, visit: &mut Visit<'_>) -> Result<LoadReport, StoreError> {
        self.0.lock().written.rows.iter().for_each(|((table, key), value)| visit(*table, key, value));
        Ok(LoadReport::default())
    }

    fn commit(&mut self, rows: &[Row], durability: Durability) -> Result<(), StoreError> {
        self.0.lock().call(|medium| {
            // A mark is removed for good before anything is written beside it.
            (medium.written.mark, medium.synced.mark) = (None, None);
            for row in rows {
                let key = (row.table, row.key.clone());
                match &row.value {
                    Some(value) => _ = medium.written.rows.insert(key, value.clone()),
                    None => _ = medium.written.rows.remove(&key),
                }
            }
            if durability == Durability::Flushed {
                medium.synced = medium.written.clone();
            }
        })
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.0.lock().call(|medium| medium.synced = medium.written.clone())
    }

    fn take_mark(&mut self) -> Result<Option<Bytes>, StoreError> {
        let mut mark = None;
        self.0.lock().call(|medium| {
            mark = medium.written.mark.take();
            medium.synced.mark = None;
        })?;
        Ok(mark)
    }

    fn leave_mark(&mut self, mark: &[u8]) -> Result<(), StoreError> {
        self.0.lock().call(|medium| {
            medium.written.mark = Some(Bytes::copy_from_slice(mark));
            medium.synced = medium.written.clone();
        })
    }

    fn snapshot(&mut self) -> Result<Box<dyn Snapshot>, StoreError> {
        unreachable!("nobody asks for one")
    }

    fn is_full(&self) -> bool {
        false
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        unreachable!("it is not full")
    }
}

/// What a client and an observer know.
#[derive(Debug, Default)]
struct Known {
    issued: u64,
    acked: u64,
    lives: BTreeSet<Life>,
    /// The mark has been taken so many times, and left so many times.
    taken: usize,
    left: usize,
}

/// A started node with its disk.
struct Running {
    node: Core,
    disk: Disk,
    clock: OsClock,
    continued: bool,
}

fn scope() -> ScopeName {
    "app".parse().unwrap()
}

fn key(n: u64) -> Slot {
    Slot::key(format!("key {n}"))
}

/// Starts a node as the builder does. `None` when the disk fails.
fn start(medium: &Arc<Mutex<Medium>>, sync: Sync) -> Option<Running> {
    let (clock, mut store) = (OsClock::new(), Failing(medium.clone()));
    let mut boot = Boot::new(Config::new("here", "default"), NodeId([1; 16]), entropy());
    store.load(&mut |table, key, value| boot.row(table, key, value)).unwrap();
    let mark = store.take_mark().ok()?;
    let started = boot.finish(mark.as_deref(), clock.now());
    assert_eq!(started.damage, None);
    let disk = Disk::start(Box::new(store), INTERVAL, move |_| sync).unwrap();
    let running = Running { node: started.node, disk, clock, continued: started.continued };
    running.carry_out(started.effects);
    Some(running)
}

impl Running {
    /// Returns the last ticket.
    fn carry_out(&self, effects: Vec<Effect>) -> Option<Ticket> {
        let mut last = None;
        for effect in effects {
            if let Effect::Persist { scope, ticket, rows } = effect {
                self.disk.persist(scope.as_ref(), Ticket(ticket), rows);
                last = Some(Ticket(ticket));
            }
        }
        last
    }

    /// Writes number `n`, and says whether it was acknowledged.
    async fn write(&mut self, n: u64) -> bool {
        let mut effects = Vec::new();
        let written = self.node.write(&scope(), self.clock.now(), &mut effects, |tx| {
            tx.add(&Slot::key("count"), 1)?;
            if n >= 2 {
                tx.remove(&key(n - 2));
            }
            tx.put_register(&key(n), Bytes::from(n.to_string()), None)
        });
        written.unwrap();
        let ticket = self.carry_out(effects).expect("it has rows");
        self.disk.reached(ticket).await.is_ok()
    }

    /// How many writes are there. Panics when one is there in part, or what was removed is.
    fn writes(&self) -> u64 {
        let Some(replica) = self.node.replica(&scope()) else { return 0 };
        let view = replica.view(self.clock.now().wall_ms);
        let count = u64::try_from(view.counter(&Slot::key("count")).unwrap_or(0)).unwrap();
        let there: Vec<u64> = (0..4 * WRITES).filter(|n| view.register(&key(*n)).is_some()).collect();
        assert_eq!(there, (count.saturating_sub(2)..count).collect::<Vec<_>>(), "of {count} writes");
        count
    }
}

/// Two lives on a disk: writes, a clean stop, a start, writes, and an end without one.
async fn two_lives(medium: &Arc<Mutex<Medium>>, sync: Sync) -> Known {
    let mut known = Known::default();
    for clean in [true, false] {
        let Some(mut node) = start(medium, sync) else { return known };
        known.taken += usize::from(node.continued);
        known.lives.insert(node.node.life());
        for _ in 0..WRITES {
            known.issued += 1;
            known.acked += u64::from(node.write(known.issued - 1).await);
        }
        if clean {
            let mark = node.node.stop_mark();
            known.left += usize::from(node.disk.stop(mark).await.is_ok());
        }
        if medium.lock().failed {
            return known;
        }
    }
    known
}

/// Starts a node on what is left, and checks it against what is known.
async fn check(left: Held, known: &Known, acked: u64, what: &str) {
    let medium = Medium::holding(left);
    let mut node = start(&medium, Sync::Always).expect("the disk works again");
    let writes = node.writes();
    assert!((acked..=known.issued).contains(&writes), "{what}: {writes} writes, {known:?}");
    if node.continued {
        assert_eq!(writes, known.issued, "{what}: a life goes on that had issued more");
        assert_eq!(known.taken, 0, "{what}: the mark was seen twice");
    } else {
        assert!(!known.lives.contains(&node.node.life()), "{what}: a life returns without its mark");
    }
    assert!(node.write(writes).await, "{what}");
    assert_eq!(node.writes(), writes + 1, "{what}: the counter is exact");
    let again = start(&Medium::holding(medium.lock().synced.clone()), Sync::Always).unwrap();
    assert_eq!((again.writes(), again.continued), (writes + 1, false), "{what}: an end without a clean stop");
}

async fn at_each_call(sync: Sync) {
    let whole = Medium::holding(Held::default());
    let known = two_lives(&whole, sync).await;
    assert_eq!((known.acked, known.left, known.taken), (2 * WRITES, 1, 1), "nothing fails");
    // The thread may still flush what it had when it was told to end.
    let calls = whole.lock().calls + 1;
    assert!(calls > 2 * WRITES as usize);
    for at in 0..calls {
        for fault in [Fault::Before, Fault::After] {
            let medium = Medium::holding(Held::default());
            medium.lock().fails = Some((at, fault));
            let known = two_lives(&medium, sync).await;
            let (synced, written) = medium.lock().both();
            let what = |power| format!("{sync:?}, call {at} fails {fault:?} it is done, the power {power}");
            // What was acknowledged under `interval` outlives the process, and not the power.
            let through_power = if sync == Sync::Always { known.acked } else { 0 };
            check(synced, &known, through_power, &what("fails")).await;
            check(written, &known, known.acked, &what("stays")).await;
        }
    }
}

#[tokio::test]
async fn wherever_the_disk_fails_nothing_acknowledged_under_always_is_lost() {
    at_each_call(Sync::Always).await;
}

#[tokio::test]
async fn wherever_the_disk_fails_nothing_acknowledged_under_interval_is_lost_while_the_power_stays() {
    at_each_call(Sync::Interval).await;
}

#[tokio::test]
async fn everything_up_to_the_last_flush_survives_under_interval() {
    let medium = Medium::holding(Held::default());
    let mut node = start(&medium, Sync::Interval).unwrap();
    assert!(node.write(0).await && node.write(1).await);
    while !medium.lock().is_synced() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(node.write(2).await);
    let (issued, acked) = (3, 3);
    let known = Known { issued, acked, lives: [node.node.life()].into(), ..Known::default() };
    let left = medium.lock().synced.clone();
    check(left, &known, 2, "after a flush").await;
}
