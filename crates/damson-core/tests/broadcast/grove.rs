//! Many broadcasts, and links with fixed delays between them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use bytes::Bytes;
use damson_core::broadcast::{Broadcast, BroadcastConfig, BroadcastEffect, Item, Known};
use damson_core::crdt::{Actor, DotRange, Life, NodeId};
use damson_core::scope::ScopeName;
use damson_core::time::Time;
use damson_core::wire::{Have, Want};

pub struct Grove {
    pub now: Time,
    pub nodes: Vec<Grower>,
    /// One-way delays in milliseconds.
    links: BTreeMap<(usize, usize), u64>,
    queue: BinaryHeap<Reverse<(Time, u64, usize)>>,
    events: BTreeMap<u64, (usize, usize, Said)>,
    next: u64,
    /// Payloads from the first to the second are lost.
    pub deaf: BTreeSet<(usize, usize)>,
    pub frames: Frames,
}

/// One node.
pub struct Grower {
    pub broadcast: Broadcast,
    pub seen: Seen,
    /// Of each message (author, number): when it came, over how many links.
    pub delivered: BTreeMap<(usize, u64), (Time, u8)>,
    /// Over whose link.
    pub came_from: BTreeMap<(usize, u64), usize>,
    pub synced: Vec<usize>,
    numbers: u64,
}

/// What was sent.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Frames {
    pub pushes: u64,
    pub haves: u64,
    pub grafts: u64,
    pub vectors: u64,
}

#[derive(Default)]
pub struct Seen(BTreeMap<Actor, BTreeSet<u64>>);

pub enum Said {
    Push { actor: Actor, number: u64, round: u8, payload: Bytes },
    Have(Vec<Have>),
    Graft(Vec<Want>),
    Vector(Vec<u8>),
}

impl Known for Seen {
    fn first_missing(&self, _: &ScopeName, actor: Actor, last: u64) -> Option<u64> {
        (1..=last).find(|number| !self.0.get(&actor).is_some_and(|seen| seen.contains(number)))
    }

    fn is_brought(&self, _: &ScopeName) -> bool {
        false
    }
}

pub fn id(at: usize) -> NodeId {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&(at as u64).to_be_bytes());
    NodeId(id)
}

pub fn at(id: NodeId) -> usize {
    usize::try_from(u64::from_be_bytes(id.0[..8].try_into().unwrap())).unwrap()
}

pub fn actor(at: usize) -> Actor {
    Actor::new(id(at), Life(1))
}

pub fn scope() -> ScopeName {
    "default".parse().unwrap()
}

impl Grove {
    pub fn new(count: usize) -> Self {
        Self::with(count, |_| BroadcastConfig::default())
    }

    pub fn with(count: usize, config: impl Fn(usize) -> BroadcastConfig) -> Self {
        let grower = |at| Grower {
            broadcast: Broadcast::new(config(at), id(at), None),
            seen: Seen::default(),
            delivered: BTreeMap::new(),
            came_from: BTreeMap::new(),
            synced: Vec::new(),
            numbers: 0,
        };
        Self {
            now: Time(1_000_000),
            nodes: (0..count).map(grower).collect(),
            links: BTreeMap::new(),
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            next: 0,
            deaf: BTreeSet::new(),
            frames: Frames::default(),
        }
    }

    /// A ring with two chords at each node; the delays come from `delay`.
    pub fn chords(count: usize, delay: impl Fn(usize, usize) -> u64) -> Self {
        Self::chords_with(count, delay, |_| BroadcastConfig::default())
    }

    pub fn chords_with(
        count: usize,
        delay: impl Fn(usize, usize) -> u64,
        config: impl Fn(usize) -> BroadcastConfig,
    ) -> Self {
        let mut grove = Self::with(count, config);
        for a in 0..count {
            for step in [1, count / 7 + 1, count / 3 + 1] {
                let b = (a + step) % count;
                grove.link(a, b, delay(a, b));
            }
        }
        grove.run(20_000);
        grove.frames = Frames::default();
        grove
    }

    pub fn link(&mut self, a: usize, b: usize, delay_ms: u64) {
        if a != b && self.links.insert((a.min(b), a.max(b)), delay_ms).is_none() {
            self.nodes[a].broadcast.link_up(id(b), delay_ms * 2_000, self.now);
            self.nodes[b].broadcast.link_up(id(a), delay_ms * 2_000, self.now);
            self.wake(a);
            self.wake(b);
        }
    }

    pub fn cut(&mut self, a: usize, b: usize) {
        self.links.remove(&(a.min(b), a.max(b)));
        self.nodes[a].broadcast.link_down(id(b), self.now);
        self.nodes[b].broadcast.link_down(id(a), self.now);
        self.wake(a);
        self.wake(b);
    }

    /// Cuts all links of a node.
    pub fn fell(&mut self, at: usize) {
        self.neighbors(at).into_iter().for_each(|other| self.cut(at, other));
    }

    pub fn neighbors(&self, at: usize) -> Vec<usize> {
        let ends = self.links.keys().filter(|(a, b)| *a == at || *b == at);
        ends.map(|(a, b)| if *a == at { *b } else { *a }).collect()
    }

    /// A message by this node. Returns its number.
    pub fn write(&mut self, author: usize) -> u64 {
        self.nodes[author].numbers += 1;
        let number = self.nodes[author].numbers;
        self.nodes[author].seen.0.entry(actor(author)).or_default().insert(number);
        let mut fx = Vec::new();
        let item = item(author, number, 0);
        self.nodes[author].broadcast.deliver(item, None, self.now, &mut fx);
        self.carry_out(author, fx);
        number
    }

    pub fn run(&mut self, ms: u64) {
        let until = self.now.plus_ms(ms);
        while let Some(Reverse((time, number, at))) = self.queue.peek().copied() {
            if time > until {
                break;
            }
            self.queue.pop();
            self.now = self.now.max(time);
            match self.events.remove(&number) {
                Some((from, to, said)) => self.hear(from, to, said),
                None => self.tick(at),
            }
        }
        self.now = until;
    }

    /// To how many a message came.
    pub fn reached(&self, author: usize, number: u64) -> usize {
        self.nodes.iter().filter(|node| node.delivered.contains_key(&(author, number))).count()
    }

    /// The last hop of a message, and how long it took in milliseconds.
    pub fn last_delivery(&self, author: usize, number: u64, since: Time) -> (u8, u64) {
        let all = self.nodes.iter().filter_map(|node| node.delivered.get(&(author, number)));
        all.fold((0, 0), |(hop, ms), (time, round)| (hop.max(*round), ms.max(time.ms_since(since))))
    }

    /// The time to the farthest node on shortest paths, in milliseconds, and the hops of these.
    pub fn bound(&self, from: usize) -> u64 {
        let mut best = BTreeMap::from([(from, 0)]);
        let mut queue = BinaryHeap::from([Reverse((0, from))]);
        while let Some(Reverse((ms, at))) = queue.pop() {
            for other in self.neighbors(at) {
                let over = ms + self.links[&(at.min(other), at.max(other))];
                if best.get(&other).is_none_or(|known| over < *known) {
                    best.insert(other, over);
                    queue.push(Reverse((over, other)));
                }
            }
        }
        best.into_values().max().unwrap()
    }

    pub fn duplicates(&self) -> u64 {
        self.nodes.iter().map(|node| node.broadcast.counters().duplicates).sum()
    }

    pub fn hear(&mut self, from: usize, to: usize, said: Said) {
        let linked = self.links.contains_key(&(from.min(to), from.max(to)));
        let node = &mut self.nodes[to];
        let mut fx = Vec::new();
        match said {
            _ if !linked => return,
            Said::Push { .. } if self.deaf.contains(&(from, to)) => return,
            Said::Push { actor, number, round, payload } => {
                let range = DotRange { actor, first: number, last: number };
                if node.seen.0.entry(actor).or_default().insert(number) {
                    node.delivered.insert((at(actor.node), number), (self.now, round));
                    node.came_from.insert((at(actor.node), number), from);
                    let item = Item { scope: scope(), range, round, payload };
                    node.broadcast.look_for_gap(id(from), &item.scope, range, &node.seen, self.now);
                    node.broadcast.deliver(item, Some(id(from)), self.now, &mut fx);
                } else {
                    node.broadcast.duplicate(id(from), &scope(), range, self.now);
                }
            }
            Said::Have(haves) => node.broadcast.on_have(id(from), &haves, &node.seen, self.now),
            Said::Graft(wants) => node.broadcast.on_graft(id(from), &wants, self.now, &mut fx),
            Said::Vector(bytes) => node.broadcast.on_vector(id(from), &bytes, self.now),
        }
        self.carry_out(to, fx);
    }

    fn tick(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if node.broadcast.deadline() <= self.now {
            let mut fx = Vec::new();
            node.broadcast.tick(self.now, &node.seen, &mut fx);
            self.carry_out(at, fx);
        }
    }

    fn carry_out(&mut self, from: usize, fx: Vec<BroadcastEffect>) {
        for effect in fx {
            match effect {
                BroadcastEffect::Push { to, round, payload, .. } => {
                    let number = u64::from_be_bytes(payload[8..16].try_into().unwrap());
                    let author =
                        usize::try_from(u64::from_be_bytes(payload[..8].try_into().unwrap())).unwrap();
                    for peer in to {
                        self.frames.pushes += 1;
                        let payload = payload.clone();
                        self.post(
                            from,
                            self::at(peer),
                            Said::Push { actor: actor(author), number, round, payload },
                        );
                    }
                }
                BroadcastEffect::Have(peer, haves) => {
                    self.frames.haves += 1;
                    self.post(from, self::at(peer), Said::Have(haves));
                }
                BroadcastEffect::Graft(peer, wants) => {
                    self.frames.grafts += 1;
                    self.post(from, self::at(peer), Said::Graft(wants));
                }
                BroadcastEffect::Vector(peer, bytes) => {
                    self.frames.vectors += 1;
                    self.post(from, self::at(peer), Said::Vector(bytes));
                }
                BroadcastEffect::GivenUp { .. } => unreachable!("nothing here is a cast"),
                BroadcastEffect::Sync(peer) => self.nodes[from].synced.push(self::at(peer)),
            }
        }
        self.wake(from);
    }

    fn wake(&mut self, at: usize) {
        let due = self.nodes[at].broadcast.deadline();
        if due < Time(u64::MAX) {
            self.next += 1;
            self.queue.push(Reverse((due.max(self.now), self.next, at)));
        }
    }

    fn post(&mut self, from: usize, to: usize, said: Said) {
        let Some(ms) = self.links.get(&(from.min(to), from.max(to))) else { return };
        self.next += 1;
        self.queue.push(Reverse((self.now.plus_ms(*ms), self.next, to)));
        self.events.insert(self.next, (from, to, said));
    }
}

/// A payload names its author and number.
pub fn item(author: usize, number: u64, round: u8) -> Item {
    let payload = [(author as u64).to_be_bytes(), number.to_be_bytes()].concat().into();
    let range = DotRange { actor: actor(author), first: number, last: number };
    Item { scope: scope(), range, round, payload }
}
