//! Lies about operations.

use bytes::Bytes;
use damson_core::node::Node;
use damson_core::scope::ScopeName;
use damson_core::wire::Message;
use damson_crdt::{
    Actor, Batch, CellId, DotRange, Hlc, Kills, Leaf, Operation, Path, Payload, Target, codec,
};

use super::{Aim, BEYOND, Lie};
use crate::world::World;

/// All of them.
pub(super) const LIES: &[(&str, Lie)] = &[
    ("lies: batches with gaps", gap),
    ("lies: batches that overlap", overlap),
    ("lies: kills of other keys", other_key),
    ("lies: kills of what was never written", never_written),
    ("lies: times far ahead", far_ahead),
    ("lies: operations in the receiver's name", in_its_name),
    ("lies: payloads of another type", misfit),
    ("lies: totals of another", forged_total),
    ("lies: batches that kill themselves", kills_ahead),
    ("lies: batches out of range", out_of_range),
    ("lies: damaged pushes", damaged),
];

/// An author of its own has written something, and something before it is missing for good.
fn gap(world: &mut World<'_>, aim: Aim) -> Vec<Bytes> {
    let skipped = 1 + world.dice.below(3);
    let (actor, first) = numbers(world, skipped + 1);
    let ops = vec![put(world, Kills::default())];
    let batch = batch_of(actor, first + skipped, world.time_at(aim.at), ops);
    written(world, &[batch])
}

/// Two batches with an operation in common.
fn overlap(world: &mut World<'_>, aim: Aim) -> Vec<Bytes> {
    let (actor, first) = numbers(world, 3);
    let ops: Vec<Operation> = (0..3).map(|_| put(world, Kills::default())).collect();
    let hlc = world.time_at(aim.at);
    let scope = scope(world);
    let whole = batch_of(actor, first, hlc, ops.clone());
    log(world, &scope, &whole);
    let mut halves =
        [batch_of(actor, first, hlc, ops[..2].to_vec()), batch_of(actor, first + 1, hlc, ops[1..].to_vec())];
    world.dice.shuffle(&mut halves);
    halves.iter().map(|half| push(&scope, std::slice::from_ref(half))).collect()
}

/// What lives under one key is named by an operation on another: it must not die.
fn other_key(world: &mut World<'_>, aim: Aim) -> Vec<Bytes> {
    let scope = scope(world);
    let skipped = world.dice.index(60);
    let alive = |node: &Node| node.replica(&scope)?.dots().map(|(dot, _)| dot).nth(skipped);
    let Some(dot) = world.node(aim.at).and_then(alive) else { return Vec::new() };
    let (actor, first) = numbers(world, 1);
    let op = put(world, Kills::of([dot]));
    let batch = batch_of(actor, first, world.time_at(aim.at), vec![op]);
    log(world, &scope, &batch);
    vec![push(&scope, &[batch])]
}

/// It waits for what never comes, and so is never part of the state.
fn never_written(world: &mut World<'_>, aim: Aim) -> Vec<Bytes> {
    let (actor, first) = numbers(world, 1);
    let other = super::invented(&mut world.dice);
    let last = world.dice.pick(&[1, 1_000, u64::MAX - 2]);
    let kills = Kills::from_ranges([DotRange { actor: other, first: 1, last }]).expect("one range");
    let op = put(world, kills);
    let scope = scope(world);
    vec![push(&scope, &[batch_of(actor, first, world.time_at(aim.at), vec![op])])]
}

fn far_ahead(world: &mut World<'_>, aim: Aim) -> Vec<Bytes> {
    let (actor, first) = numbers(world, 1);
    let op = put(world, Kills::default());
    let hlc = world.dice.pick(&[Hlc(u64::MAX), Hlc::from_ms(world.time_at(aim.at).ms() + 86_400_000)]);
    written(world, &[batch_of(actor, first, hlc, vec![op])])
}

/// The receiver did not write it, and has to go on under another name.
fn in_its_name(world: &mut World<'_>, aim: Aim) -> Vec<Bytes> {
    let scope = scope(world);
    let author = |node: &Node| {
        let actor = Actor::new(node.id(), node.life());
        (actor, node.replica(&scope).map_or(0, |replica| replica.context().top(actor)))
    };
    let Some((actor, top)) = world.node(aim.peer).map(author) else { return Vec::new() };
    // Each of these ends a life. One that has ended already has absurd numbers.
    if world.dice.percent(80) || top >= BEYOND {
        return Vec::new();
    }
    world.forged += 1;
    let op = put(world, Kills::default());
    let batch = batch_of(actor, BEYOND + world.forged, world.time_at(aim.at), vec![op]);
    log(world, &scope, &batch);
    vec![push(&scope, &[batch])]
}

fn misfit(world: &mut World<'_>, aim: Aim) -> Vec<Bytes> {
    let payload = world.dice.below(4);
    let payload = match payload {
        0 => Payload::Flag(true),
        1 => Payload::Max(7),
        2 => Payload::value("no element"),
        _ => Payload::Seen([(1, (2, 3))].into()),
    };
    let leaf = Path::root().leaf(Leaf::Element(b"element"));
    refused(world, aim, 1, |_| Operation {
        target: Target::Cell(CellId::new("set", leaf.clone())),
        kills: Kills::default(),
        payload: Some(payload.clone()),
    })
}

fn forged_total(world: &mut World<'_>, aim: Aim) -> Vec<Bytes> {
    let owner = Actor::new(world.hosts[aim.peer].id, super::invented(&mut world.dice).life);
    refused(world, aim, 1, |_| Operation {
        target: Target::Cell(CellId::new("n", Path::root().leaf(Leaf::Count(owner)))),
        kills: Kills::default(),
        payload: Some(Payload::Total { epoch: 1, n: 1_000, base: (0, 0) }),
    })
}

fn kills_ahead(world: &mut World<'_>, aim: Aim) -> Vec<Bytes> {
    let (actor, first) = numbers(world, 0);
    refused(world, aim, 2, |_| {
        let kills = Kills::from_ranges([DotRange { actor, first, last: first + 9 }]).expect("one range");
        Operation { target: register(0), kills, payload: Some(Payload::value("x")) }
    })
}

fn out_of_range(world: &mut World<'_>, aim: Aim) -> Vec<Bytes> {
    let (actor, _) = numbers(world, 0);
    let op = put(world, Kills::default());
    let first = world.dice.pick(&[0, u64::MAX - 1, u64::MAX]);
    let batch = Batch { actor, first, hlc: world.time_at(aim.at), ops: vec![op].into() };
    let scope = scope(world);
    // A list whose last number is beyond all numbers cannot even be encoded.
    if first == u64::MAX { Vec::new() } else { vec![push(&scope, &[batch])] }
}

/// Nothing that could be read as something else: cut short, or no list of batches at all.
fn damaged(world: &mut World<'_>, aim: Aim) -> Vec<Bytes> {
    let (actor, first) = numbers(world, 1);
    let op = put(world, Kills::default());
    let scope = scope(world);
    let whole = push(&scope, &[batch_of(actor, first, world.time_at(aim.at), vec![op])]);
    match world.dice.below(3) {
        0 => vec![whole.slice(..world.dice.index(whole.len()))],
        1 => {
            let batches = [vec![0x82, 0xff], world.random_bytes(60)].concat();
            vec![Message::Push { scope, batches, round: u8::MAX }.encode()]
        }
        _ => vec![
            Message::Push { scope, batches: vec![0x82, 0x9b, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], round: 0 }
                .encode(),
        ],
    }
}

fn refused(world: &mut World<'_>, aim: Aim, count: usize, op: impl Fn(usize) -> Operation) -> Vec<Bytes> {
    // These numbers are nobody's, so that an invariant finds them should they be believed.
    let (actor, first) = numbers(world, count as u64);
    let ops = (0..count).map(op).collect();
    let scope = scope(world);
    vec![push(&scope, &[batch_of(actor, first, world.time_at(aim.at), ops)])]
}

/// What is part of the state from now on, as its author wrote it; sent once or twice.
fn written(world: &mut World<'_>, batches: &[Batch]) -> Vec<Bytes> {
    let scope = scope(world);
    batches.iter().for_each(|batch| log(world, &scope, batch));
    let times = 1 + usize::from(world.dice.percent(30));
    vec![push(&scope, batches); times]
}

fn log(world: &mut World<'_>, scope: &ScopeName, batch: &Batch) {
    world.oracle.log_foreign(scope, batch);
}

fn push(scope: &ScopeName, batches: &[Batch]) -> Bytes {
    let mut bytes = Vec::new();
    codec::encode_batches(&mut bytes, batches);
    Message::Push { scope: scope.clone(), batches: bytes, round: 1 }.encode()
}

fn batch_of(actor: Actor, first: u64, hlc: Hlc, ops: Vec<Operation>) -> Batch {
    Batch { actor, first, hlc, ops: ops.into() }
}

/// An invented author, and the first of its next numbers.
fn numbers(world: &mut World<'_>, count: u64) -> (Actor, u64) {
    let at = world.dice.index(3);
    let (actor, used) = &mut world.liar_mut().authors[at];
    *used += count;
    (*actor, *used - count + 1)
}

fn scope(world: &mut World<'_>) -> ScopeName {
    world.scopes[usize::from(world.dice.percent(20))].clone()
}

fn put(world: &mut World<'_>, kills: Kills) -> Operation {
    let n = world.dice.below(4);
    Operation { target: register(n), kills, payload: Some(Payload::value(format!("lie {n}"))) }
}

fn register(n: u64) -> Target {
    Target::Cell(CellId::new(format!("lies {n}"), Path::root().leaf(Leaf::Register)))
}
