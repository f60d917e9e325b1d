//! Addresses of names, with a time limit for each asker and at most one lookup for each name.
//!
//! The operating system's lookup blocks a thread and cannot be given up: when a resolver is silent it takes as long as it
//! likes. Who stops waiting and asks again would take one thread more each time, until none is left. So a lookup that was
//! begun is waited for by all who ask for its name, each for its own time.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::watch, time};

use super::BoxFuture;

/// Names that may be looked up at once: well below the threads that tokio has for what blocks.
const IN_FLIGHT_MAX: usize = 64;

/// Asks the operating system, or in tests somebody else.
type Ask = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync;

/// What was found; errors can be told to several askers.
type Answer = Result<Vec<SocketAddr>, (io::ErrorKind, String)>;

/// Lookups under way.
pub(crate) struct Lookups {
    ask: Box<Ask>,
    in_flight: Mutex<BTreeMap<String, watch::Receiver<Option<Answer>>>>,
}

impl Default for Lookups {
    fn default() -> Lookups {
        Lookups::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host(name).await?.collect()) }))
    }
}

impl Lookups {
    fn new(
        ask: impl Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync + 'static,
    ) -> Lookups {
        Lookups { ask: Box::new(ask), in_flight: Mutex::default() }
    }

    /// The addresses of `host:port`; never none.
    pub(crate) async fn resolve(
        self: &Arc<Self>,
        name: &str,
        limit: Duration,
    ) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = name.parse() {
            return Ok(vec![address]);
        }
        let mut answer = self.begin_or_join(name)?;
        let late = || io::Error::new(io::ErrorKind::TimedOut, "the resolver does not answer");
        let answered = time::timeout(limit, answer.wait_for(Option::is_some)).await.map_err(|_| late())?;
        // The task that asked ends without an answer only when its runtime does.
        let answer = answered.ok().and_then(|answer| answer.clone()).ok_or_else(late)?;
        let found = answer.map_err(|(kind, error)| io::Error::new(kind, error))?;
        if found.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        Ok(found)
    }

    fn begin_or_join(self: &Arc<Self>, name: &str) -> io::Result<watch::Receiver<Option<Answer>>> {
        let mut in_flight = self.in_flight.lock();
        if let Some(answer) = in_flight.get(name) {
            return Ok(answer.clone());
        }
        if in_flight.len() >= IN_FLIGHT_MAX {
            return Err(io::Error::other("too many names are being looked up"));
        }
        let (tell, answer) = watch::channel(None);
        in_flight.insert(name.into(), answer.clone());
        let flight = Flight { lookups: self.clone(), name: name.into() };
        let asked = (self.ask)(name.into());
        tokio::spawn(async move {
            let found = asked.await.map_err(|error| (error.kind(), error.to_string()));
            // Whoever asks from now on is not told what was true before.
            drop(flight);
            tell.send_replace(Some(found));
        });
        Ok(answer)
    }
}

/// A lookup under way; it is forgotten with its task.
struct Flight {
    lookups: Arc<Lookups>,
    name: String,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.lookups.in_flight.lock().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    /// Lookups that are answered as permits are given, and how many were begun.
    fn slow() -> (Arc<Lookups>, Arc<Semaphore>, Arc<AtomicUsize>) {
        let (permits, begun) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let (answers, counts) = (permits.clone(), begun.clone());
        let lookups = Lookups::new(move |_| {
            counts.fetch_add(1, Ordering::Relaxed);
            let answers = answers.clone();
            Box::pin(async move {
                answers.acquire().await.unwrap().forget();
                Ok(vec!["10.0.0.1:7400".parse().unwrap()])
            })
        });
        (Arc::new(lookups), permits, begun)
    }

    #[tokio::test(start_paused = true)]
    async fn a_resolver_that_is_silent_costs_one_lookup_for_each_name_however_often_it_is_asked() {
        let (lookups, permits, begun) = slow();
        for _ in 0..10 {
            let error = lookups.resolve("a.example:7400", LIMIT).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
        assert_eq!(begun.load(Ordering::Relaxed), 1);
        permits.add_permits(2);
        assert_eq!(lookups.resolve("a.example:7400", LIMIT).await.unwrap().len(), 1);
        assert_eq!(begun.load(Ordering::Relaxed), 1, "the last asker had the answer of the first lookup");
        lookups.resolve("a.example:7400", LIMIT).await.unwrap();
        assert_eq!(begun.load(Ordering::Relaxed), 2, "an answer is not kept");
    }

    #[tokio::test(start_paused = true)]
    async fn names_beyond_the_limit_fail_at_once_and_addresses_are_never_looked_up() {
        let (lookups, _permits, begun) = slow();
        for n in 0..IN_FLIGHT_MAX {
            assert!(lookups.resolve(&format!("n{n}.example:1"), LIMIT).await.is_err());
        }
        let began = time::Instant::now();
        assert!(lookups.resolve("one-more.example:1", LIMIT).await.is_err());
        assert_eq!(lookups.resolve("[::1]:7400", LIMIT).await.unwrap().len(), 1);
        assert_eq!((began.elapsed(), begun.load(Ordering::Relaxed)), (Duration::ZERO, IN_FLIGHT_MAX));
    }
}
