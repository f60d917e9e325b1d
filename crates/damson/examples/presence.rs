//! Presence on three nodes: who is where, as long as the node is there that says so.
//!
//! `cargo run -p damson --example presence`

use std::time::Duration;

use damson::{Map, Node};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let a = Node::builder("a").listen("127.0.0.1:0").start().await?;
    let b = Node::builder("b").listen("127.0.0.1:0").join(a.address()).start().await?;
    let c = Node::builder("c").listen("127.0.0.1:0").join(a.address()).start().await?;

    who(&a)?.put("ada", &"lobby".to_string()).await?;
    who(&b)?.put("bob", &"garden".to_string()).await?;
    who(&b)?.put("cleo", &"garden".to_string()).await?;
    seen(&c, 3).await?;
    show("c sees", &c)?;

    println!("bob walks over, and cleo leaves");
    who(&b)?.put("bob", &"lobby".to_string()).await?;
    who(&b)?.remove("cleo").await?;
    seen(&c, 2).await?;
    show("c sees", &c)?;

    println!(
        "node b ends without a word: whoever was there is not seen any more, though nothing was removed"
    );
    b.abandon();
    seen(&c, 1).await?;
    show("c sees", &c)?;
    println!("the map itself has {} fields still", who(&c)?.len());
    a.stop().await?;
    c.stop().await?;
    Ok(())
}

fn who(node: &Node) -> Result<Map<String>, Box<dyn std::error::Error>> {
    Ok(node.scope("house")?.map("who"))
}

/// Waits until a node sees so many.
async fn seen(node: &Node, wanted: usize) -> Result<(), Box<dyn std::error::Error>> {
    while who(node)?.present().entries()?.len() != wanted {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

fn show(what: &str, node: &Node) -> Result<(), Box<dyn std::error::Error>> {
    for here in who(node)?.present().entries()? {
        println!("{what}: {} in the {} (says node {})", here.field.escape_ascii(), here.value, here.author);
    }
    Ok(())
}
