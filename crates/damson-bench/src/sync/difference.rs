//! Scattered differences.

use anyhow::ensure;
use damson_sim::bench::sync::{SyncBenchOptions, SyncBenchReport, SyncPath, run_sync};

use crate::args::SyncArgs;
use crate::clock::thread_time;
use crate::comparison::{Better, Comparison, Measured, Row};

/// How many times fewer bytes Damson is meant to say than negentropy.
const GOAL: f64 = 20.0;

/// What a peer said until what differs was known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Said {
    pub bytes: u64,
    pub round_trips: f64,
}

/// What Damson is asked for.
///
/// # Errors
/// The limit that is broken.
pub fn options(args: &SyncArgs) -> anyhow::Result<SyncBenchOptions> {
    let (keys, diff) = (usize::try_from(args.keys)?, usize::try_from(args.diff)?);
    let options = SyncBenchOptions { runs: args.runs, ..SyncBenchOptions::new(keys, diff, SyncPath::Sketch) };
    options.check().map_err(anyhow::Error::msg)?;
    Ok(options)
}

/// Damson's figures are medians of its runs, so each peer's are.
pub fn compare(args: &SyncArgs, out: &mut Comparison) -> anyhow::Result<()> {
    let ours = damson(&options(args)?)?;
    let (ranges, symbols) = (negentropy(args)?, riblt(args)?);
    let said = ours.sketch_bytes as f64;
    out.push(row("difference_bytes", "negentropy", said, bytes(&ranges)).meant(GOAL));
    out.push(row("difference_bytes_riblt", "riblt", said, bytes(&symbols)));
    out.push(row("round_trips", "negentropy", ours.round_trips, ranges.map(|said| said.round_trips)));
    out.say("damson_bytes_with_contents", ours.bytes);
    out.say("damson_payload_bytes", ours.payload_bytes);
    Ok(())
}

fn row(name: &'static str, peer: &'static str, ours: f64, theirs: Measured) -> Row {
    Row::new(name, peer, Better::Less, &[(ours, theirs)])
}

fn bytes(said: &Result<Said, String>) -> Measured {
    said.as_ref().map(|said| said.bytes as f64).map_err(Clone::clone)
}

fn damson(options: &SyncBenchOptions) -> anyhow::Result<SyncBenchReport> {
    let report = run_sync(options, &thread_time, &mut |_| ()).map_err(anyhow::Error::msg)?;
    ensure!(report.fault().is_none(), "Damson: {}", report.fault().unwrap_or_default());
    Ok(report)
}

#[cfg(feature = "peers")]
fn negentropy(args: &SyncArgs) -> anyhow::Result<Result<Said, String>> {
    let said = super::peers::ranges(args.keys, args.diff, args.runs)?;
    Ok(Ok(said))
}

#[cfg(feature = "peers")]
fn riblt(args: &SyncArgs) -> anyhow::Result<Result<Said, String>> {
    super::peers::symbols(args.keys, args.diff, args.runs)
}

#[cfg(not(feature = "peers"))]
fn negentropy(_: &SyncArgs) -> anyhow::Result<Result<Said, String>> {
    Ok(Err(crate::comparison::NOT_BUILT.into()))
}

#[cfg(not(feature = "peers"))]
fn riblt(_: &SyncArgs) -> anyhow::Result<Result<Said, String>> {
    Ok(Err(crate::comparison::NOT_BUILT.into()))
}
