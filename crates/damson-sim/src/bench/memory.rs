//! What an entry of each type takes in memory: as the replica counts it, beside what the process grows by.
//!
//! The replica is used as that of a node in memory that nobody watches.

use std::fmt;

use bytes::Bytes;
use damson_core::replica::{Followers, Replica, ReplicaConfig, Slot, Tx, WriteError};
use damson_crdt::{Clock, Rules};

use super::engine::{ACTOR, WALL_MS};
use super::entry::{key, value};

/// What the entries are. Keys, elements and names of fields have 16 bytes, values 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entries {
    /// A register at a key of its own.
    Registers,
    /// A Redis string.
    Strings,
    /// A Redis string with a time-to-live, given when it was set.
    Expiring,
    /// A Redis string that was given a time-to-live later.
    Expired,
    /// A counter at a key of its own.
    Counters,
    /// An element of one large set.
    Elements,
    /// A register in a field of one large map.
    Fields,
    /// A field of a map of ten.
    SmallMaps,
    /// A removal that is remembered.
    Removals,
}

/// What was held.
pub struct Held {
    /// What the replica counts, in bytes.
    pub counted_bytes: u64,
    _replica: Replica,
}

/// When entries end that do: long after the run.
const END_MS: u64 = WALL_MS + 86_400_000;

/// Fields of a small map.
const FIELDS: usize = 10;

impl Entries {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Registers,
        Self::Strings,
        Self::Expiring,
        Self::Expired,
        Self::Counters,
        Self::Elements,
        Self::Fields,
        Self::SmallMaps,
        Self::Removals,
    ];

    /// The name, in figures and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Registers => "register",
            Self::Strings => "string",
            Self::Expiring => "string_set_with_end",
            Self::Expired => "string_expire",
            Self::Counters => "counter",
            Self::Elements => "set_element",
            Self::Fields => "map_field",
            Self::SmallMaps => "small_map_field",
            Self::Removals => "removal",
        }
    }

    fn write(self, tx: &mut Tx<'_>, n: usize) -> Result<(), WriteError> {
        let name = key(n as u64);
        let own = Slot::key(Bytes::copy_from_slice(&name));
        let bytes = Bytes::copy_from_slice(&value(n));
        match self {
            Self::Registers => tx.put_register(&own, bytes, None),
            Self::Strings => tx.set_text(&own.key, bytes, None),
            Self::Expiring => tx.set_text(&own.key, bytes, Some(END_MS + n as u64)),
            Self::Expired => {
                tx.set_text(&own.key, bytes, None)?;
                tx.expire(&own.key, Some(END_MS + n as u64)).map(drop)
            }
            Self::Counters => tx.add(&own, 1).map(drop),
            Self::Elements => tx.set_add(&Slot::key("set"), &name).map(drop),
            Self::Fields => tx.put_register(&Slot::key("map").field(&name), bytes, None),
            Self::SmallMaps => {
                let map = Slot::key(Bytes::copy_from_slice(&key((n / FIELDS) as u64)));
                tx.put_register(&map.field(&name), bytes, None)
            }
            Self::Removals => {
                tx.put_register(&own, bytes, None)?;
                tx.remove(&own);
                Ok(())
            }
        }
    }
}

impl fmt::Display for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Entries {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|entries| entries.name() == text);
        found.ok_or_else(|| format!("{text:?} is none of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// Fills a replica with so many entries, each by a write of its own. The caller measures before and after.
pub fn hold(entries: Entries, count: usize) -> Held {
    let config = ReplicaConfig { removals_max: count.max(1 << 16), ..ReplicaConfig::default() };
    let mut replica = Replica::new("bench".parse().expect("a sound name"), ACTOR, config, Rules::default());
    replica.follow(Followers { rows: false, keys: false });
    let mut clock = Clock::default();
    for n in 0..count {
        let mut tx = replica.begin(clock.tick(WALL_MS), WALL_MS);
        entries.write(&mut tx, n).expect("within all limits");
        tx.commit();
        replica.take_rows();
    }
    Held { counted_bytes: replica.memory().used_bytes, _replica: replica }
}
