//! How many symbols to send at a time.
//!
//! First a few, for what is small. If they are not enough, as many as the gauges of both sets say, and then as many as the
//! symbols say, which is within a few percent by then. So a difference of which nothing is known takes two or three round
//! trips, and hardly more symbols than it needs.

use super::mapping::SYMBOLS_MAX;

/// Symbols of the first batch when nothing is known: enough for about ten differences.
const FIRST: u32 = 16;

/// From so many differences on a round trip costs more than the symbols that nearly always save it.
const MANY: u64 = 64;

/// How many symbols to begin with. `hint` is how many differences there may be, if that is known from elsewhere: where there
/// are many, enough in 99 of a hundred times.
pub fn first_batch(hint: Option<u64>) -> u32 {
    let Some(differences) = hint else { return FIRST };
    let margin = if differences < MANY { 0 } else { 4 * differences.isqrt() };
    let margin = u32::try_from(margin).unwrap_or(u32::MAX);
    symbols_for(differences).saturating_add(margin).clamp(FIRST, SYMBOLS_MAX)
}

/// How many symbols to add when `received` were not enough, by what [`super::Gauge::differences`] says: somewhat more than
/// that, because another round trip costs more than a few symbols.
pub fn batch_by_gauge(received: u32, differences: u64) -> u32 {
    next_batch(received, Some(differences.saturating_add(differences / 8)))
}

/// How many symbols to add when `received` were not enough, by what [`super::Decoder::estimate`] says. If that is nothing there
/// are far more differences than symbols.
pub fn next_batch(received: u32, estimate: Option<u64>) -> u32 {
    let enough = estimate.map_or(received.saturating_mul(4), symbols_for);
    let more = enough.saturating_sub(received).max(received / 8 + 3);
    more.min(SYMBOLS_MAX.saturating_sub(received))
}

/// How many symbols are enough for so many differences, at least seven times in ten.
pub fn symbols_for(differences: u64) -> u32 {
    let d = differences.min(u64::from(SYMBOLS_MAX / 2));
    let enough = d + d / 10 + 3 * d.isqrt() + 1;
    u32::try_from(enough).map_or(SYMBOLS_MAX, |enough| enough.min(SYMBOLS_MAX))
}
