//! `damson sim cluster`: the fault simulation. `damson sim overlay`, `damson sim liveness` and `damson sim publisher` are beside it.

mod liveness;
mod overlay;
mod publisher;
mod swarm;

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use damson_sim::{ClusterOptions, Progress, Report, Rule};

use crate::args::SimCluster;

pub use liveness::liveness;
pub use overlay::overlay;
pub use publisher::publisher;

/// Seeds that are tried with a broken rule: what a mistake needs to show comes by chance.
const TRIED: u64 = 8;

/// Runs the simulation for each seed; the results are added up.
pub fn cluster(args: &SimCluster) -> anyhow::Result<ExitCode> {
    if args.break_rule.as_deref() == Some("list") {
        Rule::ALL.iter().for_each(|rule| println!("{}", rule.name()));
        return Ok(ExitCode::SUCCESS);
    }
    let break_rule =
        args.break_rule.as_deref().map(str::parse::<Rule>).transpose().map_err(anyhow::Error::msg)?;
    let mut dump = args.dump.as_deref().map(create).transpose()?;
    let tries = args.seed.is_none() && args.seeds.is_none() && break_rule.is_some();
    let seed = args.seed.unwrap_or(1);
    let (from, to) = args.seeds.unwrap_or((seed, if tries { TRIED } else { seed }));
    let mut all = Report::default();
    for seed in from..=to {
        let nodes = usize::try_from(args.nodes).expect("a number of nodes");
        let defaults = ClusterOptions::default();
        // Once a broken rule shows, more of the same tells nothing.
        let violations_max = break_rule.map(|_| defaults.texts_max as u64);
        let minutes = args.minutes;
        let options = ClusterOptions { nodes, minutes, seed, break_rule, violations_max, ..defaults };
        let mut shown = Shown::new(seed);
        let report = match &mut dump {
            Some(dump) => damson_sim::run_cluster_dumping(&options, &mut |p| shown.show(p), dump),
            None => damson_sim::run_cluster(&options, &mut |p| shown.show(p)),
        };
        shown.end();
        all.merge(report);
        if tries && !all.holds() {
            break;
        }
    }
    tell(&all, break_rule, args.json)?;
    Ok(if all.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A file for what a run leaves behind.
fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    Ok(BufWriter::new(File::create(path).with_context(|| path.display().to_string())?))
}

fn tell(report: &Report, broken: Option<Rule>, json: bool) -> anyhow::Result<()> {
    if let Some(rule) = broken {
        eprintln!("broken on purpose: {} {}", rule.name(), rule.explain());
    }
    for violation in &report.first {
        let node = violation.node.map(|node| format!("n{node} ")).unwrap_or_default();
        eprintln!("{:>10} ms  {node}{}: {}", violation.at_ms, violation.invariant, violation.text);
    }
    let verdict = if report.holds() { "held" } else { "VIOLATED" };
    eprintln!(
        "{verdict}: {} runs, {} virtual s, {} writes acknowledged, {} lost, {} returned, {} violations; {} events",
        report.runs,
        report.virtual_s,
        report.acked,
        report.lost,
        report.resurrected,
        report.violations,
        report.events
    );
    if !report.holds() {
        eprintln!("again: {}", report.command);
    }
    if json {
        println!("{}", serde_json::to_string(report)?);
    }
    Ok(())
}

/// Progress on a terminal.
struct Shown {
    seed: u64,
    to_terminal: bool,
}

impl Shown {
    fn new(seed: u64) -> Self {
        Self { seed, to_terminal: std::io::stderr().is_terminal() }
    }

    fn show(&mut self, progress: Progress) {
        if self.to_terminal {
            let Progress { virtual_s, planned_s, acked, violations } = progress;
            eprint!(
                "\rseed {}: {virtual_s}/{planned_s} virtual s, {acked} acknowledged, {violations} violations ",
                self.seed
            );
            // Progress that cannot be shown is no reason to stop.
            let _ = std::io::stderr().flush();
        }
    }

    fn end(&self) {
        if self.to_terminal {
            eprint!("\r\x1b[K");
        }
    }
}
