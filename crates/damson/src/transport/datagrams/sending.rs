//! The sending half of a datagram link: cuts a stream into numbered pieces, and sends each until it is acknowledged.
//!
//! A piece whose acknowledgement is late is sent again. How late follows the measured round trip, smoothed as in RFC 6298; each
//! piece has a stamp, which its acknowledgement brings back, so that copies cannot be mistaken for one another (RFC 7323).
//!
//! How many may be under way: a piece that is acknowledged makes the window a quarter larger, one that is lost makes it smaller by
//! one. So a network that loses up to one piece in five, by chance, is used as one that loses none, and one that is
//! overfilled is given a rest.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

use super::message::{Ack, Piece, WINDOW};

/// Microseconds since the link began.
pub(super) type Micros = u64;

/// What a piece waits before it is sent again: until the first measurement, at least, and at most.
const PAUSE_FIRST: Micros = 200_000;
const PAUSE_MIN: Micros = 5_000;
const PAUSE_MAX: Micros = 1_000_000;
/// A round trip that took longer is not believed.
const TRIP_MAX: Micros = 60_000_000;
/// Pieces under way, at the least and to begin with.
const UNDER_WAY_MIN: u64 = 4;
const UNDER_WAY_FIRST: u64 = 16;

#[derive(Debug)]
pub(super) struct Sending {
    piece_bytes_max: usize,
    /// Bytes that are in no piece yet.
    unsent: VecDeque<Bytes>,
    unsent_bytes: usize,
    /// The stream ends behind them.
    finished: bool,
    last_made: bool,
    /// Pieces that are not acknowledged, and those behind them.
    under_way: VecDeque<UnderWay>,
    /// The number of the first of them.
    first: u64,
    /// The peer has room for numbers below this.
    room: u64,
    /// Pieces that may be under way, in quarters.
    window: u64,
    trip: RoundTrip,
    /// The stamp that came back last.
    echo: u32,
    /// Since when nothing that was sent has been answered.
    unanswered: Option<Micros>,
    repeated: u64,
}

#[derive(Debug)]
struct UnderWay {
    bytes: Bytes,
    last: bool,
    arrived: bool,
    /// When it is sent again.
    due: Micros,
    copies: u16,
}

/// Smoothed, and how far it varies.
#[derive(Debug, Default)]
struct RoundTrip {
    smooth: Option<Micros>,
    varies: Micros,
}

impl Sending {
    pub fn new(piece_bytes_max: usize) -> Self {
        Self {
            piece_bytes_max,
            unsent: VecDeque::new(),
            unsent_bytes: 0,
            finished: false,
            last_made: false,
            under_way: VecDeque::new(),
            first: 0,
            room: WINDOW,
            window: UNDER_WAY_FIRST * 4,
            trip: RoundTrip::default(),
            echo: 0,
            unanswered: None,
            repeated: 0,
        }
    }

    pub fn write(&mut self, bytes: Bytes) {
        self.unsent_bytes += bytes.len();
        self.unsent.push_back(bytes);
    }

    /// The stream ends here.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Would more to send leave at once?
    pub fn wants(&self) -> bool {
        !self.finished && self.unsent_bytes < self.piece_bytes_max && self.may_send()
    }

    /// Has all that was written arrived, and the end too?
    pub fn is_done(&self) -> bool {
        self.last_made && self.under_way.is_empty()
    }

    /// Has nothing been answered for so long?
    pub fn is_unanswered(&self, now: Micros, for_us: Micros) -> bool {
        self.unanswered.is_some_and(|since| now >= since.saturating_add(for_us))
    }

    /// Copies that were sent because the first was late.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// The next piece to send now: one that is late, or a new one.
    pub fn next(&mut self, now: Micros) -> Option<Piece> {
        let piece = self.late(now).or_else(|| self.fresh(now))?;
        self.unanswered.get_or_insert(now);
        Some(piece)
    }

    /// When there is something to do even if nothing comes.
    pub fn deadline(&self, silence_us: Micros) -> Option<Micros> {
        let due = self.under_way.iter().filter(|piece| !piece.arrived).map(|piece| piece.due).min();
        let silent = self.unanswered.map(|since| since.saturating_add(silence_us));
        due.into_iter().chain(silent).min()
    }

    /// What the peer says has arrived. What it cannot have is not believed.
    pub fn on_ack(&mut self, ack: &Ack, now: Micros) {
        let next = self.first + self.under_way.len() as u64;
        if ack.next > next {
            return;
        }
        let mut arrived = 0;
        for (number, piece) in (self.first..).zip(&mut self.under_way) {
            let is_named = match number.checked_sub(ack.next + 1) {
                None => number < ack.next,
                Some(bit) => bit < 64 && ack.beyond >> bit & 1 == 1,
            };
            if is_named && !piece.arrived {
                piece.arrived = true;
                piece.bytes = Bytes::new();
                arrived += 1;
            }
        }
        while self.under_way.front().is_some_and(|piece| piece.arrived) {
            self.under_way.pop_front();
            self.first += 1;
        }
        self.window = (self.window + arrived).min(WINDOW * 4);
        self.on_room(ack.next.saturating_add(u64::from(ack.room).min(WINDOW)), now);
        let is_new = ack.echo != 0 && ack.echo != self.echo;
        if is_new {
            self.echo = ack.echo;
            self.trip.measured(Micros::from(stamp(now).wrapping_sub(ack.echo)));
        }
        if is_new || arrived > 0 {
            self.unanswered = (!self.under_way.is_empty()).then_some(now);
        }
    }

    /// What was sent although there was no room was not kept: with room again it leaves at once.
    fn on_room(&mut self, room: u64, now: Micros) {
        if room > self.room {
            let refused = (self.first..).zip(&mut self.under_way).filter(|(number, _)| *number >= self.room);
            refused.for_each(|(_, piece)| (piece.due, piece.copies) = (now, 1));
            self.room = room;
        }
    }

    fn late(&mut self, now: Micros) -> Option<Piece> {
        let pause = self.trip.pause();
        let is_late = |piece: &UnderWay| !piece.arrived && piece.due <= now;
        let at = self.under_way.iter().position(is_late)?;
        let piece = &mut self.under_way[at];
        piece.due = now + pause.saturating_mul(piece.copies.into()).min(PAUSE_MAX);
        piece.copies = piece.copies.saturating_add(1);
        self.repeated += 1;
        self.window = self.window.saturating_sub(4).max(UNDER_WAY_MIN * 4);
        Some(piece.copy(self.first + at as u64, now))
    }

    fn fresh(&mut self, now: Micros) -> Option<Piece> {
        let ends = self.finished && !self.last_made;
        if !self.may_send() || (self.unsent_bytes == 0 && !ends) {
            return None;
        }
        let bytes = self.cut();
        let last = ends && self.unsent_bytes == 0;
        self.last_made |= last;
        let number = self.first + self.under_way.len() as u64;
        let piece = UnderWay { bytes, last, arrived: false, due: now + self.trip.pause(), copies: 1 };
        let copy = piece.copy(number, now);
        self.under_way.push_back(piece);
        Some(copy)
    }

    /// One may always be under way: that is how it is noticed that a peer without room has some again.
    fn may_send(&self) -> bool {
        let next = self.first + self.under_way.len() as u64;
        let waiting = self.under_way.iter().filter(|piece| !piece.arrived).count() as u64;
        let in_window = waiting * 4 < self.window && next < self.first + WINDOW;
        (in_window && next < self.room) || self.under_way.is_empty()
    }

    /// As many bytes as a piece may have.
    fn cut(&mut self) -> Bytes {
        let mut piece = BytesMut::with_capacity(self.unsent_bytes.min(self.piece_bytes_max));
        while let Some(bytes) = self.unsent.front_mut()
            && piece.len() < self.piece_bytes_max
        {
            let taken = bytes.split_to(bytes.len().min(self.piece_bytes_max - piece.len()));
            piece.put_slice(&taken);
            if bytes.is_empty() {
                self.unsent.pop_front();
            }
        }
        self.unsent_bytes -= piece.len();
        piece.freeze()
    }
}

impl UnderWay {
    fn copy(&self, number: u64, now: Micros) -> Piece {
        Piece { number, stamp: stamp(now), last: self.last, bytes: self.bytes.clone() }
    }
}

impl RoundTrip {
    fn measured(&mut self, trip: Micros) {
        if trip > TRIP_MAX {
            return;
        }
        let smooth = self.smooth.get_or_insert(trip);
        let off = smooth.abs_diff(trip);
        *smooth = (*smooth * 7 + trip) / 8;
        self.varies = if self.varies == 0 { trip / 2 } else { (self.varies * 3 + off) / 4 };
    }

    fn pause(&self) -> Micros {
        let pause = |smooth: Micros| (smooth + 4 * self.varies).clamp(PAUSE_MIN, PAUSE_MAX);
        self.smooth.map_or(PAUSE_FIRST, pause)
    }
}

/// The low bits of the clock, never 0.
fn stamp(now: Micros) -> u32 {
    let low = now & u64::from(u32::MAX);
    u32::try_from(low).expect("32 bits").max(1)
}
