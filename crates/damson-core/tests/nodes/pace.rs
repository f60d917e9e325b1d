//! The pace of an inbound session of anti-entropy: its budget, and peers that send next to nothing.

use damson_core::scope::ScopeName;
use damson_core::sync::{Opened, Scopes, Staged, Sync, SyncConfig, SyncEffect};
use damson_core::time::Time;
use damson_core::wire::{Message, ScopeDigest, SyncMessage};
use damson_crdt::NodeId;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

const PEER: NodeId = NodeId([2; 16]);
const OTHER: NodeId = NodeId([3; 16]);

/// One scope, of which always more is to come.
struct Endless;

impl Scopes for Endless {
    fn digest(&self, _: NodeId) -> [u8; 16] {
        [1; 16]
    }
    fn digests(&self, _: NodeId) -> Vec<ScopeDigest> {
        Vec::new()
    }
    fn request(&mut self, _: &ScopeName, _: Option<u64>) -> Option<Vec<u8>> {
        Some(Vec::new())
    }
    fn open(&mut self, _: &ScopeName, _: u64, _: NodeId, _: &[u8]) -> Option<Opened> {
        None
    }
    fn chunk(&mut self, _: &ScopeName, _: u64, _: usize, _: &[u8]) -> Option<(Vec<u8>, bool)> {
        None
    }
    fn close(&mut self, _: &ScopeName, _: u64) {}
    fn stage(&mut self, _: &ScopeName, _: NodeId, _: u64, _: &[u8]) -> Staged {
        Staged::More(Vec::new())
    }
    fn unstage(&mut self) {}
}

/// A receiver that has heard from two peers that they have something else.
struct Receiver {
    sync: Sync,
    now: Time,
    asked: Vec<(NodeId, SyncMessage)>,
}

impl Receiver {
    fn new(config: SyncConfig) -> Self {
        let (now, rng) = (Time(0).plus_ms(1_000), ChaCha8Rng::seed_from_u64(1));
        let mut receiver = Self { sync: Sync::new(config, rng, now), now, asked: Vec::new() };
        for peer in [PEER, OTHER] {
            let scope = "app".parse().unwrap();
            receiver
                .hear(peer, SyncMessage::Digests(vec![ScopeDigest { scope, digest: [2; 16], empty: false }]));
        }
        receiver
    }

    fn hear(&mut self, peer: NodeId, message: SyncMessage) {
        let mut effects = Vec::new();
        self.sync.handle(peer, message, self.now, &mut Endless, &mut effects);
        self.note(effects);
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        let mut effects = Vec::new();
        self.sync.tick(self.now, &[], &mut Endless, &mut effects);
        self.note(effects);
    }

    fn note(&mut self, effects: Vec<SyncEffect>) {
        self.asked.extend(effects.into_iter().filter_map(|effect| match effect {
            SyncEffect::Send(peer, Message::Sync(message)) => Some((peer, message)),
            _ => None,
        }));
    }

    /// Answers what was asked last with so many bytes.
    fn answer(&mut self, bytes: usize) {
        let (peer, asked) = self.asked.last().expect("something was asked").clone();
        let (session, number) = match asked {
            SyncMessage::Pull { session, .. } => (session, 0),
            SyncMessage::Next { session, number, .. } => (session, number),
            other => panic!("{other:?} asks for nothing"),
        };
        self.hear(peer, SyncMessage::Chunk { session, transfer: 7, number, body: vec![0; bytes] });
    }

    fn parts_asked(&self) -> usize {
        self.asked.iter().filter(|(_, message)| matches!(message, SyncMessage::Next { .. })).count()
    }
}

#[test]
fn a_session_takes_no_more_in_a_second_than_its_budget() {
    let rate = SyncConfig { bytes_per_s_max: 100_000, ..SyncConfig::default() };
    let mut receiver = Receiver::new(rate);
    let (mut taken, mut answered) = (0, 0);
    for _ in 0..100_000 {
        if receiver.parts_asked() == answered {
            receiver.answer(10_000);
            (taken, answered) = (taken + 10_000, answered + 1);
        }
        receiver.pass(0);
        if receiver.parts_asked() < answered {
            receiver.pass(1);
        }
        if receiver.now >= Time(0).plus_ms(21_000) {
            break;
        }
    }
    let asked_again = receiver.asked.len() - answered;
    assert!((2_000_000..=2_120_000).contains(&taken), "{taken} bytes in 20 s, and a second in advance");
    assert!(asked_again <= 2, "what the budget delays is not asked for twice: {asked_again}");
    assert_eq!(receiver.sync.counters().failed, 0);
}

#[test]
fn a_peer_that_sends_next_to_nothing_for_ever_is_given_up_and_the_next_is_pulled_from() {
    let mut receiver = Receiver::new(SyncConfig::default());
    for _ in 0..20 {
        receiver.answer(10);
        receiver.pass(400);
    }
    assert_eq!(receiver.sync.counters().failed, 1);
    let (peer, last) = receiver.asked.last().unwrap();
    assert!(*peer == OTHER, "{last:?}");
}
