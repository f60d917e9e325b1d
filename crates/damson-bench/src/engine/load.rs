//! What all work with.

use crate::entry::{entry, key};

/// Elements that come new to the set: Damson merges each as a batch of its own.
const FRESH: u32 = 1_000;

/// Keys with values; the keys are the elements of the set, too.
pub struct Load {
    pub entries: Vec<(String, String)>,
    pub elements: Vec<Vec<u8>>,
    /// Elements that are not among those.
    pub fresh: Vec<Vec<u8>>,
}

impl Load {
    pub fn new(keys: u32) -> Self {
        let element = |n: u32| key(n.into()).into_bytes();
        Self {
            entries: (0..keys).map(|n| entry(n.into())).collect(),
            elements: (0..keys).map(element).collect(),
            fresh: (keys..keys + FRESH).map(element).collect(),
        }
    }
}
