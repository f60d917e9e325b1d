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
