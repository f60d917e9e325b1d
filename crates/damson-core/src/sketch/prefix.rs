//! The first symbols of a set that changes.

use std::ops::Range;

use super::gauge::Gauge;
use super::mapping::Key;
use super::run::{Run, cancelled};

/// The first coded symbols of a set, and its gauge, kept as items come and go. An item costs as many exclusive ors as it
/// has indices there, about three for each doubling; and it waits for them in a buffer, so that a write only adds to a list.
#[derive(Debug, Clone)]
pub struct Prefix {
    key: Key,
    run: Run,
    gauge: Gauge,
    /// Items that came or went since; one that stands here twice did both.
    pending: Vec<u64>,
    pending_max: usize,
}

impl Prefix {
    /// The first `len` symbols of a set. So many changes may wait.
    pub fn new(key: Key, len: u32, items: impl IntoIterator<Item = u64>, pending_max: usize) -> Self {
        let mut prefix =
            Self { key, run: Run::empty(0..len), gauge: Gauge::default(), pending: Vec::new(), pending_max };
        items.into_iter().for_each(|item| prefix.enter(item));
        prefix
    }

    /// How many symbols there are.
    pub fn len(&self) -> u32 {
        self.run.range().end
    }

    /// Are there no symbols?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts an item in, or takes it out.
    pub fn toggle(&mut self, item: u64) {
        self.pending.push(item);
        if self.pending.len() > self.pending_max {
            self.settle();
        }
    }

    /// How many changes wait.
    pub fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// Works off what waits.
    pub fn settle(&mut self) {
        for item in cancelled(std::mem::take(&mut self.pending)) {
            self.enter(item);
        }
    }

    /// Some of the symbols; `None` when there are not so many.
    pub fn symbols(&mut self, range: Range<u32>) -> Option<Run> {
        self.settle();
        (range.start <= range.end && range.end <= self.len()).then(|| self.run.part(range))
    }

    /// The gauge.
    pub fn gauge(&mut self) -> Gauge {
        self.settle();
        self.gauge
    }

    /// Keeps so many symbols from now on. More of them need a pass over all items, which are those that the set has now.
    pub fn resize(&mut self, len: u32, items: impl IntoIterator<Item = u64>) {
        self.settle();
        if len <= self.len() {
            self.run = self.run.part(0..len);
        } else {
            self.run.append(&Run::of(self.len()..len, self.key, items));
        }
    }

    fn enter(&mut self, item: u64) {
        let marks = self.key.marks(item);
        self.run.toggle_marked(item, &marks);
        self.gauge.toggle_marked(&marks);
    }
}
