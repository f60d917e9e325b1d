//! From raw evidence to figures.

use super::evidence::{Evidence, PAYLOAD, Why};
use crate::swarm::Sent;

/// What the origin has sent in the measured time, by what it is for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SentByOrigin {
    pub payloads: Sent,
    pub announcements: Sent,
    pub vectors: Sent,
    pub probes: Sent,
    pub comparisons: Sent,
    pub other: Sent,
}

impl SentByOrigin {
    pub fn of(evidence: &Evidence) -> Self {
        let mut out = Self::default();
        for frame in &evidence.frames {
            let sent = match frame.kind {
                PAYLOAD => &mut out.payloads,
                "have" | "graft" => &mut out.announcements,
                "vector" => &mut out.vectors,
                "ping" | "pong" | "ping_request" | "ping_vouch" => &mut out.probes,
                "sync" | "check" | "equal" => &mut out.comparisons,
                _ => &mut out.other,
            };
            sent.frames += 1;
            sent.bytes += frame.bytes as u64;
        }
        out
    }

    pub fn all(&self) -> Sent {
        let Self { payloads, announcements, vectors, probes, comparisons, other } = self;
        let all = [payloads, announcements, vectors, probes, comparisons, other];
        Sent {
            frames: all.iter().map(|sent| sent.frames).sum(),
            bytes: all.iter().map(|sent| sent.bytes).sum(),
        }
    }
}

/// Milliseconds from each update until the last node had it by the broadcast; absent of those that not all got by it.
pub(crate) fn reached_ms(evidence: &Evidence) -> Vec<Option<f64>> {
    let others = evidence.nodes - 1;
    let updates = evidence.written.iter().filter(|written| written.why == Why::Update);
    let after = updates.map(|w| (w.delivered == others).then(|| (w.delivered_last.0 - w.at.0) as f64 / 1e3));
    after.collect()
}
