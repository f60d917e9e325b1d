//! Copying a node's state over HTTP.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use damson::Node;
use damson_server::{FrontLimits, Server, ServerConfig, start};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What the node answers; a segment is no text.
struct Answer {
    status: u16,
    fields: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    fn error(&self) -> (u16, String) {
        (self.status, self.json()["error"].as_str().unwrap().to_string())
    }
}

async fn ask(address: SocketAddr, line: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        format!("{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    let end = all.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(all[..end].to_vec()).unwrap().to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    let fields = fields.map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Answer { status, fields, body: all.split_off(end + 4) }
}

async fn host(dir: &TempDir, limits: FrontLimits) -> (Node, Server, SocketAddr) {
    let node = Node::builder("solo").data_dir(dir.path().join("data")).start().await.unwrap();
    node.scope("app").unwrap().counter("n").add(7).await.unwrap();
    let config = ServerConfig { http: Some("127.0.0.1:0".into()), limits, ..ServerConfig::default() };
    let server = start(node.clone(), config).await.unwrap();
    let address = server.http_address().unwrap();
    (node, server, address)
}

#[tokio::test]
async fn a_backup_is_begun_read_in_segments_and_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (node, server, address) = host(&dir, FrontLimits::default()).await;
    let begun = ask(address, "POST /v1/backups").await;
    assert_eq!(begun.status, 201);
    let facts = begun.json();
    assert_eq!((&facts["name"], &facts["scopes"][0]["name"]), (&"solo".into(), &"app".into()));
    assert_eq!(facts["node"], node.id().to_string());
    let path = format!("/v1/backups/{}", facts["id"].as_str().unwrap());
    assert_eq!(ask(address, &format!("GET {path}")).await.json(), facts);

    let first = ask(address, &format!("GET {path}/segments/0")).await;
    node.scope("app").unwrap().counter("n").add(1).await.unwrap();
    let again = ask(address, &format!("GET {path}/segments/0")).await;
    assert_eq!((first.status, &first.fields["x-damson-last"][..]), (200, "true"));
    assert!(first.body.starts_with(b"damson-rows 1\n") && first.fields["x-damson-rows"] != "0");
    assert_eq!(
        (&first.body, &first.fields["x-damson-blake3"]),
        (&again.body, &again.fields["x-damson-blake3"])
    );

    assert_eq!(ask(address, &format!("GET {path}/segments/7")).await.error(), (409, "too_early".into()));
    assert_eq!(
        ask(address, &format!("GET {path}/segments/x")).await.error(),
        (400, "malformed_number".into())
    );
    assert_eq!(ask(address, &format!("DELETE {path}")).await.status, 200);
    for line in [format!("GET {path}"), format!("GET {path}/segments/0"), format!("DELETE {path}")] {
        assert_eq!(ask(address, &line).await.error(), (404, "no_such_backup".into()), "{line}");
    }
    server.stop().await;
}

#[tokio::test]
async fn so_many_backups_are_under_way_at_once_and_one_that_nobody_reads_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let limits =
        FrontLimits { backups_max: 2, backup_idle_max: Duration::from_millis(400), ..FrontLimits::default() };
    let (_node, _server, address) = host(&dir, limits).await;
    let read = ask(address, "POST /v1/backups").await.json();
    assert_eq!(ask(address, "POST /v1/backups").await.status, 201);
    assert_eq!(ask(address, "POST /v1/backups").await.error(), (409, "too_many_backups".into()));
    let path = format!("GET /v1/backups/{}/segments/0", read["id"].as_str().unwrap());
    while ask(address, "POST /v1/backups").await.status != 201 {
        assert_eq!(ask(address, &path).await.status, 200, "the one that is read stays");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_node_in_memory_makes_no_backup_and_a_stopped_server_gives_the_directory_back() {
    let in_memory = Node::builder("m").start().await.unwrap();
    let config = ServerConfig { http: Some("127.0.0.1:0".into()), ..ServerConfig::default() };
    let server = start(in_memory.clone(), config).await.unwrap();
    let address = server.http_address().unwrap();
    assert_eq!(ask(address, "POST /v1/backups").await.error(), (409, "nothing_stored".into()));

    let dir = tempfile::tempdir().unwrap();
    let (node, server, address) = host(&dir, FrontLimits::default()).await;
    assert_eq!(ask(address, "POST /v1/backups").await.status, 201);
    server.stop().await;
    node.stop().await.unwrap();
    drop(node);
    let again = Node::builder("solo").data_dir(dir.path().join("data")).start().await.unwrap();
    assert!(again.continued());
}
