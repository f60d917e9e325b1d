//! A custom replica: fences, an invariant layered on the replicated map.
//!
//! Who is given a lock is given a fence with it, and storage refuses whoever comes with a lower one than it has seen. So fences only
//! grow, and no two are equal, not even those that two halves of a cut network hand out. Each node has one entry for each lock, with the
//! highest number that it has given; a fence is one more than the highest of all nodes, with the node's id behind it.
//!
//! `cargo run -p damson --example custom_replica`

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use damson::replica::{Delta, Instance, Replica};
use damson::{Node, NodeId, ScopeName};

/// A number, and who gave it: greater than every fence that its giver had seen.
type Fence = (u64, NodeId);

/// The highest number that each node has given for each lock.
#[derive(Default)]
struct Fences {
    given: BTreeMap<(Bytes, NodeId), u64>,
}

impl Replica for Fences {
    fn merge_delta(&mut self, _: &ScopeName, delta: &Delta) {
        // Told again from the beginning nothing goes back: numbers only grow.
        for entry in delta.entries() {
            let Some((value, stamp)) = &entry.value else { continue };
            let Some(number) = number_of(value) else { continue };
            let lock = entry.key.slice(..entry.key.len().saturating_sub(16));
            let highest = self.given.entry((lock, stamp.dot.actor.node)).or_default();
            *highest = number.max(*highest);
        }
    }
}

impl Fences {
    fn highest(&self, lock: &Bytes) -> u64 {
        let of_lock = self.given.iter().filter(|((name, _), _)| name == lock);
        of_lock.map(|(_, number)| *number).max().unwrap_or(0)
    }
}

fn number_of(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

/// Gives the next fence of a lock.
async fn give(
    fences: &Instance<Fences>,
    me: NodeId,
    lock: &'static str,
) -> Result<Fence, Box<dyn std::error::Error>> {
    let name = Bytes::from(lock);
    let number = fences.with(move |fences| fences.highest(&name)).await? + 1;
    let key = [lock.as_bytes(), &me.0].concat();
    // What this node has given itself it knows before the implementation is told.
    let own = fences.get(key.clone()).value.and_then(|(value, _)| number_of(&value)).unwrap_or(0);
    let number = number.max(own + 1);
    fences.add(key, number.to_be_bytes().to_vec()).await?;
    Ok((number, me))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let a = Node::builder("a").listen("127.0.0.1:0").start().await?;
    let b = Node::builder("b").listen("127.0.0.1:0").join(a.address()).start().await?;
    let c = Node::builder("c").listen("127.0.0.1:0").join(a.address()).start().await?;
    let nodes = [&a, &b, &c];
    let mut fences = Vec::new();
    for node in nodes {
        let digits = |_: &[u8], value: &[u8]| value.len() == 8;
        fences.push(node.replica("fences", Fences::default).validate(digits).start()?);
    }

    let mut before = (0, a.id());
    for round in 1..=2 {
        for (at, node) in nodes.iter().enumerate() {
            let fence = give(&fences[at], node.id(), "disk").await?;
            println!("round {round}: node {} is given fence {} by {}", at + 1, fence.0, fence.1);
            assert!(fence > before, "fences grow");
            before = fence;
            known_to_all(&fences, fence.0).await?;
        }
    }

    println!("two nodes at once, neither of which has heard of the other:");
    let (one, two) = tokio::join!(give(&fences[0], a.id(), "disk"), give(&fences[1], b.id(), "disk"));
    let (one, two) = (one?, two?);
    println!("  {} by {}, and {} by {}: never equal", one.0, one.1, two.0, two.1);
    assert_ne!(one, two);

    println!("somebody writes nonsense under the same name: it is held, and not shown");
    fences[2].add("disk-nonsense", "not a number").await?;
    while fences[0].counters().refused == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("  node 1 has refused {} entry", fences[0].counters().refused);
    for node in nodes {
        node.stop().await?;
    }
    Ok(())
}

/// Waits until all have been told.
async fn known_to_all(fences: &[Instance<Fences>], number: u64) -> Result<(), Box<dyn std::error::Error>> {
    for instance in fences {
        while instance.with(|fences| fences.highest(&Bytes::from("disk"))).await? < number {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(())
}
