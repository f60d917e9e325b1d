//! crdts: an observed-remove set without tombstones, merged as a whole.

use std::time::Duration;

use crdts::{CmRDT, CvRDT, Orswot};

use crate::clock::{ns_each, timed};
use crate::engine::load::Load;

/// Who adds here, and elsewhere.
const ACTOR: u64 = 1;
const OTHER: u64 = 2;
/// Merges that are timed: each takes the whole set.
const MERGES: usize = 3;

/// Elements of any length, added by actors with short names.
pub type Set = Orswot<Vec<u8>, u64>;

/// Adds all, from empty.
pub fn set_of<E: AsRef<[u8]>>(elements: impl IntoIterator<Item = E>) -> Set {
    let mut set = Set::new();
    elements.into_iter().for_each(|element| add(&mut set, element.as_ref(), ACTOR));
    set
}

pub fn add_ns(load: &Load) -> f64 {
    let (set, took) = timed(|| set_of(&load.elements));
    assert_eq!(set.iter().count(), load.elements.len());
    ns_each(took, load.elements.len())
}

/// A replica that has all, and one new element more, is merged.
pub fn merge_ns(load: &Load) -> f64 {
    let mut set = set_of(&load.elements);
    let mut all = Duration::ZERO;
    for element in &load.fresh[..MERGES] {
        let mut other = set.clone();
        add(&mut other, element, OTHER);
        let ((), took) = timed(|| set.merge(other));
        assert!(set.contains(element).val);
        all += took;
    }
    assert_eq!(set.iter().count(), load.elements.len() + MERGES);
    ns_each(all, MERGES)
}

fn add(set: &mut Set, element: &[u8], actor: u64) {
    let context = set.read_ctx().derive_add_ctx(actor);
    let op = set.add(element.to_vec(), context);
    set.apply(op);
}
