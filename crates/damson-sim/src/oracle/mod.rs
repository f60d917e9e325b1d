//! What was really written: every batch that any node has issued, and what became of it.
//!
//! Naive on purpose. From the log of all operations and a context alone it follows what must be alive: the puts in the
//! context without all that operations in the context kill; and what a counter must show: the amounts in the context
//! without those that a reset in the context had seen.
//!
//! What a node writes before a peer has confirmed that its actor is its own may yet become another actor's. Such batches
//! are [`Pending`]: they enter the log when they are confirmed or renamed.

mod rename;
mod tally;

use std::collections::{BTreeMap, BTreeSet};

use damson_core::replica::Replica;
use damson_core::scope::ScopeName;
use damson_crdt::{Actor, Batch, CellId, Context, Dot, Hlc, Intervals, Leaf, Operation, Payload, Target};

pub(crate) use rename::renamed;
use tally::Tally;

/// A batch by its number.
pub(crate) type BatchNo = usize;

/// What an operation of a batch added to a counter: which operation of it, and how much.
pub(crate) type Amount = (usize, i64);

/// A batch whose author may yet change.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub no: BatchNo,
    pub scope: ScopeName,
    pub batch: Batch,
    pub amounts: Vec<Amount>,
}

/// All that was written.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    log: BTreeMap<(ScopeName, Actor), Vec<Entry>>,
    batches: Vec<Written>,
    counters: BTreeMap<(ScopeName, CellId), Tally>,
    /// Numbers that were used twice.
    clashes: Vec<String>,
}

/// One number of an actor.
#[derive(Debug, Default)]
struct Entry {
    logged: Option<Logged>,
    killers: Vec<Dot>,
    /// Operations that name this number, by what they are about, while it is not known what the number is.
    claims: Vec<(Dot, Target)>,
}

#[derive(Debug)]
struct Logged {
    hlc: Hlc,
    op: Operation,
}

#[derive(Debug)]
struct Written {
    scope: ScopeName,
    /// Its name, once that is certain.
    batch: Option<Batch>,
    acked: bool,
    /// No disk that was left held it when one was lost.
    gone: bool,
}

/// How a replica differs from what must be.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    /// Alive although killed, or never written.
    pub resurrected: BTreeSet<Dot>,
    /// Not alive although nothing that was seen killed them.
    pub lost: BTreeSet<Dot>,
}

impl Oracle {
    /// A batch was issued whose author is not certain yet.
    pub fn pending(&mut self, scope: ScopeName, batch: Batch, amounts: Vec<Amount>) -> Pending {
        self.batches.push(Written { scope: scope.clone(), batch: None, acked: false, gone: false });
        Pending { no: self.batches.len() - 1, scope, batch, amounts }
    }

    /// The author of a batch is certain.
    pub fn log(&mut self, pending: Pending) {
        let Pending { no, scope, batch, amounts } = pending;
        for (at, (dot, op)) in batch.dotted().enumerate() {
            let amount = amounts.iter().find(|(place, _)| *place == at).map(|(_, n)| *n);
            self.log_operation(&scope, dot, batch.hlc, op, amount);
        }
        self.batches[no].batch = Some(batch);
    }

    /// Somebody who is no node has written this. Of its operations each stands for itself.
    pub fn log_foreign(&mut self, scope: &ScopeName, batch: &Batch) {
        batch.dotted().for_each(|(dot, op)| self.log_operation(scope, dot, batch.hlc, op, None));
    }

    /// A write is acknowledged.
    pub fn ack(&mut self, no: BatchNo) {
        self.batches[no].acked = true;
    }

    pub fn acked(&self) -> u64 {
        self.batches.iter().filter(|written| written.acked).count() as u64
    }

    /// Acknowledged writes that nothing could have brought back.
    pub fn gone(&self) -> u64 {
        self.batches.iter().filter(|written| written.acked && written.gone).count() as u64
    }

    /// A disk was lost: what is on none of the others is excused. `pending` are batches without a certain author that
    /// were on it.
    pub fn disk_lost(&mut self, left: &BTreeMap<ScopeName, Context>, pending: &[BatchNo]) {
        for written in self.batches.iter_mut().filter(|written| written.acked && !written.gone) {
            let Some(batch) = &written.batch else { continue };
            written.gone =
                !left.get(&written.scope).is_some_and(|context| context.contains_range(batch.range()));
        }
        pending.iter().for_each(|no| self.batches[*no].gone = true);
    }

    /// Numbers used twice since this was last asked.
    pub fn take_clashes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.clashes)
    }

    /// Acknowledged writes that this context lacks although a disk kept them.
    pub fn unseen(&self, scope: &ScopeName, context: &Context) -> Vec<String> {
        let promised = self.batches.iter().filter(|w| w.acked && !w.gone && w.scope == *scope);
        let missing =
            promised.filter(|w| w.batch.as_ref().is_none_or(|batch| !context.contains_range(batch.range())));
        missing.map(|written| format!("{:?}", written.batch)).collect()
    }

    /// What must be alive in a replica, and is not, and the reverse.
    pub fn difference(&self, replica: &Replica) -> Difference {
        let (scope, context) = (replica.name(), replica.context());
        let alive: BTreeMap<Dot, CellId> = replica.dots().collect();
        let mut out = Difference::default();
        let mut wanted = 0;
        for (actor, seen) in context.iter() {
            let entries = self.entries(scope, actor);
            for at in numbered(seen, entries) {
                let dot = Dot::new(actor, at);
                let entry = entry_at(entries, at);
                let Some(id) = entry.and_then(|entry| put_by(entry, context)) else { continue };
                wanted += 1;
                if alive.get(&dot) != Some(id) {
                    out.lost.insert(dot);
                }
            }
        }
        if wanted - out.lost.len() != alive.len() {
            out.resurrected =
                alive.keys().copied().filter(|dot| !self.must_live(scope, *dot, context)).collect();
        }
        out
    }

    /// Is there an operation in the context that killed what the context lacks (rule 2)?
    pub fn unclosed(&self, replica: &Replica) -> Option<String> {
        let context = replica.context();
        let known = self.known_to(replica);
        let mut open = known.filter(|(_, logged)| !context.covers(&logged.op.kills));
        open.next().map(|(dot, logged)| {
            format!("{dot:?} is covered, and not all that it kills: {:?}", logged.op.kills)
        })
    }

    /// Is there a batch of which a part is in the context (rule 8)?
    pub fn torn(&self, replica: &Replica) -> Option<String> {
        let (scope, context) = (replica.name(), replica.context());
        let batches = self.batches.iter().filter(|w| w.scope == *scope).filter_map(|w| w.batch.as_ref());
        let mut many = batches.filter(|batch| batch.ops.len() > 1 && context.top(batch.actor) >= batch.first);
        let torn = many.find(|batch| {
            let seen = batch.dotted().filter(|(dot, _)| context.contains(*dot)).count();
            seen != 0 && seen != batch.ops.len()
        });
        torn.map(|batch| format!("of the batch {:?} only a part is covered", batch.range()))
    }

    /// What a counter cell must show.
    pub fn counted(&self, scope: &ScopeName, context: &Context, of: impl Fn(&CellId) -> bool) -> i64 {
        let cells = self.counters.iter().filter(|((s, id), _)| s == scope && of(id));
        cells.map(|((_, id), tally)| tally.value(owner(id), context)).sum()
    }

    /// The base of a string: the winning put of its cell, by what was written.
    pub fn text_base(&self, replica: &Replica, id: &CellId) -> Option<bytes::Bytes> {
        let known = self.known_to(replica).filter(|(_, logged)| logged.op.target == Target::Cell(id.clone()));
        let alive = known.filter(|(dot, _)| self.must_live(replica.name(), *dot, replica.context()));
        let winner = alive.max_by_key(|(dot, logged)| (logged.hlc, dot.actor, dot.seq));
        winner.and_then(|(_, logged)| match &logged.op.payload {
            Some(Payload::Value { bytes, .. }) => Some(bytes.clone()),
            _ => None,
        })
    }

    /// What a dot must say; `None` when nobody wrote it.
    pub fn said(&self, scope: &ScopeName, dot: Dot) -> Option<(Hlc, &Operation)> {
        let logged = entry_at(self.entries(scope, dot.actor), dot.seq)?.logged.as_ref()?;
        Some((logged.hlc, &logged.op))
    }

    fn known_to<'a>(&'a self, replica: &'a Replica) -> impl Iterator<Item = (Dot, &'a Logged)> {
        replica.context().iter().flat_map(move |(actor, seen)| {
            let entries = self.entries(replica.name(), actor);
            numbered(seen, entries)
                .filter_map(move |at| Some((Dot::new(actor, at), entry_at(entries, at)?.logged.as_ref()?)))
        })
    }

    fn must_live(&self, scope: &ScopeName, dot: Dot, context: &Context) -> bool {
        entry_at(self.entries(scope, dot.actor), dot.seq)
            .is_some_and(|entry| put_by(entry, context).is_some())
    }

    fn entries(&self, scope: &ScopeName, actor: Actor) -> &[Entry] {
        self.log.get(&(scope.clone(), actor)).map_or(&[], Vec::as_slice)
    }

    fn entry_mut(&mut self, scope: &ScopeName, dot: Dot) -> &mut Entry {
        let entries = self.log.entry((scope.clone(), dot.actor)).or_default();
        let at = usize::try_from(dot.seq - 1).expect("a small history");
        if entries.len() <= at {
            entries.resize_with(at + 1, Entry::default);
        }
        &mut entries[at]
    }

    fn log_operation(&mut self, scope: &ScopeName, dot: Dot, hlc: Hlc, op: &Operation, amount: Option<i64>) {
        let entry = self.entry_mut(scope, dot);
        if let Some(logged) = &entry.logged {
            let text = format!("{scope} {dot:?} was given out as {:?} and again as {op:?}", logged.op);
            self.clashes.push(text);
            return;
        }
        entry.logged = Some(Logged { hlc, op: op.clone() });
        entry.settle_claims();
        for range in op.kills.ranges() {
            for seq in range.first..=range.last {
                let killed = self.entry_mut(scope, Dot::new(range.actor, seq));
                killed.claims.push((dot, op.target.clone()));
                killed.settle_claims();
            }
        }
        if let Target::Cell(id) = &op.target
            && let Leaf::Count(owner) | Leaf::TextCount(owner) = id.path.last()
        {
            let tally = self.counters.entry((scope.clone(), id.clone())).or_default();
            tally.note(owner, dot, op, amount);
        }
    }
}

impl Entry {
    /// An operation kills in its own cell, or in the cells of its key. What else it names it only rests on.
    fn settle_claims(&mut self) {
        let Some(logged) = &self.logged else { return };
        for (dot, target) in std::mem::take(&mut self.claims) {
            let within = match &target {
                Target::Cell(_) => logged.op.target == target,
                Target::Key(key) => logged.op.target.key() == key,
            };
            if within {
                self.killers.push(dot);
            }
        }
    }
}

/// The cell in which this number put something that is still alive for one who has seen this.
fn put_by<'a>(entry: &'a Entry, context: &Context) -> Option<&'a CellId> {
    let logged = entry.logged.as_ref().filter(|logged| logged.op.payload.is_some())?;
    let Target::Cell(id) = &logged.op.target else { return None };
    (!entry.killers.iter().any(|killer| context.contains(*killer))).then_some(id)
}

/// The numbers in a context of which anything is known. A liar may claim more than can be counted.
fn numbered<'a>(seen: &'a Intervals, entries: &[Entry]) -> impl Iterator<Item = u64> + 'a {
    let known = entries.len() as u64;
    seen.pairs().iter().flat_map(move |&(first, last)| first..=last.min(known))
}

fn entry_at(entries: &[Entry], seq: u64) -> Option<&Entry> {
    entries.get(usize::try_from(seq - 1).ok()?)
}

fn owner(id: &CellId) -> Actor {
    match id.path.last() {
        Leaf::Count(owner) | Leaf::TextCount(owner) => owner,
        other => panic!("{other:?} is no counter"),
    }
}
