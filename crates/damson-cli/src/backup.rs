//! `damson backup`: the state of a running node, into a directory.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use damson::backup::{Facts, Folder, Manifest, SEGMENT_BYTES_MAX, Segment};
use serde_json::{Value, json};

use crate::args::Backup;
use crate::http::{self, Answer, Patience};
use crate::progress::{Progress, mib};

/// What the head of an answer may add to a segment, in bytes.
const HEAD_BYTES_MAX: u64 = 64 << 10;

/// A node writes to its disk, or reads eight megabytes from it, while it is waited for.
const PATIENCE: Patience =
    Patience { timeout: Duration::from_secs(60), bytes_max: SEGMENT_BYTES_MAX as u64 + HEAD_BYTES_MAX };

/// Runs the command.
pub fn run(args: &Backup) -> anyhow::Result<ExitCode> {
    if let Some((scheme, _)) = args.to.split_once("://") {
        bail!("--to takes a directory; this version has no object storage ({scheme}://)");
    }
    let began = Instant::now();
    let mut folder = Folder::open(&args.to)?;
    let (manifest, went_on) = http::wait_for(back_up(args, &mut folder)).and_then(|went_on| {
        let manifest = folder.finish()?;
        Ok((manifest, went_on))
    })?;
    tell(args, &manifest, went_on, began.elapsed());
    Ok(ExitCode::SUCCESS)
}

/// Copies what is not there yet. Says how many segments were there already.
async fn back_up(args: &Backup, folder: &mut Folder) -> anyhow::Result<usize> {
    let facts = match gone_on_with(args, folder).await? {
        Some(facts) => facts,
        None => begin(args, folder).await?,
    };
    let went_on = folder.so_far().len();
    copy(args, folder, &facts).await.with_context(|| {
        format!("the backup in {} is not finished: run the same command again to go on with it", args.to)
    })?;
    // It would be dropped anyway, after a while.
    let _ = http::ask("DELETE", &args.http, &format!("/v1/backups/{}", facts.id), PATIENCE).await;
    Ok(went_on)
}

/// The unfinished backup in the directory, if the node has its snapshot still.
async fn gone_on_with(args: &Backup, folder: &Folder) -> anyhow::Result<Option<Facts>> {
    let Some(facts) = folder.facts().cloned() else { return Ok(None) };
    let answer = http::ask("GET", &args.http, &format!("/v1/backups/{}", facts.id), PATIENCE).await?;
    if answer.status == "404" {
        eprintln!(
            "the node at {} no longer has the snapshot of the unfinished backup in {}: beginning anew",
            args.http, args.to
        );
        return Ok(None);
    }
    ensure!(answer.status == "200", "the node answers {}: {}", answer.status, answer.reason());
    folder.check_so_far()?;
    Ok(Some(facts))
}

async fn begin(args: &Backup, folder: &mut Folder) -> anyhow::Result<Facts> {
    let answer = http::ask("POST", &args.http, "/v1/backups", PATIENCE).await?;
    ensure!(answer.status == "201", "the node makes no backup: {}", answer.reason());
    let facts: Facts = serde_json::from_slice(&answer.body)
        .with_context(|| format!("http://{}/v1/backups does not answer as a node does", args.http))?;
    // It becomes part of requests.
    ensure!(
        facts.id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "the node names its backup {:?}",
        facts.id
    );
    folder.begin(facts.clone())?;
    Ok(facts)
}

async fn copy(args: &Backup, folder: &mut Folder, facts: &Facts) -> anyhow::Result<()> {
    let mut progress = Progress::new();
    loop {
        let number = folder.so_far().len();
        let path = format!("/v1/backups/{}/segments/{number}", facts.id);
        let answer = http::ask("GET", &args.http, &path, PATIENCE).await?;
        ensure!(answer.status == "200", "segment {number}: {}", answer.reason());
        let checksum = answer.header("x-damson-blake3").unwrap_or_default().to_string();
        let segment = segment_of(answer).with_context(|| format!("segment {number}"))?;
        folder.add(&segment, &checksum)?;
        let of =
            |part: fn(&damson::backup::SegmentEntry) -> u64| folder.so_far().iter().map(part).sum::<u64>();
        let (rows, bytes) = (of(|entry| entry.rows), of(|entry| entry.bytes));
        progress.part("copying", rows, facts.rows_about, &format!("{rows} rows, {} MiB", mib(bytes)));
        if segment.is_last {
            progress.end();
            return Ok(());
        }
    }
}

fn segment_of(answer: Answer) -> anyhow::Result<Segment> {
    let rows = answer.header("x-damson-rows").and_then(|rows| rows.parse().ok());
    let rows = rows.context("the answer does not say how many rows it has")?;
    let is_last = answer.header("x-damson-last") == Some("true");
    Ok(Segment { bytes: answer.body.into(), rows, is_last })
}

fn tell(args: &Backup, manifest: &Manifest, went_on: usize, took: Duration) {
    let Manifest { facts, segments } = manifest;
    let (rows, bytes) = (manifest.rows(), manifest.bytes());
    if args.json {
        let mut facts = serde_json::to_value(facts).expect("facts have nothing that can fail");
        let more = json!({
            "to": args.to, "rows": rows, "bytes": bytes, "segments": segments.len(), "keys": manifest.facts.keys(),
            "segments_from_before": went_on, "seconds": took.as_secs_f64(),
        });
        if let (Value::Object(facts), Value::Object(more)) = (&mut facts, more) {
            facts.extend(more);
        }
        println!("{facts}");
        return;
    }
    let scopes = facts.scopes.len();
    println!(
        "{}: {} keys in {scopes} scopes of node {}, {rows} rows, {} MiB, in {:.1} s",
        args.to,
        facts.keys(),
        facts.name,
        mib(bytes),
        took.as_secs_f64()
    );
    if !facts.left_out.is_empty() {
        println!("not in it, because the node keeps them in memory only: {}", facts.left_out.join(", "));
    }
}
