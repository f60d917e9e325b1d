//! A name whose addresses are contacts: all of them, asked again and again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{DiscoveryConfig, News, Report};
use crate::transport::Lookups;

/// Resolves a name until the driver stops.
pub(super) async fn follow(name: String, lookups: Arc<Lookups>, report: Report, config: DiscoveryConfig) {
    let mut stopping = report.stopping();
    let pause = config.dns_interval.min(config.dns_interval_alone);
    let mut resolves = News(None);
    loop {
        let found = tokio::select! {
            found = resolve(&lookups, &name, config.dns_timeout, config.addresses_max) => found,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        let asked = Instant::now();
        let is_news = resolves.is_new(&found.is_ok());
        match found {
            Ok(found) => {
                if is_news {
                    tracing::info!(name, addresses = found.len(), "contacts by name");
                }
                report.put(found);
            }
            Err(error) if is_news => tracing::warn!(
                name,
                error,
                "the name of contacts cannot be resolved: it is asked again, what was found before stays; \
                 check the name and the resolver of this machine"
            ),
            Err(error) => tracing::debug!(name, error, "the name has no addresses yet"),
        }
        while asked.elapsed() < config.dns_interval {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            if report.is_alone() {
                break;
            }
        }
    }
}

/// All addresses of a name, in an order that does not depend on the resolver's.
async fn resolve(
    lookups: &Arc<Lookups>,
    name: &str,
    limit: Duration,
    max: usize,
) -> Result<Vec<String>, String> {
    let found = lookups.resolve(name, limit).await.map_err(|error| error.to_string())?;
    let mut found: Vec<String> = found.iter().map(ToString::to_string).collect();
    found.sort();
    found.dedup();
    found.truncate(max);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_addresses_of_a_name_are_found_up_to_the_limit_and_a_name_without_any_is_an_error() {
        let lookups = Arc::default();
        let resolve = |name, max| resolve(&lookups, name, Duration::from_secs(5), max);
        let found = resolve("localhost:7400", 10).await.unwrap();
        assert!(found.contains(&"127.0.0.1:7400".to_string()), "{found:?}");
        assert_eq!(resolve("localhost:7400", 1).await.unwrap().len(), 1);
        assert!(resolve("no-such-name.invalid:7400", 10).await.is_err());
    }
}
