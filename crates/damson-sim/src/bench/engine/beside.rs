//! What a peer does as well, for those who take the time of both: puts, one large set, and merges into it.

use damson_crdt::{Actor, Batch, Life, NodeId};

use super::author::received;
use super::replica::{ACTOR, Engine};

/// Who writes at the second of two replicas.
const OTHER: Actor = Actor::new(NodeId([2; 16]), Life(2));

/// A replica that holds something until it is dropped.
pub struct Filled(Engine);

impl Filled {
    /// Its keys.
    pub fn keys(&self) -> usize {
        self.0.len()
    }

    /// The elements of its set.
    pub fn elements(&self) -> usize {
        self.0.set_len()
    }
}

/// Puts registers into an empty replica, each in a transaction of its own.
pub fn put_all<K: AsRef<[u8]>, V: AsRef<[u8]>>(entries: impl IntoIterator<Item = (K, V)>) -> Filled {
    let mut engine = Engine::new();
    entries.into_iter().for_each(|(key, value)| engine.put(key.as_ref(), value.as_ref()));
    Filled(engine)
}

/// Adds elements to one set of an empty replica, each in a transaction of its own. All have to differ.
pub fn add_all<E: AsRef<[u8]>>(elements: impl IntoIterator<Item = E>) -> Filled {
    let mut engine = Engine::new();
    elements.into_iter().for_each(|element| drop(engine.set_add(element.as_ref())));
    Filled(engine)
}

/// Two replicas with one set, and what the second has added to it since they were equal.
pub struct TwoSets {
    here: Engine,
    there: Engine,
    added: Vec<Batch>,
}

impl TwoSets {
    /// Both hold the elements; the fresh ones were added at the second, each in a transaction of its own. All have to differ.
    pub fn new<E: AsRef<[u8]>>(elements: &[E], fresh: &[E]) -> Self {
        let (mut here, mut there) = (Engine::of(ACTOR), Engine::of(OTHER));
        elements.iter().for_each(|element| there.merge(&received(&here.set_add(element.as_ref()))));
        let added = fresh.iter().map(|element| received(&there.set_add(element.as_ref()))).collect();
        Self { here, there, added }
    }

    /// Merges into the first what the second has added, one batch of one element after the other.
    pub fn merge_all(&mut self) {
        std::mem::take(&mut self.added).iter().for_each(|batch| self.here.merge(batch));
    }

    /// Do both hold the same?
    pub fn are_equal(&self) -> bool {
        self.here.digest() == self.there.digest()
    }

    /// The elements of the first.
    pub fn elements(&self) -> usize {
        self.here.set_len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_and_added_is_there() {
        assert_eq!(put_all([("a", "1"), ("b", "2"), ("a", "3")]).keys(), 2);
        assert_eq!(add_all(["a", "b", "c"]).elements(), 3);
    }

    #[test]
    fn two_sets_differ_until_the_second_is_merged_into_the_first() {
        let mut sets = TwoSets::new(&["a", "b", "c"], &["d", "e"]);
        assert_eq!((sets.elements(), sets.are_equal()), (3, false));
        sets.merge_all();
        assert_eq!((sets.elements(), sets.are_equal()), (5, true));
    }
}
