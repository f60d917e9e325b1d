//! Lies of a source of transfers: whole answers, and what is altered in those of the machine's own node.

use bytes::Bytes;
use damson_core::node::LinkId;
use damson_core::replica::{Chunk, Question, Symbols};
use damson_core::wire::{Message, SyncMessage, Welcome, decode_chunk, encode_chunk};
use damson_crdt::{
    Actor, Cell, CellId, Digest, Dot, Hlc, Intervals, Leaf, Limits, LiveDot, Path, Payload, Target,
};

use super::{Aim, BEYOND, invented};
use crate::world::World;

/// How a session is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deceit {
    /// One answer, and then none.
    Silence,
    /// Parts without end, with nothing in them.
    Empty,
    /// Parts without end, with something in them.
    Endless,
    /// Bytes that are no part.
    Garbage,
    /// Symbols that are none, or of no set.
    Symbols,
    /// Questions without end.
    Questions,
    /// Parts that nobody has asked for.
    Unasked,
    /// The session is over without a result, each time.
    Abort,
}

const DECEITS: &[Deceit] = &[
    Deceit::Silence,
    Deceit::Empty,
    Deceit::Endless,
    Deceit::Garbage,
    Deceit::Symbols,
    Deceit::Symbols,
    Deceit::Questions,
    Deceit::Unasked,
    Deceit::Abort,
];

/// Parts of what has no end: many more than there is to tell.
const ENDLESS: u64 = 400;
/// How often what the machine's own node sends is altered.
const ALTERED_PERCENT: u64 = 30;

impl Deceit {
    fn name(self) -> &'static str {
        match self {
            Self::Silence => "lies: transfers that stop",
            Self::Empty => "lies: transfers without end, empty",
            Self::Endless => "lies: transfers without end",
            Self::Garbage => "lies: parts that are none",
            Self::Symbols => "lies: hostile symbols",
            Self::Questions => "lies: questions without end",
            Self::Unasked => "lies: parts that nobody asked for",
            Self::Abort => "lies: transfers refused",
        }
    }
}

impl World<'_> {
    pub(super) fn answer_pull(&mut self, aim: Aim, session: u64) {
        let deceit = self.dice.pick(DECEITS);
        self.count(deceit.name());
        self.liar_mut().serves.insert((aim.peer, session), deceit);
        self.answer(aim, session, 0, deceit);
    }

    /// Is it a session that the liar serves?
    pub(super) fn answer_next(&mut self, aim: Aim, session: u64, number: u64) -> bool {
        let Some(deceit) = self.liar_mut().serves.get(&(aim.peer, session)).copied() else { return false };
        if deceit != Deceit::Silence && number < ENDLESS {
            self.answer(aim, session, number, deceit);
        }
        true
    }

    fn answer(&mut self, aim: Aim, session: u64, number: u64, deceit: Deceit) {
        let part = |number, body| SyncMessage::Chunk { session, transfer: 1, number, body };
        let message = match deceit {
            Deceit::Abort => SyncMessage::Abort { session },
            Deceit::Silence | Deceit::Empty => part(number, encode_chunk(&Chunk::default())),
            Deceit::Endless => part(number, encode_chunk(&noise(self))),
            Deceit::Garbage => part(number, [vec![0x84, 0xff], self.random_bytes(80)].concat()),
            Deceit::Symbols => {
                let symbols = Some(symbols(self, number));
                part(number, encode_chunk(&Chunk { symbols, ..Chunk::default() }))
            }
            Deceit::Questions => {
                let asks = Some(question(self));
                part(number, encode_chunk(&Chunk { asks, ..Chunk::default() }))
            }
            Deceit::Unasked => {
                let other = number.wrapping_add(self.random_number());
                part(other, encode_chunk(&noise(self)))
            }
        };
        self.transmit(aim.at, aim.link, Message::Sync(message).encode());
    }
}

/// Cells that are empty at the source, of keys that nobody has.
fn noise(world: &mut World<'_>) -> Chunk {
    let cell = |world: &mut World<'_>| {
        let key = format!("noise {}", world.dice.below(1_000_000));
        (CellId::new(key, Path::root().leaf(Leaf::Register)), Cell::default())
    };
    let count = 1 + world.dice.below(8);
    Chunk { cells: (0..count).map(|_| cell(world)).collect(), ..Chunk::default() }
}

fn symbols(world: &mut World<'_>, number: u64) -> Symbols {
    let len = u32::try_from(1 + world.dice.below(64)).expect("small");
    let start = if world.dice.percent(80) { 0 } else { world.random_number().to_le_bytes()[0].into() };
    // Of the right length for the first ones: what they make up is found out by peeling alone.
    let fits = number == 0 && start == 0 && world.dice.percent(70);
    let bytes = if fits {
        (0..damson_core::sketch::Run::encoded_len(&(0..len)))
            .map(|_| world.dice.below(256).to_le_bytes()[0])
            .collect()
    } else {
        world.random_bytes(600)
    };
    let len = if world.dice.percent(80) { len } else { world.dice.pick(&[0, u32::MAX, 1 << 20]) };
    Symbols { start, len, bytes, live: world.random_number() }
}

fn question(world: &mut World<'_>) -> Question {
    match world.dice.below(3) {
        0 => Question::Symbols(world.dice.pick(&[0, 1, 64, u32::MAX])),
        1 => {
            let mut items: Vec<u64> = (0..world.dice.below(30)).map(|_| world.dice.below(u64::MAX)).collect();
            let mut actors: Vec<Actor> =
                (0..world.dice.below(30)).map(|_| invented(&mut world.dice)).collect();
            items.sort_unstable();
            actors.sort_unstable();
            Question::Entries { items, actors }
        }
        _ => Question::Whole,
    }
}

/// What the machine's own node says, altered so that it has to be refused, or says of invented authors what is not so.
pub(super) fn alter(world: &mut World<'_>, link: LinkId, frame: &[u8]) -> Option<Bytes> {
    match Message::decode(frame).ok()? {
        Message::Welcome(welcome) if world.dice.percent(ALTERED_PERCENT) => {
            world.count("lies: more is known of a node than it wrote");
            let known = welcome.known.into_iter();
            let known = known.map(|mut known| {
                known.top = known.top.saturating_add(1_000);
                known
            });
            Some(Message::Welcome(Welcome { known: known.collect(), ..welcome }).encode())
        }
        Message::Sync(SyncMessage::Chunk { session, transfer, number, body })
            if world.dice.percent(ALTERED_PERCENT) =>
        {
            let chunk = decode_chunk(&body, &Limits::default()).ok()?;
            let body = encode_chunk(&altered(world, link, chunk)?);
            Some(Message::Sync(SyncMessage::Chunk { session, transfer, number, body }).encode())
        }
        _ => None,
    }
}

fn altered(world: &mut World<'_>, link: LinkId, mut chunk: Chunk) -> Option<Chunk> {
    let peer = world.network.ends.get(&link)?.peer;
    let other = invented(&mut world.dice);
    let Some(last) = chunk.last.as_mut() else {
        world.count("lies: parts with strays");
        chunk.cells.push(stray(other));
        return Some(chunk);
    };
    match world.dice.below(6) {
        0 => {
            world.count("lies: live dots outside what was seen");
            chunk.cells.push(stray(other));
        }
        1 => {
            world.count("lies: answers to another request");
            last.seen ^= 1;
        }
        2 => {
            world.count("lies: contexts with absurd intervals");
            let top = world.dice.pick(&[3, 1 << 40, u64::MAX - 1]);
            last.news.set(other, Intervals::from_pairs([(1, 1), (3, top)])?);
        }
        3 => {
            world.count("lies: operations of the receiver that it never wrote");
            let node = world.node(peer)?;
            let own = Actor::new(node.id(), node.life());
            // Beyond all that it writes before it hears this.
            last.news.set(own, Intervals::of(2 * BEYOND, 2 * BEYOND + 9));
        }
        4 => {
            world.count("lies: digests");
            last.digest = Digest([7; 16]);
        }
        _ => {
            world.count("lies: removals that nobody made");
            let dot = Dot::new(other, 1);
            chunk.removals.push((dot, Target::Key("set".into())));
            last.news.insert(dot);
        }
    }
    Some(chunk)
}

fn stray(author: Actor) -> (CellId, Cell) {
    let live = LiveDot { dot: Dot::new(author, 1), hlc: Hlc(1 << 20), payload: Payload::value("stray") };
    let cell = Cell::from_dots([live]).expect("one dot");
    (CellId::new("stray", Path::root().leaf(Leaf::Register)), cell)
}
