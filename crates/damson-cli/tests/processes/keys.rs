//! New keys, and trust on first use, as the daemon has them.

use crate::daemon::{Daemon, eventually, run, start_cluster};
use crate::resp::{Reply, text};

#[test]
fn a_key_is_rotated_offline_and_the_node_comes_back_as_another_with_all_it_had() {
    let root = tempfile::tempdir().unwrap();
    let mut nodes = start_cluster(root.path(), 3);
    nodes[0].command(&["INCRBY", "n", "10"]);
    nodes[2].command(&["INCRBY", "n", "5"]);
    eventually("all have counted", || nodes.iter().all(|node| node.command(&["GET", "n"]) == text("15")));
    let dir = nodes[2].dir().to_str().unwrap().to_string();
    let rotate = || run(&["rotate-key", "--json", "--data-dir", &dir]);
    let refused = rotate();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("another process"), "it runs");
    nodes[2].stop();
    let rotated = rotate();
    let facts: serde_json::Value = serde_json::from_slice(&rotated.stdout).unwrap();
    let (former, id) = (facts["former"].as_str().unwrap().to_string(), facts["id"].as_str().unwrap());
    assert_eq!(nodes[2].ready["id"], former);
    let joins = [nodes[0].listen()];
    nodes[2].restart(&joins);
    assert_eq!(nodes[2].ready["id"], id);
    nodes[2].command(&["INCRBY", "n", "100"]);
    eventually("all counts", || nodes.iter().all(|node| node.command(&["GET", "n"]) == text("115")));
    let http = nodes[0].ready["http"].clone();
    let forgotten = run(&["members", "forget", &former, "--http", &http]);
    assert!(forgotten.status.success(), "{}", String::from_utf8_lossy(&forgotten.stderr));
    let count = |node: &Daemon| node.members().as_array().unwrap().len();
    eventually("three members are left", || nodes.iter().all(|node| count(node) == 3 && node.alive() == 3));
}

#[test]
fn another_node_at_an_address_is_refused_until_its_line_is_removed() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("trusted");
    let first = Daemon::start(root.path(), "n1", &[]);
    let at = first.listen();
    let trust = ["--trust-on-first-use", file.to_str().unwrap()];
    let node = Daemon::start_with(root.path(), "n2", std::slice::from_ref(&at), &trust);
    eventually("both are in", || node.alive() == 2);
    let line = format!("{at} {}\n", first.ready["id"]);
    assert!(std::fs::read_to_string(&file).unwrap().ends_with(&line));
    drop(first);
    let other = Daemon::start_with(root.path(), "n3", &[], &["--listen", &at]);
    eventually("it is refused", || node.log().contains("remove the line"));
    other.command(&["SET", "k", "v"]);
    assert_eq!(node.command(&["GET", "k"]), Reply::Nil);
    std::fs::write(&file, "").unwrap();
    eventually("it is in", || node.command(&["GET", "k"]) == text("v"));
}
