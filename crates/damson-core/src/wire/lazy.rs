//! What is said of payloads, instead of sending them.

use damson_crdt::Actor;
use minicbor::{Decode, Encode};

use crate::scope::ScopeName;

/// The sender has all that it will forward of an actor's operations up to a number.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Have {
    /// The scope.
    #[n(0)]
    pub scope: ScopeName,
    /// The author.
    #[cbor(n(1), with = "actor")]
    pub actor: Actor,
    /// The greatest number.
    #[n(2)]
    pub last: u64,
}

/// Please send these operations.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Want {
    /// The scope.
    #[n(0)]
    pub scope: ScopeName,
    /// The author.
    #[cbor(n(1), with = "actor")]
    pub actor: Actor,
    /// The first number.
    #[n(2)]
    pub first: u64,
    /// The last number.
    #[n(3)]
    pub last: u64,
}

/// An actor is 24 bytes.
mod actor {
    use damson_crdt::Actor;
    use minicbor::decode::{Decoder, Error};
    use minicbor::encode::{self, Encoder, Write};

    pub fn encode<C, W: Write>(
        actor: &Actor,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&actor.to_bytes()).map(|_| ())
    }

    pub fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Actor, Error> {
        Actor::from_bytes(d.bytes()?).ok_or_else(|| Error::message("an actor that is not 24 bytes"))
    }
}
