//! A publisher of which a test sees, and says, what its implementation does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use damson::ScopeName;
use damson::publisher::{Notices, Owner, Publisher};

/// A number that each node shows, in 16 bytes.
pub struct Numbers(pub Arc<Probe>);

/// What its implementation did, and is to do.
#[derive(Default)]
pub struct Probe {
    pub views_made: AtomicUsize,
    pub views_stopped: AtomicUsize,
    /// Updates that it has begun to show, and who had subscribed at the last that it showed.
    pub begun: AtomicUsize,
    subscribed: Mutex<Vec<&'static str>>,
    /// Nothing is shown meanwhile.
    pub waits: AtomicBool,
    /// It panics so often when it is to show something, and when a view is stopped.
    pub panics_showing: AtomicUsize,
    pub panics_stopping: AtomicUsize,
    /// Each notice holds one more.
    notices: Arc<()>,
}

impl Probe {
    pub fn notices(&self) -> usize {
        Arc::strong_count(&self.notices) - 1
    }

    pub fn subscribed(&self) -> Vec<&'static str> {
        self.subscribed.lock().unwrap().clone()
    }

    pub fn views(&self) -> (usize, usize) {
        (self.views_made.load(SeqCst), self.views_stopped.load(SeqCst))
    }
}

fn trap(left: &AtomicUsize) {
    assert!(left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_err(), "a user's bug");
}

fn number(bytes: &[u8]) -> Option<u128> {
    bytes.try_into().ok().map(u128::from_be_bytes)
}

impl Publisher for Numbers {
    type LocalData = u128;
    type Update = u128;
    type GlobalView = Mutex<BTreeMap<Owner, u128>>;
    type Subscription = &'static str;
    type Answer = usize;
    type Notice = (u128, Arc<()>);

    fn version(&self) -> u16 {
        1
    }
    fn init_local_data(&self) -> u128 {
        0
    }
    fn update_local_data(&self, update: &u128, data: &mut u128) {
        *data = *update;
    }
    fn data_diff(&self, _: &u128, new: &u128) -> u128 {
        *new
    }
    fn init_global_view(&self, _: &ScopeName) -> Self::GlobalView {
        self.0.views_made.fetch_add(1, SeqCst);
        Mutex::default()
    }
    fn update_global_view_and_notify(
        &self,
        owner: &Owner,
        update: &u128,
        view: &Self::GlobalView,
        notices: &mut Notices<'_, Self>,
    ) {
        self.0.begun.fetch_add(1, SeqCst);
        while self.0.waits.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        trap(&self.0.panics_showing);
        view.lock().unwrap().insert(owner.clone(), *update);
        let subscribed: Vec<_> = notices.subscriptions().copied().collect();
        for subscription in &subscribed {
            notices.notify(subscription, &(*update, self.0.notices.clone()));
        }
        *self.0.subscribed.lock().unwrap() = subscribed;
    }
    fn stop_global_view(&self, _: &Self::GlobalView) {
        self.0.views_stopped.fetch_add(1, SeqCst);
        trap(&self.0.panics_stopping);
    }
    fn new_subscription(&self, _: &&'static str, view: &Self::GlobalView) -> usize {
        view.lock().unwrap().len()
    }
    fn encode_local_data(&self, _: u16, data: &u128) -> Option<Bytes> {
        Some(data.to_be_bytes().to_vec().into())
    }
    fn encode_update(&self, _: u16, update: &u128) -> Option<Bytes> {
        Some(update.to_be_bytes().to_vec().into())
    }
    fn decode_local_data(&self, _: u16, bytes: Bytes) -> Option<u128> {
        number(&bytes)
    }
    fn decode_update(&self, _: u16, bytes: Bytes) -> Option<u128> {
        number(&bytes)
    }
}
