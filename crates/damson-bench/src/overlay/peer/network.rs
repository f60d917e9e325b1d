//! The virtual network: frames that take time, timers, links that break. What happens is ordered by time, then by number, so
//! that one seed gives one run.
//!
//! It is the network of `damson sim overlay`: a dial takes a way there and one back, a dead node's links break and dials to it
//! fail when its death is noticed, and not before.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};

use iroh_gossip::proto::{Message, Timer};

use super::delay::Delays;
use crate::overlay::parameters::Dials;

/// A node, by its number.
pub type NodeNo = u32;

/// Something that happens at a node.
#[derive(Debug)]
pub enum Happening {
    /// A frame arrives.
    Frame { from: NodeNo, message: Message<NodeNo> },
    /// A timer is due.
    Timer(Timer<NodeNo>),
    /// The link to another node broke: the one with this number, or a dial failed.
    Broken { peer: NodeNo, link: Option<u64> },
}

/// All that is under way.
#[derive(Debug)]
pub struct Network {
    pub now_us: u64,
    queue: BinaryHeap<Reverse<Entry>>,
    next: u64,
    delays: Delays,
    dials: Dials,
    /// Links by their ends, the smaller first.
    links: BTreeMap<(NodeNo, NodeNo), Link>,
    /// Of the dead: when the others learn of it.
    noticed_us: Vec<Option<u64>>,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    number: u64,
    /// When its dial is over.
    ready_us: u64,
}

#[derive(Debug)]
struct Entry {
    at_us: u64,
    number: u64,
    node: NodeNo,
    happening: Happening,
}

impl Network {
    pub fn new(nodes: u32, delays: Delays, dials: Dials) -> Self {
        Self {
            now_us: 0,
            queue: BinaryHeap::new(),
            next: 0,
            delays,
            dials,
            links: BTreeMap::new(),
            noticed_us: vec![None; nodes as usize],
        }
    }

    pub fn is_alive(&self, node: NodeNo) -> bool {
        self.noticed_us[node as usize].is_none()
    }

    pub fn set_timer(&mut self, node: NodeNo, after_us: u64, timer: Timer<NodeNo>) {
        self.push(self.now_us + after_us, node, Happening::Timer(timer));
    }

    /// Sends a frame. Where there is no link one is dialled first.
    pub fn send(&mut self, from: NodeNo, to: NodeNo, message: Message<NodeNo>) {
        let delay_us = self.delays.between_us(from, to);
        let dialed_us = self.now_us + 2 * delay_us;
        if let Some(noticed_us) = self.noticed_us[to as usize] {
            if self.dials == Dials::Told && !self.links.contains_key(&ends(from, to)) {
                self.push(dialed_us.max(noticed_us), from, Happening::Broken { peer: to, link: None });
            }
            return;
        }
        let new = Link { number: self.next, ready_us: dialed_us };
        let link = *self.links.entry(ends(from, to)).or_insert(new);
        let sent_us = self.now_us.max(link.ready_us);
        self.push(sent_us + delay_us, to, Happening::Frame { from, message });
    }

    /// Closes a link at one end. The other learns of it after whatever was sent before.
    pub fn close(&mut self, from: NodeNo, to: NodeNo) {
        if let Some(link) = self.links.remove(&ends(from, to)) {
            let at_us = self.now_us.max(link.ready_us) + self.delays.between_us(from, to);
            self.push(at_us, to, Happening::Broken { peer: from, link: Some(link.number) });
        }
    }

    /// Nodes die at one instant. The others are told later, by their links and by dials that fail.
    pub fn kill(&mut self, nodes: &[NodeNo], noticed_us: u64) {
        nodes.iter().for_each(|node| self.noticed_us[*node as usize] = Some(noticed_us));
        let all = self.links.iter().flat_map(|(&(a, b), link)| [(a, b, link.number), (b, a, link.number)]);
        let broken: Vec<_> = all.filter(|(a, b, _)| self.is_alive(*a) && !self.is_alive(*b)).collect();
        for (node, peer, link) in broken {
            self.push(noticed_us, node, Happening::Broken { peer, link: Some(link) });
        }
    }

    /// The next thing that happens, unless it lies behind `until_us`; then the clock shows `until_us`.
    pub fn step(&mut self, until_us: u64) -> Option<(NodeNo, Happening)> {
        loop {
            if self.queue.peek().is_none_or(|Reverse(entry)| entry.at_us > until_us) {
                self.now_us = until_us;
                return None;
            }
            let Reverse(entry) = self.queue.pop()?;
            self.now_us = entry.at_us;
            if self.is_alive(entry.node) && self.arrives(entry.node, &entry.happening) {
                return Some((entry.node, entry.happening));
            }
        }
    }

    /// The end of a link is nothing to a node that has a newer link to that peer.
    fn arrives(&mut self, node: NodeNo, happening: &Happening) -> bool {
        let Happening::Broken { peer, link } = *happening else { return true };
        match self.links.get(&ends(node, peer)) {
            Some(open) if Some(open.number) != link => false,
            Some(_) => self.links.remove(&ends(node, peer)).is_some(),
            None => true,
        }
    }

    fn push(&mut self, at_us: u64, node: NodeNo, happening: Happening) {
        self.queue.push(Reverse(Entry { at_us, number: self.next, node, happening }));
        self.next += 1;
    }
}

fn ends(a: NodeNo, b: NodeNo) -> (NodeNo, NodeNo) {
    (a.min(b), a.max(b))
}

impl Entry {
    fn key(&self) -> (u64, u64) {
        (self.at_us, self.number)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: u64 = 1_000_000;

    fn network(dials: Dials) -> Network {
        Network::new(4, Delays::new(1, (10, 10)), dials)
    }

    fn prune() -> Message<NodeNo> {
        let mut bytes = vec![0; 32];
        bytes.extend([1, 1]);
        postcard::from_bytes(&bytes).unwrap()
    }

    /// When something happens, and at which node.
    fn next(network: &mut Network) -> Option<(u64, NodeNo)> {
        network.step(FAR).map(|(node, _)| (network.now_us, node))
    }

    #[test]
    fn the_first_frame_waits_for_the_dial_and_the_next_does_not() {
        let mut network = network(Dials::Told);
        network.send(0, 1, prune());
        assert_eq!(next(&mut network), Some((30_000, 1)));
        network.send(1, 0, prune());
        assert_eq!(next(&mut network), Some((40_000, 0)));
        assert_eq!(next(&mut network), None);
        assert_eq!(network.now_us, FAR);
    }

    #[test]
    fn a_close_comes_after_what_was_sent_and_not_to_a_newer_link() {
        let mut network = network(Dials::Told);
        network.send(0, 1, prune());
        network.close(0, 1);
        assert!(matches!(network.step(FAR), Some((1, Happening::Frame { from: 0, .. }))));
        assert!(matches!(network.step(FAR), Some((1, Happening::Broken { peer: 0, .. }))));
        network.send(0, 1, prune());
        network.close(0, 1);
        network.send(0, 1, prune());
        assert!(matches!(network.step(FAR), Some((1, Happening::Frame { .. }))));
        assert!(matches!(network.step(FAR), Some((1, Happening::Frame { .. }))), "the end is the old link's");
    }

    #[test]
    fn a_death_is_told_when_it_is_noticed() {
        let mut network = network(Dials::Told);
        network.send(0, 1, prune());
        assert_eq!(next(&mut network), Some((30_000, 1)));
        network.kill(&[1], 90_000);
        network.send(0, 1, prune());
        network.send(2, 1, prune());
        assert_eq!(next(&mut network), Some((90_000, 0)), "the link broke; the frame vanished");
        assert_eq!(next(&mut network), Some((90_000, 2)), "the dial failed");
        network.send(3, 1, prune());
        assert_eq!(next(&mut network), Some((110_000, 3)), "now it is refused");
    }

    #[test]
    fn failed_dials_can_be_silent() {
        let mut network = network(Dials::Silent);
        network.kill(&[1], 0);
        network.send(0, 1, prune());
        assert_eq!(next(&mut network), None);
    }
}
