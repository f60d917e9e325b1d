//! A chat among three nodes in one process, over real sockets: `cargo run -p damson --example chat`.
//!
//! What is said is published on a topic: everybody who is there hears it once, nobody keeps it, and who comes later hears
//! what is said from then on. Who is slow is told how much it missed. It ends by itself.

use std::time::Duration;

use damson::{Heard, InboxLimits, Json, Node, Subscriber, Topic};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Said {
    who: String,
    text: String,
}

/// Somebody with a node of its own.
struct Guest {
    name: &'static str,
    node: Node,
    room: Topic<Json<Said>>,
    ears: Subscriber<Json<Said>>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let ada = Guest::enters("ada", None).await?;
    let bob = Guest::enters("bob", Some(&ada)).await?;
    let mut guests = [ada, bob];
    all_linked(&guests.each_ref()).await;

    guests[0].says("is anybody here?").await?;
    guests[1].says("I am.").await?;
    for guest in &mut guests {
        guest.hears(2).await?;
    }

    println!("cyd comes in, and hears what is said from now on");
    let [ada, bob] = guests;
    let mut guests = [Guest::enters("cyd", Some(&ada)).await?, ada, bob];
    all_linked(&guests.each_ref()).await;
    guests[2].says("hello, cyd").await?;
    for guest in &mut guests {
        guest.hears(1).await?;
    }

    println!("cyd has an ear for three messages, and does not listen while ada talks");
    let cyd = &mut guests[0];
    cyd.ears = cyd.room.subscribe_with(InboxLimits { messages_max: 3, bytes_max: 1 << 20 });
    for n in 1..=10 {
        guests[1].says(&format!("thing {n}")).await?;
    }
    guests[1].hears(10).await?;
    guests[2].hears(10).await?;
    guests[0].hears(3).await?;
    guests[0].hears(1).await?;

    for Guest { name, node, mut ears, .. } in guests {
        node.stop().await?;
        assert!(ears.next().await.is_none(), "the end is told too");
        println!("{name} has gone");
    }
    Ok(())
}

impl Guest {
    async fn enters(name: &'static str, host: Option<&Guest>) -> Result<Self> {
        let node = Node::builder(name);
        let node = match host {
            Some(host) => node.join(host.node.address()),
            None => node,
        };
        let node = node.start().await?;
        let room = node.topic("kitchen")?;
        let ears = room.subscribe();
        Ok(Self { name, node, room, ears })
    }

    async fn says(&self, text: &str) -> Result<()> {
        println!("{} says: {text}", self.name);
        let said = Said { who: self.name.to_string(), text: text.to_string() };
        Ok(self.room.publish(&Json(said)).await?)
    }

    /// So many things; fails when they do not come.
    async fn hears(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            match timeout(Duration::from_secs(10), self.ears.next()).await? {
                Some(Heard::Message { message: Json(said), .. }) => {
                    println!("    {} hears {}: {}", self.name, said.who, said.text);
                }
                Some(Heard::Lost { messages, .. }) => {
                    println!("    {} has missed {messages} messages", self.name);
                }
                other => return Err(format!("{} was told {other:?}", self.name).into()),
            }
        }
        Ok(())
    }
}

/// What is published reaches those who are linked, so this waits until all are, and until the first trees have grown.
async fn all_linked(guests: &[&Guest]) {
    let settled = |guest: &&Guest| {
        let children = guest.node.tree(guest.node.id()).children.len();
        guest.node.neighbors().len() == guests.len() - 1 && children > 0
    };
    while !guests.iter().all(settled) {
        sleep(Duration::from_millis(10)).await;
    }
}
