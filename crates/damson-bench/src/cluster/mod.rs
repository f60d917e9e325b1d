//! A cluster of real nodes on loopback: Damson, as a child process, beside chitchat, in this one.
//!
//! ```text
//!   nodes (start, find each other) --> single puts, told by the last of the others --> a burst at all, until all have all
//! ```

#[cfg(feature = "peers")]
mod chitchat;
mod damson;
mod figures;

use std::process::ExitCode;

use serde_json::json;

use self::figures::Figures;
use crate::args::ClusterArgs;
use crate::binary;
use crate::comparison::{Better, Comparison, Measured, Row};

/// Measures both, and prints it.
pub fn run(args: &ClusterArgs) -> anyhow::Result<ExitCode> {
    let binary = binary::find(args.binary.as_deref())?;
    let mut out = Comparison::new(json!({
        "nodes": args.nodes,
        "puts": args.puts,
        "singles": args.singles,
        "gossip_ms": args.gossip_ms,
    }));
    let (command, ours) = damson::measure(args, &binary)?;
    let theirs = peer(args);
    rows(ours, &theirs).into_iter().for_each(|row| out.push(row));
    out.say("damson_command", command);
    Ok(out.print(args.json))
}

fn rows(ours: Figures, theirs: &Result<Figures, String>) -> [Row; 4] {
    let row = |name, better, figure: fn(&Figures) -> f64| {
        let theirs: Measured = theirs.as_ref().map(figure).map_err(Clone::clone);
        Row::new(name, "chitchat", better, &[(figure(&ours), theirs)])
    };
    [
        row("visible_ms_p50", Better::Less, |of| of.visible_ms_p50).meant(2.0),
        row("visible_ms_p99", Better::Less, |of| of.visible_ms_p99).meant(2.0),
        row("converged_puts_per_s", Better::More, |of| of.converged_puts_per_s).meant(2.0),
        row("bytes_per_put", Better::Less, |of| of.bytes_per_put),
    ]
}

/// Where it fails, Damson's figures stand all the same.
#[cfg(feature = "peers")]
fn peer(args: &ClusterArgs) -> Result<Figures, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(chitchat::measure(args)).map_err(|error| format!("{error:#}"))
}

#[cfg(not(feature = "peers"))]
fn peer(_: &ClusterArgs) -> Result<Figures, String> {
    Err(crate::comparison::NOT_BUILT.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_better_when_they_are_greater_and_times_when_they_are_less() {
        let figures =
            |n| Figures { visible_ms_p50: n, visible_ms_p99: n, converged_puts_per_s: n, bytes_per_put: n };
        let times = rows(figures(2.0), &Ok(figures(6.0))).map(|row| row.times);
        assert_eq!(times, [Some(3.0), Some(3.0), Some(2.0 / 6.0), Some(3.0)]);
        let alone = rows(figures(2.0), &Err("not built".into())).map(|row| row.times);
        assert_eq!(alone, [None; 4]);
    }
}
