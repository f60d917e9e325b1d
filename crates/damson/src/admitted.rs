//! Who may link, looked at and changed while the node runs.

use damson_core::crdt::NodeId;

use crate::node::Node;
use crate::transport::{Admission, PeerId};
use crate::trust::{Pin, TrustError};

/// The nodes that may link were not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AllowError {
    /// The application has brought its own transport, or a broadcaster, which decides for itself whom it links.
    #[error(
        "the node's transport is the application's own, which decides whom it links: nothing was changed"
    )]
    OtherTransport,
}

impl Node {
    /// From now on only these nodes may link, in both directions: the list that [`NodeBuilder::allow_nodes`] gives at the start, or
    /// a first one. Links to others are closed; returns how many. Members that are no longer on it are judged dead in time, and can
    /// be forgotten. What such a node writes still comes through members on whose lists it stands: change all lists.
    ///
    /// # Errors
    /// [`AllowError`].
    ///
    /// [`NodeBuilder::allow_nodes`]: crate::NodeBuilder::allow_nodes
    pub fn allow_nodes(&self, ids: impl IntoIterator<Item = NodeId>) -> Result<usize, AllowError> {
        let tcp = self.tcp().ok_or(AllowError::OtherTransport)?;
        let allowed = ids.into_iter().map(|id| id.0).collect();
        let secrets = tcp.admission().secrets.clone();
        // First the list: a link that comes up after those below are closed is asked about once more.
        tcp.set_admission(Admission { secrets, allowed: Some(allowed) });
        let admission = tcp.admission();
        let is_out =
            |peer: &PeerId| admission.allowed.as_ref().is_some_and(|allowed| !allowed.contains(peer));
        Ok(self.driver().change(|node, now, fx| node.close_links(|peer| is_out(&peer.0), now, fx)))
    }

    /// The only nodes that may link, in the order of their ids; `None` where there is no such list.
    pub fn allowed_nodes(&self) -> Option<Vec<NodeId>> {
        let admission = self.tcp()?.admission();
        admission.allowed.as_ref().map(|allowed| allowed.iter().copied().map(NodeId).collect())
    }

    /// Who was trusted on first use, in the order in which that was; empty where it is not decided so.
    ///
    /// # Errors
    /// [`TrustError::Read`] and [`TrustError::Damaged`]: the file is read anew.
    pub fn trusted(&self) -> Result<Vec<Pin>, TrustError> {
        self.driver().trust().map_or(Ok(Vec::new()), |trust| trust.pins())
    }

    /// The last links that were refused because another node was trusted at their address, or because that could not be
    /// found out: one for each address, oldest first, at most 64.
    pub fn trust_refusals(&self) -> Vec<TrustError> {
        self.driver().trust().map_or_else(Vec::new, |trust| trust.refusals())
    }
}
