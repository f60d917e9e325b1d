use std::collections::BTreeSet;

use crate::client::{Host, encode, script};

#[tokio::test]
async fn keys_are_counted_found_and_deleted() {
    let host = Host::start().await;
    let mut client = host.client().await;
    script(
        &mut client,
        r#"
        MSET user:1 a user:2 b other c => OK
        DBSIZE                => (3)
        EXISTS user:1 user:1 z => (2)
        KEYS other            => ["other"]
        KEYS nothing*         => []
        DEL user:1 user:2 z   => (2)
        UNLINK other          => (1)
        DBSIZE                => (0)
        "#,
    )
    .await;
}

#[tokio::test]
async fn a_scan_meets_every_key_and_filters() {
    let host = Host::start().await;
    let mut client = host.client().await;
    for n in 0..200 {
        assert_eq!(client.ask(&format!("SET key:{n} v")).await, "OK");
    }
    assert_eq!(client.ask("SADD key:set x").await, "(1)");
    assert_eq!(scan(&mut client, "COUNT 7").await.len(), 201);
    assert_eq!(scan(&mut client, "MATCH key:1?5 COUNT 50").await.len(), 10);
    assert_eq!(scan(&mut client, "TYPE set").await, BTreeSet::from(["\"key:set\"".to_string()]));
    assert_eq!(scan(&mut client, "TYPE SET COUNT 1000 MATCH *x").await.len(), 0);
}

async fn scan(client: &mut crate::client::Client, options: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut cursor = "0".to_string();
    loop {
        let reply = client.ask(&format!("SCAN {cursor} {options}")).await;
        let (next, keys) = reply.strip_prefix("[\"").unwrap().split_once("\", [").unwrap();
        found.extend(keys.trim_end_matches(']').split(", ").filter(|key| !key.is_empty()).map(String::from));
        cursor = next.into();
        if cursor == "0" {
            return found;
        }
    }
}

#[tokio::test]
async fn flushing_empties_one_database_or_all_and_no_other_scope() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let app = host.node.scope("app").unwrap();
    app.counter("visits").add(1).await.unwrap();
    let many: Vec<u8> =
        (0..5_000).flat_map(|n| encode(&[b"SET", format!("k{n}").as_bytes(), b"v"])).collect();
    client.send(&many).await;
    for _ in 0..5_000 {
        assert_eq!(client.reply().await, "OK");
    }
    script(
        &mut client,
        "
        SELECT 3              => OK
        SET x 1               => OK
        FLUSHDB               => OK
        DBSIZE                => (0)
        SET x 1               => OK
        SELECT 0              => OK
        DBSIZE                => (5000)
        FLUSHALL ASYNC        => OK
        DBSIZE                => (0)
        SELECT 3              => OK
        DBSIZE                => (0)
        FLUSHALL maybe        => -ERR syntax error
        ",
    )
    .await;
    assert_eq!(app.counter("visits").get(), 1);
}

#[tokio::test]
async fn flushing_takes_ended_keys_too() {
    let host = Host::start().await;
    let mut client = host.client().await;
    script(&mut client, "SET k v PX 20 => OK\nSET stays v => OK").await;
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    script(&mut client, "GET k => nil\nDBSIZE => (2)\nFLUSHALL => OK\nDBSIZE => (0)").await;
}

#[tokio::test]
async fn databases_are_scopes() {
    let host = Host::start().await;
    let mut client = host.client().await;
    script(&mut client, "SET k zero => OK\nSELECT 15 => OK\nGET k => nil\nSET k fifteen => OK").await;
    let text = |scope: &str| {
        let slot = damson::Slot::key("k");
        host.node.scope(scope).unwrap().read(|view| view.text(&slot))
    };
    assert_eq!(text("default").unwrap(), "zero");
    assert_eq!(text("db15").unwrap(), "fifteen");
}
