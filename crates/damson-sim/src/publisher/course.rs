//! The course of the experiment: nodes join, take part, settle, and one of them publishes.

use damson_core::node::{Config, Node};
use damson_core::time::Time;

use super::evidence::{Evidence, Watched, Why, Written, scope};
use super::options::PublisherOptions;
use super::records::{Records, Write};
use crate::dice::Dice;
use crate::swarm::{self, JOIN_US, Network, SwarmProgress, Teller, id_of};

type World = swarm::World<Watched>;

const SECOND_US: u64 = 1_000_000;
/// After so many seconds it goes on although not all is settled.
const SETTLE_S_MAX: u64 = 120;
/// After this time without a change announcements ride on probes, as they do in calm.
const CALM_US: u64 = 10 * SECOND_US;
/// Nodes start their publishers one after the other.
const START_US: u64 = 2_000;
/// What belongs to the last update is sent within this time: probes carry announcements, and come more often.
const TAIL_US: u64 = 3 * SECOND_US;
/// How exactly it is seen when all have all.
const STEP_US: u64 = 500;
const CONVERGE_US_MAX: u64 = 60 * SECOND_US;
const VERSION: u16 = 1;

struct Course<'a> {
    options: &'a PublisherOptions,
    nodes: usize,
    world: World,
    records: Records,
    teller: Teller<'a>,
}

/// Runs it with so many nodes.
pub(crate) fn play(
    options: &PublisherOptions,
    nodes: usize,
    progress: &mut dyn FnMut(SwarmProgress),
) -> Evidence {
    let mut course = Course::new(options, nodes, progress);
    course.teller.join(&mut course.world, u32::try_from(nodes).expect("checked"));
    let settled = course.settle(all_present) && course.take_part();
    let neighbours = course.neighbours();
    let (begun, converged) = (course.world.now, course.publish());
    let (world, origin) = (&course.world, course.world.witness.origin);
    let whole = world.node(origin).map(Node::digest);
    let lacks = |at: &u32| world.node(*at).map(Node::digest) != whole;
    let evidence = Evidence {
        nodes,
        origin,
        neighbours: (neighbours, course.neighbours()),
        settled,
        begun,
        ended: world.now,
        converged,
        lacking: world.living().filter(lacks).collect(),
        frames: Vec::new(),
        written: Vec::new(),
        events: world.events,
        trace_hash: world.trace_hash(),
    };
    let watched = course.world.witness;
    Evidence { frames: watched.frames, written: watched.written, ..evidence }
}

impl<'a> Course<'a> {
    fn new(options: &'a PublisherOptions, nodes: usize, progress: &'a mut dyn FnMut(SwarmProgress)) -> Self {
        let network = Network {
            seed: options.seed,
            delay_us: options.delay_us,
            loss_pct: 0.0,
            dial_timeout_us: 5 * SECOND_US,
        };
        let hosts = u32::try_from(nodes).expect("checked");
        let mut dice = Dice::new(options.seed ^ 0x0B_11C5);
        let origin = u32::try_from(dice.below(u64::from(hosts))).expect("below a number of 32 bits");
        let config = Config { trace_deliveries: true, ..Config::new("", "simulated") };
        let publish_us = options.updates as u64 * SECOND_US / options.rate;
        let planned = Time(u64::from(hosts) * (JOIN_US + START_US) + publish_us + CALM_US + TAIL_US);
        Self {
            options,
            nodes,
            records: Records::new(id_of(options.seed, origin), dice.below(u64::MAX)),
            world: World::new(network, config, hosts, Watched { origin, ..Watched::default() }),
            teller: Teller { planned, progress },
        }
    }

    fn run_for(&mut self, phase: &'static str, us: u64) {
        let until = Time(self.world.now.0 + us);
        self.teller.run_until(&mut self.world, phase, until);
    }

    /// Until something is so; false when that did not come in time.
    fn settle(&mut self, is_so: fn(&World) -> bool) -> bool {
        (0..SETTLE_S_MAX).any(|_| {
            self.run_for("settle", SECOND_US);
            is_so(&self.world)
        })
    }

    /// Every node starts the publisher: it writes what it owns at first, and says in the roster that it takes part.
    fn take_part(&mut self) -> bool {
        let data = vec![0; self.options.bytes];
        for at in 0..u32::try_from(self.nodes).expect("checked") {
            let write = if at == self.world.witness.origin {
                self.records.base(&data)
            } else {
                Records::new(id_of(self.options.seed, at), u64::from(at)).base(&data)
            };
            self.write(at, write);
            self.world.call(at, |node, now, fx| node.set_running(&scope(), Some(VERSION), now, fx));
            self.run_for("start", START_US);
        }
        let settled = self.settle(all_equal);
        self.run_for("settle", CALM_US);
        settled
    }

    /// The measured time. Says when all had everything.
    fn publish(&mut self) -> Option<Time> {
        self.world.witness.recording = true;
        let data: Vec<u8> = vec![b'u'; self.options.bytes];
        let pause_us = SECOND_US / self.options.rate;
        for number in 0..self.options.updates {
            if number > 0 {
                self.run_for("publish", pause_us);
            }
            let update = self.records.update(&data);
            self.publish_one(Why::Update, update);
            if self.records.is_long() {
                let base = self.records.base(&data);
                self.publish_one(Why::Rebase, base);
            }
        }
        let last = self.world.now;
        let converged = (0..CONVERGE_US_MAX / STEP_US).find_map(|_| {
            self.run_for("converge", STEP_US);
            all_equal(&self.world).then_some(self.world.now)
        });
        let rest_us = (last.0 + TAIL_US).saturating_sub(self.world.now.0);
        self.run_for("converge", rest_us);
        converged
    }

    fn publish_one(&mut self, why: Why, write: Write) {
        let at = self.world.now;
        let (operations, last) = self.write(self.world.witness.origin, write);
        let (delivered, delivered_last) = (0, at);
        self.world.witness.written.push(Written { why, at, operations, last, delivered, delivered_last });
    }

    /// Says how many operations it took, and the number of the last.
    fn write(&mut self, at: u32, write: Write) -> (usize, u64) {
        let written =
            self.world.call(at, |node, now, fx| node.write(&scope(), now, fx, |tx| write.carry_out(tx)));
        let batch = written.and_then(|written| written.ok()?.batch).expect("a living node writes");
        (batch.ops.len(), batch.last())
    }

    fn neighbours(&self) -> usize {
        let origin = self.world.node(self.world.witness.origin);
        origin.map_or(0, |node| node.active_view().len())
    }
}

/// Does each node see each as taking part?
fn all_present(world: &World) -> bool {
    let nodes = world.hosts.len();
    world.living().filter_map(|at| world.node(at)).all(|node| node.roster().present() == nodes)
}

/// Do all nodes hold the same?
fn all_equal(world: &World) -> bool {
    let mut digests = world.living().filter_map(|at| world.node(at)).map(Node::digest);
    let first = digests.next();
    digests.all(|digest| Some(digest) == first)
}
