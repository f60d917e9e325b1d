//! A network between two nodes: it carries so much in a second, and takes its time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};

/// Bytes that are read at once.
const READ_BYTES: usize = 64 << 10;
/// Reads that are under way at most; 256 MiB of full ones.
const UNDER_WAY_MAX: usize = 4_096;
/// What may pass at once is what the link carries in this time: timers tell no less than a millisecond.
const BURST: Duration = Duration::from_millis(2);
/// The first bytes of a state, and not of greetings.
const FIRST_BYTES: u64 = 16 << 10;

/// How a link carries.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// Bytes in a second; 0 for no limit.
    pub rate: u64,
    pub delay: Duration,
}

/// The network, while it runs.
pub struct Proxy {
    address: String,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

/// What has passed towards those who dial.
#[derive(Debug, Default)]
struct Seen {
    bytes: AtomicU64,
    dialed: OnceLock<Instant>,
    first: OnceLock<Instant>,
}

impl Proxy {
    /// Takes connections and passes them on to a node.
    pub async fn start(node: &str, way: Way) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, seen) = (listener.local_addr()?.to_string(), Arc::new(Seen::default()));
        let task = tokio::spawn(accept(listener, node.to_owned(), way, seen.clone()));
        Ok(Self { address, seen, task })
    }

    pub fn address(&self) -> String {
        self.address.clone()
    }

    /// What has passed towards who dialled.
    pub fn bytes(&self) -> u64 {
        self.seen.bytes.load(Ordering::Relaxed)
    }

    pub fn dialed(&self) -> Option<Instant> {
        self.seen.dialed.get().copied()
    }

    /// When the first bytes of a state had come.
    pub fn first_came(&self) -> Option<Instant> {
        self.seen.first.get().copied()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, node: String, way: Way, seen: Arc<Seen>) {
    while let Ok((dialer, _)) = listener.accept().await {
        seen.dialed.get_or_init(Instant::now);
        let Ok(node) = TcpStream::connect(&node).await else { continue };
        let _ = (dialer.set_nodelay(true), node.set_nodelay(true));
        let ((from_dialer, to_dialer), (from_node, to_node)) = (dialer.into_split(), node.into_split());
        tokio::spawn(carry(from_dialer, to_node, way, Arc::default()));
        tokio::spawn(carry(from_node, to_dialer, way, seen.clone()));
    }
}

/// One direction of one connection, to its end.
async fn carry(from: OwnedReadHalf, to: OwnedWriteHalf, way: Way, seen: Arc<Seen>) {
    let (under_way, arriving) = mpsc::channel(UNDER_WAY_MAX);
    tokio::join!(enter(from, under_way, way), leave(arriving, to, seen));
}

/// What enters the link, as fast as that takes it, and when it comes out.
async fn enter(mut from: OwnedReadHalf, under_way: mpsc::Sender<(Instant, Vec<u8>)>, way: Way) {
    let mut free = Instant::now();
    loop {
        let mut bytes = Vec::with_capacity(READ_BYTES);
        if !matches!(from.read_buf(&mut bytes).await, Ok(1..)) {
            return;
        }
        if way.rate > 0 {
            let takes = Duration::from_secs_f64(bytes.len() as f64 / way.rate as f64);
            let earliest = Instant::now().checked_sub(BURST).unwrap_or(free);
            free = free.max(earliest) + takes;
            sleep_until(free.into()).await;
        }
        if under_way.send((Instant::now() + way.delay, bytes)).await.is_err() {
            return;
        }
    }
}

async fn leave(mut arriving: mpsc::Receiver<(Instant, Vec<u8>)>, mut to: OwnedWriteHalf, seen: Arc<Seen>) {
    while let Some((at, bytes)) = arriving.recv().await {
        sleep_until(at.into()).await;
        if to.write_all(&bytes).await.is_err() {
            return;
        }
        let before = seen.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if before + bytes.len() as u64 >= FIRST_BYTES {
            seen.first.get_or_init(Instant::now);
        }
    }
    // Whoever sent it has closed its side.
    let _ = timeout(Duration::from_secs(1), to.shutdown()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer of so many bytes through a way, and how long it took.
    async fn fetch(bytes: usize, way: Way) -> (Duration, u64) {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(&server.local_addr().unwrap().to_string(), way).await.unwrap();
        let began = Instant::now();
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        let (mut answer, _) = server.accept().await.unwrap();
        let send = async { answer.write_all(&vec![7; bytes]).await.unwrap() };
        let mut got = vec![0; bytes];
        let take = async { client.read_exact(&mut got).await.unwrap() };
        tokio::join!(send, take);
        tokio::time::sleep(Duration::from_millis(20)).await;
        (began.elapsed() - Duration::from_millis(20), proxy.bytes())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_link_carries_no_more_than_its_rate_and_nothing_sooner_than_its_delay() {
        let (took, bytes) =
            fetch(4_000_000, Way { rate: 20_000_000, delay: Duration::from_millis(50) }).await;
        assert!(took >= Duration::from_millis(240), "{took:?}");
        assert_eq!(bytes, 4_000_000);
        let (took, _) = fetch(1, Way { rate: 0, delay: Duration::from_millis(30) }).await;
        assert!(took >= Duration::from_millis(30), "{took:?}");
    }
}
