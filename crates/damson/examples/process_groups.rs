//! Process groups on three nodes: workers join, are found on every node, and are gone with what held them.
//!
//! `cargo run -p damson --example process_groups`

use damson::Node;
use damson::groups::Groups;
use damson::publisher::Told;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let a = Node::builder("a").listen("127.0.0.1:0").start().await?;
    let b = Node::builder("b").listen("127.0.0.1:0").join(a.address()).start().await?;
    let c = Node::builder("c").listen("127.0.0.1:0").join(a.address()).start().await?;
    let groups = [a.groups("workers").await?, b.groups("workers").await?, c.groups("workers").await?];

    let (members, mut watch) = groups[2].monitor("resize").await?;
    println!("c watches the group resize: {} members", members.len());

    let one = groups[0].member("http://127.0.0.1:9001")?;
    let two = groups[1].member("http://127.0.0.1:9002")?;
    groups[0].join("resize", &one).await?;
    groups[1].join("resize", &two).await?;
    groups[1].join("crop", &two).await?;
    let mut listed = 0;
    while listed < 2 {
        let Some(Told::Notice(change)) = watch.next().await else { break };
        for member in &change.joined {
            println!("c is told: {} joined on node {}", member.name.escape_ascii(), member.node);
        }
        listed += change.joined.len();
    }
    show("c finds", &groups[2]);

    println!("b drops its worker");
    drop(two);
    while let Some(Told::Notice(change)) = watch.next().await {
        for member in &change.left {
            println!("c is told: {} left", member.name.escape_ascii());
        }
        if !change.left.is_empty() {
            break;
        }
    }
    show("c finds", &groups[2]);

    println!("node a ends without a word");
    a.abandon();
    while !groups[2].members("resize").is_empty() {
        let _ = watch.next().await;
    }
    println!("nobody is left in resize, and c has {} groups", groups[2].which_groups().len());
    b.stop().await?;
    c.stop().await?;
    Ok(())
}

fn show(who: &str, groups: &Groups) {
    for group in groups.which_groups() {
        let names: Vec<String> =
            groups.members(&group).iter().map(|member| member.name.escape_ascii().to_string()).collect();
        println!("{who} in {}: {}", group.escape_ascii(), names.join(", "));
    }
}
