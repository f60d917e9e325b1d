//! What is on the publisher's thread: the implementation, and what the view shows of whom.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use damson_core::crdt::NodeId;
use damson_core::scope::ScopeName;
use parking_lot::{Mutex, RwLock};

use super::layout::{At, Update};
use super::shelf::News;
use super::subscriptions::Subscriptions;
use super::{Foreign, Owner, Publisher};

pub(super) struct State<P: Publisher> {
    publisher: P,
    view: Arc<P::GlobalView>,
    subscriptions: Arc<Subscriptions<P>>,
    /// What the view shows.
    shown: BTreeMap<Owner, P::LocalData>,
    me: NodeId,
    own: Own<P::LocalData>,
}

/// What this node owns, as it is here: in another version less of it may be said. It outlives a panic.
pub(super) type Own<D> = Arc<Mutex<Option<D>>>;

/// The present view, for those who read it.
pub(super) type Seen<V> = Arc<RwLock<Option<Arc<V>>>>;

/// A version that the implementation does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Untranslated(pub u16);

impl<P: Publisher> State<P> {
    pub fn new(
        publisher: P,
        scope: &ScopeName,
        seen: &Seen<P::GlobalView>,
        subscriptions: Arc<Subscriptions<P>>,
        (me, own): (NodeId, Own<P::LocalData>),
    ) -> Self {
        let view = Arc::new(publisher.init_global_view(scope));
        *seen.write() = Some(view.clone());
        subscriptions.begin_again();
        let before = own.lock().clone();
        let mut state = Self { publisher, view, subscriptions, shown: BTreeMap::new(), me, own };
        before.into_iter().for_each(|data| state.show_all(&Owner::Member(me), data));
        state
    }

    pub fn publisher(&self) -> &P {
        &self.publisher
    }

    pub fn answer(&self, subscription: &P::Subscription) -> P::Answer {
        self.publisher.new_subscription(subscription, &self.view)
    }

    /// Shows what this node owns at first.
    pub fn show_own(&mut self) {
        let data = self.publisher.init_local_data();
        *self.own.lock() = Some(data.clone());
        self.show_all(&Owner::Member(self.me), data);
    }

    /// Shows an update of it.
    pub fn update_own(&mut self, update: &P::Update) {
        if let Some(data) = &mut *self.own.lock() {
            self.publisher.update_local_data(update, data);
        }
        self.show_update(&Owner::Member(self.me), update);
    }

    /// Shows what is new of another member, and says how far that is. What cannot be translated changes nothing, and ends it.
    pub fn show(
        &mut self,
        owner: NodeId,
        news: News,
        known: Option<At>,
    ) -> (Option<At>, Result<(), Untranslated>) {
        let (owner, mut at) = (Owner::Member(owner), known);
        if let Some(base) = news.base {
            let Some(data) = self.publisher.decode_local_data(base.at.version, base.data) else {
                return (at, Err(Untranslated(base.at.version)));
            };
            self.show_all(&owner, data);
            at = Some(base.at);
        }
        for Update { version, update, .. } in news.updates {
            let Some(update) = self.publisher.decode_update(version, update) else {
                return (at, Err(Untranslated(version)));
            };
            self.show_update(&owner, &update);
            at = at.map(|at| At { number: at.number + 1, ..at });
        }
        (at, Ok(()))
    }

    fn show_all(&mut self, owner: &Owner, data: P::LocalData) {
        let none = self.publisher.init_local_data();
        let diff = self.publisher.data_diff(self.shown.get(owner).unwrap_or(&none), &data);
        self.shown.insert(owner.clone(), data);
        self.tell(owner, &diff);
    }

    fn show_update(&mut self, owner: &Owner, update: &P::Update) {
        let Some(data) = self.shown.get_mut(owner) else { return };
        self.publisher.update_local_data(update, data);
        self.tell(owner, update);
    }

    /// What somebody owned is seen no more.
    pub fn withdraw(&mut self, owner: &Owner) {
        let Some(data) = self.shown.remove(owner) else { return };
        let diff = self.publisher.data_diff(&data, &self.publisher.init_local_data());
        self.tell(owner, &diff);
    }

    fn tell(&self, owner: &Owner, update: &P::Update) {
        let Self { publisher, view, subscriptions, .. } = self;
        subscriptions.tell(|notices| {
            publisher.update_global_view_and_notify(owner, update, view, notices);
        });
    }

    /// What this node owns, in a version; `None` when that cannot be said.
    pub fn encode_own(&self, version: u16) -> Option<Bytes> {
        let own = self.own.lock();
        self.publisher.encode_local_data(version, own.as_ref().unwrap_or(&self.publisher.init_local_data()))
    }

    /// What is said of it to systems that know nothing of this one.
    pub fn plain_own(&self) -> Vec<Bytes> {
        let own = self.own.lock();
        own.as_ref().map(|data| self.publisher.plain_local_data(data)).unwrap_or_default()
    }

    /// What a message means; what concerns somebody outside is done.
    pub fn translate(&mut self, message: Bytes) -> Foreign<P> {
        match self.publisher.translate_message(message, &self.view) {
            Foreign::OwnersUpdate(id, update) => self.show_update(&Owner::Foreign(id), &update),
            Foreign::LocalData(id, data) => self.show_all(&Owner::Foreign(id), data),
            Foreign::Gone(id) => self.withdraw(&Owner::Foreign(id)),
            other => return other,
        }
        Foreign::Drop
    }
}

impl<P: Publisher> Drop for State<P> {
    fn drop(&mut self) {
        // A panic may have led here, also in making the state: a second one that got out would end the process.
        let _ = catch_unwind(AssertUnwindSafe(|| self.publisher.stop_global_view(&self.view)));
    }
}
