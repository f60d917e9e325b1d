//! A custom replica: fences, an invariant layered on the replicated map.
//!
//! Who is given a lock is given a fence with it, and storage refuses whoever comes with a lower one than it has seen. So fences only
//! grow, and no two are equal, not even those that two halves of a cut network hand out. Each actor has one entry for each lock, with the
//! highest number that it has given; a fence is one more than the highest of all, with the actor behind it.
//!
//! `cargo run -p damson --example custom_replica`

use std::time::Duration;

use damson::Node;

#[path = "custom_replica/fences.rs"]
mod fences;

use fences::Giver;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let a = Node::builder("a").listen("127.0.0.1:0").start().await?;
    let b = Node::builder("b").listen("127.0.0.1:0").join(a.address()).start().await?;
    let c = Node::builder("c").listen("127.0.0.1:0").join(a.address()).start().await?;
    let nodes = [&a, &b, &c];
    let mut givers = Vec::new();
    for node in nodes {
        givers.push(Giver::start(node).await?);
    }

    let mut before = None;
    for round in 1..=2 {
        for (at, giver) in givers.iter().enumerate() {
            let fence = giver.give("disk").await?;
            println!("round {round}: node {} gives fence {fence}", at + 1);
            assert!(Some(fence) > before, "fences grow");
            before = Some(fence);
            known_to_all(&givers, fence.number).await?;
        }
    }

    println!("two nodes at once, neither of which has heard of the other:");
    let (one, two) = tokio::join!(givers[0].give("disk"), givers[1].give("disk"));
    let (one, two) = (one?, two?);
    println!("  {one}, and\n  {two}: never equal");
    assert_ne!(one, two);

    println!("somebody writes nonsense under the same name: it is held, and not shown");
    givers[2].instance.add("disk-nonsense", "not a number").await?;
    while givers[0].instance.counters().refused == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("  node 1 has refused {} entry", givers[0].instance.counters().refused);
    for node in nodes {
        node.stop().await?;
    }
    Ok(())
}

/// Waits until all have been told.
async fn known_to_all(givers: &[Giver], number: u64) -> Result<(), Box<dyn std::error::Error>> {
    for giver in givers {
        while giver.highest("disk").await? < number {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(())
}
