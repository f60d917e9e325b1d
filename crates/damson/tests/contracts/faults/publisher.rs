//! Faults of data_publisher, as far as they are the broadcast's: what anything published here travels by.

use bytes::Bytes;
use damson_core::wire::Message;

use crate::stage::{agree, eventually};
use crate::wires::{Fate, Wires};

fn is_push(frame: &Bytes) -> bool {
    matches!(Message::decode(frame), Ok(Message::Push { scope, .. }) if !scope.is_system())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_update_is_noticed_and_made_good() {
    let (nodes, wires) = Wires::three().await;
    let counters = nodes.each_ref().map(|node| node.scope("app").unwrap().counter("n"));
    wires.rule(|_, _, frame| if is_push(frame) { Fate::IsLost } else { Fate::Arrives });
    let sent = || nodes.iter().map(|node| node.counters().broadcast.payloads_sent).sum::<u64>();
    let before = sent();
    for counted in 1..=9 {
        counters[counted % 3].add(1).await.unwrap();
        for counter in &counters {
            // Nothing is written after it that would show a gap.
            eventually("nothing is missing", || counter.get() == counted as i64).await;
        }
    }
    assert!(sent() > before, "they were pushed");
    for node in &nodes {
        let app = node.scopes().into_iter().find(|scope| scope.name.as_str() == "app").unwrap();
        assert!(app.counters.applied == 0 && node.counters().sync.pulled > 0, "and every push was lost");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_reads_nothing_stalls_nobody_else() {
    let (nodes, wires) = Wires::three().await;
    let maps = nodes.each_ref().map(|node| node.scope("app").unwrap().map::<String>("m"));
    maps[0].put("first", &"v".into()).await.unwrap();
    agree(&nodes).await;
    wires.rule(|_, to, _| if to == "c" { Fate::Waits } else { Fate::Arrives });
    let large = "v".repeat(1_024);
    for hundred in 1..=10 {
        for n in 0..100 {
            maps[n % 2].put(format!("{hundred} {n}"), &large).await.unwrap();
        }
        // So that what is for the other waits for it, a megabyte in the end.
        for map in &maps[..2] {
            eventually("those who read have everything", || map.len() == 100 * hundred + 1).await;
        }
    }
    assert_eq!(maps[2].len(), 1);
    let held = nodes.each_ref().map(|node| node.counters().writes_held);
    assert_eq!(held, [0; 3], "and no write has waited");
    wires.rule(|_, _, _| Fate::Arrives);
    eventually("and so has the other when it reads again", || maps[2].len() == 1_001).await;
    agree(&nodes).await;
}
