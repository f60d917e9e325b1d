use std::net::SocketAddr;
use std::time::Duration;

use damson::{Node, SyncConfig};
use damson_server::{Server, ServerConfig, start};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::Host;

/// Status code, headers and body of an answer.
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }
}

pub async fn request(address: SocketAddr, line: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let text = format!("{line} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).await.unwrap();
    let (head, body) = all.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.into() }
}

pub async fn get(server: &Server, path: &str) -> Answer {
    request(server.http_address().unwrap(), &format!("GET {path}"), "Host: localhost").await
}

async fn post(server: &Server, path: &str) -> Answer {
    request(server.http_address().unwrap(), &format!("POST {path}"), "Host: localhost\r\nContent-Length: 0")
        .await
}

/// Three nodes, each with its HTTP port.
pub async fn three() -> Vec<(Node, Server)> {
    let mut all: Vec<(Node, Server)> = Vec::new();
    for name in ["a", "b", "c"] {
        let quick = SyncConfig { interval_ms: 100, ..SyncConfig::default() };
        let mut builder = Node::builder(name).anti_entropy(quick);
        if let Some((first, _)) = all.first() {
            builder = builder.join(first.address());
        }
        let node = builder.start().await.unwrap();
        let config = ServerConfig { http: Some("127.0.0.1:0".into()), ..ServerConfig::default() };
        all.push((node.clone(), start(node, config).await.unwrap()));
    }
    let knows_all = |node: &Node| node.status().links == 2 && node.status().members == 3;
    eventually(async || all.iter().all(|(node, _)| knows_all(node))).await;
    all
}

pub async fn eventually(is_so: impl AsyncFn() -> bool) {
    for _ in 0..1_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within ten seconds");
}

#[tokio::test]
async fn health_status_and_members_of_a_node_alone() {
    let host = Host::start().await;
    host.client().await.ask("SET k v").await;
    assert_eq!(get(&host.server, "/livez").await.status, 200);
    let ready = get(&host.server, "/readyz").await;
    assert_eq!((ready.status, ready.json()["ready"].clone()), (200, Value::Bool(true)));
    let status = get(&host.server, "/v1/status").await.json();
    assert_eq!(status["name"], "solo");
    assert_eq!(status["id"], host.node.id().to_string());
    assert_eq!(status["realm"], "default");
    assert_eq!(status["digest"], host.node.digest().to_string());
    assert_eq!((status["members"].as_u64(), status["keys"].as_u64()), (Some(1), Some(1)));
    assert_eq!(status["scopes"][0]["name"], "default");
    let members = get(&host.server, "/v1/members").await.json();
    assert_eq!((members[0]["name"].as_str(), members[0]["state"].as_str()), (Some("solo"), Some("alive")));
    assert!(members[0]["incarnation"].is_u64());
}

#[tokio::test]
async fn a_node_that_is_still_joining_is_alive_and_not_ready() {
    let node = Node::builder("late").join("127.0.0.1:1").start().await.unwrap();
    let config = ServerConfig { http: Some("127.0.0.1:0".into()), ..ServerConfig::default() };
    let server = start(node, config).await.unwrap();
    let ready = get(&server, "/readyz").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["reason"], "the node waits for the first sync with a member");
    assert_eq!(get(&server, "/livez").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_agree_and_say_so() {
    let all = three().await;
    all[0].0.scope("default").unwrap().counter("n").add(1).await.unwrap();
    let digests = async || {
        let mut seen = Vec::new();
        for (_, server) in &all {
            seen.push(get(server, "/v1/status").await.json()["digest"].clone());
        }
        seen
    };
    eventually(async || digests().await.windows(2).all(|pair| pair[0] == pair[1])).await;
    let members = async || get(&all[0].1, "/v1/members").await.json();
    eventually(async || {
        members().await.as_array().unwrap().iter().all(|member| member["digest"].is_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_members_that_are_gone_are_forgotten() {
    let all = three().await;
    let (left, server) = (all[2].0.id(), &all[0].1);
    assert_eq!(post(server, &format!("/v1/members/{left}/forget")).await.status, 409);
    assert_eq!(post(server, &format!("/v1/sync/{left}")).await.status, 202);
    all[2].0.stop().await.unwrap();
    let state = async || {
        let members = get(server, "/v1/members").await.json();
        let found = members.as_array().unwrap().iter().find(|m| m["id"] == left.to_string()).cloned();
        found.map(|member| member["state"].as_str().unwrap().to_string())
    };
    eventually(async || state().await.as_deref() == Some("left")).await;
    assert_eq!(post(server, &format!("/v1/members/{left}/forget")).await.status, 200);
    assert_eq!(state().await, None);
    assert_eq!(post(server, &format!("/v1/members/{left}/forget")).await.status, 404);
    assert_eq!(post(server, "/v1/members/xyz/forget").await.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tree_of_a_root_by_name_or_id_and_by_default_of_the_node_itself() {
    let all = three().await;
    let ids: Vec<String> = all.iter().map(|(node, _)| node.id().to_string()).collect();
    let view = async |at: usize, query: &str| get(&all[at].1, &format!("/v1/tree{query}")).await.json();
    let own = view(0, "").await;
    assert_eq!((&own["root"], &own["node"], &own["parent"]), (&json!(ids[0]), &json!(ids[0]), &Value::Null));
    assert_eq!((&own["hops"], &own["distance_ms"]), (&json!(0), &json!(0)));
    for at in [1, 2] {
        // All are linked to all: each of the others is parent, child or neither.
        let mut others: Vec<&str> = ids.iter().map(String::as_str).filter(|id| *id != ids[at]).collect();
        others.sort();
        let seen = |named: &Value| {
            let lists = ["children", "lazy"].into_iter().flat_map(|list| named[list].as_array().unwrap());
            let all = lists.chain([&named["parent"]]).filter_map(Value::as_str).map(str::to_string);
            let mut all: Vec<String> = all.collect();
            all.sort();
            all
        };
        eventually(async || {
            let named = view(at, "?root=a").await;
            named["parent"].is_string() && seen(&named) == others
        })
        .await;
        let named = view(at, "?root=a").await;
        assert_eq!((&named["root"], &named["node"]), (&json!(ids[0]), &json!(ids[at])));
        assert!(named["hops"].as_u64().unwrap() >= 1 && named["distance_ms"].is_u64());
        assert_eq!(view(at, &format!("?root={}", ids[0])).await["root"], named["root"]);
    }
    let unknown = get(&all[0].1, "/v1/tree?root=nobody").await;
    assert_eq!((unknown.status, &unknown.json()["error"]), (404, &json!("no_such_member")));
    assert!(unknown.json()["reason"].as_str().unwrap().contains("/v1/members"));
    assert_eq!(get(&all[0].1, "/v1/tree?rot=a").await.status, 400);
}

#[tokio::test]
async fn metrics_are_well_formed_and_count() {
    let host = Host::start().await;
    let mut client = host.client().await;
    client.ask("SET k v").await;
    client.ask("INCR k").await;
    let mut broken = host.client().await;
    broken.send(b"*x\r\n").await;
    broken.reply().await;
    let page = get(&host.server, "/metrics").await;
    assert!(page.head.contains("content-type: text/plain"));
    for line in [
        "damson_commands_total{command=\"set\",outcome=\"ok\"} 1",
        "damson_commands_total{command=\"incr\",outcome=\"error\"} 1",
        "damson_command_errors_total{kind=\"not_integer\"} 1",
        "damson_command_errors_total{kind=\"protocol\"} 1",
        "damson_members{state=\"alive\"} 1",
        "damson_keys{scope=\"default\"} 1",
        "damson_ready 1",
        "damson_storage_failed 0",
    ] {
        assert!(page.body.lines().any(|found| found == line), "{line} in\n{}", page.body);
    }
    let series = page.body.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in series {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok() && name.starts_with("damson_"), "{line}");
        let family = name.split('{').next().unwrap();
        assert!(page.body.contains(&format!("# TYPE {family} ")), "{line}");
    }
}

#[tokio::test]
async fn the_dashboard_is_served_with_all_that_it_names() {
    let host = Host::start().await;
    let page = get(&host.server, "/").await;
    assert!(page.head.contains("content-type: text/html"));
    assert!(page.head.contains("content-security-policy: default-src 'self'"));
    assert!(page.head.contains("x-content-type-options: nosniff") && !page.head.contains("access-control"));
    let mut wanted = vec![page.body];
    let mut seen = Vec::new();
    while let Some(text) = wanted.pop() {
        for path in named(&text) {
            if !seen.contains(&path) {
                let file = get(&host.server, &path).await;
                assert_eq!(file.status, 200, "{path}");
                assert!(!file.body.contains("https://"), "{path} must work offline");
                seen.push(path);
                wanted.push(file.body);
            }
        }
    }
    assert_eq!(seen.len(), 11, "{seen:?}");
}

/// The files that a text names, in quotes.
fn named(text: &str) -> Vec<String> {
    let quoted = text.split('"').skip(1).step_by(2);
    let absolute =
        quoted.filter_map(|name| name.strip_prefix("/assets/").or_else(|| name.strip_prefix("./")));
    absolute.filter(|name| name.contains('.')).map(|name| format!("/assets/{name}")).collect()
}

#[tokio::test]
async fn other_hosts_and_other_origins_are_refused() {
    let host = Host::start().await;
    let address = host.server.http_address().unwrap();
    for wrong in ["Host: evil.example", "Host: 10.0.0.1", "X: y"] {
        // Without any Host the request is malformed already.
        let status = request(address, "GET /v1/status", wrong).await.status;
        assert!(status == 421 || status == 400, "{wrong}: {status}");
    }
    let line = format!("POST /v1/members/{}/forget", host.node.id());
    let same = format!("Host: {address}\r\nOrigin: http://{address}\r\nContent-Length: 0");
    assert_eq!(request(address, &line, &same).await.status, 409);
    let other = format!("Host: {address}\r\nOrigin: http://evil.example\r\nContent-Length: 0");
    assert_eq!(request(address, &line, &other).await.status, 403);
}

#[tokio::test]
async fn unknown_pages_and_methods_are_refused() {
    let host = Host::start().await;
    assert_eq!(get(&host.server, "/nothing").await.status, 404);
    assert_eq!(post(&host.server, "/v1/status").await.status, 405);
}

#[tokio::test]
async fn a_stop_closes_the_port() {
    let host = Host::start().await;
    let address = host.server.http_address().unwrap();
    // An idle connection does not hold it up.
    let _idle = TcpStream::connect(address).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), host.server.stop()).await.expect("it stops");
    assert!(TcpStream::connect(address).await.is_err());
}
