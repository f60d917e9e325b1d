//! The simulated world: nodes, links with delays and losses, and what is going to happen.

use bytes::Bytes;
use damson_core::node::{Boot, Config, Effect, Event as Told, Input, LinkId, Node};
use damson_core::time::{Now, Time};
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use xxhash_rust::xxh3::Xxh3;

use super::inbox::{Inbox, Queued, SERVICE_US};
use super::links::{LinkTable, is_dialers, other_end};
use super::names::{address_of, at_address, id_of, sources};
use super::network::Network;
use super::queue::{Event, FrameNo, Queue};
use super::traffic::Traffic;
use crate::clock::WallClock;
use crate::dice::Dice;

/// Who sees what happens.
pub(crate) trait Witness {
    /// A frame has come to a living node.
    fn frame(&mut self, _frame: &[u8]) {}

    /// A node sends a frame, whether or not it arrives.
    fn sent(&mut self, _at: u32, _frame: &[u8], _now: Time) {}

    /// A node tells something.
    fn told(&mut self, at: u32, event: &Told, now: Time);
}

/// A node's place in the world.
#[derive(Debug)]
pub(crate) struct Host {
    /// `None` before it starts and after it crashed.
    pub node: Option<Box<Node>>,
    pub born: Option<Time>,
    pub died: Option<Time>,
    /// When others learn that it died.
    noticed: Time,
    /// The tick that counts; others are stale.
    tick: Time,
    /// The node's deadline, as it last said.
    due: Time,
    /// It starves: inputs wait here.
    inbox: Option<Inbox>,
}

/// Everything.
pub(crate) struct World<W> {
    pub network: Network,
    pub now: Time,
    pub hosts: Vec<Host>,
    pub traffic: Traffic,
    pub witness: W,
    pub events: u64,
    /// Frames for which starved nodes had no room.
    pub frames_dropped: u64,
    any_starves: bool,
    queue: Queue,
    links: LinkTable,
    /// What all nodes are told at their start, but for name, address and contact.
    template: Config,
    births: Dice,
    losses: ChaCha8Rng,
    trace: Xxh3,
    /// Kept for its memory.
    fx: Vec<Effect>,
}

/// A time that does not come: no tick is pending, nobody notices.
pub(crate) const NEVER: Time = Time(u64::MAX);
/// Timers of a real node do not ring more often either.
const TICK_US_MIN: u64 = 1_000;

impl<W: Witness> World<W> {
    /// A world for so many nodes, none of which has started.
    pub fn new(network: Network, template: Config, hosts: u32, witness: W) -> Self {
        let host = |_| Host {
            node: None,
            born: None,
            died: None,
            noticed: NEVER,
            tick: NEVER,
            due: NEVER,
            inbox: None,
        };
        let mut dice = Dice::new(network.seed);
        Self {
            now: Time(0),
            hosts: (0..hosts).map(host).collect(),
            traffic: Traffic::default(),
            witness,
            events: 0,
            frames_dropped: 0,
            any_starves: false,
            queue: Queue::default(),
            links: LinkTable::default(),
            template: Config { sources: Some(sources(network.seed, hosts)), ..template },
            losses: dice.fork(),
            births: dice,
            trace: Xxh3::new(),
            fx: Vec::new(),
            network,
        }
    }

    /// A node starts then.
    pub fn start_at(&mut self, when: Time, at: u32, contact: Option<u32>) {
        self.queue.push(when, Event::Start { at, contact });
    }

    pub fn run_until(&mut self, until: Time) {
        while let Some((at, event)) = self.queue.pop(until) {
            self.now = at;
            self.events += 1;
            self.happen(event);
        }
        self.now = until;
    }

    /// These nodes are gone; others learn of it at that time. Before, what they send there vanishes.
    pub fn crash(&mut self, nodes: &[u32], noticed: Time) {
        for at in nodes {
            let host = &mut self.hosts[*at as usize];
            (host.node, host.due) = (None, NEVER);
            host.died = Some(self.now);
            host.noticed = noticed;
            self.note(*at, b'X', 0);
        }
        let is_dead = |at: u32| self.hosts[at as usize].died.is_some();
        for end in self.links.ends_at(is_dead) {
            self.links.take_down(end);
            if noticed != NEVER && self.links.up(other_end(end)).is_some() {
                self.queue.push(noticed, Event::LinkDown { link: other_end(end) });
            }
        }
    }

    /// From now on these nodes starve.
    pub fn starve(&mut self, nodes: &[u32]) {
        self.any_starves |= !nodes.is_empty();
        nodes.iter().for_each(|at| self.hosts[*at as usize].inbox = Some(Inbox::default()));
    }

    pub fn living(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.hosts).filter(|(_, host)| host.node.is_some()).map(|(at, _)| at)
    }

    pub fn node(&self, at: u32) -> Option<&Node> {
        self.hosts[at as usize].node.as_deref()
    }

    /// The possible authors in the order of the table that all nodes share; of two with one key, the first.
    pub fn authors(&self) -> Vec<Option<u32>> {
        let table = self.template.sources.as_ref().expect("every world has one");
        let mut authors = vec![None; table.len()];
        let hosts = u32::try_from(self.hosts.len()).expect("hosts are numbered with 32 bits");
        for at in (0..hosts).rev() {
            let slot = table.number_of(id_of(self.network.seed, at)).expect("all are in it");
            authors[slot] = Some(at);
        }
        authors
    }

    /// Tells a node whose payloads do not go to this neighbour.
    pub fn plant(&mut self, at: u32, peer: u32, lazy: Vec<u64>) {
        let peer = id_of(self.network.seed, peer);
        if let Some(node) = &mut self.hosts[at as usize].node {
            node.plant(peer, lazy);
        }
    }

    pub fn wall_ms(&self) -> u64 {
        WallClock::default().read(self.now).wall_ms
    }

    /// A hash of everything that happened, in order, by time, node, kind and length.
    pub fn trace_hash(&self) -> String {
        format!("{:016x}", self.trace.digest())
    }

    fn note(&mut self, at: u32, what: u8, len: usize) {
        let mut bytes = [0; 17];
        bytes[..8].copy_from_slice(&self.now.0.to_le_bytes());
        bytes[8..12].copy_from_slice(&at.to_le_bytes());
        bytes[12] = what;
        bytes[13..].copy_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
        self.trace.update(&bytes);
    }

    fn happen(&mut self, event: Event) {
        match self.starved(event) {
            Some(at) => self.wait(at, event),
            None => self.handle(event),
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Frame { link, frame } => self.frame_arrives(link, frame),
            Event::LinkDown { link } => {
                if let Some(at) = self.links.take_down(link) {
                    self.input(at, b'D', Input::LinkDown { link });
                }
            }
            Event::LinkUp { link } => self.link_up(link),
            Event::Dialed { from, to } => self.dialed(from, to),
            Event::DialFailed { from, to } => {
                self.input(from, b'F', Input::DialFailed { address: address_of(to) });
            }
            Event::Tick { at } => {
                if self.rings(at) {
                    self.tick(at);
                }
            }
            Event::Persisted { at, ticket } => self.input(at, b'P', Input::Persisted { ticket }),
            Event::Start { at, contact } => self.start(at, contact),
            Event::Served { at } => self.served(at),
        }
    }

    /// The starved node for which this is an input.
    fn starved(&self, event: Event) -> Option<u32> {
        if !self.any_starves {
            return None;
        }
        let at = match event {
            Event::Frame { link, .. } | Event::LinkDown { link } | Event::LinkUp { link } => {
                self.links.node_at(link)?
            }
            Event::DialFailed { from: at, .. } | Event::Tick { at } | Event::Persisted { at, .. } => at,
            Event::Dialed { .. } | Event::Start { .. } | Event::Served { .. } => return None,
        };
        self.hosts[at as usize].inbox.as_ref().map(|_| at)
    }

    /// A starved node gets an input. A tick that waits still counts as pending, so that there is never a second one.
    fn wait(&mut self, at: u32, event: Event) {
        if matches!(event, Event::Tick { .. }) && !self.rings(at) {
            return;
        }
        let inbox = self.hosts[at as usize].inbox.as_mut().expect("it starves");
        match (inbox.put(event), event) {
            (Queued::Begins, _) => self.begin_service(at),
            (Queued::Full, Event::Frame { frame, .. }) => {
                self.queue.take_frame(frame);
                self.frames_dropped += 1;
            }
            _ => {}
        }
    }

    fn begin_service(&mut self, at: u32) {
        self.queue.push(Time(self.now.0 + SERVICE_US), Event::Served { at });
    }

    fn served(&mut self, at: u32) {
        let inbox = self.hosts[at as usize].inbox.as_mut().expect("it starves");
        let Some((event, more)) = inbox.take() else { return };
        match event {
            Event::Tick { .. } => self.tick(at),
            event => self.handle(event),
        }
        if more {
            self.begin_service(at);
        }
    }

    fn start(&mut self, at: u32, contact: Option<u32>) {
        let mut config = self.template.clone();
        (config.name, config.address) = (address_of(at), address_of(at));
        config.contacts = contact.map(address_of).into_iter().collect();
        let id = id_of(self.network.seed, at);
        let started = Boot::new(config, id, self.births.fork()).finish(None, self.clock());
        let host = &mut self.hosts[at as usize];
        host.due = started.node.deadline();
        host.node = Some(Box::new(started.node));
        host.born = Some(self.now);
        self.note(at, b'S', 0);
        started.effects.into_iter().for_each(|effect| self.carry_out(at, effect));
        self.set_tick(at);
    }

    fn frame_arrives(&mut self, link: LinkId, frame: FrameNo) {
        let frame = self.queue.take_frame(frame);
        let Some(at) = self.links.node_at(link) else { return };
        self.witness.frame(&frame);
        self.note(at, frame.get(1).copied().unwrap_or(u8::MAX), frame.len());
        self.call(at, |node, now, fx| node.handle(Input::Frame { link, frame }, now, fx));
    }

    /// Is this the tick that counts, and is something due?
    fn rings(&mut self, at: u32) -> bool {
        let host = &mut self.hosts[at as usize];
        if host.tick != self.now || host.node.is_none() {
            return false;
        }
        let due = host.due <= self.now;
        if !due {
            host.tick = NEVER;
            self.set_tick(at);
        }
        due
    }

    fn tick(&mut self, at: u32) {
        self.hosts[at as usize].tick = NEVER;
        self.input(at, b'T', Input::Tick);
    }

    fn dial(&mut self, from: u32, address: &str) {
        let to = at_address(address).filter(|to| (*to as usize) < self.hosts.len() && *to != from);
        let to = to.expect("nodes dial the addresses of others");
        let answer = Time(self.now.0 + 2 * self.network.delay_us(from, to));
        self.queue.push(answer, Event::Dialed { from, to });
    }

    /// Where nobody listens a dial is refused, but from a machine whose crash nobody has noticed comes no answer.
    fn dialed(&mut self, from: u32, to: u32) {
        if self.hosts[from as usize].node.is_none() {
            return;
        }
        let target = &self.hosts[to as usize];
        if target.node.is_none() {
            let noticed = if target.died.is_some() { target.noticed.max(self.now) } else { self.now };
            let given_up = Time(self.now.0.saturating_add(self.network.dial_timeout_us));
            self.queue.push(noticed.min(given_up), Event::DialFailed { from, to });
            return;
        }
        let (here, there) = self.links.connect(from, to, self.network.delay_us(from, to));
        self.happen(Event::LinkUp { link: there });
        self.happen(Event::LinkUp { link: here });
    }

    fn link_up(&mut self, link: LinkId) {
        let Some((at, other)) = self.links.nodes_of(link) else { return };
        let peer = id_of(self.network.seed, other);
        let dialed = is_dialers(link).then(|| address_of(other));
        self.input(at, b'U', Input::LinkUp { link, peer, dialed });
    }

    fn input(&mut self, at: u32, what: u8, input: Input) {
        self.note(at, what, 0);
        self.call(at, |node, now, fx| node.handle(input, now, fx));
    }

    fn clock(&self) -> Now {
        WallClock::default().read(self.now)
    }

    /// Calls a node that lives, and carries out what it wants.
    pub fn call<R>(&mut self, at: u32, f: impl FnOnce(&mut Node, Now, &mut Vec<Effect>) -> R) -> Option<R> {
        let now = self.clock();
        let node = self.hosts[at as usize].node.as_mut()?;
        let mut fx = std::mem::take(&mut self.fx);
        let out = f(node, now, &mut fx);
        // Links carry any number of frames at once.
        if node.is_gathering() {
            node.release(now, &mut fx);
        }
        self.hosts[at as usize].due = node.deadline();
        fx.drain(..).for_each(|effect| self.carry_out(at, effect));
        self.fx = fx;
        self.set_tick(at);
        Some(out)
    }

    fn carry_out(&mut self, at: u32, effect: Effect) {
        match effect {
            Effect::Send { link, frame, .. } => {
                self.witness.sent(at, &frame, self.now);
                self.send(link, frame);
            }
            Effect::Dial { address } => self.dial(at, &address),
            Effect::Close { link } => self.close(link),
            Effect::AwaitDisk { ticket } => self.queue.push(self.now, Event::Persisted { at, ticket }),
            Effect::Event(event) => self.witness.told(at, &event, self.now),
            Effect::Persist { .. } | Effect::Changed { .. } | Effect::Waited { .. } => {}
            Effect::Cast { .. } | Effect::CastLost { .. } => {}
            Effect::Called { .. } | Effect::Returned { .. } => {}
        }
    }

    fn send(&mut self, link: LinkId, frame: Bytes) {
        self.traffic.count(&frame);
        let Some(found) = self.links.up(link) else { return };
        let arrives = Time(self.now.0 + found.delay_us);
        if self.links.up(other_end(link)).is_some() && !self.is_lost() {
            self.queue.push_frame(arrives, other_end(link), frame);
        }
    }

    fn is_lost(&mut self) -> bool {
        let loss = self.network.loss_pct / 100.0;
        loss > 0.0 && (self.losses.next_u64() as f64) < loss * 2_f64.powi(64)
    }

    /// What was sent before arrives before the other end goes down; what comes the other way is lost.
    fn close(&mut self, link: LinkId) {
        let Some(found) = self.links.up(link) else { return };
        let there = Time(self.now.0 + found.delay_us);
        self.queue.push(self.now, Event::LinkDown { link });
        self.queue.push(there, Event::LinkDown { link: other_end(link) });
    }

    fn set_tick(&mut self, at: u32) {
        let host = &mut self.hosts[at as usize];
        let due = host.due.max(Time(self.now.0 + TICK_US_MIN));
        if due < host.tick {
            host.tick = due;
            self.queue.push(due, Event::Tick { at });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl Witness for Nobody {
        fn told(&mut self, _: u32, _: &Told, _: Time) {}
    }

    /// Two nodes that know each other.
    fn pair() -> World<Nobody> {
        let network =
            Network { seed: 1, delay_us: (1_000, 1_000), loss_pct: 0.0, dial_timeout_us: 5_000_000 };
        let mut world = World::new(network, Config::new("", "simulated"), 2, Nobody);
        world.start_at(Time(0), 0, None);
        world.start_at(Time(0), 1, Some(0));
        world.run_until(Time(3_000_000));
        assert!((0..2).all(|at| world.node(at).is_some_and(|node| node.roster().present() == 2)));
        world
    }

    fn sees_present(world: &World<Nobody>, at: u32) -> usize {
        world.node(at).map_or(0, |node| node.roster().present())
    }

    #[test]
    fn inputs_of_a_starved_node_wait_until_it_is_free() {
        let mut world = pair();
        world.starve(&[1]);
        let begun = world.now;
        (0..1_000).for_each(|_| world.queue.push(begun, Event::Persisted { at: 1, ticket: 0 }));
        let waiting = |world: &World<Nobody>| world.hosts[1].inbox.as_ref().unwrap().waiting();
        world.run_until(Time(begun.0 + 500 * SERVICE_US));
        assert!((500..600).contains(&waiting(&world)), "{}", waiting(&world));
        world.run_until(Time(begun.0 + 2_000 * SERVICE_US));
        assert!(waiting(&world) < 10, "{}", waiting(&world));
        assert_eq!((sees_present(&world, 0), world.frames_dropped), (2, 0));
    }

    #[test]
    fn a_crash_that_nobody_notices_shows_by_silence_later_than_one_that_breaks_links() {
        let dead_after_us = |noticed: fn(Time) -> Time| {
            let mut world = pair();
            let begun = world.now;
            world.crash(&[1], noticed(begun));
            while sees_present(&world, 0) == 2 {
                world.run_until(Time(world.now.0 + 10_000));
                assert!(world.now.0 < begun.0 + 60_000_000, "never dead");
            }
            world.now.0 - begun.0
        };
        assert!(dead_after_us(|now| now) < dead_after_us(|_| NEVER));
    }
}
