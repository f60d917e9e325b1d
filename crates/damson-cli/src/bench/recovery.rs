//! `damson bench recovery`: how long a start takes after the process died, and what the data take on disk.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use bytes::Bytes;
use damson::{Node, Slot, Sync};
use serde_json::json;

use crate::args::BenchRecovery;
use crate::progress::Progress;
use crate::report::print;

const KEY_BYTES: usize = 16;
const VALUE_BYTES: usize = 64;
/// Puts before the last is waited for.
const PIPELINE: u32 = 1_024;

/// Runs the benchmark, and shows the figures.
pub fn run(args: &BenchRecovery) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match &args.write_to {
        Some(directory) => runtime.block_on(write_and_abort(directory, args.keys)),
        None => runtime.block_on(measure(args)),
    }
}

async fn measure(args: &BenchRecovery) -> anyhow::Result<ExitCode> {
    let mut progress = Progress::new();
    let directory = tempfile::Builder::new().prefix("damson-bench-").tempdir()?;
    progress.step(&format!("writing {} keys", args.keys));
    let bytes_written = write_in_child(directory.path(), args.keys)?;
    progress.step("opening");
    let open_ms = open(directory.path(), args.keys).await?;
    progress.step("opening again");
    let clean_open_ms = open(directory.path(), args.keys).await?;
    let bytes_on_disk = bytes_in(directory.path())?;
    progress.end();
    let payload_bytes = u64::from(args.keys) * (KEY_BYTES + VALUE_BYTES) as u64;
    let report = json!({
        "keys": args.keys,
        "open_ms": open_ms,
        "keys_per_s": f64::from(args.keys) / open_ms * 1e3,
        "clean_open_ms": clean_open_ms,
        "payload_bytes": payload_bytes,
        "bytes_on_disk": bytes_on_disk,
        "bytes_on_disk_over_payload": bytes_on_disk as f64 / payload_bytes as f64,
        "bytes_written": bytes_written,
        "write_amplification": bytes_written as f64 / payload_bytes as f64,
    });
    print(&report, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// Starts a node, checks that it has all, and stops it cleanly. Says how long the start took.
async fn open(directory: &Path, keys: u32) -> anyhow::Result<f64> {
    let began = Instant::now();
    let node = start(directory).await?;
    let found = node.scope("bench")?.read(|view| view.len());
    let open_ms = began.elapsed().as_secs_f64() * 1e3;
    ensure!(found == keys as usize, "{found} of {keys} keys are there after the start");
    node.stop().await?;
    Ok(open_ms)
}

async fn start(directory: &Path) -> anyhow::Result<Node> {
    Ok(Node::builder("bench").data_dir(directory).sync(Sync::Interval).start().await?)
}

fn write_in_child(directory: &Path, keys: u32) -> anyhow::Result<u64> {
    let own = std::env::current_exe().context("where is this command?")?;
    let mut child = Command::new(own);
    child.args(["bench", "recovery", "--keys", &keys.to_string(), "--write-to"]).arg(directory);
    let output = child.stderr(Stdio::inherit()).output().context("the child that writes does not start")?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().with_context(|| format!("the child that writes said {text:?}"))
}

async fn write_and_abort(directory: &Path, keys: u32) -> anyhow::Result<ExitCode> {
    let node = start(directory).await?;
    let scope = node.scope("bench")?;
    let mut last = None;
    for n in 0..keys {
        let (slot, value) = (Slot::key(key(n)), value(n));
        last = Some(scope.issue(|tx| tx.put_register(&slot, value, None)).await?.ticket);
        if n % PIPELINE == 0 {
            scope.durable(last.take().context("it was written")?).await?;
        }
    }
    if let Some(ticket) = last {
        scope.durable(ticket).await?;
    }
    println!("{}", bytes_written()?);
    std::process::abort();
}

fn key(n: u32) -> Bytes {
    format!("{:0>width$}", n.reverse_bits(), width = KEY_BYTES).into()
}

/// Nothing that can be compressed.
fn value(n: u32) -> Bytes {
    let mut word = u64::from(n) << 8 | 1;
    let words = (0..VALUE_BYTES / 8).flat_map(|_| {
        word = word.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31) ^ 0x5851_f42d_4c95_7f2d;
        word.to_le_bytes()
    });
    words.collect()
}

/// What this process has had written to disk.
fn bytes_written() -> anyhow::Result<u64> {
    // Where the system does not tell there is no figure.
    let Ok(told) = fs::read_to_string("/proc/self/io") else { return Ok(0) };
    let line = told.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.context("the system does not tell what was written")?.parse()?)
}

/// What a directory takes on disk.
fn bytes_in(directory: &Path) -> anyhow::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { bytes_in(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_have_their_lengths_and_differ() {
        let all: std::collections::BTreeSet<Bytes> = (0..1_000).flat_map(|n| [key(n), value(n)]).collect();
        assert_eq!(all.len(), 2_000);
        assert!(all.iter().all(|bytes| [KEY_BYTES, VALUE_BYTES].contains(&bytes.len())));
    }
}
