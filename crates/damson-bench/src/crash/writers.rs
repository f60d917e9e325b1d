//! Writers: threads that send commands to a node until they are told to stop, or the node is gone.
//!
//! Cells belong to one writer each, so that the order of their changes is known, but for the counters that all share.
//! Writers send a few commands at once and wait for their replies; what is not answered is unknown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::chance::Chance;
use super::evidence::Event;
use super::op::{Cell, Change, Op, SET, SHARED};
use crate::processes::redis::Client;

/// Cells of each kind that a writer has. Few enough that they are written again, many enough that most are not within a
/// cycle: only the last state of each is judged.
const REGISTERS: u64 = 150;
const ELEMENTS: u64 = 80;
const COUNTERS: u64 = 10;
/// Counters that all share.
const TOTALS: u64 = 4;
/// Commands that are sent at once, at most.
const AT_ONCE_MAX: u64 = 6;

/// The writers of a cycle.
pub struct Writers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Event>>>,
}

/// Who writes where.
pub struct Place {
    pub writer: usize,
    pub node: usize,
    pub address: String,
}

impl Writers {
    /// Starts a writer at each of these places. What they write is drawn from the seed and the cycle.
    pub fn start(seed: u64, cycle: u32, places: impl Iterator<Item = Place>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |place: Place| {
            let stop = Arc::clone(&stop);
            let chance = Chance::of(seed, &format!("writer {} in cycle {cycle}", place.writer));
            std::thread::spawn(move || write(cycle, &place, chance, &stop))
        };
        let threads = places.map(start).collect();
        Self { stop, threads }
    }

    /// Ends them, and returns what they did.
    pub fn stop(self) -> impl Iterator<Item = Event> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().flat_map(|writer| writer.join().expect("writers do not panic"))
    }
}

fn write(cycle: u32, place: &Place, mut chance: Chance, stop: &AtomicBool) -> Vec<Event> {
    let mut events = Vec::new();
    let Ok(mut client) = Client::connect(&place.address) else { return events };
    while !stop.load(Ordering::Relaxed) {
        let count = 1 + chance.below(AT_ONCE_MAX);
        let ops: Vec<Op> = (0..count)
            .map(|n| draw(place.writer, &mut chance, &format!("{cycle}.{}", events.len() as u64 + n)))
            .collect();
        let mut alive = client.send(ops.iter().map(Op::command)).is_ok();
        for op in ops {
            // A refusal says that nothing happened, but is not relied on.
            alive = alive && client.reply().is_ok();
            events.push(Event::Sent { writer: place.writer, node: place.node, op, acked: alive });
        }
        if !alive {
            break;
        }
    }
    events
}

/// A command. Values are never written twice.
fn draw(writer: usize, chance: &mut Chance, value: &str) -> Op {
    let register = |n| Cell::key(format!("value:{writer}:{n}"));
    let counter = |n| Cell::key(format!("count:{writer}:{n}"));
    let element = |n| Cell { key: format!("{SET}{writer}"), element: Some(format!("e{n}")) };
    let (cell, change) = match chance.below(100) {
        0..40 => (register(chance.below(REGISTERS)), Change::Put(value.into())),
        40..55 => (register(chance.below(REGISTERS)), Change::Remove),
        55..70 => (element(chance.below(ELEMENTS)), Change::Put(String::new())),
        70..82 => (element(chance.below(ELEMENTS)), Change::Remove),
        82..88 => (counter(chance.below(COUNTERS)), Change::Increment),
        88..90 => (counter(chance.below(COUNTERS)), Change::Remove),
        _ => (Cell::key(format!("{SHARED}{}", chance.below(TOTALS))), Change::Increment),
    };
    Op { cell, change }
}
