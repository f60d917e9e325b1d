//! Tells an implementation what changes: one task for each instance.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use damson_core::crdt::{Key, NodeId};
use damson_core::replica::Slot;
use tokio::sync::watch;

use super::instance::Validator;
use super::{Delta, Entry, InstanceCounters, Replica};
use crate::casts::{Heard as Custom, Listening};
use crate::names::Claim;
use crate::presence::Presence;
use crate::scope::Scope;
use crate::supervise::{Failed, Worker, told};
use crate::watch::{Following, Noted};

/// Entries that are told at once.
const DELTA_MAX: usize = 1_024;

/// What was told, and what is asked for.
#[derive(Default)]
pub(super) struct Tellings {
    told: AtomicU64,
    refused: AtomicU64,
    refused_by_panic: AtomicU64,
    foreign: AtomicU64,
    started_over: AtomicU64,
    customs: AtomicU64,
    customs_lost: AtomicU64,
    removed_nodes: AtomicU64,
}

/// Where an instance hears of changes.
pub(super) struct Heard {
    pub following: Following,
    pub customs: Listening,
}

pub(super) struct Telling<R> {
    scope: Scope,
    worker: Arc<Worker<R>>,
    validator: Option<Validator>,
    tellings: Arc<Tellings>,
    heard: Heard,
    presence: Presence,
    /// The name is free again when this has ended.
    _claim: Claim,
}

impl Tellings {
    pub fn counters(&self) -> InstanceCounters {
        InstanceCounters {
            told: self.told.load(Relaxed),
            refused: self.refused.load(Relaxed),
            refused_by_panic: self.refused_by_panic.load(Relaxed),
            foreign: self.foreign.load(Relaxed),
            started_over: self.started_over.load(Relaxed),
            customs: self.customs.load(Relaxed),
            customs_lost: self.customs_lost.load(Relaxed),
            removed_nodes: self.removed_nodes.load(Relaxed),
            panics: 0,
        }
    }

    fn shows(&self, validator: Option<&Validator>, entry: &Entry) -> bool {
        let (Some(validator), Some((value, _))) = (validator, &entry.value) else { return true };
        match catch_unwind(AssertUnwindSafe(|| validator(&entry.key, value))) {
            Ok(true) => return true,
            Ok(false) => self.refused.fetch_add(1, Relaxed),
            Err(_) => self.refused_by_panic.fetch_add(1, Relaxed),
        };
        false
    }
}

impl<R: Replica> Telling<R> {
    pub fn new(
        scope: Scope,
        worker: Arc<Worker<R>>,
        validator: Option<Validator>,
        tellings: Arc<Tellings>,
        heard: Heard,
        claim: Claim,
    ) -> Self {
        let presence = Presence::new(scope.driver());
        Self { scope, worker, validator, tellings, heard, presence, _claim: claim }
    }

    /// Until the instance or the node is stopped, or the implementation is given up.
    pub async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut panics = self.worker.panics();
        loop {
            let outcome = tokio::select! {
                // After a panic nothing else is told before everything is.
                biased;
                () = told(&mut stopped) => return,
                Ok(()) = panics.changed() => self.tell_all().await,
                noted = self.heard.following.next(DELTA_MAX) => match noted {
                    None => return,
                    Some(Noted::All) => self.tell_all().await,
                    Some(Noted::Names(keys)) => self.tell(false, self.look(keys)).await,
                },
                custom = self.heard.customs.next() => match custom {
                    None => return,
                    Some(custom) => self.tell_custom(custom).await,
                },
                gone = self.presence.moved() => self.tell_gone(gone).await,
            };
            if outcome == Err(Failed::Gone) {
                tracing::error!(name = %self.scope.name(), "an implementation has panicked too often and is given up");
                return;
            }
        }
    }

    /// Everything, in parts. What changes meanwhile is noted and comes behind.
    async fn tell_all(&self) -> Result<(), Failed> {
        self.tellings.started_over.fetch_add(1, Relaxed);
        let (mut cursor, mut first) = (Some(0), true);
        while let Some(from) = cursor {
            let scan = self.scope.read(|view| view.scan(from, DELTA_MAX));
            cursor = scan.next;
            let entries = self.look(scan.keys.into_iter().map(|(key, _)| key).collect());
            self.tell(std::mem::take(&mut first), entries).await?;
        }
        Ok(())
    }

    /// What is so of these keys now.
    fn look(&self, keys: Vec<Key>) -> Vec<Entry> {
        let mut foreign = 0;
        let entries = self.scope.read(|view| {
            let look = |key: Key| {
                let slot = Slot::key(key);
                let value = view.stamped(&slot);
                if value.is_none() && view.kind(&slot).is_some() {
                    foreign += 1;
                    return None;
                }
                Some(Entry { key: slot.key, value })
            };
            keys.into_iter().filter_map(look).collect()
        });
        self.tellings.foreign.fetch_add(foreign, Relaxed);
        entries
    }

    async fn tell(&self, starts_over: bool, entries: Vec<Entry>) -> Result<(), Failed> {
        if entries.is_empty() && !starts_over {
            return Ok(());
        }
        let (name, validator, tellings) =
            (self.scope.name().clone(), self.validator.clone(), self.tellings.clone());
        let mut delta = Delta { starts_over, entries };
        // The validator is the user's code, too.
        let tell = move |replica: &mut R| {
            delta.entries.retain(|entry| tellings.shows(validator.as_ref(), entry));
            if delta.entries.is_empty() && !starts_over {
                return;
            }
            tellings.told.fetch_add(delta.entries.len() as u64, Relaxed);
            replica.merge_delta(&name, &delta);
        };
        self.worker.run(tell).await
    }

    async fn tell_custom(&self, custom: Custom) -> Result<(), Failed> {
        let name = self.scope.name().clone();
        let (from, payloads) = match custom {
            Custom::Cast { from, body, .. } => {
                self.tellings.customs.fetch_add(1, Relaxed);
                return self.worker.run(move |replica| replica.merge_custom(&name, from.node, body)).await;
            }
            Custom::Lost { from, messages } => (from, messages),
            Custom::Gone { from, first, last } => (from.node, last - first + 1),
        };
        self.tellings.customs_lost.fetch_add(payloads, Relaxed);
        self.worker.run(move |replica| replica.lose_custom(&name, from, payloads)).await
    }

    async fn tell_gone(&self, gone: Vec<NodeId>) -> Result<(), Failed> {
        let mut outcome = Ok(());
        for node in gone {
            self.tellings.removed_nodes.fetch_add(1, Relaxed);
            let name = self.scope.name().clone();
            // Each is told once: a panic at one takes nothing from the others.
            outcome = outcome.and(self.worker.run(move |replica| replica.remove_node(&name, node)).await);
        }
        outcome
    }
}
