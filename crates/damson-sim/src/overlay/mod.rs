//! The experiment of the overlay's papers, with the real node.
//!
//! HyParView (Leitao, Pereira, Rodrigues, DSN 2007) and Plumtree (the same, SRDS 2007) were measured in a simulator with
//! 10,000 nodes. This runs the same: nodes join one after the other through one contact, the overlay settles for some
//! cycles, a part of the nodes fails at one instant, and messages are broadcast. A *cycle* is one period of shuffles.
//!
//! ```text
//!   phases --> swarm --> nodes (the real ones)          measures --> OverlayReport
//!     |          |                                         ^    `--> plot
//!     |       messages, traffic, snapshots --> evidence ---'
//!     `--> crashes, joins, writes                  `--> lines of JSON
//! ```

mod evidence;
mod graph;
mod measures;
mod messages;
mod observe;
mod options;
mod phases;
mod planting;
mod plot;
mod random_regular;
mod report;
mod snapshot;

use std::io;

pub use options::{Detect, OverlayOptions, Senders, Trees};
pub use report::OverlayReport;

use crate::swarm::{self, SwarmProgress};

/// The world of the experiment.
type World = swarm::World<messages::Messages>;

/// A run that is over.
pub struct OverlayRun {
    evidence: evidence::Evidence,
    world: World,
    figures: measures::Figures,
}

/// Runs the experiment. Fails when the options are impossible, with the limit that is broken.
pub fn run_overlay(
    options: &OverlayOptions,
    progress: &mut dyn FnMut(SwarmProgress),
) -> Result<OverlayRun, String> {
    options.check()?;
    let (evidence, world) = phases::play(options, progress);
    let figures = measures::Figures::of(&evidence);
    Ok(OverlayRun { evidence, world, figures })
}

impl OverlayRun {
    /// The figures.
    pub fn report(&self) -> OverlayReport {
        report::report(&self.evidence, &self.figures)
    }

    /// A picture of the figures, as SVG.
    pub fn plot(&self) -> String {
        plot::plot(&self.evidence.options, &self.figures)
    }

    /// Writes the raw evidence as lines of JSON, from which the figures can be computed again.
    pub fn write_evidence(&self, out: &mut dyn io::Write) -> io::Result<()> {
        self.evidence.write(out, |a, b| self.world.network.delay_us(a, b))
    }
}
