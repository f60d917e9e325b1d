//! A new node takes everything over a network that is slow, or far away.
//!
//! ```text
//!   first node <-- TCP --> proxy (rate, delay) <-- TCP --> new node
//!                            `--> bytes, moments --> outcome --> text or JSON
//! ```

mod outcome;
mod proxy;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::args::JoinArgs;
use crate::damsons::Nodes;
use crate::entry::KEY_BYTES;
use crate::patience::wait_for;
use outcome::Outcome;
use proxy::{Proxy, Way};

/// In which it must have ended, beside what the network takes.
const WITHIN: Duration = Duration::from_secs(300);

/// Measures it, and prints what came out.
pub fn run(args: &JoinArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(measure(args))?;
    match args.json {
        true => println!("{}", serde_json::to_string(&outcome)?),
        false => print!("{}", outcome.text()),
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure(args: &JoinArgs) -> anyhow::Result<Outcome> {
    let value_bytes = args.value_bytes as usize;
    let minimal_bytes = args.minimal_bytes(KEY_BYTES);
    let within = WITHIN + Duration::from_secs(minimal_bytes.checked_div(args.rate).unwrap_or(0) * 4);
    let mut nodes = Nodes::none()?;
    nodes.add(None).await?;
    nodes.put(args.keys, value_bytes).await?;
    let way = Way { rate: args.rate, delay: args.delay() };
    let proxy = Proxy::start(&nodes.first_address(), way).await?;
    nodes.add(Some(proxy.address())).await?;
    let equal = wait_for(within, async || nodes.are_equal()).await;
    let (ended, bytes) = (Instant::now(), proxy.bytes());
    equal.with_context(|| format!("the new node lacks keys after {} s", within.as_secs()))?;
    let seconds = |ended: Instant, began: Instant| ended.saturating_duration_since(began).as_secs_f64();
    let began = proxy.dialed().context("the new node did not dial the proxy")?;
    let first = proxy.first_came().map(|first| seconds(first, began));
    nodes.check(args.keys, value_bytes)?;
    nodes.stop().await?;
    Ok(Outcome::new(args, bytes, seconds(ended, began), first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_new_node_takes_all_through_the_proxy_and_no_faster_than_it_carries() {
        let args = JoinArgs { keys: 4_000, value_bytes: 1_000, rate: 10_000_000, delay_ms: 20, json: true };
        let outcome = measure(&args).await.unwrap();
        assert!(outcome.bytes >= outcome.minimal_bytes && outcome.minimal_bytes == 4_064_000, "{outcome:?}");
        assert!(outcome.ratio.is_some_and(|ratio| ratio >= 0.99), "{outcome:?}");
        // TLS, greetings, digests.
        let first = outcome.first_seconds.unwrap();
        assert!(first >= 0.12 && first < outcome.seconds, "{outcome:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn without_a_limit_there_is_no_ratio() {
        let args = JoinArgs { keys: 100, value_bytes: 0, rate: 0, delay_ms: 0, json: true };
        let outcome = measure(&args).await.unwrap();
        assert_eq!((outcome.ratio, outcome.minimal_bytes), (None, 1_600));
    }
}
