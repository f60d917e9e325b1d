//! Trust on first use: who answers at an address the first time is who has to answer there from then on.
//!
//! A file maps addresses to node ids, as SSH's `known_hosts` does. Two moments ask it, both at the edge of the node, before
//! anything of a peer is believed:
//!
//! ```text
//!   a dial    address in the file?  no: write it, durably    yes: the same id, or there is no link
//!   a hello   address in the file?  no: welcome              yes: the same id, or it is refused
//! ```
//!
//! Only dials write to the file. What a peer says of itself would let anybody take addresses of others before they are
//! dialled. So a peer that calls from an address that is not in the file yet is let in: this is for laboratories.
//!
//! The file is read each time. That costs less than the handshake before it, and who removes a line need not restart a node.

mod error;
mod file;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use damson_core::crdt::NodeId;
use parking_lot::Mutex;

pub use error::TrustError;
use file::Lines;

/// Refusals that are kept to be shown.
const REFUSALS_MAX: usize = 64;

/// A node that has answered at an address, as the file of [`NodeBuilder::trust_on_first_use`](crate::NodeBuilder::trust_on_first_use)
/// has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The address, as it was dialled.
    pub address: String,
    /// Who answered there first.
    pub node: NodeId,
}

/// The file, and what was refused because of it.
#[derive(Debug)]
pub(crate) struct Trust {
    path: PathBuf,
    here: NodeId,
    /// Held while the file is read and written anew.
    writing: Mutex<()>,
    /// The last refusal at each address, oldest first.
    refusals: Mutex<VecDeque<TrustError>>,
}

impl Trust {
    /// Reads the file, or makes an empty one, for the node with the id `here`.
    pub fn open(path: PathBuf, here: NodeId) -> Result<Arc<Self>, TrustError> {
        Lines::read_or_create(&path)?;
        Ok(Arc::new(Self { path, here, writing: Mutex::default(), refusals: Mutex::default() }))
    }

    /// May there be a link to the node that has answered at an address that was dialled? A first answer is written down before.
    pub async fn dialed(self: &Arc<Self>, address: &str, peer: NodeId) -> Result<(), TrustError> {
        let address = address.to_string();
        self.judge(peer, move |trust| trust.look_or_pin(&address, peer)).await
    }

    /// May a peer that advertises this address greet us?
    pub async fn greeted(self: &Arc<Self>, address: &str, peer: NodeId) -> Result<(), TrustError> {
        let address = address.to_string();
        self.judge(peer, move |trust| trust.look(&address, peer)).await
    }

    /// The pins, in the order in which they were written.
    pub fn pins(&self) -> Result<Vec<Pin>, TrustError> {
        Ok(Lines::read(&self.path)?.pins().to_vec())
    }

    /// The last refusals, one for each address, oldest first.
    pub fn refusals(&self) -> Vec<TrustError> {
        self.refusals.lock().iter().cloned().collect()
    }

    /// Files are not read on the runtime's threads. The node itself is not judged: the greeting tells it.
    async fn judge(
        self: &Arc<Self>,
        peer: NodeId,
        look: impl FnOnce(&Self) -> Result<(), TrustError> + Send + 'static,
    ) -> Result<(), TrustError> {
        if peer == self.here {
            return Ok(());
        }
        let trust = self.clone();
        let judged = tokio::task::spawn_blocking(move || look(&trust));
        let judged = judged.await.unwrap_or_else(|fault| Err(TrustError::unread(&self.path, &fault)));
        judged.inspect_err(|error| self.note(error))
    }

    fn look_or_pin(&self, address: &str, peer: NodeId) -> Result<(), TrustError> {
        let _writing = self.writing.lock();
        let lines = Lines::read(&self.path)?;
        match lines.node_at(address) {
            Some(pinned) => self.compare(address, pinned, peer),
            None => lines.pin(address, peer),
        }
    }

    fn look(&self, address: &str, peer: NodeId) -> Result<(), TrustError> {
        let lines = Lines::read(&self.path)?;
        match lines.node_at(address) {
            Some(pinned) => self.compare(address, pinned, peer),
            None if address.is_empty() && !lines.has(peer) => {
                Err(TrustError::NoAddress { node: peer, path: self.path.clone() })
            }
            None => Ok(()),
        }
    }

    fn compare(&self, address: &str, pinned: NodeId, found: NodeId) -> Result<(), TrustError> {
        if pinned == found {
            return Ok(());
        }
        Err(TrustError::AnotherNode { address: address.into(), pinned, found, path: self.path.clone() })
    }

    fn note(&self, error: &TrustError) {
        let mut refusals = self.refusals.lock();
        refusals.retain(|other| other.address() != error.address());
        if refusals.len() == REFUSALS_MAX {
            refusals.pop_front();
        }
        refusals.push_back(error.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: NodeId = NodeId([1; 16]);
    const FRIEND: NodeId = NodeId([2; 16]);
    const STRANGER: NodeId = NodeId([3; 16]);

    fn trust() -> (tempfile::TempDir, Arc<Trust>) {
        let directory = tempfile::tempdir().unwrap();
        let trust = Trust::open(directory.path().join("trusted"), HERE).unwrap();
        (directory, trust)
    }

    #[tokio::test]
    async fn who_answers_first_is_pinned_and_another_is_refused_with_all_that_one_needs_to_know() {
        let (_directory, trust) = trust();
        trust.dialed("a.example:7400", FRIEND).await.unwrap();
        trust.dialed("a.example:7400", FRIEND).await.unwrap();
        let error = trust.dialed("a.example:7400", STRANGER).await.unwrap_err();
        let said = error.to_string();
        let told = ["a.example:7400", &FRIEND.to_string(), &STRANGER.to_string(), "trusted", "remove"];
        assert!(told.iter().all(|part| said.contains(part)), "{said}");
        assert_eq!(trust.pins().unwrap(), [Pin { address: "a.example:7400".into(), node: FRIEND }]);
        assert_eq!(trust.refusals(), [error]);
    }

    #[tokio::test]
    async fn a_greeting_is_compared_and_pins_nothing() {
        let (_directory, trust) = trust();
        trust.greeted("a.example:7400", STRANGER).await.unwrap();
        assert!(trust.pins().unwrap().is_empty());
        trust.dialed("a.example:7400", FRIEND).await.unwrap();
        trust.greeted("a.example:7400", FRIEND).await.unwrap();
        let error = trust.greeted("a.example:7400", STRANGER).await.unwrap_err();
        assert!(matches!(error, TrustError::AnotherNode { pinned: FRIEND, found: STRANGER, .. }), "{error}");
    }

    #[tokio::test]
    async fn who_names_no_address_has_to_be_pinned_somewhere() {
        let (_directory, trust) = trust();
        let error = trust.greeted("", FRIEND).await.unwrap_err();
        assert!(matches!(error, TrustError::NoAddress { node: FRIEND, .. }), "{error}");
        trust.dialed("a.example:7400", FRIEND).await.unwrap();
        trust.greeted("", FRIEND).await.unwrap();
    }

    #[tokio::test]
    async fn the_node_itself_is_neither_pinned_nor_refused() {
        let (_directory, trust) = trust();
        trust.dialed("a.example:7400", HERE).await.unwrap();
        assert!(trust.pins().unwrap().is_empty());
        trust.dialed("a.example:7400", FRIEND).await.unwrap();
        trust.dialed("a.example:7400", HERE).await.unwrap();
    }

    #[tokio::test]
    async fn refusals_are_bounded_and_the_last_of_each_address_stays() {
        let (_directory, trust) = trust();
        for at in 0..REFUSALS_MAX + 9 {
            let address = format!("a{at}.example:7400");
            trust.dialed(&address, FRIEND).await.unwrap();
            for _ in 0..2 {
                trust.greeted(&address, STRANGER).await.unwrap_err();
            }
        }
        let refusals = trust.refusals();
        assert_eq!(refusals.len(), REFUSALS_MAX);
        assert_eq!(refusals[0].address(), Some("a9.example:7400"));
    }
}
