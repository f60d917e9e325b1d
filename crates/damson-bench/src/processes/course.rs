//! The course: form, write, kill, agree, go on.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::cluster::{Cluster, eventually, is_connected};
use super::load::{Load, Write};
use super::outcome::Outcome;
use crate::args::Processes;

/// Until all have started and see one another.
const FORM_MAX: Duration = Duration::from_secs(600);
/// Until the survivors agree.
const AGREE_MAX: Duration = Duration::from_secs(180);
/// How long there is load before the kill, and after it.
const LOAD_BEFORE: Duration = Duration::from_secs(3);
const LOAD_AFTER: Duration = Duration::from_secs(1);
/// At how many processes somebody writes.
const WRITERS: usize = 6;

/// Runs it.
pub fn run(args: &Processes, binary: &Path) -> anyhow::Result<Outcome> {
    let began = Instant::now();
    let (nodes, kill) = (usize::from(args.nodes), usize::from(args.kill));
    let root = tempfile::tempdir().context("no temporary directory")?;
    let mut cluster = Cluster::start(binary, root.path(), nodes)?;
    let formed = eventually(began, FORM_MAX, || cluster.all_see(nodes));
    let formed_ms = formed.context("the processes did not form a cluster within ten minutes")?;
    let first = cluster.write_at_each("before")?;

    let order = shuffled(nodes, args.seed);
    let (victims, survivors) = order.split_at(kill);
    let load = start_load(&cluster, victims, survivors)?;
    std::thread::sleep(LOAD_BEFORE);
    let died = Instant::now();
    cluster.kill(victims)?;
    let (members_agree_ms, state_agree_ms, loaded) = agree(&cluster, nodes, died, load);

    let writes: Vec<Write> = first.into_iter().chain(loaded).collect();
    let (missing, missing_of_killed) = missing(&cluster, &writes, victims)?;
    let after = cluster.write_at_each("after")?;
    let resumed = Instant::now();
    let all_there = || cluster.lacking(&after).is_ok_and(|lacking| lacking.iter().all(BTreeSet::is_empty));
    let goes_on_ms = eventually(resumed, AGREE_MAX, all_there);
    let links = cluster.links()?;
    let degrees = || links.values().map(BTreeSet::len);
    Ok(Outcome {
        nodes: args.nodes,
        killed: args.kill,
        contact_killed: victims.contains(&0),
        formed_ms,
        members_agree_ms,
        state_agree_ms,
        acked: writes.len() + after.len(),
        missing,
        missing_of_killed,
        goes_on_ms,
        degree_min: degrees().min().unwrap_or(0),
        degree_max: degrees().max().unwrap_or(0),
        connected: is_connected(&links),
        wall_s: began.elapsed().as_secs_f64(),
    })
}

/// Half of the writers write at processes that will be killed.
fn start_load(cluster: &Cluster, victims: &[usize], survivors: &[usize]) -> anyhow::Result<Load> {
    let places = victims.iter().take(WRITERS / 2).chain(survivors.iter().take(WRITERS / 2));
    let address = |at: &usize| Ok((*at, cluster.daemons[at].address("redis")?.to_owned()));
    Ok(Load::start(places.map(address).collect::<anyhow::Result<Vec<_>>>()?.into_iter()))
}

/// Members and state are looked at in turns, so that waiting for one does not hide when the other came.
fn agree(
    cluster: &Cluster,
    nodes: usize,
    died: Instant,
    load: Load,
) -> (Option<u64>, Option<u64>, Vec<Write>) {
    std::thread::sleep(LOAD_AFTER.saturating_sub(died.elapsed()));
    let writes = load.stop();
    let now_ms = || u64::try_from(died.elapsed().as_millis()).ok();
    let (mut members_ms, mut state_ms) = (None, None);
    eventually(died, AGREE_MAX, || {
        if members_ms.is_none() && cluster.agrees_on_members(nodes) {
            members_ms = now_ms();
        }
        if state_ms.is_none() && cluster.agrees_on_state() {
            state_ms = now_ms();
        }
        members_ms.is_some() && state_ms.is_some()
    });
    (members_ms, state_ms, writes)
}

/// Writes that some survivor lacks, and those of them that were acknowledged by a killed process and are nowhere.
fn missing(cluster: &Cluster, writes: &[Write], victims: &[usize]) -> anyhow::Result<(usize, usize)> {
    let lacking = cluster.lacking(writes)?;
    let somewhere: BTreeSet<usize> = lacking.iter().flatten().copied().collect();
    let is_gone = |number: &&usize| {
        victims.contains(&writes[**number].at) && lacking.iter().all(|lacks| lacks.contains(*number))
    };
    Ok((somewhere.len(), somewhere.iter().filter(is_gone).count()))
}

/// The places in an order that comes from the seed.
fn shuffled(nodes: usize, seed: u64) -> Vec<usize> {
    let mut places: Vec<usize> = (0..nodes).collect();
    places.sort_by_key(|at| xxh3_64_with_seed(&at.to_le_bytes(), seed));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_comes_from_the_seed_and_nobody_is_safe() {
        assert_eq!(shuffled(30, 5), shuffled(30, 5));
        assert_ne!(shuffled(30, 5), shuffled(30, 6));
        let killed_first = (0..100).filter(|seed| shuffled(30, *seed)[..15].contains(&0)).count();
        assert!((25..75).contains(&killed_first), "{killed_first}");
    }
}
