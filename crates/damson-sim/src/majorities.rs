//! Majority writes and majority reads, through frames that are lost, doubled and overtaken, partitions, crashes and power
//! failures: what was acknowledged before a read began, the read has seen.

use std::collections::BTreeMap;

use damson_core::crdt::{Actor, DotRange};
use damson_core::node::{Ack, Waited};
use damson_core::wire::Have;

use crate::network::Weather;
use crate::options::ClusterOptions;
use crate::workload::{self, Taste};
use crate::world::World;

/// How long a write or read may take, in milliseconds.
const TIME_OUT_MS: u64 = 2_000;

/// A process, and one of its waits.
type Key = (usize, u64, u64);

struct Play {
    world: World<'static>,
    /// Writes under way, and the tickets that make them durable where they were written.
    writes: BTreeMap<Key, (Have, u64)>,
    reads: BTreeMap<Key, Vec<Have>>,
    /// Enough have it, but for the writer's own disk.
    unflushed: Vec<(usize, u64, u64, Have)>,
    acknowledged: Vec<Have>,
    read: usize,
    refused: usize,
    seed: u64,
}

impl Play {
    fn new(nodes: usize, seed: u64) -> Self {
        let mut world = World::new(&ClusterOptions { nodes, seed, ..ClusterOptions::default() }, None);
        world.begin();
        (0..nodes).for_each(|at| _ = world.start(at, None));
        world.run_for(8_000);
        // Slow disks: the power often fails before what was applied is there.
        world.habits.flush_us = (20_000, 600_000);
        Self {
            world,
            writes: BTreeMap::new(),
            reads: BTreeMap::new(),
            unflushed: Vec::new(),
            acknowledged: Vec::new(),
            read: 0,
            refused: 0,
            seed,
        }
    }

    fn boot(&self, at: usize) -> Option<u64> {
        self.world.hosts[at].process.as_ref().map(|process| process.boot)
    }

    fn write(&mut self, at: usize) {
        let wall_ms = self.world.hosts[at].clock.read(self.world.now).wall_ms;
        let steps = workload::transaction(&mut self.world.dice, Taste::Mixed, wall_ms);
        let scope = self.world.scopes[0].clone();
        if !self.world.write(at, &scope, &steps) {
            return;
        }
        let process = self.world.hosts[at].process.as_ref().expect("it has just written");
        let replica = process.node.replica(&scope).expect("it has just written");
        let (actor, boot) = (replica.actor(), process.boot);
        let last = replica.context().top(actor);
        let ticket = process.unacked.last_key_value().map_or(0, |(ticket, _)| *ticket);
        let write = Have { scope, actor, last };
        let asked = vec![write.clone()];
        let wait = self
            .world
            .call(at, |node, now, fx| node.await_ack(asked, Ack::Majority, Some(TIME_OUT_MS), now, fx));
        self.writes.insert((at, boot, wait.expect("it runs").expect("few wait")), (write, ticket));
    }

    fn read(&mut self, at: usize) {
        self.look();
        let boot = self.boot(at).expect("it runs");
        let scope = self.world.scopes[0].clone();
        let promised = self.acknowledged.clone();
        let wait =
            self.world.call(at, |node, now, fx| node.await_majority(&scope, Some(TIME_OUT_MS), now, fx));
        self.reads.insert((at, boot, wait.expect("it runs").expect("few wait")), promised);
    }

    /// What has ended since?
    fn look(&mut self) {
        for (at, boot, wait, end, context) in std::mem::take(&mut self.world.ended) {
            let key = (at, boot, wait);
            let reached = matches!(end, Waited::Reached { .. });
            self.refused += usize::from(!reached);
            if let Some((write, ticket)) = self.writes.remove(&key).filter(|_| reached) {
                self.unflushed.push((at, boot, ticket, write));
            }
            let Some(promised) = self.reads.remove(&key).filter(|_| reached) else { continue };
            for Have { actor, last, .. } in promised {
                let range = DotRange { actor, first: 1, last };
                assert!(
                    context.contains_range(range),
                    "seed {}: the read at {at} lacks {range:?}",
                    self.seed
                );
            }
            self.read += 1;
        }
        for (at, boot, ticket, write) in std::mem::take(&mut self.unflushed) {
            let Some(process) = self.world.hosts[at].process.as_ref().filter(|process| process.boot == boot)
            else {
                // It was never acknowledged.
                continue;
            };
            if process.unacked.first_key_value().is_some_and(|(first, _)| *first <= ticket) {
                self.unflushed.push((at, boot, ticket, write));
            } else {
                self.acknowledged.push(write);
            }
        }
    }

    /// The cluster falls in two.
    fn divide(&mut self) {
        self.world.network.heal();
        let mut order: Vec<usize> = (0..self.world.hosts.len()).collect();
        self.world.dice.shuffle(&mut order);
        let (left, right) = order.split_at(1 + self.world.dice.index(order.len() - 1));
        left.iter().for_each(|a| right.iter().for_each(|b| self.world.network.cut(*a, *b)));
        self.world.break_severed();
    }

    fn turn(&mut self) {
        let nodes = self.world.hosts.len();
        match self.world.dice.below(7) {
            0 | 1 => self.divide(),
            2 => {
                let loss = self.world.dice.within((5, 30));
                self.world.network.weather = Weather { loss, doubled: 10, delay_us: (1_000, 250_000) };
            }
            3 | 4 => {
                // Some are back at once, among others than before.
                for at in 0..nodes {
                    match self.world.dice.below(4) {
                        0 => self.world.crash(at),
                        1 => self.world.power_failure(at),
                        _ => continue,
                    }
                    if self.world.dice.percent(70) {
                        self.world.start(at, None);
                    }
                }
                if self.world.dice.percent(70) {
                    self.divide();
                }
            }
            _ => {
                self.world.network.heal();
                self.world.network.weather = Weather::fair();
                let stopped: Vec<usize> =
                    (0..nodes).filter(|at| self.world.hosts[*at].process.is_none()).collect();
                stopped.into_iter().for_each(|at| _ = self.world.start(at, None));
            }
        }
        for _ in 0..12 {
            let running = self.world.running();
            if !running.is_empty() {
                let at = self.world.dice.pick(&running);
                if self.world.dice.percent(50) { self.write(at) } else { self.read(at) }
            }
            let pause = self.world.dice.below(500);
            self.world.run_for(pause);
            self.look();
        }
    }
}

#[test]
fn every_majority_read_sees_what_a_majority_has_acknowledged_before() {
    let (mut read, mut refused, mut acknowledged) = (0, 0, 0);
    for seed in 0..8 {
        let mut play = Play::new([3, 4, 5][seed as usize % 3], seed);
        (0..40).for_each(|_| play.turn());
        assert_eq!(play.world.violations, 0, "seed {seed}: {:#?}", play.world.first);
        let authors: std::collections::BTreeSet<Actor> =
            play.acknowledged.iter().map(|write| write.actor).collect();
        assert!(authors.len() > 3, "seed {seed}: lives end and others begin");
        read += play.read;
        refused += play.refused;
        acknowledged += play.acknowledged.len();
    }
    println!("{acknowledged} writes acknowledged, {read} reads, {refused} refused");
    assert!(acknowledged > 300 && read > 300 && refused > 100, "{acknowledged} {read} {refused}");
}
