//! A replica as rows for the disk, and back.
//!
//! ```text
//! Cells     scope | name of the cell            the live dots
//! Contexts  scope | actor                       the numbers seen of it, as a context of one actor
//! Removals  scope | 'r' | position              a removal: its dot and target
//!           scope | 'f'                         the floor
//! Meta      scope | 'u'                         our life, and where its unconfirmed operations begin
//!           scope | 'c' | name of the cell      an own counter cell as it was then
//! ```
//! A scope is one byte of length and its name. The name of a cell is 'n', the length of its key, its key and its path;
//! or, where that is long, 'h' and its BLAKE3 hash, because stores bound their keys: then the value begins with the
//! name itself. Lengths and positions are big-endian.

use std::collections::BTreeMap;

use bytes::Bytes;
use damson_crdt::codec::{self, CodecError};
use damson_crdt::{Actor, Cell, CellId, Context, Dot, DotRange, Life, Limits, Path, Payload, Rules, Target};
use minicbor::Encoder;
use minicbor::decode::Decoder;

use super::fork::State;
use super::live::Live;
use super::{Replica, ReplicaConfig};
use crate::persist::{Row, Table};
use crate::scope::ScopeName;

/// Rows that are no sound replica. What was loaded must not be used (rule 11).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A row cannot be read.
    #[error("a row {} makes no sense: {source}", place_of(*table, key))]
    Row {
        /// The table.
        table: Table,
        /// The row's key.
        key: Bytes,
        /// What is wrong.
        source: CodecError,
    },
    /// A live dot that stands in two cells.
    #[error("scope {scope}: the live dot {dot:?} stands in two cells")]
    InTwoCells {
        /// The scope.
        scope: ScopeName,
        /// The dot.
        dot: Dot,
    },
    /// A live dot outside the context: a row is missing.
    #[error("scope {scope}: the live dot {dot:?} lies outside the stored context")]
    OutsideContext {
        /// The scope.
        scope: ScopeName,
        /// The dot.
        dot: Dot,
    },
}

/// Builds replicas from rows, in whatever order they come.
#[derive(Debug)]
pub struct Loader {
    actor: Actor,
    config: ReplicaConfig,
    rules: Rules,
    replicas: BTreeMap<ScopeName, Replica>,
    removals: BTreeMap<(ScopeName, u64), (Dot, Target)>,
    /// The first live dot that has come in two cells.
    in_two_cells: Option<(ScopeName, Dot)>,
    /// The scope of the last row, and how its key begins: rows come scope by scope.
    last: Option<(Vec<u8>, ScopeName)>,
}

/// The scope whose row has this key; `None` where it is not the key of a scope's row.
pub fn scope_of_row(key: &[u8]) -> Option<ScopeName> {
    split_scope(key).ok().map(|(scope, _)| scope)
}

impl Replica {
    /// The rows changed since this was last called, if somebody wants them: one atomic group.
    pub fn take_rows(&mut self) -> Vec<Row> {
        if self.changes.is_empty() {
            return Vec::new();
        }
        let mut changes = std::mem::take(&mut self.changes);
        if !self.followers.rows {
            return Vec::new();
        }
        changes.cells.sort_unstable();
        changes.cells.dedup();
        changes.actors.sort_unstable();
        changes.actors.dedup();
        // Those of cells that have changed since come behind, and are what stays.
        let mut rows = changes.rows;
        rows.reserve(changes.cells.len() + changes.actors.len() + changes.removals.len());
        rows.extend(changes.cells.iter().map(|id| self.cell_row(&self.live, id)));
        rows.extend(changes.actors.iter().map(|actor| self.context_row(*actor)));
        let forgotten = changes.forgotten.iter().map(|(position, _)| (*position, None));
        let remembered = self.removal_rows(&changes.removals);
        for (position, value) in remembered.into_iter().chain(forgotten) {
            let key = key_of(&self.name, &[b"r", &position.to_be_bytes()]);
            rows.push(Row { table: Table::Removals, key, value });
        }
        if changes.floor {
            let mut floor = Vec::new();
            codec::encode_context(&mut floor, self.removals.floor());
            rows.push(Row {
                table: Table::Removals,
                key: key_of(&self.name, &[b"f"]),
                value: Some(floor.into()),
            });
        }
        if changes.unconfirmed {
            self.unconfirmed_rows(&mut rows);
        }
        rows
    }

    /// The row of a cell as it is in these live dots.
    pub(super) fn cell_row(&self, live: &Live, id: &CellId) -> Row {
        let key = key_of(&self.name, &[&cell_key(id)]);
        Row { table: Table::Cells, key, value: live.cell(id).map(|cell| cell_value(id, cell)) }
    }

    fn context_row(&self, actor: Actor) -> Row {
        let value = self.context.of(actor).map(|seen| {
            let mut one = Context::default();
            one.set(actor, seen.clone());
            let mut out = Vec::new();
            codec::encode_context(&mut out, &one);
            Bytes::from(out)
        });
        Row { table: Table::Contexts, key: key_of(&self.name, &[&actor.to_bytes()]), value }
    }

    fn removal_rows(&self, changed: &[(u64, Dot)]) -> Vec<(u64, Option<Bytes>)> {
        let found = changed.iter().filter_map(|(position, dot)| {
            let own = DotRange { actor: dot.actor, first: dot.seq, last: dot.seq };
            self.removals
                .in_range(own)
                .next()
                .map(|(_, target)| (*position, Some(removal_value(*dot, target))))
        });
        found.collect()
    }

    fn unconfirmed_rows(&mut self, rows: &mut Vec<Row>) {
        let base = match self.fork.state {
            State::Since(base) => Some([self.actor.life.0.to_be_bytes(), base.to_be_bytes()].concat().into()),
            State::Open | State::Confirmed => None,
        };
        rows.push(Row { table: Table::Meta, key: key_of(&self.name, &[b"u"]), value: base });
        let stored = std::mem::take(&mut self.fork.stored);
        for id in stored.iter().filter(|id| !self.fork.counters.contains_key(*id)) {
            rows.push(Row {
                table: Table::Meta,
                key: key_of(&self.name, &[b"c", &cell_key(id)]),
                value: None,
            });
        }
        for (id, cell) in self.fork.counters.iter().filter(|(id, _)| !stored.contains(*id)) {
            let key = key_of(&self.name, &[b"c", &cell_key(id)]);
            rows.push(Row { table: Table::Meta, key, value: Some(cell_value(id, cell)) });
        }
        self.fork.stored = self.fork.counters.keys().cloned().collect();
    }
}

impl Loader {
    /// A loader of replicas that will write as `actor`.
    pub fn new(actor: Actor, config: ReplicaConfig, rules: Rules) -> Self {
        Self {
            actor,
            config,
            rules,
            replicas: BTreeMap::new(),
            removals: BTreeMap::new(),
            in_two_cells: None,
            last: None,
        }
    }

    /// Takes a row.
    pub fn row(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), LoadError> {
        let wrong = |source| LoadError::Row { table, key: Bytes::copy_from_slice(key), source };
        self.read(table, key, value).map_err(wrong)
    }

    /// Do all rows together make sound replicas?
    pub fn check(&self) -> Result<(), LoadError> {
        if let Some((scope, dot)) = self.in_two_cells.clone() {
            return Err(LoadError::InTwoCells { scope, dot });
        }
        for replica in self.replicas.values() {
            if let Some(dot) = replica.live.first_outside(&replica.context) {
                return Err(LoadError::OutsideContext { scope: replica.name.clone(), dot });
            }
        }
        Ok(())
    }

    /// The replicas, checked.
    pub fn finish(self) -> Result<BTreeMap<ScopeName, Replica>, LoadError> {
        self.check()?;
        Ok(self.unchecked())
    }

    /// The replicas, sound or not: what is left of damaged ones.
    pub fn unchecked(mut self) -> BTreeMap<ScopeName, Replica> {
        for ((scope, position), (dot, target)) in std::mem::take(&mut self.removals) {
            self.replica(&scope).removals.restore(position, dot, target);
        }
        for replica in self.replicas.values_mut() {
            replica.changes = super::Changes::default();
            replica.note_own_traces();
        }
        self.replicas
    }

    fn replica(&mut self, scope: &ScopeName) -> &mut Replica {
        if !self.replicas.contains_key(scope) {
            let new = Replica::new(scope.clone(), self.actor, self.config.clone(), self.rules);
            self.replicas.insert(scope.clone(), new);
        }
        self.replicas.get_mut(scope).expect("it is there by now")
    }

    /// The scope of a row, and the rest of its key.
    fn split<'a>(&mut self, key: &'a [u8]) -> Result<(ScopeName, &'a [u8]), CodecError> {
        if let Some((begin, scope)) = &self.last
            && let Some(rest) = key.strip_prefix(&begin[..])
        {
            return Ok((scope.clone(), rest));
        }
        let (scope, rest) = split_scope(key)?;
        self.last = Some((key[..key.len() - rest.len()].to_vec(), scope.clone()));
        Ok((scope, rest))
    }

    fn read(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), CodecError> {
        let (scope, rest) = self.split(key)?;
        let limits = self.config.limits.clone();
        let replica = self.replica(&scope);
        match (table, rest.split_first()) {
            (Table::Cells, _) => {
                let (id, cell) = read_cell(rest, value, &limits)?;
                let twice = cell.dots().iter().map(|live| live.dot).find(|dot| replica.live.has(*dot));
                if cell.dots().iter().any(|live| matches!(live.payload, Payload::Seen(_))) {
                    replica.traced.push(id.clone());
                }
                replica.live.edit(&id, |now| *now = cell);
                if let Some(dot) = twice {
                    self.in_two_cells.get_or_insert((scope, dot));
                }
            }
            (Table::Contexts, _) => replica.context_mut().union(&codec::decode_context(value, &limits)?),
            (Table::Removals, Some((b'f', _))) => {
                let floor = codec::decode_context(value, &limits)?;
                floor
                    .iter()
                    .for_each(|(actor, seen)| replica.removals.raise_floor(Dot::new(actor, seen.max())));
            }
            (Table::Removals, Some((b'r', position))) => {
                let removal = read_removal(value, &limits)?;
                self.removals.insert((scope, number(position)?), removal);
            }
            (Table::Meta, Some((b'u', _))) => {
                let (life, base) =
                    value.split_at_checked(8).ok_or(CodecError::Impossible("a base cut short"))?;
                replica.actor.life = Life(number(life)?);
                replica.fork.state = State::Since(number(base)?);
            }
            (Table::Meta, Some((b'c', rest))) => {
                let (id, cell) = read_cell(rest, value, &limits)?;
                replica.fork.stored.insert(id.clone());
                replica.fork.counters.insert(id, cell);
            }
            _ => return Err(CodecError::Impossible("a row of unknown kind")),
        }
        Ok(())
    }
}

/// What a row is about, for people.
pub fn place_of(table: Table, key: &[u8]) -> String {
    let Ok((scope, rest)) = split_scope(key) else { return format!("a row of the node in table {table:?}") };
    let key_of_cell = || {
        let (len, name) = rest.strip_prefix(b"n")?.split_first_chunk::<4>()?;
        name.get(..u32::from_be_bytes(*len) as usize)
    };
    match (table, key_of_cell()) {
        (Table::Cells, Some(name)) => {
            format!("of key {:?} in scope {scope}", String::from_utf8_lossy(name))
        }
        (Table::Cells, None) => format!("of a key with a long name in scope {scope}"),
        _ => format!("in table {table:?} of scope {scope}"),
    }
}

fn key_of(scope: &ScopeName, parts: &[&[u8]]) -> Bytes {
    let name = scope.as_str().as_bytes();
    let mut out = Vec::with_capacity(1 + name.len() + parts.iter().map(|part| part.len()).sum::<usize>());
    out.push(u8::try_from(name.len()).expect("scope names are short"));
    out.extend_from_slice(name);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out.into()
}

fn split_scope(key: &[u8]) -> Result<(ScopeName, &[u8]), CodecError> {
    let (len, rest) = key.split_first().ok_or(CodecError::Impossible("a row without a scope"))?;
    let (name, rest) =
        rest.split_at_checked(usize::from(*len)).ok_or(CodecError::Impossible("a scope cut short"))?;
    let name = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok());
    Ok((name.ok_or(CodecError::Impossible("a scope with an impossible name"))?, rest))
}

/// Longest name of a cell that is a row's key by itself.
const NAME_BYTES_MAX: usize = 1_024;

fn name_of(id: &CellId) -> Vec<u8> {
    let len = u32::try_from(id.key.len()).expect("keys are checked against their limit");
    let mut out = Vec::with_capacity(5 + id.key.len() + id.path.as_bytes().len());
    out.push(b'n');
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&id.key);
    out.extend_from_slice(id.path.as_bytes());
    out
}

fn cell_key(id: &CellId) -> Vec<u8> {
    let name = name_of(id);
    if name.len() <= NAME_BYTES_MAX { name } else { [&b"h"[..], blake3::hash(&name).as_bytes()].concat() }
}

fn cell_value(id: &CellId, cell: &Cell) -> Bytes {
    let mut out = Vec::new();
    let name = name_of(id);
    if name.len() > NAME_BYTES_MAX {
        let len = u32::try_from(name.len()).expect("names are checked against their limits");
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(&name);
    }
    codec::encode_cell(&mut out, cell);
    out.into()
}

fn read_cell(key: &[u8], value: &[u8], limits: &Limits) -> Result<(CellId, Cell), CodecError> {
    let (name, value) = if key.first() == Some(&b'h') { split_length(value)? } else { (key, value) };
    let (key, path) = split_length(name.get(1..).unwrap_or_default())?;
    let id = CellId::new(Bytes::copy_from_slice(key), Path::parse(path, limits)?);
    let cell = codec::decode_cell(&mut Decoder::new(value), &id, limits)?;
    Ok((id, cell))
}

fn split_length(bytes: &[u8]) -> Result<(&[u8], &[u8]), CodecError> {
    let short = || CodecError::Impossible("a cell's name cut short");
    let (len, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
    let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| short())?;
    rest.split_at_checked(len).ok_or_else(short)
}

fn removal_value(dot: Dot, target: &Target) -> Bytes {
    let mut out = Vec::new();
    codec::encode_removal(&mut Encoder::new(&mut out), dot, target);
    out.into()
}

fn read_removal(value: &[u8], limits: &Limits) -> Result<(Dot, Target), CodecError> {
    codec::decode_removal(&mut Decoder::new(value), limits)
}

fn number(bytes: &[u8]) -> Result<u64, CodecError> {
    bytes
        .try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| CodecError::Impossible("a number that is not 8 bytes"))
}
