//! The peers' part: chitchat's state of a node, crdts' observed-remove set.

mod orswot;
mod state;

use super::load::Load;
use super::work::Work;

pub use self::orswot::set_of;
pub use self::state::state_of;

/// Processor time of one of these.
pub fn ns(work: Work, load: &Load) -> f64 {
    match work {
        Work::Put => state::set_ns(load),
        Work::SetAdd => orswot::add_ns(load),
        Work::Merge => orswot::merge_ns(load),
    }
}
