//! A tree for each possible author, known before its first message.
//!
//! Each node tells its neighbours how far it is from each author (a *distance vector*, Bellman 1957), in measured delay
//! and, where that is equal, in hops. Its *parent* for an author is the neighbour over which the distance is least; to
//! that one it says [`CHILD`] instead of a distance. So one number for each link and author says both what is needed to
//! choose a parent, and who the children are; and two nodes can never be each other's parents for long (the split horizon
//! with poisoned reverse of RIP, RFC 2453, section 3.4.3). Only changes travel: rising distances to nowhere at once, all
//! others at a measured pace.
//!
//! A node that loses its parent takes another only if that one cannot have its distance from the node itself (`floors`).
//! If there is none, it says so, and asks again when those who relied on it have heard. So the distances of an author that
//! has died do not count up to infinity: they are withdrawn once.
//!
//! For authors that have no place in the table the trees are grown by their payloads (`grown`).

mod distance;
mod floors;
mod grown;
mod slots;

use std::collections::BTreeMap;
use std::sync::Arc;

use damson_crdt::NodeId;

use self::distance::{CHILD, Distance, UNKNOWN, further, later, parts};
use self::floors::Floors;
use self::grown::GrownTrees;
use self::slots::SlotSet;
use super::config::BroadcastConfig;
use super::sources::{SourceTable, key_of};
use crate::time::Time;

/// No parent.
const NONE: u8 = u8::MAX;
/// Most links. HyParView's active view is logarithmic.
pub(super) const LINKS_MAX: usize = 250;
/// Bytes of an entry on the wire: key and distance.
const ENTRY_BYTES: usize = 6;
/// How much longer a path over a lazy link seems than it is, in milliseconds: longer than any that a user would have rather.
const LAZY_MS: u16 = 500;
/// Slots looked at when a full table needs one.
const RECLAIM_STEPS: usize = 64;

#[derive(Debug)]
pub(super) struct Trees {
    table: Arc<SourceTable>,
    sources_max: usize,
    own: usize,
    distance: Vec<Distance>,
    floors: Floors,
    parent: Vec<u8>,
    links: Vec<Option<TreeLink>>,
    of: BTreeMap<NodeId, u8>,
    cursor: usize,
    /// Authors to whom a path is known.
    known: usize,
    /// Those of authors for whom there is no place in the table.
    grown: GrownTrees,
    /// When something is to be said or chosen.
    next: Time,
}

#[derive(Debug)]
struct TreeLink {
    peer: NodeId,
    /// One way, in milliseconds.
    delay_ms: u16,
    /// The peer is told longer distances than there are, so that it chooses us last.
    is_lazy: bool,
    /// What the peer last said, by slot.
    heard: Vec<Distance>,
    /// What is to be said to it.
    changed: SlotSet,
    /// What is to be said to it without regard to the pace: that we have no path any more.
    lost: SlotSet,
    /// When something may be said again.
    free_at: Time,
    /// When it is said.
    due: Option<Time>,
}

impl Trees {
    pub fn new(own: NodeId, table: Arc<SourceTable>, sources_max: usize, grown_max: usize) -> Self {
        let (table, grown) =
            if table.len() > sources_max { (Arc::default(), table) } else { (table, Arc::default()) };
        let mut trees = Self {
            table,
            grown: GrownTrees::new(grown, grown_max),
            sources_max,
            own: 0,
            distance: Vec::new(),
            floors: Floors::default(),
            parent: Vec::new(),
            links: Vec::new(),
            of: BTreeMap::new(),
            cursor: 0,
            known: 1,
            next: Time(u64::MAX),
        };
        let key = key_of(own);
        trees.own = match trees.table.slot(key) {
            Some(slot) => slot,
            None => Arc::make_mut(&mut trees.table).insert(key),
        };
        trees.grow();
        trees.distance[trees.own] = 0;
        trees
    }

    /// A neighbour more.
    pub fn link_up(&mut self, peer: NodeId, delay_ms: u16) {
        let old = self.of.get(&peer).and_then(|at| self.links[usize::from(*at)].as_ref());
        let free_at = old.map_or(Time(0), |link| link.free_at);
        self.link_down(peer);
        let at = self.links.iter().position(Option::is_none).unwrap_or(self.links.len());
        if at >= LINKS_MAX {
            return;
        }
        let mut changed = SlotSet::default();
        let known = |slot: &usize| self.distance[*slot] != UNKNOWN;
        (0..self.table.len()).filter(known).for_each(|slot| changed.insert(slot));
        let heard = vec![UNKNOWN; self.table.len()];
        let lost = SlotSet::default();
        let link = TreeLink { peer, delay_ms, is_lazy: false, heard, changed, lost, free_at, due: None };
        if at == self.links.len() {
            self.links.push(Some(link));
        } else {
            self.links[at] = Some(link);
        }
        self.of.insert(peer, u8::try_from(at).expect("below LINKS_MAX"));
        self.grown.link_up(at);
    }

    /// From now on it is to choose us last; nothing has been said to it yet.
    pub fn be_lazy(&mut self, peer: NodeId) {
        if let Some(link) = self.link_of(peer) {
            link.is_lazy = true;
        }
    }

    /// It is to know how far we are: it has asked for what it was only told of.
    fn be_eager(&mut self, peer: NodeId) {
        let known: Vec<usize> =
            (0..self.distance.len()).filter(|slot| self.distance[*slot] != UNKNOWN).collect();
        if let Some(link) = self.link_of(peer).filter(|link| link.is_lazy) {
            link.is_lazy = false;
            known.into_iter().for_each(|slot| link.plan(slot, false));
        }
    }

    fn link_of(&mut self, peer: NodeId) -> Option<&mut TreeLink> {
        let at = self.of.get(&peer)?;
        self.links[usize::from(*at)].as_mut()
    }

    /// A neighbour less.
    pub fn link_down(&mut self, peer: NodeId) {
        let Some(at) = self.of.remove(&peer) else { return };
        self.links[usize::from(at)] = None;
        self.grown.link_down(usize::from(at));
        for slot in 0..self.parent.len() {
            if self.parent[slot] == at {
                self.choose(slot);
            }
        }
    }

    /// The delay of a link was measured anew.
    pub fn measured(&mut self, peer: NodeId, delay_ms: u16) {
        let Some(at) = self.of.get(&peer).copied() else { return };
        let Some(link) = &mut self.links[usize::from(at)] else { return };
        if link.delay_ms == delay_ms {
            return;
        }
        link.delay_ms = delay_ms;
        let own = self.own;
        (0..self.parent.len()).filter(|slot| *slot != own).for_each(|slot| self.choose(slot));
    }

    /// The one-way delay of a link, as it is used.
    pub fn delay_ms(&self, peer: NodeId) -> Option<u16> {
        let at = self.of.get(&peer)?;
        self.links[usize::from(*at)].as_ref().map(|link| link.delay_ms)
    }

    /// Takes what a neighbour says. Returns how many entries were of no use.
    pub fn hear(&mut self, peer: NodeId, bytes: &[u8]) -> u64 {
        let Some(at) = self.of.get(&peer).copied() else { return 1 };
        let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        let mut refused = u64::from(!rest.is_empty());
        for entry in entries {
            let key = u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
            let said = Distance::from_le_bytes([entry[4], entry[5]]);
            match self.slot_of(key, said) {
                Some(slot) => self.hear_one(at, slot, said),
                None => refused += u64::from(!self.hear_grown(usize::from(at), key, said)),
            }
        }
        refused
    }

    /// To whom a payload of this author goes on, when it came from `from`. Without a tree: to all.
    pub fn forward(&mut self, author: NodeId, from: Option<NodeId>) -> Vec<NodeId> {
        let mut to = self.below(author);
        to.retain(|peer| Some(*peer) != from);
        if !self.has_distance(author) {
            self.grown.enter(key_of(author));
        }
        to
    }

    /// Over which links payloads of an author go.
    fn below(&self, author: NodeId) -> Vec<NodeId> {
        let has_tree = |slot: &usize| self.distance[*slot] != UNKNOWN || self.floors.is_held(*slot);
        let (slot, grown) = (self.table.slot(key_of(author)), self.grown.slot(key_of(author)));
        let is_below = |(at, link): &(usize, &TreeLink)| match slot {
            Some(slot) => link.heard[slot] == CHILD || (!has_tree(&slot) && !link.is_lazy),
            None => link.peer != author && grown.is_none_or(|slot| self.grown.is_eager(*at, slot)),
        };
        let links = self.links.iter().enumerate().filter_map(|(at, link)| Some((at, link.as_ref()?)));
        links.filter(is_below).map(|(_, link)| link.peer).collect()
    }

    /// The parent for an author.
    pub fn parent(&self, author: NodeId) -> Option<NodeId> {
        let at = self.parent[self.table.slot(key_of(author))?];
        self.links.get(usize::from(at))?.as_ref().map(|link| link.peer)
    }

    /// The children for an author; of a grown tree all its links here.
    pub fn children(&self, author: NodeId) -> Vec<NodeId> {
        let slot = self.table.slot(key_of(author)).filter(|slot| self.distance[*slot] == UNKNOWN);
        if slot.is_some() { Vec::new() } else { self.below(author) }
    }

    /// How far an author is: milliseconds and hops. `None` when no path is known.
    pub fn distance(&self, author: NodeId) -> Option<(u16, u16)> {
        let distance = self.distance[self.table.slot(key_of(author))?];
        (distance != UNKNOWN).then(|| parts(distance))
    }

    /// Is there no path to it, and not only since just now?
    pub fn is_apart(&self, author: NodeId) -> bool {
        match self.table.slot(key_of(author)) {
            Some(slot) => self.distance[slot] == UNKNOWN && !self.floors.is_held(slot),
            // For want of room nothing is known of its distance.
            None => !self.is_full(),
        }
    }

    /// Has it a place in the table of distances?
    pub fn has_distance(&self, author: NodeId) -> bool {
        self.table.slot(key_of(author)).is_some()
    }

    fn is_full(&self) -> bool {
        self.table.len() >= self.sources_max
    }

    /// To how many authors a path is known, ourselves included.
    pub fn known(&self) -> usize {
        self.known
    }

    /// Says again to a neighbour what we are to it for this author.
    pub fn remind(&mut self, peer: NodeId, author: NodeId) {
        let Some(at) = self.of.get(&peer) else { return };
        let Some(slot) = self.table.slot(key_of(author)) else { return };
        if let Some(link) = &mut self.links[usize::from(*at)] {
            link.plan(slot, self.distance[slot] == UNKNOWN);
        }
    }

    /// A neighbour has pushed to us what was known.
    pub fn prune(&mut self, peer: NodeId, author: NodeId) {
        if !self.choose_grown(peer, author, false) {
            self.remind(peer, author);
        }
    }

    /// What a neighbour has announced is asked for: what follows shall be pushed.
    pub fn graft(&mut self, peer: NodeId, author: NodeId) {
        self.choose_grown(peer, author, true);
    }

    /// A neighbour asks for what we have announced: what follows is pushed.
    pub fn grafted(&mut self, peer: NodeId, author: NodeId) {
        self.be_eager(peer);
        if let Some(at) = self.of.get(&peer) {
            self.grown.hear(usize::from(*at), key_of(author), true);
        }
    }

    /// False when the author's tree is not a grown one.
    fn choose_grown(&mut self, peer: NodeId, author: NodeId, is_eager: bool) -> bool {
        if self.has_distance(author) {
            return false;
        }
        if let Some(at) = self.of.get(&peer) {
            self.grown.choose(usize::from(*at), key_of(author), is_eager);
        }
        true
    }

    /// The authors of this table, by their numbers in it, whose payloads do not go over the link to this neighbour.
    pub fn plant(&mut self, peer: NodeId, lazy: Vec<u64>) {
        if let Some(at) = self.of.get(&peer) {
            self.grown.plant(usize::from(*at), lazy);
        }
    }

    /// What all of this takes, in bytes.
    pub fn bytes(&self) -> usize {
        let distances = self.distance.len() * (2 * size_of::<Distance>() + 1);
        let heard: usize =
            self.links.iter().flatten().map(|link| link.heard.len() * size_of::<Distance>()).sum();
        distances + heard + self.grown.bytes()
    }

    /// When something is to be said or chosen.
    pub fn deadline(&self) -> Time {
        self.next
    }

    fn look_ahead(&mut self) {
        let due = self.links.iter().flatten().filter_map(|link| link.due);
        self.next = due.fold(self.floors.deadline(), Time::min);
    }

    /// Plans when what has changed is said.
    pub fn schedule(&mut self, now: Time, hold_ms: u64) {
        let delay_ms_max = self.links.iter().flatten().map(|link| link.delay_ms).max().unwrap_or_default();
        self.floors.schedule(now, hold_ms, delay_ms_max);
        let soon = now.plus_ms(hold_ms);
        for (at, link) in self.links.iter_mut().enumerate() {
            let Some(link) = link else { continue };
            if link.lost.len() > 0 || self.grown.has_unsaid(at) {
                link.due = Some(link.due.map_or(soon, |due| due.min(soon)));
            } else if link.due.is_none() && link.changed.len() > 0 {
                link.due = Some(link.free_at.max(soon));
            }
        }
        self.look_ahead();
    }

    /// Chooses again where a choice was restricted until now.
    pub fn lift_floors(&mut self, now: Time) {
        while let Some(slot) = self.floors.lift(now) {
            self.choose(slot);
        }
    }

    /// What is due to be said, and to whom.
    pub fn take_due(&mut self, now: Time, config: &BroadcastConfig) -> Vec<(NodeId, Vec<u8>)> {
        let entries_max = config.vector_max;
        let mut all = Vec::new();
        for at in 0..self.links.len() {
            let Some(link) = &mut self.links[at] else { continue };
            if link.due.is_none_or(|due| due > now) {
                continue;
            }
            let grown: Vec<_> = self.grown.take_unsaid(at, entries_max).collect();
            let mut slots = link.lost.take_nearest(entries_max - grown.len(), &self.distance);
            let paced = if link.free_at <= now { entries_max - grown.len() - slots.len() } else { 0 };
            let changed = link.changed.take_nearest(paced, &self.distance);
            if !changed.is_empty() {
                let bytes = (changed.len() * ENTRY_BYTES) as u64;
                let paced = Time(now.0 + bytes * 1_000_000 / config.vector_bytes_per_s.max(1));
                link.free_at = paced.max(now.plus_ms(config.vector_gap_ms));
            }
            let waits = (link.changed.len() > 0).then_some(link.free_at);
            let more = link.lost.len() > 0 || self.grown.has_unsaid(at);
            link.due = if more { Some(now) } else { waits };
            slots.extend(changed);
            let peer = link.peer;
            all.push((peer, self.vector(at, slots, grown)));
        }
        self.look_ahead();
        all
    }

    fn vector(&self, at: usize, slots: Vec<usize>, grown: Vec<(u32, Distance)>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity((slots.len() + grown.len()) * ENTRY_BYTES);
        let is_lazy = self.links[at].as_ref().is_some_and(|link| link.is_lazy);
        let entry = |slot: usize| {
            let said = match usize::from(self.parent[slot]) == at {
                true => CHILD,
                false if is_lazy => later(self.distance[slot], LAZY_MS),
                false => self.distance[slot],
            };
            (self.table.key(slot), said)
        };
        for (key, said) in slots.into_iter().map(entry).chain(grown) {
            bytes.extend_from_slice(&key.to_le_bytes());
            bytes.extend_from_slice(&said.to_le_bytes());
        }
        bytes
    }

    fn hear_one(&mut self, at: u8, slot: usize, said: Distance) {
        let Some(link) = &mut self.links[usize::from(at)] else { return };
        link.heard[slot] = said;
        if slot == self.own {
            return;
        }
        let (over, distance) = (further(said, link.delay_ms), self.distance[slot]);
        if over < distance && said < self.floors.of(slot, distance) {
            self.set(slot, over, at);
        } else if self.parent[slot] == at && over != distance {
            self.choose(slot);
        }
    }

    /// What a neighbour says of an author that has no place in the table. False when it is of no use.
    fn hear_grown(&mut self, at: usize, key: u32, said: Distance) -> bool {
        if said >= UNKNOWN {
            return self.grown.hear(at, key, said == CHILD) || said == UNKNOWN;
        }
        let slot = self.grown.slot(key);
        if slot.is_none() && self.grown.is_full() {
            return false;
        }
        // It keeps distances, and pushes to those only who say that they are its children. One of such is enough, and the
        // author itself.
        if slot.is_none_or(|slot| said == 0 && self.grown.is_eager(at, slot)) {
            self.grown.enter(key);
            self.grown.say(at, key, true);
        }
        // To the author itself nothing of it is pushed anyway.
        said == 0 || self.grown.hear(at, key, false)
    }

    /// Chooses the parent anew: the present one, however its distance has changed, or one that cannot have its distance
    /// from us. Of equals the present one stays.
    fn choose(&mut self, slot: usize) {
        let floor = self.floors.of(slot, self.distance[slot]);
        let (mut best, mut parent) = (UNKNOWN, NONE);
        for (at, link) in self.links.iter().enumerate() {
            let Some(link) = link else { continue };
            let at = u8::try_from(at).expect("below LINKS_MAX");
            let (said, is_present) = (link.heard[slot], at == self.parent[slot]);
            let over = further(said, link.delay_ms);
            if (is_present || said < floor)
                && (over < best || (over == best && over != UNKNOWN && is_present))
            {
                (best, parent) = (over, at);
            }
        }
        self.set(slot, best, parent);
    }

    fn set(&mut self, slot: usize, distance: Distance, parent: u8) {
        let (old, old_parent) = (self.distance[slot], self.parent[slot]);
        if (old, old_parent) == (distance, parent) {
            return;
        }
        self.known = self.known + usize::from(old == UNKNOWN) - usize::from(distance == UNKNOWN);
        self.distance[slot] = distance;
        self.parent[slot] = parent;
        self.floors.changed(slot, old, distance);
        for (at, link) in self.links.iter_mut().enumerate() {
            let Some(link) = link else { continue };
            let (was, is) = (usize::from(old_parent) == at, usize::from(parent) == at);
            // A parent is told that it is one, whatever the distance.
            if was != is || (!is && old != distance) {
                link.plan(slot, distance > old);
            }
        }
    }

    fn slot_of(&mut self, key: u32, said: Distance) -> Option<usize> {
        if let Some(slot) = self.table.slot(key) {
            return Some(slot);
        }
        if said == UNKNOWN || said == CHILD {
            return None;
        }
        if self.table.len() >= self.sources_max {
            let slot = self.reclaim()?;
            Arc::make_mut(&mut self.table).reuse(slot, key);
            return Some(slot);
        }
        let slot = Arc::make_mut(&mut self.table).insert(key);
        self.grow();
        Some(slot)
    }

    /// A slot of an author to whom no path is known any more.
    fn reclaim(&mut self) -> Option<usize> {
        for _ in 0..RECLAIM_STEPS {
            self.cursor = (self.cursor + 1) % self.table.len();
            let slot = self.cursor;
            let heard = self.links.iter().flatten().any(|link| link.heard[slot] != UNKNOWN);
            let unsaid = |link: &TreeLink| link.changed.contains(slot) || link.lost.contains(slot);
            let unsaid = self.links.iter().flatten().any(unsaid) || self.floors.is_held(slot);
            if slot != self.own && self.distance[slot] == UNKNOWN && !heard && !unsaid {
                return Some(slot);
            }
        }
        None
    }

    fn grow(&mut self) {
        let len = self.table.len();
        self.distance.resize(len, UNKNOWN);
        self.floors.resize(len);
        self.parent.resize(len, NONE);
        self.links.iter_mut().flatten().for_each(|link| link.heard.resize(len, UNKNOWN));
    }
}

impl TreeLink {
    fn plan(&mut self, slot: usize, lost: bool) {
        let (to, from) =
            if lost { (&mut self.lost, &mut self.changed) } else { (&mut self.changed, &mut self.lost) };
        from.remove(slot);
        to.insert(slot);
    }
}
