//! Flags of `damson sim liveness`, and what its figures mean.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use damson_sim::{CrashNotice, LivenessOptions};

use super::overlay::delays;

/// What is done and what the figures mean; shown below the flags.
pub const DEFINITIONS: &str = "\
THE EXPERIMENT
  Node i starts after i ms; all but the first have the first for their contact. All is on, with its defaults: roster,
  overlay, broadcast, anti-entropy, probes. Once all rosters show all as alive the first node writes the --keys, with
  names of 16 bytes and values of 64. Once all nodes hold them the measured time begins; 120 s after the last start,
  and after the last key, it begins in any case (settled is false then). All in virtual time. A link's delay is drawn once for each pair.

CRASHES
  The --kill nodes crash at random instants of the measured time, but not in its last 30 s. With --detect silent
  nobody is told, as when a machine loses its power: links stay up, frames vanish, and a dial gets no answer, so that
  it has failed after 5 s, as with the TCP transport. With --detect instant links break and dials are refused at
  once, as when a process is killed and its machine lives on.

STARVATION
  The --starve nodes are a hundred times slower through all of the measured time. An input (a frame, a timer, a link
  that came up or went down, a dial that failed, a write that is on disk) costs 50 us nominally, so 5 ms here; other
  nodes take no time. A starved node works on one input at a time, what it does shows at the end of the 5 ms, and
  what comes meanwhile waits in the order of coming, for any time. So its timers are late too: one that is due waits
  behind all that came before. Up to 10,000 frames wait; any more are dropped and counted (frames_dropped).

FIGURES, of the measured time. Survivors are the nodes that do not crash
  false_deaths                  members judged dead while they lived: pairs of a member and an incarnation, by
                                whomever, however many see it
  suspicions                    members suspected while they lived, counted in the same way
  refutations                   the same pairs, counted when a member is alive again to itself: it has raised its
                                incarnation
  detect_ms_max, _mean          from a crash until the first survivor has the node as dead
  agree_ms_max, _mean           from a crash until all survivors have it as dead, and have it so to the end
  not_agreed                    crashed nodes that not all survivors have as dead in the end
  members_agree                 all survivors have the same members in the same states in the end
  bytes_per_node_per_s          all frames' bytes sent, for each second of a node's life

Figures that are not defined are null: times without a crash, and times of which one did not come. The exit status is
0 when false_deaths and not_agreed are 0, else 1; 2 when the parameters are impossible.";

#[derive(Debug, ClapArgs)]
#[command(after_long_help = DEFINITIONS)]
pub struct SimLiveness {
    /// How many nodes.
    #[arg(long, default_value_t = 1_000)]
    pub nodes: usize,
    /// The seed: the same seed gives the same run.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Frames that vanish, in percent.
    #[arg(long, value_name = "PCT", default_value_t = 0.0)]
    pub loss: f64,
    /// The measured time, in virtual minutes.
    #[arg(long, value_name = "M", default_value_t = 5)]
    pub minutes: u64,
    /// Nodes that crash.
    #[arg(long, value_name = "K", default_value_t = 1)]
    pub kill: usize,
    /// When others notice a crash, but for the silence: silent (never) or instant (links break at once).
    #[arg(long, value_name = "silent|instant", default_value = "silent")]
    pub detect: CrashNotice,
    /// Nodes that run a hundred times slower; --help says how.
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub starve: usize,
    /// Keys that all nodes hold before the measured time begins.
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub keys: usize,
    /// The delays of links, in milliseconds: from..to, or one for all.
    #[arg(long, value_name = "A..B", value_parser = delays, default_value = "1..1")]
    pub delay_ms: (u64, u64),
    /// Write the raw evidence to this file, as lines of JSON: crashes, and each change of a member's state that a node has
    /// seen. All figures can be computed from it again.
    #[arg(long, value_name = "FILE")]
    pub dump: Option<PathBuf>,
    /// The last line of stdout is one JSON object; else a table.
    #[arg(long)]
    pub json: bool,
}

impl SimLiveness {
    pub fn options(&self) -> LivenessOptions {
        LivenessOptions {
            nodes: self.nodes,
            seed: self.seed,
            loss_pct: self.loss,
            minutes: self.minutes,
            kill: self.kill,
            detect: self.detect,
            starve: self.starve,
            keys: self.keys,
            delay_us: self.delay_ms,
        }
    }
}
