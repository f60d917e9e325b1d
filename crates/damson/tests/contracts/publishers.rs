//! Publishers: data that each node owns, in versions that are mixed, with messages from outside.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use damson::publisher::{Foreign, Notices, Owner, Plain, Published, Publisher, PublisherError, Told};
use damson::replica::InstanceError;
use damson::{Node, NodeId, ScopeName};

use crate::cluster::{join, start, until};

/// Prices that each node asks, in two versions: in whole units, and in hundredths.
struct Prices {
    version: u16,
    /// Panics when it is to show this.
    trap: Arc<AtomicUsize>,
}

/// In hundredths.
type Asked = BTreeMap<String, u32>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Ask {
    what: String,
    /// Nothing is asked any more.
    price: Option<u32>,
}

type View = Mutex<BTreeMap<Owner, Asked>>;

impl Prices {
    fn of(version: u16) -> impl FnMut() -> Self + Send + 'static {
        move || Self { version, trap: Arc::default() }
    }

    fn write(&self, version: u16, asks: &[Ask]) -> Option<Bytes> {
        let unit = match version {
            1 => 100,
            2 if self.version >= 2 => 1,
            _ => return None,
        };
        let line = |ask: &Ask| match ask.price {
            Some(price) if price % unit == 0 => Some(format!("{}={}\n", ask.what, price / unit)),
            Some(_) => None,
            None => Some(format!("{}\n", ask.what)),
        };
        asks.iter().map(line).collect::<Option<String>>().map(Bytes::from)
    }

    fn read(&self, version: u16, bytes: &[u8]) -> Option<Vec<Ask>> {
        let unit = match version {
            1 => 100,
            2 if self.version >= 2 => 1,
            _ => return None,
        };
        let text = std::str::from_utf8(bytes).ok()?;
        let ask = |line: &str| match line.split_once('=') {
            None => Some(Ask { what: line.into(), price: None }),
            Some((what, price)) => {
                Some(Ask { what: what.into(), price: Some(price.parse::<u32>().ok()? * unit) })
            }
        };
        text.lines().map(ask).collect()
    }
}

fn asks(data: &Asked) -> Vec<Ask> {
    data.iter().map(|(what, price)| Ask { what: what.clone(), price: Some(*price) }).collect()
}

fn apply(asks: &[Ask], data: &mut Asked) {
    for Ask { what, price } in asks {
        match price {
            Some(price) => _ = data.insert(what.clone(), *price),
            None => _ = data.remove(what),
        }
    }
}

impl Publisher for Prices {
    type LocalData = Asked;
    type Update = Vec<Ask>;
    type GlobalView = View;
    type Subscription = String;
    type Answer = BTreeMap<Owner, u32>;
    type Notice = (Owner, Option<u32>);

    fn version(&self) -> u16 {
        self.version
    }
    fn init_local_data(&self) -> Asked {
        Asked::new()
    }
    fn update_local_data(&self, update: &Vec<Ask>, data: &mut Asked) {
        apply(update, data);
    }
    fn data_diff(&self, old: &Asked, new: &Asked) -> Vec<Ask> {
        let gone = old.keys().filter(|what| !new.contains_key(*what));
        let gone = gone.map(|what| Ask { what: what.clone(), price: None });
        let other = new.iter().filter(|(what, price)| old.get(*what) != Some(price));
        gone.chain(other.map(|(what, price)| Ask { what: what.clone(), price: Some(*price) })).collect()
    }
    fn init_global_view(&self, _: &ScopeName) -> View {
        View::default()
    }
    fn update_global_view_and_notify(
        &self,
        owner: &Owner,
        update: &Vec<Ask>,
        view: &View,
        notices: &mut Notices<'_, Self>,
    ) {
        let trapped = update.iter().any(|ask| ask.what == "trap");
        if trapped && self.trap.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            panic!("a user's bug");
        }
        let mut view = view.lock().unwrap();
        let data = view.entry(owner.clone()).or_default();
        apply(update, data);
        if data.is_empty() {
            view.remove(owner);
        }
        for ask in update {
            notices.notify(&ask.what, &(owner.clone(), ask.price));
        }
    }
    fn new_subscription(&self, what: &String, view: &View) -> BTreeMap<Owner, u32> {
        let view = view.lock().unwrap();
        view.iter().filter_map(|(owner, asked)| Some((owner.clone(), *asked.get(what)?))).collect()
    }
    fn encode_local_data(&self, version: u16, data: &Asked) -> Option<Bytes> {
        self.write(version, &asks(data))
    }
    fn encode_update(&self, version: u16, update: &Vec<Ask>) -> Option<Bytes> {
        self.write(version, update)
    }
    fn decode_local_data(&self, version: u16, bytes: Bytes) -> Option<Asked> {
        let mut data = Asked::new();
        apply(&self.read(version, &bytes)?, &mut data);
        Some(data)
    }
    fn decode_update(&self, version: u16, bytes: Bytes) -> Option<Vec<Ask>> {
        self.read(version, &bytes)
    }
    /// `sold WHAT`, `hello NAME`, `all NAME WHAT=PRICE`, `now NAME WHAT=PRICE`, `bye NAME`, in whole units.
    fn translate_message(&self, message: Bytes, _: &View) -> Foreign<Self> {
        let text = String::from_utf8_lossy(&message).into_owned();
        let words: Vec<&str> = text.split(' ').collect();
        let asks = |words: &[&str]| self.read(1, words.join("\n").as_bytes()).unwrap_or_default();
        let id = |name: &str| Bytes::copy_from_slice(name.as_bytes());
        match words[..] {
            ["sold", what] => Foreign::Update(vec![Ask { what: what.into(), price: None }]),
            ["hello", name] => Foreign::Discover(id(name)),
            ["all", name, ref rest @ ..] => {
                let mut data = Asked::new();
                apply(&asks(rest), &mut data);
                Foreign::LocalData(id(name), data)
            }
            ["now", name, ref rest @ ..] => Foreign::OwnersUpdate(id(name), asks(rest)),
            ["bye", name] => Foreign::Gone(id(name)),
            _ => Foreign::Drop,
        }
    }
    fn plain_local_data(&self, data: &Asked) -> Vec<Bytes> {
        vec![format!("all us {}", data.len()).into()]
    }
    fn plain_update(&self, update: &Vec<Ask>) -> Vec<Bytes> {
        update.iter().map(|ask| Bytes::from(format!("now us {}", ask.what))).collect()
    }
}

async fn on(node: &Node, version: u16) -> Published<Prices> {
    node.publisher("prices", Prices::of(version)).start().await.unwrap()
}

fn ask(what: &str, price: impl Into<Option<u32>>) -> Vec<Ask> {
    vec![Ask { what: what.into(), price: price.into() }]
}

/// What a node asks for something, as another sees it.
fn sees(published: &Published<Prices>, owner: NodeId, what: &str) -> Option<u32> {
    published.view().lock().unwrap().get(&Owner::Member(owner))?.get(what).copied()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_owns_is_seen_by_all_and_withdrawn_while_it_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let mut nodes = start(2).await;
    let stored = || {
        let dir = dir.path().to_owned();
        move |builder: damson::NodeBuilder| builder.data_dir(dir)
    };
    nodes.push(join(&nodes, "third", stored()).await);
    let mut all = Vec::new();
    for node in &nodes {
        all.push(on(node, 1).await);
    }
    let third = nodes[2].id();
    for n in 0..5_000_u32 {
        all[2].update(ask(&format!("w{}", n % 50), n * 100)).await.unwrap();
    }
    assert_eq!(sees(&all[2], third, "w49"), Some(499_900), "a writer sees what it wrote at once");
    until("the others see it", || (0..2).all(|at| sees(&all[at], third, "w49") == Some(499_900))).await;
    assert!(all[2].counters().rebased > 1, "updates are joined: {:?}", all[2].counters());
    let records = |node: &Node| node.scopes().iter().find(|s| s.name.as_str() == "prices").unwrap().keys;
    assert!(records(&nodes[0]) < 1_500, "{} records of 5,000 updates", records(&nodes[0]));
    let (answer, mut told) = all[0].subscribe("w7".into()).await.unwrap();
    assert_eq!(answer, [(Owner::Member(third), 495_700)].into());
    nodes[2].abandon();
    assert_eq!(told.next().await, Some(Told::Notice((Owner::Member(third), None))));
    until("nothing of it is seen", || (0..2).all(|at| sees(&all[at], third, "w49").is_none())).await;
    // Back, but without the publisher: what it owned before is not seen. With it, it begins anew.
    let (_, gone) = (all.pop(), nodes.pop());
    drop(gone);
    nodes.push(join(&nodes, "third", stored()).await);
    assert_eq!(nodes[2].id(), third);
    until("it is there", || nodes[0].members().iter().any(|m| m.id == third && m.state.is_present())).await;
    all.push(on(&nodes[2], 1).await);
    assert_eq!(sees(&all[2], nodes[2].id(), "w49"), None);
    all[2].update(ask("w7", 300)).await.unwrap();
    assert_eq!(
        told.next().await,
        Some(Told::Notice((Owner::Member(third), Some(300)))),
        "and only that is told"
    );
    assert_eq!(sees(&all[0], third, "w49"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_replaced_one_by_one_and_every_read_is_right_at_every_step() {
    let mut nodes = start(3).await;
    let mut all = Vec::new();
    for node in &nodes {
        all.push(on(node, 1).await);
    }
    for (at, published) in all.iter().enumerate() {
        published.update(ask("plum", 100 * (at as u32 + 1))).await.unwrap();
    }
    for step in 0..3_u32 {
        // Out with an old one, in with a new one.
        let (old, published) = (nodes.remove(0), all.remove(0));
        old.stop().await.unwrap();
        drop((old, published));
        nodes.push(join(&nodes, &format!("new{step}"), |builder| builder).await);
        all.push(on(&nodes[2], 2).await);
        all[2].update(ask("fig", 1_000 + step * 100)).await.unwrap();
        let olds = 2 - step;
        for (at, published) in all.iter().enumerate().filter(|_| olds > 0) {
            let peers = published.peers().await;
            assert_eq!(published.published_version().await, 1, "step {step}, {at}: {peers:?}");
        }
        let right = |published: &Published<Prices>| {
            let plums = (0..olds)
                .all(|n| sees(published, nodes[n as usize].id(), "plum") == Some(100 * (n + step + 2)));
            let figs = (0..=step).all(|n| {
                sees(published, nodes[(n + 2 - step) as usize].id(), "fig") == Some(1_000 + n * 100)
            });
            plums && figs && published.view().lock().unwrap().len() == 3
        };
        until("everybody reads everything right", || all.iter().all(right)).await;
        if olds > 0 {
            let cents = all[2].update(ask("fig", 1_001)).await;
            assert!(matches!(cents, Err(PublisherError::Inexpressible { version: 1 })), "{cents:?}");
        }
    }
    for published in &all {
        let new = async {
            while published.published_version().await != 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), new).await.expect("the new version is used at the end");
    }
    all[1].update(ask("fig", 1_234)).await.unwrap();
    let rebased = all[1].counters().rebased;
    assert!(rebased >= 2, "first in version 1, then in version 2: {rebased}");
    until("and can say more", || all.iter().all(|p| sees(p, nodes[1].id(), "fig") == Some(1_234))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_that_nobody_here_translates_are_kept_and_seen_once_they_can_be() {
    let nodes = start(3).await;
    // They never heard of version 1 in time: each publishes in 2, as in two clusters that become one.
    let new = [on(&nodes[0], 2).await, on(&nodes[1], 2).await];
    new[0].update(ask("plum", 250)).await.unwrap();
    let old = on(&nodes[2], 1).await;
    // 2.50 cannot be said in whole units: what is there stays as it is, and the old node says whose it cannot read.
    assert_eq!(sees(&old, nodes[0].id(), "plum"), None);
    let unread = async {
        let is_unread = |peer: &damson::publisher::Peer| peer.untranslated == Some(2);
        while !old.peers().await.iter().any(|peer| peer.node == nodes[0].id() && is_unread(peer)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), unread).await.expect("it says whose data it cannot read");
    until("it is kept, and seen by those who can", || sees(&new[1], nodes[0].id(), "plum") == Some(250))
        .await;
    new[0].update(ask("plum", 300)).await.unwrap();
    until("in whole units it can be read", || sees(&old, nodes[0].id(), "plum") == Some(300)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_from_outside_of_every_kind_are_translated() {
    let nodes = start(3).await;
    let mut all = Vec::new();
    for node in &nodes {
        all.push(on(node, 1).await);
    }
    let mut plain = all[0].plain_messages();
    all[0].update(ask("plum", 100)).await.unwrap();
    assert_eq!(plain.next().await, Some(Plain::Message("now us plum".into())));
    let deliver = async |text: &'static str| all[0].deliver(text.into()).await.unwrap();
    let foreign = |what: &str| {
        let view = all[0].view();
        let view = view.lock().unwrap();
        view.get(&Owner::Foreign("old".into())).and_then(|asked| asked.get(what)).copied()
    };
    deliver("now old fig=3").await;
    assert_eq!(foreign("fig"), None, "of one that was never heard of nothing is taken");
    deliver("hello old").await;
    assert_eq!(plain.next().await, Some(Plain::Message("all us 1".into())), "it is answered");
    deliver("all old fig=3").await;
    deliver("now old fig=4").await;
    assert_eq!(foreign("fig"), Some(400));
    deliver("nonsense").await;
    deliver("bye old").await;
    assert_eq!(foreign("fig"), None);
    deliver("sold plum").await;
    until("an update of ours is everywhere", || {
        all.iter().all(|published| sees(published, nodes[0].id(), "plum").is_none())
    })
    .await;
    assert!(all[1].view().lock().unwrap().is_empty(), "what is outside of one node is seen there only");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_panics_is_made_anew_with_its_view_and_subscribers_are_told_again() {
    let nodes = start(3).await;
    let trap = Arc::new(AtomicUsize::new(2));
    let fragile = {
        let trap = trap.clone();
        let make = move || Prices { version: 1, trap: trap.clone() };
        nodes[0].publisher("prices", make).start().await.unwrap()
    };
    let others = [on(&nodes[1], 1).await, on(&nodes[2], 1).await];
    fragile.update(ask("plum", 100)).await.unwrap();
    let (answer, mut told) = fragile.subscribe("plum".into()).await.unwrap();
    assert_eq!(answer.len(), 1);
    others[0].update(ask("trap", 200)).await.unwrap();
    until("it panicked", || fragile.counters().panics == 2).await;
    until("and sees all again", || {
        let own = sees(&fragile, nodes[0].id(), "plum") == Some(100);
        own && sees(&fragile, nodes[1].id(), "trap") == Some(200)
    })
    .await;
    assert!(matches!(told.next().await, Some(Told::Again(_))));
    until("the others never noticed", || {
        others.iter().all(|p| sees(p, nodes[0].id(), "plum") == Some(100) && p.counters().panics == 0)
    })
    .await;
    fragile.update(ask("plum", 500)).await.unwrap();
    until("it goes on", || sees(&others[1], nodes[0].id(), "plum") == Some(500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_stands_alone_sees_itself_and_is_seen_by_nobody() {
    let nodes = start(3).await;
    let alone = nodes[0].publisher("prices", Prices::of(1)).standalone().start().await.unwrap();
    let others = [on(&nodes[1], 1).await, on(&nodes[2], 1).await];
    alone.update(ask("plum", 100)).await.unwrap();
    others[0].update(ask("fig", 200)).await.unwrap();
    until("the others see each other", || sees(&others[1], nodes[1].id(), "fig") == Some(200)).await;
    assert_eq!(sees(&alone, nodes[0].id(), "plum"), Some(100));
    assert_eq!(alone.view().lock().unwrap().len(), 1);
    assert_eq!(alone.peers().await.len(), 1);
    let all = async {
        while others[0].peers().await.len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("the others know each other");
    assert!(others.iter().all(|other| sees(other, nodes[0].id(), "plum").is_none()));
    let taken = nodes[0].publisher("prices", Prices::of(1)).start().await;
    assert!(matches!(taken, Err(PublisherError::Instance(InstanceError::NameTaken { .. }))));
}
