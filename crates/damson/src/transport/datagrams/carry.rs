//! The task of a datagram link: drives its [`Flow`] between the application's messages and the link's owner.

use std::future;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, sleep_until};

use super::flow::Flow;
use super::hub::{Arrival, Place};
use super::message::{Body, Token};
use super::sending::Micros;
use crate::transport::counters::add;
use crate::transport::frame::Oversized;
use crate::transport::lanes::Taken;
use crate::transport::link::Endpoint;

/// Frames on their way to the owner, besides those that its queue holds.
const HANDING_OVER: usize = 64;

/// Both ends of a link, as seen from here.
pub(super) struct Wire {
    pub place: Place,
    pub peer: Token,
    pub arrivals: mpsc::Receiver<Arrival>,
    /// The peer asked for the link, and is answered.
    pub answers: bool,
}

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("this node ended the link")]
    Here,
    #[error("this node ended the link, and the peer was not given the time to take the rest")]
    Lingered,
    #[error("the peer ended the link")]
    There,
    #[error("the peer answered nothing")]
    Silent,
    #[error("{0}")]
    Unreachable(String),
    #[error(transparent)]
    Oversized(#[from] Oversized),
}

/// Carries a link until one of both sides ends it; then both have ended.
pub(super) async fn carry(mut wire: Wire, endpoint: Endpoint) {
    let (handing, mut handed) = mpsc::channel(HANDING_OVER);
    let hand_over = async {
        while let Some(frame) = handed.recv().await {
            endpoint.deliver(frame).await;
        }
    };
    let ended = tokio::select! {
        ended = Pump::new(&mut wire, &endpoint, handing).run() => ended,
        () = hand_over => Ended::There,
        () = endpoint.given_up() => Ended::Lingered,
    };
    drop(endpoint);
    let counters = wire.place.hub.counters();
    match ended {
        Ended::Silent => add(&counters.silent, 1),
        Ended::Oversized(_) => add(&wire.place.hub.totals().oversized, 1),
        _ => {}
    }
    tracing::debug!(address = wire.place.address, reason = %ended, "a datagram link has ended");
    // Should it get lost, the peer learns it with the next message that it sends.
    wire.place.send(wire.peer, Body::End);
}

struct Pump<'a> {
    wire: &'a mut Wire,
    endpoint: &'a Endpoint,
    flow: Flow,
    handing: mpsc::Sender<Bytes>,
    began: Instant,
    frames: Vec<Bytes>,
    repeated: u64,
}

impl<'a> Pump<'a> {
    fn new(wire: &'a mut Wire, endpoint: &'a Endpoint, handing: mpsc::Sender<Bytes>) -> Self {
        let limits = wire.place.hub.limits();
        let flow = Flow::new(limits.message_bytes_max, limits.link.frame_bytes_max, limits.silence_max);
        Self { wire, endpoint, flow, handing, began: Instant::now(), frames: Vec::new(), repeated: 0 }
    }

    async fn run(mut self) -> Ended {
        if self.wire.answers {
            self.answer();
        }
        loop {
            match self.step() {
                Ok(true) => return self.finish().await,
                Ok(false) => {}
                Err(ended) => return ended,
            }
            let deadline = self.flow.deadline().map(|at| self.began + Duration::from_micros(at));
            let arrival = tokio::select! {
                arrival = self.wire.arrivals.recv() => Some(arrival),
                () = self.endpoint.filled(), if self.flow.wants() => None,
                _ = self.handing.reserve(), if self.flow.is_readable() => None,
                () = sleep_until(deadline.unwrap_or(self.began)), if deadline.is_some() => None,
            };
            if let Some(Err(ended)) = arrival.map(|arrival| self.on_arrival(arrival)) {
                return ended;
            }
        }
    }

    /// Does all that can be done without waiting. True when the peer has said its last.
    fn step(&mut self) -> Result<bool, Ended> {
        while let Ok(arrival) = self.wire.arrivals.try_recv() {
            self.on_arrival(Some(arrival))?;
        }
        self.read()?;
        self.send();
        if self.flow.is_done() {
            return Err(Ended::Here);
        }
        if self.flow.is_silent(self.now()) {
            return Err(Ended::Silent);
        }
        Ok(self.flow.has_ended())
    }

    fn on_arrival(&mut self, arrival: Option<Arrival>) -> Result<(), Ended> {
        let now = self.now();
        match arrival {
            Some(Arrival::Message { body: Body::Piece(piece, ack), .. }) => {
                self.flow.on_piece(piece, &ack, now)
            }
            Some(Arrival::Message { body: Body::Ack(ack), .. }) => self.flow.on_ack(&ack, now),
            Some(Arrival::Message { body: Body::Open(_), .. }) => self.answer(),
            Some(Arrival::Message { body: Body::Opened(_), .. }) => {}
            // What it sent before its end is handed over first.
            Some(Arrival::Message { body: Body::End, .. }) if self.flow.has_ended() => {}
            Some(Arrival::Message { body: Body::End, .. }) => return Err(Ended::There),
            Some(Arrival::Unreachable(reason)) => return Err(Ended::Unreachable(reason)),
            None => return Err(Ended::Unreachable("nobody can be reached there".into())),
        }
        Ok(())
    }

    fn answer(&self) {
        self.wire.place.send(self.wire.peer, Body::Opened(self.wire.place.hub.id()));
    }

    /// Hands frames over while there is room.
    fn read(&mut self) -> Result<(), Ended> {
        while let Ok(room) = self.handing.try_reserve() {
            let Some(frame) = self.flow.read()? else { break };
            add(&self.wire.place.hub.totals().frames_in, 1);
            room.send(frame);
        }
        Ok(())
    }

    fn send(&mut self) {
        loop {
            while let Some(body) = self.flow.poll(self.now()) {
                self.wire.place.send(self.wire.peer, body);
            }
            let new = self.flow.repeated() - self.repeated;
            self.repeated += new;
            add(&self.wire.place.hub.counters().repeated, usize::try_from(new).unwrap_or(usize::MAX));
            if !self.flow.wants() || !self.fill() {
                return;
            }
        }
    }

    /// Takes frames from the owner. False when there are none.
    fn fill(&mut self) -> bool {
        let bytes_max = self.wire.place.hub.limits().message_bytes_max;
        match self.endpoint.take(&mut self.frames, bytes_max) {
            Taken::Frames => {
                add(&self.wire.place.hub.totals().frames_out, self.frames.len());
                self.frames.drain(..).for_each(|frame| self.flow.write(frame));
                true
            }
            Taken::Nothing => false,
            Taken::Finished => {
                self.flow.finish();
                true
            }
        }
    }

    /// Hands over what is left, and says that this is all.
    async fn finish(mut self) -> Ended {
        loop {
            match self.flow.read() {
                Ok(Some(frame)) => _ = self.handing.send(frame).await,
                Ok(None) => break,
                Err(oversized) => return oversized.into(),
            }
        }
        drop(self.handing);
        future::pending().await
    }

    fn now(&self) -> Micros {
        Micros::try_from(self.began.elapsed().as_micros()).unwrap_or(Micros::MAX)
    }
}
