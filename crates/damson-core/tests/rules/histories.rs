//! Random histories: writes of all kinds, broadcast with loss, duplication and reordering, partial anti-entropy, truncated
//! removal logs, crashes that lose the tail, wiped nodes. After each step the replica that changed is compared with the
//! oracle, and replicas with equal contexts with one another; in the end all are healed.

use std::collections::BTreeSet;

use damson_core::replica::{Applied, ReplicaConfig};
use damson_crdt::{Batch, Context, Rule, Rules};

use super::cluster::{Cluster, Transfer};
use super::dice::{Dice, seeds};
use super::memory::check_count;
use super::oracle::{Oracle, Part};
use super::picture::{contents, numbers_agree};
use super::restarts;
use super::salvage::check_rewritten;
use super::writes::{self, Write};

#[derive(Debug, Clone, Copy)]
pub enum Step {
    Write,
    Transaction,
    Absorb,
    Reap,
    Deliver,
    Pull,
    Open,
    Chunk,
    Abort,
    Truncate,
    Sync,
    Restart,
    Crash,
    Wipe,
    Wait,
}

/// What happens how often.
pub type Mix = [(usize, Step)];

const BUSY: &Mix = &[
    (45, Step::Write),
    (10, Step::Transaction),
    (3, Step::Absorb),
    (1, Step::Reap),
    (20, Step::Deliver),
    (12, Step::Pull),
    (3, Step::Truncate),
    (2, Step::Sync),
    (1, Step::Restart),
    (2, Step::Crash),
    (2, Step::Wipe),
    (1, Step::Wait),
];

const FORGETFUL: &Mix = &[
    (40, Step::Write),
    (6, Step::Transaction),
    (5, Step::Absorb),
    (8, Step::Deliver),
    (22, Step::Pull),
    (10, Step::Truncate),
    (1, Step::Sync),
    (1, Step::Crash),
];

pub struct History {
    pub cluster: Cluster,
    dice: Dice,
    oracle: Oracle,
    /// Batches under way: to whom, from whom.
    net: Vec<(usize, usize, Batch)>,
    transfers: Vec<Transfer>,
    touched: BTreeSet<usize>,
    /// Is this one about counters?
    counting: bool,
}

/// Runs one history under some rules, and says what is wrong in the end or on the way.
pub fn run(seed: u64, rules: Rules, mixes: &[&Mix]) -> Result<(), String> {
    let mut history = History::new(seed, rules);
    let mix = history.dice.pick(mixes);
    let steps = 20 + history.dice.below(180);
    let outcome = (0..steps).try_for_each(|_| history.step(mix)).and_then(|()| history.finish());
    outcome.map_err(|fault| format!("RULES_SEED={seed}: {fault}"))
}

pub const MIXES: &[&Mix] = &[BUSY, FORGETFUL];

impl History {
    pub fn new(seed: u64, rules: Rules) -> Self {
        let mut dice = Dice::new(seed);
        let size = 2 + dice.below(4);
        let config = ReplicaConfig {
            waiting_per_peer_max: dice.pick(&[0, 1, 3, 1_000]),
            removals_max: dice.pick(&[2, 8, 1_000]),
            whole_actors_max: [64, 0, 3][(seed % 3) as usize],
            ..ReplicaConfig::default()
        };
        let mut cluster = Cluster::with(size, rules, config);
        cluster.members.iter_mut().for_each(|member| member.ahead_ms = dice.pick(&[0, 0, 300, 5_000]));
        let (oracle, net, transfers, touched) = (Oracle::default(), Vec::new(), Vec::new(), BTreeSet::new());
        let counting = dice.percent(25);
        Self { cluster, dice, oracle, net, transfers, touched, counting }
    }

    pub fn step(&mut self, mix: &Mix) -> Result<(), String> {
        let at = self.dice.below(self.cluster.members.len());
        let other = (at + 1 + self.dice.below(self.cluster.members.len() - 1)) % self.cluster.members.len();
        let step = self.dice.weighted(mix);
        self.cluster.wall_ms += self.dice.below(400) as u64;
        self.cluster.time = self.cluster.time.plus_ms(10);
        self.touched = [at].into();
        let outcome = match step {
            Step::Write => self.write(at, 1),
            Step::Transaction => {
                let writes = 2 + self.dice.below(3);
                self.write(at, writes)
            }
            Step::Absorb => self.absorb(at),
            Step::Reap => self.reap(at),
            Step::Deliver => self.deliver(),
            Step::Pull => self.pull(at, other),
            Step::Open => {
                let transfer = self.cluster.open(at, other);
                self.transfers.push(transfer);
                Ok(())
            }
            Step::Chunk => self.chunk(),
            Step::Abort => {
                self.abort();
                Ok(())
            }
            Step::Truncate => {
                let keep = self.dice.pick(&[0, 0, 1, 4]);
                self.cluster.members[at].replica.truncate_removals(keep);
                self.cluster.members[at].persist();
                Ok(())
            }
            Step::Sync => {
                self.cluster.members[at].disk.sync();
                Ok(())
            }
            Step::Restart => self.restart(at),
            Step::Crash => self.crash(at),
            Step::Wipe => self.wipe(at, other),
            Step::Wait => {
                self.wait(at);
                Ok(())
            }
        };
        outcome.and_then(|()| self.check()).map_err(|fault| format!("after {step:?} at {at}: {fault}"))
    }

    fn write(&mut self, at: usize, count: usize) -> Result<(), String> {
        let wall_ms = self.cluster.wall_ms;
        let (dice, counting) = (&mut self.dice, self.counting);
        let one = |_| if counting { Write::random_counting(dice) } else { Write::random(dice, wall_ms) };
        let writes: Vec<Write> = (0..count).map(one).collect();
        let before = self.cluster.replica(at).context().clone();
        let (parts, batch) = self.cluster.transact(at, |tx| {
            let mut parts: Vec<Part> = Vec::new();
            for write in writes {
                let start = tx.len();
                write.perform(tx)?;
                parts.push((write, start, tx.len()));
            }
            Ok::<_, String>(parts)
        });
        self.issued(at, &before, batch, &parts?);
        Ok(())
    }

    fn absorb(&mut self, at: usize) -> Result<(), String> {
        let before = self.cluster.replica(at).context().clone();
        let batch = self.cluster.absorb(at);
        self.issued(at, &before, batch, &[]);
        Ok(())
    }

    fn reap(&mut self, at: usize) -> Result<(), String> {
        let before = self.cluster.replica(at).context().clone();
        let batch = self.cluster.reap(at);
        self.issued(at, &before, batch, &[]);
        Ok(())
    }

    /// A batch was born: it is logged, and sent to most of the others.
    fn issued(&mut self, at: usize, before: &Context, batch: Option<Batch>, parts: &[Part]) {
        let Some(batch) = batch else { return };
        self.oracle.record(before, &batch, parts);
        for to in (0..self.cluster.members.len()).filter(|to| *to != at) {
            if self.dice.percent(70) {
                self.net.push((to, at, batch.clone()));
            }
        }
    }

    /// Any batch under way, in any order, any number of times.
    fn deliver(&mut self) -> Result<(), String> {
        if self.net.is_empty() {
            return Ok(());
        }
        let at = self.dice.below(self.net.len());
        let (to, from, batch) = self.net[at].clone();
        if self.dice.percent(50) {
            self.net.swap_remove(at);
        }
        self.touched = [to].into();
        let known = self.cluster.replica(to).context().contains_range(batch.range());
        match self.cluster.receive(to, from, &batch) {
            Applied::Duplicate if !known && self.cluster.replica(to).waiting() == 0 => {
                Err("a new batch is no duplicate".into())
            }
            Applied::New if known => Err("a known batch is not new".into()),
            _ => Ok(()),
        }
    }

    fn pull(&mut self, sink: usize, source: usize) -> Result<(), String> {
        let bytes_max = self.dice.pick(&[1, 100, 4_096]);
        self.cluster.pull(sink, source, bytes_max)
    }

    fn chunk(&mut self) -> Result<(), String> {
        if self.transfers.is_empty() {
            return Ok(());
        }
        let at = self.dice.below(self.transfers.len());
        let transfer = self.transfers.swap_remove(at);
        self.touched = [transfer.sink].into();
        let open = self.cluster.step(transfer, 1)?;
        self.transfers.extend(open);
        Ok(())
    }

    fn abort(&mut self) {
        if !self.transfers.is_empty() {
            let at = self.dice.below(self.transfers.len());
            let transfer = self.transfers.swap_remove(at);
            self.cluster.abort(&transfer);
        }
    }

    fn abort_all(&mut self, with: impl Fn(&Transfer) -> bool) {
        let (ended, rest) = std::mem::take(&mut self.transfers).into_iter().partition(with);
        self.transfers = rest;
        let ended: Vec<Transfer> = ended;
        ended.iter().for_each(|transfer| self.cluster.abort(transfer));
    }

    /// A clean stop and a start: everything is on disk, and the actor goes on.
    fn restart(&mut self, at: usize) -> Result<(), String> {
        self.abort_all(|transfer| transfer.sink == at || transfer.source == at);
        self.cluster.members[at].disk.sync();
        restarts::check_round_trip(&mut self.cluster, at)?;
        self.cluster.go_on(at)?;
        self.cluster.members[at].replica.confirm();
        Ok(())
    }

    /// The tail is lost here, others may have it.
    fn crash(&mut self, at: usize) -> Result<(), String> {
        self.abort_all(|transfer| transfer.sink == at || transfer.source == at);
        let reached = self.dice.below(self.cluster.members[at].disk.unsynced() + 1);
        self.cluster.members[at].disk.lose_all_but(reached);
        let same = self.cluster.replica(at).actor();
        let other = self.cluster.next_life(at);
        let actor = if self.cluster.rules.holds(Rule::SameLife) { other } else { same };
        self.cluster.start(at, actor)
    }

    /// All data are lost; before, someone takes what was there, or not.
    fn wipe(&mut self, at: usize, heir: usize) -> Result<(), String> {
        self.abort_all(|transfer| transfer.sink == at || transfer.source == at);
        if self.dice.percent(50) {
            self.touched.insert(heir);
            self.cluster.pull(heir, at, 4_096)?;
        }
        self.cluster.members[at].disk = super::disk::Disk::default();
        let actor = self.cluster.next_life(at);
        self.cluster.start(at, actor)
    }

    /// Time passes; what has waited too long is dropped.
    fn wait(&mut self, at: usize) {
        self.cluster.time = self.cluster.time.plus_ms(self.cluster.config.waiting_ms_max + 1);
        let time = self.cluster.time;
        let replica = &mut self.cluster.members[at].replica;
        replica.drop_waiting(time);
        assert_eq!(replica.waiting(), 0, "nothing waits for ever");
    }

    fn check(&mut self) -> Result<(), String> {
        for at in std::mem::take(&mut self.touched) {
            self.check_one(at)?;
            let others = (0..self.cluster.members.len()).filter(|other| *other != at);
            others.into_iter().try_for_each(|other| self.cluster.check_agreement(at, other))?;
        }
        Ok(())
    }

    fn check_one(&self, at: usize) -> Result<(), String> {
        let replica = self.cluster.replica(at);
        if let Some((dot, _)) = replica.dots().find(|(dot, _)| !replica.context().contains(*dot)) {
            return Err(format!("{dot:?} is alive outside the context"));
        }
        check_count(&self.cluster, at)?;
        self.oracle.check_closed(replica.context())?;
        let alive = self.oracle.alive(replica.context());
        if !replica
            .dots()
            .map(|(dot, id)| (dot, id.clone()))
            .eq(alive.iter().map(|(dot, said)| (*dot, said.0.clone())))
        {
            let have: Vec<_> = replica.dots().collect();
            return Err(format!("alive are {have:?}, should be {:?}", alive.keys()));
        }
        numbers_agree(replica, self.cluster.wall_ms)?;
        self.check_counters(at)
    }

    fn check_counters(&self, at: usize) -> Result<(), String> {
        let (view, context) = (self.cluster.view(at), self.cluster.replica(at).context());
        for slot in [writes::counter(), writes::nested_counter()] {
            let (have, want) = (view.counter(&slot).unwrap_or(0), self.oracle.counted(context, &slot));
            if have != want {
                return Err(format!("{slot:?} counts {have}, should be {want}"));
            }
        }
        let want = self.oracle.text(context, &writes::text());
        match view.text(&writes::text()) {
            None if want.is_none() => Ok(()),
            Some(have) if have == want.unwrap_or(0).to_string() => Ok(()),
            have => Err(format!("the string is {have:?}, should be {want:?}")),
        }
    }

    /// Heals everyone with everyone, twice: the second time with all traces of resets absorbed.
    pub fn finish(mut self) -> Result<(), String> {
        self.abort_all(|_| true);
        for at in 0..self.cluster.members.len() {
            check_rewritten(&mut self.cluster, at)?;
        }
        self.heal()?;
        for at in 0..self.cluster.members.len() {
            self.absorb(at)?;
        }
        self.heal()
    }

    fn heal(&mut self) -> Result<(), String> {
        let mut known = Context::default();
        self.cluster.members.iter().for_each(|member| known.union(member.replica.context()));
        self.cluster.heal()?;
        for at in 0..self.cluster.members.len() {
            self.check_one(at)?;
            if !known.minus(self.cluster.replica(at).context()).is_empty() {
                return Err(format!("{at} has not heard of everything"));
            }
            let want = self.oracle.alive(self.cluster.replica(at).context());
            if contents(&mut self.cluster.members[at].replica) != want {
                return Err(format!("{at} has other contents than were written"));
            }
            self.cluster.members[at].disk.sync();
            restarts::check_round_trip(&mut self.cluster, at)?;
        }
        Ok(())
    }
}

#[test]
fn random_histories_converge_and_lose_nothing_and_resurrect_nothing() {
    for seed in seeds(700) {
        run(seed, Rules::default(), MIXES).unwrap_or_else(|fault| panic!("{fault}"));
    }
}
