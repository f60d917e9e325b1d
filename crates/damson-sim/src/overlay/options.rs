//! What to run: one node's neighbourhood, the size of the overlay, what fails, what is sent.

use std::fmt;
use std::str::FromStr;

use crate::swarm::Network;

/// When survivors learn that a node has crashed. Before, what they send it vanishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detect {
    /// At once, as in the papers: a broken connection shows with the next use.
    Instant,
    /// At the end of the running cycle.
    Cycle,
    /// After this many milliseconds.
    After(u64),
}

/// Who writes the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Senders {
    /// Always the same node.
    One,
    /// For each message a random living node.
    Many,
}

/// How nodes know the trees of authors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trees {
    /// By distances up to 20,000 nodes, grown in larger runs.
    Auto,
    /// By distances that neighbours tell each other.
    Distances,
    /// Grown by each author's first message, one bit for each link. They are planted in bulk after settling.
    Grown,
}

/// The experiment. The same options give the same run.
#[derive(Debug, Clone, PartialEq)]
pub struct OverlayOptions {
    /// How many nodes. Default 10,000, as in the papers.
    pub nodes: usize,
    /// All chance comes from this. Default 1.
    pub seed: u64,
    /// Most neighbours of a node. Default 5, as in the papers.
    pub active: usize,
    /// Others that a node knows. Default 30, as in the papers.
    pub passive: usize,
    /// Nodes that crash at one instant, in percent. Default 0.
    pub fail_pct: f64,
    /// When a crash is noticed. Default at once.
    pub detect: Detect,
    /// Nodes that crash, and nodes that join, in each cycle of the message phase. Default 0.
    pub churn: usize,
    /// Messages. Default 100.
    pub messages: usize,
    /// Messages in a second. Default 1/3: each is over before the next.
    pub rate: f64,
    /// Who writes them. Default many.
    pub senders: Senders,
    /// The shortest and the longest delay of a link, in microseconds; each pair of nodes has one for good.
    /// Default 1 ms for all: one time step in the papers' simulator.
    pub delay_us: (u64, u64),
    /// Frames that vanish, in percent. Default 0.
    pub loss_pct: f64,
    /// Cycles in which the overlay settles after the last join. Default 50, as in the papers.
    pub cycles: u64,
    /// How nodes know the trees of authors. Default by the number of nodes.
    pub trees: Trees,
}

impl Default for OverlayOptions {
    fn default() -> Self {
        Self {
            nodes: 10_000,
            seed: 1,
            active: 5,
            passive: 30,
            fail_pct: 0.0,
            detect: Detect::Instant,
            churn: 0,
            messages: 100,
            rate: 1.0 / 3.0,
            senders: Senders::Many,
            delay_us: (1_000, 1_000),
            loss_pct: 0.0,
            cycles: 50,
            trees: Trees::Auto,
        }
    }
}

/// The distances of more authors than this would not fit into memory at every node.
const DISTANCES_NODES_MAX: usize = 20_000;
/// More nodes have no numbers in the links' table.
const NODES_MAX: usize = 1 << 20;
/// Faster messages than this have no time of their own in microseconds.
const RATE_MAX: f64 = 100_000.0;

impl OverlayOptions {
    /// How many nodes crash at one instant.
    pub fn failures(&self) -> usize {
        // Lossless: the product lies between 0 and the number of nodes.
        (self.nodes as f64 * self.fail_pct / 100.0).round() as usize
    }

    /// More nodes than can have everything: only the overlay and the broadcast are on.
    pub fn is_large(&self) -> bool {
        self.nodes > DISTANCES_NODES_MAX
    }

    /// Are trees grown, and not chosen by distances?
    pub fn has_grown_trees(&self) -> bool {
        match self.trees {
            Trees::Auto => self.is_large(),
            Trees::Distances => false,
            Trees::Grown => true,
        }
    }

    /// The time between two messages, in microseconds.
    pub fn pause_us(&self) -> u64 {
        // A rate is positive and finite; see `check`.
        (1e6 / self.rate).round() as u64
    }

    /// The command that runs the same again.
    pub fn command(&self) -> String {
        let Self { nodes, seed, active, passive, fail_pct, detect, churn, .. } = self;
        let Self { messages, rate, senders, delay_us: (shortest, longest), loss_pct, cycles, trees, .. } =
            self;
        let (shortest, longest) = (*shortest as f64 / 1e3, *longest as f64 / 1e3);
        format!(
            "damson sim overlay --nodes {nodes} --seed {seed} --active {active} --passive {passive} \
             --fail {fail_pct} --detect {detect} --churn {churn} --messages {messages} --rate {rate} \
             --senders {senders} --delay-ms {shortest}..{longest} --loss {loss_pct} --cycles {cycles} --trees {trees}"
        )
    }

    /// Can this be run? Says which limit is broken, and what to do.
    pub fn check(&self) -> Result<(), String> {
        self.check_size()?;
        self.check_faults()?;
        self.check_trees()?;
        Network::check(self.delay_us, self.loss_pct)?;
        if !(self.rate > 0.0 && self.rate <= RATE_MAX) {
            return Err(format!(
                "a rate of {} messages a second: it must lie above 0 and be at most {RATE_MAX}",
                self.rate
            ));
        }
        Ok(())
    }

    fn check_size(&self) -> Result<(), String> {
        let Self { nodes, active, passive, .. } = *self;
        match () {
            () if nodes < 2 => Err(format!("{nodes} nodes: an overlay needs at least 2")),
            () if nodes > NODES_MAX => Err(format!("{nodes} nodes: at most {NODES_MAX}")),
            () if active == 0 => {
                Err("an active view of 0: a node without neighbours is alone; give at least 1".into())
            }
            () if active > 255 => Err(format!("an active view of {active}: at most 255")),
            () if passive == 0 => {
                Err("a passive view of 0: lost neighbours could not be replaced; give at least 1".into())
            }
            () => Ok(()),
        }
    }

    fn check_trees(&self) -> Result<(), String> {
        let (nodes, (shortest, longest)) = (self.nodes, self.delay_us);
        if self.is_large() && !self.has_grown_trees() {
            return Err(format!(
                "{nodes} nodes with trees by distances: at most {DISTANCES_NODES_MAX}, or memory runs out; say --trees grown"
            ));
        }
        if self.has_grown_trees() && shortest != longest {
            return Err(format!(
                "grown trees and delays from {} to {} ms: they are planted by hops; give one delay for all",
                shortest as f64 / 1e3,
                longest as f64 / 1e3
            ));
        }
        Ok(())
    }

    fn check_faults(&self) -> Result<(), String> {
        let Self { nodes, fail_pct, churn, .. } = *self;
        if !(0.0..100.0).contains(&fail_pct) {
            return Err(format!("{fail_pct} % failures: from 0 up to, but not including, 100"));
        }
        let failures = self.failures();
        if nodes - failures.min(nodes) < 2 {
            return Err(format!(
                "{failures} failures of {nodes} nodes: at least 2 must survive; fail fewer, or begin with more"
            ));
        }
        if churn >= nodes - failures {
            let left = nodes - failures;
            return Err(format!(
                "a churn of {churn} nodes in a cycle: it must be below the number of living nodes, {left}"
            ));
        }
        if matches!(self.detect, Detect::After(ms) if ms > 3_600_000) {
            return Err("crashes noticed after more than an hour: give at most 3600000 ms".into());
        }
        Ok(())
    }
}

impl fmt::Display for Detect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instant => f.write_str("instant"),
            Self::Cycle => f.write_str("cycle"),
            Self::After(ms) => write!(f, "{ms}"),
        }
    }
}

impl FromStr for Detect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "instant" => Ok(Self::Instant),
            "cycle" => Ok(Self::Cycle),
            ms => ms
                .parse()
                .map(Self::After)
                .map_err(|_| format!("{text:?} is none of instant, cycle, or a number of milliseconds")),
        }
    }
}

impl fmt::Display for Trees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Distances => "distances",
            Self::Grown => "grown",
        })
    }
}

impl FromStr for Trees {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "distances" => Ok(Self::Distances),
            "grown" => Ok(Self::Grown),
            _ => Err(format!("{text:?} is none of auto, distances, grown")),
        }
    }
}

impl fmt::Display for Senders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One => "one",
            Self::Many => "many",
        })
    }
}

impl FromStr for Senders {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "one" => Ok(Self::One),
            "many" => Ok(Self::Many),
            _ => Err(format!("{text:?} is neither one nor many")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut OverlayOptions)) -> String {
        let mut options = OverlayOptions::default();
        change(&mut options);
        options.check().expect_err("it must be refused")
    }

    #[test]
    fn the_papers_setting_is_possible() {
        OverlayOptions::default().check().unwrap();
        let extreme = OverlayOptions { nodes: 100, fail_pct: 98.0, churn: 1, ..OverlayOptions::default() };
        extreme.check().unwrap();
        assert_eq!(extreme.failures(), 98);
    }

    #[test]
    fn what_is_impossible_is_refused_with_the_limit() {
        for (said, wanted) in [
            (refused(|o| o.nodes = 1), "at least 2"),
            (refused(|o| o.active = 0), "at least 1"),
            (refused(|o| o.passive = 0), "at least 1"),
            (refused(|o| o.fail_pct = 100.0), "not including, 100"),
            (refused(|o| o.fail_pct = -1.0), "not including, 100"),
            (refused(|o| o.fail_pct = f64::NAN), "not including, 100"),
            (refused(|o| (o.nodes, o.fail_pct) = (10, 95.0)), "at least 2 must survive"),
            (refused(|o| o.churn = 10_000), "below the number of living nodes"),
            (refused(|o| (o.fail_pct, o.churn) = (50.0, 5_000)), "5000"),
            (refused(|o| o.delay_us = (2_000, 1_000)), "the first must not be greater"),
            (refused(|o| o.delay_us = (1_000, 2_000_000)), "at most 1000 ms"),
            (refused(|o| o.loss_pct = 100.0), "not including, 100"),
            (refused(|o| (o.nodes, o.trees) = (100_000, Trees::Distances)), "at most 20000"),
            (refused(|o| (o.trees, o.delay_us) = (Trees::Grown, (1_000, 2_000))), "one delay for all"),
            (refused(|o| o.rate = 0.0), "above 0"),
            (refused(|o| o.rate = f64::INFINITY), "above 0"),
        ] {
            assert!(said.contains(wanted), "{said:?} does not say {wanted:?}");
        }
    }

    #[test]
    fn words_are_read_back() {
        for detect in [Detect::Instant, Detect::Cycle, Detect::After(250)] {
            assert_eq!(detect.to_string().parse(), Ok(detect));
        }
        for senders in [Senders::One, Senders::Many] {
            assert_eq!(senders.to_string().parse(), Ok(senders));
        }
        for trees in [Trees::Auto, Trees::Distances, Trees::Grown] {
            assert_eq!(trees.to_string().parse(), Ok(trees));
        }
        assert!("soon".parse::<Detect>().is_err() && "few".parse::<Senders>().is_err());
    }
}
