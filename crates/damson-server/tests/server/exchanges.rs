//! Exchanges, trees and messages, as operators see them over HTTP.

use std::time::Duration;

use bytes::Bytes;
use damson::Node;
use damson::broadcast::{BroadcastHandler, ExchangePeer, ExchangeStart, Graft, MessageId};
use damson_server::Server;
use serde_json::{Value, json};

use crate::http::{Answer, eventually, get, request, three};

/// Its exchanges never end, and it gives nothing.
struct Endless;

impl BroadcastHandler for Endless {
    fn broadcast_data(&mut self, message: Bytes) -> (MessageId, Bytes) {
        (message.clone(), message)
    }

    fn merge(&mut self, _: &MessageId, _: Bytes) -> bool {
        true
    }

    fn is_stale(&mut self, _: &MessageId) -> bool {
        false
    }

    fn graft(&mut self, _: &MessageId) -> Graft {
        Graft::Stale
    }

    fn exchange(&mut self, _: ExchangePeer) -> ExchangeStart {
        ExchangeStart::Runs(Box::pin(std::future::pending()))
    }
}

async fn exchanging(node: &Node, interval: Duration) {
    let handler = node.broadcast_handler("h", || Endless).exchange_interval(interval).exchanges_max(3);
    handler.start().await.unwrap();
}

async fn cancel(server: &Server, query: &str) -> Answer {
    let line = format!("DELETE /v1/exchanges{query}");
    request(server.http_address().unwrap(), &line, "Host: localhost").await
}

/// The handler's, from one server; sessions of anti-entropy come and go besides.
async fn of_handler(server: &Server, query: &str) -> Vec<Value> {
    let answer = get(server, &format!("/v1/exchanges{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let all = answer.json().as_array().unwrap().clone();
    all.into_iter().filter(|exchange| exchange["handler"] == "h").collect()
}

fn references(exchanges: &[Value]) -> Vec<u64> {
    exchanges.iter().map(|exchange| exchange["reference"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exchanges_are_listed_here_and_on_others_and_cancelled_by_every_selector() {
    let all = three().await;
    let ((a, here), (b, there), (c, _)) = (&all[0], &all[1], &all[2]);
    exchanging(a, Duration::from_millis(10)).await;
    eventually(async || of_handler(here, "").await.len() == 3).await;
    let running = of_handler(here, "").await;
    let [b_id, c_id] = [b, c].map(|node| json!(node.id().to_string()));
    for exchange in &running {
        assert!(exchange["peer"] == b_id || exchange["peer"] == c_id, "{exchange}");
        assert_eq!((&exchange["begun_by"], &exchange["scope"]), (&json!("node"), &Value::Null));
        assert!(exchange["since_ms"].is_u64());
    }
    for member in ["a".to_string(), a.id().to_string()] {
        let seen = of_handler(there, &format!("?member={member}")).await;
        assert_eq!(references(&seen), references(&running));
    }
    let first = references(&running)[0];
    let ended = cancel(here, &format!("?reference={first}")).await;
    assert_eq!((ended.status, references(ended.json().as_array().unwrap())), (200, vec![first]));
    assert_eq!(cancel(here, &format!("?reference={first}")).await.json(), json!([]), "it is over");
    eventually(async || of_handler(here, "").await.len() == 3).await;
    let (name, id) = if running[1]["peer"] == b_id { ("b", &b_id) } else { ("c", &c_id) };
    let with_peer = cancel(here, &format!("?peer={name}")).await.json();
    assert!(with_peer.as_array().unwrap().iter().all(|one| one["peer"] == *id), "{with_peer}");
    assert!(references(with_peer.as_array().unwrap()).contains(&references(&running)[1]));
    for query in ["?handler=h", "?all=true"] {
        eventually(async || of_handler(here, "").await.len() == 3).await;
        let ended = cancel(here, query).await.json();
        let ended = ended.as_array().unwrap().iter().filter(|one| one["handler"] == "h").count();
        assert_eq!(ended, 3, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_listed_or_cancelled_is_a_typed_error_and_ends_nothing() {
    let all = three().await;
    let ((a, here), (c, _)) = (&all[0], &all[2]);
    exchanging(a, Duration::from_millis(10)).await;
    eventually(async || of_handler(here, "").await.len() == 3).await;
    let before = references(&of_handler(here, "").await);
    for bad in ["", "?all=yes", "?reference=x", "?handler=h&all=true", "?members=a"] {
        let refused = cancel(here, bad).await;
        assert_eq!((refused.status, &refused.json()["error"]), (400, &json!("malformed_query")), "{bad}");
    }
    assert_eq!(cancel(here, "?peer=nobody").await.status, 404);
    let address = here.http_address().unwrap();
    let foreign = format!("Host: {address}\r\nOrigin: http://evil.example");
    assert_eq!(request(address, "DELETE /v1/exchanges?all=true", &foreign).await.status, 403);
    assert_eq!(references(&of_handler(here, "").await), before, "all run on");
    let unknown = get(here, "/v1/exchanges?member=nobody").await;
    assert_eq!((unknown.status, &unknown.json()["error"]), (404, &json!("no_such_member")));
    assert_eq!(get(here, "/v1/exchanges?peer=b").await.status, 400);
    c.abandon();
    let silent = get(here, "/v1/exchanges?member=c").await;
    let code = silent.json()["error"].as_str().unwrap().to_string();
    assert!(
        (silent.status == 502 && code == "unreachable") || (silent.status == 504 && code == "timed_out"),
        "{} {code}",
        silent.status
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_tells_the_tree_of_all_and_who_does_not_answer() {
    let all = three().await;
    let (server, ids) = (&all[1].1, all.iter().map(|(node, _)| node.id().to_string()).collect::<Vec<_>>());
    let trees = async || get(server, "/v1/trees?root=a").await.json();
    let node = |trees: &Value, name: &str| -> Value {
        // Whom the node that is asked does not know yet is not there.
        let mut nodes = trees["nodes"].as_array().into_iter().flatten();
        nodes.find(|node| node["name"] == name).cloned().unwrap_or_default()
    };
    eventually(async || {
        let trees = trees().await;
        let below = |name: &str| node(&trees, name)["parent"].is_string();
        node(&trees, "a")["hops"] == 0 && below("b") && below("c")
    })
    .await;
    let whole = trees().await;
    assert_eq!((&whole["root"], whole["nodes"].as_array().unwrap().len()), (&json!(ids[0]), 3));
    for name in ["a", "b", "c"] {
        let node = node(&whole, name);
        assert_eq!(
            (&node["reached"], &node["state"], node.get("reason")),
            (&json!(true), &json!("alive"), None)
        );
    }
    let own = get(server, "/v1/trees").await.json();
    assert_eq!(own["root"], ids[1], "its own by default");
    all[2].0.abandon();
    eventually(async || node(&trees().await, "c")["reached"] == false).await;
    let silent = node(&trees().await, "c");
    assert!(silent["error"].is_string() && silent["reason"].is_string(), "{silent}");
    assert_eq!(node(&trees().await, "a")["reached"], true, "others answer all the same");
    assert_eq!(get(server, "/v1/trees?root=nobody").await.status, 404);
    assert_eq!(get(server, "/v1/trees?rot=a").await.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_messages_handlers_and_exchanges() {
    let all = three().await;
    exchanging(&all[0].0, Duration::from_secs(3_600)).await;
    exchanging(&all[1].0, Duration::from_millis(10)).await;
    let root = all[0].0.id();
    let has_parent = |node: &Node| node.tree(root).parent == Some(root);
    let children = || all[0].0.tree(root).children.len();
    eventually(async || children() == 2 && has_parent(&all[1].0) && has_parent(&all[2].0)).await;
    all[0].0.broadcast("h", "x".into()).await.unwrap();
    let has = async |at: usize, lines: &[&str]| {
        let page = get(&all[at].1, "/metrics").await.body;
        lines.iter().all(|line| page.lines().any(|found| found == *line))
    };
    let sent = ["damson_casts_total{direction=\"out\"} 1", "damson_casts_total{direction=\"in\"} 0"];
    eventually(async || has(0, &sent).await).await;
    let received = [
        "damson_casts_total{direction=\"in\"} 1",
        "damson_casts_lost_total 0",
        "damson_casts_refused_total 0",
        "damson_handler_messages_total{handler=\"h\",outcome=\"merged\"} 1",
        "damson_handler_messages_total{handler=\"h\",outcome=\"lost\"} 0",
        "damson_handler_panics_total{handler=\"h\"} 0",
        "damson_exchanges{handler=\"h\"} 3",
        "damson_exchanges_total{handler=\"h\"} 3",
        "damson_exchanges_cancelled_total{handler=\"h\"} 0",
        "damson_exchanges_cancelled_total{handler=\"~replica\"} 0",
        "# TYPE damson_exchanges gauge",
        "# TYPE damson_exchanges_total counter",
        "# HELP damson_exchanges_cancelled_total Exchanges cancelled.",
    ];
    eventually(async || has(1, &received).await).await;
    assert_eq!(cancel(&all[1].1, "?handler=h").await.json().as_array().unwrap().len(), 3);
    eventually(async || has(1, &["damson_exchanges_cancelled_total{handler=\"h\"} 3"]).await).await;
    let page = get(&all[1].1, "/metrics").await.body;
    let value = |name: &str| -> u64 {
        let rest = page.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        rest.trim().parse().unwrap()
    };
    assert!(value("damson_exchanges_total{handler=\"~replica\"}") > 0, "to join is to compare");
    // Whether something is late depends on the machine.
    assert!(value("damson_casts_asked_total ") <= 1);
}
