//! All nodes, in the network.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use iroh_gossip::proto::{Command, Config, Event, InEvent, OutEvent, PeerData, Scope, State, TopicId};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::components;
use super::delay::Delays;
use super::frame::{FrameKind, hops};
use super::ledger::Ledger;
use super::network::{Happening, Network, NodeNo};
use crate::overlay::parameters::{PAYLOAD_BYTES, Parameters};

const TOPIC: TopicId = TopicId::from_bytes([7; 32]);

/// All nodes.
pub struct Swarm {
    /// What the nodes take for the beginning; they are only ever told of times after it.
    began: Instant,
    nodes: Vec<State<NodeNo, ChaCha8Rng>>,
    /// The neighbours that each node has told its application of.
    views: Vec<BTreeSet<NodeNo>>,
    network: Network,
    pub ledger: Ledger,
    pub counts: Counts,
}

/// Frames.
#[derive(Debug, Default)]
pub struct Counts {
    sent: BTreeMap<FrameKind, u64>,
    pub payloads_received: u64,
}

impl Swarm {
    /// Nodes with the peer's own defaults.
    pub fn new(parameters: &Parameters, dice: &mut ChaCha8Rng) -> Self {
        let mut state = |node| {
            let own_dice = ChaCha8Rng::seed_from_u64(dice.next_u64());
            State::new(node, PeerData::default(), Config::default(), own_dice)
        };
        let delays = Delays::new(parameters.seed, parameters.delay_ms);
        Self {
            began: Instant::now(),
            nodes: (0..parameters.nodes).map(&mut state).collect(),
            views: vec![BTreeSet::new(); parameters.nodes as usize],
            network: Network::new(parameters.nodes, delays, parameters.dials),
            ledger: Ledger::default(),
            counts: Counts::default(),
        }
    }

    pub fn join(&mut self, node: NodeNo, contact: Option<NodeNo>) {
        let contacts = contact.into_iter().collect();
        self.feed(node, InEvent::Command(TOPIC, Command::Join(contacts)));
    }

    /// A node sends the next message.
    pub fn broadcast(&mut self, from: NodeNo) {
        let others = self.living().len() - 1;
        let number = self.ledger.send(self.network.now_us, others);
        let mut content = (number as u64).to_le_bytes().to_vec();
        content.resize(PAYLOAD_BYTES, b'.');
        self.feed(from, InEvent::Command(TOPIC, Command::Broadcast(content.into(), Scope::Swarm)));
    }

    /// Nodes die; the others learn of it later.
    pub fn kill(&mut self, nodes: &[NodeNo], after_us: u64) {
        self.network.kill(nodes, self.network.now_us + after_us);
    }

    pub fn run_for(&mut self, us: u64) {
        let until_us = self.network.now_us + us;
        while let Some((node, happening)) = self.network.step(until_us) {
            let event = match happening {
                Happening::Frame { from, message } => {
                    self.counts.received(FrameKind::of(&message));
                    InEvent::RecvMessage(from, message)
                }
                Happening::Timer(timer) => InEvent::TimerExpired(timer),
                Happening::Broken { peer, .. } => InEvent::PeerDisconnected(peer),
            };
            self.feed(node, event);
        }
    }

    pub fn living(&self) -> Vec<NodeNo> {
        (0..).take(self.nodes.len()).filter(|node| self.network.is_alive(*node)).collect()
    }

    /// The mean number of neighbours.
    pub fn degree_mean(&self) -> f64 {
        self.views.iter().map(BTreeSet::len).sum::<usize>() as f64 / self.views.len() as f64
    }

    /// How many live, and the largest part of them that hangs together.
    pub fn connected(&self) -> (u32, u32) {
        let living = self.living();
        let largest = components::largest(&self.views, &living);
        let number = |n: usize| u32::try_from(n).expect("no more than there are nodes");
        (number(living.len()), number(largest))
    }

    fn feed(&mut self, node: NodeNo, event: InEvent<NodeNo>) {
        let now = self.began + Duration::from_micros(self.network.now_us);
        let wanted: Vec<_> = self.nodes[node as usize].handle(event, now.into(), None).collect();
        wanted.into_iter().for_each(|one| self.carry_out(node, one));
    }

    fn carry_out(&mut self, node: NodeNo, wanted: OutEvent<NodeNo>) {
        match wanted {
            OutEvent::SendMessage(to, message) => {
                *self.counts.sent.entry(FrameKind::of(&message)).or_default() += 1;
                self.network.send(node, to, message);
            }
            OutEvent::ScheduleTimer(after, timer) => {
                let after_us = u64::try_from(after.as_micros()).expect("timers of minutes");
                self.network.set_timer(node, after_us, timer);
            }
            OutEvent::DisconnectPeer(peer) => self.network.close(node, peer),
            OutEvent::EmitEvent(_, event) => self.told(node, event),
            OutEvent::PeerData(..) => {}
        }
    }

    /// A node tells its application something.
    fn told(&mut self, node: NodeNo, event: Event<NodeNo>) {
        match event {
            Event::NeighborUp(peer) => _ = self.views[node as usize].insert(peer),
            Event::NeighborDown(peer) => _ = self.views[node as usize].remove(&peer),
            Event::Received(got) => {
                self.ledger.deliver(number_of(&got.content), self.network.now_us, hops(got.scope));
            }
        }
    }
}

fn number_of(content: &Bytes) -> usize {
    let (number, _) = content.split_first_chunk().expect("every message begins with its number");
    usize::try_from(u64::from_le_bytes(*number)).expect("an index")
}

impl Counts {
    /// Counts from zero again.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn sent(&self, kind: FrameKind) -> u64 {
        self.sent.get(&kind).copied().unwrap_or(0)
    }

    fn received(&mut self, kind: FrameKind) {
        self.payloads_received += u64::from(kind == FrameKind::Payload);
    }
}
