//! Lies about anything else: digests, announcements, distances, signs of life, questions; and demands without end.

use bytes::Bytes;
use damson_core::replica::{Answer as SeenAnswer, Demand, Request, Seen, Summary};
use damson_core::sketch::{Gauge, Wanted};
use damson_core::wire::{
    Aged, Ahead, Answer, Ask, Beat, Contact, Have, Message, OverlayMessage, Question, Said, ScopeDigest,
    SyncMessage, Want, encode_demand, encode_request,
};
use damson_crdt::{Actor, Context, Intervals, NodeId};

use super::{Aim, Lie, invented};
use crate::world::World;

/// All of them.
pub(super) const LIES: &[(&str, Lie)] = &[
    ("lies: frames that are none", garbage),
    ("lies: comparisons", compare),
    ("lies: digests of scopes", digests),
    ("lies: pulls", pull),
    ("lies: pulls", pull),
    ("lies: parts out of nowhere", part),
    ("lies: announcements", announce),
    ("lies: grafts", graft),
    ("lies: distances", distances),
    ("lies: signs of life", beat),
    ("lies: questions and answers", ask),
    ("lies: contacts that are none", contacts),
];

fn garbage(world: &mut World<'_>, _: Aim) -> Vec<Bytes> {
    // 0xff begins nothing.
    let bytes = [vec![0xff], world.random_bytes(200)].concat();
    vec![bytes.into()]
}

fn compare(world: &mut World<'_>, _: Aim) -> Vec<Bytes> {
    let check = world.random_number().to_be_bytes();
    vec![if world.dice.percent(70) { Message::Check(check) } else { Message::Equal }.encode()]
}

fn digests(world: &mut World<'_>, _: Aim) -> Vec<Bytes> {
    let mut scopes = world.scopes.clone();
    scopes.extend((0..world.dice.below(4)).map(|n| format!("unheard-of-{n}").parse().expect("a name")));
    let of = |scope| ScopeDigest { scope, digest: [9; 16], empty: world.dice.percent(30) };
    vec![Message::Sync(SyncMessage::Digests(scopes.into_iter().map(of).collect())).encode()]
}

/// A session of the liar's own: it wants to be served without end.
fn pull(world: &mut World<'_>, _: Aim) -> Vec<Bytes> {
    let session = world.dice.below(1 << 40);
    world.liar_mut().pulls.insert(session);
    let seen = match world.dice.below(4) {
        0 => Seen::Whole(Context::default()),
        1 => {
            let mut context = Context::default();
            let absurd = world.dice.pick(&[1, 1 << 50, u64::MAX]);
            context.set(invented(&mut world.dice), Intervals::of(1, absurd));
            Seen::Whole(context)
        }
        2 => Seen::Whole(Context::default()),
        _ => Seen::Summary(Summary { name: 7, symbols: world.random_bytes(300) }),
    };
    let compared = world.dice.percent(30).then(|| world.random_number());
    let request = Request { seen, live: world.random_number(), sketch_key: 7, compared };
    let mut request = encode_request(&request);
    if world.dice.percent(20) {
        request.truncate(world.dice.index(request.len()));
    }
    let bytes_max = world.dice.percent(50).then(|| world.random_number());
    let scope = world.scopes[0].clone();
    vec![Message::Sync(SyncMessage::Pull { session, scope, request, bytes_max }).encode()]
}

/// What the liar demands of who serves it.
pub(super) fn demand(world: &mut World<'_>, session: u64, transfer: u64, number: u64) -> Vec<Bytes> {
    let demand = match world.dice.below(8) {
        0 => encode_demand(Some(&Demand::Whole)),
        1 => {
            let mut items: Vec<u64> = (0..world.dice.below(20)).map(|_| world.dice.below(u64::MAX)).collect();
            items.sort_unstable();
            let common = world.random_number();
            encode_demand(Some(&Demand::Cells { wanted: Wanted::exact(&items), common }))
        }
        2 => {
            let gauge = world.dice.percent(50).then(|| Gauge::decode(&[0xff; Gauge::BYTES]));
            encode_demand(Some(&Demand::Symbols { gauge, estimate: Some(world.random_number()) }))
        }
        3 => encode_demand(Some(&Demand::Seen(SeenAnswer::Symbols(world.random_bytes(200))))),
        4 => world.random_bytes(30),
        _ => Vec::new(),
    };
    let number = if world.dice.percent(70) { number.wrapping_add(1) } else { world.random_number() };
    let numbers = (world.random_number(), world.random_number());
    let ahead = world.dice.percent(30).then_some(Ahead { have: numbers.0, bytes_max: numbers.1 });
    vec![Message::Sync(SyncMessage::Next { session, transfer, number, demand, ahead }).encode()]
}

fn part(world: &mut World<'_>, _: Aim) -> Vec<Bytes> {
    let (session, transfer, number) = (world.random_number(), world.random_number(), world.random_number());
    let body = world.random_bytes(50);
    let message = match world.dice.below(3) {
        0 => SyncMessage::Abort { session },
        1 => SyncMessage::Next { session, transfer, number, demand: body, ahead: None },
        _ => SyncMessage::Chunk { session, transfer, number, body },
    };
    vec![Message::Sync(message).encode()]
}

/// An author's operations that the liar has not, and which nobody has.
fn announce(world: &mut World<'_>, aim: Aim) -> Vec<Bytes> {
    let scope = world.scopes[0].clone();
    let actor = some_author(world, aim);
    vec![Message::Have(vec![Have { scope, actor, last: world.random_number() }]).encode()]
}

fn graft(world: &mut World<'_>, aim: Aim) -> Vec<Bytes> {
    let scope = world.scopes[0].clone();
    let actor = some_author(world, aim);
    let (first, last) = (world.random_number(), world.random_number());
    vec![Message::Graft(vec![Want { scope, actor, first, last }]).encode()]
}

fn distances(world: &mut World<'_>, _: Aim) -> Vec<Bytes> {
    vec![Message::Vector(world.random_bytes(120)).encode()]
}

fn beat(world: &mut World<'_>, aim: Aim) -> Vec<Bytes> {
    let (nonce, wall_ms) = (world.random_number(), world.random_number());
    let check = world.dice.percent(30).then(|| world.random_number().to_be_bytes());
    let neighbor = Some(world.dice.percent(50));
    let beat = Beat { nonce, wall_ms, digest: [3; 16], neighbor, check };
    let haves = world.dice.percent(30).then(|| {
        let (scope, actor) = (world.scopes[0].clone(), some_author(world, aim));
        vec![Have { scope, actor, last: world.random_number() }]
    });
    let target = NodeId([world.dice.below(256).to_le_bytes()[0]; 16]);
    let message = match world.dice.below(4) {
        0 => Message::Ping(beat, haves),
        1 => Message::Pong(beat, haves),
        2 => Message::PingRequest { nonce, target },
        _ => Message::PingVouch { nonce, target },
    };
    vec![message.encode()]
}

fn ask(world: &mut World<'_>, aim: Aim) -> Vec<Bytes> {
    let nonce = world.random_number();
    let scope = world.scopes[0].clone();
    let actor = some_author(world, aim);
    let message = match world.dice.below(4) {
        0 => Message::Answer(Answer { nonce, said: Said::Seen(world.random_bytes(40)) }),
        1 => Message::Answer(Answer { nonce, said: Said::Has }),
        2 => Message::Ask(Ask { nonce, question: Question::Seen { scope, shares: world.random_bytes(100) } }),
        _ => {
            let have = Have { scope, actor, last: world.random_number() };
            Message::Ask(Ask { nonce, question: Question::Has(vec![have; 3]) })
        }
    };
    vec![message.encode()]
}

/// Members that nobody knows, at addresses where nobody listens.
fn contacts(world: &mut World<'_>, _: Aim) -> Vec<Bytes> {
    let contact = |world: &mut World<'_>| {
        let id = invented(&mut world.dice).node;
        Contact { id, address: format!("nowhere-{}", world.dice.below(100)) }
    };
    let token = world.random_number();
    let age = u16::MAX;
    let sample: Vec<Aged> =
        (0..world.dice.below(40)).map(|_| Aged { contact: contact(world), age }).collect();
    let ttl = u8::MAX;
    let message = match world.dice.below(4) {
        0 => OverlayMessage::Shuffle { token, ttl, sample },
        1 => OverlayMessage::ShuffleReply { token, sample },
        2 => OverlayMessage::ForwardJoin { who: contact(world), ttl, hops: u8::MAX, urgent: true },
        _ => OverlayMessage::Disconnect { instead: Some(contact(world)) },
    };
    vec![Message::Overlay(message).encode()]
}

/// An author that exists, or one that does not.
fn some_author(world: &mut World<'_>, aim: Aim) -> Actor {
    let node = world.node(aim.at).map(|node| Actor::new(node.id(), node.life()));
    node.filter(|_| world.dice.percent(50)).unwrap_or_else(|| invented(&mut world.dice))
}
