//! What nodes say to each other.
//!
//! A frame is one CBOR message: its number, then its fields as an array. Fields that a reader does not know are skipped,
//! missing optional ones are absent, and messages with unknown numbers are counted and ignored, so that versions can
//! mix. The version range of [`Hello`] says what may be sent at all.

mod ask;
mod call;
mod chunk;
mod hello;
mod lazy;
mod overlay;

use std::cell::RefCell;

use bytes::Bytes;
use minicbor::{Decode, Encode};

use damson_crdt::NodeId;

use crate::scope::ScopeName;

pub use ask::{Answer, Ask, Question, Said};
pub use call::{Call, Return, Returned};
pub use chunk::{decode_chunk, decode_demand, decode_request, encode_chunk, encode_demand, encode_request};
pub use hello::{Hello, Known, Refusal, Welcome};
pub use lazy::{Have, Want};
pub use overlay::{Aged, Contact, OverlayMessage};

/// The oldest wire version that this build speaks.
pub const VERSION_MIN: u16 = 1;
/// The newest wire version that this build speaks.
pub const VERSION_MAX: u16 = 1;
/// The longest frame before a link is open: an unknown peer costs no more memory than this.
pub const GREETING_BYTES_MAX: usize = 64 << 10;

/// A message.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Message {
    /// The first on every link, from both ends.
    #[n(0)]
    Hello(#[n(0)] Hello),
    /// The answer to a hello that is accepted.
    #[n(1)]
    Welcome(#[n(0)] Welcome),
    /// The answer to a hello that is not; the link is closed after it.
    #[n(2)]
    Refuse(#[n(0)] Refusal),
    /// Are you there? Carries the sender's wall time and the digest of its user scopes.
    #[n(3)]
    Ping(#[n(0)] Beat, #[n(1)] Option<Vec<Have>>),
    /// The answer to a ping, with the ping's nonce.
    #[n(4)]
    Pong(#[n(0)] Beat, #[n(1)] Option<Vec<Have>>),
    /// Please ping this member for me.
    #[n(5)]
    PingRequest {
        /// Chosen by the asker.
        #[n(0)]
        nonce: u64,
        /// Whom to ping.
        #[n(1)]
        target: NodeId,
    },
    /// The member you asked about has answered me.
    #[n(6)]
    PingVouch {
        /// The asker's.
        #[n(0)]
        nonce: u64,
        /// Who answered.
        #[n(1)]
        target: NodeId,
    },
    /// New operations.
    #[n(7)]
    Push {
        /// The scope.
        #[n(0)]
        scope: ScopeName,
        /// Batches, as the codec writes them.
        #[cbor(n(1), with = "minicbor::bytes")]
        batches: Vec<u8>,
        /// Links from the author to the receiver.
        #[n(2)]
        round: u8,
    },
    /// Anti-entropy.
    #[n(8)]
    Sync(#[n(0)] SyncMessage),
    /// The sender stops for good or for a while; do not suspect it.
    #[n(9)]
    Bye,
    /// The overlay.
    #[n(10)]
    Overlay(#[n(0)] OverlayMessage),
    /// What the sender has, for those to whom it does not push it.
    #[n(11)]
    Have(#[n(0)] Vec<Have>),
    /// Please push these.
    #[n(12)]
    Graft(#[n(0)] Vec<Want>),
    /// How far the sender is from possible authors; see [`crate::broadcast`].
    #[n(13)]
    Vector(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// A question to this member alone. Versions that do not know it do not answer.
    #[n(14)]
    Ask(#[n(0)] Ask),
    /// The answer to a question.
    #[n(15)]
    Answer(#[n(0)] Answer),
    /// Anti-entropy: the beginning of the digest over all scopes that both host. Are we equal?
    #[n(16)]
    Check(#[cbor(n(0), with = "minicbor::bytes")] [u8; 8]),
    /// We are.
    #[n(17)]
    Equal,
    /// A message that is no state; see [`crate::casts`].
    #[n(18)]
    Cast {
        /// The name under which the tag's casts travel.
        #[n(0)]
        scope: ScopeName,
        /// Who sent it, its number, and what it says.
        #[cbor(n(1), with = "minicbor::bytes")]
        cast: Vec<u8>,
        /// Links from the sender to the receiver.
        #[n(2)]
        round: u8,
    },
    /// A question to a service of this member alone.
    #[n(19)]
    Call(#[n(0)] Call),
    /// The answer to a call.
    #[n(20)]
    Return(#[n(0)] Return),
    /// To a new neighbour: how far casts have come. Who is new in the cluster begins there.
    #[n(21)]
    CastTops(#[n(0)] Vec<Have>),
}

/// A sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Beat {
    /// Tells answers apart.
    #[n(0)]
    pub nonce: u64,
    /// The sender's wall time, milliseconds since 1970.
    #[n(1)]
    pub wall_ms: u64,
    /// The digest of the sender's user scopes.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub digest: [u8; 16],
    /// The sender takes the receiver for its overlay neighbour.
    #[n(3)]
    pub neighbor: Option<bool>,
    /// Anti-entropy: in a ping what [`Message::Check`] says; in a pong the same bytes when both are equal.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub check: Option<[u8; 8]>,
}

/// A message of anti-entropy. Requests, demands and chunks are opaque here.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum SyncMessage {
    /// We are not equal: these are mine.
    #[n(2)]
    Digests(#[n(0)] Vec<ScopeDigest>),
    /// Send me what I lack.
    #[n(3)]
    Pull {
        /// Chosen by the receiver, unique on its side.
        #[n(0)]
        session: u64,
        /// The scope.
        #[n(1)]
        scope: ScopeName,
        /// What the receiver has seen.
        #[cbor(n(2), with = "minicbor::bytes")]
        request: Vec<u8>,
        /// About how large the first part may be, if the receiver knows something of the link.
        #[n(3)]
        bytes_max: Option<u64>,
    },
    /// A part of the answer.
    #[n(4)]
    Chunk {
        /// The receiver's number.
        #[n(0)]
        session: u64,
        /// The source's number: the parts of two transfers must not be mixed.
        #[n(1)]
        transfer: u64,
        /// From 0.
        #[n(2)]
        number: u64,
        /// The contents.
        #[cbor(n(3), with = "minicbor::bytes")]
        body: Vec<u8>,
    },
    /// The next part, please; or the same again, when it was lost.
    #[n(5)]
    Next {
        /// The receiver's number.
        #[n(0)]
        session: u64,
        /// The source's number.
        #[n(1)]
        transfer: u64,
        /// Which part.
        #[n(2)]
        number: u64,
        /// What it is to hold, where that is not just what follows.
        #[cbor(n(3), with = "minicbor::bytes")]
        demand: Vec<u8>,
        /// Present while parts are asked for before those in front of them have come.
        #[n(4)]
        ahead: Option<Ahead>,
    },
    /// This session is over without a result: the sender is busy, or has forgotten it.
    #[n(6)]
    Abort {
        /// The receiver's number.
        #[n(0)]
        session: u64,
    },
}

/// What a receiver says that asks ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Ahead {
    /// All parts before this have come.
    #[n(0)]
    pub have: u64,
    /// About how large the part may be, in bytes.
    #[n(1)]
    pub bytes_max: u64,
}

/// The digest of one scope.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ScopeDigest {
    /// The scope.
    #[n(0)]
    pub scope: ScopeName,
    /// Over its name, context and live dots.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub digest: [u8; 16],
    /// Does it hold anything at all?
    #[n(2)]
    pub empty: bool,
}

thread_local! {
    /// Frames are written here and leave as they are long: nothing grows while one is written, nothing is kept beyond it.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What of it is kept from one frame to the next.
const SCRATCH_BYTES_MAX: usize = 64 << 10;

impl Message {
    /// The frame.
    pub fn encode(&self) -> Bytes {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            minicbor::encode(self, &mut *scratch).expect("memory");
            let frame = Bytes::copy_from_slice(scratch);
            scratch.shrink_to(SCRATCH_BYTES_MAX);
            frame
        })
    }

    /// Reads a frame.
    pub fn decode(frame: &[u8]) -> Result<Self, minicbor::decode::Error> {
        minicbor::decode(frame)
    }
}

/// The number of a frame's message, and that of the message within when there is one, without reading the rest.
pub(crate) fn numbers(frame: &[u8]) -> Option<(u32, Option<u32>)> {
    let mut d = minicbor::Decoder::new(frame);
    d.array().ok()?;
    let outer = d.u32().ok()?;
    d.array().ok()?;
    let mut inner = || d.array().and_then(|_| d.u32()).ok();
    Some((outer, inner()))
}

impl<C> Encode<C> for ScopeName {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(self.as_str()).map(|_| ())
    }
}

impl<'b, C> Decode<'b, C> for ScopeName {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.str()?.parse().map_err(|_| minicbor::decode::Error::message("an impossible scope name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_back() {
        let messages = [
            Message::Ping(
                Beat { nonce: 1, wall_ms: 2, digest: [3; 16], neighbor: None, check: Some([4; 8]) },
                None,
            ),
            Message::Push { scope: "default".parse().unwrap(), batches: vec![1, 2, 3], round: 1 },
            Message::Check([7; 8]),
            Message::Bye,
        ];
        for message in messages {
            assert_eq!(Message::decode(&message.encode()).unwrap(), message);
        }
    }

    #[test]
    fn an_equal_pair_says_at_most_16_bytes() {
        assert!(Message::Check([7; 8]).encode().len() + Message::Equal.encode().len() <= 16);
    }

    #[test]
    fn a_field_added_by_a_newer_version_is_skipped() {
        let mut frame = Vec::new();
        let mut e = minicbor::Encoder::new(&mut frame);
        e.array(2).unwrap().u8(6).unwrap().array(3).unwrap().u64(5).unwrap();
        e.encode(NodeId([9; 16])).unwrap().str("from the future").unwrap();
        assert_eq!(
            Message::decode(&frame).unwrap(),
            Message::PingVouch { nonce: 5, target: NodeId([9; 16]) }
        );
    }
}
