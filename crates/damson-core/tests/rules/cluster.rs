//! A few replicas with clocks and disks. What passes between them, and when, is the test's decision.

use std::collections::BTreeMap;

use damson_core::replica::{Applied, Chunk, Demand, Inbound, Replica, ReplicaConfig, Slot, Step, Tx, View};
use damson_core::time::Time;
use damson_crdt::{Actor, Batch, Clock, Hlc, Life, NodeId, Rules};

use super::disk::{Disk, scope};
use super::picture::{contents, picture};

const DRIFT_MS_MAX: u64 = 500;

pub struct Cluster {
    pub members: Vec<Member>,
    pub rules: Rules,
    pub config: ReplicaConfig,
    pub time: Time,
    pub wall_ms: u64,
    next_transfer: u64,
    /// Transfers from the first to the second that ended: what both had was compared, perhaps.
    compared: BTreeMap<(usize, usize), u64>,
}

pub struct Member {
    pub replica: Replica,
    pub disk: Disk,
    pub clock: Clock,
    pub lives: u64,
    /// How far its wall clock is ahead.
    pub ahead_ms: u64,
}

/// A transfer under way.
pub struct Transfer {
    pub id: u64,
    pub sink: usize,
    pub source: usize,
    inbound: Inbound,
    demand: Option<Demand>,
}

impl Cluster {
    pub fn new(size: usize) -> Self {
        Self::with(size, Rules::default(), ReplicaConfig::default())
    }

    pub fn with(size: usize, rules: Rules, config: ReplicaConfig) -> Self {
        let member = |at: usize| Member {
            replica: Replica::new(scope(), actor(at, 1), config.clone(), rules),
            disk: Disk::default(),
            clock: Clock::default(),
            lives: 1,
            ahead_ms: 0,
        };
        let members = (0..size).map(member).collect();
        Self {
            members,
            rules,
            config,
            time: Time::default().plus_ms(100_000),
            wall_ms: 1_000_000,
            next_transfer: 1,
            compared: BTreeMap::new(),
        }
    }

    pub fn replica(&self, at: usize) -> &Replica {
        &self.members[at].replica
    }

    pub fn view(&self, at: usize) -> View<'_> {
        self.replica(at).view(self.wall_ms)
    }

    pub fn tick(&mut self, at: usize) -> Hlc {
        let member = &mut self.members[at];
        member.clock.tick(self.wall_ms + member.ahead_ms)
    }

    /// One transaction, and the batch that it became.
    pub fn transact<R>(&mut self, at: usize, write: impl FnOnce(&mut Tx<'_>) -> R) -> (R, Option<Batch>) {
        let hlc = self.tick(at);
        let mut tx = self.members[at].replica.begin(hlc, self.wall_ms);
        let out = write(&mut tx);
        let batch = tx.commit();
        self.members[at].persist();
        (out, batch)
    }

    /// A write that becomes a batch.
    pub fn write<R>(&mut self, at: usize, write: impl FnOnce(&mut Tx<'_>) -> R) -> Batch {
        self.transact(at, write).1.expect("it writes something")
    }

    pub fn absorb(&mut self, at: usize) -> Option<Batch> {
        let hlc = self.tick(at);
        let batch = self.members[at].replica.absorb_traces(hlc, self.wall_ms);
        self.members[at].persist();
        batch
    }

    pub fn reap(&mut self, at: usize) -> Option<Batch> {
        let hlc = self.tick(at);
        let replica = &mut self.members[at].replica;
        let ended: Vec<_> = replica.ended_before(self.wall_ms).take(10).map(|(_, key)| key.clone()).collect();
        let batch = replica.reap(&ended, hlc, self.wall_ms);
        self.members[at].persist();
        batch
    }

    pub fn receive(&mut self, to: usize, from: usize, batch: &Batch) -> Applied {
        let member = &mut self.members[to];
        member.clock.observe(batch.hlc, self.wall_ms + member.ahead_ms, DRIFT_MS_MAX);
        let applied = member.replica.apply(batch, node(from), self.time);
        member.persist();
        applied
    }

    pub fn open(&mut self, sink: usize, source: usize) -> Transfer {
        let id = self.next_transfer;
        self.next_transfer += 1;
        let compared = self.compared.remove(&(sink, source));
        let (request, inbound) = self.members[sink].replica.begin_inbound(compared);
        self.members[source].replica.open_outbound(id, node(sink), request);
        Transfer { id, sink, source, inbound, demand: None }
    }

    /// One message of a transfer; gives it back while there is more to come.
    pub fn step(&mut self, mut transfer: Transfer, bytes_max: usize) -> Result<Option<Transfer>, String> {
        let source = &mut self.members[transfer.source].replica;
        let chunk = source.next_chunk(transfer.id, bytes_max, transfer.demand.as_ref());
        let chunk = chunk.ok_or("the source has forgotten a transfer")?;
        self.observe(transfer.sink, &chunk);
        let sink = &mut self.members[transfer.sink];
        match sink.replica.stage(&mut transfer.inbound, chunk).map_err(|fault| fault.to_string())? {
            Step::More(demand) => {
                transfer.demand = demand;
                Ok(Some(transfer))
            }
            Step::Commit(last) => {
                let from = (node(transfer.source), transfer.id);
                let committed = sink.replica.commit_inbound(transfer.inbound, &last, from);
                committed.map_err(|fault| fault.to_string())?;
                sink.persist();
                self.compared.insert((transfer.source, transfer.sink), transfer.id);
                Ok(None)
            }
        }
    }

    pub fn abort(&mut self, transfer: &Transfer) {
        self.members[transfer.source].replica.close_outbound(transfer.id);
        self.members[transfer.sink].replica.end_inbound(&transfer.inbound);
    }

    /// A whole transfer.
    pub fn pull(&mut self, sink: usize, source: usize, bytes_max: usize) -> Result<(), String> {
        let mut open = Some(self.open(sink, source));
        while let Some(transfer) = open {
            open = self.step(transfer, bytes_max)?;
        }
        Ok(())
    }

    /// Everyone with everyone, until nothing is left to say.
    pub fn heal(&mut self) -> Result<(), String> {
        let size = self.members.len();
        let mut rounds = 2 * size;
        while rounds > 0 && !self.have_seen_the_same() {
            rounds -= 1;
            for sink in 0..size {
                (0..size)
                    .filter(|source| *source != sink)
                    .try_for_each(|source| self.pull(sink, source, 4_096))?;
            }
        }
        (1..size).try_for_each(|at| self.check_equal(0, at))
    }

    fn have_seen_the_same(&self) -> bool {
        self.members.iter().all(|member| member.replica.context() == self.replica(0).context())
    }

    /// Equal in every respect?
    pub fn check_equal(&mut self, a: usize, b: usize) -> Result<(), String> {
        if self.replica(a).context() != self.replica(b).context() {
            return Err(format!("{a} and {b} have seen different things"));
        }
        let (left, right) = (contents(&mut self.members[a].replica), contents(&mut self.members[b].replica));
        if left != right {
            return Err(format!("{a} and {b} have seen the same and hold {left:?} and {right:?}"));
        }
        self.check_agreement(a, b)
    }

    /// Rule 1: equal contexts mean equal live dots, digests and views.
    pub fn check_agreement(&self, a: usize, b: usize) -> Result<(), String> {
        let (left, right) = (self.replica(a), self.replica(b));
        if left.context() != right.context() {
            return Ok(());
        }
        if left.digest() != right.digest() || !left.dots().eq(right.dots()) {
            return Err(format!("{a} and {b} have seen the same, and other dots are alive"));
        }
        let (left, right) = (picture(left, self.wall_ms), picture(right, self.wall_ms));
        if left == right { Ok(()) } else { Err(format!("{a} shows {left:?}, {b} shows {right:?}")) }
    }

    /// A start after a clean stop: the actor goes on, unconfirmed.
    pub fn go_on(&mut self, at: usize) -> Result<(), String> {
        let was = self.replica(at).actor();
        let spare = self.next_life(at);
        self.start(at, spare)?;
        self.members[at].replica.continue_as(was);
        Ok(())
    }

    /// A start from the disk in a life.
    pub fn start(&mut self, at: usize, actor: Actor) -> Result<(), String> {
        let member = &mut self.members[at];
        member.replica = member.disk.load(actor, &self.config, self.rules)?;
        member.clock = Clock::default();
        Ok(())
    }

    /// A name that this member never had.
    pub fn next_life(&mut self, at: usize) -> Actor {
        self.members[at].lives += 1;
        actor(at, self.members[at].lives)
    }

    fn observe(&mut self, at: usize, chunk: &Chunk) {
        let member = &mut self.members[at];
        for live in chunk.cells.iter().flat_map(|(_, cell)| cell.dots()) {
            member.clock.observe(live.hlc, self.wall_ms + member.ahead_ms, DRIFT_MS_MAX);
        }
    }
}

impl Member {
    pub fn persist(&mut self) {
        let rows = self.replica.take_rows();
        self.disk.write(rows);
    }
}

pub fn node(at: usize) -> NodeId {
    NodeId([u8::try_from(at + 1).expect("a small cluster"); 16])
}

/// Lives are random: a later one may sort before an earlier one.
pub fn actor(at: usize, life: u64) -> Actor {
    Actor::new(node(at), Life(life.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// A key.
pub fn key(name: &'static str) -> Slot {
    Slot::key(name)
}
