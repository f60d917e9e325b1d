//! Who may link: trust on first use, lists of nodes that change, secrets and keys that are replaced.

use std::fs;
use std::path::Path;
use std::time::Duration;

use damson::identity::rotate_data_dir;
use damson::{Event, MemberState, Node, NodeBuilder, NodeId, Pin, Readiness, StartError, TrustError};

use crate::stage::{agree, eventually, linked, quick, three};

async fn put(node: &Node, key: &str) {
    node.scope("app").unwrap().register::<String>(key.to_string()).put(&"value".to_string()).await.unwrap();
}

fn has(node: &Node, key: &str) -> bool {
    node.scope("app").unwrap().register::<String>(key.to_string()).get().unwrap().is_some()
}

fn knows(node: &Node, member: NodeId) -> bool {
    node.members().iter().any(|known| known.id == member)
}

/// Has this node refused `found` at an address that is `pinned` to another one?
fn has_refused(node: &Node, at: &str, pinned: NodeId, found: NodeId) -> bool {
    let is_it = |error: &TrustError| {
        matches!(error, TrustError::AnotherNode { address, pinned: p, found: f, .. }
            if address == at && *p == pinned && *f == found)
    };
    node.trust_refusals().iter().any(is_it)
}

/// Three nodes, each with a file of its own; all have dialled the first.
async fn trusting(files: &Path) -> [Node; 3] {
    let a = quick("a").trust_on_first_use(files.join("a")).start().await.unwrap();
    let join = |name: &str| quick(name).trust_on_first_use(files.join(name)).join(a.address());
    let (b, c) = (join("b").start().await.unwrap(), join("c").start().await.unwrap());
    let nodes = [a, b, c];
    linked(&nodes).await;
    nodes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_answered_first_is_trusted_at_its_address_and_nobody_else_until_the_line_is_removed() {
    let files = tempfile::tempdir().unwrap();
    let [a, b, c] = trusting(files.path()).await;
    let (at, first) = (a.address(), a.id());
    let pin = Pin { address: at.clone(), node: first };
    assert!([&b, &c].iter().all(|node| node.trusted().unwrap().contains(&pin)), "who was dialled is pinned");
    let on_disk = fs::read_to_string(files.path().join("b")).unwrap();
    assert!(on_disk.lines().any(|line| line == format!("{at} {first}")), "{on_disk}");
    a.stop().await.unwrap();
    drop(a);

    // Another node where the first one was: it is dialled, and calls itself.
    let other = again(|| quick("other").listen(at.clone()).join(b.address()).join(c.address())).await;
    let mut events = other.events();
    put(&other, "theirs").await;
    eventually("both refuse it", || [&b, &c].iter().all(|n| has_refused(n, &at, first, other.id()))).await;
    let refused = async {
        loop {
            match events.recv().await.unwrap() {
                Event::Refused { by_peer: true, cause, .. } => return cause.to_string(),
                _ => continue,
            }
        }
    };
    let cause = tokio::time::timeout(Duration::from_secs(10), refused).await.expect("it is told");
    assert!(cause.contains("another node was trusted at its address"), "{cause}");
    put(&b, "ours").await;
    agree(&[b.clone(), c.clone()]).await;
    assert!(
        [&b, &c].iter().all(|node| !has(node, "theirs") && !knows(node, other.id())),
        "nothing came of it"
    );
    assert!(!has(&other, "ours"), "and nothing went to it");
    let said = b.trust_refusals().last().unwrap().to_string();
    let told =
        [&at, &first.to_string(), &other.id().to_string(), "remove the line", files.path().to_str().unwrap()];
    assert!(told.iter().all(|part| said.contains(*part)), "{said}");

    // It was replaced on purpose.
    for name in ["b", "c"] {
        let path = files.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        let rest: String =
            text.lines().filter(|line| !line.starts_with(&at)).map(|l| format!("{l}\n")).collect();
        fs::write(&path, rest).unwrap();
    }
    let nodes = [other, b, c];
    eventually("it is let in", || nodes.iter().all(|node| has(node, "theirs") && has(node, "ours"))).await;
    agree(&nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_calls_under_the_address_of_another_is_refused_before_anything_of_it_is_believed() {
    let files = tempfile::tempdir().unwrap();
    let nodes = trusting(files.path()).await;
    let [a, b, _] = &nodes;
    // It listens elsewhere, and says that it were `a`: at `b`, which has dialled `a`.
    let liar = quick("liar").advertise(a.address()).join(b.address()).start().await.unwrap();
    put(&liar, "theirs").await;
    eventually("it is refused", || has_refused(b, &a.address(), a.id(), liar.id())).await;
    put(a, "ours").await;
    agree(&nodes).await;
    assert!(nodes.iter().all(|node| !has(node, "theirs") && !knows(node, liar.id())));
    assert!(!has(&liar, "ours"));
    assert!(b.trusted().unwrap().iter().all(|pin| pin.node != liar.id()), "who calls is not pinned");
    // At an address that is nobody's yet anybody can join: that is what is not protected.
    let new = quick("new").join(b.address()).start().await.unwrap();
    eventually("it is in", || has(&new, "ours") && nodes.iter().all(|node| knows(node, new.id()))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_secret_both_must_hold_and_a_stranger_is_not_pinned() {
    let files = tempfile::tempdir().unwrap();
    let nodes = three(|node| node.cluster_secret([1; 32])).await;
    let stranger = quick("stranger").cluster_secret([2; 32]).start().await.unwrap();
    let path = files.path().join("d");
    let d = quick("d").cluster_secret([1; 32]).trust_on_first_use(&path);
    let d = d.join(stranger.address()).join(nodes[0].address()).start().await.unwrap();
    eventually("it is in", || nodes.iter().all(|node| knows(node, d.id()))).await;
    let refused = || stranger.counters().links_refused > 0;
    eventually("the stranger was dialled", refused).await;
    let pins = d.trusted().unwrap();
    assert!(
        pins.iter().any(|pin| pin.address == nodes[0].address() && pin.node == nodes[0].id()),
        "{pins:?}"
    );
    assert!(pins.iter().all(|pin| pin.address != stranger.address()), "{pins:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_of_those_trusted_is_named_with_its_line_and_left_as_it_is() {
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("trusted");
    fs::write(&path, "# mine\n127.0.0.1:7400 not-an-id\n").unwrap();
    let error = quick("a").trust_on_first_use(&path).start().await.err().unwrap();
    let is_it =
        matches!(&error, StartError::Trust(TrustError::Damaged { line: 2, path: p, .. }) if *p == path);
    assert!(is_it, "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "# mine\n127.0.0.1:7400 not-an-id\n");
    // Damaged while the node runs, it trusts nobody new, and who is linked stays so.
    fs::remove_file(&path).unwrap();
    let nodes = three(|node| node).await;
    let d = quick("d").trust_on_first_use(&path).join(nodes[0].address()).start().await.unwrap();
    eventually("it is in", || nodes.iter().all(|node| knows(node, d.id()))).await;
    fs::write(&path, "damaged").unwrap();
    let late = quick("late").join(d.address()).start().await.unwrap();
    let damaged = |error: &TrustError| matches!(error, TrustError::Damaged { line: 1, .. });
    eventually("it is refused", || d.trust_refusals().iter().any(damaged)).await;
    put(&nodes[0], "k").await;
    eventually("links stay", || has(&d, "k")).await;
    assert!(!has(&late, "k"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "damaged");
}

/// A directory, or an address, is released a moment after its node has stopped.
async fn again(builder: impl Fn() -> NodeBuilder) -> Node {
    for _ in 0..1_000 {
        match builder().start().await {
            Ok(node) => return node,
            Err(StartError::Store(_) | StartError::Transport(_)) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("not released");
}

fn sum(node: &Node) -> i64 {
    node.scope("app").unwrap().counter("n").get()
}

async fn count(node: &Node, n: i64) {
    node.scope("app").unwrap().counter("n").add(n).await.unwrap();
}

async fn tag(node: &Node, tag: &str) {
    node.scope("app").unwrap().set("tags").insert(tag).await.unwrap();
}

fn tags(node: &Node) -> usize {
    node.scope("app").unwrap().set("tags").len()
}

fn state_of(node: &Node, member: NodeId) -> Option<MemberState> {
    node.members().iter().find(|known| known.id == member).map(|known| known.state)
}

async fn rotate(dir: &Path, former: NodeId) {
    for _ in 0..1_000 {
        match rotate_data_dir(dir) {
            Ok(rotated) => return assert_eq!(rotated.former, former.0),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    panic!("the directory is not released");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_a_new_key_keeps_its_data_and_all_counts_and_the_old_id_can_be_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = pair().await;
    let contact = a.address();
    let start = || quick("c").data_dir(dir.path()).join(&contact);
    let c = again(start).await;
    linked(&[a.clone(), b.clone(), c.clone()]).await;
    for (at, node) in [&a, &b, &c].into_iter().enumerate() {
        count(node, 10).await;
        tag(node, &format!("of {at}")).await;
    }
    c.scope("app").unwrap().counter("reset").add(5).await.unwrap();
    agree(&[a.clone(), b.clone(), c.clone()]).await;
    a.scope("app").unwrap().counter("reset").reset().await.unwrap();
    let (old, life) = (c.id(), c.life());
    c.stop().await.unwrap();
    drop(c);
    // Written on, unseen: by the old id, in the life that its clean stop has left.
    let c = again(|| quick("c").data_dir(dir.path()).join("127.0.0.1:1").join_timeout(Duration::ZERO)).await;
    assert_eq!((c.id(), c.life()), (old, life));
    count(&c, 100).await;
    tag(&c, "unseen").await;
    c.stop().await.unwrap();
    drop(c);
    rotate(dir.path(), old).await;

    let c = again(start).await;
    assert!(c.id() != old && c.life() != life && !c.continued(), "another node, and a new life");
    assert_eq!((sum(&c), tags(&c)), (130, 4), "it has its data before it has met anybody");
    count(&c, 1_000).await;
    let nodes = [a, b, c];
    eventually("all counts", || nodes.iter().all(|node| sum(node) == 1_130 && tags(node) == 4)).await;
    agree(&nodes).await;
    assert!(nodes.iter().all(|node| node.scope("app").unwrap().counter("reset").get() == 0));
    // Only then: a later record of the old id would outlive that it was forgotten, and who does not know the new one refuses it.
    let record =
        |node: &Node| node.members().into_iter().find(|m| m.id == old).map(|m| (m.state, m.incarnation));
    let last = record(&nodes[2]);
    assert!(last.is_some_and(|(state, _)| state == MemberState::Left), "{last:?}");
    let all_know = || nodes.iter().all(|node| record(node) == last && knows(node, nodes[2].id()));
    eventually("all know that the old id has left, and the new one", all_know).await;
    assert!(nodes[0].forget(old));
    let is_right = |node: &Node| node.members().len() == 3 && node.readiness() == Readiness::Ready;
    eventually("three members are left", || nodes.iter().all(is_right)).await;
    // The database is a member's still, and comes back after a restart as before.
    let [a, b, c] = nodes;
    let (id, life) = (c.id(), c.life());
    c.stop().await.unwrap();
    drop(c);
    let c = again(start).await;
    assert_eq!((c.id(), c.life()), (id, life));
    count(&c, 1).await;
    let nodes = [a, b, c];
    eventually("it is a member again", || nodes.iter().all(|n| is_right(n) && sum(n) == 1_131)).await;
    agree(&nodes).await;
}

/// Two nodes in memory.
async fn pair() -> (Node, Node) {
    let a = quick("a").start().await.unwrap();
    let b = quick("b").join(a.address()).start().await.unwrap();
    linked(&[a.clone(), b.clone()]).await;
    (a, b)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_too_and_what_was_forgotten_does_not_come_back_under_a_new_key() {
    let dirs = tempfile::tempdir().unwrap();
    let (a, b) = pair().await;
    let start = |name: &'static str| quick(name).data_dir(dirs.path().join(name)).join(a.address());
    let (c, d) = (again(|| start("c")).await, again(|| start("d")).await);
    let all = [a.clone(), b.clone(), c.clone(), d.clone()];
    linked(&all).await;
    for node in &all {
        count(node, 1).await;
    }
    agree(&all).await;
    let (crashed, left) = (c.id(), d.id());
    c.abandon();
    d.stop().await.unwrap();
    drop((all, c, d));
    // What `d` writes now nobody else ever sees.
    let d = again(|| quick("d").data_dir(dirs.path().join("d")).join_timeout(Duration::ZERO)).await;
    count(&d, 100).await;
    d.stop().await.unwrap();
    drop(d);
    eventually("it has left", || a.forget(left)).await;
    eventually("all know", || !knows(&a, left) && !knows(&b, left)).await;
    rotate(&dirs.path().join("d"), left).await;
    rotate(&dirs.path().join("c"), crashed).await;

    let c = again(|| start("c")).await;
    count(&c, 10).await;
    let d = again(|| start("d")).await;
    tokio::time::timeout(Duration::from_secs(10), d.forgotten()).await.expect("its database was forgotten");
    assert_eq!(sum(&d), 104, "it keeps what it has until it begins again");
    d.stop().await.unwrap();
    drop(d);
    let d = again(|| start("d")).await;
    assert!(dirs.path().join("d/forgotten-1").exists());
    let nodes = [a, b, c, d];
    eventually("all counts", || nodes.iter().all(|node| sum(node) == 14)).await;
    agree(&nodes).await;
    eventually("the old id is dead", || state_of(&nodes[0], crashed) == Some(MemberState::Dead)).await;
    assert!(nodes[0].forget(crashed));
    eventually("four members are left", || nodes.iter().all(|node| node.members().len() == 4)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_of_nodes_is_changed_while_they_run_and_closes_links_of_those_that_are_off_it() {
    let nodes = three(|node| node.cluster_secret([1; 32])).await;
    let [a, b, c] = &nodes;
    assert_eq!(a.allowed_nodes(), None);
    assert_eq!((a.allow_nodes([b.id()]), b.allow_nodes([a.id()])), (Ok(1), Ok(1)));
    assert_eq!(a.allowed_nodes(), Some(vec![b.id()]));
    eventually("it has no links", || c.status().links == 0).await;
    put(c, "theirs").await;
    put(a, "ours").await;
    eventually("the others go on", || has(b, "ours")).await;
    eventually("it is dead to them", || {
        [a, b].iter().all(|n| state_of(n, c.id()) == Some(MemberState::Dead))
    })
    .await;
    assert!(!has(a, "theirs") && !has(b, "theirs") && !has(c, "ours") && c.status().links == 0);
    // Back on the lists, and a fourth one that was never on them: nobody was restarted.
    let d = quick("d").cluster_secret([1; 32]).join(a.address()).start().await.unwrap();
    assert!(!has(&d, "ours"));
    for node in &nodes {
        node.allow_nodes([a.id(), b.id(), c.id(), d.id()]).unwrap();
    }
    let nodes = [a.clone(), b.clone(), c.clone(), d];
    linked(&nodes).await;
    agree(&nodes).await;
    assert!(nodes.iter().all(|node| has(node, "ours") && has(node, "theirs")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_replaced_by_rolling_restarts_and_the_cluster_never_comes_apart() {
    let dirs = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = free.local_addr().unwrap().to_string();
    drop(free);
    let start = async |name: &str, secrets: &[u8]| {
        let builder = || {
            let node = quick(name).data_dir(dirs.path().join(name)).join(&listen);
            let node = if name == "a" { node.listen(&listen) } else { node };
            secrets.iter().fold(node, |node, secret| node.cluster_secret([*secret; 32]))
        };
        again(builder).await
    };
    let names = ["a", "b", "c"];
    let mut nodes = Vec::new();
    for name in names {
        nodes.push(start(name, &[1]).await);
    }
    linked(&nodes).await;
    let mut counted = 0;
    for step in [&[1, 2][..], &[2, 1], &[2]] {
        for at in 0..names.len() {
            nodes[at].stop().await.unwrap();
            drop(nodes.remove(at));
            // Those that are up go on meanwhile.
            count(&nodes[0], 1).await;
            counted += 1;
            eventually("the others have it", || nodes.iter().all(|node| sum(node) == counted)).await;
            nodes.insert(at, start(names[at], step).await);
            let all_in = || nodes.iter().all(|node| node.status().links == 2 && sum(node) == counted);
            eventually("it is in again", all_in).await;
        }
    }
    agree(&nodes).await;
    let late = quick("late").cluster_secret([1; 32]).join(&listen).start().await.unwrap();
    eventually("the old secret is refused", || nodes[0].counters().links_refused > 0).await;
    assert_eq!(late.status().links, 0);
}
