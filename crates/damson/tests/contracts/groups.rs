//! Process groups, as `pg` has them.

use std::collections::BTreeMap;

use bytes::Bytes;
use damson::Node;
use damson::groups::{GroupError, GroupMember, GroupWatch, Groups, Members, NAME_BYTES_MAX};
use damson::publisher::Told;

use crate::cluster::{join, start, until};

async fn on(nodes: &[Node]) -> Vec<Groups> {
    let mut all = Vec::new();
    for node in nodes {
        all.push(node.groups("pg").await.unwrap());
    }
    all
}

fn names(members: &[GroupMember]) -> Vec<String> {
    let mut names: Vec<_> = members.iter().map(|m| String::from_utf8(m.name.to_vec()).unwrap()).collect();
    names.sort();
    names
}

/// What a watch tells makes the members of groups, from those that they began with.
struct Mirror {
    groups: BTreeMap<Bytes, Vec<GroupMember>>,
    watch: GroupWatch,
    agains: usize,
}

impl Mirror {
    fn of(all: BTreeMap<Bytes, Members>, watch: GroupWatch) -> Self {
        let groups = all.into_iter().map(|(group, members)| (group, members.to_vec())).collect();
        Self { groups, watch, agains: 0 }
    }

    async fn until(&mut self, is_so: impl Fn(&BTreeMap<Bytes, Vec<GroupMember>>) -> bool) {
        let followed = async {
            while !is_so(&self.groups) {
                match self.watch.next().await.expect("it runs") {
                    Told::Again(all) => {
                        self.agains += 1;
                        self.groups = all.into_iter().map(|(g, members)| (g, members.to_vec())).collect();
                    }
                    Told::Notice(change) => {
                        let members = self.groups.entry(change.group).or_default();
                        members.extend(change.joined);
                        for left in &change.left {
                            let at = members
                                .iter()
                                .position(|m| m == left)
                                .expect("nobody leaves who is not there");
                            members.remove(at);
                        }
                        self.groups.retain(|_, members| !members.is_empty());
                    }
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), followed).await.expect("it is told");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_join_on_any_node_are_seen_on_all_and_are_gone_with_what_dropped_them() {
    let nodes = start(3).await;
    let groups = on(&nodes).await;
    let (a, b) = (groups[0].member("a").unwrap(), groups[1].member("b").unwrap());
    groups[0].join("workers", &a).await.unwrap();
    assert_eq!(names(&groups[0].members("workers")), ["a"], "a writer sees what it wrote at once");
    groups[0].join("workers", &a).await.unwrap();
    groups[1].join("workers", &b).await.unwrap();
    groups[1].join("others", &b).await.unwrap();
    let all = |group: &str, wanted: &[&str]| groups.iter().all(|g| names(&g.members(group)) == wanted);
    until("all see all", || all("workers", &["a", "a", "b"]) && all("others", &["b"])).await;
    assert_eq!(groups[2].which_groups(), ["others", "workers"]);
    assert_eq!(groups[2].local_members("workers"), []);
    assert_eq!(groups[0].local_members("workers").len(), 2, "as often as it has joined");
    assert_eq!(
        groups[2].members("workers")[0].node,
        groups[2].members("workers").iter().map(|m| m.node).min().unwrap()
    );
    groups[0].leave("workers", &a).await.unwrap();
    until("one join is left", || all("workers", &["a", "b"])).await;
    assert!(matches!(groups[1].leave("nowhere", &b).await, Err(GroupError::NotJoined { .. })));
    drop(b);
    until("a dropped member is nowhere", || all("workers", &["a"]) && all("others", &[])).await;
    assert_eq!(groups[2].which_groups(), ["workers"]);
    groups[0].leave("workers", &a).await.unwrap();
    assert!(matches!(groups[0].leave("workers", &a).await, Err(GroupError::NotJoined { .. })));
    until("no group is left", || groups.iter().all(|g| g.which_groups().is_empty())).await;
    let long = vec![b'x'; NAME_BYTES_MAX + 1];
    assert!(matches!(groups[0].member(long.clone()), Err(GroupError::NameTooLong { .. })));
    assert!(matches!(groups[0].join(long, &a).await, Err(GroupError::NameTooLong { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_monitor_is_told_the_members_and_then_every_change_without_a_gap() {
    let nodes = start(3).await;
    let groups = on(&nodes).await;
    let first = groups[0].member("first").unwrap();
    groups[0].join("g", &first).await.unwrap();
    let (members, watch) = groups[0].monitor("g").await.unwrap();
    assert_eq!(names(&members), ["first"]);
    let mut one = Mirror::of([("g".into(), members)].into(), watch);
    let (all, watch) = groups[1].monitor_all().await.unwrap();
    let mut all = Mirror::of(all, watch);
    let members: Vec<_> = (0..300).map(|n| groups[2].member(format!("m{n}")).unwrap()).collect();
    for member in &members {
        groups[2].join("g", member).await.unwrap();
        groups[2].join("h", member).await.unwrap();
    }
    let is = |groups: &BTreeMap<Bytes, Vec<GroupMember>>, group: &'static str, wanted: usize| {
        groups.get(&Bytes::from_static(group.as_bytes())).map_or(0, Vec::len) == wanted
    };
    one.until(|groups| is(groups, "g", 301)).await;
    all.until(|groups| is(groups, "g", 301) && is(groups, "h", 300)).await;
    assert!(!one.groups.contains_key(&Bytes::from("h")), "what is not watched is not told");
    // What a node owned goes with it, and comes back with it: only the difference is told.
    nodes[2].abandon();
    one.until(|groups| is(groups, "g", 1)).await;
    all.until(|groups| is(groups, "g", 1) && is(groups, "h", 0)).await;
    assert_eq!((one.agains, all.agains), (0, 0), "no gap had to be filled");
    groups[0].stop();
    assert!(one.watch.next().await.is_none(), "it ends with the groups");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_monitor_that_never_reads_is_told_again_and_takes_no_memory_meanwhile() {
    let nodes = start(3).await;
    let groups = on(&nodes).await;
    let (members, watch) = groups[1].monitor("g").await.unwrap();
    let mut slow = Mirror::of([("g".into(), members)].into(), watch);
    let member = groups[0].member("m").unwrap();
    for _ in 0..2_500 {
        groups[0].join("g", &member).await.unwrap();
        groups[0].leave("g", &member).await.unwrap();
    }
    groups[0].join("g", &member).await.unwrap();
    until("the other node has it", || groups[1].members("g").len() == 1).await;
    slow.until(|groups| groups.get(&Bytes::from("g")).is_some_and(|members| members.len() == 1)).await;
    assert!(slow.agains <= 1, "at most one result anew: {}", slow.agains);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_that_stop_or_start_late_are_seen_so_by_all() {
    let mut nodes = start(2).await;
    let mut groups = on(&nodes).await;
    let a = groups[0].member("a").unwrap();
    groups[0].join("g", &a).await.unwrap();
    nodes.push(join(&nodes, "late", |builder| builder).await);
    groups.push(nodes[2].groups("pg").await.unwrap());
    assert_eq!(names(&groups[2].members("g")), ["a"], "it sees all when it has started");
    let c = groups[2].member("c").unwrap();
    groups[2].join("g", &c).await.unwrap();
    until("both are seen", || groups[..2].iter().all(|g| names(&g.members("g")) == ["a", "c"])).await;
    groups[2].stop();
    until("its members are not", || groups[..2].iter().all(|g| names(&g.members("g")) == ["a"])).await;
}
