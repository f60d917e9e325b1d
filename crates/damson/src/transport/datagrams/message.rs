//! The messages of datagram links, and their bytes. All numbers are big-endian.
//!
//! ```text
//!   magic 1 | kind 1 | to 8 | from 8 | then, by kind
//!   Open     the sender's id 16                       (`to` is 0: the other end has no token yet)
//!   Opened   the sender's id 16
//!   Piece    ack 21 | number 8 | stamp 4 | last 1 | bytes
//!   Ack      next 8 | beyond 8 | room 1 | echo 4
//!   End
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::transport::PeerId;

/// Names one end of one link, so that what is late from an earlier link is not taken for this one's.
pub(super) type Token = u64;

/// A piece that is received and not read, or sent and not acknowledged, lies within so many numbers: as many as fit into
/// [`Ack::beyond`].
pub(super) const WINDOW: u64 = 64;

/// What a message has besides a piece's bytes.
pub(super) const OVERHEAD_BYTES: usize = HEADER_BYTES + ACK_BYTES + 13;

/// Longest message that is taken, whatever is configured.
pub(super) const MESSAGE_BYTES_LIMIT: usize = 64 << 10;

const MAGIC: u8 = 0xda;
const HEADER_BYTES: usize = 18;
const ACK_BYTES: usize = 21;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub to: Token,
    pub from: Token,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// Asks for a link.
    Open(PeerId),
    /// There is one.
    Opened(PeerId),
    /// A part of the stream, and what has arrived.
    Piece(Piece, Ack),
    /// What has arrived.
    Ack(Ack),
    /// The link has ended, or there is none.
    End,
}

/// A part of the stream of frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// From 0 on, without gaps.
    pub number: u64,
    /// The sender's clock when this copy left, in microseconds; never 0.
    pub stamp: u32,
    /// The stream ends with it.
    pub last: bool,
    pub bytes: Bytes,
}

/// What has arrived at one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ack {
    /// The first number that has not.
    pub next: u64,
    /// Of those behind it, from the lowest bit on: has it arrived?
    pub beyond: u64,
    /// How many numbers from `next` on find room.
    pub room: u8,
    /// The stamp of the piece that came last; 0 when none has come.
    pub echo: u32,
}

impl Message {
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(OVERHEAD_BYTES + self.body.bytes());
        out.put_u8(MAGIC);
        out.put_u8(self.body.kind());
        out.put_u64(self.to);
        out.put_u64(self.from);
        match &self.body {
            Body::Open(id) | Body::Opened(id) => out.put_slice(id),
            Body::Piece(piece, ack) => {
                ack.encode(&mut out);
                out.put_u64(piece.number);
                out.put_u32(piece.stamp);
                out.put_u8(u8::from(piece.last));
                out.put_slice(&piece.bytes);
            }
            Body::Ack(ack) => ack.encode(&mut out),
            Body::End => {}
        }
        out.freeze()
    }

    /// `None` for what is no message of ours.
    pub fn decode(mut bytes: Bytes) -> Option<Self> {
        if bytes.len() < HEADER_BYTES || bytes.len() > MESSAGE_BYTES_LIMIT || bytes.get_u8() != MAGIC {
            return None;
        }
        let kind = bytes.get_u8();
        let (to, from) = (bytes.get_u64(), bytes.get_u64());
        let body = match kind {
            0 => Body::Open(take_id(&mut bytes)?),
            1 => Body::Opened(take_id(&mut bytes)?),
            2 => {
                let ack = Ack::decode(&mut bytes)?;
                return Some(Self { to, from, body: Body::Piece(Piece::decode(bytes)?, ack) });
            }
            3 => Body::Ack(Ack::decode(&mut bytes)?),
            4 => Body::End,
            _ => return None,
        };
        bytes.is_empty().then_some(Self { to, from, body })
    }
}

impl Body {
    fn kind(&self) -> u8 {
        match self {
            Self::Open(_) => 0,
            Self::Opened(_) => 1,
            Self::Piece(..) => 2,
            Self::Ack(_) => 3,
            Self::End => 4,
        }
    }

    fn bytes(&self) -> usize {
        if let Self::Piece(piece, _) = self { piece.bytes.len() } else { 0 }
    }
}

impl Piece {
    fn decode(mut bytes: Bytes) -> Option<Self> {
        if bytes.len() < 13 {
            return None;
        }
        let (number, stamp, last) = (bytes.get_u64(), bytes.get_u32(), bytes.get_u8());
        (last <= 1).then(|| Self { number, stamp, last: last == 1, bytes })
    }
}

impl Ack {
    fn encode(&self, out: &mut BytesMut) {
        out.put_u64(self.next);
        out.put_u64(self.beyond);
        out.put_u8(self.room);
        out.put_u32(self.echo);
    }

    fn decode(bytes: &mut Bytes) -> Option<Self> {
        (bytes.len() >= ACK_BYTES).then(|| Self {
            next: bytes.get_u64(),
            beyond: bytes.get_u64(),
            room: bytes.get_u8(),
            echo: bytes.get_u32(),
        })
    }
}

fn take_id(bytes: &mut Bytes) -> Option<PeerId> {
    let id = *bytes.first_chunk()?;
    bytes.advance(id.len());
    Some(id)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_kind_comes_back_as_it_was_and_cut_short_is_nothing() {
        let ack = Ack { next: 7, beyond: 5, room: 60, echo: 9 };
        let piece = Piece { number: 3, stamp: 4, last: true, bytes: Bytes::from_static(b"frames") };
        let bodies =
            [Body::Open([1; 16]), Body::Opened([2; 16]), Body::Piece(piece, ack), Body::Ack(ack), Body::End];
        for body in bodies {
            let message = Message { to: 1, from: u64::MAX, body };
            let bytes = message.encode();
            assert_eq!(Message::decode(bytes.clone()), Some(message.clone()));
            let whole = bytes.len() - message.body.bytes();
            (0..whole).for_each(|len| assert_eq!(Message::decode(bytes.slice(..len)), None));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_none(mut bytes in prop::collection::vec(any::<u8>(), 0..100), magic: bool) {
            if let (true, Some(first)) = (magic, bytes.first_mut()) {
                *first = MAGIC;
            }
            if let Some(message) = Message::decode(bytes.clone().into()) {
                prop_assert_eq!(message.encode(), bytes);
            }
        }
    }
}
