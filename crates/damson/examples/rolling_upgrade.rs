//! A cluster whose nodes are replaced one by one by those of a new version, while everybody goes on reading everybody's data.
//!
//! Each node publishes how busy it is. Version 1 says `idle` or `busy`; version 2 has a number of jobs. As long as an old node takes
//! part, the new ones publish in version 1 as well; when the last has left, all say it in version 2.
//!
//! `cargo run -p damson --example rolling_upgrade`

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use damson::publisher::{Notices, Owner, Published, Publisher};
use damson::{Node, ScopeName};

/// Both versions in one, so that one program can play them.
struct Load {
    version: u16,
}

type Jobs = u32;

impl Publisher for Load {
    type LocalData = Jobs;
    type Update = Jobs;
    type GlobalView = Mutex<BTreeMap<Owner, Jobs>>;
    type Subscription = ();
    type Answer = ();
    type Notice = ();

    fn version(&self) -> u16 {
        self.version
    }
    fn init_local_data(&self) -> Jobs {
        0
    }
    fn update_local_data(&self, update: &Jobs, data: &mut Jobs) {
        *data = *update;
    }
    fn data_diff(&self, _: &Jobs, new: &Jobs) -> Jobs {
        *new
    }
    fn init_global_view(&self, _: &ScopeName) -> Self::GlobalView {
        Mutex::default()
    }
    fn update_global_view_and_notify(
        &self,
        owner: &Owner,
        update: &Jobs,
        view: &Self::GlobalView,
        _: &mut Notices<'_, Self>,
    ) {
        view.lock().expect("nobody panics with it").insert(owner.clone(), *update);
    }
    fn new_subscription(&self, (): &(), _: &Self::GlobalView) {}

    fn encode_update(&self, version: u16, jobs: &Jobs) -> Option<Bytes> {
        match version {
            1 => Some(Bytes::from_static(if *jobs == 0 { b"idle" } else { b"busy" })),
            2 if self.version >= 2 => Some(Bytes::copy_from_slice(&jobs.to_be_bytes())),
            _ => None,
        }
    }
    fn decode_update(&self, version: u16, bytes: Bytes) -> Option<Jobs> {
        match (version, &bytes[..]) {
            (1, b"idle") => Some(0),
            (1, b"busy") => Some(1),
            (2, bytes) if self.version >= 2 => Some(Jobs::from_be_bytes(bytes.try_into().ok()?)),
            _ => None,
        }
    }
    fn encode_local_data(&self, version: u16, data: &Jobs) -> Option<Bytes> {
        self.encode_update(version, data)
    }
    fn decode_local_data(&self, version: u16, bytes: Bytes) -> Option<Jobs> {
        self.decode_update(version, bytes)
    }
}

struct Member {
    name: String,
    node: Node,
    load: Published<Load>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut members: Vec<Member> = Vec::new();
    for name in ["old-1", "old-2", "old-3"] {
        members.push(join(&members, name, 1).await?);
    }
    for (member, jobs) in members.iter().zip([0, 4, 7]) {
        member.load.update(jobs).await?;
    }
    show("three nodes of version 1", &members).await;
    for step in 1..=3_u32 {
        let old = members.remove(0);
        old.node.stop().await?;
        drop(old);
        members.push(join(&members, &format!("new-{step}"), 2).await?);
        members[2].load.update(10 * step).await?;
        show(&format!("{} of version 1, {step} of version 2", 3 - step), &members).await;
    }
    while members[0].load.published_version().await != 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    show("the last old one has left, and the new ones have said it again in version 2", &members).await;
    Ok(())
}

async fn join(members: &[Member], name: &str, version: u16) -> Result<Member, Box<dyn std::error::Error>> {
    let mut builder = Node::builder(name).listen("127.0.0.1:0");
    for member in members {
        builder = builder.join(member.node.address());
    }
    let node = builder.start().await?;
    let load = node.publisher("load", move || Load { version }).start().await?;
    Ok(Member { name: name.into(), node, load })
}

/// What each node knows of itself, and what the others see of it, once they see the same.
async fn show(when: &str, members: &[Member]) {
    println!("{when}:");
    for owner in members {
        let seen = |reader: &Member| {
            let view = reader.load.view();
            let view = view.lock().expect("nobody panics with it");
            view.get(&Owner::Member(owner.node.id())).copied()
        };
        let others = || members.iter().filter(|reader| reader.name != owner.name).map(seen);
        let version = owner.load.published_version().await;
        let said = |jobs: Jobs| if version == 1 { jobs.min(1) } else { jobs };
        while others().any(|jobs| jobs != seen(owner).map(said)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (own, seen) = (seen(owner).unwrap_or(0), others().flatten().max().unwrap_or(0));
        println!("  {} has {own} jobs; published in version {version} the others see {seen}", owner.name);
    }
}
