//! A node at its limit of memory, over real sockets.

use damson::{MemoryConfig, Node};
use damson_server::{Server, ServerConfig, start};

use crate::client::{Client, Host, script};
use crate::http::get;

const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.";
const LIMIT: u64 = 200_000;

async fn limited(memory: MemoryConfig, join: Option<&Node>) -> Host {
    let mut builder = Node::builder("limited").memory(memory);
    if let Some(node) = join {
        builder = builder.join(node.address());
    }
    let node = builder.start().await.unwrap();
    node.ready().await;
    let any = || Some("127.0.0.1:0".to_string());
    let config = ServerConfig { redis: any(), http: any(), ..ServerConfig::default() };
    let server = start(node.clone(), config).await.unwrap();
    Host { node, server }
}

fn of_node() -> MemoryConfig {
    MemoryConfig { node_bytes_max: Some(LIMIT), ..MemoryConfig::default() }
}

/// Sets keys with values of 1,000 bytes until there is no more room, then with values of one, and returns how many of the
/// first.
async fn fill(client: &mut Client) -> usize {
    let large = put_until_refused(client, "k", 1_000).await;
    put_until_refused(client, "small", 1).await;
    large
}

async fn put_until_refused(client: &mut Client, prefix: &str, len: usize) -> usize {
    for n in 0..1_000 {
        let key = format!("{prefix}{n}");
        let reply = client.ask_args(&[b"SET", key.as_bytes(), &vec![b'v'; len]]).await;
        if reply != "OK" {
            assert_eq!(reply, OOM);
            return n;
        }
    }
    panic!("no limit");
}

async fn metric(server: &Server, line: &str) -> bool {
    get(server, "/metrics").await.body.lines().any(|is| is.starts_with(line))
}

#[tokio::test]
async fn at_the_limit_what_adds_is_refused_and_what_frees_is_not() {
    let host = limited(of_node(), None).await;
    let mut client = host.client().await;
    let keys = fill(&mut client).await;
    assert!((100..200).contains(&keys), "{keys}");
    assert!(host.node.memory().used_bytes <= LIMIT);
    script(
        &mut client,
        r#"
        MSET k0 v a v    => -OOM command not allowed when used memory > 'maxmemory'.
        SADD s a b c     => -OOM command not allowed when used memory > 'maxmemory'.
        HSET h f 1 g 2   => -OOM command not allowed when used memory > 'maxmemory'.
        SADD s a         => -OOM command not allowed when used memory > 'maxmemory'.
        HSET h f v       => -OOM command not allowed when used memory > 'maxmemory'.
        EXPIRE k0 100    => -OOM command not allowed when used memory > 'maxmemory'.
        EXISTS s h a     => (0)
        STRLEN k0        => (1000)
        SET k0 shorter   => OK
        GET k0           => "shorter"
        "#,
    )
    .await;
    assert_eq!(client.ask("DEL k1 k2 k3 k4").await, "(4)");
    assert_eq!(client.ask_args(&[b"SET", b"again", &[b'v'; 1_000]]).await, "OK");
    assert_eq!(client.ask("FLUSHALL").await, "OK");
    assert!(fill(&mut client).await > keys * 9 / 10, "removals give way");
}

#[tokio::test]
async fn status_metrics_readiness_and_info_tell_how_full_it_is() {
    let host = limited(of_node(), None).await;
    let mut client = host.client().await;
    let ready = async || get(&host.server, "/readyz").await;
    assert_eq!((ready().await.status, ready().await.json()["memory"].clone()), (200, "fine".into()));
    assert!(client.ask("INFO memory").await.contains("maxmemory:200000"));
    assert_eq!(client.ask("CONFIG GET maxmemory").await, r#"["maxmemory", "200000"]"#);
    fill(&mut client).await;
    let used = host.node.memory().used_bytes;
    assert!(client.ask("INFO").await.contains(&format!("used_memory:{used}")));
    let full = ready().await;
    assert_eq!((full.status, full.json()["memory"].clone()), (503, "full".into()), "{}", full.body);
    assert!(full.json()["reason"].as_str().unwrap().contains("memory is full"));
    assert_eq!(get(&host.server, "/readyz/reads").await.status, 200);
    let status = get(&host.server, "/v1/status").await.json();
    assert_eq!(
        (&status["memory"]["used_bytes"], &status["memory"]["limit_bytes"]),
        (&used.into(), &LIMIT.into())
    );
    assert_eq!((&status["memory"]["level"], &status["ready"]), (&"full".into(), &false.into()));
    assert!(metric(&host.server, &format!("damson_memory_used_bytes {used}")).await);
    assert!(metric(&host.server, "damson_memory_limit_bytes 200000").await);
    assert!(metric(&host.server, "damson_ready 0").await);
    assert!(metric(&host.server, "damson_out_of_memory_total{scope=\"default\"} 2").await);
    assert_eq!(client.ask("DEL k0 k1 k2 k3 k4 k5").await, "(6)");
    assert_eq!((ready().await.status, ready().await.json()["memory"].clone()), (200, "short".into()));
}

#[tokio::test]
async fn a_scope_has_a_limit_of_its_own() {
    let scopes = [("db1".parse().unwrap(), Some(50_000))].into();
    let host = limited(MemoryConfig { scopes, ..MemoryConfig::default() }, None).await;
    let mut client = host.client().await;
    assert_eq!(client.ask("SELECT 1").await, "OK");
    let keys = fill(&mut client).await;
    assert!((25..50).contains(&keys), "{keys}");
    assert_eq!(client.ask("SELECT 0").await, "OK");
    assert_eq!(client.ask_args(&[b"SET", b"k", &[b'v'; 60_000]]).await, "OK");
    assert!(metric(&host.server, "damson_scope_memory_limit_bytes{scope=\"db1\"} 50000").await);
    assert_eq!(get(&host.server, "/readyz").await.status, 200, "the node has room");
}

#[tokio::test]
async fn what_other_members_write_is_taken_beyond_the_limit() {
    let roomy = Host::start().await;
    let host = limited(of_node(), Some(&roomy.node)).await;
    let mut writer = roomy.client().await;
    assert_eq!(writer.ask_args(&[b"SET", b"big", &vec![b'v'; 300_000]]).await, "OK");
    for _ in 0..1_000 {
        if host.node.digest() == roomy.node.digest() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let mut client = host.client().await;
    assert_eq!(client.ask("STRLEN big").await, "(300000)");
    assert!(host.node.memory().used_bytes > LIMIT);
    assert_eq!(client.ask("SET k v").await, OOM);
    assert_eq!(client.ask("DEL big").await, "(1)");
    assert_eq!(client.ask("SET k v").await, "OK");
}
