//! First contacts that are found while nodes run: files and names.

use std::path::Path;
use std::thread::scope;

use crate::daemon::{Daemon, eventually};
use crate::resp::text;

/// Starts nodes that find nobody yet, all at once: each waits for contacts before it serves alone.
fn start_alone<const N: usize>(root: &Path, flags: [&[&str]; N]) -> [Daemon; N] {
    scope(|threads| {
        let mut at = 0;
        let starting = flags.map(|flags| {
            at += 1;
            let name = format!("n{at}");
            threads.spawn(move || Daemon::start_with(root, &name, &[], flags))
        });
        starting.map(|node| node.join().unwrap())
    })
}

#[test]
fn nodes_find_each_other_through_a_file_that_is_written_after_they_started() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("contacts");
    let config = root.path().join("n3.toml");
    std::fs::write(&config, format!("join_file = ['{}']\n", file.display())).unwrap();
    let by_flag = ["--join-file", file.to_str().unwrap()];
    let nodes = start_alone(root.path(), [&by_flag, &by_flag, &["--config", config.to_str().unwrap()]]);
    assert!(nodes.iter().all(|node| node.alive() == 1));
    let addresses: Vec<String> = nodes.iter().map(Daemon::listen).collect();
    std::fs::write(&file, format!("# three nodes\nnonsense\n{}\n", addresses.join("\n"))).unwrap();
    eventually("all see all", || nodes.iter().all(|node| node.alive() == 3));
    nodes[0].command(&["SET", "k", "v"]);
    eventually("all have it", || nodes.iter().all(|node| node.command(&["GET", "k"]) == text("v")));
    eventually("the bad line is named", || {
        let log = nodes[0].log();
        log.contains("line=2") && log.contains("the port is missing")
    });
}

#[test]
fn a_node_joins_through_all_addresses_of_a_name() {
    let root = tempfile::tempdir().unwrap();
    let first = Daemon::start(root.path(), "n1", &[]);
    let (_, port) = first.ready["listen"].rsplit_once(':').unwrap();
    let name = format!("localhost:{port}");
    let second = Daemon::start_with(root.path(), "n2", &[], &["--join-dns", &name]);
    eventually("both see both", || first.alive() == 2 && second.alive() == 2);
}

#[test]
fn a_name_that_cannot_be_resolved_is_logged_once_and_takes_nothing_down() {
    let root = tempfile::tempdir().unwrap();
    let flags = ["--join-dns", "no-such-name.invalid:7400", "--verbose"];
    let [mut node] = start_alone(root.path(), [&flags]);
    node.command(&["SET", "k", "v"]);
    // What happens again and again is seen by those only who ask for every detail.
    eventually("it is tried again", || node.log().matches("has no addresses yet").count() >= 2);
    assert_eq!(node.log().matches("cannot be resolved").count(), 1, "{}", node.log());
    assert_eq!(node.command(&["GET", "k"]), text("v"));
    node.stop();
}
