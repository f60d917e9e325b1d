//! The sending end.

use std::collections::BTreeSet;

use damson_crdt::{Cell, CellId, Context, Dot, DotRange, Key, NodeId, Rule, Rules, Target};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::seen::Outcome;
use super::walk::Walk;
use super::{Begun, Chunk, Demand, Extent, Last, Request, Seen, Symbols, keep, name_of};
use crate::replica::Replica;
use crate::replica::compare::Comparison;
use crate::replica::live::Live;

/// A transfer to another.
#[derive(Debug)]
pub(in crate::replica) struct Outbound {
    pub peer: NodeId,
    /// What the receiver had seen when it asked.
    pub seen: Context,
    pub extent: Extent,
    /// Our live dots, while they are compared and until this is over.
    pub comparison: Option<Comparison>,
    /// How many symbols were sent, while the difference is looked for.
    pub symbols: Option<u32>,
    /// The most symbols that are worth it.
    pub symbols_max: u32,
    /// How many differences there seem to be before any symbol is sent.
    pub hint: Option<u64>,
    /// Cells that have to be sent whatever the walk meets: those that change meanwhile too.
    pub todo: BTreeSet<CellId>,
    walk: Walk,
    /// The hashes of cells and of cleared keys that were sent, while only some are. In the order in which they
    /// were: they are seldom looked for.
    sent: Vec<u64>,
    cleared: BTreeSet<Key>,
    /// Removals still to be told, those that come meanwhile included. One that the log forgets meanwhile is below the
    /// floor that the last chunk tells.
    removals: BTreeSet<Dot>,
}

impl Outbound {
    pub fn new(peer: NodeId, seen: Context, extent: Extent) -> Self {
        Self {
            peer,
            seen,
            extent,
            comparison: None,
            symbols: None,
            symbols_max: 0,
            hint: None,
            todo: BTreeSet::new(),
            walk: Walk::default(),
            sent: Vec::new(),
            cleared: BTreeSet::new(),
            removals: BTreeSet::new(),
        }
    }

    fn is_empty(&mut self, live: &Live) -> bool {
        let told = self.todo.is_empty() && self.cleared.is_empty() && self.removals.is_empty();
        told && self.walk.is_over(live)
    }

    fn next_cell(&mut self, live: &Live) -> Option<(CellId, Cell)> {
        let again = self.todo.pop_first().map(|id| {
            let cell = live.cell(&id).cloned().unwrap_or_default();
            (id, cell)
        });
        again.or_else(|| self.walk.next(live))
    }

    pub fn removed(&mut self, dot: Dot) {
        if self.extent == Extent::Missing {
            self.removals.insert(dot);
        }
    }

    /// The receiver has brought these cells itself. It need not be told of them, unless they are something else here, or an
    /// older version of them was sent, or it is told that their key was cleared: what is not sent then is empty.
    pub fn brought_back(&mut self, inbound: &super::Inbound, differing: &BTreeSet<CellId>) {
        self.sent.sort_unstable();
        let was_sent = |hash: u64| self.sent.binary_search(&hash).is_ok();
        let is_told = |id: &&CellId| {
            was_sent(hash_of(id)) || was_sent(xxh3_64(&id.key)) || self.cleared.contains(&id.key)
        };
        let told: Vec<CellId> = inbound.staged.keys().filter(is_told).cloned().collect();
        self.todo.extend(told);
        self.todo.extend(differing.iter().cloned());
    }

    /// The receiver knows these removals.
    pub fn knows(&mut self, removals: &std::collections::BTreeMap<Dot, Target>) {
        self.removals.retain(|dot| !removals.contains_key(dot));
    }

    pub fn changed(&mut self, id: &CellId, rules: Rules) {
        if rules.holds(Rule::StaleContext) {
            self.todo.insert(id.clone());
        }
    }
}

impl Replica {
    /// Opens a transfer to a receiver that asks for this. `None` while what it has seen is not known: that is asked first.
    pub fn open_outbound(&mut self, id: u64, peer: NodeId, mut request: Request) -> Option<Extent> {
        match std::mem::take(&mut request.seen) {
            Seen::Whole(seen) => Some(self.open_known(id, peer, request, seen)),
            Seen::Summary(summary) => {
                self.opening.insert(id, self.begin_opening(peer, request, summary));
                None
            }
        }
    }

    fn open_known(&mut self, id: u64, peer: NodeId, request: Request, seen: Context) -> Extent {
        let missing = self.context.minus(&seen);
        let below = missing.meets(self.removals.floor()) && self.rules.holds(Rule::FloorIgnored);
        let prepared = request.compared.and_then(|theirs| self.prepared.remove(&(peer, theirs)));
        let outbound = match prepared {
            Some(prepared) if below => Outbound { seen, ..prepared },
            _ if below => self.open_below_floor(peer, &request, seen, &missing),
            _ => self.open_missing(peer, seen, missing),
        };
        let extent = outbound.extent;
        let is_behind = !outbound.seen.minus(&self.context).is_empty();
        self.begun = Some((id, Begun { extent, is_behind }));
        self.outbound.insert(id, outbound);
        self.note_comparisons();
        extent
    }

    /// Has this transfer just begun? Told once, after it was opened or a part of it was made.
    pub fn take_begun(&mut self, id: u64) -> Option<Begun> {
        self.begun.take_if(|(of, _)| *of == id).map(|(_, begun)| begun)
    }

    /// Gives up a transfer, or ends one.
    pub fn close_outbound(&mut self, id: u64) {
        self.opening.remove(&id);
        self.outbound.remove(&id);
        self.baselines.remove(&id);
        self.note_comparisons();
    }

    /// The next part of a transfer, of about `bytes_max` bytes; `None` when it is not open. The last part closes it.
    pub fn next_chunk(&mut self, id: u64, bytes_max: usize, demand: Option<&Demand>) -> Option<Chunk> {
        let mut demand = demand;
        if let Some(opening) = self.opening.remove(&id) {
            match self.go_on_opening(opening, demand)? {
                (Outcome::Asks(chunk), opening) => {
                    self.opening.extend(opening.map(|opening| (id, opening)));
                    return Some(chunk);
                }
                (Outcome::Known(peer, request), _) => _ = self.open_outbound(id, peer, request),
            }
            demand = None;
        }
        if self.outbound.get(&id)?.symbols.is_some()
            && let Some(symbols) = self.next_symbols(id, demand)
        {
            return Some(Chunk { symbols: Some(symbols), ..Chunk::default() });
        }
        let outbound = self.outbound.get_mut(&id)?;
        let mut chunk = Chunk::default();
        let mut bytes = 0;
        while bytes < bytes_max
            && let Some((id, cell)) = outbound.next_cell(&self.live)
        {
            bytes += id.key.len() + id.path.as_bytes().len() + 16;
            bytes += cell.dots().iter().map(|live| 16 + live.payload.user_bytes()).sum::<usize>();
            if outbound.extent == Extent::Missing {
                outbound.sent.push(hash_of(&id));
            }
            chunk.cells.push((id, cell));
        }
        while bytes < bytes_max
            && let Some(key) = outbound.cleared.pop_first()
        {
            bytes += key.len();
            outbound.sent.push(xxh3_64(&key));
            chunk.cleared.push(key);
        }
        while bytes < bytes_max
            && let Some(dot) = outbound.removals.pop_first()
        {
            let own = DotRange { actor: dot.actor, first: dot.seq, last: dot.seq };
            if let Some((_, target)) = self.removals.in_range(own).next() {
                bytes += 40 + target.bytes();
                chunk.removals.push((dot, target.clone()));
            }
        }
        let early = !self.rules.holds(Rule::EarlyContext);
        if outbound.is_empty(&self.live) || early {
            let outbound = self.outbound.remove(&id)?;
            chunk.last = Some(self.last_of(&outbound));
            self.keep_baseline(id, outbound);
        }
        Some(chunk)
    }

    /// Where the receiver enters what it was sent, both have the same, but for what only it had: it asks us to ask for that.
    fn keep_baseline(&mut self, id: u64, outbound: Outbound) {
        if outbound.extent == Extent::Differing
            && let Some(mut comparison) = outbound.comparison
        {
            comparison.begin_equal(&self.live);
            keep(&mut self.baselines, id, comparison);
        }
        self.note_comparisons();
    }

    fn open_missing(&self, peer: NodeId, seen: Context, missing: Context) -> Outbound {
        let mut outbound = Outbound::new(peer, seen, Extent::Missing);
        for (actor, seen) in missing.iter() {
            for &(first, last) in seen.pairs() {
                for (dot, target) in self.removals.in_range(DotRange { actor, first, last }) {
                    self.find_target(target, &mut outbound);
                    outbound.removals.insert(dot);
                }
            }
        }
        // Whether the walk would meet these is not certain: what is alive there may die before, by what the receiver itself
        // brings, and that is not noted.
        outbound.walk = Walk::over(missing, outbound.todo.clone());
        outbound
    }

    pub(super) fn open_whole(&self, outbound: &mut Outbound) {
        (outbound.extent, outbound.comparison, outbound.symbols) = (Extent::Whole, None, None);
        (outbound.cleared, outbound.removals) = Default::default();
        outbound.walk = Walk::over(self.context.clone(), BTreeSet::new());
    }

    /// What a transfer brings enters the context that our own open transfers will end with. So they compare its cells too,
    /// also those that are as empty here as they were: their receivers may hold what died there. Dead dots that no log
    /// explains can be anywhere: then only comparing live dots, or sending all, tells the receiver.
    ///
    /// The source itself is not told what it has told us.
    pub(super) fn pass_on(&mut self, inbound: &super::Inbound, last: &Last, source: NodeId) {
        let mut open = std::mem::take(&mut self.outbound);
        let others = open.values_mut().filter(|outbound| outbound.peer != source);
        for outbound in others.filter(|outbound| outbound.extent == Extent::Missing) {
            if last.extent != Extent::Missing {
                self.open_whole(outbound);
                continue;
            }
            outbound.todo.extend(inbound.staged.keys().cloned());
            inbound.cleared.iter().for_each(|key| self.find_target(&Target::Key(key.clone()), outbound));
            inbound.removals.values().for_each(|target| self.find_target(target, outbound));
        }
        self.outbound = open;
    }

    fn find_target(&self, target: &Target, outbound: &mut Outbound) {
        outbound.todo.extend(self.cells_of(target));
        if let Target::Key(key) = target {
            outbound.cleared.insert(key.clone());
        }
    }

    fn last_of(&self, outbound: &Outbound) -> Last {
        let news = self.context.minus(&outbound.seen);
        Last {
            extent: outbound.extent,
            seen: name_of(&outbound.seen),
            lacks: outbound.seen.minus(&self.context),
            floor: news.intersection(self.removals.floor()),
            digest: self.digest(),
            news,
        }
    }

    /// The symbols that answer a demand; `None` when cells follow.
    fn next_symbols(&mut self, id: u64, demand: Option<&Demand>) -> Option<Symbols> {
        let mut outbound = self.outbound.remove(&id)?;
        let symbols = self.answer(&mut outbound, demand);
        self.outbound.insert(id, outbound);
        symbols
    }
}

fn hash_of(id: &CellId) -> u64 {
    xxh3_64_with_seed(id.path.as_bytes(), xxh3_64(&id.key))
}
