//! What updates of a publisher cost the node that publishes, with the real node, in clusters of several sizes.
//!
//! A publisher's update (`damson::publisher`) is a record in a scope, written once; the broadcast's tree brings it to all. So what
//! its node sends should follow its neighbours, of which it has five, and not the members. Here all nodes join, take part and
//! settle; one then publishes updates, and everything that it sends is counted, by kind.
//!
//! ```text
//!   course --> swarm --> nodes (the real ones)        figures --> PublisherReport
//!     |          |                                       ^
//!     |       sent by the origin, deliveries --> evidence'
//!     `--> records: what a publisher writes         `--> lines of JSON
//! ```

mod course;
mod evidence;
mod figures;
mod options;
mod records;
mod report;

use std::io;

pub use options::PublisherOptions;
pub use report::{PublisherReport, PublisherSize};

use crate::swarm::SwarmProgress;

/// A run that is over.
pub struct PublisherRun {
    options: PublisherOptions,
    evidence: Vec<evidence::Evidence>,
}

/// Runs the experiment for each number of nodes. Fails when the options are impossible, with the limit that is broken.
pub fn run_publisher(
    options: &PublisherOptions,
    progress: &mut dyn FnMut(SwarmProgress),
) -> Result<PublisherRun, String> {
    options.check()?;
    let evidence = options.nodes.iter().map(|nodes| course::play(options, *nodes, progress)).collect();
    Ok(PublisherRun { options: options.clone(), evidence })
}

impl PublisherRun {
    /// The figures.
    pub fn report(&self) -> PublisherReport {
        report::report(&self.options, &self.evidence)
    }

    /// Writes the raw evidence as lines of JSON, from which the figures can be computed again.
    pub fn write_evidence(&self, out: &mut dyn io::Write) -> io::Result<()> {
        self.evidence.iter().try_for_each(|evidence| evidence.write(out))
    }
}
