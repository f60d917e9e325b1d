//! The experiment of failure detection, with the real node.
//!
//! SWIM (Das, Gupta, Motivala, 2002) and Lifeguard (Dadgar, Phillips, Currey, 2018) ask of a failure detector how soon a
//! crash is known, by whom, and how often somebody is taken for dead who is not. Here nodes join through one contact, settle
//! until all know all, and are watched for some minutes, in which some crash, some starve, and frames are lost.
//!
//! ```text
//!   course --> swarm --> nodes (the real ones)     figures --> LivenessReport
//!     |          |                                    ^
//!     |       changes of members' states --> evidence-'
//!     `--> crashes, starvation                  `--> lines of JSON
//! ```

mod changes;
mod course;
mod evidence;
mod figures;
mod options;
mod report;

use std::io;

pub use options::{CrashNotice, LivenessOptions};
pub use report::LivenessReport;

use crate::swarm::SwarmProgress;

/// A run that is over.
pub struct LivenessRun {
    evidence: evidence::Evidence,
}

/// Runs the experiment. Fails when the options are impossible, with the limit that is broken.
pub fn run_liveness(
    options: &LivenessOptions,
    progress: &mut dyn FnMut(SwarmProgress),
) -> Result<LivenessRun, String> {
    options.check()?;
    Ok(LivenessRun { evidence: course::play(options, progress) })
}

impl LivenessRun {
    /// The figures.
    pub fn report(&self) -> LivenessReport {
        report::report(&self.evidence, &figures::Figures::of(&self.evidence))
    }

    /// Writes the raw evidence as lines of JSON, from which the figures can be computed again.
    pub fn write_evidence(&self, out: &mut dyn io::Write) -> io::Result<()> {
        self.evidence.write(out)
    }
}
