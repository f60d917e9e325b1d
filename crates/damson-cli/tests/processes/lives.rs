//! Restarts, crashes, copies, old images and lost disks: nothing acknowledged is lost, nothing is counted twice.

use std::path::Path;

use crate::daemon::{Daemon, eventually, start_cluster};
use crate::resp::{Reply, text};

fn life(node: &Daemon) -> String {
    node.status()["life"].as_str().expect("a life").to_string()
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

#[test]
fn a_clean_restart_keeps_the_life_and_a_crash_begins_a_new_one() {
    let root = tempfile::tempdir().unwrap();
    let mut node = Daemon::start(root.path(), "solo", &[]);
    let first = life(&node);
    node.command(&["INCR", "n"]);
    node.stop();
    node.restart(&[]);
    assert_eq!(life(&node), first);
    assert_eq!(node.command(&["INCR", "n"]), Reply::Int(2));
    node.kill();
    node.restart(&[]);
    assert_ne!(life(&node), first);
    assert_eq!(node.command(&["INCR", "n"]), Reply::Int(3));
}

#[test]
fn a_start_right_behind_a_kill_waits_for_the_directory() {
    let root = tempfile::tempdir().unwrap();
    let mut node = Daemon::start(root.path(), "solo", &[]);
    for n in 1..=5 {
        assert_eq!(node.command(&["INCR", "n"]), Reply::Int(n));
        node.kill_without_waiting();
        node.restart(&[]);
    }
}

#[test]
fn acknowledged_writes_survive_kill_9_under_load() {
    let root = tempfile::tempdir().unwrap();
    let mut node = Daemon::start(root.path(), "solo", &[]);
    for round in 0..5 {
        let mut client = node.client();
        let writer = std::thread::spawn(move || {
            let mut acked = 0;
            while client.try_command(&["SET", &format!("r{round}:{acked}"), "x"]).is_ok() {
                acked += 1;
            }
            acked
        });
        std::thread::sleep(std::time::Duration::from_millis(150));
        node.kill();
        let acked = writer.join().unwrap();
        assert!(acked > 0);
        node.restart(&[]);
        let mut client = node.client();
        let missing =
            (0..acked).filter(|n| client.command(&["GET", &format!("r{round}:{n}")]) != text("x")).count();
        assert_eq!(missing, 0, "of {acked} acknowledged writes");
    }
}

#[test]
fn counters_are_exact_when_a_killed_node_returns_with_its_disk_or_without() {
    let root = tempfile::tempdir().unwrap();
    let mut nodes = start_cluster(root.path(), 3);
    let add =
        |nodes: &[Daemon]| nodes.iter().for_each(|n| (0..10).for_each(|_| _ = n.command(&["INCR", "n"])));
    let all_read = |nodes: &[Daemon], want: &str| {
        eventually("the counter is exact", || nodes.iter().all(|n| n.command(&["GET", "n"]) == text(want)));
    };
    add(&nodes);
    all_read(&nodes, "30");
    let joins = [nodes[0].listen()];
    nodes[1].kill();
    nodes[1].restart(&joins);
    add(&nodes);
    all_read(&nodes, "60");
    nodes[2].kill();
    std::fs::remove_dir_all(nodes[2].dir()).unwrap();
    nodes[2].restart(&joins);
    all_read(&nodes, "60");
    add(&nodes);
    all_read(&nodes, "90");
    assert_eq!(nodes[0].command(&["DEL", "n"]), Reply::Int(1));
    eventually("the counter is gone", || nodes.iter().all(|n| n.command(&["GET", "n"]) == Reply::Nil));
    add(&nodes[1..]);
    all_read(&nodes, "20");
}

#[test]
fn a_copy_of_a_cleanly_stopped_directory_is_told_so_by_its_first_peer_and_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mut nodes = start_cluster(root.path(), 2);
    nodes[1].command(&["INCRBY", "n", "5"]);
    eventually("it arrives", || nodes[0].command(&["GET", "n"]) == text("5"));
    nodes[1].stop();
    let image = root.path().join("image");
    copy(nodes[1].dir(), &image);
    let joins = [nodes[0].listen()];
    nodes[1].restart(&joins);
    let original = life(&nodes[1]);
    nodes[1].command(&["INCRBY", "n", "10"]);
    nodes[1].command(&["SET", "of-the-original", "1"]);
    eventually("it arrives", || nodes[0].command(&["GET", "of-the-original"]) == text("1"));
    eventually("it arrives", || nodes[0].command(&["GET", "n"]) == text("15"));
    nodes[1].stop();
    nodes[0].stop();
    // The old image comes back while nobody is there to tell, and writes.
    std::fs::remove_dir_all(nodes[1].dir()).unwrap();
    copy(&image, nodes[1].dir());
    nodes[1].restart(&[]);
    assert_eq!(life(&nodes[1]), original, "alone it cannot know");
    assert_eq!(nodes[1].command(&["INCRBY", "n", "100"]), Reply::Int(105));
    nodes[1].command(&["SET", "of-the-image", "1"]);
    let joins = [nodes[1].listen()];
    nodes[0].restart(&joins);
    eventually("the image takes a new life", || life(&nodes[1]) != original);
    eventually("both count exactly", || nodes.iter().all(|n| n.command(&["GET", "n"]) == text("115")));
    for key in ["of-the-original", "of-the-image"] {
        eventually("both have both", || nodes.iter().all(|n| n.command(&["GET", key]) == text("1")));
    }
}

#[test]
fn a_delete_takes_away_what_it_saw_of_a_counter_and_no_more() {
    let root = tempfile::tempdir().unwrap();
    let mut nodes = start_cluster(root.path(), 2);
    nodes[0].command(&["INCRBY", "n", "5"]);
    eventually("it arrives", || nodes[1].command(&["GET", "n"]) == text("5"));
    // What came from a peer can be read before it is on disk here; an own acknowledged write has it behind itself.
    nodes[1].command(&["SET", "behind", "it"]);
    nodes[1].kill();
    nodes[0].command(&["INCR", "n"]);
    nodes[0].kill();
    nodes[1].restart(&[]);
    assert_eq!(nodes[1].command(&["DEL", "n"]), Reply::Int(1));
    assert_eq!(nodes[1].command(&["EXISTS", "n"]), Reply::Int(0));
    let joins = [nodes[1].listen()];
    nodes[0].restart(&joins);
    eventually("one is left on both", || nodes.iter().all(|n| n.command(&["GET", "n"]) == text("1")));
}
