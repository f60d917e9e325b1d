//! How a datagram link begins: one side asks until it is answered, the other answers as often as it is asked.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::carry::{Wire, carry};
use super::hub::{Arrival, Hub, Opening, Place};
use super::message::{Body, Token};
use crate::identity::hex;
use crate::transport::counters::add;
use crate::transport::{Link, PeerId, TransportError};

/// The first pause before a link is asked for again, and the longest.
const ASK_AGAIN_MIN: Duration = Duration::from_millis(100);
const ASK_AGAIN_MAX: Duration = Duration::from_secs(1);

/// Asks for a link, for as long as is configured.
pub(super) async fn dial(hub: Arc<Hub>, address: &str) -> Result<Link, TransportError> {
    let failed = |reason: &str| connect_error(address, io::Error::other(reason));
    let (place, mut arrivals) = hub.place(address, None).ok_or_else(|| failed("too many links and dials"))?;
    let limit = hub.limits().dial_timeout;
    let answered = timeout(limit, ask(&place, &mut arrivals)).await;
    let late = |_| TransportError::Timeout { address: address.into(), step: "connection", limit };
    let (peer, id) = answered.map_err(late)?.map_err(|reason| failed(&reason))?;
    if !hub.admits(address, &id) {
        place.send(peer, Body::End);
        return Err(TransportError::NotAllowedHere { address: address.into(), peer: hex(&id) });
    }
    place.answered(peer);
    add(&hub.totals().dialed, 1);
    Ok(begin(Wire { place, peer, arrivals, answers: false }, id))
}

/// Makes the link that a peer asks for, unless it is there or may not be.
pub(super) fn accept(hub: &Arc<Hub>, opening: Opening) -> Option<Link> {
    let Opening { address, token, id } = opening;
    // Asked twice before it was answered once: the link's task answers again when it is asked once more.
    if hub.knows(&address, token) {
        return None;
    }
    let admitted = hub.admits(&address, &id);
    let Some((place, arrivals)) = admitted.then(|| hub.place(&address, Some(token))).flatten() else {
        add(&hub.counters().refused, 1);
        hub.send_end(&address, 0, token);
        return None;
    };
    add(&hub.totals().accepted, 1);
    Some(begin(Wire { place, peer: token, arrivals, answers: true }, id))
}

fn begin(wire: Wire, id: PeerId) -> Link {
    let (link, endpoint) = Link::new(id, wire.place.address.clone(), &wire.place.hub.limits().link);
    tokio::spawn(carry(wire, endpoint));
    link
}

/// Asks until somebody answers, or says no.
async fn ask(place: &Place, arrivals: &mut mpsc::Receiver<Arrival>) -> Result<(Token, PeerId), String> {
    let mut pause = ASK_AGAIN_MIN;
    loop {
        place.send(0, Body::Open(place.hub.id()));
        // Each asking has its pause, whatever else comes meanwhile.
        if let Ok(answer) = timeout(pause, answer(arrivals)).await {
            return answer;
        }
        pause = (pause * 2).min(ASK_AGAIN_MAX);
    }
}

async fn answer(arrivals: &mut mpsc::Receiver<Arrival>) -> Result<(Token, PeerId), String> {
    loop {
        match arrivals.recv().await {
            Some(Arrival::Message { from, body: Body::Opened(id) }) => return Ok((from, id)),
            Some(Arrival::Message { body: Body::End, .. }) => return Err("the peer takes no link".into()),
            Some(Arrival::Unreachable(reason)) => return Err(reason),
            // A piece that has overtaken the answer comes again.
            Some(Arrival::Message { .. }) => {}
            None => return Err("nobody can be reached there".into()),
        }
    }
}

fn connect_error(address: &str, source: io::Error) -> TransportError {
    TransportError::Connect { address: address.into(), source }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parking_lot::Mutex;

    use super::*;
    use crate::transport::{DatagramHandle, DatagramLimits, DatagramTransport, Lane, Transport};

    /// Where a test's transport sends to: whoever is put here.
    type Socket = Arc<Mutex<Option<DatagramHandle>>>;

    fn at(address: &'static str, id: u8, to: &Socket, copies: usize) -> (DatagramTransport, DatagramHandle) {
        let to = to.clone();
        let send = move |_: &str, message: Bytes| {
            let there = to.lock().clone();
            (0..copies).for_each(|_| _ = there.as_ref().map(|there| there.handle(address, message.clone())));
            Ok(())
        };
        let limits = DatagramLimits { dial_timeout: Duration::from_millis(500), ..DatagramLimits::default() };
        DatagramTransport::new(address, [id; 16], send, limits).unwrap()
    }

    /// Two transports, each of whose messages arrives so many times.
    fn pair(copies: usize) -> (DatagramTransport, DatagramTransport, Socket) {
        let (to_a, to_b) = (Socket::default(), Socket::default());
        let ((a, at_a), (b, at_b)) = (at("a", 1, &to_b, copies), at("b", 2, &to_a, copies));
        *to_a.lock() = Some(at_a);
        *to_b.lock() = Some(at_b);
        (a, b, to_a)
    }

    #[tokio::test]
    async fn messages_that_all_come_three_times_make_one_link_and_carry_frames_once() {
        let (a, b, _) = pair(3);
        let (dialed, accepted) = tokio::join!(a.dial("b"), b.accept());
        let (mut at_a, mut at_b) = (dialed.unwrap(), accepted.unwrap());
        assert_eq!((at_a.peer, at_b.peer), ([2; 16], [1; 16]));
        let second = tokio::time::timeout(Duration::from_millis(50), b.accept()).await;
        assert!(second.is_err(), "there is one link only");
        at_a.sender.try_send(Lane::Bulk, "there".into()).unwrap();
        assert_eq!(at_b.incoming.recv().await.unwrap(), "there");
        at_b.sender.try_send(Lane::Urgent, "back".into()).unwrap();
        assert_eq!(at_a.incoming.recv().await.unwrap(), "back");
        at_a.sender.try_send(Lane::Bulk, "goodbye".into()).unwrap();
        drop(at_a);
        assert_eq!(at_b.incoming.recv().await.unwrap(), "goodbye");
        assert_eq!(at_b.incoming.recv().await, None);
    }

    #[tokio::test]
    async fn a_dial_that_nobody_answers_ends_in_time() {
        let (a, _) = at("a", 1, &Socket::default(), 1);
        assert!(matches!(a.dial("b").await, Err(TransportError::Timeout { .. })));
    }

    #[tokio::test]
    async fn a_peer_that_was_started_again_knows_nothing_of_a_link_and_ends_it() {
        let (a, b, to_a) = pair(1);
        let (dialed, accepted) = tokio::join!(a.dial("b"), b.accept());
        let (_at_a, mut at_b) = (dialed.unwrap(), accepted.unwrap());
        let to_b = Socket::default();
        let (_again, again) = at("a", 3, &to_b, 1);
        // What the old process says is heard no more.
        let here = to_a.lock().replace(again);
        *to_b.lock() = Some(b_handle(&b));
        drop((here, a));
        at_b.sender.try_send(Lane::Bulk, "still there?".into()).unwrap();
        let end = tokio::time::timeout(Duration::from_secs(5), at_b.incoming.recv()).await;
        assert_eq!(end.unwrap(), None);
    }

    fn b_handle(transport: &DatagramTransport) -> DatagramHandle {
        DatagramHandle { hub: Arc::downgrade(&transport.hub) }
    }
}
