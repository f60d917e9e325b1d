//! Counters under a prefix, such as those of one application beside others in a scope.

use std::collections::BTreeMap;

use bytes::Bytes;
use damson_core::crdt::Kind;
use damson_core::replica::{Slot, WriteError};

use super::Counter;
use crate::scope::Scope;

/// Ends the prefix in a key.
const END: u8 = 0;

/// Counters under a prefix. A counter's key in the scope is the prefix, a zero byte, and the counter's own key, exactly as
/// given: `/a` and `/a/b` are two counters, and no two pairs of prefix and key are one. Cheap to clone.
#[derive(Clone)]
pub struct CounterGroup {
    scope: Scope,
    prefix: Bytes,
}

/// A prefix with a zero byte, which ends it in a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a prefix of counters must not have a zero byte, this one has one at {at}")]
pub struct PrefixError {
    /// Where, in bytes from the beginning.
    pub at: usize,
}

impl Scope {
    /// Counters under a prefix.
    ///
    /// # Errors
    /// [`PrefixError`].
    pub fn counters(&self, prefix: impl Into<Bytes>) -> Result<CounterGroup, PrefixError> {
        let prefix = prefix.into();
        match prefix.iter().position(|byte| *byte == END) {
            Some(at) => Err(PrefixError { at }),
            None => Ok(CounterGroup { scope: self.clone(), prefix }),
        }
    }
}

impl CounterGroup {
    /// The prefix of Warpnet's statistics.
    pub const STATS: &str = "/STATS";

    /// The counter under a key: signed or clamped, with what each actor contributed.
    pub fn counter(&self, key: impl AsRef<[u8]>) -> Counter {
        Counter::new(self.scope.clone(), Slot::key([&self.prefix, &[END][..], key.as_ref()].concat()))
    }

    /// Adds one, and returns the sum as this node sees it.
    ///
    /// # Errors
    /// As [`Counter::add`].
    pub async fn increment(&self, key: impl AsRef<[u8]>) -> Result<i64, WriteError> {
        self.counter(key).add(1).await
    }

    /// Subtracts one, and returns the sum as this node sees it.
    ///
    /// # Errors
    /// As [`Counter::add`].
    pub async fn decrement(&self, key: impl AsRef<[u8]>) -> Result<i64, WriteError> {
        self.counter(key).sub(1).await
    }

    /// The sum over all actors, but never below zero; 0 for a key that nobody has counted under.
    pub fn get(&self, key: impl AsRef<[u8]>) -> u64 {
        self.counter(key).get_clamped()
    }

    /// All counters with their sums, as of one instant. Looks at every key of the scope.
    pub fn all(&self) -> BTreeMap<Bytes, i64> {
        let own = |key: &Bytes| {
            let rest = key.strip_prefix(&self.prefix[..])?.strip_prefix(&[END])?;
            Some(key.slice_ref(rest))
        };
        self.scope.read(|view| {
            let counters = view.keys().filter(|(_, kind)| *kind == Kind::Counter);
            let sums = counters.filter_map(|(key, _)| Some((own(&key)?, view.counter(&Slot::key(key))?)));
            sums.collect()
        })
    }
}
