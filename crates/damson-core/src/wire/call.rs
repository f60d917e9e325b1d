//! Questions to a service of one member, and what it says.

use minicbor::{Decode, Encode};

/// A question to a service that the receiver may offer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Call {
    /// Chosen by the asker.
    #[n(0)]
    pub nonce: u64,
    /// Which service.
    #[n(1)]
    pub service: String,
    /// What it is asked.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub body: Vec<u8>,
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Return {
    /// The call's.
    #[n(0)]
    pub nonce: u64,
    /// What came of it.
    #[n(1)]
    pub said: Returned,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Returned {
    /// The service's answer.
    #[n(0)]
    Body(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// There is no such service here.
    #[n(1)]
    NotOffered,
    /// Too many calls of this member are under way here.
    #[n(2)]
    TooMany(#[n(0)] u64),
    /// The answer would be too long.
    #[n(3)]
    TooLarge(#[n(0)] u64),
    /// The service has failed, and says why.
    #[n(4)]
    Failed(#[n(0)] String),
}
