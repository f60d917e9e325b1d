//! Fences: numbers that only grow, of which no two are equal, given by every node without asking another.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use bytes::Bytes;
use damson::replica::{Delta, Instance, InstanceError, Replica};
use damson::{Actor, Node, ScopeName, Slot};

/// Greater than every fence that its giver had seen. Two givers may give the same number when neither has heard of the other, and one
/// node may when it has lost what it knew; but then it is another actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence {
    pub number: u64,
    pub giver: Actor,
}

/// The highest number that anybody has given for each lock.
#[derive(Default)]
pub struct Fences {
    highest: BTreeMap<Bytes, u64>,
}

/// Gives fences on a node. Each actor has one entry for each lock, with the highest number that it has given.
pub struct Giver {
    /// The entries.
    pub instance: Instance<Fences>,
    actor: Actor,
}

impl Replica for Fences {
    fn merge_delta(&mut self, _: &ScopeName, delta: &Delta) {
        // Told again from the beginning nothing goes back: numbers only grow.
        for entry in delta.entries() {
            let Some((lock, _)) = entry.key.split_last_chunk::<{ Actor::BYTES }>() else { continue };
            let Some(number) = entry.value.as_ref().and_then(|(value, _)| number_of(value)) else { continue };
            let highest = self.highest.entry(Bytes::copy_from_slice(lock)).or_default();
            *highest = number.max(*highest);
        }
    }
}

impl Giver {
    /// Begins on a node that is ready: from then on it is certain which life it is in.
    pub async fn start(node: &Node) -> Result<Self, InstanceError> {
        node.ready().await;
        let is_number = |_: &[u8], value: &[u8]| number_of(value).is_some();
        let instance = node.replica("fences", Fences::default).validate(is_number).start()?;
        Ok(Self { instance, actor: Actor::new(node.id(), node.life()) })
    }

    /// The highest number that is known here.
    pub async fn highest(&self, lock: &str) -> Result<u64, InstanceError> {
        let lock = Bytes::copy_from_slice(lock.as_bytes());
        self.instance.with(move |fences| fences.highest.get(&lock).copied().unwrap_or(0)).await
    }

    /// Gives the next fence of a lock.
    pub async fn give(&self, lock: &str) -> Result<Fence, Box<dyn Error>> {
        let seen = self.highest(lock).await?;
        let slot = Slot::key([lock.as_bytes(), &self.actor.to_bytes()].concat());
        // What was given here is known here before the implementation is told, and nobody gives in the middle of a transaction.
        let given = self.instance.scope().write(|tx| {
            let own = tx.view().register(&slot).and_then(|value| number_of(&value)).unwrap_or(0);
            let Some(number) = seen.max(own).checked_add(1) else { return Ok(None) };
            tx.put_register(&slot, number.to_be_bytes().to_vec().into(), None)?;
            Ok(Some(number))
        });
        let number = given.await?.ok_or("there are no more numbers")?;
        Ok(Fence { number, giver: self.actor })
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Actor { node, life } = self.giver;
        write!(f, "{} by {node} in its life {:016x}", self.number, life.0)
    }
}

fn number_of(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}
