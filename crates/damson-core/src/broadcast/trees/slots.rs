//! Sets of authors' slots.

use super::distance::Distance;

/// A set of slots.
#[derive(Debug, Default)]
pub(super) struct SlotSet {
    words: Vec<u64>,
    count: usize,
}

impl SlotSet {
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn insert(&mut self, slot: usize) {
        let (word, bit) = (slot / 64, 1 << (slot % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.count += usize::from(self.words[word] & bit == 0);
        self.words[word] |= bit;
    }

    /// Says whether it was there.
    pub fn remove(&mut self, slot: usize) -> bool {
        let was = self.contains(slot);
        if was {
            self.words[slot / 64] &= !(1 << (slot % 64));
            self.count -= 1;
            if self.count == 0 {
                self.words = Vec::new();
            }
        }
        was
    }

    pub fn contains(&self, slot: usize) -> bool {
        self.words.get(slot / 64).is_some_and(|word| word & (1 << (slot % 64)) != 0)
    }

    /// Takes out those of the nearest `max` authors: what is said of them is likely to stay, while the farther ones still
    /// wait for what others say.
    pub fn take_nearest(&mut self, max: usize, distance: &[Distance]) -> Vec<usize> {
        if max == 0 || self.count == 0 {
            return Vec::new();
        }
        let mut slots = Vec::with_capacity(self.count);
        for (at, word) in self.words.iter().enumerate() {
            let mut left = *word;
            while left != 0 {
                slots.push(at * 64 + left.trailing_zeros() as usize);
                left &= left - 1;
            }
        }
        if slots.len() > max {
            slots.select_nth_unstable_by_key(max, |slot| distance[*slot]);
            slots.truncate(max);
            slots.sort_unstable();
        }
        self.count -= slots.len();
        if self.count == 0 {
            self.words = Vec::new();
        } else {
            slots.iter().for_each(|slot| self.words[slot / 64] &= !(1 << (slot % 64)));
        }
        slots
    }
}
