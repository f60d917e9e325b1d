//! `damson exchanges`: what a node that joins is brought is seen and cancelled from the command line.

use std::process::Output;

use serde_json::Value;

use crate::daemon::{Daemon, eventually, run, start_cluster};
use crate::resp::text;

fn exchanges(node: &Daemon, more: &[&str]) -> Output {
    run(&[&["exchanges", "--http", &node.ready["http"]], more].concat())
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Sessions in which a node is the source.
fn sent(list: &Value) -> Vec<&Value> {
    let all = list.as_array().unwrap().iter();
    all.filter(|one| one["handler"] == "~replica" && one["begun_by"] == "peer").collect()
}

#[test]
fn what_a_new_node_is_brought_is_listed_here_and_elsewhere_and_comes_although_it_was_cancelled() {
    let root = tempfile::tempdir().unwrap();
    let nodes = start_cluster(root.path(), 2);
    let value = "v".repeat(10_000);
    for n in 0..30 {
        assert_eq!(nodes[0].command(&["SET", &format!("k{n}"), &value]), text("OK"));
    }
    eventually("both have all", || nodes.iter().all(|node| node.status()["keys"] == 30));
    let (joins, path) = (vec![nodes[0].listen(), nodes[1].listen()], root.path().to_path_buf());
    // It is ready when it has all; that takes a few seconds.
    let slow = ["--transfer-rate", "60KiB"];
    let third = std::thread::spawn(move || Daemon::start_with(&path, "n3", &joins, &slow));

    let mut source = None;
    eventually("one of them is the source", || {
        source = (0..2).find(|at| !sent(&nodes[*at].ask(&["exchanges"])).is_empty());
        source.is_some()
    });
    let (source, other) = (source.unwrap(), 1 - source.unwrap());
    let name = format!("n{}", source + 1);
    eventually("it is listed through the other", || {
        !sent(&nodes[other].ask(&["exchanges", "--of", &name])).is_empty()
    });
    let cancelled = nodes[source].ask(&["exchanges", "--cancel", "handler=~replica"]);
    assert!(!sent(&cancelled).is_empty(), "it still runs, and is ended: {cancelled}");
    let third = third.join().unwrap();
    eventually("it has all in the end", || third.status()["keys"] == 30);

    let table = printed(&exchanges(&nodes[0], &[]));
    assert!(table.starts_with("REFERENCE  HANDLER"), "{table}");
    let none = printed(&exchanges(&nodes[0], &["--cancel", "reference=1"]));
    assert!(none.starts_with("cancelled: 0\n"), "{none}");
    for (wrong, reason) in [
        (["--of", "nobody"], "no member has this name or id"),
        (["--cancel", "peer=nobody"], "no member has this name or id"),
        (["--cancel", "some"], "selects nothing"),
    ] {
        let refused = exchanges(&nodes[0], &wrong);
        let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && complaint.contains(reason), "{wrong:?}: {complaint}");
    }
    let both = exchanges(&nodes[0], &["--of", "n2", "--cancel", "all"]);
    assert!(!both.status.success(), "another node's are not cancelled from here");
}
