//! Seed 003: counters over a publish/subscribe bus that anybody can bring.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use damson::transport::{BroadcastFault, Broadcaster, GossipBroadcaster, GossipBuffer, PubSub};
use damson::{Node, StartError};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use tokio::time::timeout;

use crate::datagrams::{agree, eventually, quick};

type Handler = Box<dyn Fn(Bytes) -> Result<(), BroadcastFault> + Send + Sync>;

/// A bus in memory that loses messages, each subscriber's by chance.
#[derive(Clone)]
struct Bus {
    lost_pct: u64,
    rng: Arc<Mutex<ChaCha8Rng>>,
    topics: Arc<Mutex<BTreeMap<String, Vec<Arc<Handler>>>>>,
    broken: Arc<AtomicBool>,
}

impl Bus {
    fn new(lost_pct: u64) -> Self {
        let rng = Arc::new(Mutex::new(ChaCha8Rng::seed_from_u64(6)));
        Self { lost_pct, rng, topics: Arc::default(), broken: Arc::default() }
    }

    fn on(&self, topic: &str) -> Arc<GossipBroadcaster<Bus>> {
        Arc::new(GossipBroadcaster::new(self.clone(), topic, GossipBuffer::default()).unwrap())
    }
}

impl PubSub for Bus {
    fn publish_raw(&self, topic: &str, data: Bytes) -> Result<(), BroadcastFault> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(BroadcastFault::Failed { reason: "the bus is down".into() });
        }
        let handlers = self.topics.lock().unwrap().get(topic).cloned().unwrap_or_default();
        for handler in handlers {
            if self.rng.lock().unwrap().next_u64() % 100 >= self.lost_pct {
                // Who is closed does not want it any more.
                let _ = handler(data.clone());
            }
        }
        Ok(())
    }

    fn subscribe_raw(&self, topic: &str, handler: Handler) -> Result<(), BroadcastFault> {
        self.topics.lock().unwrap().entry(topic.into()).or_default().push(Arc::new(handler));
        Ok(())
    }
}

async fn count(node: &Node, n: i64) {
    let counter = node.scope("app").unwrap().counter("/STATS/seen");
    for _ in 0..n {
        counter.add(2).await.unwrap();
        counter.sub(1).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_on_a_bus_that_loses_messages_find_each_other_and_count_exactly() {
    let bus = Bus::new(10);
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        nodes.push(quick(name).broadcaster(bus.on("damson")).start().await.unwrap());
    }
    // Another cluster, and other things, on the same bus.
    let stranger = quick("d").realm("other").broadcaster(bus.on("damson")).start().await.unwrap();
    bus.publish_raw("damson", "junk".into()).unwrap();
    tokio::join!(count(&nodes[0], 100), count(&nodes[1], 100), count(&nodes[2], 100));
    for node in &nodes {
        let counter = node.scope("app").unwrap().counter("/STATS/seen");
        eventually("each knows all", || counter.get() == 300).await;
        let shares: Vec<i64> = counter.shares().into_iter().map(|(_, share)| share).collect();
        assert_eq!(shares, [100; 3]);
        assert_eq!(node.scope("app").unwrap().counter("/STATS").get(), 0, "a key sums no other");
    }
    agree(&nodes.iter().collect::<Vec<_>>(), 0).await;
    assert_eq!(stranger.scope("app").unwrap().counter("/STATS/seen").get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_stay_exact_when_nodes_lose_everything_and_the_bus_fails_for_a_while() {
    let bus = Bus::new(2);
    let start = |name: &'static str| quick(name).broadcaster(bus.on("damson")).start();
    let (a, b, c) = (start("a").await.unwrap(), start("b").await.unwrap(), start("c").await.unwrap());
    for node in [&a, &b, &c] {
        node.ready().await;
        count(node, 10).await;
    }
    let sum = |node: &Node| node.scope("app").unwrap().counter("/STATS/seen").get();
    eventually("all is everywhere", || [&a, &b, &c].iter().all(|node| sum(node) == 30)).await;
    // All that c had is gone; it returns as another life.
    c.abandon();
    drop(c);
    bus.broken.store(true, Ordering::Relaxed);
    count(&a, 5).await;
    bus.broken.store(false, Ordering::Relaxed);
    let c = start("c").await.unwrap();
    c.ready().await;
    count(&c, 1).await;
    eventually("all is everywhere again", || [&a, &b, &c].iter().all(|node| sum(node) == 36)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_close_every_reader_ends() {
    let bus = Bus::new(0);
    let broadcasters = [bus.on("damson"), bus.on("damson"), bus.on("damson")];
    let mut nodes = Vec::new();
    for (name, broadcaster) in ["a", "b", "c"].into_iter().zip(&broadcasters) {
        nodes.push(quick(name).broadcaster(broadcaster.clone()).start().await.unwrap());
    }
    let all: Vec<&Node> = nodes.iter().collect();
    count(&nodes[0], 1).await;
    agree(&all, 0).await;
    broadcasters[0].close();
    broadcasters[0].close();
    for _ in 0..3 {
        // At once, and not again and again: a reader in a loop would spin.
        assert_eq!(timeout(Duration::from_secs(5), broadcasters[0].next()).await.unwrap(), None);
    }
    assert_eq!(broadcasters[0].receive("late".into()), Err(BroadcastFault::Closed));
    eventually("the one is alone", || nodes[0].neighbors().is_empty()).await;
    // It goes on for itself, and the others among each other.
    for node in &nodes {
        count(node, 1).await;
    }
    agree(&all[1..], 0).await;
    let counts: Vec<i64> =
        nodes.iter().map(|node| node.scope("app").unwrap().counter("/STATS/seen").get()).collect();
    assert_eq!(counts, [2, 3, 3]);
    nodes[0].stop().await.unwrap();
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_name() {
    let bus = Bus::new(0);
    let empty = GossipBroadcaster::new(bus.clone(), "t", GossipBuffer { messages_max: 0 }).err().unwrap();
    assert!(matches!(empty, BroadcastFault::Failed { .. }), "{empty}");
    let long = quick("a").broadcaster(bus.on("t")).advertise("x".repeat(256)).start().await.err().unwrap();
    assert!(matches!(long, StartError::Transport(_)), "{long}");
    let network = damson::transport::MemoryNetwork::new();
    let both = quick("a").broadcaster(bus.on("t")).transport(network.transport("a", [1; 16]));
    let both = both.start().await.err().unwrap();
    assert!(matches!(both, StartError::Both { first: "transport", second: "broadcaster" }), "{both}");
}
