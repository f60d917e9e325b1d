//! `damson bench durable`: acknowledged means on disk, beside a bare file that is appended to and synced.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use damson::{Node, Slot, Sync};
use serde_json::json;

use crate::args::BenchDurable;
use crate::progress::Progress;
use crate::report::print;

const TURN: Duration = Duration::from_secs(1);
const VALUE_BYTES: usize = 64;
/// A key and a value.
const RECORD_BYTES: usize = 16 + VALUE_BYTES;

/// Runs the benchmark, and shows the figures.
pub fn run(args: &BenchDurable) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let directory = tempfile::Builder::new().prefix("damson-bench-").tempdir()?;
    let data = directory.path().join("node");
    let start = async || Node::builder("bench").data_dir(&data).sync(Sync::Always).start().await;
    let node = runtime.block_on(start())?;
    let mut progress = Progress::new();
    let (mut puts, mut appends) = (0, 0);
    for turn in 0..args.turns {
        progress.step(&format!("turn {} of {}", turn + 1, args.turns));
        puts += runtime.block_on(put(&node, turn, args.writers))?;
        appends += append(&directory.path().join("log"), args.writers)?;
    }
    progress.end();
    runtime.block_on(node.stop())?;
    let rate = |count: u64| count as f64 / TURN.as_secs_f64() / f64::from(args.turns);
    let report = json!({
        "writers": args.writers,
        "turns": args.turns,
        "puts_per_s": rate(puts),
        "log_per_s": rate(appends),
        "ratio": rate(puts) / rate(appends),
    });
    print(&report, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// Puts into the node for a turn.
async fn put(node: &Node, turn: u16, writers: u16) -> anyhow::Result<u64> {
    let until = Instant::now() + TURN;
    let mut tasks = Vec::new();
    for writer in 0..writers {
        let scope = node.scope("bench")?;
        tasks.push(tokio::spawn(async move {
            let mut count = 0_u64;
            while Instant::now() < until {
                let slot = Slot::key(Bytes::from(format!("{turn:03}.{writer:04}.{count:07}")));
                let value = Bytes::from(vec![7; VALUE_BYTES]);
                scope.write(|tx| tx.put_register(&slot, value, None)).await?;
                count += 1;
            }
            anyhow::Ok(count)
        }));
    }
    let mut sum = 0;
    for task in tasks {
        sum += task.await??;
    }
    Ok(sum)
}

/// Appends to a bare file for a turn.
fn append(path: &Path, writers: u16) -> anyhow::Result<u64> {
    let (sender, queue) = channel::<SyncSender<()>>();
    let file = File::options().create(true).append(true).open(path).context("no log")?;
    let log = std::thread::spawn(move || sync_groups(file, &queue));
    let until = Instant::now() + TURN;
    let writers: Vec<_> = (0..writers)
        .map(|_| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let (done, is_done) = sync_channel(1);
                let mut count = 0_u64;
                while Instant::now() < until && sender.send(done.clone()).is_ok() {
                    if is_done.recv().is_err() {
                        break;
                    }
                    count += 1;
                }
                count
            })
        })
        .collect();
    drop(sender);
    let count = writers.into_iter().map(|writer| writer.join().expect("writers do not panic")).sum();
    log.join().expect("the log does not panic")?;
    Ok(count)
}

/// Appends all that waits as one group, and syncs it.
fn sync_groups(mut file: File, queue: &Receiver<SyncSender<()>>) -> std::io::Result<()> {
    while let Ok(first) = queue.recv() {
        let group: Vec<_> = std::iter::once(first).chain(queue.try_iter()).collect();
        file.write_all(&vec![7; group.len() * RECORD_BYTES])?;
        file.sync_data()?;
        // A writer whose turn is over may have gone.
        group.iter().for_each(|writer| _ = writer.try_send(()));
    }
    Ok(())
}
