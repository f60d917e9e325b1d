//! One run: each kind of work on both sides, one right after the other.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use damson_core::replica::Slot;
use damson_crdt::Batch;

use super::super::Elapsed;
use super::super::entry::{KeyBytes, value};
use super::super::figures::{per_second, timed};
use super::author::Author;
use super::bare::Bare;
use super::load::Load;
use super::replica::Engine;

/// What was done in a second.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    pub bare_insert: f64,
    pub bare_get: f64,
    pub bare_overwrite: f64,
    pub bare_overwrite_ready: f64,
    pub bare_new: f64,
    pub put: f64,
    pub get: f64,
    pub merge: f64,
    pub merge_together: f64,
    pub merge_new: f64,
}

/// Both maps, and what their times are taken with.
struct Bench<'a> {
    load: &'a Load,
    clock: Elapsed<'a>,
    bare_first: bool,
    bare: Bare,
    engine: Engine,
}

/// Batches that are ready at once.
const PORTION: usize = 1_024;

/// Does all of it once.
pub fn run(load: &Load, clock: Elapsed<'_>, bare_first: bool) -> Rates {
    let mut bench = Bench { load, clock, bare_first, bare: Bare::default(), engine: Engine::new() };
    let (bare_insert, put) = bench.fill();
    let (bare_get, get) = bench.read();
    let mut author = Author::new(load.keys.len());
    let bare_overwrite_ready = bench.overwrite_ready();
    let (bare_overwrite, merge) = bench.overwrite(&mut author, false);
    let (_, merge_together) = bench.overwrite(&mut author, true);
    let (bare_new, merge_new) = bench.grow(&mut author);
    Rates {
        bare_insert,
        bare_get,
        bare_overwrite,
        bare_overwrite_ready,
        bare_new,
        put,
        get,
        merge,
        merge_together,
        merge_new,
    }
}

impl Bench<'_> {
    /// Both times, whoever was first.
    fn both(
        &mut self,
        bare: impl FnOnce(&mut Bare),
        engine: impl FnOnce(&mut Engine),
    ) -> (Duration, Duration) {
        if self.bare_first {
            let first = timed(self.clock, || bare(&mut self.bare));
            (first, timed(self.clock, || engine(&mut self.engine)))
        } else {
            let first = timed(self.clock, || engine(&mut self.engine));
            (timed(self.clock, || bare(&mut self.bare)), first)
        }
    }

    fn fill(&mut self) -> (f64, f64) {
        let load = self.load;
        let times = self.both(
            |bare| load.keys.iter().enumerate().for_each(|(n, key)| bare.insert(key, &value(n))),
            |engine| load.keys.iter().enumerate().for_each(|(n, key)| engine.put(key, &value(n))),
        );
        assert_eq!((self.bare.len(), self.engine.len()), (load.keys.len(), load.keys.len()));
        rates(load.keys.len(), times)
    }

    fn read(&mut self) -> (f64, f64) {
        let slot = |at: &usize| Slot::key(Bytes::copy_from_slice(&self.load.keys[*at]));
        let slots: Vec<Slot> = self.load.again.iter().map(slot).collect();
        let times = self.both(
            |bare| slots.iter().for_each(|slot| _ = black_box(bare.get(&slot.key)).expect("it is there")),
            |engine| slots.iter().for_each(|slot| _ = black_box(engine.get(slot)).expect("it is there")),
        );
        rates(slots.len(), times)
    }

    /// What the hash map does when its keys and values are allocated already, as those of a batch are.
    fn overwrite_ready(&mut self) -> f64 {
        let pair = |at: &usize| {
            let (key, value) = (&self.load.keys[*at], value(*at));
            (Bytes::copy_from_slice(key), Bytes::copy_from_slice(&value))
        };
        let pairs: Vec<(Bytes, Bytes)> = self.load.again.iter().map(pair).collect();
        let count = pairs.len();
        let took = timed(self.clock, || {
            pairs.into_iter().for_each(|(key, value)| self.bare.insert_ready(key, value));
        });
        per_second(count, took)
    }

    /// In portions that stay in the processor's caches, as frames do that were just decoded.
    fn overwrite(&mut self, author: &mut Author, together: bool) -> (f64, f64) {
        let load = self.load;
        let mut times = (Duration::ZERO, Duration::ZERO);
        for portion in load.again.chunks(PORTION) {
            let batches = portion.iter().map(|at| author.overwrite(*at, &load.keys[*at]));
            let batches: Vec<Batch> = batches.collect();
            let took = self.both(
                |bare| portion.iter().for_each(|at| bare.insert(&load.keys[*at], &value(*at))),
                |engine| match together {
                    true => engine.merge_together(&batches),
                    false => batches.iter().for_each(|batch| engine.merge(batch)),
                },
            );
            times = (times.0 + took.0, times.1 + took.1);
        }
        assert_eq!((self.bare.len(), self.engine.len()), (load.keys.len(), load.keys.len()));
        rates(load.again.len(), times)
    }

    /// New keys in portions. What a portion has brought goes again before the next, outside of the time taken.
    fn grow(&mut self, author: &mut Author) -> (f64, f64) {
        let mut times = (Duration::ZERO, Duration::ZERO);
        for portion in &self.load.fresh {
            let took = self.grow_by(portion, author);
            times = (times.0 + took.0, times.1 + took.1);
        }
        rates(self.load.fresh.iter().map(Vec::len).sum(), times)
    }

    fn grow_by(&mut self, keys: &[KeyBytes], author: &mut Author) -> (Duration, Duration) {
        let puts = author.put(keys);
        let removals = author.remove(&puts, keys);
        self.bare.reserve(keys.len());
        let times = self.both(
            |bare| keys.iter().enumerate().for_each(|(n, key)| bare.insert(key, &value(n))),
            |engine| puts.iter().for_each(|batch| engine.merge(batch)),
        );
        let grown = self.load.keys.len() + keys.len();
        assert_eq!((self.bare.len(), self.engine.len()), (grown, grown));
        keys.iter().for_each(|key| self.bare.remove(key));
        removals.iter().for_each(|batch| self.engine.merge(batch));
        self.engine.forget_removals();
        times
    }
}

fn rates(count: usize, (bare, engine): (Duration, Duration)) -> (f64, f64) {
    (per_second(count, bare), per_second(count, engine))
}
