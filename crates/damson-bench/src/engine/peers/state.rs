//! chitchat: the state of one node, a map of strings with versions.

use chitchat::NodeState;

use crate::clock::{ns_each, timed};
use crate::engine::load::Load;

/// Sets all, from empty.
pub fn state_of<K: AsRef<str>, V: AsRef<str>>(entries: impl IntoIterator<Item = (K, V)>) -> NodeState {
    let mut state = NodeState::for_test();
    entries.into_iter().for_each(|(key, value)| state.set(key.as_ref(), value.as_ref()));
    state
}

pub fn set_ns(load: &Load) -> f64 {
    let (state, took) = timed(|| state_of(load.entries.iter().map(|(key, value)| (key, value))));
    assert_eq!(state.num_key_values(), load.entries.len());
    ns_each(took, load.entries.len())
}
