//! Writes in the background: a few writers, each at one process, one write after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::redis::Client;

/// The pause between two writes of one writer: the processes share the machine.
const PAUSE: Duration = Duration::from_millis(20);

/// The writers.
pub struct Load {
    stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<Vec<Write>>>,
}

/// An acknowledged write. No key is written twice.
pub struct Write {
    pub key: String,
    pub value: String,
    /// The place of the process that acknowledged it.
    pub at: usize,
}

impl Load {
    /// Starts a writer at each of these places, with its address.
    pub fn start(at: impl Iterator<Item = (usize, String)>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let writers = at.map(|(at, address)| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || write(at, &address, &stop))
        });
        Self { writers: writers.collect(), stop: Arc::clone(&stop) }
    }

    /// Ends it, and returns all writes that were acknowledged.
    pub fn stop(self) -> Vec<Write> {
        self.stop.store(true, Ordering::Relaxed);
        self.writers.into_iter().flat_map(|writer| writer.join().expect("writers do not panic")).collect()
    }
}

/// Until it is told to stop, or its process is gone.
fn write(at: usize, address: &str, stop: &AtomicBool) -> Vec<Write> {
    let mut acked = Vec::new();
    let Ok(mut client) = Client::connect(address) else { return acked };
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (key, value) = (format!("load:{at}:{number}"), format!("{number} from {at}"));
        if client.set(&key, &value).is_err() {
            break;
        }
        acked.push(Write { key, value, at });
        std::thread::sleep(PAUSE);
    }
    acked
}
