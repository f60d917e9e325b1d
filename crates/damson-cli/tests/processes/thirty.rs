//! Thirty processes: an overlay, in which nobody is linked to everybody. Half of them die at one instant.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::daemon::{Daemon, eventually_within};
use crate::resp::{Client, Reply, text};

const NODES: usize = 30;
/// Processes that start at once: more would fight for the processors, and look dead to one another.
const GROUP: usize = 5;
/// Thirty processes on two processors, and other tests beside them.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn half_of_thirty_are_killed_and_the_others_agree_and_go_on() {
    let root = tempfile::tempdir().unwrap();
    let mut survivors = start(root.path());
    wait("all see all", || survivors.iter().all(|node| node.alive() == NODES));
    wait("an overlay, no mesh", || survivors.iter().all(|node| (1..15).contains(&links(node))));
    write_at_each(&survivors, "before");
    wait("all have all", || have(&survivors, &keys("before", 1..=NODES)) && digests_agree(&survivors));

    // Every other one, and among them the first, through which all had joined.
    let mut killed = Vec::new();
    for at in 0..NODES / 2 {
        killed.push(survivors.remove(at));
    }
    let acked = kill_under_load(&mut killed, &survivors);

    wait("the killed are dead, the others alive", || survivors.iter().all(|node| sees(node, &killed)));
    wait("survivors agree", || digests_agree(&survivors));
    assert!(have(&survivors, &acked), "acknowledged writes are missing");
    assert!(have(&survivors, &keys("before", 1..=NODES)));

    write_at_each(&survivors, "after");
    survivors[0].command(&["DEL", "before:1"]);
    let after = keys("after", (2..=NODES).step_by(2));
    wait("survivors go on", || have(&survivors, &after) && digests_agree(&survivors));
    assert!(survivors.iter().all(|node| node.command(&["GET", "before:1"]) == Reply::Nil));
}

fn wait(what: &str, is_so: impl FnMut() -> bool) {
    eventually_within(PATIENCE, what, is_so);
}

/// In small groups, all joined through the first.
fn start(root: &Path) -> Vec<Daemon> {
    let mut nodes = vec![Daemon::start(root, "n1", &[])];
    let joins = &[nodes[0].listen()];
    let others: Vec<usize> = (2..=NODES).collect();
    for group in others.chunks(GROUP) {
        std::thread::scope(|scope| {
            let start = |at| scope.spawn(move || Daemon::start(root, &format!("n{at}"), joins));
            let starting: Vec<_> = group.iter().map(start).collect();
            nodes.extend(starting.into_iter().map(|one| one.join().unwrap()));
        });
    }
    nodes
}

/// kill -9, while somebody writes at two of the killed and at two others. Returns the keys that the others acknowledged:
/// what a killed process acknowledged last may have been on its disk only.
fn kill_under_load(killed: &mut [Daemon], survivors: &[Daemon]) -> Vec<String> {
    let stop = AtomicBool::new(false);
    let writers = |nodes: &[Daemon]| nodes.iter().take(2).map(Daemon::client).collect::<Vec<_>>();
    let (doomed, safe) = (writers(killed), writers(survivors));
    std::thread::scope(|scope| {
        let start = |name: String, client| {
            let stop = &stop;
            scope.spawn(move || load(&name, client, stop))
        };
        let safe = (0..).zip(safe).map(|(at, client)| start(format!("safe{at}"), client));
        let safe: Vec<_> = safe.collect();
        (0..).zip(doomed).for_each(|(at, client)| _ = start(format!("doomed{at}"), client));
        std::thread::sleep(Duration::from_secs(1));
        killed.iter_mut().for_each(Daemon::kill_without_waiting);
        std::thread::sleep(Duration::from_secs(1));
        stop.store(true, Ordering::Relaxed);
        safe.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    })
}

/// Writes until it is told to stop, or nobody answers. Returns the keys that were acknowledged.
fn load(name: &str, mut client: Client, stop: &AtomicBool) -> Vec<String> {
    let mut acked = Vec::new();
    for number in 0.. {
        let key = format!("{name}:{number}");
        let replied = client.try_command(&["SET", &key, &key]);
        if replied.is_ok_and(|reply| reply == text("OK")) {
            acked.push(key);
        } else {
            break;
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    acked
}

/// Every value is its key.
fn write_at_each(nodes: &[Daemon], what: &str) {
    for node in nodes {
        let key = format!("{what}:{}", &node.ready["name"][1..]);
        assert_eq!(node.command(&["SET", &key, &key]), text("OK"));
    }
}

fn keys(what: &str, numbers: impl Iterator<Item = usize>) -> Vec<String> {
    numbers.map(|number| format!("{what}:{number}")).collect()
}

fn have(nodes: &[Daemon], keys: &[String]) -> bool {
    let wanted = Reply::List(keys.iter().map(|key| text(key)).collect());
    let mut command = vec!["MGET"];
    command.extend(keys.iter().map(String::as_str));
    nodes.iter().all(|node| node.command(&command) == wanted)
}

fn digests_agree(nodes: &[Daemon]) -> bool {
    let digests: BTreeSet<String> = nodes.iter().map(|node| node.status()["digest"].to_string()).collect();
    digests.len() == 1
}

fn links(node: &Daemon) -> u64 {
    node.status()["links"].as_u64().unwrap()
}

/// Does it name the killed as dead, and all others as alive?
fn sees(node: &Daemon, killed: &[Daemon]) -> bool {
    let dead: BTreeSet<&str> = killed.iter().map(|node| node.ready["name"].as_str()).collect();
    let members = node.members();
    let members = members.as_array().unwrap();
    let states: BTreeMap<&str, &str> =
        members.iter().map(|m| (m["name"].as_str().unwrap(), m["state"].as_str().unwrap())).collect();
    let right = |(name, state): (&&str, &&str)| *state == if dead.contains(name) { "dead" } else { "alive" };
    states.len() == NODES && states.iter().all(right)
}
