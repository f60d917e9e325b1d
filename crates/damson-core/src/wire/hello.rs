//! The greeting: who speaks, which versions, which realm, and what is known of whom.

use damson_crdt::NodeId;
use minicbor::{Decode, Encode};

use crate::scope::ScopeName;

/// The first message on every link. Nothing else leaves a node before the greeting is complete.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// The oldest wire version that the sender speaks.
    #[n(0)]
    pub version_min: u16,
    /// The newest wire version that the sender speaks.
    #[n(1)]
    pub version_max: u16,
    /// The cluster: nodes of different realms never mix.
    #[n(2)]
    pub realm: String,
    /// The sender; must be the id that the transport has authenticated.
    #[n(3)]
    pub id: NodeId,
    /// Drawn at each start: tells a second link of one process from a second process.
    #[n(4)]
    pub boot: u64,
    /// The life of the sender's state.
    #[n(5)]
    pub life: u64,
    /// A label for people.
    #[n(6)]
    pub name: String,
    /// Where the sender listens, as others should dial it; empty when it does not.
    #[n(7)]
    pub address: String,
    /// Where it stands: a data centre, a rack.
    #[n(8)]
    pub zone: Option<String>,
    /// The scopes that it hosts; absent when it hosts all.
    #[n(9)]
    pub hosted: Option<Vec<ScopeName>>,
    /// Names the sender's database, since that began.
    #[n(10)]
    pub born: Option<u64>,
}

/// The greeting is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Welcome {
    /// The wire version of the link: the newest that both speak.
    #[n(0)]
    pub version: u16,
    /// For each scope the greatest number that the sender has seen of the receiver's actor.
    #[n(1)]
    pub known: Vec<Known>,
}

/// What is known of an actor in one scope.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Known {
    /// The scope.
    #[n(0)]
    pub scope: ScopeName,
    /// The greatest number seen.
    #[n(1)]
    pub top: u64,
}

/// Why a greeting is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Another cluster.
    #[n(0)]
    #[error("it belongs to another realm")]
    Realm,
    /// No version in common.
    #[n(1)]
    #[error("no wire version in common")]
    Version,
    /// Another live process has the same node id.
    #[n(2)]
    #[error("another live process has the same node id")]
    DuplicateId,
    /// The id in the greeting is not the one that the transport has authenticated.
    #[n(3)]
    #[error("the greeting names another id than the link's")]
    WrongId,
    /// A link to oneself.
    #[n(4)]
    #[error("the address leads back to the node itself")]
    Oneself,
    /// Something else was expected.
    #[n(5)]
    #[error("malformed greeting")]
    Malformed,
    /// The sender was forgotten as a member, with all that it has.
    #[n(6)]
    #[error("the member was forgotten: it has to come back empty")]
    Forgotten,
    /// The refusing side has trusted another node at the address that the greeting names, or it names none.
    #[n(7)]
    #[error("another node was trusted at its address")]
    Untrusted,
}
