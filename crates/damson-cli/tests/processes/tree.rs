//! `damson tree`: what all members say together is one tree.

use serde_json::Value;

use crate::daemon::{Daemon, eventually, run, start_cluster};

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// The tree of a root; `None` while it is not whole: `count` nodes that are reached, each but the root with one parent,
/// which knows of it, and every child with that parent.
fn whole(node: &Daemon, root: &str, count: usize) -> Option<Value> {
    let tree = node.ask(&["tree", "--root", root]);
    let reached: Vec<&Value> =
        tree["nodes"].as_array().unwrap().iter().filter(|node| node["reached"] == true).collect();
    let children = |node: &Value| -> Vec<(String, String)> {
        let of = |child: &str| (node["id"].as_str().unwrap().into(), child.into());
        texts(&node["children"]).into_iter().map(of).collect()
    };
    let mut down: Vec<(String, String)> = reached.iter().flat_map(|node| children(node)).collect();
    let up = reached.iter().filter_map(|node| {
        let parent = node["parent"].as_str()?;
        Some((parent.to_string(), node["id"].as_str().unwrap().to_string()))
    });
    let mut up: Vec<(String, String)> = up.collect();
    down.sort();
    up.sort();
    let orphans: Vec<_> =
        reached.iter().filter(|node| node["parent"].is_null()).map(|node| &node["id"]).collect();
    let depths = reached.iter().all(|node| node["hops"].is_u64());
    let is_whole = reached.len() == count && orphans == [&tree["root"]] && up == down && depths;
    is_whole.then_some(tree)
}

#[test]
fn the_tree_of_eight_nodes_reaches_all_and_parents_and_children_agree() {
    let root = tempfile::tempdir().unwrap();
    let mut nodes = start_cluster(root.path(), 8);
    for (at, name) in [(0, "n1"), (7, "n1"), (3, "n5")] {
        eventually("the tree is whole", || whole(&nodes[at], name, 8).is_some());
    }
    let mut seen = None;
    eventually("the tree is whole", || {
        seen = whole(&nodes[2], nodes[2].status()["id"].as_str().unwrap(), 8);
        seen.is_some()
    });
    let summary = &seen.unwrap()["summary"];
    assert_eq!((&summary["reached"], &summary["unreachable"]), (&8.into(), &0.into()), "{summary}");
    assert_eq!((&summary["eager_links"], &summary["disputed_links"]), (&7.into(), &0.into()), "{summary}");
    // Eight with five neighbours each are no mesh: somebody is two links away, and other links are spare.
    assert!(
        summary["hops_max"].as_u64() >= Some(2) && summary["lazy_links"].as_u64() >= Some(5),
        "{summary}"
    );

    let said = run(&["tree", "--http", &nodes[0].ready["http"]]);
    let picture = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(picture.starts_with("tree of n1: 8 of 8 members answer"), "{picture}");
    assert!((2..=8).all(|n| picture.contains(&format!("  n{n} "))), "{picture}");

    nodes[5].kill();
    eventually("the others have a tree without it", || {
        whole(&nodes[0], "n1", 7).is_some_and(|tree| tree["summary"]["unreachable"] == 1)
    });
    let said = run(&["tree", "--http", &nodes[0].ready["http"], "--root", "nobody"]);
    let complaint = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(!said.status.success() && complaint.contains("no member has this name or id"), "{complaint}");
}
