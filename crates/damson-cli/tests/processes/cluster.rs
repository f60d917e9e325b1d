//! What clients see of a healthy cluster, and of one that loses members.

use crate::daemon::{Daemon, eventually, run, start_cluster};
use crate::resp::{Reply, text};

fn digests_agree(nodes: &[Daemon]) -> bool {
    let first = nodes[0].status()["digest"].clone();
    nodes.iter().all(|node| node.status()["digest"] == first)
}

#[test]
fn writes_on_each_of_five_are_seen_on_all_and_counters_are_exact() {
    let root = tempfile::tempdir().unwrap();
    let nodes = start_cluster(root.path(), 5);
    let writers: Vec<_> = nodes.iter().enumerate().map(|(at, node)| (at, node.client())).collect();
    let threads: Vec<_> = writers
        .into_iter()
        .map(|(at, mut client)| {
            std::thread::spawn(move || {
                for n in 0..200 {
                    client.command(&["INCR", "hits"]);
                    client.command(&["SET", &format!("k:{at}:{n}"), &format!("v{n}")]);
                    client.command(&["SADD", "all", &format!("{at}:{n}")]);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    eventually("digests agree", || digests_agree(&nodes));
    for node in &nodes {
        let mut client = node.client();
        assert_eq!(client.command(&["GET", "hits"]), text("1000"));
        assert_eq!(client.command(&["SCARD", "all"]), Reply::Int(1_000));
        assert_eq!(client.command(&["GET", "k:3:199"]), text("v199"));
        assert_eq!(client.command(&["DBSIZE"]), Reply::Int(1_002));
    }
}

#[test]
fn a_removal_that_a_member_missed_does_not_come_back() {
    let root = tempfile::tempdir().unwrap();
    let mut nodes = start_cluster(root.path(), 3);
    nodes[0].command(&["SADD", "s", "a", "b"]);
    nodes[0].command(&["SET", "k", "v"]);
    eventually("all have it", || nodes.iter().all(|n| n.command(&["SCARD", "s"]) == Reply::Int(2)));
    eventually("all have it", || nodes.iter().all(|n| n.command(&["GET", "k"]) == text("v")));
    nodes[2].signal("-STOP");
    nodes[0].command(&["SREM", "s", "a"]);
    nodes[0].command(&["DEL", "k"]);
    nodes[1].kill();
    nodes[2].signal("-CONT");
    let joins = [nodes[0].listen()];
    nodes[1].restart(&joins);
    eventually("digests agree", || digests_agree(&nodes));
    for node in &nodes {
        assert_eq!(node.command(&["SMEMBERS", "s"]), Reply::List(vec![text("b")]));
        assert_eq!(node.command(&["GET", "k"]), Reply::Nil);
    }
}

#[test]
fn a_killed_member_is_dead_for_all_and_alive_again_after_its_return() {
    let root = tempfile::tempdir().unwrap();
    let mut nodes = start_cluster(root.path(), 3);
    nodes[2].kill();
    let state = |node: &Daemon| {
        let members = node.members();
        let found = members.as_array().unwrap().iter().find(|m| m["name"] == "n3").unwrap().clone();
        (found["state"].as_str().unwrap().to_string(), found["incarnation"].as_u64().unwrap())
    };
    let before = state(&nodes[0]).1;
    eventually("n3 is dead", || nodes[..2].iter().all(|node| state(node).0 == "dead"));
    let joins = [nodes[0].listen()];
    nodes[2].restart(&joins);
    eventually("n3 is alive", || nodes.iter().all(|node| state(node).0 == "alive"));
    assert!(state(&nodes[0]).1 > before);
    nodes[1].stop();
    eventually("n2 has left", || {
        let members = nodes[0].members();
        members.as_array().unwrap().iter().any(|m| m["name"] == "n2" && m["state"] == "left")
    });
    let forget = |name: &str| run(&["members", "forget", name, "--http", &nodes[0].ready["http"]]);
    let present = forget("n3");
    assert!(
        !present.status.success() && String::from_utf8_lossy(&present.stderr).contains("present"),
        "{present:?}"
    );
    let forgotten = forget("n2");
    assert!(forgotten.status.success(), "{forgotten:?}");
    eventually("n2 is in nobody's roster", || {
        let knows = |node: &Daemon| node.members().as_array().unwrap().iter().any(|m| m["name"] == "n2");
        !knows(&nodes[0]) && !knows(&nodes[2])
    });
    assert!(!forget("n2").status.success());
}
