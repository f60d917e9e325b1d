//! A member that lies: the frames of a machine, altered, and others invented beside them.
//!
//! Members are trusted with the state (a member can delete any key in its own name), so a liar cannot be kept from
//! writing. What is told here is what can be found out or has to be harmless: it is refused, or bounded, or enters the state
//! as what its author wrote. The machine's own node goes on beside it, and all invariants hold for it too.
//!
//! Nothing here says what another author has written or removed: no peer can check that, and who may say it can as well do it.

mod answers;
mod chatter;
mod pushes;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use damson_core::node::LinkId;
use damson_core::time::Time;
use damson_core::wire::{Message, SyncMessage};
use damson_crdt::{Actor, Hlc, Life, NodeId};

use crate::dice::Dice;
use crate::queue::Event;
use crate::world::World;
use answers::Deceit;

/// Whom a lie is for.
#[derive(Debug, Clone, Copy)]
struct Aim {
    at: usize,
    peer: usize,
    link: LinkId,
}

/// A lie: what is sent to this peer.
type Lie = fn(&mut World<'_>, Aim) -> Vec<Bytes>;

/// No node comes this far in one life.
const BEYOND: u64 = 40_000;
/// The pause between two lies, in microseconds.
const PAUSE_US: (u64, u64) = (5_000, 80_000);
/// What a peer asks of the machine is answered by the liar this often; else the node's own answer may be altered.
const ANSWERS_PERCENT: u64 = 50;

/// What the liar keeps in mind.
#[derive(Debug)]
pub(crate) struct Liar {
    at: usize,
    /// Authors of its own invention, and the numbers they have used.
    authors: Vec<(Actor, u64)>,
    /// The sessions that it serves, by peer.
    serves: BTreeMap<(usize, u64), Deceit>,
    /// Sessions of its own, which no node has begun.
    pulls: BTreeSet<u64>,
}

impl World<'_> {
    /// From now on this machine lies.
    pub fn begin_lying(&mut self, at: usize) {
        let authors = (0..3).map(|_| (invented(&mut self.dice), 0)).collect();
        self.liar = Some(Liar { at, authors, serves: BTreeMap::new(), pulls: BTreeSet::new() });
        self.queue.push(self.now, Event::Lie);
    }

    /// What was said stays said.
    pub fn end_lying(&mut self) {
        self.liar = None;
    }

    /// Tells one of its links a lie.
    pub fn lie(&mut self) {
        let Some(at) = self.liar.as_ref().map(|liar| liar.at) else { return };
        let links = self.network.at(at);
        if self.node(at).is_some() && !links.is_empty() {
            let link = self.dice.pick(&links);
            let aim = Aim { at, peer: self.network.ends[&link].peer, link };
            let lies: Vec<&(&'static str, Lie)> = pushes::LIES.iter().chain(chatter::LIES).collect();
            let (name, lie) = *lies[self.dice.index(lies.len())];
            self.tell(name, aim, lie);
        }
        let pause = self.dice.within(PAUSE_US);
        self.queue.push(Time(self.now.0 + pause), Event::Lie);
    }

    fn tell(&mut self, name: &'static str, aim: Aim, lie: Lie) {
        let frames = lie(self, aim);
        if !frames.is_empty() {
            self.count(name);
        }
        frames.into_iter().for_each(|frame| self.transmit(aim.at, aim.link, frame));
    }

    /// A frame has come to the liar's machine. Is it answered by a lie, so that the node does not see it?
    pub fn liar_takes(&mut self, link: LinkId, at: usize, peer: usize, frame: &[u8]) -> bool {
        if self.liar.as_ref().is_none_or(|liar| liar.at != at) {
            return false;
        }
        let Ok(Message::Sync(message)) = Message::decode(frame) else { return false };
        let aim = Aim { at, peer, link };
        match message {
            SyncMessage::Pull { session, .. } if self.dice.percent(ANSWERS_PERCENT) => {
                self.answer_pull(aim, session);
                true
            }
            SyncMessage::Next { session, number, .. } => self.answer_next(aim, session, number),
            SyncMessage::Chunk { session, transfer, number, .. } if self.is_own_pull(session) => {
                let frames = chatter::demand(self, session, transfer, number);
                frames.into_iter().for_each(|frame| self.transmit(at, link, frame));
                true
            }
            _ => false,
        }
    }

    /// What the node at this machine sends, perhaps altered.
    pub fn altered(&mut self, at: usize, link: LinkId, frame: Bytes) -> Bytes {
        if self.liar.as_ref().is_none_or(|liar| liar.at != at) {
            return frame;
        }
        answers::alter(self, link, &frame).unwrap_or(frame)
    }

    fn is_own_pull(&self, session: u64) -> bool {
        self.liar.as_ref().is_some_and(|liar| liar.pulls.contains(&session))
    }

    fn liar_mut(&mut self) -> &mut Liar {
        self.liar.as_mut().expect("it lies")
    }

    /// The time at which a liar pretends to write.
    fn time_at(&self, at: usize) -> Hlc {
        Hlc::from_ms(self.hosts[at].clock.read(self.now).wall_ms)
    }

    fn random_bytes(&mut self, longest: u64) -> Vec<u8> {
        let len = self.dice.below(longest + 1);
        (0..len).map(|_| self.dice.below(256).to_le_bytes()[0]).collect()
    }

    fn random_number(&mut self) -> u64 {
        match self.dice.below(4) {
            0 => self.dice.below(10),
            1 => u64::MAX - self.dice.below(2),
            2 => u64::from(u32::MAX) + self.dice.below(2),
            _ => self.dice.below(u64::MAX),
        }
    }
}

fn invented(dice: &mut Dice) -> Actor {
    let id = u128::from(dice.below(u64::MAX)) << 64 | u128::from(dice.below(u64::MAX));
    Actor::new(NodeId(id.to_be_bytes()), Life(dice.below(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use crate::options::ClusterOptions;
    use crate::world::World;

    /// Three nodes, of which the last lies for two minutes while all write.
    #[test]
    fn what_cannot_be_believed_is_counted_by_its_cause_and_drags_nobody_along() {
        let mut world = World::new(&ClusterOptions { nodes: 3, seed: 5, ..ClusterOptions::default() }, None);
        world.begin();
        (0..3).for_each(|at| _ = world.start(at, None));
        world.habits.write_us = Some((5_000, 50_000));
        world.run_for(5_000);
        world.begin_lying(2);
        world.run_for(120_000);
        for at in 0..2 {
            let node = world.node(at).expect("no lie takes a node down");
            let refused = [
                ("frames", node.counters().malformed),
                ("parts", node.sync_counters().refused),
                ("sessions", node.sync_counters().failed),
                ("questions", node.ack_counters().refused),
                ("overlay", node.overlay_counters().refused),
                ("broadcast", node.broadcast_counters().refused + node.broadcast_counters().dropped),
                ("own from elsewhere", node.counters().own_from_elsewhere),
                ("never complete", node.replicas().map(|replica| replica.counters().overflowed).sum()),
            ];
            assert!(refused.iter().all(|(_, count)| *count > 0), "node {at}: {refused:?}");
        }
        assert_eq!((world.violations, &world.first[..]), (0, &[][..]));
    }
}
