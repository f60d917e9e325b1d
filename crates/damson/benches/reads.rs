//! Reads beside a writer: groups, a publisher's view, a counter at hand.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use criterion::{Criterion, criterion_group, criterion_main};
use damson::Node;

fn reads(c: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let (node, groups, members, counter) = runtime.block_on(async {
        let node = Node::builder("reads").start().await.expect("a node in memory");
        let groups = node.groups("pg").await.expect("groups");
        let mut members = Vec::new();
        for n in 0..100 {
            let member = groups.member(format!("m{n}")).expect("a short name");
            groups.join("g", &member).await.expect("it joins");
            members.push(member);
        }
        let counter = node.scope("app").expect("a name").counter("visits");
        counter.add(1).await.expect("it counts");
        (node, groups, members, counter)
    });
    let stop = Arc::new(AtomicBool::new(false));
    let (ended, writes, joins) = (stop.clone(), counter.clone(), groups.clone());
    let writer = runtime.spawn(async move {
        let other = joins.member("other").expect("a short name");
        while !ended.load(Ordering::Relaxed) {
            writes.add(1).await.expect("it counts");
            joins.join("other", &other).await.expect("it joins");
            joins.leave("other", &other).await.expect("it leaves");
        }
    });
    let reader = counter.reader();
    c.bench_function("members of a group of 100", |b| b.iter(|| black_box(groups.members("g").len())));
    c.bench_function("a publisher's view", |b| b.iter(|| black_box(groups.published().view())));
    c.bench_function("a counter at hand", |b| b.iter(|| black_box(reader.get())));
    c.bench_function("a counter through the node", |b| b.iter(|| black_box(counter.get())));
    stop.store(true, Ordering::Relaxed);
    runtime.block_on(writer).expect("it ended");
    drop((members, node));
}

criterion_group!(benches, reads);
criterion_main!(benches);
