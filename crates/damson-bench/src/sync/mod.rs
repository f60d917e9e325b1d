//! Until two nodes are equal: a new one that takes everything, beside chitchat, and scattered differences, beside
//! negentropy and riblt.
//!
//! ```text
//!   join       --> damson (two nodes over TCP) --> a pair for each run --> comparison
//!             `--> chitchat (two over UDP)     --'
//!   difference --> damson (the simulator's pair, by sketches) ----------> comparison
//!             `--> negentropy, riblt (messages handed over)             --'
//! ```

mod difference;
mod join;
#[cfg(feature = "peers")]
mod peers;

use std::process::ExitCode;

use serde_json::json;

use crate::args::SyncArgs;
use crate::comparison::Comparison;

/// Measures all, and prints it. Fails before anything is measured when the difference is impossible.
pub fn run(args: &SyncArgs) -> anyhow::Result<ExitCode> {
    difference::options(args)?;
    let mut out = Comparison::new(json!({
        "keys": args.keys,
        "diff": args.diff,
        "runs": args.runs,
        "gossip_ms": args.gossip_ms,
    }));
    join::compare(args, &mut out)?;
    difference::compare(args, &mut out)?;
    Ok(out.print(args.json))
}
