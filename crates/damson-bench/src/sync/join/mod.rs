//! A new node takes everything.

#[cfg(feature = "peers")]
mod chitchat;
mod damson;

use std::time::Duration;

use crate::args::SyncArgs;
use crate::comparison::{Better, Comparison, Measured, Row};

/// What it took until both were equal.
#[derive(Debug, Clone, Copy)]
pub struct Joined {
    pub took: Duration,
    pub bytes: u64,
}

/// In which it must have ended.
const WITHIN: Duration = Duration::from_secs(300);

/// In turns who is first.
pub fn compare(args: &SyncArgs, out: &mut Comparison) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut runs = Vec::new();
    for run in 0..args.runs {
        let theirs = if run % 2 == 1 { Some(runtime.block_on(peer(args))) } else { None };
        let ours = runtime.block_on(damson::measure(args.keys))?;
        let theirs = match theirs {
            Some(theirs) => theirs,
            None => runtime.block_on(peer(args)),
        };
        runs.push((ours, theirs));
    }
    let of = |figure: fn(Joined) -> f64| -> Vec<(f64, Measured)> {
        runs.iter().map(|(ours, theirs)| (figure(*ours), theirs.clone().map(figure))).collect()
    };
    let ms = of(|joined| joined.took.as_secs_f64() * 1_000.0);
    out.push(Row::new("join_ms", "chitchat", Better::Less, &ms).meant(2.0));
    let bytes = of(|joined| joined.bytes as f64);
    out.push(Row::new("join_bytes", "chitchat", Better::Less, &bytes));
    Ok(())
}

/// Where it fails, Damson's figures stand all the same.
#[cfg(feature = "peers")]
async fn peer(args: &SyncArgs) -> Result<Joined, String> {
    chitchat::measure(args.keys, args.gossip()).await.map_err(|error| format!("{error:#}"))
}

#[cfg(not(feature = "peers"))]
async fn peer(_: &SyncArgs) -> Result<Joined, String> {
    Err(crate::comparison::NOT_BUILT.into())
}
