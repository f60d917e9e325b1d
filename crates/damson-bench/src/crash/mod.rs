//! Nothing acknowledged is lost: real processes under load, killed with kill -9 at random instants, again and again.
//!
//! ```text
//!   plan (from the seed) --> course: nodes, writers, look --> events --> judge --> outcome --> text or JSON
//!                                                               `--> dump --> judge (--from)
//! ```
//!
//! The judge sees nothing but events, so the figures can be computed again from a dump, by this program or another.

pub mod chance;
mod course;
pub mod evidence;
pub mod judge;
mod look;
mod nodes;
pub mod op;
mod outcome;
mod plan;
pub mod progress;
mod writers;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;

use crate::args::CrashArgs;
use crate::binary;
use course::Course;
use evidence::{Dump, Event};
use judge::Judge;
use nodes::Nodes;
use outcome::Outcome;
use progress::Progress;

/// Runs it and prints what came out. Fails when something that must hold did not.
pub fn run(args: &CrashArgs) -> anyhow::Result<ExitCode> {
    let outcome = match &args.from {
        Some(dump) => judge_again(dump)?,
        None => kill_again_and_again(args)?,
    };
    match args.json {
        true => println!("{}", serde_json::to_string(&outcome)?),
        false => print!("{}", outcome.text()),
    }
    Ok(if outcome.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn kill_again_and_again(args: &CrashArgs) -> anyhow::Result<Outcome> {
    let began = Instant::now();
    let seed = args.seed.unwrap_or_else(seed_of_now);
    let nodes = usize::from(args.nodes);
    eprintln!("seed {seed}");
    let binary = binary::find(args.binary.as_deref())?;
    let root =
        tempfile::Builder::new().prefix("damson-crash-").tempdir().context("no temporary directory")?;
    let mut dump = args.dump.as_deref().map(Dump::create).transpose()?;
    let (mut judge, mut progress) = (Judge::default(), Progress::new());
    let mut note = |judge: &mut Judge, event: &Event| -> anyhow::Result<()> {
        dump.as_mut().map_or(Ok(()), |dump| dump.add(event))?;
        judge.take(event).iter().for_each(|wrong| eprintln!("{wrong}"));
        Ok(())
    };
    note(&mut judge, &Event::Began { seed, nodes })?;
    let ran = Nodes::start(binary, root.path(), &args.sync, nodes).and_then(|nodes| {
        let mut course = Course::start(seed, nodes);
        for cycle in 1..=args.cycles {
            progress.tell(&format!("cycle {cycle} of {}: {}", args.cycles, so_far(&judge)));
            let events = course.cycle(cycle).with_context(|| format!("cycle {cycle} of seed {seed}"))?;
            events.iter().try_for_each(|event| note(&mut judge, event))?;
        }
        Ok(())
    });
    progress.end();
    dump.as_mut().map_or(Ok(()), Dump::flush)?;
    let outcome = Outcome::new(seed, nodes, judge.tally, began.elapsed().as_secs_f64());
    if ran.is_err() || !outcome.holds() {
        eprintln!("data and logs of the nodes stay in {}", root.keep().display());
    }
    ran.map(|()| outcome)
}

fn so_far(judge: &Judge) -> String {
    let tally = &judge.tally;
    format!("{} acknowledged, {} lost, {} resurrected", tally.acked, tally.lost, tally.resurrected)
}

fn judge_again(dump: &Path) -> anyhow::Result<Outcome> {
    let began = Instant::now();
    let (mut judge, mut run) = (Judge::default(), None);
    for event in evidence::read(dump)? {
        let event = event?;
        if let Event::Began { seed, nodes } = event {
            run = Some((seed, nodes));
        }
        judge.take(&event).iter().for_each(|wrong| eprintln!("{wrong}"));
    }
    let (seed, nodes) = run.context("the evidence has no beginning")?;
    Ok(Outcome::new(seed, nodes, judge.tally, began.elapsed().as_secs_f64()))
}

fn seed_of_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs()
}
