//! The engine, beside chitchat and crdts: a put, an element of a large set, a merge into it, and what they take in memory.
//!
//! ```text
//!   load (keys, values) --> damson (a replica) --> a pair for each run --> comparison
//!                      `--> peers              --'
//!   hold --> a process of its own for each side --> bytes --------------> comparison
//! ```

mod damson;
mod hold;
mod load;
#[cfg(feature = "peers")]
mod peers;
mod work;

use std::process::ExitCode;

use serde_json::json;

use self::hold::bytes_row;
use self::load::Load;
use self::work::Work;
use crate::args::EngineArgs;
use crate::comparison::{Better, Comparison, Pair, Row};

pub use self::hold::Side;

/// Measures all, and prints it.
pub fn run(args: &EngineArgs) -> anyhow::Result<ExitCode> {
    if let Some(side) = args.hold {
        println!("{}", hold::grown_by(side, args.keys)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = Comparison::new(json!({ "keys": args.keys, "runs": args.runs, "clock": "thread" }));
    let load = Load::new(args.keys);
    Work::ALL.into_iter().for_each(|work| out.push(row(work, &load, args.runs)));
    for (name, peer, sides) in hold::PAIRS {
        out.push(bytes_row(name, peer, sides, args.keys)?);
    }
    Ok(out.print(args.json))
}

/// Both do the same work in each run, in turns who is first.
fn row(work: Work, load: &Load, runs: usize) -> Row {
    let pair = |run: usize| -> Pair {
        if run.is_multiple_of(2) {
            let ours = damson::ns(work, load);
            (ours, peer_ns(work, load))
        } else {
            let theirs = peer_ns(work, load);
            (damson::ns(work, load), theirs)
        }
    };
    let pairs: Vec<Pair> = (0..runs).map(pair).collect();
    Row::new(work.name(), work.peer(), Better::Less, &pairs).meant(work.goal())
}

#[cfg(feature = "peers")]
fn peer_ns(work: Work, load: &Load) -> crate::comparison::Measured {
    Ok(peers::ns(work, load))
}

#[cfg(not(feature = "peers"))]
fn peer_ns(_: Work, _: &Load) -> crate::comparison::Measured {
    Err(crate::comparison::NOT_BUILT.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_work_is_done_by_damson_and_by_the_peers_that_are_built() {
        let load = Load::new(300);
        for work in Work::ALL {
            let row = row(work, &load, 1);
            assert!(row.damson > 0.0, "{row:?}");
            assert_eq!(row.times.is_some(), cfg!(feature = "peers"), "{row:?}");
        }
    }
}
