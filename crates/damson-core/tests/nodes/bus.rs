//! Nodes and links in one process: every frame arrives, in order, at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use damson_core::crdt::{Actor, NodeId};
use damson_core::node::{Boot, CallError, Caller, Config, Effect, Event, Input, LinkId, Node, Waited};
use damson_core::persist::{Row, Table};
use damson_core::replica::Tx;
use damson_core::scope::ScopeName;
use damson_core::time::{Now, Time};
use damson_core::wire::Message;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// One end of a link.
pub type End = (usize, LinkId);

/// What a node's disk holds.
pub type Rows = BTreeMap<(Table, Bytes), Bytes>;

#[derive(Default)]
pub struct Bus {
    pub nodes: Vec<Option<Node>>,
    pub rows: Vec<Rows>,
    pub events: Vec<Vec<Event>>,
    /// Every frame sent, by whom.
    pub sent: Vec<(usize, Message)>,
    /// Every address dialled, by whom. Nobody answers.
    pub dialed: Vec<(usize, String)>,
    /// The disk answers nobody; who waits for which ticket.
    pub hold_disk: bool,
    pub awaited: Vec<(usize, u64)>,
    /// Rows wait, by their tickets, until somebody flushes; a crash loses them.
    pub lazy_disk: bool,
    pub queued: BTreeMap<usize, BTreeMap<u64, Vec<Row>>>,
    /// Waits that are over: whose, which, and how they ended.
    pub ended: Vec<(usize, u64, Waited)>,
    /// Frames from the first to the second vanish, though their link stays up.
    pub deaf: BTreeSet<(usize, usize)>,
    /// Casts are lost, doubled and delayed, as these dice fall.
    pub astray: Option<ChaCha8Rng>,
    /// Casts that are told: to whom, by whom they were sent, their number, and what they say.
    pub told: Vec<(usize, Actor, u64, Bytes)>,
    /// Those that are told as lost: to whom, by whom they were sent, the first and the last.
    pub lost: Vec<(usize, Actor, u64, u64)>,
    /// Calls that came: to whom, and what they ask.
    pub called: Vec<(usize, Caller, String, Bytes)>,
    /// Calls that are over: whose, which, and what came of them.
    pub returned: Vec<(usize, u64, Result<Bytes, CallError>)>,
    later: Vec<(usize, Input)>,
    ends: BTreeMap<End, End>,
    next_link: u64,
    ms: u64,
}

pub fn id(n: u8) -> NodeId {
    NodeId([n; 16])
}

pub fn scope() -> ScopeName {
    "app".parse().unwrap()
}

impl Bus {
    pub fn now(&self) -> Now {
        Now { time: Time(1).plus_ms(self.ms), wall_ms: 1_790_000_000_000 + self.ms }
    }

    /// Starts a node on rows, with the mark of a clean stop or without.
    pub fn start(&mut self, n: u8, rows: Rows, mark: Option<&[u8]>, seed: u64) -> usize {
        self.start_with(Config::new(format!("n{n}"), "test"), n, rows, mark, seed)
    }

    pub fn start_with(&mut self, config: Config, n: u8, rows: Rows, mark: Option<&[u8]>, seed: u64) -> usize {
        let mut boot = Boot::new(config, id(n), ChaCha8Rng::seed_from_u64(seed));
        rows.iter().for_each(|((table, key), value)| boot.row(*table, key, value));
        let started = boot.finish(mark, self.now());
        self.nodes.push(Some(started.node));
        self.rows.push(rows);
        self.events.push(Vec::new());
        let at = self.nodes.len() - 1;
        self.carry_out(at, started.effects);
        at
    }

    pub fn node(&mut self, at: usize) -> &mut Node {
        self.nodes[at].as_mut().expect("the node runs")
    }

    /// Links two nodes, `a` dialling.
    pub fn link(&mut self, a: usize, b: usize) -> (LinkId, LinkId) {
        let (peer_a, peer_b) = (self.node(a).id(), self.node(b).id());
        let (at_a, at_b) = (LinkId(self.next_link), LinkId(self.next_link + 1));
        self.next_link += 2;
        self.ends.insert((a, at_a), (b, at_b));
        self.ends.insert((b, at_b), (a, at_a));
        // Both ends are up before the first frame arrives at either.
        let now = self.now();
        let (mut fx_a, mut fx_b) = (Vec::new(), Vec::new());
        let up = |link, peer, dialed| Input::LinkUp { link, peer, dialed };
        self.node(a).handle(up(at_a, peer_b, Some("address".into())), now, &mut fx_a);
        self.node(b).handle(up(at_b, peer_a, None), now, &mut fx_b);
        self.carry_out(a, fx_a);
        self.carry_out(b, fx_b);
        (at_a, at_b)
    }

    /// The process is gone; nobody is told.
    pub fn crash(&mut self, at: usize) -> Rows {
        self.queued.remove(&at);
        self.awaited.retain(|(of, _)| *of != at);
        self.nodes[at] = None;
        self.rows[at].clone()
    }

    /// A lazy disk has written what was queued.
    pub fn flush(&mut self, at: usize) {
        let Some((last, _)) = self.queued.get(&at).and_then(|queued| queued.last_key_value()) else { return };
        let ticket = *last;
        let rows = self.queued.remove(&at).expect("looked up above");
        rows.into_values().flatten().for_each(|row| store(&mut self.rows[at], row));
        let waits = self.awaited.extract_if(.., |(of, awaited)| *of == at && *awaited <= ticket);
        if waits.count() > 0 {
            self.input(at, Input::Persisted { ticket });
        }
    }

    pub fn input(&mut self, at: usize, input: Input) {
        let now = self.now();
        let mut fx = Vec::new();
        if let Some(node) = self.nodes[at].as_mut() {
            node.handle(input, now, &mut fx);
        }
        self.carry_out(at, fx);
    }

    pub fn write(&mut self, at: usize, write: impl FnOnce(&mut Tx<'_>)) {
        self.write_in(at, &scope(), write);
    }

    /// Calls a node, and carries out what it wants.
    pub fn call<T>(&mut self, at: usize, call: impl FnOnce(&mut Node, Now, &mut Vec<Effect>) -> T) -> T {
        let now = self.now();
        let mut fx = Vec::new();
        let out = call(self.node(at), now, &mut fx);
        self.carry_out(at, fx);
        out
    }

    pub fn write_in(&mut self, at: usize, scope: &ScopeName, write: impl FnOnce(&mut Tx<'_>)) {
        let now = self.now();
        let mut fx = Vec::new();
        let written = self.node(at).write(scope, now, &mut fx, |tx| {
            write(tx);
            Ok(())
        });
        written.unwrap();
        self.carry_out(at, fx);
    }

    /// Lets time pass in steps of 50 ms.
    pub fn run(&mut self, ms: u64) {
        for _ in 0..ms / 50 {
            self.ms += 50;
            for (at, input) in std::mem::take(&mut self.later).into_iter().rev() {
                self.input(at, input);
            }
            for at in 0..self.nodes.len() {
                self.input(at, Input::Tick);
            }
        }
    }

    fn is_queued(&self, at: usize, ticket: u64) -> bool {
        let first = self.queued.get(&at).and_then(|queued| queued.first_key_value());
        first.is_some_and(|(first, _)| *first <= ticket)
    }

    /// Links are idle at once.
    fn carry_out(&mut self, at: usize, mut effects: Vec<Effect>) {
        let now = self.now();
        self.nodes[at].iter_mut().for_each(|node| node.release(now, &mut effects));
        let mut queue: VecDeque<(usize, Effect)> = effects.into_iter().map(|effect| (at, effect)).collect();
        while let Some((at, effect)) = queue.pop_front() {
            let then = match effect {
                Effect::Send { link, frame, .. } => {
                    self.sent.push((at, Message::decode(&frame).unwrap()));
                    let end = self.ends.get(&(at, link)).filter(|(to, _)| !self.deaf.contains(&(at, *to)));
                    let arrives = end.map(|(to, end)| (*to, Input::Frame { link: *end, frame }));
                    let is_cast = matches!(self.sent.last(), Some((_, Message::Cast { .. })));
                    match self.astray.as_mut().filter(|_| is_cast).map(|dice| dice.next_u32() % 10) {
                        Some(0) => None,
                        Some(1) => {
                            self.later.extend(arrives);
                            None
                        }
                        Some(2) => {
                            self.later.extend(arrives.clone());
                            arrives
                        }
                        _ => arrives,
                    }
                }
                Effect::Close { link } => {
                    let other = self.ends.remove(&(at, link));
                    other
                        .inspect(|end| _ = self.ends.remove(end))
                        .map(|(to, end)| (to, Input::LinkDown { link: end }))
                }
                Effect::Persist { ticket, rows, .. } if self.lazy_disk => {
                    self.queued.entry(at).or_default().insert(ticket, rows);
                    None
                }
                Effect::Persist { rows, .. } => {
                    rows.into_iter().for_each(|row| store(&mut self.rows[at], row));
                    None
                }
                Effect::AwaitDisk { ticket } if self.hold_disk || self.is_queued(at, ticket) => {
                    self.awaited.push((at, ticket));
                    None
                }
                Effect::AwaitDisk { ticket } => Some((at, Input::Persisted { ticket })),
                Effect::Event(event) => {
                    self.events[at].push(event);
                    None
                }
                Effect::Dial { address } => {
                    self.dialed.push((at, address));
                    None
                }
                Effect::Changed { .. } => None,
                Effect::Cast { from, number, body, .. } => {
                    self.told.push((at, from, number, body));
                    None
                }
                Effect::Called { caller, service, body } => {
                    self.called.push((at, caller, service, body));
                    None
                }
                Effect::Returned { call, result } => {
                    self.returned.push((at, call, result));
                    None
                }
                Effect::CastLost { from, first, last, .. } => {
                    self.lost.push((at, from, first, last));
                    None
                }
                Effect::Waited { wait, end } => {
                    self.ended.push((at, wait, end));
                    None
                }
            };
            let Some((to, input)) = then else { continue };
            let now = self.now();
            let mut fx = Vec::new();
            if let Some(node) = self.nodes[to].as_mut() {
                node.handle(input, now, &mut fx);
            }
            queue.extend(fx.into_iter().map(|effect| (to, effect)));
        }
    }
}

fn store(rows: &mut Rows, row: Row) {
    match row.value {
        Some(value) => _ = rows.insert((row.table, row.key), value),
        None => _ = rows.remove(&(row.table, row.key)),
    }
}
