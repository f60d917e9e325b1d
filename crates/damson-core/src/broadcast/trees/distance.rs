//! How far an author is.

/// A distance: milliseconds in the upper 11 bits, hops in the lower 5. Compared as a number.
pub(in crate::broadcast) type Distance = u16;

/// "You are my parent": the receiver forwards this author's payloads to the sender.
pub(super) const CHILD: Distance = u16::MAX;
/// No path is known.
pub(super) const UNKNOWN: Distance = u16::MAX - 1;

const HOPS_BITS: u32 = 5;
const HOPS_MAX: u16 = (1 << HOPS_BITS) - 1;
const DELAY_MS_MAX: u16 = (UNKNOWN >> HOPS_BITS) - 1;

/// The same distance, told as so much longer.
pub(super) fn later(distance: Distance, delay_ms: u16) -> Distance {
    if distance >= UNKNOWN {
        return distance;
    }
    let delay = (distance >> HOPS_BITS).saturating_add(delay_ms).min(DELAY_MS_MAX);
    delay << HOPS_BITS | distance & HOPS_MAX
}

/// The distance over a link to one who says this.
pub(super) fn further(said: Distance, delay_ms: u16) -> Distance {
    let hops = (said & HOPS_MAX) + 1;
    if said >= UNKNOWN || hops > HOPS_MAX {
        return UNKNOWN;
    }
    let delay = (said >> HOPS_BITS).saturating_add(delay_ms).min(DELAY_MS_MAX);
    delay << HOPS_BITS | hops
}

/// Milliseconds and hops.
pub(super) fn parts(distance: Distance) -> (u16, u16) {
    (distance >> HOPS_BITS, distance & HOPS_MAX)
}
