//! Three nodes in one process, over TCP on this machine: `cargo run -p damson --example hello_cluster`.
//!
//! Shows what each sees of what another writes: typed handles, a watch, a read by a token, a delete that stays deleted.
//! It ends by itself.

use std::error::Error;
use std::time::Duration;

use damson::{Ack, Change, Json, Node, Slot, SyncConfig};
use tokio::time::{sleep, timeout};

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let alpha = start("alpha", None).await?;
    let beta = start("beta", Some(&alpha)).await?;
    let gamma = start("gamma", Some(&alpha)).await?;
    let nodes = [&alpha, &beta, &gamma];
    until("every node knows three members", || nodes.iter().all(|node| node.status().members == 3)).await?;
    for node in nodes {
        println!("{} is {} at {}", node.status().name, node.id(), node.address());
    }

    println!("\nEach counts a visit and adds a colour, at once and without asking anybody.");
    for (node, colour) in nodes.into_iter().zip(["green", "blue", "red"]) {
        let app = node.scope("app")?;
        app.counter("visits").add(1).await?;
        app.set("colours").insert(colour).await?;
    }
    until("all agree", || nodes.iter().all(|node| visits(node) == 3 && node.digest() == alpha.digest()))
        .await?;
    for node in nodes {
        println!("{:>5}: {} visits, colours {}", node.status().name, visits(node), colours(node));
    }

    println!("\nGamma watches the map of ports while beta changes it.");
    let mut watch = gamma.scope("app")?.watch("ports");
    println!("gamma: {:?}", timeout(PATIENCE, watch.next()).await?);
    beta.scope("app")?.map::<Json<Vec<u16>>>("ports").put("web", &Json(vec![80, 443])).await?;
    if let Some(Change::Changed { key, kind }) = timeout(PATIENCE, watch.next()).await? {
        let ports = gamma.scope("app")?.map::<Json<Vec<u16>>>("ports").get("web")?;
        println!("gamma: {key:?} is a {kind:?} now, web = {:?}", ports.map(|Json(ports)| ports));
    }

    println!("\nAlpha writes until a majority has it, and gamma reads what is no older than that write.");
    let slot = Slot::key("visits");
    let written = alpha.scope("app")?.write_acked(Ack::Majority, PATIENCE, |tx| tx.add(&slot, 39)).await?;
    println!("alpha: {} visits, {} members have them", written.value, written.had);
    let token = written.token.ok_or("a write has a token")?;
    let read = gamma.scope("app")?.read_after(&token, PATIENCE, |view| view.counter(&slot)).await?;
    println!("gamma: {} visits", read.unwrap_or_default());

    println!("\nBeta removes a colour that gamma had added. It does not come back.");
    beta.scope("app")?.set("colours").remove("red").await?;
    until("all agree", || nodes.iter().all(|node| colours(node) == "blue, green")).await?;
    for node in nodes {
        println!("{:>5}: colours {}, digest {}", node.status().name, colours(node), node.digest());
    }
    for node in nodes {
        node.stop().await?;
    }
    Ok(())
}

async fn start(name: &str, contact: Option<&Node>) -> Result<Node, Box<dyn Error>> {
    let builder = Node::builder(name).anti_entropy(SyncConfig { interval_ms: 200, ..SyncConfig::default() });
    let builder = contact.iter().fold(builder, |builder, contact| builder.join(contact.address()));
    Ok(builder.start().await?)
}

fn visits(node: &Node) -> i64 {
    node.scope("app").map(|app| app.counter("visits").get()).unwrap_or_default()
}

fn colours(node: &Node) -> String {
    let elements = node.scope("app").map(|app| app.set("colours").elements()).unwrap_or_default();
    let names: Vec<_> = elements.iter().map(|name| String::from_utf8_lossy(name)).collect();
    names.join(", ")
}

async fn until(what: &str, is_so: impl Fn() -> bool) -> Result<(), Box<dyn Error>> {
    let waiting = async {
        while !is_so() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.map_err(|_| format!("not in time: {what}").into())
}
