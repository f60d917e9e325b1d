//! The course of the experiment: nodes join, the overlay settles, some fail, messages are sent, the overlay heals.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use damson_core::time::Time;

use super::World;
use super::evidence::{Evidence, Lifetime, Survivors, closes};
use super::messages::{Message, Messages};
use super::observe::{self, cycle_us};
use super::options::{Detect, OverlayOptions, Senders};
use super::planting;
use super::snapshot::{Snapshot, knowledge};
use crate::dice::Dice;
use crate::swarm::{JOIN_US, Network, SwarmProgress, Teller, Traffic};

/// Cycles at the end of settling in which the idle traffic is measured.
const IDLE_CYCLES: u64 = 5;
/// Cycles after which an overlay that is not healed is given up.
const HEAL_CYCLES_MAX: u64 = 30;

/// Something that the experiment does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    /// The time of this message is over.
    Close(usize),
    /// Is all healed, this many cycles after the failures? If not, another probe.
    LookIfHealed(u64),
    Send,
    Crash,
    Join(u32),
}

struct Run<'a> {
    options: OverlayOptions,
    world: World,
    dice: Dice,
    agenda: BinaryHeap<Reverse<(Time, Action)>>,
    begun: Time,
    teller: Teller<'a>,
    /// The only sender.
    sender: Option<u32>,
    giant: Vec<u32>,
    /// The message that shows whether all is healed.
    watched: Option<usize>,
    healing_cycles: Option<u64>,
}

/// Runs the experiment. The world is returned for what else it knows.
pub(crate) fn play(options: &OverlayOptions, progress: &mut dyn FnMut(SwarmProgress)) -> (Evidence, World) {
    let mut run = Run::new(options, progress);
    run.join();
    let idle = run.settle();
    let settled = Snapshot::of(&run.world);
    run.plant(&settled);
    let tree_bytes = run.tree_bytes();
    let survivors = run.fail();
    let before = run.world.traffic.clone();
    run.plan();
    run.send_all();
    let mut world = run.world;
    let evidence = Evidence {
        options: options.clone(),
        lifetimes: world.hosts.iter().map(|host| Lifetime { born: host.born, died: host.died }).collect(),
        begun: run.begun,
        ended: world.now,
        settled,
        tree_bytes,
        survivors,
        at_end: Snapshot::of(&world),
        healing_cycles: run.healing_cycles,
        idle,
        message_phase: world.traffic.since(&before),
        traffic: world.traffic.clone(),
        missing: missing(&world),
        messages: std::mem::take(&mut world.witness).list,
        events: world.events,
        trace_hash: world.trace_hash(),
    };
    (evidence, world)
}

/// Messages that living nodes lack, however they might have come.
fn missing(world: &World) -> Vec<(usize, u32)> {
    let (messages, wall_ms) = (&world.witness.list, world.wall_ms());
    let proper = messages.iter().enumerate().filter(|(_, message)| !message.probe);
    let lacking = |(number, _): (usize, _)| {
        let lacks = move |at: &u32| world.node(*at).is_some_and(|n| !observe::holds(n, number, wall_ms));
        world.living().filter(lacks).map(move |at| (number, at))
    };
    proper.flat_map(lacking).collect()
}

/// Cycles that have begun before the last message is sent.
fn message_cycles(options: &OverlayOptions) -> u64 {
    let last_us = (options.messages as u64).saturating_sub(1) * options.pause_us();
    if options.messages == 0 { 0 } else { last_us / cycle_us() + 1 }
}

impl<'a> Run<'a> {
    fn new(options: &OverlayOptions, progress: &'a mut dyn FnMut(SwarmProgress)) -> Self {
        let newcomers = message_cycles(options) * options.churn as u64;
        let all = options.nodes as u64 + newcomers;
        let begun = Time(options.nodes as u64 * JOIN_US + options.cycles * cycle_us());
        let last_us = (options.messages as u64).saturating_sub(1) * options.pause_us();
        let network = Network {
            seed: options.seed,
            delay_us: options.delay_us,
            loss_pct: options.loss_pct,
            // A dial waits until the crash is noticed.
            dial_timeout_us: u64::MAX,
        };
        let hosts = u32::try_from(all).expect("nodes are numbered with 32 bits");
        Self {
            options: options.clone(),
            world: World::new(network, observe::config(options), hosts, Messages::default()),
            dice: Dice::new(options.seed ^ 0x0F_A7E5),
            agenda: BinaryHeap::new(),
            begun,
            teller: Teller { planned: closes(Time(begun.0 + last_us), begun), progress },
            sender: None,
            giant: Vec::new(),
            watched: None,
            healing_cycles: None,
        }
    }

    fn run_until(&mut self, phase: &'static str, until: Time) {
        self.teller.run_until(&mut self.world, phase, until);
    }

    fn join(&mut self) {
        let nodes = u32::try_from(self.options.nodes).expect("checked");
        self.teller.join(&mut self.world, nodes);
    }

    fn settle(&mut self) -> (Traffic, u64) {
        let idle_us = self.options.cycles.min(IDLE_CYCLES) * cycle_us();
        self.run_until("settle", Time(self.begun.0 - idle_us));
        let before = self.world.traffic.clone();
        self.run_until("settle", self.begun);
        (self.world.traffic.since(&before), idle_us)
    }

    /// Beyond some size trees are not told, but planted.
    fn plant(&mut self, settled: &Snapshot) {
        if !self.options.has_grown_trees() {
            return;
        }
        let Snapshot { living, overlay, .. } = settled;
        let authors = self.world.authors();
        let place =
            |at: u32| living.binary_search(&at).ok().map(|place| u32::try_from(place).expect("32 bits"));
        let authors: Vec<_> = authors.into_iter().map(|at| place(at?)).collect();
        let mut lazy = planting::lazy_links(overlay, &authors);
        for node in overlay.nodes() {
            for (arc, neighbor) in overlay.arcs(node) {
                let (at, peer) = (living[node as usize], living[neighbor as usize]);
                self.world.plant(at, peer, std::mem::take(&mut lazy[arc]));
            }
        }
    }

    /// What the trees take, in all nodes.
    fn tree_bytes(&self) -> usize {
        let nodes = self.world.living().filter_map(|at| self.world.node(at));
        nodes.map(|node| node.broadcast().tree_bytes()).sum()
    }

    fn fail(&mut self) -> Survivors {
        let mut nodes: Vec<u32> = self.world.living().collect();
        self.dice.shuffle(&mut nodes);
        let failed: Vec<u32> = nodes.drain(..self.options.failures()).collect();
        nodes.sort_unstable();
        let noticed = self.noticed(self.world.now);
        self.world.crash(&failed, noticed);
        let knowledge = knowledge(&self.world, &nodes);
        let components = knowledge.components();
        let largest = components.largest();
        let is_in = |(_, of): &(&u32, &u32)| Some(**of) == largest;
        let giant: Vec<u32> = nodes.iter().zip(&components.of).filter(is_in).map(|(at, _)| *at).collect();
        self.giant.clone_from(&giant);
        // What is noticed at once is noticed before the first message.
        self.world.run_until(self.begun);
        Survivors { nodes, knowledge, giant }
    }

    fn noticed(&self, died: Time) -> Time {
        match self.options.detect {
            Detect::Instant => died,
            Detect::Cycle => {
                let cycles = died.0.saturating_sub(self.begun.0) / cycle_us() + 1;
                Time(self.begun.0 + cycles * cycle_us())
            }
            Detect::After(ms) => died.plus_ms(ms),
        }
    }

    /// Messages in their rhythm; in each cycle crashes and joins at random times.
    fn plan(&mut self) {
        let OverlayOptions { churn, messages, senders, nodes, .. } = self.options;
        if senders == Senders::One {
            self.sender = Some(self.dice.pick(&self.giant));
        }
        let pause_us = self.options.pause_us();
        for number in 0..messages as u64 {
            self.agenda.push(Reverse((Time(self.begun.0 + number * pause_us), Action::Send)));
        }
        let mut newcomer = u32::try_from(nodes).expect("checked");
        for cycle in 0..message_cycles(&self.options) {
            let from = self.begun.0 + cycle * cycle_us();
            for _ in 0..churn {
                let (crash, join) = (self.dice.below(cycle_us()), self.dice.below(cycle_us()));
                self.agenda.push(Reverse((Time(from + crash), Action::Crash)));
                self.agenda.push(Reverse((Time(from + join), Action::Join(newcomer))));
                newcomer += 1;
            }
        }
        if messages == 0 && self.options.failures() > 0 {
            self.send_probe();
        }
        if messages > 0 || self.watched.is_some() {
            self.agenda.push(Reverse((Time(self.begun.0 + cycle_us()), Action::LookIfHealed(1))));
        }
    }

    fn send_all(&mut self) {
        while let Some(Reverse((when, action))) = self.agenda.pop() {
            let phase = if self.world.now < self.teller.planned { "messages" } else { "heal" };
            self.run_until(phase, when);
            match action {
                Action::LookIfHealed(cycle) => self.look_if_healed(cycle),
                Action::Close(number) => self.close(number),
                Action::Send => self.send(),
                Action::Crash => self.crash_one(),
                Action::Join(at) => {
                    let contact = self.random_living();
                    self.world.start_at(when, at, Some(contact));
                }
            }
        }
    }

    fn random_living(&mut self) -> u32 {
        let living: Vec<u32> = self.world.living().collect();
        self.dice.pick(&living)
    }

    fn send(&mut self) {
        let sender = match self.sender {
            Some(sender) => sender,
            None => self.random_living(),
        };
        self.write(sender, false);
        if self.watched.is_some() {
            return;
        }
        // Healing is looked for where it can be: a sender outside would tell nothing.
        if self.giant.binary_search(&sender).is_ok() {
            self.watched = Some(self.world.witness.next() - 1);
        } else {
            self.send_probe();
        }
    }

    fn send_probe(&mut self) {
        let living: Vec<u32> =
            self.giant.iter().copied().filter(|at| self.world.node(*at).is_some()).collect();
        if !living.is_empty() {
            let sender = self.dice.pick(&living);
            self.write(sender, true);
            self.watched = Some(self.world.witness.next() - 1);
        }
    }

    fn write(&mut self, sender: u32, probe: bool) {
        let (living, overlay) = Snapshot::overlay_of(&self.world);
        let place = living.binary_search(&sender).expect("senders live");
        let root = u32::try_from(place).expect("nodes are numbered with 32 bits");
        let delay_us = |a: u32, b: u32| self.world.network.delay_us(living[a as usize], living[b as usize]);
        let message = Message {
            sender,
            sent: self.world.now,
            probe,
            eccentricity: overlay.distances(&[root]).eccentricities[0],
            farthest_us: overlay.farthest(root, delay_us),
            payloads: 0,
            held: None,
            deliveries: Vec::new(),
        };
        let (number, closes) = (self.world.witness.next(), closes(message.sent, self.begun));
        self.agenda.push(Reverse((closes, Action::Close(number))));
        self.world.write(message);
    }

    fn close(&mut self, number: usize) {
        let (sent, wall_ms) = (self.world.witness.list[number].sent, self.world.wall_ms());
        let (mut held, mut living) = (0, 0);
        for host in self.world.hosts.iter().filter(|host| host.born.is_some_and(|born| born <= sent)) {
            let Some(node) = host.node.as_deref() else { continue };
            living += 1;
            held += u64::from(observe::holds(node, number, wall_ms));
        }
        self.world.witness.list[number].held = Some((held, living));
    }

    fn look_if_healed(&mut self, cycle: u64) {
        let Some(watched) = self.watched.map(|number| &self.world.witness.list[number]) else { return };
        let living = |at: &&u32| self.world.node(**at).is_some();
        if self.giant.iter().filter(living).all(|at| watched.reached(*at, u64::MAX)) {
            self.healing_cycles = Some(cycle - 1);
        } else if self.options.failures() > 0 && cycle <= HEAL_CYCLES_MAX {
            self.send_probe();
            let next = Time(self.world.now.0 + cycle_us());
            self.agenda.push(Reverse((next, Action::LookIfHealed(cycle + 1))));
        }
    }

    /// The only sender stays.
    fn crash_one(&mut self) {
        let living: Vec<u32> = self.world.living().filter(|at| Some(*at) != self.sender).collect();
        let at = self.dice.pick(&living);
        let noticed = self.noticed(self.world.now);
        self.world.crash(&[at], noticed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_with_messages_are_counted() {
        let options = |messages, rate| OverlayOptions { messages, rate, ..OverlayOptions::default() };
        assert_eq!(message_cycles(&options(0, 1.0)), 0);
        assert_eq!(message_cycles(&options(1, 1.0)), 1);
        assert_eq!(message_cycles(&options(10, 1.0)), 1);
        assert_eq!(message_cycles(&options(11, 1.0)), 2);
    }
}
