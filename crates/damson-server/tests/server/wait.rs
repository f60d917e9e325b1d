//! WAIT, with three nodes and their links.

use std::time::{Duration, Instant};

use damson::Node;
use damson_server::{FrontLimits, ServerConfig, start};

use crate::client::{Client, Host, script};

/// The first has ports.
async fn three() -> (Host, [Node; 2]) {
    let node = Node::builder("a").start().await.unwrap();
    let b = Node::builder("b").join(node.address()).start().await.unwrap();
    let c = Node::builder("c").join(node.address()).start().await.unwrap();
    while [&node, &b, &c].iter().any(|n| n.status().members < 3 || n.status().links < 2) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    node.ready().await;
    let redis = Some("127.0.0.1:0".to_string());
    let config = ServerConfig { redis, http: None, limits: FrontLimits::default() };
    let server = start(node.clone(), config).await.unwrap();
    (Host { node, server }, [b, c])
}

async fn took(client: &mut Client, command: &str) -> (String, u128) {
    let before = Instant::now();
    let reply = client.ask(command).await;
    (reply, before.elapsed().as_millis())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wait_counts_the_members_that_have_what_the_connection_wrote() {
    let (host, [b, c]) = three().await;
    let mut client = host.client().await;
    script(
        &mut client,
        r"
        WAIT 2 5000     => (2)
        SET k v         => OK
        WAIT 2 0        => (2)
        INCR n          => (1)
        SELECT 3        => OK
        SADD s a b      => (2)
        WAIT 2 5000     => (2)
        FLUSHALL        => OK
        WAIT 2 5000     => (2)
        WAIT 0 0        => (0)
        ",
    )
    .await;
    assert_eq!(b.scope("default").unwrap().read(|view| view.keys().count()), 0, "it has the FLUSHALL too");
    c.abandon();
    client.ask("SET k w").await;
    let (reply, ms) = took(&mut client, "WAIT 2 200").await;
    assert_eq!(reply, "(1)");
    assert!((150..5_000).contains(&ms), "{ms} ms");
    let (reply, ms) = took(&mut client, "WAIT 1 60000").await;
    assert!(reply == "(1)" && ms < 5_000, "{reply} after {ms} ms");
    b.abandon();
    client.ask("SET k x").await;
    assert_eq!(client.ask("WAIT 1 100").await, "(0)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_one_waits_others_are_served_and_its_earlier_replies_are_there() {
    let (host, _others) = three().await;
    let (mut one, mut other) = (host.client().await, host.client().await);
    one.send(b"SET a 1\r\nWAIT 9 700\r\nGET a\r\n").await;
    assert_eq!(one.reply().await, "OK");
    for n in 1..=100 {
        assert_eq!(other.ask("INCR n").await, format!("({n})"));
    }
    one.send(b"PING\r\n").await;
    assert_eq!([one.reply().await, one.reply().await, one.reply().await], ["(2)", "\"1\"", "PONG"]);
    // A client that wants no reply gets none.
    one.send(b"CLIENT REPLY SKIP\r\nWAIT 9 50\r\nGET a\r\n").await;
    assert_eq!(one.reply().await, "\"1\"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_without_end_ends_with_its_connection_or_the_server() {
    let (host, _others) = three().await;
    let clients = |host: &Host| host.node.ack_counters().begun;
    let mut gone = host.client().await;
    gone.send(b"SET a 1\r\nWAIT 9 0\r\n").await;
    assert_eq!(gone.reply().await, "OK");
    let mut asks = host.client().await;
    while clients(&host) < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(asks.ask("CLIENT LIST").await.matches("id=").count(), 2);
    drop(gone);
    while asks.ask("CLIENT LIST").await.matches("id=").count() != 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    asks.send(b"SET a 1\r\nWAIT 9 0\r\n").await;
    assert_eq!(asks.reply().await, "OK");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = Instant::now();
    host.server.stop().await;
    assert_eq!(asks.reply().await, "(2)");
    assert!(before.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn wait_is_described_and_refuses_what_it_cannot_read() {
    let host = Host::start().await;
    let mut client = host.client().await;
    script(
        &mut client,
        r"
        WAIT 5 0        => (0)
        SET k v         => OK
        WAIT x 0        => -ERR value is not an integer or out of range
        WAIT 1 x        => -ERR timeout is not an integer or out of range
        WAIT 1 -1       => -ERR timeout is negative
        WAIT 1          => -ERR wrong number of arguments for 'wait' command
        WAIT -1 0       => (0)
        WAIT 1 20       => (0)
        WAIT 9223372036854775807 20 => (0)
        COMMAND GETKEYS WAIT 1 0 => -ERR The command has no key arguments
        ",
    )
    .await;
    let info = client.ask("COMMAND INFO wait").await;
    assert!(info.starts_with("[[\"wait\", (3), "), "{info}");
    assert!(client.ask("COMMAND DOCS wait").await.contains("summary"));
}
