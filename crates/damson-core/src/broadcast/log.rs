//! Recent payloads, for those who missed the push.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use damson_crdt::Actor;

use super::{BroadcastConfig, Stream};
use crate::time::Time;

/// A payload: consecutive operations of one author.
#[derive(Debug, Clone)]
pub(super) struct Logged {
    pub last: u64,
    pub round: u8,
    pub payload: Bytes,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    entries: BTreeMap<(Stream, u64), Logged>,
    order: VecDeque<(Time, Stream, u64)>,
    bytes: usize,
}

impl Log {
    pub fn push(&mut self, stream: Stream, first: u64, logged: Logged, now: Time, config: &BroadcastConfig) {
        self.bytes += logged.payload.len();
        if let Some(old) = self.entries.insert((stream.clone(), first), logged) {
            self.bytes -= old.payload.len();
        } else {
            self.order.push_back((now, stream, first));
        }
        self.trim(now, config);
    }

    pub fn trim(&mut self, now: Time, config: &BroadcastConfig) {
        let over = |log: &Self| log.bytes > config.log_bytes_max || log.order.len() > config.log_max;
        let old =
            |log: &Self| log.order.front().is_some_and(|(at, ..)| now.ms_since(*at) > config.log_ms_max);
        while !self.order.is_empty() && (over(self) || old(self)) {
            let (_, stream, first) = self.order.pop_front().expect("not empty");
            let gone = self.entries.remove(&(stream, first)).expect("both name the same");
            self.bytes -= gone.payload.len();
        }
    }

    /// The payloads that hold any of these numbers.
    pub fn range(&self, stream: &Stream, first: u64, last: u64) -> impl Iterator<Item = &Logged> {
        // The one before may reach into the range.
        let before = self.entries.range((stream.clone(), 0)..(stream.clone(), first)).next_back();
        let before = before.filter(move |(_, logged)| logged.last >= first);
        let within = self.entries.range((stream.clone(), first)..=(stream.clone(), last.max(first)));
        before.into_iter().chain(within).map(|(_, logged)| logged)
    }

    /// The greatest number of each author.
    pub fn latest(&self) -> BTreeMap<Stream, u64> {
        let mut latest: BTreeMap<Stream, u64> = BTreeMap::new();
        for ((stream, _), logged) in &self.entries {
            match latest.get_mut(stream) {
                Some(last) => *last = (*last).max(logged.last),
                None => _ = latest.insert(stream.clone(), logged.last),
            }
        }
        latest
    }
}

impl Stream {
    pub(super) fn new(scope: &crate::scope::ScopeName, actor: Actor) -> Self {
        Self { scope: scope.clone(), actor }
    }
}
