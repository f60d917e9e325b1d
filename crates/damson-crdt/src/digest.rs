//! Hashes by which two replicas see that they agree.

use std::fmt;

use xxhash_rust::xxh3::xxh3_128;

use crate::cell::LiveDot;
use crate::codec;
use crate::context::Context;
use crate::path::PathRef;
use crate::payload::Payload;
use crate::rules::{Rule, Rules};

/// The wrapping sum of the hashes of live dots: independent of order, kept up to date as dots come and go.
///
/// In two halves, because one stands beside each cell, where a number of 128 bits would leave room for its alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fingerprint([u64; 2]);

/// The hash of what a live dot says, and where. It covers more than the dot, so that damage and forks show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents(u128);

/// 16 bytes over a scope's name, its context and its live dots. Equal on replicas that agree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 16]);

impl Fingerprint {
    fn of(sum: u128) -> Self {
        Self([(sum >> 64) as u64, sum as u64])
    }

    fn sum(self) -> u128 {
        u128::from(self.0[0]) << 64 | u128::from(self.0[1])
    }

    /// A dot came alive in a cell.
    pub fn add(&mut self, contents: Contents) {
        *self = Self::of(self.sum().wrapping_add(contents.0));
    }

    /// A dot died.
    pub fn remove(&mut self, contents: Contents) {
        *self = Self::of(self.sum().wrapping_sub(contents.0));
    }

    /// Another sum changes: it was of some of these dots, and is now of others.
    pub fn replace(&mut self, before: Self, now: Self) {
        *self = Self::of(self.sum().wrapping_sub(before.sum()).wrapping_add(now.sum()));
    }

    /// The contents of a dot, if this is the sum of that dot alone.
    pub fn of_one(self) -> Contents {
        Contents(self.sum())
    }

    /// That of what is left without some of the dots.
    #[must_use]
    pub fn minus(self, part: Self) -> Self {
        Self::of(self.sum().wrapping_sub(part.sum()))
    }

    /// Half of it: enough to tell apart what nobody has made up.
    pub fn half(self) -> u64 {
        self.0[1]
    }
}

impl Digest {
    /// The digest of one scope.
    pub fn of_scope(name: &str, seen: &Context, live: Fingerprint) -> Self {
        let mut bytes = Vec::with_capacity(64 + seen.actors() * 32);
        bytes.extend_from_slice(&(name.len() as u64).to_be_bytes());
        bytes.extend_from_slice(name.as_bytes());
        codec::encode_context(&mut bytes, seen);
        bytes.extend_from_slice(&live.sum().to_be_bytes());
        Self(xxh3_128(&bytes).to_be_bytes())
    }

    /// One digest over several, in their order.
    pub fn of_all(digests: impl IntoIterator<Item = Self>) -> Self {
        let bytes: Vec<u8> = digests.into_iter().flat_map(|digest| digest.0).collect();
        Self(xxh3_128(&bytes).to_be_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Contents {
    /// The hash of a live dot in its cell. `scratch` is only memory, to be used again.
    pub fn of(scratch: &mut Vec<u8>, key: &[u8], path: PathRef<'_>, live: &LiveDot, rules: Rules) -> Self {
        scratch.clear();
        scratch.extend_from_slice(&live.dot.actor.to_bytes());
        scratch.extend_from_slice(&live.dot.seq.to_be_bytes());
        if rules.holds(Rule::DigestDotsOnly) {
            scratch.extend_from_slice(&live.hlc.0.to_be_bytes());
            extend_by(scratch, key);
            extend_by(scratch, path.as_bytes());
            extend_by_payload(scratch, &live.payload);
        }
        Self(xxh3_128(scratch))
    }

    /// 64 bits that nobody can foretell without the key (both halves, each under a part of the key, multiplied and folded).
    pub fn keyed(self, key: (u64, u64)) -> u64 {
        let product = u128::from(self.0 as u64 ^ key.0) * u128::from((self.0 >> 64) as u64 ^ key.1);
        product as u64 ^ (product >> 64) as u64
    }
}

/// With the length before: one byte, nearly always, so that a small dot stays below the size from which hashing is dearer.
fn extend_by(out: &mut Vec<u8>, bytes: &[u8]) {
    match u8::try_from(bytes.len()) {
        Ok(len) if len < u8::MAX => out.push(len),
        _ => {
            out.push(u8::MAX);
            out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(bytes);
}

/// Comes last, and needs no length. Values, which most are, as they are.
fn extend_by_payload(out: &mut Vec<u8>, payload: &Payload) {
    match payload {
        Payload::Value { bytes, expires_ms: None } => {
            out.push(0);
            out.extend_from_slice(bytes);
        }
        Payload::Value { bytes, expires_ms: Some(ends) } => {
            out.push(1);
            out.extend_from_slice(&ends.to_be_bytes());
            out.extend_from_slice(bytes);
        }
        other => {
            out.push(2);
            codec::encode_payload(out, other);
        }
    }
}
