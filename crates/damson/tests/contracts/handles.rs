//! Values at hand, and presence.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use damson::{MapChange, MapWatch, PresentField};

use crate::cluster::{start, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_counter_at_hand_is_what_the_counter_is_wherever_it_was_changed() {
    let nodes = start(3).await;
    let counters: Vec<_> = nodes.iter().map(|n| n.scope("app").unwrap().counter("visits")).collect();
    counters[0].add(5).await.unwrap();
    let readers: Vec<_> = counters.iter().map(damson::Counter::reader).collect();
    assert_eq!(readers[0].get(), 5, "from before it was read");
    counters[0].add(2).await.unwrap();
    assert_eq!(readers[0].get(), 7, "a writer reads its own write at once");
    counters[1].sub(10).await.unwrap();
    until("all say so", || readers.iter().all(|reader| reader.get() == -3)).await;
    assert_eq!(readers[2].get_clamped(), 0);
    let scope = nodes[2].scope("app").unwrap();
    assert!(scope.remove("visits").await.unwrap());
    assert_eq!(readers[2].get(), 0);
    scope.counter("visits").add(4).await.unwrap();
    let soon =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64 + 150;
    scope.write(|tx| tx.expire(&"visits".into(), Some(soon))).await.unwrap();
    assert_eq!(readers[2].get(), 4);
    // Whoever removes it then does so later: a reader looks at the time itself.
    let ends = std::time::UNIX_EPOCH + std::time::Duration::from_millis(soon);
    until("it has ended for all", || {
        let has_ended = std::time::SystemTime::now() >= ends;
        let all = readers.iter().map(|reader| reader.get()).collect::<Vec<_>>();
        assert!(!has_ended || all == [0; 3], "it has ended: {all:?}");
        has_ended
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_present_map_the_fields_are_seen_whose_authors_take_part() {
    let nodes = start(3).await;
    let map = |at: usize| nodes[at].scope("app").unwrap().map::<String>("who");
    for (at, name) in ["ada", "bob", "cy"].into_iter().enumerate() {
        map(at).put(name, &format!("at {at}")).await.unwrap();
    }
    let seen = |at: usize| -> Vec<String> {
        let fields = map(at).present().entries().unwrap();
        fields.iter().map(|field| String::from_utf8(field.field.to_vec()).unwrap()).collect()
    };
    until("all see all", || (0..3).all(|at| seen(at) == ["ada", "bob", "cy"])).await;
    let wanted = PresentField { field: "bob".into(), value: "at 1".into(), author: nodes[1].id() };
    assert_eq!(map(0).present().get("bob").unwrap(), Some(wanted));
    nodes[1].abandon();
    until("who has gone is not seen", || [0, 2].iter().all(|at| seen(*at) == ["ada", "cy"])).await;
    assert_eq!(map(0).present().get("bob").unwrap(), None);
    assert_eq!(map(0).len(), 3, "nothing was removed");
}

/// What a watch of a map has told, as a map of its own.
async fn told(
    watch: &mut MapWatch<String>,
    what: &str,
    fields: &mut BTreeMap<Bytes, String>,
) -> MapChange<String> {
    let change = tokio::time::timeout(Duration::from_secs(20), watch.next()).await;
    let change = change.unwrap_or_else(|_| panic!("{what} was not told")).unwrap().unwrap();
    match change.clone() {
        MapChange::Snapshot(all) => *fields = all.into_iter().collect(),
        MapChange::Put { field, value } => _ = fields.insert(field, value),
        MapChange::Removed { field } => _ = fields.remove(&field),
    }
    change
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_of_a_map_tells_all_fields_and_then_each_that_changes_on_any_node() {
    let nodes = start(3).await;
    let maps: Vec<_> = nodes.iter().map(|n| n.scope("app").unwrap().map::<String>("m")).collect();
    maps[0].put("a", &"1".into()).await.unwrap();
    until("it is everywhere", || maps.iter().all(|map| map.len() == 1)).await;
    let mut seen = BTreeMap::new();
    let mut watch = maps[2].watch();
    let all = told(&mut watch, "all", &mut seen).await;
    assert_eq!(all, MapChange::Snapshot(vec![("a".into(), "1".into())]));
    maps[1].put("b", &"2".into()).await.unwrap();
    let put = told(&mut watch, "a put", &mut seen).await;
    assert_eq!(put, MapChange::Put { field: "b".into(), value: "2".into() });
    maps[0].remove("a").await.unwrap();
    assert_eq!(told(&mut watch, "a removal", &mut seen).await, MapChange::Removed { field: "a".into() });
    // What is no plain field of this map is not told: another key, a counter in a field, a map in a field.
    let scope = nodes[2].scope("app").unwrap();
    scope.map::<String>("other").put("x", &"9".into()).await.unwrap();
    maps[2].counter("hits").add(1).await.unwrap();
    maps[2].map::<String>("deep").put("c", &"7".into()).await.unwrap();
    let mut deep = maps[2].map::<String>("deep").watch();
    let MapChange::Snapshot(inside) = deep.next().await.unwrap().unwrap() else { panic!("all comes first") };
    assert_eq!(inside, [(Bytes::from("c"), "7".into())]);
    maps[1].put("d", &"4".into()).await.unwrap();
    let put = told(&mut watch, "the next put", &mut seen).await;
    assert_eq!(put, MapChange::Put { field: "d".into(), value: "4".into() });
    // The key is removed as a whole.
    scope.remove("m").await.unwrap();
    while !seen.is_empty() {
        told(&mut watch, "the end of the key", &mut seen).await;
    }
    assert_eq!(deep.next().await.unwrap().unwrap(), MapChange::Removed { field: "c".into() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_of_a_map_that_falls_behind_is_told_all_fields_again() {
    let nodes = start(3).await;
    let map = nodes[0].scope("app").unwrap().map::<String>("m");
    let mut watch = nodes[1].scope("app").unwrap().map::<String>("m").watch();
    let mut seen = BTreeMap::new();
    assert_eq!(told(&mut watch, "all", &mut seen).await, MapChange::Snapshot(Vec::new()));
    let key = damson::Slot::key("m");
    let fields: Vec<String> = (0..20_000).map(|at| format!("f{at}")).collect();
    for part in fields.chunks(5_000) {
        let write = nodes[0].scope("app").unwrap();
        write
            .write(|tx| {
                part.iter().try_for_each(|f| tx.put_register(&key.field(f.as_bytes()), "v".into(), None))
            })
            .await
            .unwrap();
    }
    let there = nodes[1].scope("app").unwrap().map::<String>("m");
    until("all are there", || there.len() == fields.len()).await;
    let MapChange::Snapshot(all) = told(&mut watch, "all again", &mut seen).await else { panic!("not all") };
    assert_eq!(all.len(), fields.len(), "and not 20,000 changes that were held for it");
    map.put("last", &"v".into()).await.unwrap();
    let put = told(&mut watch, "a put", &mut seen).await;
    assert_eq!(put, MapChange::Put { field: "last".into(), value: "v".into() });
    for node in nodes {
        node.stop().await.unwrap();
    }
    assert!(watch.next().await.is_none(), "the node has stopped");
}
