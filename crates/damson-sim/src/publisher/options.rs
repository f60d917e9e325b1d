//! What to run: clusters of which sizes, how many updates of which size, how often.

use crate::swarm::Network;

/// The experiment. The same options give the same run.
#[derive(Debug, Clone, PartialEq)]
pub struct PublisherOptions {
    /// How many nodes; one run for each. Default 10, 100 and 1,000.
    pub nodes: Vec<usize>,
    /// Updates that one node publishes. Default 1,000.
    pub updates: usize,
    /// The bytes of each update, and of all that its node owns. Default 16.
    pub bytes: usize,
    /// Updates in a virtual second. Default 100.
    pub rate: u64,
    /// All chance comes from this. Default 1.
    pub seed: u64,
    /// The shortest and the longest delay of a link, in microseconds; each pair of nodes has one for good. Default 1 ms.
    pub delay_us: (u64, u64),
}

/// The rosters of more nodes than this would not fit into memory.
const NODES_MAX: usize = 2_000;
const SIZES_MAX: usize = 32;
const UPDATES_MAX: usize = 100_000;
/// What an update may have at most is more; nothing would be learnt by it.
const BYTES_MAX: usize = 64 << 10;
const RATE_MAX: u64 = 10_000;

impl Default for PublisherOptions {
    fn default() -> Self {
        Self {
            nodes: vec![10, 100, 1_000],
            updates: 1_000,
            bytes: 16,
            rate: 100,
            seed: 1,
            delay_us: (1_000, 1_000),
        }
    }
}

impl PublisherOptions {
    /// The command that runs the same again.
    pub fn command(&self) -> String {
        let Self { nodes, updates, bytes, rate, seed, delay_us: (shortest, longest) } = self;
        let nodes: Vec<String> = nodes.iter().map(usize::to_string).collect();
        let (shortest, longest) = (*shortest as f64 / 1e3, *longest as f64 / 1e3);
        format!(
            "damson sim publisher --nodes {} --updates {updates} --bytes {bytes} --rate {rate} --seed {seed} \
             --delay-ms {shortest}..{longest}",
            nodes.join(",")
        )
    }

    /// Can this be run? Says which limit is broken.
    pub fn check(&self) -> Result<(), String> {
        let Self { nodes, updates, bytes, rate, .. } = self;
        let impossible = nodes.iter().find(|nodes| !(2..=NODES_MAX).contains(*nodes));
        match impossible {
            _ if nodes.is_empty() => Err("no number of nodes is given".into()),
            _ if nodes.len() > SIZES_MAX => {
                Err(format!("{} numbers of nodes: at most {SIZES_MAX}", nodes.len()))
            }
            Some(nodes) => Err(format!("{nodes} nodes: from 2 to {NODES_MAX}, each with a roster")),
            None if !(1..=UPDATES_MAX).contains(updates) => {
                Err(format!("{updates} updates: from 1 to {UPDATES_MAX}"))
            }
            None if *bytes > BYTES_MAX => Err(format!("{bytes} bytes: at most {BYTES_MAX}")),
            None if !(1..=RATE_MAX).contains(rate) => {
                Err(format!("{rate} updates in a second: from 1 to {RATE_MAX}"))
            }
            None => Network::check(self.delay_us, 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_possible_and_what_is_impossible_is_refused_with_the_limit() {
        PublisherOptions::default().check().unwrap();
        let refused = |change: fn(&mut PublisherOptions)| {
            let mut options = PublisherOptions::default();
            change(&mut options);
            options.check().expect_err("it must be refused")
        };
        for (said, wanted) in [
            (refused(|o| o.nodes = vec![]), "no number of nodes"),
            (refused(|o| o.nodes = vec![5; 33]), "at most 32"),
            (refused(|o| o.nodes = vec![10, 1]), "from 2 to 2000"),
            (refused(|o| o.nodes = vec![2_001]), "from 2 to 2000"),
            (refused(|o| o.updates = 0), "from 1 to 100000"),
            (refused(|o| o.bytes = 1 << 20), "at most 65536"),
            (refused(|o| o.rate = 0), "from 1 to 10000"),
            (refused(|o| o.delay_us = (2, 1)), "must not be greater"),
        ] {
            assert!(said.contains(wanted), "{said:?} does not say {wanted:?}");
        }
    }
}
