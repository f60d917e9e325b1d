//! What goes into a node, and what comes out.

use bytes::Bytes;
use damson_crdt::{Actor, CellId, Digest, Key, Life, NodeId};

use super::ack::Waited;
use super::calls::{CallError, Caller};
use crate::casts::Tag;
use crate::membership::MemberState;
use crate::persist::Row;
use crate::replica::{MemoryLevel, MemoryUse};
use crate::scope::ScopeName;
use crate::wire::{self, Refusal};

/// A link, as the driver numbers them. Numbers are not used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Which queue of a link a frame takes: probes must not wait behind bulk data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Greetings, probes, requests: small and rare.
    Urgent,
    /// Deltas.
    Bulk,
    /// Parts of state transfers: large, asked for one by one, and neither in front of deltas nor behind all of them.
    Transfer,
}

impl Lane {
    /// The lane in which a node sends a frame like this, as its first bytes tell: a receiver that cannot take all at once
    /// does right to take the urgent ones first. What is unknown is bulk.
    pub fn of(frame: &[u8]) -> Self {
        match wire::numbers(frame) {
            // Push, Bye, Have, Vector, Cast, Call, Return, CastTops.
            Some((7 | 9 | 11 | 13 | 18..=21, _)) | None => Self::Bulk,
            Some((8, Some(4))) => Self::Transfer,
            Some((8, None)) => Self::Bulk,
            Some((0..=12 | 14..=17, _)) => Self::Urgent,
            Some(_) => Self::Bulk,
        }
    }
}

/// Something happened outside.
#[derive(Debug, Clone)]
pub enum Input {
    /// A link is up; the transport has authenticated the peer.
    LinkUp {
        /// Its number.
        link: LinkId,
        /// Who is at the other end.
        peer: NodeId,
        /// The address that we dialled; `None` when the peer dialled us.
        dialed: Option<String>,
    },
    /// A link is down, for whatever reason.
    LinkDown {
        /// Its number.
        link: LinkId,
    },
    /// A frame came.
    Frame {
        /// Over which link.
        link: LinkId,
        /// The bytes.
        frame: Bytes,
    },
    /// The driver does not trust the peer of a link: it is refused before its greeting is looked at.
    Distrusted {
        /// The link's number.
        link: LinkId,
    },
    /// A dial that we asked for has failed.
    DialFailed {
        /// The address.
        address: String,
    },
    /// Contacts were discovered: these take the place of all that were before. Those of the configuration stay. Beyond
    /// [`DialConfig::contacts_max`](super::DialConfig::contacts_max) they are not taken.
    Contacts(Vec<String>),
    /// Everything up to this ticket is on disk, as [`Effect::AwaitDisk`] asked.
    Persisted {
        /// The ticket.
        ticket: u64,
    },
    /// The deadline has passed, or nothing else: do what is due.
    Tick,
}

/// Something that the driver has to do.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Send a frame.
    Send {
        /// Over which link.
        link: LinkId,
        /// In which queue.
        lane: Lane,
        /// The bytes.
        frame: Bytes,
    },
    /// Dial an address; answer with `LinkUp` or `DialFailed`.
    Dial {
        /// The address.
        address: String,
    },
    /// Close a link after what was sent on it.
    Close {
        /// Its number.
        link: LinkId,
    },
    /// Write rows, as one atomic group, in the order of tickets. Without a scope: on disk, with all before it.
    Persist {
        /// The scope, whose durability applies; `None` for what belongs to the node.
        scope: Option<ScopeName>,
        /// Grows by one with each group.
        ticket: u64,
        /// The rows.
        rows: Vec<Row>,
    },
    /// Answer with [`Input::Persisted`] once everything up to this ticket is on disk.
    AwaitDisk {
        /// The ticket.
        ticket: u64,
    },
    /// Keys changed, and somebody watches.
    Changed {
        /// The scope.
        scope: ScopeName,
        /// The keys.
        keys: Vec<Key>,
        /// Their cells that changed, if somebody wants to know ([`Node::watch_cells`](super::Node::watch_cells)). An empty path
        /// stands for all of a key.
        cells: Vec<CellId>,
    },
    /// A wait is over.
    Waited {
        /// Its number.
        wait: u64,
        /// How it ended.
        end: Waited,
    },
    /// A cast came, our own included, and somebody listens to its tag.
    Cast {
        /// The tag.
        tag: Tag,
        /// The process that sent it: its node, and in place of a life the number drawn at its start.
        from: Actor,
        /// Its number, from 1.
        number: u64,
        /// What it says.
        body: Bytes,
    },
    /// Casts that nobody can give any more. Should one of them come all the same it is told.
    CastLost {
        /// The tag.
        tag: Tag,
        /// The process that sent them.
        from: Actor,
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// A member asks a service of ours: answer with [`Node::reply`](super::Node::reply).
    Called {
        /// Whom to answer.
        caller: Caller,
        /// Which service.
        service: String,
        /// What it is asked.
        body: Bytes,
    },
    /// A call is over.
    Returned {
        /// Its number.
        call: u64,
        /// The answer.
        result: Result<Bytes, CallError>,
    },
    /// Something that people or applications want to know.
    Event(Event),
}

/// Something that people or applications want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The node serves: after the first sync, or alone.
    Ready {
        /// No contact answered within the join time-out; the node keeps trying.
        alone: bool,
    },
    /// A member's state changed.
    Member {
        /// Which.
        id: NodeId,
        /// Its name.
        name: String,
        /// Its incarnation; the last that was known, when it was forgotten.
        incarnation: u64,
        /// Its new state; `None` when it was forgotten.
        state: Option<MemberState>,
        /// Who judged it.
        judged_by: Option<NodeId>,
    },
    /// What a member's process runs on scopes has changed.
    Runs {
        /// Which member.
        id: NodeId,
    },
    /// A peer's greeting was refused by us, or ours by a peer.
    Refused {
        /// The peer.
        peer: NodeId,
        /// Why.
        cause: Refusal,
        /// True when the peer refused us.
        by_peer: bool,
    },
    /// A peer knows of operations in our name that we do not know: our directory is a copy, or an old image. We go on as
    /// another life, and what was written since the start is issued again.
    NewLife {
        /// The life that ended.
        ended: Life,
        /// The life that began.
        begun: Life,
    },
    /// The other members have forgotten this one. It takes no part any more, and what only it has is with nobody: the node has
    /// to be stopped and started again. It begins empty then.
    Forgotten,
    /// Equal contexts, different live dots: somewhere data is damaged. Nothing was removed.
    Diverged {
        /// The scope.
        scope: ScopeName,
        /// The peer with the other contents.
        peer: NodeId,
        /// Our digest.
        ours: Digest,
    },
    /// A peer wrote with a time further ahead than `max_clock_drift`.
    FutureTime {
        /// The peer that sent it.
        peer: NodeId,
        /// How far ahead, in milliseconds.
        ahead_ms: u64,
    },
    /// The broadcast, or anti-entropy, has brought operations that were new, while
    /// [`Config::trace_deliveries`](super::Config::trace_deliveries) is set.
    Delivered {
        /// The scope.
        scope: ScopeName,
        /// The author.
        actor: Actor,
        /// Its last operation among them.
        last: u64,
        /// Links from the author to us; 0 when anti-entropy brought them.
        round: u8,
        /// The peer that sent them.
        from: NodeId,
    },
    /// The state comes near a limit of memory, or is no longer near it.
    Memory {
        /// The scope whose limit it is; `None` for that of the node.
        scope: Option<ScopeName>,
        /// How near.
        level: MemoryLevel,
        /// What is held, and the limit.
        memory: MemoryUse,
    },
    /// Our clock is further than `max_clock_drift` from those of most neighbours (`true`), or no longer.
    ClockSuspect(bool),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Answer, Ask, Beat, Message, Question, Said, SyncMessage};

    #[test]
    fn probes_and_requests_are_told_from_what_carries_operations_by_their_first_bytes() {
        let beat = Beat { nonce: 1 << 40, wall_ms: 2, digest: [3; 16], neighbor: Some(true), check: None };
        let part = SyncMessage::Chunk { session: 1, transfer: 2, number: 3, body: vec![4; 300] };
        let push = Message::Push { scope: "app".parse().unwrap(), batches: vec![1; 300], round: 1 };
        assert_eq!(Lane::of(&Message::Sync(part).encode()), Lane::Transfer);
        let cast = Message::Cast { scope: "~cast:x".parse().unwrap(), cast: vec![1; 300], round: 1 };
        let bulk = [push, cast, Message::Bye, Message::Have(vec![]), Message::Vector(vec![5])];
        for message in bulk {
            assert_eq!(Lane::of(&message.encode()), Lane::Bulk, "{message:?}");
        }
        let next = SyncMessage::Next { session: 1, transfer: 2, number: 3, demand: Vec::new(), ahead: None };
        let urgent = [
            Message::Refuse(Refusal::Oneself),
            Message::Ping(beat, Some(vec![])),
            Message::Pong(beat, None),
            Message::PingRequest { nonce: 1, target: NodeId([2; 16]) },
            Message::PingVouch { nonce: 1, target: NodeId([2; 16]) },
            Message::Check([1; 8]),
            Message::Equal,
            Message::Sync(next),
            Message::Graft(vec![]),
            Message::Ask(Ask { nonce: 1, question: Question::Has(vec![]) }),
            Message::Answer(Answer { nonce: 1, said: Said::Has }),
        ];
        for message in urgent {
            assert_eq!(Lane::of(&message.encode()), Lane::Urgent, "{message:?}");
        }
        for unknown in [&b""[..], &[0x82], &[0x82, 0x18, 99, 0x80], &[0xff; 9]] {
            assert_eq!(Lane::of(unknown), Lane::Bulk);
        }
    }
}
