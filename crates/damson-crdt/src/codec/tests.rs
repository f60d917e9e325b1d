use bytes::Bytes;
use minicbor::Encoder;
use minicbor::decode::Decoder;
use proptest::prelude::*;

use super::*;
use crate::{
    Actor, Batch, Cell, CellId, Context, Dot, Hlc, Kills, Leaf, Life, Limits, LiveDot, NodeId, Operation,
    Path, Payload, Target,
};

fn actor() -> impl Strategy<Value = Actor> {
    (0..4_u8, 0..3_u64).prop_map(|(n, life)| Actor::new(NodeId([n; 16]), Life(life)))
}

fn put() -> impl Strategy<Value = (Path, Option<Payload>)> {
    let root = Path::root();
    prop_oneof![
        any::<Vec<u8>>().prop_map(|v| (Path::root().leaf(Leaf::Register), Some(Payload::value(v)))),
        any::<(Vec<u8>, u64)>().prop_map(|(v, end)| {
            (Path::root().leaf(Leaf::Text), Some(Payload::Value { bytes: v.into(), expires_ms: Some(end) }))
        }),
        any::<Vec<u8>>().prop_map(|e| (Path::root().leaf(Leaf::Element(&e)), Some(Payload::Present))),
        any::<bool>().prop_map(|on| (Path::root().leaf(Leaf::EnableWins), Some(Payload::Flag(on)))),
        any::<i64>().prop_map(|n| (Path::root().leaf(Leaf::Max), Some(Payload::Max(n)))),
        any::<Option<u64>>().prop_map(|end| (Path::root().leaf(Leaf::Expiry), Some(Payload::Expires(end)))),
        (actor(), prop::collection::btree_map(any::<u64>(), any::<(u64, i64)>(), 0..4))
            .prop_map(|(a, traces)| (Path::root().leaf(Leaf::Count(a)), Some(Payload::Seen(traces)))),
        Just((root.field(b"f").leaf(Leaf::Register), None)),
    ]
}

fn kills() -> impl Strategy<Value = Kills> {
    prop::collection::vec((actor(), 1..50_u64), 0..5)
        .prop_map(|dots| Kills::of(dots.into_iter().map(|(actor, seq)| Dot::new(actor, seq))))
}

prop_compose! {
    fn batch()(actor in actor(), first in 60..1_000_u64, hlc in any::<u64>(),
               ops in prop::collection::vec((any::<Vec<u8>>(), put(), kills()), 1..4)) -> Batch {
        let ops = ops.into_iter().map(|(key, (path, payload), kills)| {
            Operation { target: Target::Cell(CellId::new(key, path)), kills, payload }
        });
        Batch { actor, first, hlc: Hlc(hlc), ops: ops.collect() }
    }
}

proptest! {
    #[test]
    fn batches_read_back(batches in prop::collection::vec(batch(), 0..6)) {
        let mut bytes = Vec::new();
        encode_batches(&mut bytes, &batches);
        prop_assert_eq!(decode_batches(&bytes, &Limits::default()).unwrap(), batches);
    }

    #[test]
    fn lists_of_cells_read_back(batches in prop::collection::vec(batch(), 0..6)) {
        let ops = batches.iter().flat_map(|batch| {
            (batch.first..).zip(batch.ops.iter()).map(move |(seq, op)| (Dot::new(batch.actor, seq), batch.hlc, op))
        });
        let mut cells: Vec<(CellId, Cell)> = Vec::new();
        for (dot, hlc, op) in ops {
            let Target::Cell(id) = &op.target else { unreachable!("batches put into cells") };
            let mut cell = Cell::default();
            if let Some(payload) = op.payload.clone() {
                cell.insert(LiveDot { dot, hlc, payload });
            }
            cells.push((id.clone(), cell));
        }
        let mut bytes = Vec::new();
        encode_cells(&mut bytes, cells.iter().map(|(id, cell)| (id, cell)));
        prop_assert_eq!(decode_cells(&mut Decoder::new(&bytes), &Limits::default()).unwrap(), cells);
    }

    #[test]
    fn contexts_read_back(dots in prop::collection::vec((actor(), 1..200_u64), 0..60)) {
        let context: Context = dots.into_iter().map(|(a, n)| Dot::new(a, n)).collect();
        let mut bytes = Vec::new();
        encode_context(&mut bytes, &context);
        prop_assert_eq!(decode_context(&bytes, &Limits::default()).unwrap(), context);
    }

    #[test]
    fn cut_or_changed_bytes_never_panic(batches in prop::collection::vec(batch(), 1..4), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = Vec::new();
        encode_batches(&mut bytes, &batches);
        let at = at.index(bytes.len());
        prop_assert!(decode_batches(&bytes[..at], &Limits::default()).is_err());
        bytes[at] = byte;
        let _ = decode_batches(&bytes, &Limits::default());
        let _ = decode_context(&bytes, &Limits::default());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in any::<Vec<u8>>()) {
        let _ = decode_batches(&bytes, &Limits::default());
        let _ = decode_context(&bytes, &Limits::default());
        let id = CellId::new("k", Path::root().leaf(Leaf::Register));
        let _ = decode_cell(&mut Decoder::new(&bytes), &id, &Limits::default());
        let _ = decode_cells(&mut Decoder::new(&bytes), &Limits::default());
    }
}

#[test]
fn a_cell_reads_back_and_must_fit_its_path() {
    let dot = Dot::new(Actor::new(NodeId([1; 16]), Life(2)), 3);
    let cell = Cell::from_dots([LiveDot { dot, hlc: Hlc(4), payload: Payload::value("v") }]).unwrap();
    let mut bytes = Vec::new();
    encode_cell(&mut bytes, &cell);
    let limits = Limits::default();
    let register = CellId::new("k", Path::root().leaf(Leaf::Register));
    assert_eq!(decode_cell(&mut Decoder::new(&bytes), &register, &limits).unwrap(), cell);
    let set = CellId::new("k", Path::root().leaf(Leaf::Element(b"e")));
    assert!(decode_cell(&mut Decoder::new(&bytes), &set, &limits).is_err());
}

#[test]
fn a_huge_count_is_refused_before_anything_is_allocated() {
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes).array(2).unwrap().array(u64::MAX / 2).unwrap();
    assert!(matches!(decode_batches(&bytes, &Limits::default()), Err(CodecError::Limit(_))));
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes).array(99_999).unwrap();
    assert!(decode_context(&bytes, &Limits::default()).is_err());
}

#[test]
fn absurd_intervals_are_refused_or_can_be_counted() {
    let of = |actor: u8, fields: &[u64]| (Actor::new(NodeId([actor; 16]), Life(1)), fields.to_vec());
    let read = |actors: &[(Actor, Vec<u64>)]| {
        let mut bytes = Vec::new();
        let mut e = Encoder::new(&mut bytes);
        e.array(actors.len() as u64).unwrap();
        for (actor, fields) in actors {
            e.array(1 + fields.len() as u64).unwrap().bytes(&actor.to_bytes()).unwrap();
            fields.iter().for_each(|field| _ = e.u64(*field).unwrap());
        }
        decode_context(&bytes, &Limits::default())
    };
    for fields in [
        &[0, 5][..],
        &[1, u64::MAX - 1],
        &[2, u64::MAX],
        &[1, u64::MAX - 1, 0, 0],
        &[1, 3, 1, 3],
        &[1, 3, 0, 3],
    ] {
        assert!(read(&[of(1, fields)]).is_err(), "{fields:?}");
    }
    let most = [of(1, &[1, u64::MAX - 2]), of(2, &[1, 0, 2, u64::MAX - 4])];
    let claimed = read(&most).expect("it cannot be told from an honest one");
    assert_eq!(claimed.dots(), u64::MAX, "what two actors have together is beyond all numbers");
}

#[test]
fn a_total_in_another_actors_cell_is_refused() {
    let (me, you) = (Actor::new(NodeId([1; 16]), Life(1)), Actor::new(NodeId([2; 16]), Life(1)));
    let total = Payload::Total { epoch: 1, n: 100, base: (0, 0) };
    let cell = CellId::new("n", Path::root().leaf(Leaf::Count(you)));
    let op = Operation { target: Target::Cell(cell), kills: Kills::default(), payload: Some(total) };
    let forged = Batch { actor: me, first: 1, hlc: Hlc(1), ops: [op].into() };
    let mut bytes = Vec::new();
    encode_batches(&mut bytes, &[forged]);
    assert!(matches!(decode_batches(&bytes, &Limits::default()), Err(CodecError::Operation(_))));
}

#[test]
fn fields_added_by_a_newer_version_are_skipped() {
    let mut bytes = Vec::new();
    let mut e = Encoder::new(&mut bytes);
    let actor = Actor::new(NodeId([1; 16]), Life(1));
    e.array(3).unwrap().array(1).unwrap().bytes(&actor.to_bytes()).unwrap();
    e.array(1).unwrap().array(5).unwrap().u64(0).unwrap().i64(7).unwrap().i64(9).unwrap();
    e.array(1).unwrap().array(5).unwrap().bytes(b"k").unwrap().bytes(&[1]).unwrap().array(0).unwrap();
    e.bytes(b"v").unwrap().str("new in the operation").unwrap();
    e.str("new in the batch").unwrap().str("new in the list").unwrap();
    let read = decode_batches(&bytes, &Limits::default()).unwrap();
    assert_eq!((read[0].first, read[0].hlc), (7, Hlc(9)));
    assert_eq!(read[0].ops[0].payload, Some(Payload::value(Bytes::from("v"))));
}

#[test]
fn a_small_put_costs_few_bytes_beyond_key_and_value() {
    let actor = Actor::new(NodeId([1; 16]), Life(1));
    let batch = |n: u64| Batch {
        actor,
        first: 1_000 + n,
        hlc: Hlc((1_790_000_000_000 + n) << 16),
        ops: [Operation {
            target: Target::Cell(CellId::new("k", Path::root().leaf(Leaf::Register))),
            kills: Kills::default(),
            payload: Some(Payload::value("v")),
        }]
        .into(),
    };
    let batches: Vec<Batch> = (0..1_000).map(batch).collect();
    let mut bytes = Vec::new();
    encode_batches(&mut bytes, &batches);
    let each = bytes.len() / batches.len() - 2;
    assert!(each <= 16, "{each} bytes of metadata for each put");
}
