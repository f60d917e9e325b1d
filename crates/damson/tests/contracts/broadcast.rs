//! Broadcasts through handlers of the application, their exchanges, and how they are looked at from elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use damson::broadcast::{
    BroadcastError, BroadcastHandler, ExchangePeer, ExchangeStart, Graft, HandlerBuilder, HandlerCounters,
    HandlerError, MessageId, REPLICA, Selector,
};
use damson::identity::Identity;
use damson::transport::MemoryNetwork;
use damson::{BroadcastConfig, CallError, LivenessConfig, Node, NodeBuilder, NodeId};
use parking_lot::Mutex;

use crate::topics::{all_linked, cluster, eventually, quick};

const TIME_OUT: Duration = Duration::from_secs(5);

/// What a handler of these tests knows: messages by their ids. A message `id=text` is called `id`.
type Known = Arc<Mutex<BTreeMap<Bytes, Bytes>>>;

#[derive(Clone, Default)]
struct Store {
    known: Known,
    /// How often a handler was made.
    made: Arc<AtomicUsize>,
    /// Exchanges never end.
    hangs: Arc<AtomicBool>,
    /// With whom exchanges were begun.
    met: Arc<Mutex<Vec<NodeId>>>,
}

impl Store {
    fn on(&self, node: &Node, name: &str) -> HandlerBuilder<Self> {
        let (store, known) = (self.clone(), self.known.clone());
        let make = move || {
            store.made.fetch_add(1, Ordering::Relaxed);
            store.clone()
        };
        // Exchanges are asked for by the tests that want them.
        let builder = node.broadcast_handler(name, make).exchange_interval(Duration::from_secs(3_600));
        builder.answer(move |_, asked| {
            let known = known.clone();
            async move {
                let all: Vec<String> = known.lock().values().map(|text| format!("{text:?}")).collect();
                if asked == "ids" { Ok(all.join(",").into()) } else { Err(format!("what is {asked:?}?")) }
            }
        })
    }

    fn texts(&self) -> Vec<Bytes> {
        self.known.lock().values().cloned().collect()
    }
}

impl BroadcastHandler for Store {
    fn broadcast_data(&mut self, message: Bytes) -> (MessageId, Bytes) {
        assert_ne!(message, "pack=panic", "as the test wants it");
        let end = message.iter().position(|byte| *byte == b'=').unwrap_or(message.len());
        let id = message.slice(..end);
        self.known.lock().insert(id.clone(), message.clone());
        (id, message)
    }

    fn merge(&mut self, id: &MessageId, payload: Bytes) -> bool {
        assert_ne!(id, "panic", "as the test wants it");
        if id == "slow" {
            std::thread::sleep(Duration::from_millis(300));
        }
        self.known.lock().insert(id.clone(), payload).is_none()
    }

    fn is_stale(&mut self, id: &MessageId) -> bool {
        self.known.lock().contains_key(id)
    }

    fn graft(&mut self, id: &MessageId) -> Graft {
        match self.known.lock().get(id) {
            _ if id == "old" => Graft::Stale,
            Some(payload) => Graft::Payload(payload.clone()),
            None => Graft::Failed("unknown".into()),
        }
    }

    fn exchange(&mut self, peer: ExchangePeer) -> ExchangeStart {
        self.met.lock().push(peer.member());
        let hangs = self.hangs.load(Ordering::Relaxed);
        ExchangeStart::Runs(Box::pin(async move {
            peer.ask("ids", TIME_OUT).await.map_err(|error| error.to_string())?;
            if hangs { std::future::pending().await } else { Ok(()) }
        }))
    }
}

/// Nodes in one network in memory, by the names `a`, `b`, `c` and so on.
pub async fn in_memory(
    network: &MemoryNetwork,
    count: usize,
    configure: impl Fn(NodeBuilder) -> NodeBuilder,
) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for at in 0..count {
        nodes.push(one_more(network, &nodes, at, &configure).await);
    }
    all_linked(&nodes).await;
    nodes
}

async fn one_more(
    network: &MemoryNetwork,
    nodes: &[Node],
    at: usize,
    configure: impl Fn(NodeBuilder) -> NodeBuilder,
) -> Node {
    let (name, identity) = (name(at), Identity::generate());
    let transport = network.transport(name.clone(), identity.node_id());
    let builder = configure(quick(&name).identity(identity).transport(transport));
    nodes.iter().fold(builder, |builder, node| builder.join(node.address())).start().await.unwrap()
}

fn name(at: usize) -> String {
    char::from(b'a' + at as u8).to_string()
}

/// The wire between the first and the last is cut, and the first's messages go on at the one between them.
async fn cut_in_the_middle(network: &MemoryNetwork, nodes: &[Node]) {
    let [a, b, c] = nodes else { panic!("three") };
    network.cut("a", "c");
    eventually("what a says comes to c by b", || {
        c.tree(a.id()).parent == Some(b.id()) && b.tree(a.id()).children == [c.id()]
    })
    .await;
}

fn counters(node: &Node, name: &str) -> HandlerCounters {
    node.broadcast_handlers().get(name).copied().unwrap_or_default()
}

async fn say(node: &Node, handler: &str, message: &str) {
    node.broadcast(handler, Bytes::copy_from_slice(message.as_bytes())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_handler_merges_what_is_its_own_once_and_never_what_its_own_node_said() {
    let nodes = cluster(3).await;
    let stores: Vec<(Store, Store)> = (0..3).map(|_| Default::default()).collect();
    for (node, (one, other)) in nodes.iter().zip(&stores) {
        one.on(node, "one").start().await.unwrap();
        other.on(node, "other").start().await.unwrap();
    }
    say(&nodes[0], "one", "x=1").await;
    say(&nodes[1], "other", "y=2").await;
    say(&nodes[2], "one", "x=3").await;
    eventually("each has its own", || {
        stores.iter().all(|(one, other)| one.texts().len() == 1 && other.texts() == ["y=2"])
            && nodes.iter().all(|node| {
                let one = counters(node, "one");
                one.merged + one.known + one.stale == if node.id() == nodes[1].id() { 2 } else { 1 }
            })
    })
    .await;
    let middle = counters(&nodes[1], "one");
    assert_eq!((middle.merged, middle.stale), (1, 1), "the second x is stale there");
    let taken = Store::default().on(&nodes[0], "one").start().await;
    assert!(matches!(taken, Err(HandlerError::NameTaken { .. })), "{taken:?}");
    let wrong = Store::default().on(&nodes[0], "a b").start().await;
    assert!(matches!(wrong, Err(HandlerError::Name(_))), "{wrong:?}");
    let reserved = Store::default().on(&nodes[0], REPLICA).start().await;
    assert!(matches!(reserved, Err(HandlerError::Reserved { .. })), "{reserved:?}");
    let none = nodes[0].broadcast("nobody", Bytes::new()).await;
    assert!(matches!(none, Err(BroadcastError::NoHandler { .. })), "{none:?}");
    let long = nodes[0].broadcast("one", vec![b'x'; 2_000].into()).await;
    assert!(matches!(long, Err(BroadcastError::Id { got: 2_000 })), "{long:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_merge_stops_neither_forwarding_nor_others() {
    let network = MemoryNetwork::new();
    let nodes = in_memory(&network, 3, |builder| builder).await;
    let stores: Vec<Store> = (0..3).map(|_| Store::default()).collect();
    for (node, store) in nodes.iter().zip(&stores) {
        store.on(node, "h").start().await.unwrap();
    }
    let bystander = Store::default();
    bystander.on(&nodes[1], "bystander").start().await.unwrap();
    Store::default().on(&nodes[0], "bystander").start().await.unwrap();
    cut_in_the_middle(&network, &nodes).await;
    say(&nodes[0], "h", "panic=1").await;
    say(&nodes[0], "h", "x=1").await;
    say(&nodes[0], "bystander", "y=1").await;
    eventually("what follows is merged, behind the one that panicked too", || {
        stores[2].texts() == ["x=1"] && stores[1].texts() == ["x=1"] && bystander.texts() == ["y=1"]
    })
    .await;
    assert_eq!((counters(&nodes[1], "h").panics, counters(&nodes[2], "h").panics), (1, 1));
    assert_eq!(counters(&nodes[1], "bystander").panics, 0);
    assert_eq!(stores[1].made.load(Ordering::Relaxed), 2, "made anew, once");
    assert_eq!(nodes[2].counters().casts.received, 3, "b passed on what made it panic");
    // A panic while a message is packed is told to whom it concerns.
    let packed = nodes[0].broadcast("h", "pack=panic".into()).await;
    assert!(matches!(packed, Err(BroadcastError::Panicked)), "{packed:?}");
    say(&nodes[0], "h", "z=1").await;
    eventually("it goes on", || stores[2].texts().len() == 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_the_handler_passes_messages_on() {
    let network = MemoryNetwork::new();
    let nodes = in_memory(&network, 3, |builder| builder).await;
    let (first, last) = (Store::default(), Store::default());
    first.on(&nodes[0], "h").start().await.unwrap();
    last.on(&nodes[2], "h").start().await.unwrap();
    cut_in_the_middle(&network, &nodes).await;
    for n in 0..100 {
        say(&nodes[0], "h", &format!("{n}=text")).await;
    }
    eventually("all has come", || last.texts().len() == 100).await;
    assert_eq!(counters(&nodes[2], "h"), HandlerCounters { merged: 100, ..HandlerCounters::default() });
    assert_eq!(nodes[1].broadcast_handlers().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_loses_what_finds_no_room_and_holds_up_nobody() {
    let nodes = cluster(3).await;
    let stores: Vec<Store> = (0..3).map(|_| Store::default()).collect();
    let narrow = damson::InboxLimits { messages_max: 10, bytes_max: 1 << 20 };
    stores[0].on(&nodes[0], "h").start().await.unwrap();
    stores[1].on(&nodes[1], "h").inbox(narrow).start().await.unwrap();
    stores[2].on(&nodes[2], "h").start().await.unwrap();
    say(&nodes[0], "h", "slow=1").await;
    for n in 0..100 {
        say(&nodes[0], "h", &format!("{n}=x")).await;
    }
    eventually("the other has all", || stores[2].texts().len() == 101).await;
    eventually("nothing is silent", || {
        let slow = counters(&nodes[1], "h");
        slow.merged + slow.lost == 101 && slow.lost > 0
    })
    .await;
    assert_eq!(nodes[1].counters().casts.received, 101, "the node itself has passed on all of it");
}

/// What the broadcast has forgotten is given by the handler that has it, or said to be stale.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_spreads_any_more_is_given_by_a_handler() {
    let network = MemoryNetwork::new();
    let short = |builder: NodeBuilder| {
        builder.broadcast(BroadcastConfig { log_max: 1, ..BroadcastConfig::default() })
    };
    let nodes = in_memory(&network, 3, short).await;
    let stores: Vec<Store> = (0..3).map(|_| Store::default()).collect();
    for (node, store) in nodes.iter().zip(&stores) {
        store.on(node, "h").start().await.unwrap();
    }
    say(&nodes[0], "h", "first=1").await;
    eventually("c hears", || stores[2].texts().len() == 1).await;
    network.partition(&[&["a", "b"], &["c"]]);
    eventually("c is alone", || nodes[2].status().links == 0 && nodes[0].status().links == 1).await;
    for said in ["x=1", "old=1", "y=1"] {
        say(&nodes[0], "h", said).await;
    }
    network.heal();
    eventually("c has what a's handler gave", || stores[2].texts() == ["first=1", "x=1", "y=1"]).await;
    let counted = counters(&nodes[2], "h");
    assert_eq!((counted.grafted, counted.stale, counted.lost), (1, 1, 0), "{counted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exchanges_begin_by_themselves_within_their_limit_and_are_listed_and_cancelled() {
    let nodes = cluster(3).await;
    let stores: Vec<Store> = (0..3).map(|_| Store::default()).collect();
    for (node, store) in nodes.iter().zip(&stores) {
        store.on(node, "quiet").start().await.unwrap();
    }
    let often = Duration::from_millis(20);
    let (one, many) = (Store::default(), Store::default());
    one.hangs.store(true, Ordering::Relaxed);
    many.hangs.store(true, Ordering::Relaxed);
    one.on(&nodes[0], "one").exchange_interval(often).start().await.unwrap();
    many.on(&nodes[0], "many").exchange_interval(often).exchanges_max(3).start().await.unwrap();
    for name in ["one", "many"] {
        Store::default().on(&nodes[1], name).start().await.unwrap();
        Store::default().on(&nodes[2], name).start().await.unwrap();
    }
    let running =
        |name: &str| nodes[0].exchanges().into_iter().filter(|exchange| exchange.handler == name).count();
    eventually("as many as may be", || running("one") == 1 && running("many") == 3).await;
    tokio::time::sleep(often * 5).await;
    assert_eq!((running("one"), running("many"), running("quiet")), (1, 3, 0));
    let mut there = nodes[2].exchanges_of(nodes[0].id(), TIME_OUT).await.unwrap();
    there.retain(|exchange| exchange.handler != REPLICA);
    assert_eq!(there.len(), 4, "seen from elsewhere: {there:?}");
    assert!(there.iter().all(|exchange| [nodes[1].id(), nodes[2].id()].contains(&exchange.peer)));

    let first = nodes[0].exchanges().into_iter().find(|exchange| exchange.handler == "one").unwrap();
    let cancelled = nodes[0].cancel_exchanges(&Selector::One(first.reference));
    assert_eq!(cancelled.iter().map(|exchange| exchange.reference).collect::<Vec<_>>(), [first.reference]);
    assert!(nodes[0].cancel_exchanges(&Selector::One(first.reference)).is_empty(), "it is gone");
    let of_many = nodes[0].cancel_exchanges(&Selector::Handler("many".into()));
    assert!(of_many.len() == 3 && of_many.iter().all(|exchange| exchange.handler == "many"), "{of_many:?}");
    eventually("others begin", || running("many") == 3).await;
    let peer = nodes[0].exchanges()[0].peer;
    let with_peer = nodes[0].cancel_exchanges(&Selector::Peer(peer));
    assert!(!with_peer.is_empty() && with_peer.iter().all(|exchange| exchange.peer == peer), "{with_peer:?}");
    one.hangs.store(false, Ordering::Relaxed);
    many.hangs.store(false, Ordering::Relaxed);
    nodes[0].cancel_exchanges(&Selector::All);
    let begun = counters(&nodes[0], "one").exchanges;
    eventually("those that end make room", || counters(&nodes[0], "one").exchanges > begun + 2).await;
    let counted = (counters(&nodes[0], "one"), counters(&nodes[0], "many"));
    assert_eq!((counted.0.exchanges_failed, counted.1.exchanges_failed), (0, 0));
    assert!(counted.0.exchanges_cancelled >= 1 && counted.1.exchanges_cancelled >= 3, "{counted:?}");
    assert!(one.met.lock().iter().all(|member| *member != nodes[0].id()), "never with itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exchanges_of_a_node_that_does_not_answer_are_a_typed_error() {
    let network = MemoryNetwork::new();
    let nodes = in_memory(&network, 3, |builder| builder).await;
    for at in [1, 0] {
        let there = nodes[0].exchanges_of(nodes[at].id(), TIME_OUT).await.unwrap();
        assert!(there.iter().all(|exchange| exchange.handler == REPLICA), "of handlers none runs: {there:?}");
    }
    let nobody = nodes[0].exchanges_of(NodeId([9; 16]), TIME_OUT).await;
    assert_eq!(nobody, Err(CallError::NoSuchMember));
    let at_once = nodes[0].exchanges_of(nodes[2].id(), Duration::ZERO).await;
    assert!(matches!(at_once, Ok(_) | Err(CallError::TimedOut)), "{at_once:?}");
    network.partition(&[&["a", "b"], &["c"]]);
    let cut = nodes[0].exchanges_of(nodes[2].id(), Duration::from_millis(500)).await;
    assert!(matches!(cut, Err(CallError::Unreachable | CallError::TimedOut)), "{cut:?}");
    let ids: Vec<NodeId> = nodes.iter().map(Node::id).collect();
    let trees = nodes[0].trees(ids[1], &ids, Duration::from_millis(500)).await;
    assert_eq!(trees.iter().map(|(member, _)| *member).collect::<Vec<_>>(), ids);
    assert!(trees[0].1.is_ok() && trees[1].1.is_ok() && trees[2].1.is_err(), "{trees:?}");
    nodes[0].abandon();
    assert_eq!(nodes[0].exchanges_of(ids[1], TIME_OUT).await, Err(CallError::Stopped));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_looks_the_same_from_elsewhere_and_what_is_outstanding_is_listed() {
    let network = MemoryNetwork::new();
    let patient = |builder: NodeBuilder| {
        // Announcements wait for a probe that does not come, and stay outstanding.
        builder
            .broadcast(BroadcastConfig { calm_ms: 60_000, alert_span_ms: 0, ..BroadcastConfig::default() })
            .liveness(LivenessConfig { period_ms: 60_000, ..LivenessConfig::default() })
    };
    let nodes = in_memory(&network, 3, patient).await;
    let ids: Vec<NodeId> = nodes.iter().map(Node::id).collect();
    for (member, place) in nodes[0].trees(ids[0], &ids, TIME_OUT).await {
        let own = nodes.iter().find(|node| node.id() == member).unwrap().tree(ids[0]);
        assert_eq!(place.unwrap(), own);
    }
    assert_eq!(nodes[2].tree_of(ids[0], ids[0], TIME_OUT).await.unwrap().parent, None);
    let store = Store::default();
    store.on(&nodes[0], "h").start().await.unwrap();
    nodes[0].topic::<String>("t").unwrap().publish(&"x".into()).await.unwrap();
    say(&nodes[0], "h", "x=1").await;
    // b tells c that it has them, and c tells b.
    eventually("announcements wait", || {
        let about: Vec<String> = nodes[1].outstanding().into_iter().map(|one| one.about).collect();
        about.contains(&"t:t".to_string()) && about.contains(&"h:h".to_string())
    })
    .await;
    let there = nodes[0].outstanding_of(ids[1], TIME_OUT).await.unwrap();
    let one = there.iter().find(|one| one.about == "h:h").expect("it waits there");
    assert_eq!((one.author, one.last), (ids[0], 1));
    assert_ne!(one.to, ids[1], "to another");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_leaves_the_trees_of_others_alone() {
    let network = MemoryNetwork::new();
    // Round trips that are measured anew, on a machine that has other things to do, would move the trees.
    let calm = |builder: NodeBuilder| {
        builder.liveness(LivenessConfig { period_ms: 60_000, ..LivenessConfig::default() })
    };
    let mut nodes = in_memory(&network, 3, calm).await;
    let places = |nodes: &[Node], without: Option<NodeId>| {
        let mut places = Vec::new();
        for root in &nodes[..3] {
            for node in &nodes[..3] {
                let mut place = node.tree(root.id());
                place.children.retain(|child| Some(*child) != without);
                place.lazy.retain(|peer| Some(*peer) != without);
                places.push(place);
            }
        }
        places
    };
    let mut before = places(&nodes, None);
    let told = |nodes: &[Node]| -> u64 {
        nodes[..3].iter().map(|node| node.counters().broadcast.vector_bytes_sent).sum()
    };
    let mut told_before = told(&nodes);
    // Until nothing has been said for a while.
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = (places(&nodes, None), told(&nodes));
        if now == (before.clone(), told_before) {
            break;
        }
        (before, told_before) = now;
    }
    let joined = one_more(&network, &nodes, 3, calm).await;
    let id = joined.id();
    nodes.push(joined);
    all_linked(&nodes).await;
    eventually("the others' trees are as they were", || places(&nodes, Some(id)) == before).await;
    let told = told(&nodes) - told_before;
    assert!(
        told <= 144,
        "{told} bytes of distances: only those of the new one's tree, and all to the new one"
    );
    let store = Store::default();
    store.on(&nodes[3], "h").start().await.unwrap();
    Store::default().on(&nodes[0], "h").start().await.unwrap();
    say(&nodes[0], "h", "x=1").await;
    eventually("the new one hears", || store.texts() == ["x=1"]).await;
    assert_eq!(places(&nodes, Some(id)), before, "nor does its first message change them");
}
