//! The hot paths of a replica: local writes, batches from peers, reads. `cargo bench -p damson-core --features bench`.
//!
//! Each is measured at a size that fits into the processor's caches and at one that does not. For ratios to a bare hash map
//! in one run see `damson bench engine`.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use damson_core::replica::{Followers, Replica, ReplicaConfig, Slot};
use damson_core::time::Time;
use damson_crdt::codec::{decode_batches, encode_batches};
use damson_crdt::{Actor, Batch, Clock, Life, Limits, NodeId, Rules};

const WALL_MS: u64 = 1_790_000_000_000;
const SIZES: [u64; 2] = [1_000, 100_000];

/// A replica that is written to and follows nobody, with a clock of its own.
struct Author {
    replica: Replica,
    clock: Clock,
    written: u64,
}

impl Author {
    fn new(node: u8) -> Self {
        let name = "bench".parse().expect("a sound name");
        let actor = Actor::new(NodeId([node; 16]), Life(1));
        let mut replica = Replica::new(name, actor, ReplicaConfig::default(), Rules::default());
        replica.follow(Followers { rows: false, keys: false });
        Self { replica, clock: Clock::default(), written: 0 }
    }

    fn put(&mut self, n: u64) -> Batch {
        self.written += 1;
        let value = Bytes::copy_from_slice(&[self.written as u8; 64]);
        let mut tx = self.replica.begin(self.clock.tick(WALL_MS), WALL_MS);
        tx.put_register(&Slot::key(key(n)), value, None).expect("within all limits");
        let batch = tx.commit().expect("it writes");
        self.replica.take_rows();
        batch
    }

    fn add(&mut self, n: u64) -> Batch {
        let mut tx = self.replica.begin(self.clock.tick(WALL_MS), WALL_MS);
        tx.set_add(&Slot::key("set"), &key(n)).expect("within all limits");
        let batch = tx.commit().expect("it is new");
        self.replica.take_rows();
        batch
    }

    fn take(&mut self, batch: &Batch) {
        black_box(self.replica.apply(batch, NodeId([9; 16]), Time::default()));
        self.replica.take_rows();
    }
}

/// 16 bytes that are not in order.
fn key(n: u64) -> Bytes {
    let mixed = u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Bytes::copy_from_slice(&mixed.to_le_bytes())
}

/// As it is at a peer: read from the wire.
fn received(batch: &Batch) -> Batch {
    let mut bytes = Vec::new();
    encode_batches(&mut bytes, std::slice::from_ref(batch));
    decode_batches(&bytes, &Limits::default()).expect("an honest batch").remove(0)
}

/// An author and a replica that has all it wrote.
fn pair(size: u64, write: impl Fn(&mut Author, u64) -> Batch) -> (Author, Author) {
    let (mut author, mut other) = (Author::new(1), Author::new(2));
    for n in 0..size {
        let batch = write(&mut author, n);
        other.take(&batch);
    }
    (author, other)
}

fn puts(criterion: &mut Criterion) {
    for size in SIZES {
        let mut author = pair(size, Author::put).0;
        let mut n = 0;
        criterion.bench_function(&format!("put/{size}"), |bencher| {
            bencher.iter(|| {
                n += 7;
                author.put(n % size)
            });
        });
    }
}

fn merges(criterion: &mut Criterion) {
    for size in SIZES {
        let (mut author, mut other) = pair(size, Author::put);
        let mut n = 0;
        criterion.bench_function(&format!("merge/{size}"), |bencher| {
            bencher.iter_batched(
                || {
                    n += 7;
                    received(&author.put(n % size))
                },
                |batch| other.take(&batch),
                BatchSize::SmallInput,
            );
        });
    }
}

fn elements(criterion: &mut Criterion) {
    for size in SIZES {
        let (mut author, mut other) = pair(size, Author::add);
        let mut n = size;
        criterion.bench_function(&format!("set_add/{size}"), |bencher| {
            bencher.iter(|| {
                n += 1;
                author.add(n)
            });
        });
        criterion.bench_function(&format!("set_merge/{size}"), |bencher| {
            bencher.iter_batched(
                || {
                    n += 1;
                    received(&author.add(n))
                },
                |batch| other.take(&batch),
                BatchSize::SmallInput,
            );
        });
    }
}

fn reads(criterion: &mut Criterion) {
    for size in SIZES {
        let author = pair(size, Author::put).0;
        let slots: Vec<Slot> = (0..size).map(|n| Slot::key(key(n))).collect();
        let mut n = 0;
        criterion.bench_function(&format!("get/{size}"), |bencher| {
            bencher.iter(|| {
                n = (n + 7) % slots.len();
                author.replica.view(WALL_MS).register(&slots[n])
            });
        });
    }
}

criterion_group!(hot_paths, puts, merges, elements, reads);
criterion_main!(hot_paths);
