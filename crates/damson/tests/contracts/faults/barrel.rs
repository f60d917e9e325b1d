//! Faults of barrel_p2p.

use std::time::Duration;

use bytes::Bytes;
use damson::gossip::GossipConfig;
use damson::transport::MemoryNetwork;
use damson::{Ack, Event, Slot};
use damson_core::crdt::{
    Actor, Batch, CellId, Hlc, Kills, Leaf, Life, NodeId, Operation, Path, Payload, Target, codec,
};
use damson_core::wire::Message;

use crate::stage::{agree, eventually, linked, three, three_in};
use crate::wires::Wires;

const LONG: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_map_that_holds_only_removals_still_tells_them() {
    let network = MemoryNetwork::new();
    let nodes = three_in(&network, |builder| builder).await;
    let maps = nodes.each_ref().map(|node| node.scope("app").unwrap().map::<String>("m"));
    maps[0].put("f", &"v".into()).await.unwrap();
    agree(&nodes).await;
    network.partition(&[&["a"], &["b"], &["c"]]);
    eventually("all are alone", || nodes.iter().all(|node| node.status().links == 0)).await;
    maps[0].remove("f").await.unwrap();
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
    for n in 0..10_000 {
        maps[n % 3].put(n.to_string(), &"v".into()).await.unwrap();
    }
    for map in &maps {
        eventually("all fields are there", || map.len() == 10_000).await;
    }
    agree(&nodes).await;
    let sent: u64 = nodes.iter().map(|node| node.counters().broadcast.payloads_sent).sum();
    assert!(sent <= 2 * 10_000 + 100, "each put crosses each link at most once: {sent}");
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
    let silent = GossipConfig { anti_entropy_interval: Duration::from_secs(60), ..GossipConfig::default() };
    let nodes = three(|builder| builder.gossip(silent)).await;
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
