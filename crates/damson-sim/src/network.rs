//! Links between nodes, and what becomes of frames on them.
//!
//! The real transport is TCP, which keeps order and loses nothing on a link that lives. Here frames are lost, doubled and
//! overtaken all the same: the core has to stand it.

use std::collections::{BTreeMap, BTreeSet};

use damson_core::node::LinkId;
use damson_core::time::Time;

use crate::dice::Dice;

/// One end of a link.
#[derive(Debug, Clone)]
pub(crate) struct End {
    /// The machine at this end.
    pub host: usize,
    /// The machine at the other end.
    pub peer: usize,
    /// The other end.
    pub other: LinkId,
    /// When the last frame that is under way to this end arrives.
    pub latest: Time,
    /// It has been decided when this end goes down.
    pub dying: bool,
}

/// How the network behaves at present.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weather {
    /// Frames that vanish, in percent.
    pub loss: u64,
    /// Frames that come twice, in percent.
    pub doubled: u64,
    /// The shortest and the longest way of a frame, in microseconds.
    pub delay_us: (u64, u64),
}

/// All links.
#[derive(Debug, Default)]
pub(crate) struct Network {
    pub ends: BTreeMap<LinkId, End>,
    next: u64,
    /// How many ends a machine has of links to another.
    links: BTreeMap<(usize, usize), usize>,
    /// Pairs (from, to) between which nothing passes.
    blocked: BTreeSet<(usize, usize)>,
    /// Set by a card that waits until one node sends another a part of a transfer; taken back when it does.
    pub awaited: Option<(usize, usize)>,
    pub weather: Weather,
}

impl Weather {
    /// Nothing is lost, and frames seldom overtake one another.
    pub fn fair() -> Self {
        Self { loss: 0, doubled: 0, delay_us: (500, 5_000) }
    }
}

impl Network {
    pub fn new(weather: Weather) -> Self {
        Self { weather, ..Self::default() }
    }

    /// Makes a link, and returns the ends at `from` and at `to`.
    pub fn connect(&mut self, from: usize, to: usize) -> (LinkId, LinkId) {
        let (a, b) = (LinkId(self.next), LinkId(self.next + 1));
        self.next += 2;
        let end = |host, peer, other| End { host, peer, other, latest: Time::default(), dying: false };
        self.ends.insert(a, end(from, to, b));
        self.ends.insert(b, end(to, from, a));
        *self.links.entry((from, to)).or_default() += 1;
        *self.links.entry((to, from)).or_default() += 1;
        (a, b)
    }

    /// An end is no more.
    pub fn remove(&mut self, link: LinkId) -> Option<End> {
        let end = self.ends.remove(&link)?;
        *self.links.get_mut(&(end.host, end.peer)).expect("counted when it was made") -= 1;
        Some(end)
    }

    pub fn is_blocked(&self, from: usize, to: usize) -> bool {
        self.blocked.contains(&(from, to))
    }

    /// Nothing passes between these two, in either direction.
    pub fn cut(&mut self, a: usize, b: usize) {
        self.blocked.extend([(a, b), (b, a)]);
    }

    /// Nothing passes from one to the other; the way back is open.
    pub fn cut_one_way(&mut self, from: usize, to: usize) {
        self.blocked.insert((from, to));
    }

    /// Everything passes between these two again.
    pub fn join(&mut self, a: usize, b: usize) {
        self.blocked.remove(&(a, b));
        self.blocked.remove(&(b, a));
    }

    /// Everything passes everywhere again.
    pub fn heal(&mut self) {
        self.blocked.clear();
    }

    /// How long a frame takes.
    pub fn delay_us(&self, dice: &mut Dice) -> u64 {
        let (shortest, longest) = self.weather.delay_us;
        // Mostly short, with a tail: so that frames overtake one another now and then, and not always.
        let spread = dice.below(longest - shortest + 1);
        shortest + if dice.percent(80) { spread / 8 } else { spread }
    }

    /// The ends of links between pairs that are cut now.
    pub fn severed(&self) -> Vec<LinkId> {
        let cut = |end: &End| self.is_blocked(end.host, end.peer) || self.is_blocked(end.peer, end.host);
        self.ends.iter().filter(|(_, end)| !end.dying && cut(end)).map(|(id, _)| *id).collect()
    }

    /// The ends at a machine.
    pub fn at(&self, host: usize) -> Vec<LinkId> {
        self.ends.iter().filter(|(_, end)| end.host == host).map(|(id, _)| *id).collect()
    }

    /// How many links a machine has to another, those included that are dead at the other end.
    pub fn between(&self, host: usize, peer: usize) -> usize {
        self.links.get(&(host, peer)).copied().unwrap_or(0)
    }
}
