//! The simulated world of the experiment: nodes, links with delays and losses, and what is going to happen.
//!
//! It stands where a node's driver stands, as the cluster simulator's world does, and is kept lean: ten thousand nodes make
//! a hundred thousand events in each second. Disks write at once, wall clocks are right.

use std::sync::Arc;

use bytes::Bytes;
use damson_core::broadcast::SourceTable;
use damson_core::node::{Boot, Effect, Input, LinkId, Node};
use damson_core::time::{Now, Time};
use damson_crdt::Limits;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use super::links::{LinkTable, other_end};
use super::messages::{Message, Messages};
use super::observe;
use super::options::OverlayOptions;
use super::queue::{Event, FrameNo, Queue};
use super::traffic::Traffic;
use crate::clock::WallClock;
use crate::dice::Dice;

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
}

/// Everything.
pub(crate) struct World {
    pub options: OverlayOptions,
    pub now: Time,
    pub hosts: Vec<Host>,
    pub traffic: Traffic,
    pub messages: Messages,
    pub events: u64,
    queue: Queue,
    links: LinkTable,
    sources: Arc<SourceTable>,
    limits: Limits,
    births: Dice,
    losses: ChaCha8Rng,
    trace: Xxh3,
    /// Kept for its memory.
    fx: Vec<Effect>,
}

/// No tick is pending.
const NEVER: Time = Time(u64::MAX);
/// Timers of a real node do not ring more often either.
const TICK_US_MIN: u64 = 1_000;
/// Of a message's value.
const VALUE_BYTES: usize = 100;

impl World {
    /// A world for so many nodes, none of which has started.
    pub fn new(options: &OverlayOptions, hosts: u32) -> Self {
        let host = |_| Host { node: None, born: None, died: None, noticed: NEVER, tick: NEVER };
        let mut dice = Dice::new(options.seed);
        Self {
            options: options.clone(),
            now: Time(0),
            hosts: (0..hosts).map(host).collect(),
            traffic: Traffic::default(),
            messages: Messages::default(),
            events: 0,
            queue: Queue::default(),
            links: LinkTable::default(),
            sources: observe::sources(options.seed, hosts),
            limits: Limits::default(),
            losses: dice.fork(),
            births: dice,
            trace: Xxh3::new(),
            fx: Vec::new(),
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

    /// These nodes are gone; others learn of it at that time.
    pub fn crash(&mut self, nodes: &[u32], noticed: Time) {
        for at in nodes {
            let host = &mut self.hosts[*at as usize];
            host.node = None;
            host.died = Some(self.now);
            host.noticed = noticed;
            self.note(*at, b'X', 0);
        }
        let is_dead = |at: u32| self.hosts[at as usize].died.is_some();
        for end in self.links.ends_at(is_dead) {
            self.links.take_down(end);
            if self.links.up(other_end(end)).is_some() {
                self.queue.push(noticed, Event::LinkDown { link: other_end(end) });
            }
        }
    }

    /// A node writes a message of which all but the deliveries is known.
    pub fn write(&mut self, message: Message) {
        let (number, at) = (self.messages.next(), message.sender);
        let mut value = format!("{number} ").into_bytes();
        value.resize(VALUE_BYTES, b'.');
        let written = self.call(at, |node, now, fx| {
            node.write(&observe::scope(), now, fx, |tx| {
                tx.put_register(&observe::slot(number), value.into(), None)
            })
        });
        let batch = written.and_then(|written| written.ok()?.batch).expect("a living node writes");
        self.messages.sent(message, batch.last());
    }

    pub fn living(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.hosts).filter(|(_, host)| host.node.is_some()).map(|(at, _)| at)
    }

    pub fn node(&self, at: u32) -> Option<&Node> {
        self.hosts[at as usize].node.as_deref()
    }

    pub fn wall_ms(&self) -> u64 {
        WallClock::default().read(self.now).wall_ms
    }

    /// How long a frame takes between these two, in microseconds: always the same.
    pub fn delay_us(&self, a: u32, b: u32) -> u64 {
        let (shortest, longest) = self.options.delay_us;
        let pair = u64::from(a.min(b)) << 32 | u64::from(a.max(b));
        shortest + xxh3_64_with_seed(&pair.to_le_bytes(), self.options.seed) % (longest - shortest + 1)
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
        match event {
            Event::Frame { link, frame } => self.frame_arrives(link, frame),
            Event::LinkDown { link } => {
                if let Some(at) = self.links.take_down(link) {
                    self.input(at, b'D', Input::LinkDown { link });
                }
            }
            Event::Dialed { from, to } => self.dialed(from, to),
            Event::DialFailed { from, to } => {
                self.input(from, b'F', Input::DialFailed { address: observe::address_of(to) });
            }
            Event::Tick { at } => self.tick(at),
            Event::Persisted { at, ticket } => self.input(at, b'P', Input::Persisted { ticket }),
            Event::Start { at, contact } => self.start(at, contact),
        }
    }

    fn start(&mut self, at: u32, contact: Option<u32>) {
        let config = observe::config(&self.options, at, contact, &self.sources);
        let id = observe::id_of(self.options.seed, at);
        let started = Boot::new(config, id, self.births.fork()).finish(None, self.clock());
        let host = &mut self.hosts[at as usize];
        host.node = Some(Box::new(started.node));
        host.born = Some(self.now);
        self.note(at, b'S', 0);
        started.effects.into_iter().for_each(|effect| self.carry_out(at, effect));
        self.set_tick(at);
    }

    fn frame_arrives(&mut self, link: LinkId, frame: FrameNo) {
        let frame = self.queue.take_frame(frame);
        let Some(at) = self.links.node_at(link) else { return };
        for operation in observe::payloads_in(&frame, &self.limits) {
            self.messages.payload_came(operation);
        }
        self.note(at, frame.get(1).copied().unwrap_or(u8::MAX), frame.len());
        self.call(at, |node, now, fx| node.handle(Input::Frame { link, frame }, now, fx));
    }

    fn tick(&mut self, at: u32) {
        let host = &mut self.hosts[at as usize];
        let Some(node) = host.node.as_ref().filter(|_| host.tick == self.now) else { return };
        host.tick = NEVER;
        if node.deadline() > self.now {
            self.set_tick(at);
        } else {
            self.input(at, b'T', Input::Tick);
        }
    }

    fn dial(&mut self, from: u32, address: &str) {
        let to = observe::at_address(address).filter(|to| (*to as usize) < self.hosts.len() && *to != from);
        let to = to.expect("nodes dial the addresses of others");
        let answer = Time(self.now.0 + 2 * self.delay_us(from, to));
        self.queue.push(answer, Event::Dialed { from, to });
    }

    /// Where nobody listens a dial is refused, but from a machine whose crash nobody has noticed comes no answer.
    fn dialed(&mut self, from: u32, to: u32) {
        if self.hosts[from as usize].node.is_none() {
            return;
        }
        let target = &self.hosts[to as usize];
        if target.node.is_none() {
            let after = if target.died.is_some() { target.noticed.max(self.now) } else { self.now };
            self.queue.push(after, Event::DialFailed { from, to });
            return;
        }
        let delay_us = self.delay_us(from, to);
        let (here, there) = self.links.connect(from, to, delay_us);
        let id = |at| observe::id_of(self.options.seed, at);
        let (dialer, target) = (id(from), id(to));
        let dialed = Some(observe::address_of(to));
        self.input(to, b'U', Input::LinkUp { link: there, peer: dialer, dialed: None });
        self.input(from, b'U', Input::LinkUp { link: here, peer: target, dialed });
    }

    fn input(&mut self, at: u32, what: u8, input: Input) {
        self.note(at, what, 0);
        self.call(at, |node, now, fx| node.handle(input, now, fx));
    }

    fn clock(&self) -> Now {
        WallClock::default().read(self.now)
    }

    /// Calls a node that lives, and carries out what it wants.
    fn call<R>(&mut self, at: u32, f: impl FnOnce(&mut Node, Now, &mut Vec<Effect>) -> R) -> Option<R> {
        let now = self.clock();
        let node = self.hosts[at as usize].node.as_mut()?;
        let mut fx = std::mem::take(&mut self.fx);
        let out = f(node, now, &mut fx);
        fx.drain(..).for_each(|effect| self.carry_out(at, effect));
        self.fx = fx;
        self.set_tick(at);
        Some(out)
    }

    fn carry_out(&mut self, at: u32, effect: Effect) {
        match effect {
            Effect::Send { link, frame, .. } => self.send(link, frame),
            Effect::Dial { address } => self.dial(at, &address),
            Effect::Close { link } => self.close(link),
            Effect::AwaitDisk { ticket } => self.queue.push(self.now, Event::Persisted { at, ticket }),
            Effect::Event(event) => {
                if let Some(delivered) = observe::delivered(&event) {
                    self.messages.delivered(at, &delivered, self.now);
                }
            }
            Effect::Persist { .. } | Effect::Changed { .. } => {}
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
        let loss = self.options.loss_pct / 100.0;
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
        let Some(node) = host.node.as_ref() else { return };
        let due = node.deadline().max(Time(self.now.0 + TICK_US_MIN));
        if due < host.tick {
            host.tick = due;
            self.queue.push(due, Event::Tick { at });
        }
    }
}
