//! A datagram link as a state machine: frames in, messages out, and the other way round. It does no I/O and reads no clock.
//!
//! Frames lie in the stream as they do in TCP's (`frame`): a length, then the bytes. The stream is cut into pieces, so
//! that small frames share a message and large ones have several. To drive it, again and again: [`Flow::receive`] what came;
//! [`Flow::read`] frames; [`Flow::write`] frames while it [wants](Flow::wants) some; send what [`Flow::poll`] says; wait until
//! [`Flow::deadline`] or for something to come.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};

use super::message::{Ack, Body, OVERHEAD_BYTES, Piece};
use super::receiving::Receiving;
use super::sending::{Micros, Sending};
use crate::transport::frame::{FrameDecoder, Oversized};

pub(super) struct Flow {
    sending: Sending,
    receiving: Receiving,
    decoder: FrameDecoder,
    frames: VecDeque<Bytes>,
    silence_us: Micros,
}

impl Flow {
    pub fn new(message_bytes_max: usize, frame_bytes_max: usize, silence: Duration) -> Self {
        Self {
            sending: Sending::new(message_bytes_max - OVERHEAD_BYTES),
            receiving: Receiving::default(),
            decoder: FrameDecoder::new(frame_bytes_max),
            frames: VecDeque::new(),
            silence_us: Micros::try_from(silence.as_micros()).unwrap_or(Micros::MAX),
        }
    }

    /// Would a frame leave at once?
    pub fn wants(&self) -> bool {
        self.sending.wants()
    }

    /// A frame to send, of at most as many bytes as a 32-bit number counts.
    pub fn write(&mut self, frame: Bytes) {
        let length = u32::try_from(frame.len()).expect("the lanes take no frame above a 32-bit limit");
        self.sending.write(Bytes::copy_from_slice(&length.to_be_bytes()));
        self.sending.write(frame);
    }

    /// There will be no more frames to send.
    pub fn finish(&mut self) {
        self.sending.finish();
    }

    /// Has the peer everything, the end included?
    pub fn is_done(&self) -> bool {
        self.sending.is_done()
    }

    /// Has the peer answered nothing for too long?
    pub fn is_silent(&self, now: Micros) -> bool {
        self.sending.is_unanswered(now, self.silence_us)
    }

    /// Pieces that were sent more than once.
    pub fn repeated(&self) -> u64 {
        self.sending.repeated()
    }

    pub fn on_piece(&mut self, piece: Piece, ack: &Ack, now: Micros) {
        self.sending.on_ack(ack, now);
        self.receiving.on_piece(piece);
    }

    pub fn on_ack(&mut self, ack: &Ack, now: Micros) {
        self.sending.on_ack(ack, now);
    }

    /// The next frame that has come.
    pub fn read(&mut self) -> Result<Option<Bytes>, Oversized> {
        while self.frames.is_empty() {
            let Some(bytes) = self.receiving.read() else { return Ok(None) };
            self.decode(bytes)?;
        }
        Ok(self.frames.pop_front())
    }

    /// May there be a frame to read?
    pub fn is_readable(&self) -> bool {
        !self.frames.is_empty() || self.receiving.is_ready()
    }

    /// Has the peer said that its last frame has come, and has it?
    pub fn has_ended(&self) -> bool {
        self.receiving.has_ended()
    }

    /// The next message for the peer.
    pub fn poll(&mut self, now: Micros) -> Option<Body> {
        if let Some(piece) = self.sending.next(now) {
            return Some(Body::Piece(piece, self.receiving.ack()));
        }
        self.receiving.owes_ack().then(|| Body::Ack(self.receiving.ack()))
    }

    /// When to poll again even if nothing comes.
    pub fn deadline(&self) -> Option<Micros> {
        self.sending.deadline(self.silence_us)
    }

    fn decode(&mut self, mut bytes: Bytes) -> Result<(), Oversized> {
        while bytes.has_remaining() {
            let mut room = self.decoder.room();
            let part = bytes.split_to(bytes.len().min(room.remaining_mut()));
            room.put_slice(&part);
            while let Some(frame) = self.decoder.next()? {
                self.frames.push_back(frame);
            }
        }
        Ok(())
    }
}
