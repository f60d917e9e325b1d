//! One run: a cluster comes up, fate takes its turns, all is healed, and the outcome is judged.

use std::io::Write;

use crate::invariants;
use crate::options::ClusterOptions;
use crate::report::{Progress, Report};
use crate::scenario;
use crate::world::World;

/// How long a healed cluster may take to agree, in virtual milliseconds.
const HEAL_MS_MAX: u64 = 120_000;
/// How long traces of ended lives may stay after that.
const TRACES_MS_MAX: u64 = 60_000;
/// How often agreement is looked for, in virtual milliseconds.
const LOOK_MS: u64 = 500;

/// Simulates a cluster.
pub fn run_cluster(options: &ClusterOptions, progress: &mut dyn FnMut(Progress)) -> Report {
    run(options, progress, None)
}

/// Simulates a cluster, and writes everything that passes a node's border as lines of tab-separated text: microseconds,
/// node, what, and the bytes in hexadecimal digits.
pub fn run_cluster_dumping(
    options: &ClusterOptions,
    progress: &mut dyn FnMut(Progress),
    dump: &mut dyn Write,
) -> Report {
    run(options, progress, Some(dump))
}

fn run(options: &ClusterOptions, progress: &mut dyn FnMut(Progress), dump: Option<&mut dyn Write>) -> Report {
    let mut world = World::new(options, dump);
    world.begin();
    scenario::play(&mut world, progress);
    if world.is_over() { report(&world, false, 0) } else { finish(&mut world) }
}

/// Heals everything, waits for agreement, and judges.
pub(crate) fn finish(world: &mut World<'_>) -> Report {
    scenario::heal(world);
    let mut waited_ms = 0;
    while waited_ms < HEAL_MS_MAX && !(waited_ms > 0 && is_quiet(world)) {
        world.run_for(LOOK_MS);
        waited_ms += LOOK_MS;
    }
    let finding = invariants::check_convergence(&world.scene(), waited_ms);
    let converged = finding.is_none();
    finding.into_iter().for_each(|finding| world.find(finding));
    wait_for_traces(world);
    judge(world);
    report(world, converged, waited_ms)
}

/// Whoever never came back was not asked, and so nothing is removed.
fn wait_for_traces(world: &mut World<'_>) {
    if world.hosts.iter().any(|host| host.gone) {
        return;
    }
    let mut waited_ms = 0;
    while waited_ms < TRACES_MS_MAX && !invariants::check_traces(&world.scene()).is_empty() {
        world.run_for(LOOK_MS);
        waited_ms += LOOK_MS;
    }
    let findings = invariants::check_traces(&world.scene());
    findings.into_iter().for_each(|finding| world.find(finding));
}

fn is_quiet(world: &World<'_>) -> bool {
    let scene = world.scene();
    invariants::agree(&scene) && invariants::roster_complete(&scene)
}

fn judge(world: &mut World<'_>) {
    let findings = invariants::check_final(&world.scene());
    findings.into_iter().for_each(|finding| world.find(finding));
    for at in world.running() {
        for scope in world.scopes.clone() {
            let World { hosts, oracle, .. } = world;
            let process = hosts[at].process.as_mut().expect("it runs");
            let replica = process.node.replica_mut(&scope);
            let findings =
                replica.map(|replica| invariants::check_contents(at, replica, oracle)).unwrap_or_default();
            findings.into_iter().take(3).for_each(|finding| world.find(finding));
        }
    }
}

fn report(world: &World<'_>, converged: bool, converged_ms: u64) -> Report {
    let options = &world.options;
    let scene = world.scene();
    let tally = invariants::tally(&scene);
    Report {
        runs: 1,
        seed: options.seed,
        nodes: options.nodes,
        broken: options.break_rule.map(|rule| rule.name().to_owned()),
        virtual_s: world.now.0 / 1_000_000,
        written: world.written,
        acked: world.oracle.acked(),
        lost: tally.lost + invariants::lost_writes(&scene),
        resurrected: tally.resurrected,
        gone_with_disk: world.oracle.gone(),
        violations: world.violations,
        converged,
        converged_ms,
        trace_hash: world.trace_hash(),
        events: world.events,
        frames: world.frames,
        frames_lost: world.frames_lost,
        faults: world.faults.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        first: world.first.clone(),
        command: options.command(),
    }
}
