//! State transfers between two nodes that are far from each other: over links with delays, with losses, and narrow ones.

use std::collections::{BTreeMap, BTreeSet};

use damson_core::membership::MemberState;
use damson_core::node::{Boot, Config, Effect, Event, Input, LinkId, Node};
use damson_core::replica::Slot;
use damson_core::sync::SyncConfig;
use damson_core::time::{Now, Time};
use damson_core::wire::{Message, SyncMessage};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::bus::{id, scope};

const LINK: LinkId = LinkId(1);
/// Who holds something, and who is new.
const BOTH: [usize; 2] = [0, 1];

/// Two nodes and a link that keeps the order, on which nothing overtakes unless told so.
struct Far {
    nodes: [Node; 2],
    us: u64,
    delay_ms: u64,
    /// Bytes that it carries in a second, in each direction.
    rate: u64,
    /// When it has carried what was sent so far.
    free_us: [u64; 2],
    queue: BTreeMap<(u64, u64), (usize, Input)>,
    queued: u64,
    /// Messages of anti-entropy that vanish.
    loss_percent: u32,
    /// Messages of anti-entropy come up to this much later than others.
    astray_us: u64,
    dice: ChaCha8Rng,
    /// Parts that were sent, by their transfers and numbers, and how often.
    parts: BTreeMap<(u64, u64), usize>,
    /// Bytes of payloads that were pushed.
    pushed_bytes: usize,
    suspected: usize,
}

impl Far {
    /// One node holds so many keys with values of 1,000 bytes, and a new one dials it.
    fn new(sync: SyncConfig, keys: usize, delay_ms: u64, rate: u64) -> Self {
        let [a, b] = BOTH.map(|at| {
            let config = Config { sync: sync.clone(), ..Config::new(format!("n{at}"), "test") };
            let rng = ChaCha8Rng::seed_from_u64(at as u64);
            Boot::new(config, id(1 + at as u8), rng).finish(None, now(0))
        });
        let nodes = [a.node, b.node];
        let (queue, parts) = (BTreeMap::new(), BTreeMap::new());
        let mut far = Self {
            nodes,
            us: 0,
            delay_ms,
            rate,
            free_us: [0; 2],
            queue,
            queued: 0,
            loss_percent: 0,
            astray_us: 0,
            dice: ChaCha8Rng::seed_from_u64(7),
            parts,
            pushed_bytes: 0,
            suspected: 0,
        };
        a.effects.into_iter().for_each(|effect| far.carry_out(0, effect));
        b.effects.into_iter().for_each(|effect| far.carry_out(1, effect));
        let written = far.nodes[0].write(&scope(), now(0), &mut Vec::new(), |tx| {
            (0..keys)
                .try_for_each(|n| tx.put_register(&Slot::key(format!("k{n}")), vec![7; 1_000].into(), None))
        });
        written.unwrap();
        for at in BOTH {
            let dialed = (at == 1).then(|| "address".to_string());
            far.arrives(0, at, Input::LinkUp { link: LINK, peer: id(2 - at as u8), dialed });
        }
        far
    }

    fn is_equal(&self) -> bool {
        let [a, b] = &self.nodes;
        a.replica(&scope()).map(|replica| replica.digest())
            == b.replica(&scope()).map(|replica| replica.digest())
    }

    /// Lets time pass until both hold the same, and says how many milliseconds.
    fn run_until_equal(&mut self, ms_max: u64) -> u64 {
        while !self.is_equal() {
            self.step();
            assert!(
                self.us < ms_max * 1_000,
                "not equal after {ms_max} ms: {:?}",
                self.nodes[1].sync_counters()
            );
        }
        self.us / 1_000
    }

    /// The next thing happens.
    fn step(&mut self) {
        let tick =
            |at: usize| (self.nodes[at].deadline().0.saturating_sub(now(0).time.0).max(self.us + 1_000), at);
        let (due, at) = tick(0).min(tick(1));
        let (us, at, input) = match self.queue.first_key_value() {
            Some(((us, _), _)) if *us <= due => {
                let ((us, _), (at, input)) = self.queue.pop_first().unwrap();
                (us, at, input)
            }
            _ => (due, at, Input::Tick),
        };
        self.us = us;
        let mut fx = Vec::new();
        self.nodes[at].handle(input, now(us), &mut fx);
        self.nodes[at].release(now(us), &mut fx);
        fx.into_iter().for_each(|effect| self.carry_out(at, effect));
    }

    fn carry_out(&mut self, at: usize, effect: Effect) {
        match effect {
            Effect::Send { frame, .. } => {
                let message = Message::decode(&frame).unwrap();
                let begins = self.us.max(self.free_us[at]);
                self.free_us[at] = begins + frame.len() as u64 * 1_000_000 / self.rate;
                if !self.is_lost(&message) {
                    let input = Input::Frame { link: LINK, frame };
                    let is_astray = self.astray_us > 0 && matches!(message, Message::Sync(_));
                    let later = if is_astray { self.dice.next_u64() % self.astray_us } else { 0 };
                    self.arrives(self.free_us[at] + self.delay_ms * 1_000 + later, 1 - at, input);
                }
            }
            Effect::AwaitDisk { ticket } => self.arrives(self.us, at, Input::Persisted { ticket }),
            Effect::Event(Event::Member { state, .. }) => {
                self.suspected += usize::from(state.is_some_and(|state| state != MemberState::Alive));
            }
            Effect::Close { .. } => panic!("a link between two sound nodes was closed after {} us", self.us),
            _ => {}
        }
    }

    fn is_lost(&mut self, message: &Message) -> bool {
        if let Message::Push { batches, .. } = message {
            self.pushed_bytes += batches.len();
        }
        let Message::Sync(message) = message else { return false };
        if let SyncMessage::Chunk { transfer, number, .. } = message {
            *self.parts.entry((*transfer, *number)).or_default() += 1;
        }
        self.dice.next_u32() % 100 < self.loss_percent
    }

    fn arrives(&mut self, us: u64, at: usize, input: Input) {
        self.queued += 1;
        self.queue.insert((us, self.queued), (at, input));
    }
}

fn now(us: u64) -> Now {
    Now { time: Time(1_000_000 + us), wall_ms: 1_790_000_000_000 + us / 1_000 }
}

const FAST: u64 = 1 << 30;

#[test]
fn a_transfer_of_many_parts_over_a_long_way_takes_few_round_trips() {
    let sync = SyncConfig { chunk_bytes: 16 << 10, ..SyncConfig::default() };
    let mut far = Far::new(sync, 4_000, 100, FAST);
    let round_trips = far.run_until_equal(120_000) / 200;
    let parts = far.parts.len() as u64;
    assert!(parts > 200 && round_trips < parts / 10, "{parts} parts in {round_trips} round trips");
    assert!(far.parts.values().all(|sent| *sent == 1), "nothing was lost: {:?}", far.parts);
}

#[test]
fn lost_parts_and_lost_questions_are_asked_for_again_and_all_comes_in_its_order() {
    for (loss_percent, ms_max) in [(3, 6_000), (10, 15_000), (30, 120_000)] {
        let sync = SyncConfig { chunk_bytes: 16 << 10, ..SyncConfig::default() };
        let mut far = Far::new(sync, 2_000, 20, FAST);
        far.loss_percent = loss_percent;
        far.run_until_equal(ms_max);
        let (parts, sent) = (far.parts.len(), far.parts.values().sum::<usize>());
        assert!(sent < 2 * parts, "{sent} instead of {parts} parts");
        assert_eq!(far.nodes[1].sync_counters().refused, 0);
    }
}

/// TCP keeps the order, other transports need not: a question that overtakes others must not wait for them.
#[test]
fn questions_and_parts_that_overtake_one_another_starve_no_transfer() {
    let sync = SyncConfig { chunk_bytes: 4 << 10, ..SyncConfig::default() };
    let mut far = Far::new(sync, 1_000, 1, FAST);
    far.astray_us = 5_000;
    let ms = far.run_until_equal(60_000);
    let parts = far.parts.len();
    assert!(parts > 150 && ms < 3_000, "{parts} parts took {ms} ms");
    assert_eq!(far.nodes[1].sync_counters().failed, 0);
}

#[test]
fn a_transfer_over_a_narrow_link_takes_hardly_longer_than_its_bytes_and_nobody_is_suspected() {
    let rate = 32_000;
    let mut far = Far::new(SyncConfig::default(), 1_000, 20, rate);
    let least_ms = 1_000 * 1_000_000 / rate;
    let ms = far.run_until_equal(20 * least_ms);
    let counters = far.nodes[1].sync_counters();
    assert!(ms < least_ms * 5 / 4, "{ms} ms instead of {least_ms}, {counters:?}");
    assert_eq!((counters.failed, counters.refused), (0, 0));
    assert_eq!(far.suspected, 0);
}

#[test]
fn cells_that_change_while_parts_are_under_way_are_sent_again() {
    let sync = SyncConfig { chunk_bytes: 16 << 10, ..SyncConfig::default() };
    let mut far = Far::new(sync, 2_000, 100, FAST);
    let mut changed = BTreeSet::new();
    while !far.is_equal() {
        far.step();
        let made = far.parts.len();
        if made.is_multiple_of(10) && changed.insert(made) {
            let at = now(far.us);
            // Nothing of it is broadcast.
            let written = far.nodes[0].write(&scope(), at, &mut Vec::new(), |tx| {
                tx.remove(&Slot::key(format!("k{made}")));
                tx.put_register(&Slot::key(format!("k{}", made + 1)), vec![8; 10].into(), None)
            });
            written.unwrap();
        }
        assert!(far.us < 120_000_000);
    }
    assert!(changed.len() > 5);
}

#[test]
fn a_newcomer_is_not_sent_what_is_recent_by_a_transfer_and_by_pushes() {
    let mut far = Far::new(SyncConfig::default(), 900, 20, 1_000_000);
    far.run_until_equal(10_000);
    assert!(far.pushed_bytes < 10_000, "{} bytes", far.pushed_bytes);
}
