//! Writes as values, so that a history can be chosen at random, recorded, and issued again elsewhere.

use bytes::Bytes;
use damson_core::replica::{Slot, Tx, WriteError};
use damson_crdt::Kind;

use super::dice::Dice;

#[derive(Debug, Clone)]
pub enum Write {
    Register(Slot, Bytes, Option<u64>),
    Multi(Slot, Bytes),
    Text(Slot, Bytes, Option<u64>),
    Flag(Slot, Kind, bool),
    Max(Slot, i64),
    Insert(Slot, &'static [u8]),
    Take(Slot, &'static [u8]),
    Count(Slot, i64),
    CountText(Slot, i64),
    DropField(Slot, &'static [u8]),
    Drop(Slot),
    Expire(Slot, Option<u64>),
}

/// A key.
pub fn slot(key: &'static str) -> Slot {
    Slot::key(key)
}

/// Counters in three places: a key of its own, a field of a map, a string.
pub fn counter() -> Slot {
    slot("n")
}

pub fn nested_counter() -> Slot {
    slot("map").field(b"n")
}

pub fn text() -> Slot {
    slot("text")
}

impl Write {
    /// Issues it. A write of the wrong type is refused, and that is fine here.
    pub fn perform(&self, tx: &mut Tx<'_>) -> Result<(), String> {
        let before = tx.len();
        match self.issue(tx) {
            Err(WriteError::WrongType { .. }) if tx.len() == before => Ok(()),
            Err(fault) => Err(format!("{self:?}: {fault}, after {} operations", tx.len() - before)),
            Ok(()) => self.is_done(tx),
        }
    }

    fn issue(&self, tx: &mut Tx<'_>) -> Result<(), WriteError> {
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

    /// What was removed is gone, for its author at once.
    fn is_done(&self, tx: &Tx<'_>) -> Result<(), String> {
        let still = match self {
            Self::Drop(slot) => tx.view().kind(slot).is_some(),
            Self::DropField(slot, name) => tx.view().map_contains(slot, name),
            Self::Take(slot, element) => tx.view().set_contains(slot, element),
            _ => false,
        };
        if still { Err(format!("{self:?} left it there")) } else { Ok(()) }
    }

    /// What it takes away of counters: all that its author has seen below a place.
    pub fn resets(&self) -> Option<Slot> {
        match self {
            Self::Drop(slot) | Self::Text(slot, ..) => Some(slot.clone()),
            Self::DropField(slot, name) => Some(slot.field(name)),
            _ => None,
        }
    }

    /// What it adds, and where.
    pub fn adds(&self) -> Option<(&Slot, i64)> {
        match self {
            Self::Count(slot, n) | Self::CountText(slot, n) => Some((slot, *n)),
            _ => None,
        }
    }

    /// A put or a removal of something, or a counter, or a whole key.
    pub fn random(dice: &mut Dice, wall_ms: u64) -> Self {
        match dice.below(20) {
            0..5 => Self::Insert(Self::some_set(dice), dice.pick(&[b"a", b"b"])),
            5..8 => Self::Take(Self::some_set(dice), dice.pick(&[b"a", b"b"])),
            8..11 => Self::random_count(dice),
            11 => Self::random_reset(dice),
            12..14 => Self::random_in_map(dice),
            14..17 => Self::random_plain(dice),
            17..19 => Self::random_mixed(dice, wall_ms),
            _ => Self::Drop(slot(dice.pick(&["set", "tags", "map", "reg", "multi", "flag", "max", "mix"]))),
        }
    }

    /// Counters and what resets them, and little else.
    pub fn random_counting(dice: &mut Dice) -> Self {
        if dice.percent(60) { Self::random_count(dice) } else { Self::random_reset(dice) }
    }

    fn some_set(dice: &mut Dice) -> Slot {
        slot(dice.pick(&["set", "tags"]))
    }

    fn random_count(dice: &mut Dice) -> Self {
        let n = dice.between(-3, 5);
        match dice.below(3) {
            0 => Self::Count(counter(), n),
            1 => Self::Count(nested_counter(), n),
            _ => Self::CountText(text(), n),
        }
    }

    fn random_reset(dice: &mut Dice) -> Self {
        match dice.below(5) {
            0 => Self::Drop(counter()),
            1 => Self::Drop(nested_counter()),
            2 => Self::DropField(slot("map"), b"n"),
            3 => Self::Drop(text()),
            _ => Self::Text(text(), dice.between(-9, 9).to_string().into(), None),
        }
    }

    fn random_in_map(dice: &mut Dice) -> Self {
        let map = slot("map");
        match dice.below(4) {
            0 => Self::Register(map.field(dice.pick(&[b"x", b"y"])), value(dice), None),
            1 => Self::Insert(map.field(b"set"), dice.pick(&[b"a", b"b"])),
            2 => Self::Register(map.field(b"deep").field(b"x"), value(dice), None),
            _ => Self::DropField(map, dice.pick(&[b"x", b"set", b"deep"])),
        }
    }

    fn random_plain(dice: &mut Dice) -> Self {
        match dice.below(6) {
            0 | 1 => Self::Register(slot("reg"), value(dice), None),
            2 => Self::Multi(slot("multi"), value(dice)),
            3 => Self::Max(slot("max"), dice.between(-9, 9)),
            4 => Self::Flag(slot("flag"), Kind::EnableWins, dice.percent(50)),
            _ => Self::Flag(slot("barred"), Kind::DisableWins, dice.percent(50)),
        }
    }

    /// One key that is everything, with times to live.
    fn random_mixed(dice: &mut Dice, wall_ms: u64) -> Self {
        let mix = slot("mix");
        let soon = dice.percent(40).then(|| wall_ms + dice.below(20_000) as u64);
        match dice.below(8) {
            0 => Self::Register(mix, value(dice), soon),
            1 => Self::Text(mix, value(dice), soon),
            2 => Self::Insert(mix, b"a"),
            3 => Self::Register(mix.field(b"x"), value(dice), None),
            4 => Self::Count(mix, 1),
            5 => Self::Max(mix, dice.between(0, 9)),
            6 => Self::Drop(mix),
            _ => Self::Expire(mix, soon),
        }
    }
}

fn value(dice: &mut Dice) -> Bytes {
    dice.below(100).to_string().into()
}
