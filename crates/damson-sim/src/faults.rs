//! Accidents that befall machines, and what they leave.

use std::collections::BTreeMap;

use bytes::Bytes;
use damson_core::persist::Table;
use damson_core::scope::ScopeName;
use damson_crdt::{Actor, Context, codec};

use crate::disk::{Image, Rows};
use crate::oracle::BatchNo;
use crate::world::World;

/// A directory as a clean stop left it, and how far its actor had come in each scope.
#[derive(Debug, Clone)]
pub(crate) struct Copy {
    pub image: Image,
    pub actor: Actor,
    pub tops: BTreeMap<ScopeName, u64>,
}

impl World<'_> {
    /// The process ends without a word; the disk keeps what was written.
    pub fn crash(&mut self, at: usize) {
        self.count("crashes of a process");
        let silent = self.dice.percent(30);
        if let Some(process) = self.end_process(at, silent) {
            let host = &mut self.hosts[at];
            host.disk.process_crash(self.now);
            host.pending = process.pending;
        }
    }

    /// The machine loses power: the disk keeps what was flushed, and some of the rest.
    pub fn power_failure(&mut self, at: usize) {
        self.count("power failures");
        let silent = self.dice.percent(70);
        if let Some(process) = self.end_process(at, silent) {
            let unflushed = self.hosts[at].disk.unflushed();
            let kept = if self.dice.percent(60) { 0 } else { self.dice.index(unflushed + 1) };
            let host = &mut self.hosts[at];
            host.disk.power_failure(kept);
            host.pending = process.pending;
        }
    }

    /// A clean stop. Returns what a copy of the directory would be, unless it holds batches without a certain author.
    pub fn stop(&mut self, at: usize) -> Option<Copy> {
        self.count("clean stops");
        let copied = self.node(at).map(|node| {
            let actor = Actor::new(node.id(), node.life());
            let top = |replica: &damson_core::replica::Replica| {
                (replica.name().clone(), replica.context().top(actor))
            };
            (actor, node.replicas().map(top).collect::<BTreeMap<ScopeName, u64>>())
        });
        self.call(at, |node, now, fx| node.leave(now, fx));
        let process = self.end_process(at, false)?;
        let host = &mut self.hosts[at];
        host.disk.flush_all();
        host.disk.mark = Some(process.node.stop_mark());
        process.unacked.into_values().flatten().for_each(|no| self.oracle.ack(no));
        host.pending = process.pending;
        let (actor, mut tops) = copied?;
        tops.values_mut().for_each(|top| *top += u64::from(*top > 0));
        host.pending.is_empty().then(|| Copy { image: host.disk.image(), actor, tops })
    }

    /// The disk of a stopped machine is replaced.
    pub fn replace_disk(&mut self, at: usize, image: Image) {
        self.lose_disk(at, &image.rows);
        let host = &mut self.hosts[at];
        host.disk.replace(image);
        host.pending.clear();
    }

    /// A stopped machine finds a damaged row when it starts.
    pub fn start_damaged(&mut self, at: usize) {
        let rows = self.hosts[at].disk.rows();
        let user = |table: Table, key: &Bytes| table == Table::Cells && !key.starts_with(b"\x07~roster");
        let candidates: Vec<(Table, Bytes)> =
            rows.keys().filter(|(table, key)| user(*table, key)).cloned().collect();
        if candidates.is_empty() {
            self.start(at, None);
            return;
        }
        self.count("damaged rows");
        let row = candidates[self.dice.index(candidates.len())].clone();
        self.lose_disk(at, &Rows::new());
        self.hosts[at].pending.clear();
        self.start(at, Some(&row));
    }

    /// It never comes back.
    pub fn bury(&mut self, at: usize) {
        self.count("machines that never came back");
        self.crash(at);
        self.lose_disk(at, &Rows::new());
        self.hosts[at].gone = true;
    }

    /// Do all others know more of the copy's actor than the copy does? Only then the first peer can tell it.
    pub fn is_outrun(&self, at: usize, copy: &Copy) -> bool {
        let knows_more = |other: usize| {
            self.node(other).is_some_and(|node| {
                let top = |replica: &damson_core::replica::Replica| {
                    replica.context().top(copy.actor) > copy.tops.get(replica.name()).copied().unwrap_or(0)
                };
                node.replicas().any(top)
            })
        };
        (0..self.hosts.len()).filter(|other| *other != at && !self.hosts[*other].gone).all(knows_more)
    }

    fn lose_disk(&mut self, at: usize, remains: &Rows) {
        let mut left = contexts_in(remains);
        for (_, host) in self.hosts.iter().enumerate().filter(|(other, host)| *other != at && !host.gone) {
            for (scope, context) in contexts_in(host.disk.rows()) {
                left.entry(scope).or_default().union(&context);
            }
        }
        let pending: Vec<BatchNo> = self.hosts[at].pending.iter().map(|pending| pending.no).collect();
        self.oracle.disk_lost(&left, &pending);
    }
}

/// What a disk says was seen, by scope.
fn contexts_in(rows: &Rows) -> BTreeMap<ScopeName, Context> {
    let mut out: BTreeMap<ScopeName, Context> = BTreeMap::new();
    let limits = damson_crdt::Limits::default();
    for ((_, key), value) in rows.iter().filter(|((table, _), _)| *table == Table::Contexts) {
        let name = key.split_first().and_then(|(len, rest)| rest.get(..usize::from(*len)));
        let scope = name.and_then(|name| std::str::from_utf8(name).ok()?.parse::<ScopeName>().ok());
        if let (Some(scope), Ok(context)) = (scope, codec::decode_context(value, &limits)) {
            out.entry(scope).or_default().union(&context);
        }
    }
    out
}
