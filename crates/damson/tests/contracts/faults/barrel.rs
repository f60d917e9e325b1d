//! Faults of barrel_p2p.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use damson::gossip::GossipConfig;
use damson::identity::Identity;
use damson::transport::MemoryNetwork;
use damson::{Ack, BroadcastConfig, Event, Node, Slot};
use damson_core::crdt::{
    Actor, Batch, CellId, Hlc, Kills, Leaf, Life, NodeId, Operation, Path, Payload, Target, codec,
};
use damson_core::wire::Message;

use crate::stage::{agree, all_in, eventually, linked, one_in, three, three_in};
use crate::wires::Wires;

#[path = "../../../examples/custom_replica/fences.rs"]
mod fences;

use fences::{Fence, Giver};

const LONG: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_map_that_holds_only_removals_still_tells_them() {
    let network = MemoryNetwork::new();
    // The broadcast remembers one payload only: what was written before it comes by a comparison, or not at all.
    let forgetful = BroadcastConfig { log_max: 1, ..BroadcastConfig::default() };
    let nodes = three_in(&network, |builder| builder.broadcast(forgetful.clone())).await;
    let maps = nodes.each_ref().map(|node| node.scope("app").unwrap().map::<String>("m"));
    maps[0].put("f", &"v".into()).await.unwrap();
    agree(&nodes).await;
    network.partition(&[&["a"], &["b"], &["c"]]);
    eventually("all are alone", || nodes.iter().all(|node| node.status().links == 0)).await;
    maps[0].remove("f").await.unwrap();
    nodes[0].scope("other").unwrap().counter("n").add(1).await.unwrap();
    assert!(maps[0].is_empty() && maps[1].len() == 1 && maps[2].len() == 1);
    network.heal();
    linked(&nodes).await;
    agree(&nodes).await;
    for map in &maps {
        assert!(map.is_empty(), "nobody has it, and nobody brings it back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_puts_to_one_map_arrive() {
    let nodes = three(|builder| builder).await;
    let maps = nodes.each_ref().map(|node| node.scope("app").unwrap().map::<String>("m"));
    let bytes = || nodes.iter().map(|node| node.counters().bytes_out).sum::<u64>();
    let before = bytes();
    for n in 0..10_000 {
        maps[n % 3].put(n.to_string(), &"v".into()).await.unwrap();
    }
    for map in &maps {
        eventually("all fields are there", || map.len() == 10_000).await;
    }
    agree(&nodes).await;
    let sent: u64 = nodes.iter().map(|node| node.counters().broadcast.payloads_sent).sum();
    assert!(sent <= 2 * 10_000 + 100, "each put crosses each link at most once: {sent}");
    let bytes = bytes() - before;
    assert!(bytes <= 10_000 * 1_024, "and is as large as a field, not as the map: {bytes}");
    // One by one, so that no comparison brings what is under way: over every link each would come twice.
    let twice = || -> u64 {
        let app = |node: &Node| node.scopes().into_iter().find(|scope| scope.name.as_str() == "app").unwrap();
        nodes.iter().map(|node| app(node).counters.duplicates).sum()
    };
    let before = twice();
    for n in 0..90 {
        maps[n % 3].put(format!("calm {n}"), &"v".into()).await.unwrap();
        eventually("it is everywhere", || maps.iter().all(|map| map.len() == 10_001 + n)).await;
    }
    let twice = twice() - before;
    assert!(twice <= 60, "of 180 that were to come once, {twice} came twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dots_of_a_key_do_not_grow_with_its_writes() {
    let nodes = three(|builder| builder).await;
    let maps = nodes.each_ref().map(|node| node.scope("app").unwrap().map::<String>("m"));
    for n in 0..900 {
        maps[n % 3].put("f", &n.to_string()).await.unwrap();
    }
    agree(&nodes).await;
    maps[0].put("f", &"last".into()).await.unwrap();
    agree(&nodes).await;
    for node in &nodes {
        let app = node.scopes().into_iter().find(|scope| scope.name.as_str() == "app").unwrap();
        assert_eq!((app.live_dots, app.actors, app.removals), (1, 3, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_from_the_far_future_harms_nobody() {
    let (nodes, wires) = Wires::three().await;
    let registers = nodes.each_ref().map(|node| node.scope("app").unwrap().register::<String>("k"));
    registers[0].put(&"before".into()).await.unwrap();
    agree(&nodes).await;
    let mut events = nodes[1].events();
    // A write of somebody else, a century ahead, brought by a.
    let payload = Payload::Value { bytes: Bytes::from_static(b"from the future"), expires_ms: None };
    let target = Target::Cell(CellId { key: "k".into(), path: Path::root().leaf(Leaf::Register) });
    let century_ms = 100 * 365 * 24 * 3_600 * 1_000;
    let batch = Batch {
        actor: Actor::new(NodeId([7; 16]), Life(1)),
        first: 1,
        hlc: Hlc::from_ms(nodes[0].status().wall_ms + century_ms),
        ops: [Operation { target, kills: Kills::default(), payload: Some(payload) }].into(),
    };
    let mut batches = Vec::new();
    codec::encode_batches(&mut batches, &[batch]);
    let push = Message::Push { scope: "app".parse().unwrap(), batches, round: 1 };
    wires.inject("a", "b", &push.encode());
    for register in &registers {
        let there = || register.get().unwrap().as_deref() == Some("from the future");
        eventually("it is applied, and wins over what it had not seen", there).await;
    }
    let told = async {
        loop {
            if let Ok(Event::FutureTime { ahead_ms, .. }) = events.recv().await {
                break ahead_ms;
            }
        }
    };
    let ahead_ms = tokio::time::timeout(LONG, told).await.expect("it is told");
    assert!(ahead_ms > century_ms - 60_000);
    for (at, register) in registers.iter().enumerate() {
        register.put(&format!("after {at}")).await.unwrap();
        agree(&nodes).await;
        for other in &registers {
            assert_eq!(
                other.get().unwrap().unwrap(),
                format!("after {at}"),
                "a write that has seen it replaces it"
            );
        }
        let stamp = |view: damson::View<'_>| view.stamped(&Slot::key("k")).unwrap().1;
        let (stamp, wall_ms) = (nodes[at].scope("app").unwrap().read(stamp), nodes[at].status().wall_ms);
        assert!(stamp.hlc.ms() <= wall_ms + 60_000, "no clock has followed it: {stamp:?} at {wall_ms}");
    }
    assert!(nodes.iter().all(|node| node.status().readiness == damson::Readiness::Ready));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_reads_its_own_write_at_once_and_elsewhere_by_token() {
    let nodes = three(|builder| builder).await;
    let scopes = nodes.each_ref().map(|node| node.scope("app").unwrap());
    let slot = Slot::key("m").field(b"f");
    for n in 0..300_usize {
        let (writer, reader) = (&scopes[n % 3], &scopes[(n + 1) % 3]);
        let value = Bytes::from(n.to_string());
        let put = writer.write_acked(Ack::Local, LONG, |tx| tx.put_register(&slot, value.clone(), None));
        let token = put.await.unwrap().token.unwrap();
        let read = |view: damson::View<'_>| view.map_get(&Slot::key("m"), b"f");
        assert_eq!(writer.read(read), Some(value.clone()));
        assert_eq!(reader.read_after(&token, LONG, read).await, Ok(Some(value)));
    }
}

/// What is sent for a field does not know how large its map is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merging_one_key_costs_the_same_in_a_large_map() {
    // Seldom enough for what is counted; what a busy machine's links lose is brought in time nevertheless.
    let seldom = GossipConfig { anti_entropy_interval: Duration::from_secs(3), ..GossipConfig::default() };
    let nodes = three(|builder| builder.gossip(seldom)).await;
    let scope = nodes[0].scope("app").unwrap();
    let fill = async |from: usize, to: usize| {
        let slots = (from..to).map(|n| Slot::key("m").field(format!("field {n}").as_bytes()));
        let put = |tx: &mut damson::Tx<'_>| {
            slots.into_iter().try_for_each(|slot| tx.put_register(&slot, Bytes::from_static(b"v"), None))
        };
        scope.write(put).await.unwrap();
        agree(&nodes).await;
    };
    let applied = || {
        let app = nodes[1].scopes().into_iter().find(|scope| scope.name.as_str() == "app");
        app.map_or(0, |app| app.counters.applied)
    };
    let merge_one = async |value: &'static str| {
        let (batches, bytes) = (applied(), nodes[1].counters().bytes_in);
        for _ in 0..20 {
            scope.map::<String>("m").put("field 5", &value.into()).await.unwrap();
        }
        agree(&nodes).await;
        (applied() - batches, nodes[1].counters().bytes_in - bytes)
    };
    let warm = |tx: &mut damson::Tx<'_>| tx.add(&Slot::key("warm"), 1);
    eventually("writes are pushed", || scope.write_now(warm).is_ok() && applied() > 0).await;
    agree(&nodes).await;
    fill(0, 10).await;
    let (small, small_bytes) = merge_one("one").await;
    fill(10, 20_000).await;
    let (mut large, mut large_bytes) = merge_one("two").await;
    assert!(small <= 20 && large <= 20, "a batch for each put at most: {small} and then {large}");
    let most = small_bytes + 8_192;
    // What is left of the filling may still be under way when the first are counted.
    for value in ["three", "four", "five", "six", "seven"] {
        if large_bytes <= most {
            break;
        }
        (large, large_bytes) = merge_one(value).await;
    }
    assert!(large <= 20 && large_bytes <= most, "{small_bytes} bytes and then {large_bytes}");
}

/// Takes a fence, which is greater than all that its giver had seen.
async fn take(giver: &Giver) -> Fence {
    let seen = giver.highest("disk").await.unwrap();
    let fence = giver.give("disk").await.unwrap();
    assert!(fence.number > seen, "{fence}, and {seen} had been seen");
    fence
}

/// Each takes some while the others do, one of them two at once.
async fn take_at_once(givers: &[Giver; 4]) -> Vec<Fence> {
    let mut fences = Vec::new();
    for _ in 0..25 {
        let [a, b, c, d] = givers;
        let taken = tokio::join!(take(a), take(b), take(c), take(c), take(d));
        fences.extend([taken.0, taken.1, taken.2, taken.3, taken.4]);
    }
    fences
}

async fn all_know(givers: &[Giver], fence: Fence) {
    for giver in givers {
        let known = async {
            while giver.highest("disk").await.unwrap() < fence.number {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LONG, known).await.expect("all are told of all");
    }
}

fn all_distinct(fences: &[Fence]) -> bool {
    fences.iter().collect::<BTreeSet<_>>().len() == fences.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_partitions_never_mint_equal_fences() {
    let network = MemoryNetwork::new();
    let nodes = all_in(&network, &["a", "b", "c", "d"], |builder| builder).await;
    let mut givers = Vec::new();
    for node in &nodes {
        givers.push(Giver::start(node).await.unwrap());
    }
    let givers: [Giver; 4] = givers.try_into().ok().expect("there are four");
    let mut fences = take_at_once(&givers).await;
    all_know(&givers, *fences.iter().max().unwrap()).await;
    network.partition(&[&["a", "b"], &["c", "d"]]);
    eventually("each half is alone", || nodes.iter().all(|node| node.status().links == 1)).await;
    let cut = take_at_once(&givers).await;
    let numbers_of = |half: &[usize]| -> BTreeSet<u64> {
        let actors = half.iter().map(|at| nodes[*at].id()).collect::<Vec<_>>();
        cut.iter().filter(|f| actors.contains(&f.giver.node)).map(|f| f.number).collect()
    };
    assert!(!numbers_of(&[0, 1]).is_disjoint(&numbers_of(&[2, 3])), "by their numbers alone they are equal");
    fences.extend(cut);
    network.heal();
    linked(&nodes).await;
    let highest = *fences.iter().max().unwrap();
    all_know(&givers, highest).await;
    for giver in &givers {
        let fence = take(giver).await;
        assert!(fence > highest, "{fence} is behind {highest}");
        fences.push(fence);
    }
    assert!(all_distinct(&fences), "{fences:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_everything_never_mints_an_old_fence_again() {
    let network = MemoryNetwork::new();
    let dir = tempfile::tempdir().unwrap();
    let identity = || Identity::load_or_create(dir.path().join("key")).unwrap();
    let others = all_in(&network, &["a", "b", "c"], |builder| builder).await;
    let first = one_in(&network, "d", identity(), |builder| builder, Some("a")).await;
    let mut fences = Vec::new();
    {
        let giver = Giver::start(&first).await.unwrap();
        for _ in 0..5 {
            fences.push(take(&giver).await);
        }
    }
    eventually("it is known", || others.iter().all(|node| node.digest() == first.digest())).await;
    network.partition(&[&["a", "b", "c"], &["d"]]);
    first.abandon();
    drop(first);
    // Under the same name, of the same identity, and without its disk: it counts from one, until it hears of the others.
    let second = one_in(&network, "d", identity(), |builder| builder, None).await;
    let giver = Giver::start(&second).await.unwrap();
    for _ in 0..5 {
        fences.push(take(&giver).await);
    }
    assert_eq!(fences[0].number, fences[5].number, "by their numbers alone they are equal");
    network.heal();
    let nodes: Vec<_> = others.into_iter().chain([second]).collect();
    nodes[3].add_peer("a").unwrap();
    linked(&nodes).await;
    agree(&nodes).await;
    let other = Giver::start(&nodes[0]).await.unwrap();
    all_know(&[giver, other], *fences.iter().max().unwrap()).await;
    assert!(all_distinct(&fences), "{fences:?}");
}
