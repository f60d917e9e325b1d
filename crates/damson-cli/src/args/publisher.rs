//! Flags of `damson sim publisher`, and what its figures mean.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use damson_sim::PublisherOptions;

use super::overlay::delays;

/// What is done and what the figures mean; shown below the flags.
pub const DEFINITIONS: &str = "\
THE EXPERIMENT, once for each of --nodes
  Nodes join through the first, one each 0.25 ms. All is on, with its defaults: roster, overlay, broadcast, anti-entropy,
  probes. Once all rosters show all, every node starts the publisher: it writes what it owns, and says in the roster that
  it takes part. Once all hold the same, and 10 s later, one node, the origin, drawn by the seed, publishes --updates. For
  each it writes the record that a publisher writes, and whenever the records behind the base take more than it (4 KiB at
  least), or are 1,024, all that it owns anew. Then it is waited until all nodes hold the same, and for 3 s at least after
  the last update, so that what was announced late is counted too. All in virtual time.

FIGURES, of what the origin sends from its first update on
  payloads                      pushes of what it published
  announcements                 what it announces, and asks for, that is not pushed
  vectors                       distances of trees
  probes                        probes and answers; they carry announcements, and a round's digest
  comparisons                   anti-entropy
  other                         all else: overlay, roster
  per_update                    all frames, or bytes, over the number of updates
  reached_ms_max, _mean         from an update until the last node had it by the broadcast; null when one had not
  converged_ms                  from the last update until all hold the same, to half a millisecond
  *_ratio                       with the most nodes over with the fewest

The exit status is 0 when all nodes hold everything and the origin has sent each batch at most once to each neighbour, else
1; 2 when the parameters are impossible.";

#[derive(Debug, ClapArgs)]
#[command(after_long_help = DEFINITIONS)]
pub struct SimPublisher {
    /// How many nodes; several numbers give several runs.
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_value = "10,100,1000")]
    pub nodes: Vec<usize>,
    /// Updates that one node publishes.
    #[arg(long, value_name = "M", default_value_t = 1_000)]
    pub updates: usize,
    /// Bytes of each, and of all that a node owns.
    #[arg(long, value_name = "B", default_value_t = 16)]
    pub bytes: usize,
    /// Updates in a second.
    #[arg(long, value_name = "PER_SECOND", default_value_t = 100)]
    pub rate: u64,
    /// The seed: the same seed gives the same run.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The delays of links, in milliseconds: from..to, or one for all.
    #[arg(long, value_name = "A..B", value_parser = delays, default_value = "1..1")]
    pub delay_ms: (u64, u64),
    /// Write the raw evidence to this file, as lines of JSON: every frame that the origin sent, every batch that it wrote, and when
    /// the last node had it. All figures can be computed from it again.
    #[arg(long, value_name = "FILE")]
    pub dump: Option<PathBuf>,
    /// The last line of stdout is one JSON object; else a table.
    #[arg(long)]
    pub json: bool,
}

impl SimPublisher {
    pub fn options(&self) -> PublisherOptions {
        PublisherOptions {
            nodes: self.nodes.clone(),
            updates: self.updates,
            bytes: self.bytes,
            rate: self.rate,
            seed: self.seed,
            delay_us: self.delay_ms,
        }
    }
}
