//! Clusters whose links are given, and not chosen by an overlay.

use std::collections::BTreeSet;
use std::time::Duration;

use damson::gossip::GossipConfig;
use damson::identity::Identity;
use damson::transport::MemoryNetwork;
use damson::{
    GivenPeers, GivenPeersError, LivenessConfig, Node, NodeBuilder, OverlayConfig, StartError, SyncConfig,
};

use crate::stage::{agree, eventually, quick};

/// Nodes of these names in a network, each with its peers.
async fn start(
    network: &MemoryNetwork,
    names: &[&str],
    set_up: impl Fn(usize, NodeBuilder) -> NodeBuilder,
) -> Vec<Node> {
    let mut nodes = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let identity = Identity::generate();
        let transport = network.transport(*name, identity.node_id());
        let builder = quick(name).identity(identity).transport(transport);
        nodes.push(set_up(at, builder).start().await.unwrap());
    }
    let all = names.len();
    eventually("all know all", || nodes.iter().all(|node| node.status().members == all)).await;
    for node in &nodes {
        node.ready().await;
    }
    nodes
}

/// Waits until each node is linked to these and to nobody else.
async fn linked_as(what: &str, nodes: &[Node], wanted: impl Fn(usize) -> BTreeSet<String>) {
    let settled = async {
        let is_so = || (0..nodes.len()).all(|at| neighbors(nodes, at) == wanted(at));
        eventually_or(Duration::from_secs(15), is_so).await
    };
    let all = || (0..nodes.len()).map(|at| neighbors(nodes, at)).collect::<Vec<_>>();
    assert!(settled.await, "no {what}: {:?}", all());
}

async fn eventually_or(patience: Duration, is_so: impl Fn() -> bool) -> bool {
    let begun = std::time::Instant::now();
    while !is_so() && begun.elapsed() < patience {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    is_so()
}

/// The names of those to whom a node is linked.
fn neighbors(nodes: &[Node], of: usize) -> BTreeSet<String> {
    let members = nodes[of].members();
    let linked = members.into_iter().filter(|member| member.linked && member.id != nodes[of].id());
    linked.map(|member| member.name).collect()
}

fn names(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(|name| name.to_string()).collect()
}

/// Nobody compares: what comes was pushed, or announced and asked for.
fn no_rounds(builder: NodeBuilder) -> NodeBuilder {
    builder.anti_entropy(SyncConfig { interval_ms: 60_000, ..SyncConfig::default() })
}

const RING: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_are_those_that_were_given_and_what_is_written_reaches_all() {
    let network = MemoryNetwork::new();
    let small = OverlayConfig { active: 2, ..OverlayConfig::default() };
    let nodes = start(&network, &RING, |at, builder| {
        let eager = [RING[(at + 1) % RING.len()]];
        let none: [&str; 0] = [];
        builder.overlay(small.clone()).given_peers(GivenPeers::of(RING).eager(eager).lazy(none))
    })
    .await;
    for (at, node) in nodes.iter().enumerate() {
        node.scope("app").unwrap().counter("n").add(1 << at).await.unwrap();
    }
    for node in &nodes {
        eventually("all writes are here", || node.scope("app").unwrap().counter("n").get() == 127).await;
    }
    agree(&nodes).await;
    linked_as("ring", &nodes, |at| names(&[RING[(at + 1) % 7], RING[(at + 6) % 7]])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lazy_peer_is_told_first_and_pushed_to_when_no_other_path_is_left() {
    let network = MemoryNetwork::new();
    let chain = ["a", "b", "c"];
    let none: [&str; 0] = [];
    let nodes = start(&network, &chain, |at, builder| {
        let peers = GivenPeers::of(chain);
        no_rounds(builder).given_peers(match at {
            0 => peers.eager(["b"]).lazy(["c"]),
            1 => peers.eager(["a", "c"]).lazy(none),
            _ => peers.eager(["b"]).lazy(["a"]),
        })
    })
    .await;
    let [a, b, c] = [0, 1, 2].map(|at| nodes[at].id());
    let parent_is = |parent| nodes[2].tree(a).parent == Some(parent);
    let told_only = || nodes[0].tree(a).lazy.contains(&c);
    let stands_between = || parent_is(b) && nodes[0].tree(a).children == [b] && told_only();
    eventually("b stands between them, and c is linked and told only", stands_between).await;
    let [first, .., last] = &nodes[..] else { unreachable!() };
    let seen = |key: &'static str| last.scope("app").unwrap().counter(key).get() == 1;
    first.scope("app").unwrap().counter("along").add(1).await.unwrap();
    eventually("it comes along the chain", || seen("along")).await;
    network.partition(&[&["a", "c"], &["b"]]);
    eventually("the lazy link is the tree's", || parent_is(a)).await;
    first.scope("app").unwrap().counter("across").add(1).await.unwrap();
    eventually("it comes across", || seen("across")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_to_members_drawn_at_random_reach_all_at_the_cost_of_the_fanout() {
    let network = MemoryNetwork::new();
    let config = GossipConfig {
        push_interval: Duration::from_millis(20),
        anti_entropy_interval: Duration::from_secs(60),
        fanout: 2,
    };
    let nodes = start(&network, &RING, |_, builder| {
        builder.gossip(config).given_peers(GivenPeers::of(RING).at_random())
    })
    .await;
    eventually("all are linked", || nodes.iter().all(|node| node.status().links == 6)).await;
    let sent = || nodes.iter().map(|node| node.counters().broadcast.payloads_sent).sum::<u64>();
    let settled = async || {
        let mut before = sent();
        eventually("nothing is pushed any more", || {
            let now = sent();
            std::mem::replace(&mut before, now) == now
        })
        .await;
    };
    agree(&nodes).await;
    settled().await;
    let before = sent();
    let stores: Vec<_> = nodes.iter().map(|node| node.gossip("app").unwrap()).collect();
    for at in 0..30_u32 {
        let value = damson::gossip::Typed::LwwRegister(at.to_string().into());
        stores[0].put(format!("k{at}"), value).await.unwrap();
        tokio::task::yield_now().await;
    }
    for store in &stores {
        eventually("all puts are here", || store.get_all().len() == 30).await;
    }
    settled().await;
    let payloads = sent() - before;
    let most = 30 * 2 * RING.len() as u64;
    assert!((12..=most).contains(&payloads), "{payloads} payloads for at most 30 pushes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn given_peers_are_added_and_removed_while_nodes_run() {
    let network = MemoryNetwork::new();
    let none: [&str; 0] = [];
    let chain = ["a", "b", "c"];
    let nodes = start(&network, &chain, |at, builder| {
        let eager = if at == 1 { vec!["a", "c"] } else { vec!["b"] };
        builder.given_peers(GivenPeers::of(chain).eager(eager).lazy(none))
    })
    .await;
    let chain = |at: usize| names([&["b"][..], &["a", "c"], &["b"]][at]);
    linked_as("chain", &nodes, chain).await;
    assert!(!nodes[0].add_peer("c").unwrap(), "it is a member that was named");
    assert!(nodes[0].remove_peer("c") && nodes[0].add_peer("c").unwrap(), "named anew, it is a peer");
    linked_as("ring", &nodes, |at| names([&["b", "c"][..], &["a", "c"], &["a", "b"]][at])).await;
    assert!(nodes[0].remove_peer("c"));
    linked_as("chain again", &nodes, chain).await;
    nodes[2].scope("app").unwrap().counter("n").add(3).await.unwrap();
    eventually("along the chain", || nodes[0].scope("app").unwrap().counter("n").get() == 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_lost_all_that_were_given_links_to_another_member() {
    let network = MemoryNetwork::new();
    let star = ["hub", "b", "c", "d"];
    let none: [&str; 0] = [];
    let liveness = LivenessConfig { period_ms: 100, ..LivenessConfig::default() };
    let mut nodes = start(&network, &star, |at, builder| {
        let eager = if at == 0 { vec!["b", "c", "d"] } else { vec!["hub"] };
        builder.liveness(liveness.clone()).given_peers(GivenPeers::of(star).eager(eager).lazy(none))
    })
    .await;
    let others = || names(&["b", "c", "d"]);
    linked_as("star", &nodes, |at| if at == 0 { others() } else { names(&["hub"]) }).await;
    nodes.remove(0).abandon();
    eventually("they are linked without it", || (0..3).all(|at| !neighbors(&nodes, at).is_empty())).await;
    nodes[0].scope("app").unwrap().counter("n").add(1).await.unwrap();
    agree(&nodes).await;
    assert_eq!(nodes[2].scope("app").unwrap().counter("n").get(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_eager_peer_that_is_no_member_is_refused_at_the_start() {
    let start = async |peers: GivenPeers| match quick("a").given_peers(peers).start().await.err() {
        Some(StartError::GivenPeers(error)) => error,
        other => panic!("{other:?}"),
    };
    let (member, stranger) = ("127.0.0.1:1", "127.0.0.1:2");
    let error = start(GivenPeers::of([member]).eager([stranger])).await;
    assert_eq!(error, GivenPeersError::NoMember { kind: "eager", address: stranger.into() });
    assert_eq!(error.to_string(), "the eager peer \"127.0.0.1:2\" is none of the members that were given");
    let error = start(GivenPeers::of([member]).lazy([member])).await;
    assert_eq!(error, GivenPeersError::LazyOfTwo { members: 2 });
}
