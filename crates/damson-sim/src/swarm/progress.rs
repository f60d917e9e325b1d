//! How far a run has come, told once in each virtual second.

use damson_core::time::Time;

use super::world::{Witness, World};

/// How far a run has come.
#[derive(Debug, Clone, Copy)]
pub struct SwarmProgress {
    /// What is going on.
    pub phase: &'static str,
    /// Virtual seconds so far.
    pub virtual_s: u64,
    /// Virtual seconds planned; healing may take longer.
    pub planned_s: u64,
    /// Things that happened so far.
    pub events: u64,
}

/// The time between two joins, in microseconds.
pub(crate) const JOIN_US: u64 = 250;
/// How often progress is told, in virtual microseconds.
const TELL_US: u64 = 1_000_000;

/// Runs a world, and tells.
pub(crate) struct Teller<'a> {
    /// When the run will be over.
    pub planned: Time,
    pub progress: &'a mut dyn FnMut(SwarmProgress),
}

impl Teller<'_> {
    /// So many nodes join, one after the other, all through the first.
    pub fn join<W: Witness>(&mut self, world: &mut World<W>, nodes: u32) {
        for at in 0..nodes {
            world.start_at(Time(u64::from(at) * JOIN_US), at, (at > 0).then_some(0));
        }
        self.run_until(world, "join", Time(u64::from(nodes) * JOIN_US));
    }

    pub fn run_until<W: Witness>(&mut self, world: &mut World<W>, phase: &'static str, until: Time) {
        while world.now < until {
            let next = Time((world.now.0 / TELL_US + 1) * TELL_US).min(until);
            world.run_until(next);
            (self.progress)(SwarmProgress {
                phase,
                virtual_s: world.now.0 / 1_000_000,
                planned_s: self.planned.max(next).0 / 1_000_000,
                events: world.events,
            });
        }
    }
}
