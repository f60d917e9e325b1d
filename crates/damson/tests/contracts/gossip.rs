//! The calls of a gossip server.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use damson::gossip::{GossipConfig, GossipError, GossipStore, SyncError, Typed, TypedKind};
use damson::transport::MemoryNetwork;
use damson::{Kind, Node, NodeId, PeerError, StartError, WriteError};

use crate::stage::{agree, eventually, linked, quick, three, three_in};

const LONG: Duration = Duration::from_secs(10);

fn stores(nodes: &[Node]) -> Vec<GossipStore> {
    nodes.iter().map(|node| node.gossip("app").unwrap()).collect()
}

fn set(elements: &[&'static str]) -> Typed {
    Typed::OrSet(elements.iter().map(|element| Bytes::from_static(element.as_bytes())).collect())
}

/// Nobody pushes and nobody compares for a minute, unless asked.
fn silent() -> GossipConfig {
    let minute = Duration::from_secs(60);
    GossipConfig { push_interval: minute, anti_entropy_interval: minute, fanout: 2 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_type_put_on_one_node_is_got_on_all_and_a_deleted_key_is_not_found() {
    let nodes = three(|builder| builder).await;
    let stores = stores(&nodes);
    let values = BTreeMap::from([
        (Bytes::from("register"), Typed::LwwRegister("v".into())),
        (Bytes::from("set"), set(&["x", "y"])),
        (Bytes::from("grows"), Typed::GCounter(7)),
        (Bytes::from("counts"), Typed::PnCounter(-3)),
        (Bytes::from("nought"), Typed::GCounter(0)),
    ]);
    for (at, (key, value)) in values.iter().enumerate() {
        stores[at % 3].put(key.clone(), value.clone()).await.unwrap();
    }
    for store in &stores {
        eventually("all keys are everywhere", || store.get_all() == values).await;
        assert_eq!(store.get("grows"), Ok(Typed::GCounter(7)));
        assert_eq!(store.get("nobody"), Err(GossipError::NotFound));
        assert_eq!(store.stats().states, 5);
    }
    assert!(stores[1].delete("grows").await.unwrap());
    for store in &stores {
        eventually("it is gone", || store.get("grows") == Err(GossipError::NotFound)).await;
        assert!(!store.get_all().contains_key(&b"grows"[..]));
    }
    assert!(!stores[2].delete("grows").await.unwrap(), "what is not there is no error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_replaces_a_set_and_brings_a_counter_to_its_sum_on_all_nodes() {
    let nodes = three(|builder| builder).await;
    let stores = stores(&nodes);
    stores[0].put("s", set(&["x", "y"])).await.unwrap();
    stores[0].put("n", Typed::PnCounter(10)).await.unwrap();
    stores[0].put("g", Typed::GCounter(5)).await.unwrap();
    agree(&nodes).await;
    stores[1].put("s", set(&["y", "z"])).await.unwrap();
    stores[1].put("n", Typed::PnCounter(-4)).await.unwrap();
    stores[1].put("g", Typed::GCounter(6)).await.unwrap();
    assert_eq!(stores[2].gcounter("g").add(0).await.map(|_| ()), Ok(()));
    agree(&nodes).await;
    assert_eq!(stores[2].gcounter("g").add(4).await, Ok(10));
    agree(&nodes).await;
    for store in &stores {
        assert_eq!(store.get("s"), Ok(set(&["y", "z"])));
        assert_eq!(store.get("n"), Ok(Typed::PnCounter(-4)));
        assert_eq!((store.get("g"), store.gcounter("g").get()), (Ok(Typed::GCounter(10)), 10));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_a_typed_error_and_writes_nothing_on_any_node() {
    let nodes = three(|builder| builder).await;
    let stores = stores(&nodes);
    let store = &stores[0];
    store.put("g", Typed::GCounter(5)).await.unwrap();
    store.put("s", set(&["x"])).await.unwrap();
    nodes[0].scope("app").unwrap().map::<String>("m").put("f", &"v".into()).await.unwrap();
    agree(&nodes).await;
    let digest = nodes[0].digest();

    let (holds, wanted) = (TypedKind::GCounter, TypedKind::PnCounter);
    let mismatch = store.put("g", Typed::PnCounter(1)).await.unwrap_err();
    assert_eq!(mismatch, GossipError::TypeMismatch { holds, wanted });
    assert_eq!(mismatch.to_string(), "the key holds a gcounter, not a pncounter; nothing was written");
    assert_eq!(stores[1].put("g", Typed::GCounter(4)).await, Err(GossipError::Shrinks { at: 5, wanted: 4 }));
    assert!(matches!(
        store.gcounter("s").add(1).await,
        Err(GossipError::TypeMismatch { holds: TypedKind::OrSet, .. })
    ));
    assert_eq!(store.get("m"), Err(GossipError::Foreign { holds: Kind::Map }));
    assert!(!store.get_all().contains_key(&b"m"[..]));
    let huge = store.put("big", Typed::GCounter(u64::MAX)).await;
    assert_eq!(huge, Err(GossipError::Write(WriteError::Overflow)));
    let long = Typed::OrSet([Bytes::from("short"), Bytes::from(vec![0; 65 << 10])].into());
    assert!(matches!(store.put("s", long).await, Err(GossipError::Write(WriteError::Limit(_)))));
    let many = Typed::OrSet((0..66_000_u32).map(|n| Bytes::from(n.to_string())).collect());
    assert!(matches!(store.put("s", many).await, Err(GossipError::Write(WriteError::Limit(_)))));
    assert!(nodes.iter().all(|node| node.digest() == digest), "nothing was written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_declared_as_two_types_at_once_is_of_one_type_on_all_nodes() {
    let network = MemoryNetwork::new();
    let nodes = three_in(&network, |builder| builder).await;
    let stores = stores(&nodes);
    network.partition(&[&["a"], &["b", "c"]]);
    eventually("a is alone", || nodes[0].status().links == 0).await;
    stores[0].put("k", Typed::GCounter(1)).await.unwrap();
    stores[1].put("k", Typed::PnCounter(2)).await.unwrap();
    network.heal();
    eventually("they know of both", || nodes.iter().all(|node| node.status().links == 2)).await;
    agree(&nodes).await;
    let seen = stores[0].get("k").unwrap();
    assert!([Typed::GCounter(1), Typed::PnCounter(2)].contains(&seen), "{seen:?}");
    for store in &stores {
        assert_eq!(store.get("k").as_ref(), Ok(&seen));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_is_counted_once_by_every_node_that_merges_two_writes_of_which_neither_saw_the_other() {
    let network = MemoryNetwork::new();
    let nodes = three_in(&network, |builder| builder).await;
    let stores = stores(&nodes);
    let conflicts = || stores.iter().map(|store| store.stats().conflict_count).collect::<Vec<_>>();
    let put = |at: usize, text: &'static str| stores[at].put("k", Typed::LwwRegister(text.into()));
    put(0, "first").await.unwrap();
    agree(&nodes).await;
    put(1, "second").await.unwrap();
    agree(&nodes).await;
    assert_eq!(conflicts(), [0, 0, 0], "each write had seen the one before");
    network.partition(&[&["a"], &["b", "c"]]);
    eventually("a is alone", || nodes[0].status().links == 0 && nodes[1].status().links == 1).await;
    put(0, "here").await.unwrap();
    put(1, "there").await.unwrap();
    eventually("c has it", || stores[2].get("k") == Ok(Typed::LwwRegister("there".into()))).await;
    network.heal();
    eventually("linked again", || nodes.iter().all(|node| node.status().links == 2)).await;
    agree(&nodes).await;
    assert_eq!(conflicts(), [1, 1, 1]);
    put(2, "settled").await.unwrap();
    agree(&nodes).await;
    assert_eq!(conflicts(), [1, 1, 1], "it had seen both");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_ends_when_all_that_the_member_had_is_here() {
    let nodes = three(|builder| builder.gossip(silent())).await;
    let stores = stores(&nodes);
    for n in 1..=20 {
        stores[0].put("n", Typed::PnCounter(n)).await.unwrap();
        stores[1].pull_state(nodes[0].id(), LONG).await.unwrap();
        assert_eq!(stores[1].get("n"), Ok(Typed::PnCounter(n)));
    }
    stores[2].pull_state(nodes[1].id(), LONG).await.unwrap();
    assert_eq!(stores[2].get("n"), Ok(Typed::PnCounter(20)), "from one that has it from another");
    assert!(stores[2].stats().pull_count >= 1 && stores[2].stats().merge_count >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_ends_when_the_member_has_all_that_was_here() {
    let network = MemoryNetwork::new();
    let nodes = three_in(&network, |builder| builder.gossip(silent())).await;
    let stores = stores(&nodes);
    stores[0].push_state(nodes[1].id(), LONG).await.unwrap();
    stores[0].put("gone", Typed::PnCounter(1)).await.unwrap();
    stores[0].delete("gone").await.unwrap();
    for n in 1..=20 {
        stores[0].put("n", Typed::PnCounter(n)).await.unwrap();
        stores[1].pull_state(nodes[0].id(), LONG).await.unwrap();
        // What b has only from a is pushed to c, and no push of a's own can have brought it.
        network.partition(&[&["a"], &["b", "c"]]);
        stores[1].push_state(nodes[2].id(), LONG).await.unwrap();
        assert_eq!(stores[2].get("n"), Ok(Typed::PnCounter(n)));
        network.heal();
        linked(&nodes).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_cannot_be_is_a_typed_error_and_the_caller_goes_on() {
    let elsewhere = "elsewhere".parse().unwrap();
    let nodes = three(|builder| builder.gossip(silent())).await;
    let guest = quick("d").join(nodes[0].address()).host_only([elsewhere]).start().await.unwrap();
    eventually("d is in", || nodes[0].status().links == 3 && nodes[0].status().members == 4).await;
    let stores = stores(&nodes);
    let (store, own, other) = (&stores[0], nodes[0].id(), nodes[1].id());
    store.put("k", Typed::PnCounter(1)).await.unwrap();
    let both = async |member: NodeId, time_out| {
        [store.pull_state(member, time_out).await, store.push_state(member, time_out).await]
    };
    for nobody in [own, NodeId([9; 16])] {
        let error = Err(SyncError::NoSuchMember { member: nobody });
        assert_eq!(both(nobody, LONG).await, [error.clone(), error]);
    }
    let timed_out = Err(SyncError::TimedOut { member: other });
    assert_eq!(both(other, Duration::ZERO).await, [timed_out.clone(), timed_out]);
    let not_hosted = |node| Err(SyncError::NotHosted { node, scope: "app".parse().unwrap() });
    assert_eq!(both(guest.id(), LONG).await, [not_hosted(guest.id()), not_hosted(guest.id())]);
    let there = guest.gossip("app").unwrap();
    assert_eq!(there.pull_state(own, LONG).await, not_hosted(guest.id()));

    nodes[1].abandon();
    eventually("b is dead", || {
        nodes[0].members().iter().any(|member| member.id == other && member.state.name() == "dead")
    })
    .await;
    let unreachable = Err(SyncError::Unreachable { member: other });
    assert_eq!(both(other, LONG).await, [unreachable.clone(), unreachable]);
    nodes[2].stop().await.unwrap();
    let gone = nodes[2].id();
    let has_left =
        || nodes[0].members().iter().any(|member| member.id == gone && member.state.name() == "left");
    eventually("c has left", has_left).await;
    assert_eq!(store.pull_state(gone, LONG).await, Err(SyncError::NoSuchMember { member: gone }));
    assert_eq!(stores[2].pull_state(own, LONG).await, Err(SyncError::Stopped));
    store.put("k", Typed::PnCounter(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_now_is_with_as_many_as_the_fanout_and_a_forced_one_with_all() {
    let nodes = three(|builder| builder.gossip(GossipConfig { fanout: 1, ..silent() })).await;
    let stores = stores(&nodes);
    for (at, store) in stores.iter().enumerate() {
        store.put(format!("k{at}"), Typed::PnCounter(1)).await.unwrap();
    }
    let [(chosen, end)] = &stores[0].anti_entropy(LONG).await[..] else { panic!("one member") };
    assert_eq!(*end, Ok(()));
    let at = nodes.iter().position(|node| node.id() == *chosen).expect("one of the others");
    // A link that broke and came back may have brought the third's, too.
    let both_ways = stores[0].get(format!("k{at}")).is_ok() && stores[at].get("k0").is_ok();
    assert!(both_ways, "{:?} {:?}", stores[0].get_all(), stores[at].get_all());

    let ends = stores[0].force_sync(LONG).await;
    let mut with: Vec<NodeId> = ends.iter().map(|(member, _)| *member).collect();
    with.sort_unstable();
    let mut others = vec![nodes[1].id(), nodes[2].id()];
    others.sort_unstable();
    assert_eq!(with, others);
    assert!(ends.iter().all(|(_, end)| end.is_ok()), "{ends:?}");
    assert_eq!(stores[0].get_all().len(), 3);
    assert!(stores[0].force_sync(LONG).await.iter().all(|(_, end)| end.is_ok()));
    assert!(stores.iter().all(|store| store.get_all().len() == 3), "what came from one is pushed to all");
    nodes[2].abandon();
    let ends = stores[0].force_sync(Duration::from_secs(1)).await;
    let of = |id: NodeId| ends.iter().find(|(member, _)| *member == id).map(|(_, end)| end.is_ok());
    assert_eq!(of(nodes[1].id()), Some(true), "one that does not answer harms nobody: {ends:?}");
    assert_ne!(of(nodes[2].id()), Some(true), "{ends:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_are_added_and_removed_while_nodes_run() {
    let start = async |name: &str| quick(name).start().await.unwrap();
    let nodes = [start("a").await, start("b").await, start("c").await];
    let addresses = nodes.each_ref().map(Node::address);
    assert_eq!(nodes[0].peers(), []);
    for address in &addresses[1..] {
        assert_eq!(nodes[0].add_peer(address), Ok(true));
        assert_eq!(nodes[0].add_peer(address), Ok(false), "twice is no error");
    }
    linked(&nodes).await;
    eventually("it is known who is there", || nodes[0].peers().iter().all(|peer| peer.linked)).await;
    let peers = nodes[0].peers();
    assert_eq!(
        peers.iter().map(|peer| peer.node).collect::<Vec<_>>(),
        [Some(nodes[1].id()), Some(nodes[2].id())]
    );
    assert!(nodes[0].remove_peer(&addresses[1]) && !nodes[0].remove_peer(&addresses[1]));
    assert!(!nodes[0].remove_peer("203.0.113.9:1"), "who is unknown is no error");
    assert_eq!(nodes[0].peers().len(), 1);
    for wrong in ["", "no-port", "127.0.0.1:0", "two words:1"] {
        assert!(matches!(nodes[0].add_peer(wrong), Err(PeerError::Address { .. })), "{wrong}");
    }
    let stores = stores(&nodes);
    stores[0].put("k", Typed::GCounter(1)).await.unwrap();
    agree(&nodes).await;
    assert_eq!(stores[1].get("k"), Ok(Typed::GCounter(1)), "a member stays one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_presets_numbers_are_the_seeds_and_zero_is_refused_with_its_reason() {
    let seed = GossipConfig::seed();
    assert_eq!(
        (seed.push_interval.as_millis(), seed.anti_entropy_interval.as_millis(), seed.fanout),
        (1_000, 30_000, 3)
    );
    let zero = Duration::ZERO;
    for (wrong, what) in [
        (GossipConfig { push_interval: zero, ..seed }, "push_interval"),
        (GossipConfig { anti_entropy_interval: zero, ..seed }, "anti_entropy_interval"),
        (GossipConfig { fanout: 0, ..seed }, "fanout"),
    ] {
        let Err(StartError::Gossip(error)) = quick("x").gossip(wrong).start().await else { panic!("{what}") };
        assert_eq!(error.what, what);
        assert!(error.to_string().starts_with(&format!("the gossip's {what} is zero: ")), "{error}");
    }
    let nodes = three(|builder| builder.gossip(GossipConfig::seed())).await;
    let stores = stores(&nodes);
    let pushes = || stores[0].stats().push_count;
    let before = pushes();
    for n in 1..=100 {
        stores[0].put("n", Typed::PnCounter(n)).await.unwrap();
    }
    eventually("it is pushed within the interval", || stores[1].get("n") == Ok(Typed::PnCounter(100))).await;
    eventually("to all", || stores[2].get("n") == Ok(Typed::PnCounter(100))).await;
    assert!(pushes() - before <= 8, "a hundred changes leave together: {}", pushes() - before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statistics_name_node_realm_states_peers_and_count() {
    let nodes = three(|builder| builder.realm("orchard")).await;
    let stores = stores(&nodes);
    stores[0].put("k", Typed::PnCounter(1)).await.unwrap();
    agree(&nodes).await;
    let (own, other) = (stores[0].stats(), stores[1].stats());
    assert_eq!((own.node_id, own.realm.as_str(), own.states, own.peers), (nodes[0].id(), "orchard", 1, 2));
    assert!(own.push_count >= 2, "to both: {own:?}");
    assert!(other.merge_count >= 1 && other.conflict_count == 0, "{other:?}");
    let none = nodes[2].gossip("empty").unwrap().stats();
    assert_eq!((none.states, none.merge_count), (0, 0));
}
