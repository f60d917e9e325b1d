//! Two nodes and the link between them: every frame arrives at once, and is counted as it passes.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use damson_core::node::{Boot, Config, Effect, Input, LinkId, Node};
use damson_core::persist::Row;
use damson_core::replica::Tx;
use damson_core::scope::ScopeName;
use damson_core::time::{Now, Time};
use damson_core::wire::Message;
use damson_crdt::{Batch, NodeId};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::super::Elapsed;
use super::options::SyncPath;
use super::round::Round;

/// The nodes, by their places.
pub const BOTH: [usize; 2] = [0, 1];
const LINK: LinkId = LinkId(1);
/// Virtual time in which the overlay, the roster and the trees settle, in steps.
const SETTLE_MS: u64 = 5_000;
const STEP_MS: u64 = 50;
/// Wall time at the start.
const WALL_MS: u64 = 1_790_000_000_000;

/// Two linked nodes.
pub struct Pair<'a> {
    nodes: [Node; 2],
    ms: u64,
    /// Frames vanish.
    cut: bool,
    queue: VecDeque<Parcel>,
    cpu: Elapsed<'a>,
}

/// Something that comes to a node, and how many frames had to pass, one because of the other, until it came.
struct Parcel {
    to: usize,
    input: Input,
    hops: u32,
}

pub fn id(at: usize) -> NodeId {
    NodeId([b'a' + u8::try_from(at).expect("two nodes"); 16])
}

/// The scope in which all of it happens.
pub fn scope() -> ScopeName {
    "bench".parse().expect("a sound name")
}

fn now(ms: u64) -> Now {
    Now { time: Time(1).plus_ms(ms), wall_ms: WALL_MS + ms }
}

impl<'a> Pair<'a> {
    /// Starts both on the same rows, links them, and lets them settle.
    pub fn start(rows: &[Row], seed: u64, path: SyncPath, cpu: Elapsed<'a>) -> Self {
        let started = BOTH.map(|at| boot(at, rows, 2 * seed + at as u64, path));
        let [first, second] = started.map(|started| (started.node, started.effects));
        let mut out = Self { nodes: [first.0, second.0], ms: 0, cut: false, queue: VecDeque::new(), cpu };
        out.carry_out(0, first.1, 0);
        out.carry_out(1, second.1, 0);
        for at in BOTH {
            let dialed = (at == 0).then(|| "second".to_string());
            let input = Input::LinkUp { link: LINK, peer: id(1 - at), dialed };
            out.queue.push_back(Parcel { to: at, input, hops: 0 });
        }
        out.deliver(&mut Round::default());
        out.settle();
        out
    }

    /// Lets time pass until nothing is left to be said.
    pub fn settle(&mut self) {
        for _ in 0..SETTLE_MS / STEP_MS {
            self.ms += STEP_MS;
            BOTH.into_iter().for_each(|to| self.queue.push_back(Parcel { to, input: Input::Tick, hops: 0 }));
            self.deliver(&mut Round::default());
        }
    }

    /// From now on frames vanish, or arrive again.
    pub fn set_cut(&mut self, cut: bool) {
        self.cut = cut;
    }

    pub fn node(&self, at: usize) -> &Node {
        &self.nodes[at]
    }

    pub fn node_mut(&mut self, at: usize) -> &mut Node {
        &mut self.nodes[at]
    }

    /// Are both equal in all scopes?
    pub fn is_equal(&self) -> bool {
        self.nodes[0].whole_digest() == self.nodes[1].whole_digest()
    }

    /// A local write, which gives a batch.
    pub fn write(&mut self, at: usize, write: impl FnOnce(&mut Tx<'_>)) -> Batch {
        let mut fx = Vec::new();
        let written = self.nodes[at].write(&scope(), now(self.ms), &mut fx, |tx| {
            write(tx);
            Ok(())
        });
        let batch = written.expect("the scope is hosted").batch.expect("something was written");
        self.nodes[at].release(now(self.ms), &mut fx);
        self.carry_out(at, fx, 0);
        self.deliver(&mut Round::default());
        batch
    }

    /// A round of anti-entropy, begun by the first node, to its end.
    pub fn round(&mut self) -> Round {
        let mut round = Round::default();
        let mut fx = Vec::new();
        let took = self.timed(0, |node, _| _ = node.sync_with(id(1), &mut fx));
        round.cpu[0] += took;
        self.carry_out(0, fx, 0);
        self.deliver(&mut round);
        round
    }

    fn timed(&mut self, at: usize, work: impl FnOnce(&mut Node, Now)) -> Duration {
        let now = now(self.ms);
        super::super::figures::timed(self.cpu, || work(&mut self.nodes[at], now))
    }

    fn deliver(&mut self, round: &mut Round) {
        while let Some(Parcel { to, input, hops }) = self.queue.pop_front() {
            let sync = sync_frame(&input);
            let mut fx = Vec::new();
            let took = self.timed(to, |node, now| node.handle(input, now, &mut fx));
            if let Some(frame) = sync {
                round.note(to, &frame, took);
                if round.equal_after.is_none() && self.is_equal() {
                    round.equal_after = Some(hops);
                }
            }
            self.carry_out(to, fx, hops);
        }
    }

    fn carry_out(&mut self, at: usize, effects: Vec<Effect>, hops: u32) {
        for effect in effects {
            let (to, input, hops) = match effect {
                Effect::Send { frame, .. } if !self.cut => {
                    (1 - at, Input::Frame { link: LINK, frame }, hops + 1)
                }
                Effect::Close { .. } => panic!("a link between two sound nodes was closed"),
                Effect::AwaitDisk { ticket } => (at, Input::Persisted { ticket }, hops),
                _ => continue,
            };
            self.queue.push_back(Parcel { to, input, hops });
        }
    }
}

fn boot(at: usize, rows: &[Row], seed: u64, path: SyncPath) -> damson_core::node::Started {
    let mut config = Config::new(format!("n{at}"), "bench");
    config.replica.sketches = path != SyncPath::Full;
    let mut boot = Boot::new(config, id(at), ChaCha8Rng::seed_from_u64(seed));
    let full = rows.iter().filter_map(|row| row.value.as_ref().map(|value| (row, value)));
    full.for_each(|(row, value)| boot.row(row.table, &row.key, value));
    let started = boot.finish(None, now(0));
    assert_eq!(started.damage, None, "the rows are sound");
    started
}

/// The frame, if it is anti-entropy's.
fn sync_frame(input: &Input) -> Option<Bytes> {
    let Input::Frame { frame, .. } = input else { return None };
    matches!(Message::decode(frame), Ok(Message::Sync(_) | Message::Check(_) | Message::Equal))
        .then(|| frame.clone())
}
