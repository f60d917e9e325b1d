//! Values at hand, and presence.

use damson::PresentField;

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
