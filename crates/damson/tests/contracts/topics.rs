//! Messages across the cluster: once to each subscriber, bounded, and what is lost is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use damson::{
    CastError, Heard, InboxLimits, Json, Node, NodeBuilder, NodeId, Subscriber, SyncConfig, Value, ValueError,
};
use tokio::time::{Instant, sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(20);

pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "not in time: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

pub fn quick(name: &str) -> NodeBuilder {
    Node::builder(name).anti_entropy(SyncConfig { interval_ms: 200, ..SyncConfig::default() })
}

/// So many nodes, all linked.
pub async fn cluster(count: usize) -> Vec<Node> {
    let mut nodes = vec![quick("n0").start().await.unwrap()];
    for at in 1..count {
        nodes.push(quick(&format!("n{at}")).join(nodes[0].address()).start().await.unwrap());
    }
    all_linked(&nodes).await;
    nodes
}

/// All are linked to all, and the trees have grown: each message has a way to everybody.
pub async fn all_linked(nodes: &[Node]) {
    let is_child = |node: &Node, root: &Node| {
        let parent = node.tree(root.id()).parent;
        let parent = nodes.iter().find(|other| Some(other.id()) == parent);
        parent.is_some_and(|parent| parent.tree(root.id()).children.contains(&node.id()))
    };
    eventually("all are linked", || {
        nodes.iter().all(|node| {
            node.status().members == nodes.len()
                && node.neighbors().len() == nodes.len() - 1
                && nodes.iter().all(|root| node.id() == root.id() || is_child(node, root))
        })
    })
    .await;
}

/// The next message; fails when there is none in time, or something else is told.
async fn message<T: Value>(subscriber: &mut Subscriber<T>) -> (NodeId, T) {
    match timeout(PATIENCE, subscriber.next()).await.expect("a message in time") {
        Some(Heard::Message { from, message }) => (from, message),
        Some(Heard::Lost { messages, .. }) => panic!("{messages} lost"),
        Some(_) => panic!("undecodable"),
        None => panic!("the node has stopped"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_each_publishes_all_hear_once_the_publisher_too() {
    let nodes = cluster(3).await;
    let topics: Vec<_> = nodes.iter().map(|node| node.topic::<Json<u32>>("chat").unwrap()).collect();
    let mut subscribers: Vec<_> = topics.iter().map(|topic| topic.subscribe()).collect();
    let mut second = topics[2].subscribe();
    let mut elsewhere = nodes[1].topic::<Json<u32>>("other").unwrap().subscribe();
    for n in 0..100 {
        for topic in &topics {
            topic.publish(&Json(n)).await.unwrap();
        }
    }
    for subscriber in subscribers.iter_mut().chain([&mut second]) {
        let mut heard: BTreeMap<NodeId, BTreeSet<u32>> = BTreeMap::new();
        for _ in 0..300 {
            let (from, Json(n)) = message(subscriber).await;
            assert!(heard.entry(from).or_default().insert(n), "{n} of {from} came twice");
        }
        assert_eq!(heard.keys().copied().collect::<BTreeSet<_>>(), nodes.iter().map(Node::id).collect());
        assert!(heard.values().all(|numbers| numbers.len() == 100));
    }
    assert!(timeout(Duration::from_millis(50), elsewhere.next()).await.is_err(), "another topic");
    assert_eq!(nodes[0].counters().casts.sent, 100);
    assert_eq!(nodes[0].counters().casts.lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_subscribes_late_hears_from_then_on_and_nothing_more_once_it_has_gone() {
    let nodes = cluster(3).await;
    let (here, there) = (nodes[0].topic::<String>("t").unwrap(), nodes[1].topic::<String>("t").unwrap());
    let mut witness = there.subscribe();
    here.publish(&"before".into()).await.unwrap();
    assert_eq!(message(&mut witness).await.1, "before");
    let mut late = there.subscribe();
    here.publish(&"after".into()).await.unwrap();
    assert_eq!(message(&mut late).await.1, "after");
    assert_eq!(message(&mut witness).await.1, "after");
    drop(late);
    here.publish(&"again".into()).await.unwrap();
    assert_eq!(message(&mut witness).await.1, "again", "the other goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_does_not_read_holds_up_nobody_and_is_told_what_it_lost() {
    let nodes = cluster(3).await;
    let topic = nodes[0].topic::<Json<u32>>("t").unwrap();
    let there = nodes[1].topic::<Json<u32>>("t").unwrap();
    let mut slow = there.subscribe_with(InboxLimits { messages_max: 10, bytes_max: 1 << 20 });
    let mut narrow = there.subscribe_with(InboxLimits { messages_max: 1_000, bytes_max: 100 });
    let mut quick = there.subscribe();
    for n in 0..500 {
        topic.publish(&Json(n)).await.unwrap();
    }
    for n in 0..500 {
        assert_eq!(message(&mut quick).await, (nodes[0].id(), Json(n)));
    }
    for n in 0..10 {
        assert_eq!(message(&mut slow).await.1, Json(n));
    }
    let told = slow.next().await;
    assert!(matches!(told, Some(Heard::Lost { from, messages: 490 }) if from == nodes[0].id()), "{told:?}");
    topic.publish(&Json(1_000)).await.unwrap();
    assert_eq!(message(&mut slow).await.1, Json(1_000), "room again");
    let mut heard = 0;
    while let Some(Heard::Message { .. }) = narrow.next().await {
        heard += 1;
    }
    assert!((1..=100).contains(&heard), "{heard} messages in 100 bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_sent_or_read_is_a_typed_error() {
    let nodes = cluster(3).await;
    let topic = nodes[0].topic::<Vec<u8>>("t").unwrap();
    let mut text = nodes[2].topic::<String>("t").unwrap().subscribe();
    let long = topic.publish(&vec![0; (1 << 20) + 1]).await;
    assert!(matches!(long, Err(CastError::TooLarge { got: 1_048_577, limit: 1_048_576 })), "{long:?}");
    topic.publish(&vec![0xff, 0xfe]).await.unwrap();
    let told = timeout(PATIENCE, text.next()).await.unwrap();
    assert!(
        matches!(told, Some(Heard::Undecodable { from, error: ValueError::Text }) if from == nodes[0].id()),
        "{told:?}"
    );
    for wrong in ["", "a b", &"x".repeat(57)] {
        assert!(nodes[0].topic::<String>(wrong).is_err(), "{wrong:?}");
    }
    assert!(nodes[0].topic::<String>(&"x".repeat(56)).is_ok());
    nodes[0].stop().await.unwrap();
    let stopped = topic.publish(&vec![1]).await;
    assert!(matches!(stopped, Err(CastError::Stopped)), "{stopped:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_ends_when_its_node_stops_and_hears_what_came_before() {
    let nodes = cluster(3).await;
    let topic = nodes[0].topic::<String>("t").unwrap();
    let mut subscriber = topic.subscribe();
    topic.publish(&"last".into()).await.unwrap();
    nodes[0].stop().await.unwrap();
    assert_eq!(message(&mut subscriber).await.1, "last");
    for _ in 0..3 {
        let end = timeout(Duration::from_secs(5), subscriber.next()).await.expect("nobody waits for ever");
        assert!(end.is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_starts_late_is_told_of_no_loss_and_hears_what_follows() {
    let mut nodes = cluster(2).await;
    let topic = nodes[0].topic::<Json<u32>>("t").unwrap();
    for n in 0..300 {
        topic.publish(&Json(n)).await.unwrap();
    }
    let late = quick("late").join(nodes[1].address()).start().await.unwrap();
    let mut subscriber = late.topic::<Json<u32>>("t").unwrap().subscribe();
    nodes.push(late);
    all_linked(&nodes).await;
    topic.publish(&Json(300)).await.unwrap();
    // Usually the first; of what was before nothing is missed, and hardly ever something comes.
    while message(&mut subscriber).await.1 != Json(300) {}
}

/// A process that is started again numbers its messages from 1 again, and is heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_was_started_again_is_heard_again() {
    let nodes = cluster(2).await;
    let identity = || damson::identity::Identity::load_or_create(dir().join("node.key")).unwrap();
    fn dir() -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("damson-topics-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }
    let mut subscriber = nodes[0].topic::<String>("t").unwrap().subscribe();
    for said in ["first", "second"] {
        let node = quick("n2").identity(identity()).join(nodes[0].address()).start().await.unwrap();
        let all = [nodes[0].clone(), nodes[1].clone(), node.clone()];
        all_linked(&all).await;
        node.topic::<String>("t").unwrap().publish(&said.into()).await.unwrap();
        assert_eq!(message(&mut subscriber).await, (node.id(), said.to_string()));
        node.abandon();
        drop((node, all));
        eventually("its links are gone", || nodes.iter().all(|node| node.neighbors().len() == 1)).await;
    }
    std::fs::remove_dir_all(dir()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_reach_five_nodes_and_announcements_are_few() {
    let nodes = cluster(5).await;
    let begin = Instant::now();
    let hearers: Vec<_> = nodes
        .iter()
        .map(|node| {
            // Room for all: what is lost now was lost on the way.
            let limits = InboxLimits { messages_max: 10_000, bytes_max: 1 << 30 };
            let mut subscriber = node.topic::<Vec<u8>>("t").unwrap().subscribe_with(limits);
            tokio::spawn(async move {
                let mut numbers = BTreeSet::new();
                for _ in 0..10_000 {
                    let (_, body) = message(&mut subscriber).await;
                    assert_eq!(body.len(), 1_024);
                    numbers.insert(u32::from_be_bytes(body[..4].try_into().unwrap()));
                }
                numbers.len()
            })
        })
        .collect();
    let topic = nodes[0].topic::<Vec<u8>>("t").unwrap();
    for n in 0..10_000_u32 {
        let mut body = vec![0; 1_024];
        body[..4].copy_from_slice(&n.to_be_bytes());
        topic.publish(&body).await.unwrap();
    }
    for hearer in hearers {
        assert_eq!(hearer.await.unwrap(), 10_000);
    }
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    let announced: u64 = nodes.iter().map(|node| node.counters().broadcast.announcements_sent).sum();
    assert!(announced < 1_000, "{announced} frames of announcements for 10,000 messages on ten links");
    let sent: u64 = nodes.iter().map(|node| node.counters().broadcast.payloads_sent).sum();
    // Each crosses four links once, but for what a machine that stands still for a while asks for meanwhile.
    assert!(sent < 80_000, "{sent} payloads");
}
