//! `damson backup`: the state of a running node, into a directory or object storage.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use damson::backup::{Facts, Manifest, Place, SEGMENT_BYTES_MAX, Segment, Unfinished};
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
    let began = Instant::now();
    let backup = Unfinished::open(Place::parse(&args.to)?)?;
    let (manifest, went_on) = http::wait_for(back_up(args, backup))?;
    tell(args, &manifest, went_on, began.elapsed());
    Ok(ExitCode::SUCCESS)
}

/// Copies what is not there yet. Says how many segments were there already.
async fn back_up(args: &Backup, mut backup: Unfinished) -> anyhow::Result<(Manifest, usize)> {
    let facts = match gone_on_with(args, &backup).await? {
        Some(facts) => facts,
        None => begin(args, &mut backup).await?,
    };
    let went_on = backup.so_far().len();
    copy(args, &mut backup, &facts).await.with_context(|| {
        format!("the backup in {} is not finished: run the same command again to go on with it", args.to)
    })?;
    // Before the node forgets the snapshot: what cannot be finished can then be gone on with.
    let manifest = backup.finish()?;
    // It would be dropped anyway, after a while.
    let _ = http::ask("DELETE", &args.http, &format!("/v1/backups/{}", facts.id), PATIENCE).await;
    Ok((manifest, went_on))
}

/// The unfinished backup that is there, if the node has its snapshot still.
async fn gone_on_with(args: &Backup, backup: &Unfinished) -> anyhow::Result<Option<Facts>> {
    let Some(facts) = backup.facts().cloned() else { return Ok(None) };
    check_id(&facts)?;
    let answer = http::ask("GET", &args.http, &format!("/v1/backups/{}", facts.id), PATIENCE).await?;
    if answer.status == "404" {
        eprintln!(
            "the node at {} no longer has the snapshot of the unfinished backup in {}: beginning anew",
            args.http, args.to
        );
        return Ok(None);
    }
    ensure!(answer.status == "200", "the node answers {}: {}", answer.status, answer.reason());
    let mut progress = Progress::new();
    backup.check_so_far(&mut |done, of| {
        progress.part("checking what is there", done, of, &format!("{} of {} MiB", mib(done), mib(of)));
    })?;
    progress.end();
    Ok(Some(facts))
}

async fn begin(args: &Backup, backup: &mut Unfinished) -> anyhow::Result<Facts> {
    let answer = http::ask("POST", &args.http, "/v1/backups", PATIENCE).await?;
    ensure!(answer.status == "201", "the node makes no backup: {}", answer.reason());
    let facts: Facts = serde_json::from_slice(&answer.body)
        .with_context(|| format!("http://{}/v1/backups does not answer as a node does", args.http))?;
    check_id(&facts)?;
    backup.begin(facts.clone())?;
    Ok(facts)
}

/// It becomes part of requests.
fn check_id(facts: &Facts) -> anyhow::Result<()> {
    let is_plain = facts.id.bytes().all(|byte| byte.is_ascii_hexdigit());
    ensure!(is_plain, "{:?} is no id of a backup", facts.id);
    Ok(())
}

async fn copy(args: &Backup, backup: &mut Unfinished, facts: &Facts) -> anyhow::Result<()> {
    let mut progress = Progress::new();
    loop {
        let number = backup.so_far().len();
        let path = format!("/v1/backups/{}/segments/{number}", facts.id);
        let answer = http::ask("GET", &args.http, &path, PATIENCE).await?;
        ensure!(answer.status == "200", "segment {number}: {}", answer.reason());
        let checksum = answer.header("x-damson-blake3").unwrap_or_default().to_string();
        let segment = segment_of(answer).with_context(|| format!("segment {number}"))?;
        backup.add(&segment, &checksum)?;
        let of =
            |part: fn(&damson::backup::SegmentEntry) -> u64| backup.so_far().iter().map(part).sum::<u64>();
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
