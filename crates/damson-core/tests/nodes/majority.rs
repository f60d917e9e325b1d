//! Reads that wait: for a write that a token names, and for all that a majority has seen.

use std::collections::BTreeMap;

use damson_core::crdt::{Actor, Context, DotRange, Life, NodeId};
use damson_core::node::{Ack, Config, Input, Token, WaitError, Waited};
use damson_core::replica::Slot;
use damson_core::scope::ScopeName;
use damson_core::wire::{Answer, Have, Message, Said};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::ack::{end_of, mesh, put, wait};
use crate::bus::{Bus, Rows, scope};

fn read(bus: &mut Bus, at: usize, ms: u64) -> u64 {
    bus.call(at, |node, now, fx| node.await_majority(&scope(), Some(ms), now, fx)).unwrap()
}

fn read_after(bus: &mut Bus, at: usize, token: &Token, ms: u64) -> u64 {
    bus.call(at, |node, now, fx| node.await_token(token, Some(ms), now, fx)).unwrap()
}

fn token(bus: &mut Bus, at: usize, write: &Have) -> Token {
    bus.call(at, |node, _, _| node.token(&write.scope, write.actor, write.last)).unwrap()
}

fn covers(context: &Context, write: &Have) -> bool {
    context.contains_range(DotRange { actor: write.actor, first: 1, last: write.last })
}

#[test]
fn a_token_waits_until_the_write_and_all_before_it_are_here_and_fetches_what_was_missed() {
    let mut bus = Bus::default();
    let nodes = mesh(&mut bus, 3);
    bus.deaf.insert((nodes[0], nodes[1]));
    bus.deaf.insert((nodes[2], nodes[1]));
    put(&mut bus, nodes[0], "first", "v");
    let second = put(&mut bus, nodes[0], "second", "v");
    let token = token(&mut bus, nodes[0], &second);
    let reads = [read_after(&mut bus, nodes[1], &token, 100), read_after(&mut bus, nodes[1], &token, 10_000)];
    let here = read_after(&mut bus, nodes[0], &token, 100);
    assert_eq!(end_of(&bus, nodes[0], here), Some(Waited::Reached { had: 1 }));
    bus.run(150);
    assert_eq!(end_of(&bus, nodes[1], reads[0]), Some(Waited::TimedOut { had: 0, wanted: 1 }));
    assert_eq!(end_of(&bus, nodes[1], reads[1]), None);
    bus.deaf.clear();
    // Sooner than the usual round of anti-entropy would.
    bus.run(600);
    assert_eq!(end_of(&bus, nodes[1], reads[1]), Some(Waited::Reached { had: 1 }));
    assert!(covers(bus.node(nodes[1]).replica(&scope()).unwrap().context(), &second));
}

#[test]
fn a_token_of_a_scope_that_is_not_hosted_or_of_a_write_that_never_was_is_told_so() {
    let mut bus = Bus::default();
    let config = Config { hosted: Some(vec![scope()]), ..Config::new("n1", "test") };
    let a = bus.start_with(config, 1, Rows::new(), None, 1);
    let write = put(&mut bus, a, "k", "v");
    let elsewhere = bus.start(2, Rows::new(), None, 2);
    let other: ScopeName = "elsewhere".parse().unwrap();
    bus.write_in(elsewhere, &other, |tx| tx.put_register(&Slot::key("k"), "v".into(), None).unwrap());
    let actor = Actor::new(bus.node(elsewhere).id(), bus.node(elsewhere).life());
    let foreign = bus.call(elsewhere, |node, _, _| node.token(&other, actor, 1)).unwrap();
    let refused = bus.call(a, |node, now, fx| node.await_token(&foreign, Some(10), now, fx));
    assert_eq!(refused, Err(WaitError::NotHosted));
    for last in [0, write.last + 1] {
        let absent = bus.call(a, |node, _, _| node.token(&write.scope, write.actor, last));
        assert_eq!(absent, None, "nobody gets a token of what was not written");
    }
    // Of an author that this node has never heard of.
    let strange = put(&mut bus, elsewhere, "k", "v");
    let strange = token(&mut bus, elsewhere, &strange);
    let before = bus.node(a).whole_digest();
    let read = read_after(&mut bus, a, &strange, 200);
    bus.run(250);
    assert_eq!(end_of(&bus, a, read), Some(Waited::TimedOut { had: 0, wanted: 1 }));
    assert_eq!((bus.node(a).whole_digest(), bus.node(a).waits_and_questions()), (before, (0, 0)));
}

#[test]
fn a_majority_read_waits_for_what_the_others_have_seen() {
    let mut bus = Bus::default();
    let nodes = mesh(&mut bus, 5);
    // The reader misses pushes and announcements, and still reads the others' answers.
    let write = put(&mut bus, nodes[0], "k", "v");
    bus.run(1_000);
    [0, 1, 2].into_iter().for_each(|at| _ = bus.deaf.insert((at, nodes[4])));
    let second = put(&mut bus, nodes[0], "k", "w");
    let acknowledged = wait(&mut bus, nodes[0], &second, Ack::Majority, 1_000);
    assert!(matches!(end_of(&bus, nodes[0], acknowledged), Some(Waited::Reached { .. })));
    bus.deaf.insert((nodes[3], nodes[4]));
    let blind = read(&mut bus, nodes[4], 300);
    bus.run(350);
    assert_eq!(end_of(&bus, nodes[4], blind), Some(Waited::TimedOut { had: 1, wanted: 3 }));
    bus.deaf.clear();
    let seeing = read(&mut bus, nodes[4], 5_000);
    bus.run(2_000);
    assert!(matches!(end_of(&bus, nodes[4], seeing), Some(Waited::Reached { .. })));
    let context = bus.node(nodes[4]).replica(&scope()).unwrap().context();
    assert!(covers(context, &write) && covers(context, &second));
}

#[test]
fn an_answer_with_what_never_was_makes_one_read_wait_in_vain_and_nothing_else() {
    let mut bus = Bus::default();
    let nodes = mesh(&mut bus, 2);
    put(&mut bus, nodes[0], "k", "v");
    let (at_a, _) = bus.link(nodes[0], nodes[1]);
    bus.run(500);
    bus.deaf.insert((nodes[1], nodes[0]));
    let lied_to = read(&mut bus, nodes[0], 500);
    let mut never = Context::default();
    let actor = Actor::new(NodeId([77; 16]), Life(7));
    never.insert_range(DotRange { actor, first: 1, last: u64::MAX - 1 });
    let mut context = Vec::new();
    damson_core::crdt::codec::encode_context(&mut context, &never);
    let before = (bus.node(0).whole_digest(), bus.node(0).counters().malformed);
    let say = |bus: &mut Bus, said| {
        let frame = Message::Answer(Answer { nonce: lied_to, said }).encode();
        bus.input(0, Input::Frame { link: at_a, frame });
    };
    say(&mut bus, Said::Seen(vec![0xff; 50]));
    assert_eq!(bus.node(0).counters().malformed, before.1 + 1);
    say(&mut bus, Said::Seen(vec![0; (64 << 10) + 1]));
    assert_eq!(bus.node(0).ack_counters().unasked, 1);
    say(&mut bus, Said::Seen(context));
    bus.run(600);
    assert_eq!(end_of(&bus, nodes[0], lied_to), Some(Waited::TimedOut { had: 2, wanted: 2 }));
    assert_eq!(bus.node(0).whole_digest(), before.0);
    bus.deaf.clear();
    let read = read(&mut bus, nodes[0], 500);
    bus.run(500);
    assert_eq!(end_of(&bus, nodes[0], read), Some(Waited::Reached { had: 2 }));
}

/// A cluster whose links, partitions and processes come and go at random, and whose disks are behind.
struct Town {
    bus: Bus,
    rng: ChaCha8Rng,
    /// Where the process of each machine is.
    at: Vec<usize>,
    /// Which machine each process is of.
    machine: BTreeMap<usize, usize>,
    side: Vec<u64>,
    writes: BTreeMap<(usize, u64), (Have, u64)>,
    /// Enough others have it, and it is not on the writer's disk.
    unwritten: Vec<(usize, u64, Have)>,
    reads: BTreeMap<(usize, u64), Vec<Have>>,
    acknowledged: Vec<Have>,
    looked_at: usize,
    /// Reads that ended well, and reads and writes that did not.
    read: usize,
    refused: usize,
}

impl Town {
    fn new(count: usize, seed: u64) -> Self {
        let mut town = Self {
            bus: Bus::default(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            at: Vec::new(),
            machine: BTreeMap::new(),
            side: vec![0; count],
            writes: BTreeMap::new(),
            unwritten: Vec::new(),
            reads: BTreeMap::new(),
            acknowledged: Vec::new(),
            looked_at: 0,
            read: 0,
            refused: 0,
        };
        town.bus.lazy_disk = true;
        for machine in 0..count {
            let at = town.start(machine, Rows::new());
            town.at.push(at);
        }
        town.pass(5_000);
        assert!(town.at.iter().all(|at| town.bus.nodes[*at].as_ref().unwrap().roster().present() == count));
        town
    }

    fn start(&mut self, machine: usize, rows: Rows) -> usize {
        let mut config = Config::new(format!("n{machine}"), "test");
        config.address = format!("n{machine}");
        config.contacts = (0..self.side.len()).map(|n| format!("n{n}")).collect();
        let seed = self.rng.next_u64();
        let at = self.bus.start_with(config, machine as u8 + 1, rows, None, seed);
        self.machine.insert(at, machine);
        at
    }

    fn below(&mut self, n: usize) -> usize {
        (self.rng.next_u64() % n as u64) as usize
    }

    /// Frames across the partition vanish. So do dials.
    fn set_deaf(&mut self) {
        let pairs = || {
            self.at
                .iter()
                .enumerate()
                .flat_map(|(a, x)| self.at.iter().enumerate().map(move |(b, y)| (a, b, *x, *y)))
        };
        self.bus.deaf =
            pairs().filter(|(a, b, ..)| self.side[*a] != self.side[*b]).map(|(_, _, x, y)| (x, y)).collect();
    }

    fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 50 {
            self.bus.run(50);
            for at in self.at.clone() {
                if self.below(3) == 0 {
                    self.bus.flush(at);
                }
            }
            for (by, address) in std::mem::take(&mut self.bus.dialed) {
                if self.bus.nodes[by].is_none() {
                    continue;
                }
                let machine: usize = address[1..].parse().unwrap();
                let to = self.at.get(machine).copied().filter(|to| *to != by);
                let reached =
                    to.filter(|to| self.bus.nodes[*to].is_some() && !self.bus.deaf.contains(&(by, *to)));
                match reached {
                    Some(to) => _ = self.bus.link(by, to),
                    None => self.bus.input(by, Input::DialFailed { address }),
                }
            }
            self.look();
        }
    }

    /// What has ended since?
    fn look(&mut self) {
        let ended: Vec<_> = self.bus.ended[self.looked_at..].to_vec();
        self.looked_at += ended.len();
        for (at, id, end) in ended {
            let reached = matches!(end, Waited::Reached { .. });
            self.refused += usize::from(!reached);
            if let Some((write, ticket)) = self.writes.remove(&(at, id)).filter(|_| reached) {
                self.unwritten.push((at, ticket, write));
            }
            let Some(promised) = self.reads.remove(&(at, id)).filter(|_| reached) else { continue };
            let Some(node) = self.bus.nodes[at].as_ref() else { continue };
            let nothing = Context::default();
            let context = node.replica(&scope()).map_or(&nothing, |replica| replica.context());
            for write in promised {
                assert!(covers(context, &write), "the read of {at} has not seen {write:?}");
            }
            self.read += 1;
        }
        for (at, ticket, write) in std::mem::take(&mut self.unwritten) {
            let queued = self.bus.queued.get(&at).and_then(|queued| queued.first_key_value());
            if self.bus.nodes[at].is_none() {
                // It was never acknowledged.
            } else if queued.is_some_and(|(first, _)| *first <= ticket) {
                self.unwritten.push((at, ticket, write));
            } else {
                self.acknowledged.push(write);
            }
        }
    }

    fn happen(&mut self) {
        let count = self.at.len();
        let machine = self.below(count);
        let at = self.at[machine];
        match self.below(20) {
            0 => {
                let sides = 1 + self.below(3);
                for machine in 0..count {
                    self.side[machine] = self.below(sides) as u64;
                }
                self.set_deaf();
            }
            1 => {
                self.side.fill(0);
                self.set_deaf();
            }
            2 => {
                let rows = self.bus.crash(at);
                // Its links break at the other ends when they notice.
                let at = self.start(machine, rows);
                self.at[machine] = at;
                self.set_deaf();
            }
            3..10 => {
                let key = format!("k{}", self.below(5));
                let write = put(&mut self.bus, at, &key, "v");
                let ticket = self.bus.queued.get(&at).map_or(0, |queued| *queued.last_key_value().unwrap().0);
                let id = wait(&mut self.bus, at, &write, Ack::Majority, 1_000);
                self.writes.insert((at, id), (write, ticket));
            }
            _ => {
                self.look();
                let id = read(&mut self.bus, at, 1_000);
                self.reads.insert((at, id), self.acknowledged.clone());
            }
        }
        let pause = 50 * self.below(8) as u64;
        self.pass(pause);
    }
}

/// Partitions into up to three, crashes that lose what is not on disk, and restarts as new lives: what a majority has acknowledged is seen by every later
/// majority read, on whichever node.
#[test]
fn every_majority_read_sees_what_a_majority_has_acknowledged_before() {
    let mut refused = 0;
    for seed in 0..24 {
        let mut town = Town::new([3, 4, 5][seed as usize % 3], seed);
        for _ in 0..250 {
            town.happen();
        }
        let (acknowledged, read) = (town.acknowledged.len(), town.read);
        assert!(acknowledged > 20 && read > 20, "seed {seed}: {acknowledged} {read}");
        refused += town.refused;
    }
    assert!(refused > 200, "minorities are refused: {refused}");
}
