//! What ends of a publisher: subscriptions that are dropped, and views that are used no more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use damson::Node;
use damson::publisher::{Owner, Published, PublisherError, Told};
use damson::replica::InstanceError;

use crate::cluster::{start, until};
use crate::numbers::{Numbers, Probe};

/// So many nodes that show all numbers of all.
async fn stage(members: usize) -> (Vec<Node>, Vec<Published<Numbers>>, Vec<Arc<Probe>>) {
    let nodes = start(members).await;
    let (mut all, mut probes) = (Vec::new(), Vec::<Arc<Probe>>::new());
    for node in &nodes {
        let probe = Arc::<Probe>::default();
        probes.push(probe.clone());
        all.push(node.publisher("numbers", move || Numbers(probe.clone())).start().await.unwrap());
    }
    until("all see all", || all.iter().all(|one| shown(one).len() == members)).await;
    (nodes, all, probes)
}

fn shown(published: &Published<Numbers>) -> BTreeMap<Owner, u128> {
    published.view().lock().unwrap().clone()
}

async fn shows(at: &Published<Numbers>, of: &Published<Numbers>, number: u128) {
    let owner = Owner::Member(of.node());
    until("it is shown", || shown(at).get(&owner) == Some(&number)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_is_dropped_is_told_nothing_more_and_holds_nothing() {
    let (_nodes, mut all, probes) = stage(4).await;
    let (_, one) = all[0].subscribe("a").await.unwrap();
    let (_, mut two) = all[0].subscribe("a").await.unwrap();
    let (seen, other) = all[0].subscribe("b").await.unwrap();
    assert_eq!((seen, probes[0].notices()), (4, 0));
    all[3].update(1).await.unwrap();
    until("each has one to read", || probes[0].notices() == 3).await;
    drop(one);
    assert_eq!(probes[0].notices(), 2, "what it did not read is gone with it");
    all[2].update(2).await.unwrap();
    until("the others are told", || probes[0].notices() == 4).await;
    assert_eq!(probes[0].subscribed(), ["a", "b"], "somebody else has subscribed to the same");
    for number in [1, 2] {
        assert!(matches!(two.next().await, Some(Told::Notice((told, _))) if told == number));
    }
    drop(two);
    all[1].update(3).await.unwrap();
    shows(&all[0], &all[1], 3).await;
    until("nobody has to be told of it", || probes[0].subscribed() == ["b"]).await;
    assert_eq!(probes[0].notices(), 3);
    // Whoever has subscribed keeps it running, and nobody else has to.
    let gone = Owner::Member(all[0].node());
    drop(all.remove(0));
    all[0].update(4).await.unwrap();
    until("it goes on", || probes[0].notices() == 4).await;
    drop(other);
    until("it has ended", || probes[0].views() == (1, 1)).await;
    assert_eq!(probes[0].notices(), 0);
    all[0].update(5).await.unwrap();
    shows(&all[2], &all[0], 5).await;
    until("what its node owned is withdrawn", || all.iter().all(|one| shown(one)[&gone] == 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_is_dropped_while_others_are_told_is_forgotten_too() {
    let (_nodes, all, probes) = stage(3).await;
    let (_, one) = all[0].subscribe("a").await.unwrap();
    let (_, _other) = all[0].subscribe("b").await.unwrap();
    let begun = probes[0].begun.load(SeqCst);
    probes[0].waits.store(true, SeqCst);
    all[1].update(1).await.unwrap();
    until("it is about to tell", || probes[0].begun.load(SeqCst) > begun).await;
    drop(one);
    probes[0].waits.store(false, SeqCst);
    all[2].update(2).await.unwrap();
    shows(&all[0], &all[2], 2).await;
    until("it is forgotten", || probes[0].subscribed() == ["b"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_view_is_stopped_once_when_it_is_used_no_more() {
    let (nodes, mut all, probes) = stage(3).await;
    // At another's update, and again when a new one is to show what its node owns: its first view is stopped, and its second, which
    // panics at that too.
    probes[0].panics_showing.store(2, SeqCst);
    probes[0].panics_stopping.store(2, SeqCst);
    all[1].update(7).await.unwrap();
    shows(&all[0], &all[1], 7).await;
    assert_eq!((probes[0].views(), all[0].counters().panics), ((3, 2), 2));
    assert!(probes[1..].iter().all(|probe| probe.views() == (1, 0)), "the others never noticed");
    all[0].stop();
    until("its view is stopped, though it is still held", || probes[0].views() == (3, 3)).await;
    let late = all[0].update(8).await;
    assert!(matches!(late, Err(PublisherError::Instance(InstanceError::Ended))), "{late:?}");
    drop(all.remove(1));
    until("that of one that was dropped too", || probes[1].views() == (1, 1)).await;
    nodes[2].stop().await.unwrap();
    until("and that of a node that stops", || probes[2].views() == (1, 1)).await;
    assert_eq!(shown(&all[1]).len(), 3, "who holds it may still read it");
    drop((nodes, all));
    tokio::time::sleep(Duration::from_millis(20)).await;
    let views: Vec<_> = probes.iter().map(|probe| probe.views()).collect();
    assert_eq!(views, [(3, 3), (1, 1), (1, 1)], "and none twice");
}
