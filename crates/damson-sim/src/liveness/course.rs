//! The course of the experiment: nodes join, settle, and are watched while some crash and some starve.

use bytes::Bytes;
use damson_core::membership::{Member, MemberState};
use damson_core::node::{Config, Node};
use damson_core::replica::{Slot, Tx};
use damson_core::scope::ScopeName;
use damson_core::time::Time;
use xxhash_rust::xxh3::Xxh3;

use super::changes::{Change, Changes};
use super::evidence::{Crash, Evidence, RosterHash};
use super::options::{CrashNotice, LivenessOptions};
use crate::dice::Dice;
use crate::swarm::{self, JOIN_US, NEVER, Network, SwarmProgress, Teller, Traffic, id_of, number_of};

type World = swarm::World<Changes>;

/// After so many seconds the measured time begins although not all rosters show all as alive.
const SETTLE_S_MAX: u64 = 120;
/// Nobody crashes in the last 30 seconds, so that it can be seen whether all agree.
const QUIET_US: u64 = 30_000_000;
/// A dial to a machine without power has failed after this time: the default of the TCP transport.
const DIAL_TIMEOUT_US: u64 = 5_000_000;
const SECOND_US: u64 = 1_000_000;
/// Keys are written so many at a time, with this pause.
const KEYS_AT_ONCE: usize = 1_000;
const FILL_PAUSE_US: u64 = 20_000;

struct Course<'a> {
    options: &'a LivenessOptions,
    world: World,
    dice: Dice,
    teller: Teller<'a>,
}

/// Who crashes when, in the order of time, and who starves.
struct Fates {
    crashes: Vec<Crash>,
    starved: Vec<u32>,
}

/// Runs the experiment.
pub(crate) fn play(options: &LivenessOptions, progress: &mut dyn FnMut(SwarmProgress)) -> Evidence {
    let mut course = Course::new(options, progress);
    course.join();
    let settled = course.settle() && course.fill();
    let (begun, before) = (course.world.now, course.world.traffic.clone());
    let at_start = not_alive(&course.world, options.seed);
    let fates = course.draw();
    course.watch(&fates);
    course.evidence(Beginning { settled, begun, before, at_start }, fates)
}

/// How it was when the measured time began.
struct Beginning {
    settled: bool,
    begun: Time,
    before: Traffic,
    at_start: Vec<Change>,
}

impl<'a> Course<'a> {
    fn new(options: &'a LivenessOptions, progress: &'a mut dyn FnMut(SwarmProgress)) -> Self {
        let network = Network {
            seed: options.seed,
            delay_us: options.delay_us,
            loss_pct: options.loss_pct,
            dial_timeout_us: DIAL_TIMEOUT_US,
        };
        let hosts = u32::try_from(options.nodes).expect("checked");
        let longest_us = u64::from(hosts) * JOIN_US + SETTLE_S_MAX * SECOND_US + measured_us(options);
        Self {
            options,
            world: World::new(network, Config::new("", "simulated"), hosts, Changes::default()),
            dice: Dice::new(options.seed ^ 0x0011_FE11),
            teller: Teller { planned: Time(longest_us), progress },
        }
    }

    fn run_until(&mut self, phase: &'static str, until: Time) {
        self.teller.run_until(&mut self.world, phase, until);
    }

    fn join(&mut self) {
        let nodes = u32::try_from(self.options.nodes).expect("checked");
        self.teller.join(&mut self.world, nodes);
    }

    /// Until all rosters show all as alive; false when that did not come in time.
    fn settle(&mut self) -> bool {
        for _ in 0..SETTLE_S_MAX {
            self.run_until("settle", Time(self.world.now.0 + SECOND_US));
            if all_alive(&self.world) {
                return true;
            }
        }
        false
    }

    /// The first node writes all keys; false when not all nodes had them in time.
    fn fill(&mut self) -> bool {
        let scope: ScopeName = "default".parse().expect("a sound name");
        for from in (0..self.options.keys).step_by(KEYS_AT_ONCE) {
            let keys = from..self.options.keys.min(from + KEYS_AT_ONCE);
            let put = |tx: &mut Tx<'_>| {
                keys.clone().try_for_each(|n| {
                    let slot = Slot::key(format!("{n:016}").into_bytes());
                    tx.put_register(&slot, Bytes::from_static(&[b'v'; 64]), None)
                })
            };
            let written = self.world.call(0, |node, now, fx| node.write(&scope, now, fx, put).is_ok());
            assert_eq!(written, Some(true), "within all limits");
            self.run_until("fill", Time(self.world.now.0 + FILL_PAUSE_US));
        }
        (0..SETTLE_S_MAX).any(|_| {
            let all = all_equal(&self.world);
            if !all {
                self.run_until("fill", Time(self.world.now.0 + SECOND_US));
            }
            all
        })
    }

    fn draw(&mut self) -> Fates {
        let (begun, window_us) = (self.world.now, measured_us(self.options) - QUIET_US);
        let mut nodes: Vec<u32> = self.world.living().collect();
        self.dice.shuffle(&mut nodes);
        let killed: Vec<u32> = nodes.drain(..self.options.kill).collect();
        let crash = |node| Crash { at: Time(begun.0 + self.dice.below(window_us)), node };
        let mut crashes: Vec<Crash> = killed.into_iter().map(crash).collect();
        crashes.sort_unstable_by_key(|crash| (crash.at, crash.node));
        let mut starved: Vec<u32> = nodes.drain(..self.options.starve).collect();
        starved.sort_unstable();
        Fates { crashes, starved }
    }

    /// The measured time.
    fn watch(&mut self, fates: &Fates) {
        let ended = Time(self.world.now.0 + measured_us(self.options));
        self.teller.planned = ended;
        self.world.witness.recording = true;
        self.world.starve(&fates.starved);
        for crash in &fates.crashes {
            self.run_until("measure", crash.at);
            let noticed = match self.options.detect {
                CrashNotice::Instant => crash.at,
                CrashNotice::Silent => NEVER,
            };
            self.world.crash(&[crash.node], noticed);
        }
        self.run_until("measure", ended);
    }

    fn evidence(mut self, beginning: Beginning, fates: Fates) -> Evidence {
        let Beginning { settled, begun, before, at_start } = beginning;
        let ended = self.world.now;
        let lived = |died: Option<Time>| died.unwrap_or(ended).0 - begun.0;
        let rosters = self.world.living().filter_map(|at| Some(hash_of(at, self.world.node(at)?)));
        Evidence {
            options: self.options.clone(),
            settled,
            begun,
            ended,
            at_start,
            rosters: rosters.collect(),
            changes: std::mem::take(&mut self.world.witness.list),
            crashes: fates.crashes,
            starved: fates.starved,
            bytes: self.world.traffic.since(&before).bytes(),
            node_us: self.world.hosts.iter().map(|host| lived(host.died)).sum(),
            frames_dropped: self.world.frames_dropped,
            events: self.world.events,
            trace_hash: self.world.trace_hash(),
        }
    }
}

fn measured_us(options: &LivenessOptions) -> u64 {
    options.minutes * 60 * SECOND_US
}

/// Do all living nodes hold the same keys?
fn all_equal(world: &World) -> bool {
    let mut digests = world.living().filter_map(|at| world.node(at)).map(Node::digest);
    let first = digests.next();
    digests.all(|digest| Some(digest) == first)
}

/// Does each living node see each node alive?
fn all_alive(world: &World) -> bool {
    let is_alive = |member: &&Member| member.state == MemberState::Alive;
    let sees_all = |node: &Node| node.roster().iter().filter(is_alive).count() == world.hosts.len();
    world.living().filter_map(|at| world.node(at)).all(sees_all)
}

/// What observers see otherwise than alive.
fn not_alive(world: &World, seed: u64) -> Vec<Change> {
    let mut out = Vec::new();
    for observer in world.living() {
        let Some(node) = world.node(observer) else { continue };
        for member in world.living() {
            let record = node.roster().get(id_of(seed, member));
            let state = record.map(|record| record.state);
            if state != Some(MemberState::Alive) {
                out.push(Change {
                    at: world.now,
                    observer,
                    member,
                    incarnation: record.map_or(0, |record| record.incarnation),
                    state,
                    judged_by: record.and_then(|record| record.judged_by).map(number_of),
                });
            }
        }
    }
    out
}

fn hash_of(observer: u32, node: &Node) -> RosterHash {
    let mut hash = Xxh3::new();
    for member in node.roster().iter() {
        hash.update(&member.id.0);
        hash.update(member.state.name().as_bytes());
    }
    RosterHash { observer, states: hash.digest() }
}
