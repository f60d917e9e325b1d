//! `damson demo`: a cluster in one process, over real loopback TCP, with something to see.

mod cluster;
mod load;
mod partition;
mod verdict;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use crate::args::Demo;
use cluster::Cluster;
use load::{Load, Pace};

/// Runs the demonstration.
pub fn run(args: &Demo) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if args.headless { runtime.block_on(headless(args)) } else { runtime.block_on(interactive(args)) }
}

async fn interactive(args: &Demo) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    eprintln!("starting {} nodes ...", args.nodes);
    let cluster = Cluster::start(args.nodes).await?;
    cluster.all_linked(Duration::from_secs(20)).await?;
    cluster.say_what_to_try();
    let load = Load::start(&cluster, Pace::Bursts);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    eprintln!("stopping ...");
    load.stop().await;
    cluster.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// A quarter of the time healthy under load, a quarter cut in two, then healed; the verdict needs all to agree.
async fn headless(args: &Demo) -> anyhow::Result<ExitCode> {
    let quarter = args.duration / 4;
    let began = Instant::now();
    let say = |what: &str| eprintln!("[{:5.1} s] {what}", began.elapsed().as_secs_f64());
    say(&format!("starting {} nodes", args.nodes));
    let cluster = Cluster::start(args.nodes).await?;
    cluster.all_linked(Duration::from_secs(20)).await?;
    say("all linked; load on every node");
    let load = Load::start(&cluster, Pace::Steady(Duration::from_millis(2)));
    tokio::time::sleep(quarter).await;
    say("cutting the cluster in two");
    cluster.cut();
    tokio::time::sleep(quarter).await;
    let written = load.stop().await;
    say(&format!("load stopped after {} acknowledged writes; healing", written.acked));
    cluster.heal();
    let healed = Instant::now();
    let agreed = cluster.all_agree(Duration::from_secs(30).max(args.duration)).await;
    let verdict = verdict::judge(&cluster, &written, agreed.then(|| healed.elapsed()));
    say(&verdict.sentence());
    cluster.stop().await;
    if args.json {
        println!("{}", verdict.json());
    }
    Ok(if verdict.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
