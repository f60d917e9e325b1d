//! The receiving half of a datagram link: puts pieces in their order, each once.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::message::{Ack, Piece, WINDOW};

#[derive(Debug, Default)]
pub(super) struct Receiving {
    /// The first number that has not arrived.
    next: u64,
    /// Pieces behind it.
    early: BTreeMap<u64, Piece>,
    /// Those before it that nobody has read.
    ready: VecDeque<Bytes>,
    /// The stream ends before `next`.
    ended: bool,
    echo: u32,
    /// Something has come since the peer was told last what has.
    owes: bool,
}

impl Receiving {
    /// Takes a piece. One that is known, or finds no room, only leads to an acknowledgement.
    pub fn on_piece(&mut self, piece: Piece) {
        self.owes = true;
        self.echo = piece.stamp;
        let numbers = self.next..self.next.saturating_add(self.room());
        if self.ended || !numbers.contains(&piece.number) {
            return;
        }
        self.early.insert(piece.number, piece);
        while let Some(piece) = self.early.remove(&self.next) {
            self.next += 1;
            self.ready.push_back(piece.bytes);
            self.ended = piece.last;
            if self.ended {
                self.early.clear();
            }
        }
    }

    /// The next part of the stream.
    pub fn read(&mut self) -> Option<Bytes> {
        let had = self.room();
        let bytes = self.ready.pop_front()?;
        // The peer may be waiting for room.
        self.owes |= had < WINDOW / 2 && self.room() >= WINDOW / 2;
        Some(bytes)
    }

    /// Is there something to read?
    pub fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Has the last piece arrived, and all before it?
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    pub fn owes_ack(&self) -> bool {
        self.owes
    }

    /// What has arrived, to be told to the peer.
    pub fn ack(&mut self) -> Ack {
        self.owes = false;
        let bits = self.early.keys().map(|number| 1 << (number - self.next - 1));
        let room = u8::try_from(self.room()).expect("a window");
        Ack { next: self.next, beyond: bits.sum(), room, echo: self.echo }
    }

    fn room(&self) -> u64 {
        WINDOW.saturating_sub(self.ready.len() as u64)
    }
}
