//! The driver between a peer that is moved by hand and a disk that stands still when it is told to.
//!
//! Time is tokio's, and paused: to sleep means to let everybody finish what there is to do.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use damson_core::crdt::NodeId;
use damson_core::node::{Boot, Config};
use damson_core::persist::Row;
use damson_core::replica::{Behind, Slot};
use damson_core::wire::{Beat, Message, SyncMessage};
use damson_store::{Durability, LoadReport, MemoryStore, Snapshot, Store, StoreError, Visit};
use parking_lot::{Condvar, Mutex};

use super::*;
use crate::clock::entropy;
use crate::transport::{ByoHandle, ByoLink, ByoTransport, LinkLimits};

/// Far longer than anything takes; a failing test waits so long, in virtual time.
const FOR_EVER: Duration = Duration::from_secs(60);

/// How long a write waits for room: longer than one link holds writers up.
const PATIENCE: Duration = Duration::from_secs(8);

/// A disk that commits only while its gate is open.
struct Gated {
    store: MemoryStore,
    gate: Gate,
}

#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

/// A node's state machine at the other end of a link.
struct Peer {
    id: NodeId,
    node: Core,
    wire: ByoLink,
    clock: OsClock,
}

impl Gate {
    fn shut(&self, shut: bool) {
        *self.0.0.lock() = shut;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        self.0.1.wait_while(&mut self.0.0.lock(), |shut| *shut);
    }
}

impl Store for Gated {
    fn load(&mut self, visit: &mut Visit<'_>) -> Result<LoadReport, StoreError> {
        self.store.load(visit)
    }

    fn commit(&mut self, rows: &[Row], durability: Durability) -> Result<(), StoreError> {
        self.gate.pass();
        self.store.commit(rows, durability)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.store.flush()
    }

    fn take_mark(&mut self) -> Result<Option<Bytes>, StoreError> {
        self.store.take_mark()
    }

    fn leave_mark(&mut self, mark: &[u8]) -> Result<(), StoreError> {
        self.store.leave_mark(mark)
    }

    fn is_full(&self) -> bool {
        self.store.is_full()
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.store.reopen()
    }

    fn snapshot(&mut self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.store.snapshot()
    }
}

impl Peer {
    /// A peer whose link to the driver is open at both ends.
    async fn meet(driver: &Driver, application: &ByoHandle, byte: u8) -> Self {
        let id = NodeId([byte; 16]);
        let clock = OsClock::new();
        let started = Boot::new(Config::new("peer", "default"), id, entropy()).finish(None, clock.now());
        let wire = application.connected(id.0, "peer");
        let mut peer = Self { id, node: started.node, wire, clock };
        peer.carry_out(started.effects);
        let here = driver.look(|node, _| node.id());
        peer.handle(Input::LinkUp { link: LinkId(1), peer: here, dialed: Some("here".into()) });
        while !peer.is_linked(driver) || peer.node.peers().count() == 0 {
            let frame = peer.next().await;
            peer.handle(Input::Frame { link: LinkId(1), frame });
        }
        peer
    }

    fn is_linked(&self, driver: &Driver) -> bool {
        driver.look(|node, _| node.peers().any(|peer| peer == self.id))
    }

    /// The next frame from the driver.
    async fn next(&self) -> Bytes {
        self.wire.next_to_send().await.expect("the link is up")
    }

    /// Waits for a message like this.
    async fn until(&self, is_it: impl Fn(&Message) -> bool) -> Message {
        let until = async {
            loop {
                let message = Message::decode(&self.next().await).unwrap();
                if is_it(&message) {
                    return message;
                }
            }
        };
        tokio::time::timeout(FOR_EVER, until).await.expect("it is said at some time")
    }

    fn handle(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.node.handle(input, self.clock.now(), &mut effects);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut disk = None;
        for effect in effects {
            match effect {
                Effect::Send { frame, .. } => self.wire.receive(frame).unwrap(),
                Effect::AwaitDisk { ticket } => disk = Some(ticket),
                _ => {}
            }
        }
        disk.into_iter().for_each(|ticket| self.handle(Input::Persisted { ticket }));
    }

    /// Writes and says so, whether the trees are grown or not.
    fn push(&mut self, key: &'static str, bytes: usize) {
        let (scope, slot) = (scope(), Slot::key(key));
        let written = self.node.write(&scope, self.clock.now(), &mut Vec::new(), |tx| {
            tx.put_register(&slot, value(bytes), None)
        });
        let mut batches = Vec::new();
        damson_core::crdt::codec::encode_batches(&mut batches, &[written.unwrap().batch.unwrap()]);
        self.wire.receive(Message::Push { scope, batches, round: 1 }.encode()).unwrap();
    }

    fn ping(&self, nonce: u64) {
        let beat =
            Beat { nonce, wall_ms: self.clock.now().wall_ms, digest: [0; 16], neighbor: None, check: None };
        self.wire.receive(Message::Ping(beat, None).encode()).unwrap();
    }

    async fn pong(&self, nonce: u64) {
        self.until(|message| matches!(message, Message::Pong(beat, _) if beat.nonce == nonce)).await;
    }
}

fn scope() -> ScopeName {
    "app".parse().unwrap()
}

fn value(bytes: usize) -> Bytes {
    vec![7; bytes].into()
}

async fn start(limits: LinkLimits) -> (Arc<Driver>, ByoHandle, Gate) {
    let (clock, gate) = (OsClock::new(), Gate::default());
    let (transport, application) = ByoTransport::new("here", limits).unwrap();
    let store = Box::new(Gated { store: MemoryStore::new(), gate: gate.clone() });
    let disk = Disk::start(store, Duration::from_secs(1), |_| Sync::Interval).unwrap();
    let started =
        Boot::new(Config::new("here", "default"), NodeId([1; 16]), entropy()).finish(None, clock.now());
    let tickets = started.effects.iter().filter_map(|effect| match effect {
        Effect::Persist { ticket, .. } => Some(Ticket(*ticket)),
        _ => None,
    });
    let last = tickets.max().unwrap();
    let driver = Driver::start(
        started.node,
        started.effects,
        clock,
        disk,
        Arc::new(transport),
        Room::new(PATIENCE),
        None,
    );
    // No link opens before, and the disk's thread knows nothing of paused time.
    eventually(|| driver.disk.has_reached(last)).await;
    settled().await;
    (driver, application, gate)
}

/// Lets all tasks do what there is to do.
async fn settled() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Waits in real time, for the disk's thread.
async fn eventually(mut is_so: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
        settled().await;
    }
    panic!("not within ten seconds");
}

fn put(driver: &Arc<Driver>, key: &str, bytes: usize) {
    let slot = Slot::key(key.to_owned());
    driver.write(&scope(), |tx| tx.put_register(&slot, value(bytes), None)).unwrap();
}

fn keys(driver: &Driver) -> usize {
    driver.look(|node, _| node.replica(&scope()).map_or(0, damson_core::replica::Replica::keys))
}

/// Leaves the disk without room.
fn fill(driver: &Arc<Driver>, gate: &Gate) {
    gate.shut(true);
    (0..5).for_each(|n| put(driver, &format!("big {n}"), 15 << 20));
}

#[tokio::test(start_paused = true)]
async fn probes_are_answered_while_the_disk_has_no_room_and_writes_wait_for_it() {
    let (driver, application, gate) = start(LinkLimits::default()).await;
    let mut peer = Peer::meet(&driver, &application, 2).await;
    fill(&driver, &gate);
    peer.push("waits", 10);
    settled().await;
    peer.ping(77);
    peer.pong(77).await;
    assert_eq!(keys(&driver), 5, "what would be written waits");
    gate.shut(false);
    eventually(|| keys(&driver) == 6).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_writes_on_while_the_disk_has_no_room_is_still_heard_and_answered() {
    let (driver, application, gate) = start(LinkLimits::default()).await;
    let mut peer = Peer::meet(&driver, &application, 2).await;
    fill(&driver, &gate);
    for key in ["1", "2", "3", "4", "5", "6", "7"] {
        peer.push(key, 4 << 20);
        settled().await;
    }
    peer.ping(78);
    peer.pong(78).await;
    assert!(keys(&driver) < 5 + 7, "not all is taken at once");
    gate.shut(false);
    eventually(|| keys(&driver) == 5 + 7).await;
}

#[tokio::test(start_paused = true)]
async fn what_waited_for_the_disk_is_not_lost_when_its_link_ends() {
    let (driver, application, gate) = start(LinkLimits::default()).await;
    let mut peer = Peer::meet(&driver, &application, 2).await;
    fill(&driver, &gate);
    peer.push("last words", 10);
    settled().await;
    peer.wire.close();
    settled().await;
    assert_eq!(keys(&driver), 6);
    gate.shut(false);
}

/// A lane of four parts of a transfer.
fn narrow() -> LinkLimits {
    LinkLimits { frame_bytes_max: 1 << 20, queue_bytes_max: 1 << 20, ..LinkLimits::default() }
}

fn send(driver: &Arc<Driver>, link: u64, frames: usize) {
    let frame = value(64 << 10);
    let send =
        |_| Effect::Send { link: LinkId(link), lane: damson_core::node::Lane::Bulk, frame: frame.clone() };
    driver.change(|_, _, fx| fx.extend((0..frames).map(send)));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_loses_its_link_at_once_and_the_others_are_served() {
    let (driver, application, _) = start(narrow()).await;
    let slow = Peer::meet(&driver, &application, 2).await;
    let good = Peer::meet(&driver, &application, 3).await;
    send(&driver, 1, 17);
    send(&driver, 2, 3);
    assert!(!slow.is_linked(&driver), "the node knows before anything else happens");
    assert!(good.is_linked(&driver));
    assert_eq!(driver.expelled(), 1);
    assert_eq!(slow.wire.next_to_send().await, None, "what was queued is forgotten");
    for _ in 0..3 {
        while good.next().await.len() != 64 << 10 {}
    }
    settled().await;
    assert!(driver.state.lock().links.len() == 1 && good.is_linked(&driver));
}

#[tokio::test(start_paused = true)]
async fn a_transfer_to_a_slow_reader_that_asks_again_and_again_does_not_close_its_link() {
    let (driver, application, _) = start(narrow()).await;
    (0..64).for_each(|n| put(&driver, &format!("key {n}"), 64 << 10));
    let mut peer = Peer::meet(&driver, &application, 2).await;
    while peer.node.replica(&scope()).is_none_or(|replica| replica.keys() < 64) {
        // What found no room is asked for again after a while.
        let next = tokio::time::timeout(Duration::from_millis(10), peer.next()).await;
        let input = next.map_or(Input::Tick, |frame| Input::Frame { link: LinkId(1), frame });
        let mut effects = Vec::new();
        peer.node.handle(input, peer.clock.now(), &mut effects);
        for effect in effects {
            let Effect::Send { frame, .. } = effect else { continue };
            let next = matches!(Message::decode(&frame), Ok(Message::Sync(SyncMessage::Next { .. })));
            (0..if next { 10 } else { 1 }).for_each(|_| peer.wire.receive(frame.clone()).unwrap());
            settled().await;
        }
    }
    assert_eq!((driver.expelled(), peer.is_linked(&driver)), (0, true));
}

#[tokio::test(start_paused = true)]
async fn a_write_wakes_the_timer_for_what_it_plans() {
    let (driver, application, _) = start(LinkLimits::default()).await;
    let mut peer = Peer::meet(&driver, &application, 2).await;
    while !driver.look(|node, _| node.active_view().contains(&peer.id)) {
        let frame = peer.next().await;
        peer.handle(Input::Frame { link: LinkId(1), frame });
        settled().await;
    }
    // What the greeting has planned is over, and the next probe is not yet due. The peer has not said that we are its
    // parent in any tree, so it is told, not pushed.
    tokio::time::sleep(Duration::from_millis(150)).await;
    let before = tokio::time::Instant::now();
    put(&driver, "key", 1);
    let is_told = |haves: &[damson_core::wire::Have]| haves.iter().any(|have| have.scope == scope());
    peer.until(|message| matches!(message, Message::Have(haves) if is_told(haves))).await;
    assert!(before.elapsed() <= Duration::from_millis(25), "{:?}", before.elapsed());
}

/// Links that are behind from 128 KiB on.
fn quick() -> LinkLimits {
    LinkLimits { backlog_bytes_max: 128 << 10, ..LinkLimits::default() }
}

#[tokio::test(start_paused = true)]
async fn writers_wait_while_a_link_is_behind_and_go_on_when_it_has_caught_up() {
    let (driver, application, _) = start(quick()).await;
    let peer = Peer::meet(&driver, &application, 2).await;
    assert_eq!((driver.behind(), driver.wait_for_room().await), (None, Ok(())));
    send(&driver, 1, 3);
    let busy = WriteError::Busy { behind: Behind::Link };
    assert_eq!(driver.check_room(), Err(busy), "who does not wait is refused");
    let waiting = tokio::spawn({
        let driver = driver.clone();
        async move { driver.wait_for_room().await }
    });
    settled().await;
    assert!(!waiting.is_finished());
    while driver.behind().is_some() {
        peer.next().await;
    }
    assert_eq!(waiting.await.unwrap(), Ok(()));
    assert_eq!((driver.room().held(), driver.room().refused(), driver.expelled()), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_stays_behind_holds_writers_up_for_a_while_only() {
    let (driver, application, _) = start(quick()).await;
    let peer = Peer::meet(&driver, &application, 2).await;
    send(&driver, 1, 3);
    let since = tokio::time::Instant::now();
    assert_eq!(driver.wait_for_room().await, Ok(()));
    let waited = since.elapsed();
    assert!(waited >= Duration::from_secs(5) && waited < Duration::from_millis(5_500), "{waited:?}");
    send(&driver, 1, 1);
    assert_eq!(driver.behind(), None, "until it has caught up");
    while !driver.state.lock().links[&LinkId(1)].sender.is_idle() {
        tokio::time::timeout(Duration::from_millis(10), peer.next()).await.ok();
    }
    send(&driver, 1, 3);
    assert_eq!(driver.behind(), Some(Behind::Link), "behind anew");
    peer.wire.close();
    settled().await;
    assert_eq!(driver.behind(), None, "a link that has ended holds up nobody");
}

#[tokio::test(start_paused = true)]
async fn writers_wait_for_the_disk_and_are_refused_when_it_takes_too_long() {
    let (driver, _, gate) = start(LinkLimits::default()).await;
    fill(&driver, &gate);
    let busy = || Err(WriteError::Busy { behind: Behind::Disk });
    assert_eq!(driver.check_room(), busy());
    assert_eq!(driver.wait_for_room().await, busy(), "in vain");
    let waiting = tokio::spawn({
        let driver = driver.clone();
        async move { driver.wait_for_room().await }
    });
    settled().await;
    assert!(!waiting.is_finished());
    gate.shut(false);
    eventually(|| waiting.is_finished()).await;
    assert_eq!(waiting.await.unwrap(), Ok(()));
}
