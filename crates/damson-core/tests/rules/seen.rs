//! What was seen of many actors is told by what differs.

use damson_core::replica::{
    Answer, Chunk, Demand, Extent, Question, ReplicaConfig, Seen, Step, TransferError,
};
use damson_core::wire::{
    decode_chunk, decode_demand, decode_request, encode_chunk, encode_demand, encode_request,
};
use damson_crdt::{Limits, Rules};

use super::cluster::{Cluster, key, node};

/// Two members that have both seen so many actors, and have each written since.
fn apart(actors: usize) -> Cluster {
    let config = ReplicaConfig { whole_actors_max: 16, ..ReplicaConfig::default() };
    let mut cluster = Cluster::with(2, Rules::default(), config);
    for _ in 0..actors {
        cluster.write(0, |tx| tx.set_add(&key("set"), b"shared"));
        cluster.members[0].disk.sync();
        let next = cluster.next_life(0);
        cluster.start(0, next).unwrap();
    }
    cluster.pull(1, 0, 1 << 20).unwrap();
    cluster.write(0, |tx| tx.set_add(&key("set"), b"of 0"));
    cluster.write(1, |tx| tx.set_add(&key("set"), b"of 1"));
    cluster
}

/// A transfer from 0 to 1 in its encoded form: the bytes that passed, and the parts.
fn pull(cluster: &mut Cluster) -> (usize, usize, Extent) {
    let limits = Limits::default();
    let (request, mut inbound) = cluster.members[1].replica.begin_inbound(None);
    let bytes = encode_request(&request);
    let mut passed = bytes.len();
    cluster.members[0].replica.open_outbound(1, node(1), decode_request(&bytes, &limits).unwrap());
    let mut demand = Vec::new();
    for parts in 1.. {
        let asked = decode_demand(&demand, &limits).unwrap();
        let chunk = cluster.members[0].replica.next_chunk(1, 4_096, asked.as_ref()).unwrap();
        let bytes = encode_chunk(&chunk);
        passed += bytes.len();
        let sink = &mut cluster.members[1].replica;
        match sink.stage(&mut inbound, decode_chunk(&bytes, &limits).unwrap()).unwrap() {
            Step::More(next) => demand = encode_demand(next.as_ref()),
            Step::Commit(last) => {
                sink.commit_inbound(inbound, &last, (node(0), 1)).unwrap();
                return (passed, parts, last.extent);
            }
        }
        passed += demand.len();
    }
    unreachable!("a transfer ends")
}

#[test]
fn it_costs_what_has_changed_and_not_what_was_seen() {
    let (few, ..) = pull(&mut apart(60));
    let (many, parts, extent) = pull(&mut apart(600));
    assert!(many < few + 32 && many < 700, "{few} bytes with 60 actors, {many} with 600");
    assert_eq!((parts, extent), (2, Extent::Missing), "a question, and all of it");
}

#[test]
fn contexts_that_differ_much_are_told_by_more_symbols_or_as_a_whole() {
    for lives in [1, 12, 40, 150] {
        let mut cluster = apart(200);
        for _ in 0..lives {
            for at in 0..2 {
                let next = cluster.next_life(at);
                cluster.members[at].disk.sync();
                cluster.start(at, next).unwrap();
                cluster.write(at, |tx| tx.set_add(&key("set"), b"again"));
            }
        }
        let (_, parts, extent) = pull(&mut cluster);
        assert!(parts <= 5, "{parts} parts for {lives} lives at each");
        assert_eq!(extent, Extent::Missing);
        cluster.pull(0, 1, 4_096).unwrap();
        cluster.check_equal(0, 1).unwrap();
    }
}

#[test]
fn what_is_no_summary_and_no_answer_ends_in_the_whole_context_or_is_refused() {
    let mut cluster = apart(30);
    let (request, inbound) = cluster.members[1].replica.begin_inbound(None);
    let seen = cluster.replica(1).context().clone();
    let Seen::Summary(honest) = request.seen.clone() else { panic!("it names 31 actors") };
    let [sink, source] = [1, 0];
    let source = &mut cluster.members[source].replica;
    let mut lie = honest.clone();
    lie.symbols.iter_mut().for_each(|byte| *byte = byte.wrapping_mul(91) ^ 5);
    let mut short = honest.clone();
    short.symbols.pop();
    for (id, summary) in [(1, lie), (2, short)] {
        let request = damson_core::replica::Request { seen: Seen::Summary(summary), ..request.clone() };
        assert_eq!(source.open_outbound(id, node(1), request), None);
        let mut asks = source.next_chunk(id, 4_096, None).unwrap().asks.unwrap();
        while let Question::Symbols(_) = asks {
            let garbage = Demand::Seen(Answer::Symbols(vec![7; 30]));
            asks = source.next_chunk(id, 4_096, Some(&garbage)).unwrap().asks.unwrap();
        }
        assert_eq!(asks, Question::Whole, "{id}");
        let told = Demand::Seen(Answer::Entries(seen.clone()));
        assert!(source.next_chunk(id, 1 << 20, Some(&told)).unwrap().last.is_some());
    }
    // Entries that do not make what was named: then all of it is asked for. What is no answer ends it.
    assert_eq!(source.open_outbound(3, node(1), request.clone()), None);
    let nothing = Demand::Seen(Answer::Entries(Default::default()));
    let asks = source.next_chunk(3, 4_096, Some(&nothing)).unwrap().asks;
    assert_eq!(asks, Some(Question::Whole));
    assert_eq!(source.next_chunk(3, 4_096, Some(&Demand::Whole)), None);
    assert_eq!(source.next_chunk(3, 4_096, None), None);
    cluster.members[sink].replica.end_inbound(&inbound);
}

#[test]
fn a_source_that_asks_without_end_is_refused() {
    let mut cluster = apart(30);
    let sink = &mut cluster.members[1].replica;
    for question in
        [Question::Whole, Question::Symbols(1), Question::Entries { items: vec![1, 2], actors: Vec::new() }]
    {
        let (_, mut inbound) = sink.begin_inbound(None);
        let mut asked = || {
            let asks = Some(question.clone());
            sink.stage(&mut inbound, Chunk { asks, ..Chunk::default() })
        };
        let answered = (0..20).take_while(|_| asked().is_ok()).count();
        assert!((1..=16).contains(&answered), "{answered}");
        assert_eq!(asked(), Err(TransferError::Questions));
        sink.end_inbound(&inbound);
    }
    let (_, mut inbound) = sink.begin_inbound(None);
    let asks = Some(Question::Symbols(u32::MAX));
    let step = sink.stage(&mut inbound, Chunk { asks, ..Chunk::default() }).unwrap();
    let all = Demand::Seen(Answer::Entries(sink.context().clone()));
    assert_eq!(step, Step::More(Some(all)), "more symbols than all of it is worth");
    sink.end_inbound(&inbound);
}
