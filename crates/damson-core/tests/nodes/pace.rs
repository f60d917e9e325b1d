//! The pace of a session of anti-entropy: its budget, what is asked for ahead, and peers that send next to nothing.

use damson_core::scope::ScopeName;
use damson_core::sync::{Opened, Part, Scopes, Staged, Sync, SyncConfig, SyncEffect};
use damson_core::time::Time;
use damson_core::wire::{Ahead, Message, ScopeDigest, SyncMessage};
use damson_crdt::NodeId;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

const PEER: NodeId = NodeId([2; 16]);
const OTHER: NodeId = NodeId([3; 16]);

/// One scope, of which always more is to come; after the first parts, with demands.
#[derive(Default)]
struct Endless {
    demands: usize,
    /// The first bytes of the parts, as they were staged.
    staged: Vec<u8>,
    /// With so many parts a transfer to here has ended.
    ends: Option<usize>,
    /// A transfer from here has so many parts; each is told by its first byte.
    parts: u8,
    made: u8,
}

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
    fn open(&mut self, _: &ScopeName, _: u64, _: NodeId, _: &[u8]) -> bool {
        self.parts > 0
    }
    fn chunk(&mut self, _: &ScopeName, _: u64, bytes_max: usize, _: &[u8]) -> Option<Part> {
        self.made += 1;
        let (body, is_last) = (vec![self.made; bytes_max], self.made == self.parts);
        Some(Part { body, is_last, opened: Some(Opened::Ahead) })
    }
    fn close(&mut self, _: &ScopeName, _: u64) {}
    fn stage(&mut self, _: &ScopeName, _: NodeId, _: u64, body: &[u8]) -> Staged {
        self.staged.push(body[0]);
        if self.ends == Some(self.staged.len()) {
            return Staged::Done;
        }
        let demands = self.demands > 0;
        self.demands -= usize::from(demands);
        Staged::More(vec![1; usize::from(demands)])
    }
    fn unstage(&mut self) {}
}

/// A receiver that has heard from two peers that they have something else.
struct Receiver {
    sync: Sync,
    scopes: Endless,
    now: Time,
    asked: Vec<(NodeId, SyncMessage)>,
    answered: usize,
}

impl Receiver {
    fn new(config: SyncConfig) -> Self {
        let (now, rng) = (Time(0).plus_ms(1_000), ChaCha8Rng::seed_from_u64(1));
        let (sync, scopes) = (Sync::new(config, rng, now), Endless::default());
        let mut receiver = Self { sync, scopes, now, asked: Vec::new(), answered: 0 };
        receiver.differs(PEER);
        receiver.differs(OTHER);
        receiver
    }

    /// A peer says that it has something else.
    fn differs(&mut self, peer: NodeId) {
        let scope = "app".parse().unwrap();
        self.hear(peer, SyncMessage::Digests(vec![ScopeDigest { scope, digest: [2; 16], empty: false }]));
    }

    fn hear(&mut self, peer: NodeId, message: SyncMessage) {
        let mut effects = Vec::new();
        self.sync.handle(peer, message, self.now, &mut self.scopes, &mut effects);
        self.note(effects);
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        let mut effects = Vec::new();
        self.sync.tick(self.now, &[], &mut self.scopes, &mut effects);
        self.note(effects);
    }

    fn note(&mut self, effects: Vec<SyncEffect>) {
        self.asked.extend(effects.into_iter().filter_map(|effect| match effect {
            SyncEffect::Send(peer, Message::Sync(message)) => Some((peer, message)),
            _ => None,
        }));
    }

    /// Answers the first question that was not answered with so many bytes.
    fn answer(&mut self, bytes: usize) {
        self.answer_at(self.answered, bytes);
        self.answered += 1;
    }

    fn answer_at(&mut self, at: usize, bytes: usize) {
        let (peer, session, number) = self.question(at);
        let body = vec![u8::try_from(number % 256).unwrap(); bytes];
        self.hear(peer, SyncMessage::Chunk { session, transfer: 7, number, body });
    }

    fn question(&self, at: usize) -> (NodeId, u64, u64) {
        match &self.asked[at] {
            (peer, SyncMessage::Pull { session, .. }) => (*peer, *session, 0),
            (peer, SyncMessage::Next { session, number, .. }) => (*peer, *session, *number),
            other => panic!("{other:?} asks for nothing"),
        }
    }

    /// For how many bytes this question asks.
    fn bytes_asked(&self, at: usize) -> u64 {
        match &self.asked[at].1 {
            SyncMessage::Pull { bytes_max, .. } => bytes_max.unwrap(),
            SyncMessage::Next { ahead, .. } => ahead.unwrap().bytes_max,
            other => panic!("{other:?} asks for nothing"),
        }
    }

    /// The parts that were asked for since so many questions.
    fn numbers_since(&self, questions: usize) -> Vec<u64> {
        (questions..self.asked.len()).map(|at| self.question(at).2).collect()
    }
}

#[test]
fn a_session_takes_no_more_in_a_second_than_its_budget() {
    let rate = SyncConfig { bytes_per_s_max: 100_000, ..SyncConfig::default() };
    let mut receiver = Receiver::new(rate);
    let mut taken = 0;
    while receiver.now < Time(0).plus_ms(21_000) {
        if receiver.answered < receiver.asked.len() {
            receiver.answer(10_000);
            taken += 10_000;
        } else {
            receiver.pass(1);
        }
    }
    assert!((2_000_000..=2_120_000).contains(&taken), "{taken} bytes in 20 s, and a second in advance");
    let mut asked = receiver.numbers_since(0);
    asked.dedup();
    assert_eq!(asked.len(), receiver.asked.len(), "what the budget delays is not asked for twice");
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

#[test]
fn while_there_are_demands_and_before_the_first_part_each_question_waits_for_its_answer() {
    let mut receiver = Receiver::new(SyncConfig::default());
    receiver.scopes.demands = 3;
    for number in 0..4 {
        assert_eq!(receiver.numbers_since(receiver.answered), [number]);
        let bytes_max = receiver.bytes_asked(receiver.answered);
        assert_eq!(bytes_max, (32 << 10) << (2 * number).min(3), "as much as may be under way, up to a part");
        receiver.answer(usize::try_from(bytes_max).unwrap());
    }
    assert!(receiver.numbers_since(receiver.answered).len() > 1, "plain cells are asked for ahead");
}

#[test]
fn what_comes_before_its_turn_waits_and_what_is_missing_in_front_of_it_is_asked_for_at_once() {
    let mut receiver = Receiver::new(SyncConfig::default());
    receiver.answer(32_768);
    assert_eq!(receiver.numbers_since(1), [1, 2, 3, 4]);
    receiver.answer_at(2, 32_768);
    receiver.answer_at(2, 32_768);
    assert_eq!(receiver.scopes.staged, [0], "the first");
    let questions = receiver.numbers_since(5);
    assert_eq!(questions[0], 1, "again, at once: {questions:?}");
    receiver.answer_at(5, 32_768);
    assert_eq!(receiver.scopes.staged, [0, 1, 2]);
    receiver.answer_at(1, 32_768);
    assert_eq!(receiver.scopes.staged, [0, 1, 2], "each once");
}

#[test]
fn parts_that_were_late_and_not_lost_are_not_all_asked_for_again() {
    let mut receiver = Receiver::new(SyncConfig::default());
    receiver.pass(20);
    receiver.answer(32_768);
    receiver.pass(20);
    assert_eq!(receiver.numbers_since(1), [1, 2, 3, 4]);
    receiver.pass(590);
    assert_eq!(receiver.numbers_since(5), [1], "it has not come for long");
    receiver.pass(10);
    receiver.answer(32_768);
    assert_eq!(receiver.scopes.staged, [0, 1]);
    let again: Vec<u64> = receiver.numbers_since(6).into_iter().filter(|number| *number <= 4).collect();
    assert_eq!(again, [], "10 ms after it was asked for again comes what was asked for before");
}

#[test]
fn the_next_pull_from_a_peer_asks_for_what_its_link_has_carried() {
    let first_of = |receiver: &Receiver| receiver.bytes_asked(receiver.asked.len() - 1);
    let mut receiver = Receiver::new(SyncConfig::default());
    assert_eq!(first_of(&receiver), 32 << 10);
    receiver.scopes.ends = Some(3);
    (0..3).for_each(|_| receiver.answer(32 << 10));
    assert_eq!(first_of(&receiver), 32 << 10, "nothing is known of the other");
    (receiver.scopes.ends, receiver.answered) = (Some(4), receiver.asked.len() - 1);
    receiver.answer(1_000);
    receiver.differs(PEER);
    assert_eq!(first_of(&receiver), 256 << 10, "as large as a part may be, and no larger");
    (receiver.scopes.ends, receiver.answered) = (Some(5), receiver.asked.len() - 1);
    receiver.answer(1_000);
    let mut effects = Vec::new();
    receiver.sync.peer_down(PEER, receiver.now, &mut receiver.scopes, &mut effects);
    receiver.differs(PEER);
    assert_eq!(first_of(&receiver), 32 << 10, "another link");
}

#[test]
fn a_source_sends_first_what_was_asked_for_and_no_more_than_a_part() {
    for (bytes_max, sent) in [(None, 32 << 10), (Some(100_000), 100_000), (Some(u64::MAX), 256 << 10)] {
        let mut source = Receiver::new(SyncConfig::default());
        source.scopes.parts = 4;
        source.asked.clear();
        let scope = "app".parse().unwrap();
        source.hear(PEER, SyncMessage::Pull { session: 5, scope, request: Vec::new(), bytes_max });
        let (_, SyncMessage::Chunk { body, .. }) = &source.asked[0] else { panic!("no first part") };
        assert_eq!(body.len(), sent);
    }
}

#[test]
fn a_source_that_lets_nothing_be_found_for_ever_is_given_up() {
    let mut receiver = Receiver::new(SyncConfig::default());
    receiver.scopes.demands = usize::MAX;
    let mut waited_ms = 0;
    while receiver.sync.counters().failed == 0 {
        receiver.answered = receiver.asked.len() - 1;
        receiver.answer(10);
        // What is asked for again meanwhile is not answered.
        (0..49).for_each(|_| receiver.pass(100));
        waited_ms += 4_900;
        assert!(waited_ms < 120_000, "it holds the only place");
    }
    assert!(waited_ms > 60_000, "an honest one may have that many questions");
    assert_eq!(receiver.asked.last().unwrap().0, OTHER);
}

#[test]
fn a_demand_after_parts_were_asked_for_ahead_is_not_believed() {
    let mut receiver = Receiver::new(SyncConfig::default());
    receiver.answer(32_768);
    receiver.scopes.demands = 1;
    receiver.answer(32_768);
    assert_eq!((receiver.sync.counters().refused, receiver.sync.counters().failed), (1, 1));
}

#[test]
fn a_source_makes_parts_in_their_order_and_what_is_behind_the_end_does_no_harm() {
    let mut source = Receiver::new(SyncConfig::default());
    source.scopes.parts = 4;
    let scope: ScopeName = "app".parse().unwrap();
    let pull = SyncMessage::Pull { session: 5, scope, request: Vec::new(), bytes_max: None };
    source.asked.clear();
    source.hear(PEER, pull.clone());
    let (_, SyncMessage::Chunk { transfer, .. }) = source.asked[0].clone() else { panic!("no first part") };
    let mut ask = |number, have| {
        let ahead = Some(Ahead { have, bytes_max: 10 });
        source.asked.clear();
        source.hear(PEER, SyncMessage::Next { session: 5, transfer, number, demand: Vec::new(), ahead });
        let sent = source.asked.iter().map(|(_, message)| match message {
            SyncMessage::Chunk { number, body, .. } => (*number, body[0], body.len()),
            other => panic!("{other:?} is no part"),
        });
        sent.collect::<Vec<_>>()
    };
    assert_eq!(ask(66, 1), [], "too far ahead");
    assert_eq!(ask(2, 1), [(2, 3, 10)], "the one in front of it is made too, and not sent");
    assert_eq!(ask(1, 1), [(1, 2, 10)], "but kept");
    assert_eq!(ask(2, 1), [(2, 3, 10)]);
    assert_eq!(ask(1, 1), [(1, 2, 10)], "once more, the same");
    assert_eq!(ask(3, 2), [(3, 4, 10)]);
    assert_eq!(ask(1, 2), [], "it has come");
    assert_eq!((ask(4, 2), ask(5, 2), ask(u64::MAX, u64::MAX)), (vec![], vec![], vec![]));
    assert_eq!((source.sync.counters().refused, source.scopes.made), (0, 4));
}

/// Sessions that go on keep more than all that ended ones may: who asks for what is behind the end of one that has just ended has
/// all of it on the way, and may have lost some.
#[test]
fn a_source_of_many_lets_one_end_and_sends_again_what_it_lost() {
    let mut source = Receiver::new(SyncConfig { chunk_bytes: 8 << 20, ..SyncConfig::default() });
    source.asked.clear();
    let ahead = Some(Ahead { have: 0, bytes_max: 8 << 20 });
    let mut ask = |n: u8, parts: u8, numbers: &[u64]| {
        let (peer, session) = (NodeId([20 + n; 16]), u64::from(n));
        (source.scopes.made, source.scopes.parts) = (0, parts);
        let before = source.asked.len();
        let pull = SyncMessage::Pull {
            session,
            scope: "app".parse().unwrap(),
            request: Vec::new(),
            bytes_max: None,
        };
        source.hear(peer, pull);
        let transfer = match &source.asked[before].1 {
            SyncMessage::Chunk { transfer, .. } => *transfer,
            other => panic!("{other:?}"),
        };
        for &number in numbers {
            source.hear(peer, SyncMessage::Next { session, transfer, number, demand: Vec::new(), ahead });
        }
        source.asked.split_off(before)
    };
    for n in 1..=5 {
        assert_eq!(ask(n, 9, &[1, 2, 3]).len(), 4);
    }
    let sent = ask(6, 4, &[1, 2, 3, 4, 2]);
    let numbers = sent.iter().map(|(_, message)| match message {
        SyncMessage::Chunk { number, .. } => *number,
        other => panic!("{other:?}"),
    });
    assert_eq!(numbers.collect::<Vec<_>>(), [0, 1, 2, 3, 2]);
}

#[test]
fn a_part_that_comes_again_and_again_changes_nothing() {
    let mut receiver = Receiver::new(SyncConfig::default());
    receiver.answer(32_768);
    (0..100).for_each(|_| receiver.answer_at(0, 32_768));
    receiver.pass(1);
    receiver.answer(32_768);
    assert_eq!(receiver.scopes.staged, [0, 1]);
}
