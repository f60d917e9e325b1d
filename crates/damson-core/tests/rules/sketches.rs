//! Transfers that compare live dots by sketches, because the source's log of removals no longer explains what is missing.

use damson_core::replica::{
    Chunk, Demand, Extent, Inbound, Last, Request, Seen, Step, Symbols, TransferError,
};
use damson_core::sketch::Wanted;
use damson_crdt::Context;

use super::cluster::{Cluster, key, node};
use damson_core::replica::Slot;

/// What a transfer has told.
#[derive(Debug, Default)]
struct Told {
    symbols: u32,
    cells: usize,
    extent: Option<Extent>,
}

/// A transfer, with something happening before the answer to each message.
struct Slow {
    sink: usize,
    source: usize,
    id: u64,
    compared: Option<u64>,
}

impl Slow {
    fn run(
        &self,
        cluster: &mut Cluster,
        mut meanwhile: impl FnMut(&mut Cluster, u32),
    ) -> Result<Told, TransferError> {
        let (request, mut inbound) = cluster.members[self.sink].replica.begin_inbound(self.compared);
        cluster.members[self.source].replica.open_outbound(self.id, node(self.sink), request);
        let (mut told, mut demand) = (Told::default(), None);
        for number in 0.. {
            let source = &mut cluster.members[self.source].replica;
            let chunk = source.next_chunk(self.id, 4_096, demand.as_ref()).expect("it is open");
            told.symbols += chunk.symbols.as_ref().map_or(0, |symbols| symbols.len);
            told.cells += chunk.cells.len();
            meanwhile(cluster, number);
            let sink = &mut cluster.members[self.sink].replica;
            match sink.stage(&mut inbound, chunk)? {
                Step::More(next) => demand = next,
                Step::Commit(last) => {
                    told.extent = Some(last.extent);
                    sink.commit_inbound(inbound, &last, (node(self.source), self.id))?;
                    return Ok(told);
                }
            }
        }
        unreachable!("a transfer ends")
    }
}

fn pull(cluster: &mut Cluster, sink: usize, source: usize, compared: Option<u64>) -> Told {
    let id = 1_000 + 10 * sink as u64 + source as u64;
    Slow { sink, source, id, compared }.run(cluster, |_, _| ()).unwrap()
}

/// Two members with `shared` keys, of whom each has written and removed something that its log has forgotten.
fn below_the_floor(shared: usize) -> Cluster {
    let mut cluster = Cluster::new(3);
    for n in 0..shared {
        cluster.write(0, |tx| tx.put_register(&named(&format!("shared {n}")), "a".into(), None).unwrap());
    }
    cluster.pull(1, 0, 1 << 20).unwrap();
    for at in 0..2 {
        cluster.write(at, |tx| tx.put_register(&key("gone"), "b".into(), None).unwrap());
        cluster.write(at, |tx| assert!(tx.remove(&key("gone"))));
        cluster.members[at].replica.truncate_removals(0);
    }
    cluster
}

fn named(name: &str) -> Slot {
    Slot::key(name.to_owned())
}

fn put(cluster: &mut Cluster, at: usize, name: &str) {
    cluster.write(at, |tx| tx.put_register(&named(name), format!("of {at}").into(), None).unwrap());
}

#[test]
fn a_comparison_sends_what_differs_and_serves_both_directions() {
    let mut cluster = below_the_floor(500);
    for n in 0..20 {
        put(&mut cluster, 0, &format!("shared {n}"));
        put(&mut cluster, 1, &format!("shared {}", n + 10));
    }
    let there = pull(&mut cluster, 0, 1, None);
    assert_eq!((there.extent, there.cells), (Some(Extent::Differing), 30), "{there:?}");
    assert!((40..200).contains(&there.symbols), "{there:?}");
    let back = pull(&mut cluster, 1, 0, Some(1_001));
    assert_eq!((back.extent, back.symbols), (Some(Extent::Differing), 0), "{back:?}");
    assert_eq!(back.cells, 20, "those that only 0 had written to: {back:?}");
    cluster.check_equal(0, 1).unwrap();
    assert_eq!(cluster.replica(0).keys(), 500);
}

#[test]
fn a_comparison_that_is_forgotten_is_made_again() {
    let mut cluster = below_the_floor(100);
    put(&mut cluster, 0, "x");
    pull(&mut cluster, 0, 1, None);
    cluster.members[1].replica.close_outbound(1_001);
    let back = pull(&mut cluster, 1, 0, Some(1_001));
    assert!(back.symbols > 0 && back.extent == Some(Extent::Differing), "{back:?}");
    cluster.check_equal(0, 1).unwrap();
}

/// What comes to either side while they compare, and what goes.
#[test]
fn both_may_change_while_they_compare() {
    let mut cluster = below_the_floor(300);
    for n in 0..30 {
        put(&mut cluster, n % 2, &format!("mine {n}"));
    }
    let slow = Slow { sink: 0, source: 1, id: 7, compared: None };
    let change = |cluster: &mut Cluster, number: u32| {
        for at in 0..2 {
            put(cluster, at, &format!("late {at} {number}"));
            put(cluster, at, &format!("shared {number}"));
            let gone = named(&format!("shared {}", 100 + 10 * number + at as u32));
            cluster.transact(at, |tx| tx.remove(&gone));
        }
    };
    let told = slow.run(&mut cluster, change).unwrap();
    assert_eq!(told.extent, Some(Extent::Differing));
    let back = Slow { sink: 1, source: 0, id: 8, compared: Some(7) }.run(&mut cluster, change).unwrap();
    assert_eq!((back.extent, back.symbols), (Some(Extent::Differing), 0), "{back:?}");
    cluster.heal().unwrap();
}

/// The rule sink-unwatched: 2 has written and removed, 1 knows of both, and 0 is told of the write only, while it compares.
#[test]
fn what_came_meanwhile_is_not_taken_for_the_sources() {
    let mut cluster = below_the_floor(50);
    let written = cluster.write(2, |tx| tx.put_register(&key("late"), "c".into(), None).unwrap());
    let removed = cluster.write(2, |tx| assert!(tx.remove(&key("late"))));
    cluster.receive(1, 2, &written);
    cluster.receive(1, 2, &removed);
    cluster.members[1].replica.truncate_removals(0);
    let slow = Slow { sink: 0, source: 1, id: 7, compared: None };
    let told = slow.run(&mut cluster, |cluster, number| {
        if number == 1 {
            cluster.receive(0, 2, &written);
        }
    });
    assert_eq!(told.unwrap().extent, Some(Extent::Differing));
    assert!(cluster.view(0).register(&key("late")).is_none(), "it was removed, and that is covered");
    pull(&mut cluster, 1, 0, Some(7));
    cluster.check_equal(0, 1).unwrap();
}

#[test]
fn what_is_pushed_while_both_compare_is_no_reason_to_send_everything() {
    let mut cluster = below_the_floor(300);
    let pushed = cluster.write(1, |tx| tx.put_register(&key("pushed"), "c".into(), None).unwrap());
    for n in 0..100 {
        cluster.write(1, |tx| assert!(tx.remove(&named(&format!("shared {n}")))));
    }
    cluster.members[1].replica.truncate_removals(0);
    let slow = Slow { sink: 0, source: 1, id: 7, compared: None };
    let told = slow.run(&mut cluster, |cluster, number| {
        if number == 1 {
            cluster.receive(0, 1, &pushed);
        }
    });
    let told = told.unwrap();
    assert!(told.symbols > 100 && told.extent == Some(Extent::Differing), "{told:?}");
    assert_eq!(cluster.replica(0).keys(), 201);
    cluster.heal().unwrap();
}

/// What the source has seen is told relative to what the receiver had seen when it asked, and that grows.
#[test]
fn an_answer_to_an_earlier_request_is_refused() {
    let mut cluster = below_the_floor(5);
    let (early, inbound) = cluster.members[0].replica.begin_inbound(None);
    cluster.members[0].replica.end_inbound(&inbound);
    cluster.members[1].replica.open_outbound(1, node(0), Request { live: 0, ..early });
    put(&mut cluster, 0, "since");
    let (_, mut inbound) = cluster.members[0].replica.begin_inbound(None);
    let chunk = cluster.members[1].replica.next_chunk(1, 1 << 20, None).unwrap();
    let sink = &mut cluster.members[0].replica;
    let Ok(Step::Commit(last)) = sink.stage(&mut inbound, chunk) else { panic!("one part") };
    assert_eq!(sink.commit_inbound(inbound, &last, (node(1), 1)), Err(TransferError::OtherRequest));
    assert!(cluster.view(0).register(&key("since")).is_some());
}

#[test]
fn who_has_hardly_anything_takes_everything() {
    let mut cluster = below_the_floor(100);
    put(&mut cluster, 2, "only");
    let told = pull(&mut cluster, 2, 0, None);
    assert_eq!((told.extent, told.symbols), (Some(Extent::Whole), 0), "{told:?}");
}

/// Neither the end of a difference nor a reason to believe one: everything is sent, and the state is right.
#[test]
fn symbols_and_wishes_that_are_lies_end_in_a_whole_transfer() {
    let mut cluster = below_the_floor(200);
    put(&mut cluster, 1, "x");
    let (request, mut inbound) = cluster.members[0].replica.begin_inbound(None);
    cluster.members[1].replica.open_outbound(1, node(0), request);
    let mut chunk = cluster.members[1].replica.next_chunk(1, 4_096, None).unwrap();
    let symbols = chunk.symbols.as_mut().unwrap();
    symbols.bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at * 151) as u8);
    let mut demand = cluster.members[0].replica.stage(&mut inbound, chunk).unwrap();
    let mut rounds = 0;
    while let Step::More(Some(Demand::Symbols { .. })) = demand {
        rounds += 1;
        let next = lies(&inbound, rounds);
        demand =
            cluster.members[0].replica.stage(&mut inbound, next).unwrap_or(Step::More(Some(Demand::Whole)));
    }
    assert!(rounds < 20, "{demand:?} after {rounds}");

    let (request, _) = cluster.members[0].replica.begin_inbound(None);
    let source = &mut cluster.members[1].replica;
    source.open_outbound(2, node(0), request);
    let symbols = source.next_chunk(2, 4_096, None).unwrap().symbols.unwrap();
    let many: Vec<u64> = (0..=u64::from(symbols.len)).map(|n| n << 40).collect();
    let demand = Demand::Cells { wanted: Wanted::new(&many, 1_000), common: 5 };
    let whole = source.next_chunk(2, 1 << 20, Some(&demand)).unwrap();
    assert_eq!(whole.last.map(|last| last.extent), Some(Extent::Whole), "more than symbols can show");

    let wanted = Wanted::new(&[1, 2, 3], 1_000);
    let unsure = source.next_chunk(1, 4_096, Some(&Demand::Cells { wanted, common: 5 })).unwrap();
    assert_eq!(unsure.symbols.map(|symbols| symbols.len), Some(0), "say it in full");
    let wanted = Wanted::exact(&[1, 2, 3]);
    let whole = source.next_chunk(1, 1 << 20, Some(&Demand::Cells { wanted, common: 5 })).unwrap();
    assert_eq!(whole.last.map(|last| last.extent), Some(Extent::Whole));
    assert_eq!(whole.cells.len(), source.live_dots());
}

fn lies(_: &Inbound, round: u32) -> Chunk {
    let (start, len) = (23 * round, 23);
    let bytes = vec![round as u8; damson_core::sketch::Run::encoded_len(&(start..start + len))];
    let symbols = Some(Symbols { start, len, bytes, live: 200 });
    Chunk { symbols, ..Chunk::default() }
}

#[test]
fn symbols_that_cannot_be_and_results_of_no_comparison_are_refused() {
    let mut cluster = below_the_floor(20);
    let replica = &mut cluster.members[0].replica;
    let before = replica.digest();
    for symbols in [
        Symbols { start: 5, len: 4, bytes: vec![0; 36], live: 20 },
        Symbols { start: 0, len: 4, bytes: vec![0; 5], live: 20 },
        Symbols { start: 0, len: u32::MAX, bytes: vec![0; 5], live: u64::MAX },
        Symbols { start: 0, len: 1_200, bytes: vec![0; 1_200 * 8 + 131], live: u64::MAX },
        Symbols { start: u32::MAX, len: 9, bytes: vec![0; 5], live: 20 },
        Symbols { start: 0, len: 0, bytes: Vec::new(), live: 20 },
    ] {
        let (_, mut inbound) = replica.begin_inbound(None);
        let chunk = Chunk { symbols: Some(symbols.clone()), ..Chunk::default() };
        assert!(replica.stage(&mut inbound, chunk).is_err(), "{symbols:?}");
        replica.end_inbound(&inbound);
    }
    let mut no_comparison = Last { extent: Extent::Differing, ..last_of_a_transfer(&mut cluster) };
    let commit = |cluster: &mut Cluster, last: &Last| {
        let replica = &mut cluster.members[0].replica;
        let (_, inbound) = replica.begin_inbound(Some(99));
        replica.commit_inbound(inbound, last, (node(1), 1))
    };
    assert_eq!(commit(&mut cluster, &no_comparison), Err(TransferError::NotCompared));
    no_comparison.seen ^= 1;
    assert_eq!(commit(&mut cluster, &no_comparison), Err(TransferError::OtherRequest));
    assert_eq!(cluster.replica(0).digest(), before);
}

/// A source that has no cells to send, and goes on with symbols or asks for names in full without end, must not hold its
/// receiver, which takes from one peer at a time.
#[test]
fn symbols_that_go_on_after_their_end_are_refused() {
    let mut cluster = below_the_floor(200);
    put(&mut cluster, 1, "x");
    for is_found in [true, false] {
        let (request, mut inbound) = cluster.members[0].replica.begin_inbound(None);
        let source = &mut cluster.members[1].replica;
        source.open_outbound(1, node(0), request);
        let first = source.next_chunk(1, 4_096, None).unwrap();
        let stage = |cluster: &mut Cluster, inbound: &mut Inbound, symbols: Symbols| {
            let chunk = Chunk { symbols: Some(symbols), ..Chunk::default() };
            cluster.members[0].replica.stage(inbound, chunk)
        };
        let symbols = first.symbols.unwrap();
        let empty = Symbols { start: symbols.len, len: 0, bytes: Vec::new(), live: symbols.live };
        if is_found {
            let found = stage(&mut cluster, &mut inbound, symbols.clone()).unwrap();
            assert!(matches!(found, Step::More(Some(Demand::Cells { .. }))), "{found:?}");
            stage(&mut cluster, &mut inbound, empty.clone()).expect("named in full, once");
        } else {
            // Beyond what is kept of the receiver's changes nothing can be compared.
            for round in 0..3_000 {
                put(&mut cluster, 0, &format!("meanwhile {round}"));
            }
            let lost = stage(&mut cluster, &mut inbound, symbols.clone()).unwrap();
            assert!(matches!(lost, Step::More(Some(_))), "{lost:?}");
            let mut rounds = 0;
            let mut step = Ok(lost);
            while step.is_ok() {
                rounds += 1;
                assert!(rounds < 100, "without end");
                let (start, len) = (0, symbols.len);
                step = stage(&mut cluster, &mut inbound, Symbols { start, len, ..symbols.clone() });
            }
        }
        for again in [empty, symbols] {
            let step = stage(&mut cluster, &mut inbound, again);
            assert_eq!(step, Err(TransferError::Symbols));
        }
        cluster.members[0].replica.end_inbound(&inbound);
    }
}

/// As 1 would end one to 0.
fn last_of_a_transfer(cluster: &mut Cluster) -> Last {
    let (mut request, inbound) = cluster.members[0].replica.begin_inbound(None);
    cluster.members[0].replica.end_inbound(&inbound);
    request.sketch_key = 0;
    cluster.members[1].replica.open_outbound(1, node(0), request);
    let chunk = cluster.members[1].replica.next_chunk(1, 1 << 20, None).unwrap();
    chunk.last.expect("all of it in one part")
}

#[test]
fn a_peer_that_opens_transfers_and_leaves_costs_nothing_later() {
    let mut cluster = below_the_floor(50);
    let seen = Context::default();
    let sketch_key = cluster.members[1].replica.begin_inbound(None).0.sketch_key;
    for id in 0..5 {
        let request = Request { seen: Seen::Whole(seen.clone()), live: 50, sketch_key, compared: Some(id) };
        cluster.members[0].replica.open_outbound(id, node(1), request);
        assert!(cluster.members[0].replica.next_chunk(id, 4_096, None).unwrap().symbols.is_some());
        cluster.members[0].replica.close_outbound(id);
    }
    assert!(cluster.members[0].replica.next_chunk(3, 4_096, None).is_none());
    put(&mut cluster, 0, "later");
    cluster.heal().unwrap();
}
