//! Counters: exact whatever becomes of a node's disk, under a prefix, and who has them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use damson::backup::{Unfinished, restore};
use damson::{Ack, CounterGroup, Node, NodeBuilder, PrefixError, Slot, StartError, Sync};

use crate::stage::{agree, eventually, linked, quick, three};

const LONG: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_under_a_prefix_are_told_from_all_others_signed_or_clamped_and_by_actor() {
    let nodes = three(|builder| builder).await;
    let scopes = nodes.each_ref().map(|node| node.scope("app").unwrap());
    let stats = scopes.each_ref().map(|scope| scope.counters(CounterGroup::STATS).unwrap());
    for group in &stats {
        group.increment("/a").await.unwrap();
        group.increment("/a").await.unwrap();
        group.decrement("/low").await.unwrap();
    }
    stats[0].increment("/a/b").await.unwrap();
    // A prefix and a key make no other pair's key.
    scopes[0].counters("/STATS/a").unwrap().counter("/b").add(100).await.unwrap();
    scopes[0].counters("/STAT").unwrap().counter("S/a").add(100).await.unwrap();
    scopes[0].counter("/STATS/a").add(100).await.unwrap();
    agree(&nodes).await;
    for group in &stats {
        assert_eq!(
            [group.get("/a"), group.get("/a/b"), group.get("/low"), group.get("/nobody")],
            [6, 1, 0, 0]
        );
        assert_eq!((group.counter("/low").get(), group.counter("/low").get_clamped()), (-3, 0));
        let shares = group.counter("/a").shares();
        assert_eq!(shares.iter().map(|(_, share)| *share).collect::<Vec<_>>(), [2, 2, 2]);
        let mut authors: Vec<_> = shares.iter().map(|(actor, _)| actor.node).collect();
        let mut all = nodes.each_ref().map(Node::id);
        authors.sort_unstable();
        all.sort_unstable();
        assert_eq!(authors, all);
        let sums: Vec<(String, i64)> = group
            .all()
            .into_iter()
            .map(|(key, sum)| (String::from_utf8(key.to_vec()).unwrap(), sum))
            .collect();
        assert_eq!(sums, [("/a".into(), 6), ("/a/b".into(), 1), ("/low".into(), -3)]);
    }
    assert_eq!(scopes[0].counters("a\0b").err(), Some(PrefixError { at: 1 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hosts_a_scope_and_who_has_reached_a_token_is_told_by_their_ids() {
    let nodes = three(|builder| builder).await;
    let elsewhere = quick("d").join(nodes[0].address()).host_only(["other".parse().unwrap()]);
    let elsewhere = elsewhere.start().await.unwrap();
    eventually("d is in", || nodes.iter().all(|node| node.status().members == 4)).await;
    let mut hosts = nodes.each_ref().map(Node::id).to_vec();
    hosts.sort_unstable();
    let scopes = nodes.each_ref().map(|node| node.scope("app").unwrap());
    assert_eq!(scopes[1].hosts(), hosts);
    assert_eq!(elsewhere.scope("app").unwrap().hosts().len(), 4, "who asks is not asked whether it hosts it");

    let add = |tx: &mut damson::Tx<'_>| tx.add(&Slot::key("n"), 1);
    let token = scopes[0].write_acked(Ack::Local, LONG, add).await.unwrap().token.unwrap();
    for scope in &scopes {
        assert_eq!(scope.reached(&token, LONG).await, Ok(hosts.clone()), "asked by whoever wants to know");
    }
    assert!(elsewhere.scope("app").unwrap().reached(&token, LONG).await.is_err(), "it does not host it");
    nodes[2].abandon();
    let token = scopes[0].write_acked(Ack::N(2), LONG, add).await.unwrap().token.unwrap();
    let mut two = vec![nodes[0].id(), nodes[1].id()];
    two.sort_unstable();
    assert_eq!(scopes[1].reached(&token, Duration::from_millis(200)).await, Ok(two));
    let other = nodes[0].scope("other").unwrap();
    assert!(other.reached(&token, LONG).await.is_err(), "a token of another scope");
}

/// Three nodes with directories of their own, and what was counted.
struct Course {
    root: tempfile::TempDir,
    nodes: [Option<Node>; 3],
    counted: i64,
}

impl Course {
    async fn begin() -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut course = Self { root, nodes: [None, None, None], counted: 0 };
        for at in 0..3 {
            course.start(at).await;
        }
        course
    }

    fn dir(&self, at: usize) -> std::path::PathBuf {
        self.root.path().join(format!("n{at}"))
    }

    /// Starts a node among the others.
    async fn start(&mut self, at: usize) {
        let others: Vec<String> = self.nodes.iter().flatten().map(Node::address).collect();
        let join =
            |builder| others.iter().fold(builder, |builder: NodeBuilder, address| builder.join(address));
        self.start_as(at, join).await;
    }

    /// Starts a node that counts before it may link to anybody, and stops; and then among the others.
    async fn start_apart(&mut self, at: usize, times: i64) {
        let apart = |builder: NodeBuilder| builder.allow_nodes([]).join_timeout(Duration::from_millis(10));
        self.start_as(at, apart).await;
        for _ in 0..times {
            self.nodes[at].as_ref().unwrap().scope("app").unwrap().counter("n").add(1).await.unwrap();
            self.counted += 1;
        }
        self.stop(at).await;
        self.start(at).await;
    }

    /// On its directory, which the process before may hold for a moment.
    async fn start_as(&mut self, at: usize, set_up: impl Fn(NodeBuilder) -> NodeBuilder) {
        for _ in 0..1_000 {
            let builder = quick(&format!("n{at}")).data_dir(self.dir(at)).sync(Sync::Interval);
            match set_up(builder).start().await {
                Ok(node) => {
                    node.ready().await;
                    self.nodes[at] = Some(node);
                    return;
                }
                Err(StartError::Store(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the directory was not released");
    }

    /// Everybody who runs counts; an increment is counted when a second node has it.
    async fn count(&mut self, times: i64) {
        for node in self.nodes.iter().flatten() {
            let scope = node.scope("app").unwrap().acknowledged_by(Ack::N(2), LONG);
            for _ in 0..times {
                scope.counter("n").add(1).await.unwrap();
                self.counted += 1;
            }
        }
    }

    fn kill(&mut self, at: usize) {
        self.nodes[at].take().unwrap().abandon();
    }

    async fn stop(&mut self, at: usize) {
        self.nodes[at].take().unwrap().stop().await.unwrap();
    }

    async fn exact(&self, when: &str) {
        for node in self.nodes.iter().flatten() {
            let counter = node.scope("app").unwrap().counter("n");
            eventually(when, || counter.get() >= self.counted).await;
        }
        let nodes: Vec<Node> = self.nodes.iter().flatten().cloned().collect();
        agree(&nodes).await;
        for node in &nodes {
            assert_eq!(node.scope("app").unwrap().counter("n").get(), self.counted, "{when}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_are_exact_under_kills_wipes_restores_clones_and_directories_that_were_set_back() {
    let mut course = Course::begin().await;
    linked(&course.nodes.clone().map(Option::unwrap)).await;
    course.count(5).await;

    course.kill(1);
    course.count(3).await;
    course.start(1).await;
    course.count(3).await;
    course.exact("after a kill").await;

    // An image of a cleanly stopped directory, to which it will be set back.
    course.stop(2).await;
    let image = course.root.path().join("image");
    wait_for_release(&course.dir(2)).await;
    copy(&course.dir(2), &image);
    course.start(2).await;
    course.count(4).await;
    back_up(course.nodes[2].as_ref().unwrap(), &course.root.path().join("backup")).await;
    course.count(2).await;
    course.kill(2);
    wait_for_release(&course.dir(2)).await;
    fs::remove_dir_all(course.dir(2)).unwrap();
    copy(&image, &course.dir(2));
    // It cannot know that it has been set back until it meets somebody.
    course.start_apart(2, 3).await;
    course.count(3).await;
    course.exact("after a directory was set back").await;

    course.kill(0);
    wait_for_release(&course.dir(0)).await;
    fs::remove_dir_all(course.dir(0)).unwrap();
    course.count(2).await;
    course.start(0).await;
    course.count(3).await;
    course.exact("after a wipe").await;

    course.kill(1);
    wait_for_release(&course.dir(1)).await;
    fs::remove_dir_all(course.dir(1)).unwrap();
    restore(course.root.path().join("backup"), course.dir(1), &mut |_, _| {}).unwrap();
    course.start(1).await;
    course.count(3).await;
    course.exact("after a restore of another node's backup").await;

    // A clone of a directory, started when its original has gone on and has gone.
    course.stop(1).await;
    wait_for_release(&course.dir(1)).await;
    let clone = course.root.path().join("clone");
    copy(&course.dir(1), &clone);
    course.start(1).await;
    course.count(3).await;
    course.stop(1).await;
    wait_for_release(&course.dir(1)).await;
    fs::remove_dir_all(course.dir(1)).unwrap();
    fs::rename(&clone, course.dir(1)).unwrap();
    course.start_apart(1, 2).await;
    course.count(3).await;
    course.exact("after a clone took its original's place").await;
    let actors = course.nodes[0].as_ref().unwrap().scope("app").unwrap().counter("n").shares().len();
    assert!((5..=11).contains(&actors), "a share for each life that counted: {actors}");
}

async fn back_up(node: &Node, to: &Path) {
    let backup = node.begin_backup().await.unwrap();
    let mut folder = Unfinished::open(to).unwrap();
    folder.begin(backup.facts().clone()).unwrap();
    loop {
        let segment = backup.segment(u32::try_from(folder.so_far().len()).unwrap()).unwrap();
        folder.add(&segment, &segment.checksum()).unwrap();
        if segment.is_last {
            break;
        }
    }
    folder.finish().unwrap();
}

/// The disk's thread of the node before may still hold the directory for a moment.
async fn wait_for_release(dir: &Path) {
    eventually("the directory is released", || damson::backup::verify_data_dir(dir).is_ok()).await;
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() { copy(&from, &to) } else { _ = fs::copy(&from, &to).unwrap() }
    }
}
