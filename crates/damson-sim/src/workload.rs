//! Random writes: every type, on few keys, so that nodes meet in the same cells.

use bytes::Bytes;
use damson_core::replica::{Slot, Tx, WriteError};
use damson_crdt::Kind;

use crate::dice::Dice;

/// One write of a transaction.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Register(Slot, Bytes, Option<u64>),
    Multi(Slot, Bytes),
    Text(Slot, Bytes, Option<u64>),
    Flag(Slot, Kind, bool),
    Max(Slot, i64),
    Insert(Slot, Bytes),
    Take(Slot, Bytes),
    Count(Slot, i64),
    CountText(Slot, i64),
    DropField(Slot, &'static [u8]),
    Drop(Slot),
    Expire(Slot, Option<u64>),
}

/// What is written mostly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Taste {
    /// Everything.
    #[default]
    Mixed,
    /// Elements put and removed, so that removals matter.
    Removals,
    /// Counters added to and reset.
    Counters,
    /// Few cells, written by all at once.
    Conflicts,
}

/// Keys that are only ever counters or strings with numbers, checked by amounts.
pub(crate) fn counters() -> [Slot; 3] {
    [Slot::key("n"), Slot::key("map").field(b"n"), Slot::key("mix")]
}

/// The key that is only ever a string of numbers.
pub(crate) fn text() -> Slot {
    Slot::key("text")
}

/// One transaction, mostly of one step.
pub(crate) fn transaction(dice: &mut Dice, taste: Taste, wall_ms: u64) -> Vec<Step> {
    let steps = if dice.percent(20) { 2 + dice.below(4) } else { 1 };
    (0..steps).map(|_| step(dice, taste, wall_ms)).collect()
}

impl Step {
    /// Issues it. What is refused because of types leaves no trace, and that is fine here.
    pub fn perform(&self, tx: &mut Tx<'_>) -> Result<(), WriteError> {
        match self {
            Self::Register(slot, value, ends) => tx.put_register(slot, value.clone(), *ends),
            Self::Multi(slot, value) => tx.put_multi(slot, value.clone()),
            Self::Text(slot, value, ends) => tx.set_text(&slot.key, value.clone(), *ends),
            Self::Flag(slot, kind, on) => tx.set_flag(slot, *kind, *on),
            Self::Max(slot, n) => tx.put_max(slot, *n),
            Self::Insert(slot, element) => tx.set_add(slot, element).map(drop),
            Self::Take(slot, element) => tx.set_remove(slot, element).map(drop),
            Self::Count(slot, n) => tx.add(slot, *n).map(drop),
            Self::CountText(slot, n) => tx.add_text(&slot.key, *n).map(drop),
            Self::DropField(slot, name) => tx.map_remove(slot, name).map(drop),
            Self::Drop(slot) => {
                tx.remove(slot);
                Ok(())
            }
            Self::Expire(slot, ends) => tx.expire(&slot.key, *ends).map(drop),
        }
    }

    /// What it adds to a counter.
    pub fn adds(&self) -> Option<i64> {
        match self {
            Self::Count(_, n) | Self::CountText(_, n) => Some(*n),
            _ => None,
        }
    }
}

fn step(dice: &mut Dice, taste: Taste, wall_ms: u64) -> Step {
    let usual = dice.percent(25);
    match taste {
        Taste::Removals if !usual => removal(dice),
        Taste::Counters if !usual => count(dice),
        Taste::Conflicts if !usual => mixed(dice, wall_ms),
        _ => match dice.below(10) {
            0..4 => removal(dice),
            4..6 => count(dice),
            6..8 => plain(dice),
            8 => mixed(dice, wall_ms),
            _ => Step::Drop(key(dice.pick(&["set", "tags", "map", "reg", "multi", "flag", "max", "bulk"]))),
        },
    }
}

fn removal(dice: &mut Dice) -> Step {
    let set = key(dice.pick(&["set", "tags"]));
    let map = key("map");
    match dice.below(12) {
        0..5 => Step::Insert(set, element(dice)),
        5..9 => Step::Take(set, element(dice)),
        9 => Step::Register(map.field(dice.pick(&[b"x", b"y"])), value(dice), None),
        10 => Step::Insert(map.field(b"set"), element(dice)),
        _ => Step::DropField(map, dice.pick(&[&b"x"[..], b"set", b"deep"])),
    }
}

fn count(dice: &mut Dice) -> Step {
    let n = dice.between(-3, 9);
    match dice.below(16) {
        0..4 => Step::Count(key("n"), n),
        4..7 => Step::Count(key("map").field(b"n"), n),
        7..11 => Step::CountText(text(), n),
        11 => Step::Drop(key("n")),
        12 => Step::DropField(key("map"), b"n"),
        13 => Step::Drop(key("map")),
        14 => Step::Text(text(), dice.between(-9, 9).to_string().into(), None),
        _ => Step::Drop(text()),
    }
}

fn plain(dice: &mut Dice) -> Step {
    match dice.below(8) {
        0 | 1 => Step::Register(key("reg"), value(dice), None),
        2 => Step::Multi(key("multi"), value(dice)),
        3 => Step::Max(key("max"), dice.between(-9, 9)),
        4 => Step::Flag(key("flag"), Kind::EnableWins, dice.percent(50)),
        5 => Step::Flag(key("barred"), Kind::DisableWins, dice.percent(50)),
        6 => Step::Register(key("map").field(b"deep").field(dice.pick(&[b"x", b"y"])), value(dice), None),
        _ => Step::Register(key("bulk").field(dice.pick(&["a", "b", "c", "d"]).as_bytes()), long(dice), None),
    }
}

/// One key that is everything, with times to live.
fn mixed(dice: &mut Dice, wall_ms: u64) -> Step {
    let mix = key("mix");
    let soon = dice.percent(40).then(|| wall_ms + dice.below(20_000));
    match dice.below(10) {
        0 | 1 => Step::Register(mix, value(dice), soon),
        2 => Step::Text(mix, value(dice), soon),
        3 => Step::Insert(mix, element(dice)),
        4 => Step::Register(mix.field(b"x"), value(dice), None),
        5 => Step::Count(mix, 1),
        6 => Step::Register(key("reg"), value(dice), None),
        7 => Step::Drop(mix),
        8 => Step::Expire(key(dice.pick(&["mix", "reg", "tags"])), soon),
        _ => Step::Max(mix, dice.between(0, 9)),
    }
}

fn key(name: &'static str) -> Slot {
    Slot::key(name)
}

fn element(dice: &mut Dice) -> Bytes {
    format!("e{}", dice.below(12)).into()
}

fn value(dice: &mut Dice) -> Bytes {
    dice.below(1_000).to_string().into()
}

/// Long enough to fill a part of a transfer.
fn long(dice: &mut Dice) -> Bytes {
    vec![b'v'; 40 + dice.index(160)].into()
}
