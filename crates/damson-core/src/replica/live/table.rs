//! Names and what they stand for, in the order of their hashes: the keys of a scope, and the cells of a key.
//!
//! A hash table whose slots are in the order of hashes (linear probing, Robin Hood: Celis 1986; the upper bits of a hash
//! are its home): one look for a name, and a scan from any hash on. A slot is 8 bytes, half of a hash and the number of the
//! place where the name lies. The table grows and shrinks with its names.
//!
//! Hashes are seeded with something that those who choose the names do not know: they cannot make them crowd.

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::cost;
use super::places::{Places, share_bytes};

/// All names.
#[derive(Debug)]
pub(in crate::replica) struct Table<V> {
    /// The upper half of the hash, and the place plus one; 0 is an empty slot. Beyond the last home there may be more.
    slots: Vec<u64>,
    /// How many bits of a hash make a home.
    bits: u32,
    places: Places<Named<V>>,
    len: usize,
    seed: u64,
}

/// A name and what it stands for.
#[derive(Debug)]
pub(in crate::replica) struct Named<V> {
    pub hash: u64,
    pub name: Name,
    pub value: V,
}

/// Names are short: most need no memory of their own, and no further look.
type Name = SmallVec<[u8; NAME_BYTES]>;

const NAME_BYTES: usize = 24;

/// The least number of homes.
const BITS_MIN: u32 = 2;

/// Slots that are kept beyond the last home: a list that has to grow doubles.
const BEYOND: usize = 32;

impl<V> Table<V> {
    pub fn new(seed: u64) -> Self {
        Self { slots: Vec::new(), bits: 0, places: Places::default(), len: 0, seed }
    }

    /// The hash of a name, by which names are in order.
    pub fn hash_of(&self, name: &[u8]) -> u64 {
        xxh3_64_with_seed(name, self.seed)
    }

    /// Memory that a name takes, without what it stands for has outside, in bytes.
    pub fn bytes_of(name: &[u8]) -> u64 {
        cost::name(name, NAME_BYTES, share_bytes::<Named<V>>())
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The place of a name with this hash.
    pub fn find(&self, hash: u64, name: &[u8]) -> Option<u32> {
        let mut at = self.first_from(hash);
        while let Some(place) = self.place_at(at, hash) {
            if self.at(place).name[..] == *name {
                return Some(place);
            }
            at += 1;
        }
        None
    }

    /// What lies at a place that is taken.
    pub fn at(&self, place: u32) -> &Named<V> {
        self.places.at(place)
    }

    pub fn at_mut(&mut self, place: u32) -> &mut Named<V> {
        self.places.at_mut(place)
    }

    /// Reads the slot where the search for a name begins.
    pub fn look_at_slot(&self, hash: u64) -> u64 {
        self.slots.get(self.home(hash)).copied().unwrap_or(0)
    }

    /// The place of the first name whose hash begins like this one: nearly always the one that is meant.
    pub fn likely_place(&self, hash: u64) -> Option<u32> {
        self.place_at(self.first_from(hash), hash)
    }

    /// Puts in a name that is not there, with its hash, and returns its place: 0 if it is the first.
    pub fn insert(&mut self, hash: u64, name: &[u8], value: V) -> u32 {
        if self.is_crowded() {
            self.resize((self.bits + 1).max(BITS_MIN));
        }
        let place = self.places.put(Named { hash, name: name.into(), value });
        let mut at = self.first_from(hash);
        while self.slots.get(at).is_some_and(|slot| *slot != 0 && self.hash_at(*slot) <= hash) {
            at += 1;
        }
        self.shift_in(at, slot_of(hash, place));
        self.len += 1;
        place
    }

    /// Takes out the name at a place.
    pub fn remove(&mut self, place: u32) {
        let gone = self.places.take(place);
        self.len -= 1;
        let wanted = slot_of(gone.hash, place);
        let mut at = self.first_from(gone.hash);
        while self.slots[at] != wanted {
            at += 1;
        }
        self.shift_out(at);
        if self.len == 0 {
            *self = Self::new(self.seed);
        } else if self.is_deserted() {
            self.resize(self.bits - 1);
            self.places.shrink();
        }
    }

    /// Names in the order of their hashes, from one on.
    pub fn from(&self, hash: u64) -> impl Iterator<Item = &Named<V>> {
        let mut at = self.first_from(hash);
        while self.slots.get(at).is_some_and(|slot| *slot != 0 && self.hash_at(*slot) < hash) {
            at += 1;
        }
        let slots = self.slots.get(at..).unwrap_or_default().iter().filter(|slot| **slot != 0);
        slots.map(|slot| self.at(place_of(*slot)))
    }

    /// The first slot, from the home of a hash on, that may hold one that is not less.
    fn first_from(&self, hash: u64) -> usize {
        let mut at = self.home(hash);
        while self.slots.get(at).is_some_and(|slot| *slot != 0 && *slot & !LOW < hash & !LOW) {
            at += 1;
        }
        at
    }

    /// The place in this slot, if it may hold this hash.
    fn place_at(&self, at: usize, hash: u64) -> Option<u32> {
        let slot = self.slots.get(at).filter(|slot| **slot != 0)?;
        (*slot & !LOW == hash & !LOW).then(|| place_of(*slot))
    }

    fn hash_at(&self, slot: u64) -> u64 {
        self.at(place_of(slot)).hash
    }

    fn home(&self, hash: u64) -> usize {
        if self.slots.is_empty() { 0 } else { (hash >> (64 - self.bits)) as usize }
    }

    /// Puts a slot's contents where they belong; those behind move up to the next empty slot.
    fn shift_in(&mut self, at: usize, slot: u64) {
        let empty = self.slots[at..].iter().position(|slot| *slot == 0).map(|steps| at + steps);
        let end = empty.unwrap_or_else(|| {
            self.slots.push(0);
            self.slots.len() - 1
        });
        self.slots.copy_within(at..end, at + 1);
        self.slots[at] = slot;
    }

    /// Empties a slot; those behind that are not at home move back.
    fn shift_out(&mut self, at: usize) {
        let is_away = |at: usize| {
            let slot = self.slots.get(at).copied().unwrap_or(0);
            slot != 0 && self.home(slot & !LOW) < at
        };
        let mut end = at + 1;
        while is_away(end) {
            end += 1;
        }
        self.slots.copy_within(at + 1..end, at);
        self.slots[end - 1] = 0;
    }

    /// Beyond three quarters runs become long.
    fn is_crowded(&self) -> bool {
        self.slots.is_empty() || self.len * 4 >= (1_usize << self.bits) * 3
    }

    /// Below an eighth most of the table is empty. A table that was just made smaller is far from being crowded.
    fn is_deserted(&self) -> bool {
        self.bits > BITS_MIN && self.len * 8 < 1_usize << self.bits
    }

    fn resize(&mut self, bits: u32) {
        self.bits = bits;
        let homes = 1 << self.bits;
        let mut slots = Vec::with_capacity(homes + BEYOND.min(homes / 4));
        slots.resize(homes, 0);
        let old = std::mem::replace(&mut self.slots, slots);
        let mut next = 0;
        for slot in old.into_iter().filter(|slot| *slot != 0) {
            let at = self.home(slot & !LOW).max(next);
            if at == self.slots.len() {
                self.slots.push(0);
            }
            self.slots[at] = slot;
            next = at + 1;
        }
    }
}

/// The half of a slot that is no hash.
const LOW: u64 = u32::MAX as u64;

fn slot_of(hash: u64, place: u32) -> u64 {
    (hash & !LOW) | (u64::from(place) + 1)
}

fn place_of(slot: u64) -> u32 {
    u32::try_from((slot & LOW) - 1).expect("32 bits")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand_chacha::ChaCha8Rng;
    use rand_core::{Rng, SeedableRng};

    use super::*;

    fn table() -> Table<()> {
        Table::new(5)
    }

    fn hash_of(name: &[u8]) -> u64 {
        table().hash_of(name)
    }

    fn agree(table: &Table<()>, model: &BTreeMap<u64, Vec<u8>>) {
        assert_eq!(table.len, model.len());
        let all: Vec<(u64, &[u8])> = table.from(0).map(|named| (named.hash, &*named.name)).collect();
        let expected: Vec<(u64, &[u8])> = model.iter().map(|(hash, name)| (*hash, &name[..])).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn keys_come_and_go_and_are_found_in_the_order_of_their_hashes() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let (mut table, mut model) = (table(), BTreeMap::new());
        for round in 0..20_000_u64 {
            let name = (rng.next_u64() % 3_000).to_be_bytes();
            let hash = hash_of(&name);
            match table.find(hash, &name) {
                Some(place) => {
                    assert_eq!(&*table.at(place).name, name);
                    assert!(model.remove(&hash).is_some());
                    table.remove(place);
                }
                None => {
                    assert!(model.insert(hash, name.to_vec()).is_none());
                    table.insert(hash, &name, ());
                }
            }
            if round % 1_000 == 0 {
                agree(&table, &model);
                let from = rng.next_u64();
                let expected: Vec<u64> = model.range(from..).map(|(hash, _)| *hash).collect();
                assert_eq!(table.from(from).map(|named| named.hash).collect::<Vec<_>>(), expected);
            }
        }
        for name in model.values() {
            let place = table.find(hash_of(name), name).expect("it is there");
            table.remove(place);
        }
        assert!(table.slots.is_empty() && table.from(0).next().is_none());
    }

    #[test]
    fn what_is_left_of_many_keys_takes_the_memory_of_few() {
        let mut table = table();
        let places: Vec<u32> =
            (0..100_000_u64).map(|n| table.insert(hash_of(&n.to_be_bytes()), &n.to_be_bytes(), ())).collect();
        let kept = |n: &usize| n.is_multiple_of(20_000);
        let gone = places.iter().enumerate().filter(|(n, _)| !kept(n));
        gone.for_each(|(_, place)| table.remove(*place));
        for n in (0..places.len()).filter(kept) {
            assert_eq!(
                table.find(hash_of(&(n as u64).to_be_bytes()), &(n as u64).to_be_bytes()),
                Some(places[n])
            );
        }
        assert!(table.slots.capacity() <= 64, "{} slots for 5 keys", table.slots.capacity());
        assert!(table.places.pages() <= 5, "{} pages for 5 keys", table.places.pages());
    }

    /// Names whose hashes begin alike stand in one run, which may reach beyond the last home.
    #[test]
    fn crowds_at_one_home_are_kept_apart() {
        let mut table = table();
        let begin = |n: &u64| hash_of(&n.to_be_bytes()) >> 54;
        let crowd: Vec<u64> = (0..400_000).filter(|n| begin(n) == 1_023 || begin(n) == 0).collect();
        assert!(crowd.len() > 500);
        let places: Vec<u32> =
            crowd.iter().map(|n| table.insert(hash_of(&n.to_be_bytes()), &n.to_be_bytes(), ())).collect();
        for (n, place) in crowd.iter().zip(&places) {
            assert_eq!(table.find(hash_of(&n.to_be_bytes()), &n.to_be_bytes()), Some(*place));
        }
        let hashes: Vec<u64> = table.from(0).map(|named| named.hash).collect();
        assert!(hashes.is_sorted() && hashes.len() == crowd.len());
        for (n, place) in crowd.iter().zip(&places).step_by(2) {
            table.remove(*place);
            assert_eq!(table.find(hash_of(&n.to_be_bytes()), &n.to_be_bytes()), None);
        }
        let left = crowd.iter().zip(&places).skip(1).step_by(2);
        left.for_each(|(n, place)| {
            assert_eq!(table.find(hash_of(&n.to_be_bytes()), &n.to_be_bytes()), Some(*place))
        });
    }
}
