//! Damson's part.

use damson_sim::bench::engine::{TwoSets, add_all, put_all};

use super::load::Load;
use super::work::Work;
use crate::clock::{ns_each, timed};

/// Processor time of one of these.
pub fn ns(work: Work, load: &Load) -> f64 {
    match work {
        Work::Put => put_ns(load),
        Work::SetAdd => set_add_ns(load),
        Work::Merge => merge_ns(load),
    }
}

fn put_ns(load: &Load) -> f64 {
    let (filled, took) = timed(|| put_all(load.entries.iter().map(|(key, value)| (key, value))));
    assert_eq!(filled.keys(), load.entries.len());
    ns_each(took, load.entries.len())
}

fn set_add_ns(load: &Load) -> f64 {
    let (filled, took) = timed(|| add_all(&load.elements));
    assert_eq!(filled.elements(), load.elements.len());
    ns_each(took, load.elements.len())
}

fn merge_ns(load: &Load) -> f64 {
    let mut sets = TwoSets::new(&load.elements, &load.fresh);
    let ((), took) = timed(|| sets.merge_all());
    assert!(sets.are_equal());
    assert_eq!(sets.elements(), load.elements.len() + load.fresh.len());
    ns_each(took, load.fresh.len())
}
