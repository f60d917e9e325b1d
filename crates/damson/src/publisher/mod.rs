//! Data that each node owns and all nodes see.
//!
//! In a scope every node that runs the publisher has *local data* of its own, which it alone changes, by *updates*. All see the
//! *global view* of everybody's. What a node owns is withdrawn from the view when it dies, stops, or is restarted without the
//! publisher, and is there again when it returns; only the difference is told to those who have subscribed.
//!
//! ```text
//!   update --> records of this node in the scope --> engine --> records on every node
//!                                                                   | roster: who takes part, and speaks which version
//!                                                                   v
//!     Publisher::decode_*, update_global_view_and_notify   -->  global view, notices       on the publisher's thread
//! ```
//!
//! A node writes an update once, as one small operation, however many nodes there are: the engine spreads it. It is numbered, so
//! that a lost one is noticed and brought by anti-entropy. Payloads say the version that they are written in, which is the lowest
//! that all who take part speak: so versions can be mixed, and change when the last old node has gone.
//! `docs/publisher.md` says what is promised.

mod error;
mod foreign;
mod layout;
mod published;
mod shelf;
mod showing;
mod start;
mod state;
mod subscriptions;
mod writer;

use std::fmt::Debug;

use bytes::Bytes;
use damson_core::crdt::NodeId;

use crate::ScopeName;

pub use error::PublisherError;
pub use foreign::{Foreign, Plain, PlainMessages};
pub use published::{Peer, Published, PublisherCounters};
pub use start::PublisherBuilder;
pub use subscriptions::{Notices, Subscribed, Told};

/// What a publisher's data are, how they change, and what is seen of them.
///
/// All methods run on one thread for each instance; they may take their time, and hold up nobody but that instance. One that
/// panics costs what the instance holds: it is made anew, the view with it, and subscribers are told their result again.
pub trait Publisher: Send + Sized + 'static {
    /// What a node owns.
    type LocalData: Clone + Send + 'static;
    /// How that changes.
    type Update: Clone + Send + 'static;
    /// What is seen of all nodes. It is read by anybody at any time, and so is changed through a shared reference: readers should not
    /// have to wait for the one who changes it.
    type GlobalView: Send + Sync + 'static;
    /// What one can subscribe to.
    type Subscription: Clone + Ord + Send + 'static;
    /// The first result of a subscription.
    type Answer: Send + 'static;
    /// What subscribers are told then.
    type Notice: Clone + Send + 'static;

    /// The version of its payloads that this implementation writes when it may.
    fn version(&self) -> u16;

    /// What a node owns at first.
    fn init_local_data(&self) -> Self::LocalData;

    /// Applies an update to what a node owns.
    fn update_local_data(&self, update: &Self::Update, data: &mut Self::LocalData);

    /// The update that leads from one to the other. Used when a node comes, goes, returns, or was not followed step by step.
    fn data_diff(&self, old: &Self::LocalData, new: &Self::LocalData) -> Self::Update;

    /// The view of no nodes.
    fn init_global_view(&self, scope: &ScopeName) -> Self::GlobalView;

    /// Applies an update of what a node owns to the view, and tells the subscribers whom it concerns.
    fn update_global_view_and_notify(
        &self,
        owner: &Owner,
        update: &Self::Update,
        view: &Self::GlobalView,
        notices: &mut Notices<'_, Self>,
    );

    /// The view is used no more: the publisher has ended, or has panicked and gets another. Called once for each view that was made;
    /// who has asked for the view before may still hold it.
    fn stop_global_view(&self, view: &Self::GlobalView) {
        let _ = view;
    }

    /// The first result of a subscription. What is told from then on has no gap to it.
    fn new_subscription(&self, subscription: &Self::Subscription, view: &Self::GlobalView) -> Self::Answer;

    /// The bytes of what a node owns in a version, its own or an older one; `None` when it cannot be said in that.
    fn encode_local_data(&self, version: u16, data: &Self::LocalData) -> Option<Bytes>;

    /// The same of an update.
    fn encode_update(&self, version: u16, update: &Self::Update) -> Option<Bytes>;

    /// What a node owns, from its bytes in a version; `None` when that version is unknown here, or they make no sense.
    fn decode_local_data(&self, version: u16, bytes: Bytes) -> Option<Self::LocalData>;

    /// The same of an update.
    fn decode_update(&self, version: u16, bytes: Bytes) -> Option<Self::Update>;

    /// What a message from outside means, as it was [delivered](Published::deliver): from a process of this node, or from a
    /// system that knows nothing of this one.
    fn translate_message(&self, message: Bytes, view: &Self::GlobalView) -> Foreign<Self> {
        let _ = (message, view);
        Foreign::Drop
    }

    /// What is said to systems that know nothing of this one, when this node's data are so ([`Published::plain_messages`]).
    fn plain_local_data(&self, data: &Self::LocalData) -> Vec<Bytes> {
        let _ = data;
        Vec::new()
    }

    /// The same when they have changed.
    fn plain_update(&self, update: &Self::Update) -> Vec<Bytes> {
        let _ = update;
        Vec::new()
    }
}

/// Whose data they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// A member's.
    Member(NodeId),
    /// Those of something outside, known on this node only, by messages that were delivered here.
    Foreign(Bytes),
}
