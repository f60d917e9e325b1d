//! Custom replicas.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use damson::replica::{Delta, Instance, InstanceError, Replica};
use damson::{Node, NodeId, ScopeName};

use crate::cluster::{join, start, until};
use crate::topics::all_linked;

/// What an implementation was told, by the names it serves.
#[derive(Default, Clone)]
struct Board(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    entries: BTreeMap<String, BTreeMap<Bytes, Bytes>>,
    gone: Vec<NodeId>,
    started_over: usize,
}

/// Keeps a projection of what it is told, outside of itself, so that tests can look at it.
struct Projection(Board);

impl Replica for Projection {
    fn merge_delta(&mut self, name: &ScopeName, delta: &Delta) {
        let mut told = self.0.0.lock().unwrap();
        told.started_over += usize::from(delta.starts_over());
        let of = told.entries.entry(name.to_string()).or_default();
        if delta.starts_over() {
            of.clear();
        }
        for entry in delta.entries() {
            match &entry.value {
                Some((value, _)) => _ = of.insert(entry.key.clone(), value.clone()),
                None => _ = of.remove(&entry.key),
            }
        }
    }

    fn remove_node(&mut self, _: &ScopeName, node: NodeId) {
        self.0.0.lock().unwrap().gone.push(node);
    }
}

impl Board {
    fn on(&self, node: &Node, name: &str) -> Instance<Projection> {
        let board = self.clone();
        node.replica(name, move || Projection(board.clone())).start().unwrap()
    }

    fn of(&self, name: &str) -> BTreeMap<Bytes, Bytes> {
        self.0.lock().unwrap().entries.get(name).cloned().unwrap_or_default()
    }

    fn is(&self, name: &str, wanted: &[(&'static str, &'static str)]) -> bool {
        self.of(name) == wanted.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_is_told_what_is_added_and_removed_anywhere_under_the_name_of_the_instance() {
    let nodes = start(3).await;
    let boards: Vec<Board> = nodes.iter().map(|_| Board::default()).collect();
    let of = |name: &str| nodes.iter().zip(&boards).map(|(n, b)| b.on(n, name)).collect::<Vec<_>>();
    let (prices, stock) = (of("prices"), of("stock"));
    prices[0].add("plum", "3").await.unwrap();
    prices[1].add("fig", "5").await.unwrap();
    stock[2].add("plum", "17").await.unwrap();
    let all = |name: &str, wanted: &[(&'static str, &'static str)]| boards.iter().all(|b| b.is(name, wanted));
    until("all are told", || {
        all("prices", &[("plum", "3"), ("fig", "5")]) && all("stock", &[("plum", "17")])
    })
    .await;
    assert!(prices[2].remove("plum").await.unwrap());
    prices[0].add("fig", "6").await.unwrap();
    until("the removal is told", || all("prices", &[("fig", "6")])).await;
    assert!(all("stock", &[("plum", "17")]), "another name is another state");
    let (value, stamp) = prices[1].get("fig").value.unwrap();
    assert_eq!((value, stamp.dot.actor.node), (Bytes::from("6"), nodes[0].id()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn custom_payloads_reach_each_node_once_under_their_own_name() {
    struct Customs(Arc<Mutex<Vec<(String, NodeId, Bytes)>>>);
    impl Replica for Customs {
        fn merge_delta(&mut self, _: &ScopeName, _: &Delta) {}
        fn merge_custom(&mut self, name: &ScopeName, from: NodeId, payload: Bytes) {
            self.0.lock().unwrap().push((name.to_string(), from, payload));
        }
    }
    let nodes = start(3).await;
    // Who is connected only while they are sent hears from then on.
    all_linked(&nodes).await;
    let heard: Vec<Arc<Mutex<Vec<_>>>> = nodes.iter().map(|_| Arc::default()).collect();
    let on = |name: &str| -> Vec<Instance<Customs>> {
        let one = |(node, heard): (&Node, &Arc<Mutex<Vec<_>>>)| {
            let heard = heard.clone();
            node.replica(name, move || Customs(heard.clone())).start().unwrap()
        };
        nodes.iter().zip(&heard).map(one).collect()
    };
    let (fences, other) = (on("fences"), on("other"));
    for n in 0..50_u8 {
        fences[usize::from(n) % 3].broadcast_custom(vec![n]).await.unwrap();
    }
    other[0].broadcast_custom("elsewhere").await.unwrap();
    until("all came", || heard.iter().all(|heard| heard.lock().unwrap().len() >= 51)).await;
    for heard in &heard {
        let mut heard = heard.lock().unwrap().clone();
        heard.sort_by(|a, b| (&a.0, &a.2).cmp(&(&b.0, &b.2)));
        let of = |n: u8| ("fences".to_string(), nodes[usize::from(n) % 3].id(), Bytes::from(vec![n]));
        let wanted: Vec<_> =
            (0..50).map(of).chain([("other".into(), nodes[0].id(), "elsewhere".into())]).collect();
        assert_eq!(heard, wanted, "each once, under its name");
    }
    let large = fences[0].broadcast_custom(vec![0; 2 << 20]).await;
    assert!(matches!(large, Err(damson::CastError::TooLarge { .. })));
    assert_eq!((fences[1].counters().customs, fences[1].counters().customs_lost), (50, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_starts_late_is_told_everything_without_asking() {
    let mut nodes = start(2).await;
    let boards: Vec<Board> = (0..3).map(|_| Board::default()).collect();
    let first = boards[0].on(&nodes[0], "late");
    let _second = boards[1].on(&nodes[1], "late");
    let keys: Vec<String> = (0..3_000).map(|n| format!("k{n}")).collect();
    for key in &keys {
        first
            .scope()
            .write_now(|tx| tx.put_register(&damson::Slot::key(key.clone()), "v".into(), None))
            .unwrap();
    }
    first.remove("k7").await.unwrap();
    nodes.push(join(&nodes, "newcomer", |builder| builder).await);
    let _third = boards[2].on(&nodes[2], "late");
    until("all is told", || boards.iter().all(|board| board.of("late").len() == keys.len() - 1)).await;
    assert!(!boards[2].of("late").contains_key(&Bytes::from("k7")));
    assert_eq!(boards[2].0.lock().unwrap().started_over, 1, "in parts of one telling");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_dies_is_named_once_on_every_other_node() {
    let nodes = start(3).await;
    let boards: Vec<Board> = nodes.iter().map(|_| Board::default()).collect();
    let instances: Vec<_> = nodes.iter().zip(&boards).map(|(n, b)| b.on(n, "gone")).collect();
    instances[2].add("mine", "1").await.unwrap();
    until("all are told", || boards.iter().all(|board| board.is("gone", &[("mine", "1")]))).await;
    let dead = nodes[2].id();
    nodes[2].abandon();
    let gone = |at: usize| boards[at].0.lock().unwrap().gone.clone();
    until("both hear of it", || (0..2).all(|at| gone(at) == [dead])).await;
    assert!(boards[0].is("gone", &[("mine", "1")]), "to keep the entries is a valid choice");
}

/// Panics at one key, as often as it is told to.
struct Fragile {
    inner: Projection,
    panics: Arc<AtomicUsize>,
}

impl Replica for Fragile {
    fn merge_delta(&mut self, name: &ScopeName, delta: &Delta) {
        let hits = delta.entries().iter().any(|entry| entry.key == "bad");
        if hits && self.panics.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            panic!("a user's bug");
        }
        self.inner.merge_delta(name, delta);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_panics_is_made_anew_and_told_everything_and_harms_nobody_else() {
    let nodes = start(3).await;
    let boards: Vec<Board> = (0..4).map(|_| Board::default()).collect();
    let panics = Arc::new(AtomicUsize::new(2));
    let made = Arc::new(AtomicUsize::new(0));
    let fragile = {
        let (board, panics, made) = (boards[0].clone(), panics.clone(), made.clone());
        let make = move || {
            made.fetch_add(1, SeqCst);
            Fragile { inner: Projection(board.clone()), panics: panics.clone() }
        };
        nodes[0].replica("fragile", make).start().unwrap()
    };
    let _others: Vec<_> = (1..3).map(|at| boards[at].on(&nodes[at], "fragile")).collect();
    let neighbour = boards[3].on(&nodes[0], "neighbour");
    fragile.add("good", "1").await.unwrap();
    fragile.add("bad", "2").await.unwrap();
    neighbour.add("other", "3").await.unwrap();
    let wanted: &[_] = &[("good", "1"), ("bad", "2")];
    until("all have it", || boards[..3].iter().all(|board| board.is("fragile", wanted))).await;
    until("so has its neighbour", || boards[3].is("neighbour", &[("other", "3")])).await;
    assert_eq!((fragile.counters().panics, made.load(SeqCst)), (2, 3));
    let failed = fragile.with(|_| -> u8 { panic!("in a question") }).await;
    assert!(matches!(failed, Err(InstanceError::Panicked)));
    until("it is told again", || fragile.counters().started_over >= 4).await;
    until("and is whole", || boards[0].is("fragile", wanted)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_blocks_holds_up_nobody_and_is_told_the_last_state_when_it_goes_on() {
    let nodes = start(3).await;
    struct Blocking(Projection, Arc<AtomicBool>);
    impl Replica for Blocking {
        fn merge_delta(&mut self, name: &ScopeName, delta: &Delta) {
            while self.1.load(SeqCst) && !delta.entries().is_empty() {
                std::thread::yield_now();
            }
            self.0.merge_delta(name, delta);
        }
    }
    let (board, other, blocked) = (Board::default(), Board::default(), Arc::new(AtomicBool::new(true)));
    let _blocking = {
        let (board, blocked) = (board.clone(), blocked.clone());
        nodes[0]
            .replica("slow", move || Blocking(Projection(board.clone()), blocked.clone()))
            .start()
            .unwrap()
    };
    let there = other.on(&nodes[1], "slow");
    // More than what is held for one who does not look.
    for n in 0..20_000_u32 {
        let slot = damson::Slot::key(n.to_be_bytes().to_vec());
        there.scope().write(|tx| tx.put_register(&slot, "v".into(), None)).await.unwrap();
    }
    until("the others go on", || other.of("slow").len() == 20_000).await;
    until("the node itself too", || nodes[0].digest() == nodes[1].digest()).await;
    blocked.store(false, SeqCst);
    until("it is told in the end", || board.of("slow").len() == 20_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_decides_what_is_shown_and_never_what_is_held() {
    let nodes = start(3).await;
    let board = Board::default();
    let strict = {
        let board = board.clone();
        let digits = |key: &[u8], value: &[u8]| {
            assert!(key != b"trap", "a validator with a bug");
            value.iter().all(u8::is_ascii_digit)
        };
        nodes[0].replica("typed", move || Projection(board.clone())).validate(digits).start().unwrap()
    };
    let loose = Board::default().on(&nodes[1], "typed");
    for (key, value) in [("good", "12"), ("nonsense", "x"), ("trap", "1")] {
        loose.add(key, value).await.unwrap();
    }
    loose.scope().set("set").insert("element").await.unwrap();
    until("all was looked at", || {
        let seen = strict.counters();
        (seen.refused, seen.refused_by_panic, seen.foreign) >= (1, 1, 1)
            && board.is("typed", &[("good", "12")])
    })
    .await;
    until("all hold the same", || nodes.iter().all(|node| node.digest() == nodes[1].digest())).await;
    assert_eq!(strict.get("nonsense").value.unwrap().0, "x", "the engine has it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_used_once_on_a_node_and_is_free_after_the_stop() {
    let nodes = start(3).await;
    let hosts_other =
        join(&nodes, "other", |builder| builder.host_only(["elsewhere".parse().unwrap()])).await;
    let board = Board::default();
    let first = board.on(&nodes[0], "taken");
    let again = || nodes[0].replica("taken", || Projection(Board::default())).start();
    assert!(matches!(again(), Err(InstanceError::NameTaken { .. })));
    assert!(matches!(
        nodes[0].replica("~roster", || Projection(Board::default())).start(),
        Err(InstanceError::Name(_))
    ));
    let unhosted = hosts_other.replica("taken", || Projection(Board::default())).start();
    assert!(matches!(unhosted, Err(InstanceError::NotHosted { .. })));
    first.stop();
    let mut second = None;
    until("the name is free", || {
        second = again().ok();
        second.is_some()
    })
    .await;
    assert!(matches!(first.with(|_| ()).await, Err(InstanceError::Ended)));
    let second = second.unwrap();
    second.with(|_| ()).await.unwrap();
    nodes[0].stop().await.unwrap();
    assert!(matches!(second.with(|_| ()).await, Err(InstanceError::Ended)));
}

/// Keeps a set of its own beside the entries: what was seen, and what was taken away.
#[derive(Default)]
struct Beside {
    there: std::collections::BTreeSet<u8>,
    gone: std::collections::BTreeSet<u8>,
    /// Forgets what was taken away, as one would by mistake.
    forgets: bool,
    sound: bool,
}

impl Beside {
    fn take_away(&mut self, n: u8) {
        if self.there.remove(&n) && !self.forgets {
            self.gone.insert(n);
        }
    }
}

impl Replica for Beside {
    fn merge_delta(&mut self, _: &ScopeName, _: &Delta) {}
    fn full_sync_snapshot(&mut self, _: &ScopeName) -> Option<Bytes> {
        let (there, gone) = (self.there.iter().map(|n| [1, *n]), self.gone.iter().map(|n| [0, *n]));
        let bytes: Vec<u8> = there.chain(gone).flatten().collect();
        (!bytes.is_empty()).then(|| bytes.into())
    }
    fn apply_full_sync(&mut self, _: &ScopeName, _: NodeId, snapshot: Bytes) {
        for pair in snapshot.chunks_exact(2) {
            if pair[0] == 0 {
                self.gone.insert(pair[1]);
            } else {
                self.there.insert(pair[1]);
            }
        }
        self.there.retain(|n| !self.gone.contains(n));
    }
    fn anti_entropy(&self) -> bool {
        self.sound
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_beside_the_entries_is_asked_for_at_the_start_and_again_where_that_is_sound() {
    let nodes = start(3).await;
    let on = |at: usize, sound: bool| {
        let make = move || Beside { sound, ..Beside::default() };
        let quick = std::time::Duration::from_millis(100);
        nodes[at].replica("beside", make).anti_entropy_interval(quick).start().unwrap()
    };
    let (first, second) = (on(0, true), on(1, true));
    first.with(|own| own.there.extend([1, 2, 3])).await.unwrap();
    let third = on(2, false);
    let has = async |instance: &Instance<Beside>, wanted: &'static [u8]| {
        let all = move |own: &mut Beside| own.there.iter().copied().eq(wanted.iter().copied());
        let waited = async {
            while !instance.with(all).await.unwrap() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), waited).await.expect("it came");
    };
    has(&third, &[1, 2, 3]).await;
    has(&second, &[1, 2, 3]).await;
    first.with(|own| own.take_away(2)).await.unwrap();
    has(&second, &[1, 3]).await;
    third
        .with(|own| assert!(own.there.contains(&2), "who says that it is not sound is not told again"))
        .await
        .unwrap();
    // After a panic everything is asked for again.
    assert!(third.with(|_| -> u8 { panic!("a bug") }).await.is_err());
    has(&third, &[1, 3]).await;
}

#[test]
fn the_check_of_soundness_finds_removals_that_do_not_last() {
    let act = |own: &mut Beside, at: usize, step: u64| {
        own.there.insert((step % 7) as u8 * 3 + at as u8);
        own.take_away(((step + 3) % 7) as u8 * 3 + at as u8);
    };
    use damson::replica::testing::check_anti_entropy;
    check_anti_entropy(Beside::default, act).unwrap();
    let forgetful = || Beside { forgets: true, ..Beside::default() };
    assert!(check_anti_entropy(forgetful, act).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_an_implementation_panics_it_is_told_everything_again() {
    /// Panics once when it is asked for a snapshot, and once when a member has gone.
    struct Traps(Projection, Arc<AtomicUsize>);
    impl Replica for Traps {
        fn merge_delta(&mut self, name: &ScopeName, delta: &Delta) {
            self.0.merge_delta(name, delta);
        }
        fn full_sync_snapshot(&mut self, _: &ScopeName) -> Option<Bytes> {
            assert!(self.1.fetch_add(1, SeqCst) > 0, "a bug in the snapshot");
            None
        }
        fn remove_node(&mut self, name: &ScopeName, node: NodeId) {
            self.0.remove_node(name, node);
            assert!(self.0.0.0.lock().unwrap().gone.len() > 1, "a bug at the first member that goes");
        }
    }
    let nodes = start(4).await;
    let (board, other) = (Board::default(), Board::default());
    let traps = {
        let (board, asked) = (board.clone(), Arc::new(AtomicUsize::new(0)));
        let make = move || Traps(Projection(board.clone()), asked.clone());
        nodes[0].replica("traps", make).start().unwrap()
    };
    traps.add("plum", "3").await.unwrap();
    until("it is told", || board.is("traps", &[("plum", "3")])).await;
    // Another starts, and asks for a snapshot.
    let _other = other.on(&nodes[1], "traps");
    until("it panicked, and is told again", || {
        traps.counters().panics == 1 && traps.counters().started_over == 2
    })
    .await;
    assert!(board.is("traps", &[("plum", "3")]));
    let gone = [nodes[2].id(), nodes[3].id()];
    nodes[2].abandon();
    nodes[3].abandon();
    until("both are named, whatever became of the first", || {
        let told = board.0.lock().unwrap().gone.clone();
        told.len() == 2 && gone.iter().all(|node| told.contains(node))
    })
    .await;
    until("and everything is told again", || traps.counters().started_over == 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_that_blocks_holds_up_its_own_instance_only() {
    let nodes = start(3).await;
    let blocked = Arc::new(AtomicBool::new(true));
    let (board, other) = (Board::default(), Board::default());
    // More of them than the runtime has threads.
    let slow: Vec<_> = ["one", "two", "three"]
        .into_iter()
        .map(|name| {
            let (board, blocked) = (board.clone(), blocked.clone());
            let wait = move |_: &[u8], _: &[u8]| {
                while blocked.load(SeqCst) {
                    std::thread::yield_now();
                }
                true
            };
            nodes[0].replica(name, move || Projection(board.clone())).validate(wait).start().unwrap()
        })
        .collect();
    for instance in &slow {
        instance.add("k", "v").await.unwrap();
    }
    let free = other.on(&nodes[0], "free");
    free.add("k", "v").await.unwrap();
    until("another instance of the node goes on", || other.is("free", &[("k", "v")])).await;
    blocked.store(false, SeqCst);
    until("so do they, then", || ["one", "two", "three"].iter().all(|name| board.is(name, &[("k", "v")])))
        .await;
}
