//! The simulated world: machines, network, clocks and what is going to happen, in virtual time.
//!
//! Each machine runs the same `Node` that a real process runs. The world stands where a real node's driver stands: it
//! carries out effects, and calls the node when something has happened.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use bytes::Bytes;
use damson_core::node::{Boot, Config, Effect, Event as NodeEvent, Input, Lane, LinkId, Node};
use damson_core::replica::ReplicaConfig;
use damson_core::scope::ScopeName;
use damson_core::time::{Now, Time};
use damson_core::wire::{Message, SyncMessage};
use damson_crdt::{Batch, NodeId, Rules, codec};
use xxhash_rust::xxh3::xxh3_128;

use crate::clock::WallClock;
use crate::dice::Dice;
use crate::disk::Disk;
use crate::host::{Host, Process};
use crate::invariants::{self, Finding, Member, Scene};
use crate::liar::Liar;
use crate::network::{Network, Weather};
use crate::options::ClusterOptions;
use crate::oracle::{Amount, BatchNo, Oracle};
use crate::queue::{Event, Queue};
use crate::report::Violation;
use crate::trace::Trace;
use crate::workload::{self, Taste};

/// The drift that nodes tolerate, in milliseconds: their default.
pub(crate) const DRIFT_MS_MAX: u64 = 10_000;

/// How things are at present, besides the network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habits {
    /// The pause between two writes in the whole cluster, in microseconds; nobody writes when it is absent.
    pub write_us: Option<(u64, u64)>,
    pub taste: Taste,
    /// The pause between two nodes' forgetting of removals, in microseconds.
    pub truncate_us: Option<(u64, u64)>,
    /// How long a flush of a disk takes, in microseconds.
    pub flush_us: (u64, u64),
}

/// Everything.
pub(crate) struct World<'a> {
    pub options: ClusterOptions,
    pub rules: Rules,
    pub dice: Dice,
    pub now: Time,
    pub queue: Queue,
    pub network: Network,
    pub hosts: Vec<Host>,
    pub habits: Habits,
    pub replica: ReplicaConfig,
    chunk_bytes: usize,
    /// For how long a pause in what comes by itself a round of anti-entropy waits.
    pause_ms: u64,
    pub scopes: Vec<ScopeName>,
    pub oracle: Oracle,
    /// Set while a machine lies.
    pub liar: Option<Liar>,
    /// Operations that liars have written in the names of nodes.
    pub forged: u64,
    trace: Trace<'a>,
    pub faults: BTreeMap<&'static str, u64>,
    pub violations: u64,
    pub first: Vec<Violation>,
    pub written: u64,
    pub events: u64,
    pub frames: u64,
    pub frames_lost: u64,
    /// Waits that are over: at which machine, of which process, how, and what it had seen then.
    #[cfg(test)]
    pub ended: Vec<(usize, u64, u64, damson_core::node::Waited, damson_crdt::Context)>,
}

/// How often a link has nothing to send when a node has written, so that what has gathered leaves. Else it waits.
const IDLE_PERCENT: u64 = 50;

impl<'a> World<'a> {
    pub fn new(options: &ClusterOptions, dump: Option<&'a mut dyn Write>) -> Self {
        let mut dice = Dice::new(options.seed);
        let large = options.nodes > 20;
        let hosts: Vec<Host> = (0..options.nodes).map(|at| host(options.seed, at)).collect();
        let replica = ReplicaConfig {
            removals_max: if large { 4_096 } else { dice.pick(&[16, 32, 64]) },
            waiting_per_peer_max: if large { 64 } else { dice.pick(&[1, 2, 4]) },
            waiting_ms_max: 4_000,
            whole_actors_max: [2, 64, 0][(options.seed % 3) as usize],
            record_issued: true,
            ..ReplicaConfig::default()
        };
        let chunk_bytes =
            if large { 64 << 10 } else { usize::try_from(dice.within((100, 400))).expect("small") };
        // Rounds that wait find less, and less that is wrong.
        let pause_ms = if large { 100 } else { dice.pick(&[0, 0, 100]) };
        let scopes = ["default", "second"].map(|name| name.parse().expect("a scope name")).to_vec();
        Self {
            rules: options.break_rule.map(Rules::breaking).unwrap_or_default(),
            options: options.clone(),
            dice,
            now: Time::default().plus_ms(1_000),
            queue: Queue::default(),
            network: Network::new(Weather::fair()),
            hosts,
            habits: Habits { write_us: None, taste: Taste::Mixed, truncate_us: None, flush_us: (200, 5_000) },
            replica,
            chunk_bytes,
            pause_ms,
            scopes,
            oracle: Oracle::default(),
            liar: None,
            forged: 0,
            trace: Trace::new(dump),
            faults: BTreeMap::new(),
            violations: 0,
            first: Vec::new(),
            written: 0,
            events: 0,
            frames: 0,
            frames_lost: 0,
            #[cfg(test)]
            ended: Vec::new(),
        }
    }

    /// Puts the things in motion that go on by themselves.
    pub fn begin(&mut self) {
        for event in [Event::Write, Event::Truncate, Event::Check] {
            self.queue.push(self.now.plus_ms(100), event);
        }
    }

    pub fn run_for(&mut self, ms: u64) {
        let until = self.now.plus_ms(ms);
        while let Some((at, event)) = self.queue.pop(until) {
            self.now = at;
            self.events += 1;
            self.happen(event);
        }
        self.now = until;
    }

    /// A fault or another turn of fate, for the report.
    pub fn count(&mut self, what: &'static str) {
        if std::env::var("SIMDBG").is_ok() {
            eprintln!("{} {what}", self.now.0 / 1000);
        }
        *self.faults.entry(what).or_default() += 1;
    }

    pub fn trace_hash(&self) -> String {
        self.trace.digest()
    }

    pub fn find(&mut self, finding: Finding) {
        self.violations += 1;
        if self.first.len() < self.options.texts_max {
            self.first.push(Violation {
                at_ms: self.now.0 / 1_000,
                node: finding.node,
                invariant: finding.invariant.to_owned(),
                text: finding.text,
            });
        }
    }

    /// Has enough been found?
    pub fn is_over(&self) -> bool {
        self.options.violations_max.is_some_and(|max| self.violations >= max)
    }

    pub fn running(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|at| self.hosts[*at].process.is_some()).collect()
    }

    pub fn node(&self, at: usize) -> Option<&Node> {
        self.hosts[at].process.as_ref().map(|process| &process.node)
    }

    pub fn scene(&self) -> Scene<'_> {
        let member = |(at, host): (usize, &'_ Host)| {
            let process = host.process.as_ref()?;
            Some((at, process.pending.is_empty()))
        };
        let up: Vec<(usize, bool)> = self.hosts.iter().enumerate().filter_map(member).collect();
        let members =
            up.into_iter().map(|(at, certain)| Member { at, certain, node: self.node(at).expect("it runs") });
        let wall_ms = WallClock::default().read(self.now).wall_ms;
        Scene::new(members.collect(), &self.oracle, &self.scopes, wall_ms)
    }

    pub fn check_running(&mut self) {
        let findings = invariants::check_running(&self.scene());
        findings.into_iter().for_each(|finding| self.find(finding));
    }

    /// Calls a node, and carries out what it wants.
    pub fn call<R>(&mut self, at: usize, f: impl FnOnce(&mut Node, Now, &mut Vec<Effect>) -> R) -> Option<R> {
        let host = &mut self.hosts[at];
        let process = host.process.as_mut()?;
        let now = host.clock.read(self.now);
        process.wall_ms_max = process.wall_ms_max.max(now.wall_ms);
        let mut fx = Vec::new();
        let out = f(&mut process.node, now, &mut fx);
        self.release_by_chance(at, now, &mut fx);
        self.follow(at, &[]);
        self.carry_out(at, fx);
        self.set_tick(at);
        Some(out)
    }

    fn release_by_chance(&mut self, at: usize, now: Now, fx: &mut Vec<Effect>) {
        let node = &mut self.hosts[at].process.as_mut().expect("it was just called").node;
        if node.is_gathering() && self.dice.percent(IDLE_PERCENT) {
            node.release(now, fx);
        }
    }

    /// One transaction at a node. Returns whether something was written.
    pub fn write(&mut self, at: usize, scope: &ScopeName, steps: &[workload::Step]) -> bool {
        let host = &mut self.hosts[at];
        let Some(process) = host.process.as_mut() else { return false };
        let now = host.clock.read(self.now);
        process.wall_ms_max = process.wall_ms_max.max(now.wall_ms);
        let (mut fx, mut amounts) = (Vec::new(), Vec::new());
        let written = process.node.write(scope, now, &mut fx, |tx| {
            for step in steps {
                if step.perform(tx).is_ok()
                    && let Some(n) = step.adds()
                {
                    amounts.push((tx.len() - 1, n));
                }
            }
            Ok(())
        });
        let ticket = written.ok().filter(|written| written.batch.is_some()).map(|written| written.ticket);
        let issued = self.follow(at, &amounts);
        if let (Some(ticket), Some(no)) = (ticket, issued.first()) {
            let process = self.hosts[at].process.as_mut().expect("it was just called");
            process.unacked.entry(ticket).or_default().push(*no);
            self.written += 1;
        }
        self.release_by_chance(at, now, &mut fx);
        self.carry_out(at, fx);
        self.set_tick(at);
        ticket.is_some()
    }

    /// A random transaction at a node.
    pub fn write_something(&mut self, at: usize) -> bool {
        let wall_ms = self.hosts[at].clock.read(self.now).wall_ms;
        let steps = workload::transaction(&mut self.dice, self.habits.taste, wall_ms);
        let scope = self.scopes[usize::from(self.dice.percent(15))].clone();
        self.write(at, &scope, &steps)
    }

    /// A node forgets all but the newest removals.
    pub fn forget_removals(&mut self, at: usize, keep: usize) {
        let scopes = self.scopes.clone();
        self.call(at, |node, _, _| {
            for scope in &scopes {
                node.replica_mut(scope).into_iter().for_each(|replica| replica.truncate_removals(keep));
            }
        });
    }

    /// Starts a machine from what its disk holds. Returns whether its life goes on.
    pub fn start(&mut self, at: usize, damaged: Option<&(damson_core::persist::Table, Bytes)>) -> bool {
        let config = self.config_of(at);
        let rng = self.dice.fork();
        let host = &mut self.hosts[at];
        let now = host.clock.read(self.now);
        let mark = host.disk.mark.take();
        let mut boot = Boot::new(config, host.id, rng);
        for ((table, key), value) in host.disk.rows() {
            if damaged.is_some_and(|row| (row.0, &row.1) == (*table, key)) {
                boot.damaged("a row fails its checksum".into());
            } else {
                boot.row(*table, key, value);
            }
        }
        if boot.is_forgotten() {
            self.count("forgotten members that begin empty");
            self.replace_disk(at, crate::disk::Image::empty());
            return self.start(at, None);
        }
        let started = boot.finish(mark.as_deref(), now);
        host.boots += 1;
        if started.damage.is_some() {
            host.disk.replace(crate::disk::Image::empty());
        }
        let stored = std::mem::take(&mut host.pending);
        let life = started.node.life();
        let mut process = Process {
            node: started.node,
            boot: host.boots,
            life,
            tick: None,
            spins: 0,
            wall_ms_max: now.wall_ms,
            unacked: BTreeMap::new(),
            awaits_disk: BTreeSet::new(),
            pending: Vec::new(),
            unproven: started.continued,
        };
        process.take_over(stored, &mut self.oracle);
        host.process = Some(process);
        self.trace.note(self.now.0, at, "start", &life.0.to_be_bytes());
        self.follow(at, &[]);
        self.carry_out(at, started.effects);
        self.set_tick(at);
        started.continued
    }

    /// The process at a machine ends; its links break, at the other end after a while.
    pub fn end_process(&mut self, at: usize, silent: bool) -> Option<Process> {
        let process = self.hosts[at].process.take()?;
        self.trace.note(self.now.0, at, "end", &[]);
        for link in self.network.at(at) {
            let end = self.network.remove(link).expect("listed");
            let after_ms = if silent { (500, 15_000) } else { (1, 30) };
            let after = self.dice.within(after_ms);
            self.set_down(end.other, self.now.plus_ms(after));
        }
        Some(process)
    }

    /// Links across a cut break after a while, each end for itself; some outlive it.
    pub fn break_severed(&mut self) {
        for link in self.network.severed() {
            if self.dice.percent(85) {
                let after = self.dice.within((200, 6_000));
                self.set_down(link, self.now.plus_ms(after));
            }
        }
    }

    fn config_of(&self, at: usize) -> Config {
        let mut config = Config::new(address(at), "simulated");
        config.address = address(at);
        config.contacts = (0..self.hosts.len().min(2)).map(address).collect();
        config.clock_drift_ms_max = DRIFT_MS_MAX;
        config.replica = self.replica.clone();
        config.sync.chunk_bytes = self.chunk_bytes;
        config.sync.pause_ms = self.pause_ms;
        config.ended_ms = 500;
        config.rules = self.rules;
        config
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Frame { link, frame } => self.frame_arrives(link, frame),
            Event::LinkDown { link } => self.link_breaks(link),
            Event::Dialed { from, boot, address } => self.dialed(from, boot, address),
            Event::DialFailed { from, boot, address } => {
                if self.is_current(from, boot) {
                    self.input(
                        from,
                        "dial failed",
                        address.clone().as_bytes(),
                        Input::DialFailed { address },
                    );
                }
            }
            Event::Tick { at, boot, due } => self.tick(at, boot, due),
            Event::Flushed { at, disk, groups } => self.flushed(at, disk, groups),
            Event::Reborn { at, boot } => {
                if self.is_current(at, boot) {
                    self.crash(at);
                    self.start(at, None);
                }
            }
            Event::Lie => self.lie(),
            Event::Write => self.somebody_writes(),
            Event::Truncate => self.somebody_forgets(),
            Event::Check => {
                self.check_running();
                self.queue.push(self.now.plus_ms(self.options.check_ms), Event::Check);
            }
        }
    }

    fn is_current(&self, at: usize, boot: u64) -> bool {
        self.hosts[at].process.as_ref().is_some_and(|process| process.boot == boot)
    }

    fn input(&mut self, at: usize, what: &str, bytes: &[u8], input: Input) {
        self.trace.note(self.now.0, at, what, bytes);
        self.call(at, |node, now, fx| node.handle(input, now, fx));
    }

    fn frame_arrives(&mut self, link: LinkId, frame: Bytes) {
        let Some(end) = self.network.ends.get(&link) else { return };
        let (at, peer) = (end.host, end.peer);
        if self.liar_takes(link, at, peer, &frame) {
            return;
        }
        let from = self.hosts[peer].id;
        let sure = self.network.between(at, peer) == 1
            && self.node(at).is_some_and(|node| node.peers().any(|p| p == from));
        let pushed = if sure { pushed_by(&frame, &self.replica) } else { None };
        self.input(at, "frame", &frame.clone(), Input::Frame { link, frame });
        let Some((scope, batches)) = pushed.filter(|(scope, _)| !scope.is_system()) else { return };
        let Some(node) = self.node(at) else { return };
        let findings: Vec<Finding> =
            batches.iter().filter_map(|batch| invariants::check_push(at, node, &scope, batch)).collect();
        findings.into_iter().for_each(|finding| self.find(finding));
    }

    fn link_breaks(&mut self, link: LinkId) {
        let Some(end) = self.network.remove(link) else { return };
        // A broken connection shows at the other end as well, sooner or later.
        let after = self.dice.within((1, 2_000));
        self.set_down(end.other, self.now.plus_ms(after));
        self.input(end.host, "link down", &[], Input::LinkDown { link });
    }

    fn set_down(&mut self, link: LinkId, at: Time) {
        if let Some(end) = self.network.ends.get_mut(&link).filter(|end| !end.dying) {
            end.dying = true;
            let after_all = at.max(Time(end.latest.0 + 1));
            self.queue.push(after_all, Event::LinkDown { link });
        }
    }

    fn dialed(&mut self, from: usize, boot: u64, dialed: String) {
        if !self.is_current(from, boot) {
            return;
        }
        let target = (0..self.hosts.len()).find(|at| address(*at) == dialed);
        let reachable = target.filter(|to| {
            let open = !self.network.is_blocked(from, *to) && !self.network.is_blocked(*to, from);
            open && self.hosts[*to].process.is_some()
        });
        let Some(to) = reachable else {
            let after = self.dice.within((1, 1_000));
            self.queue.push(self.now.plus_ms(after), Event::DialFailed { from, boot, address: dialed });
            return;
        };
        let (here, there) = self.network.connect(from, to);
        let (dialer, target) = (self.hosts[from].id, self.hosts[to].id);
        self.input(to, "link up", &dialer.0, Input::LinkUp { link: there, peer: dialer, dialed: None });
        self.input(
            from,
            "link up",
            &target.0,
            Input::LinkUp { link: here, peer: target, dialed: Some(dialed) },
        );
    }

    fn tick(&mut self, at: usize, boot: u64, due: Time) {
        let Some(process) = self.hosts[at].process.as_mut() else { return };
        if process.boot != boot || process.tick != Some(due) {
            return;
        }
        process.tick = None;
        self.input(at, "tick", &[], Input::Tick);
        let Some(process) = self.hosts[at].process.as_mut() else { return };
        process.spins = if process.node.deadline() <= self.now { process.spins + 1 } else { 0 };
        let finding = invariants::check_timers(at, process.spins);
        finding.into_iter().for_each(|finding| self.find(finding));
    }

    fn flushed(&mut self, at: usize, generation: u64, groups: u64) {
        let host = &mut self.hosts[at];
        if host.disk.generation != generation {
            return;
        }
        let (ticket, more) = host.disk.flushed(groups);
        self.trace.note(self.now.0, at, "flushed", &groups.to_be_bytes());
        if let (Some(ticket), Some(process)) = (ticket, host.process.as_mut()) {
            let later = process.unacked.split_off(&(ticket + 1));
            let acked: Vec<BatchNo> =
                std::mem::replace(&mut process.unacked, later).into_values().flatten().collect();
            acked.into_iter().for_each(|no| self.oracle.ack(no));
            let later = process.awaits_disk.split_off(&(ticket + 1));
            if !std::mem::replace(&mut process.awaits_disk, later).is_empty() {
                self.input(at, "persisted", &ticket.to_be_bytes(), Input::Persisted { ticket });
            }
        }
        if more {
            self.begin_flush(at);
        }
    }

    fn begin_flush(&mut self, at: usize) {
        let takes = self.dice.within(self.habits.flush_us);
        let disk = &self.hosts[at].disk;
        let event = Event::Flushed { at, disk: disk.generation, groups: disk.taken() };
        self.queue.push(Time(self.now.0 + takes), event);
    }

    fn somebody_writes(&mut self) {
        let running = self.running();
        let pause = match self.habits.write_us {
            Some(pause) if !running.is_empty() => {
                let at = self.dice.pick(&running);
                self.write_something(at);
                self.dice.within(pause)
            }
            _ => 50_000,
        };
        self.queue.push(Time(self.now.0 + pause), Event::Write);
    }

    fn somebody_forgets(&mut self) {
        let running = self.running();
        let pause = match self.habits.truncate_us {
            Some(pause) if !running.is_empty() => {
                let at = self.dice.pick(&running);
                let keep = self.dice.pick(&[0, 0, 2, 8]);
                self.forget_removals(at, keep);
                self.dice.within(pause)
            }
            _ => 50_000,
        };
        self.queue.push(Time(self.now.0 + pause), Event::Truncate);
    }

    /// After a node was called: which batches has it issued, and which authors have become certain?
    fn follow(&mut self, at: usize, amounts: &[Amount]) -> Vec<BatchNo> {
        let Some(process) = self.hosts[at].process.as_mut() else { return Vec::new() };
        let issued = process.node.take_issued();
        if !process.pending.is_empty() || process.life != process.node.life() {
            process.settle(&mut self.oracle);
        }
        let (mut numbers, mut findings) = (Vec::new(), Vec::new());
        for (scope, batch) in issued {
            findings.extend(invariants::check_clock(at, &batch, process.wall_ms_max, DRIFT_MS_MAX));
            if scope.is_system() {
                continue;
            }
            let unconfirmed = process.node.replica(&scope).is_some_and(|replica| replica.unconfirmed() > 0);
            let open = unconfirmed && batch.actor.life == process.life;
            let pending = self.oracle.pending(scope, batch, amounts.to_vec());
            numbers.push(pending.no);
            if open {
                process.pending.push(pending);
            } else {
                self.oracle.log(pending);
            }
        }
        findings.extend(invariants::check_numbers(at, &mut self.oracle));
        findings.into_iter().for_each(|finding| self.find(finding));
        numbers
    }

    fn carry_out(&mut self, at: usize, fx: Vec<Effect>) {
        for effect in fx {
            match effect {
                Effect::Send { link, lane, frame } => self.send(at, link, lane, frame),
                Effect::Dial { address } => {
                    let boot = self.hosts[at].boots;
                    let takes = 2 * self.network.delay_us(&mut self.dice);
                    self.queue.push(Time(self.now.0 + takes), Event::Dialed { from: at, boot, address });
                }
                Effect::Close { link } => self.close(link),
                Effect::AwaitDisk { ticket } => {
                    let process = self.hosts[at].process.as_mut();
                    process.into_iter().for_each(|process| _ = process.awaits_disk.insert(ticket));
                }
                Effect::Persist { ticket, rows, .. } => {
                    let written = Time(self.now.0 + self.dice.below(2_000));
                    if self.hosts[at].disk.write(rows, ticket, written) {
                        self.begin_flush(at);
                    }
                }
                // Nobody listens or calls.
                Effect::Changed { .. } | Effect::Cast { .. } | Effect::CastLost { .. } => {}
                Effect::Called { .. } | Effect::Returned { .. } => {}
                #[cfg(test)]
                Effect::Waited { wait, end } => self.wait_ended(at, wait, end),
                // Nobody waits but in tests.
                #[cfg(not(test))]
                Effect::Waited { .. } => {}
                Effect::Event(event) => self.told(at, &event),
            }
        }
    }

    #[cfg(test)]
    fn wait_ended(&mut self, at: usize, wait: u64, end: damson_core::node::Waited) {
        let Some(process) = self.hosts[at].process.as_ref() else { return };
        let context = process.node.replica(&self.scopes[0]).map(|replica| replica.context().clone());
        self.ended.push((at, process.boot, wait, end, context.unwrap_or_default()));
    }

    fn send(&mut self, at: usize, link: LinkId, lane: Lane, frame: Bytes) {
        self.frames += 1;
        self.trace.note(self.now.0, at, "send", &frame);
        let Some(end) = self.network.ends.get(&link) else { return };
        let peer = end.peer;
        if self.network.awaited == Some((at, peer)) && lane == Lane::Transfer && is_part(&frame) {
            self.network.awaited = None;
        }
        let frame = self.altered(at, link, frame);
        self.transmit(at, link, frame);
    }

    /// A frame goes on its way; it is lost, comes twice or is overtaken.
    pub fn transmit(&mut self, at: usize, link: LinkId, frame: Bytes) {
        let Some(end) = self.network.ends.get(&link) else { return };
        let (there, peer) = (end.other, end.peer);
        let Weather { loss, doubled, .. } = self.network.weather;
        let lost = self.dice.percent(loss) || self.network.is_blocked(at, peer);
        if lost || !self.network.ends.contains_key(&there) {
            self.frames_lost += 1;
            return;
        }
        let copies = if self.dice.percent(doubled) { 2 } else { 1 };
        for _ in 0..copies {
            let arrives = Time(self.now.0 + self.network.delay_us(&mut self.dice));
            let end = self.network.ends.get_mut(&there).expect("looked up above");
            end.latest = end.latest.max(arrives);
            self.queue.push(arrives, Event::Frame { link: there, frame: frame.clone() });
        }
    }

    /// What was sent before arrives before both ends go down.
    fn close(&mut self, link: LinkId) {
        let Some(end) = self.network.ends.get(&link) else { return };
        let other = end.other;
        self.set_down(other, Time(self.now.0 + 1_000));
        self.set_down(link, Time(self.now.0 + 1_000));
    }

    fn told(&mut self, at: usize, event: &NodeEvent) {
        self.trace.note(self.now.0, at, "event", format!("{event:?}").as_bytes());
        match event {
            NodeEvent::NewLife { .. } => self.count("a copy found out by a peer"),
            NodeEvent::FutureTime { .. } => self.count("times from the far future"),
            NodeEvent::ClockSuspect(true) => self.count("clocks in doubt"),
            NodeEvent::Forgotten => {
                let boot = self.hosts[at].boots;
                self.queue.push(self.now.plus_ms(5), Event::Reborn { at, boot });
            }
            _ => {}
        }
    }

    fn set_tick(&mut self, at: usize) {
        let Some(process) = self.hosts[at].process.as_mut() else { return };
        if process.unproven && process.node.peers().next().is_some() {
            process.unproven = false;
        }
        let due = process.node.deadline().max(Time(self.now.0 + 1_000));
        if process.tick.is_none_or(|set| due < set) {
            process.tick = Some(due);
            self.queue.push(due, Event::Tick { at, boot: process.boot, due });
        }
    }
}

fn host(seed: u64, at: usize) -> Host {
    let id = NodeId(xxh3_128(format!("{seed}/{at}").as_bytes()).to_be_bytes());
    Host {
        id,
        disk: Disk::default(),
        clock: WallClock::default(),
        process: None,
        pending: Vec::new(),
        gone: false,
        boots: 0,
    }
}

/// Where a machine listens.
fn address(at: usize) -> String {
    format!("node-{at}")
}

fn is_part(frame: &[u8]) -> bool {
    matches!(Message::decode(frame), Ok(Message::Sync(SyncMessage::Chunk { .. })))
}

fn pushed_by(frame: &[u8], config: &ReplicaConfig) -> Option<(ScopeName, Vec<Batch>)> {
    match Message::decode(frame).ok()? {
        Message::Push { scope, batches, .. } => {
            Some((scope, codec::decode_batches(&batches, &config.limits).ok()?))
        }
        _ => None,
    }
}
