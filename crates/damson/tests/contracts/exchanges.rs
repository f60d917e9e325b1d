//! Exchanges: with whom they begin, and what becomes of those that do not. And of a message that a handler cannot give.
//! Sessions of anti-entropy are exchanges too.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use damson::broadcast::{
    BegunBy, BroadcastHandler, Exchange, ExchangePeer, ExchangeStart, Graft, HandlerBuilder, HandlerCounters,
    MessageId, REPLICA, Selector,
};
use damson::transport::MemoryNetwork;
use damson::{BroadcastConfig, Node, NodeBuilder, NodeId, SyncConfig};
use parking_lot::Mutex;

use crate::broadcast::in_memory;
use crate::topics::{cluster, eventually, quick};

const OFTEN: Duration = Duration::from_millis(10);
const SELDOM: Duration = Duration::from_secs(3_600);

/// A message is its own id. What comes of exchanges, and what cannot be given, is for the tests to say.
#[derive(Clone)]
struct Scripted {
    begins: fn() -> ExchangeStart,
    /// With whom an exchange was to begin.
    met: Arc<Mutex<Vec<NodeId>>>,
    merged: Arc<Mutex<BTreeSet<Bytes>>>,
    /// Messages of which `graft` says that they cannot be had.
    withheld: Arc<Mutex<BTreeSet<Bytes>>>,
}

impl Scripted {
    fn new(begins: fn() -> ExchangeStart) -> Self {
        Self { begins, met: Arc::default(), merged: Arc::default(), withheld: Arc::default() }
    }

    fn on(&self, node: &Node) -> HandlerBuilder<Self> {
        let handler = self.clone();
        node.broadcast_handler("h", move || handler.clone())
    }

    fn merged(&self) -> Vec<Bytes> {
        self.merged.lock().iter().cloned().collect()
    }
}

impl BroadcastHandler for Scripted {
    fn broadcast_data(&mut self, message: Bytes) -> (MessageId, Bytes) {
        (message.clone(), message)
    }

    fn merge(&mut self, id: &MessageId, _: Bytes) -> bool {
        self.merged.lock().insert(id.clone())
    }

    fn is_stale(&mut self, id: &MessageId) -> bool {
        self.merged.lock().contains(id)
    }

    fn graft(&mut self, id: &MessageId) -> Graft {
        match self.withheld.lock().contains(id) {
            true => Graft::Failed("as the test wants it".into()),
            false => Graft::Payload(id.clone()),
        }
    }

    fn exchange(&mut self, peer: ExchangePeer) -> ExchangeStart {
        self.met.lock().push(peer.member());
        (self.begins)()
    }
}

fn nothing() -> ExchangeStart {
    ExchangeStart::Ignored
}

fn counters(node: &Node) -> HandlerCounters {
    node.broadcast_handlers()["h"]
}

/// Exchanges of the handler that run.
fn running(node: &Node) -> usize {
    node.exchanges().iter().filter(|exchange| exchange.handler == "h").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_with_nothing_to_compare_is_none_and_another_is_asked_for() {
    let nodes = cluster(3).await;
    let handler = Scripted::new(nothing);
    handler.on(&nodes[0]).exchange_interval(OFTEN).start().await.unwrap();
    // More often than may run at once: one that is none takes no room.
    eventually("others are asked for", || handler.met.lock().len() >= 5).await;
    assert_eq!(running(&nodes[0]), 0);
    assert_eq!(counters(&nodes[0]), HandlerCounters::default(), "neither begun nor failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exchanges_that_cannot_begin_or_end_with_a_reason_have_failed_and_others_follow() {
    let nodes = cluster(3).await;
    let cannot = Scripted::new(|| ExchangeStart::Failed("as the test wants it".into()));
    let breaks =
        Scripted::new(|| ExchangeStart::Runs(Box::pin(async { Err("as the test wants it".into()) })));
    cannot.on(&nodes[0]).exchange_interval(OFTEN).start().await.unwrap();
    breaks.on(&nodes[1]).exchange_interval(OFTEN).start().await.unwrap();
    eventually("all that were to begin have failed", || {
        let counted = counters(&nodes[0]);
        let asked = cannot.met.lock().len() as u64;
        asked >= 5 && counted == HandlerCounters { exchanges_failed: asked, ..HandlerCounters::default() }
    })
    .await;
    assert_eq!(running(&nodes[0]), 0, "what did not begin does not run");
    eventually("those that began are counted as begun too", || {
        let counted = counters(&nodes[1]);
        counted.exchanges >= 5 && counted.exchanges_failed + 1 >= counted.exchanges
    })
    .await;
}

/// Of two messages that a handler cannot give another has one. The other is lost, and counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_handler_cannot_give_is_asked_of_another_and_lost_when_none_can() {
    let network = MemoryNetwork::new();
    let short = |builder: NodeBuilder| {
        builder.broadcast(BroadcastConfig { log_max: 1, ..BroadcastConfig::default() })
    };
    let nodes = in_memory(&network, 3, short).await;
    let handlers: Vec<Scripted> = (0..3).map(|_| Scripted::new(nothing)).collect();
    for (node, handler) in nodes.iter().zip(&handlers) {
        handler.on(node).exchange_interval(SELDOM).start().await.unwrap();
    }
    let say = async |text: &'static str| nodes[0].broadcast("h", text.into()).await.unwrap();
    say("first").await;
    eventually("c hears", || handlers[2].merged() == ["first"]).await;
    handlers[0].withheld.lock().extend(["elsewhere".into(), "nowhere".into()]);
    handlers[1].withheld.lock().extend(["nowhere".into()]);
    network.partition(&[&["a", "b"], &["c"]]);
    eventually("c is alone", || nodes[2].status().links == 0 && nodes[0].status().links == 1).await;
    for said in ["elsewhere", "nowhere", "last"] {
        say(said).await;
    }
    eventually("b has all", || handlers[1].merged().len() == 4).await;
    network.heal();
    eventually("c has what b's handler gave", || {
        handlers[2].merged() == ["elsewhere", "first", "last"] && counters(&nodes[2]).lost > 0
    })
    .await;
    let counted = counters(&nodes[2]);
    assert_eq!((counted.grafted, counted.stale, counted.lost), (1, 0, 1), "{counted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exchanges_begin_with_members_outside_of_the_overlay_first() {
    let network = MemoryNetwork::new();
    let nodes = in_memory(&network, 4, |builder| builder).await;
    let id = |at: usize| nodes[at].id();
    for far in ["c", "d"] {
        network.cut("a", far);
    }
    eventually("a has one neighbour", || nodes[0].neighbors() == [id(1)]).await;
    let handler = Scripted::new(nothing);
    handler.on(&nodes[0]).exchange_interval(OFTEN).start().await.unwrap();
    let met = || handler.met.lock().iter().copied().collect::<BTreeSet<_>>();
    eventually("both that are no neighbours are met", || met() == BTreeSet::from([id(2), id(3)])).await;
    eventually("time and again", || handler.met.lock().len() >= 20).await;
    assert!(!met().contains(&id(1)), "a neighbour already hears what is broadcast");
    network.heal();
    eventually("all are neighbours, and any is met", || met().contains(&id(1))).await;
}

/// Three nodes. The last lacks what the first has written, and takes it so slowly that there is time to look.
async fn one_behind() -> Vec<Node> {
    // Nothing but the last write is spread any more: all else comes by anti-entropy.
    let short = BroadcastConfig { log_max: 1, ..BroadcastConfig::default() };
    let first = quick("n0").broadcast(short.clone()).start().await.unwrap();
    let scope = first.scope("default").unwrap();
    for n in 0..20 {
        scope.register::<Vec<u8>>(format!("k{n}")).put(&vec![7; 10_000]).await.unwrap();
    }
    first.scope("other").unwrap().counter("n").add(1).await.unwrap();
    let slow = SyncConfig {
        interval_ms: 100,
        bytes_per_s_max: 150_000,
        chunk_bytes: 16 << 10,
        ..SyncConfig::default()
    };
    let second = quick("n1").broadcast(short).join(first.address()).start().await.unwrap();
    eventually("the second has all", || second.status().keys == 21).await;
    let last = quick("n2").anti_entropy(slow).start().await.unwrap();
    last.scope("default").unwrap().counter("own").add(1).await.unwrap();
    // Only now are they introduced.
    last.add_peer(first.address()).unwrap();
    vec![first, second, last]
}

fn sessions(node: &Node) -> Vec<Exchange> {
    node.exchanges().into_iter().filter(|exchange| exchange.handler == REPLICA).collect()
}

/// The session in which a node receives the large scope, as soon as there is one.
async fn receiving(node: &Node) -> Exchange {
    let mut found = None;
    eventually("a session is under way", || {
        let large = |one: &Exchange| one.scope.as_ref().is_some_and(|scope| scope.as_str() == "default");
        found = sessions(node).into_iter().find(|one| one.begun_by == BegunBy::Node && large(one));
        found.is_some()
    })
    .await;
    found.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_anti_entropy_are_listed_at_both_ends_and_cancelled_by_every_selector() {
    let nodes = one_behind().await;
    let last = &nodes[2];
    let own_keys = || last.scopes().iter().find(|scope| scope.name.as_str() == "default").unwrap().keys;

    let first = receiving(last).await;
    let source = nodes.iter().find(|node| node.id() == first.peer).unwrap();
    let as_source = |one: &Exchange| one.peer == last.id() && one.begun_by == BegunBy::Peer;
    let there = last.exchanges_of(first.peer, Duration::from_secs(5)).await.unwrap();
    let there = there.into_iter().find(|one| as_source(one) && one.scope == first.scope);
    assert_eq!(there.expect("it is listed there too").handler, REPLICA);
    eventually("it is timed", || sessions(last).iter().any(|one| one.since_ms > 0)).await;

    let cancelled = last.cancel_exchanges(&Selector::One(first.reference));
    assert_eq!(cancelled.iter().map(|one| one.reference).collect::<Vec<_>>(), [first.reference]);
    assert_eq!(own_keys(), 1, "nothing is half entered");
    assert!(last.cancel_exchanges(&Selector::One(first.reference)).is_empty(), "it is gone");
    eventually("the source is told", || !sessions(source).iter().any(as_source)).await;

    let second = receiving(last).await;
    assert_ne!(second.reference, first.reference, "the next round begins anew");
    assert!(last.cancel_exchanges(&Selector::Handler("users".into())).is_empty());
    let with_peer = last.cancel_exchanges(&Selector::Peer(second.peer));
    assert!(with_peer.iter().any(|one| one.reference == second.reference), "{with_peer:?}");
    let third = receiving(last).await;
    let of_handler = last.cancel_exchanges(&Selector::Handler(REPLICA.into()));
    assert!(of_handler.iter().any(|one| one.reference == third.reference), "{of_handler:?}");
    let fourth = receiving(last).await;
    let source = nodes.iter().find(|node| node.id() == fourth.peer).unwrap();
    let all = source.cancel_exchanges(&Selector::All);
    assert!(all.iter().any(as_source), "the source ends it too: {all:?}");
    assert_eq!(own_keys(), 1, "nor is anything after four");
    eventually("it is over here too", || !sessions(last).iter().any(|one| one.reference == fourth.reference))
        .await;

    eventually("all have all in the end", || nodes.iter().all(|node| node.digest() == last.digest())).await;
    assert_eq!(last.status().keys, 22);
    assert_eq!(last.counters().sync.cancelled, 3);
    assert!(last.counters().sync.begun > last.counters().sync.cancelled);
}
