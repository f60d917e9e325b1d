//! The actors that a list names, each written once.

use std::collections::BTreeMap;

use minicbor::decode::Decoder;

use super::context::read_actor;
use super::{CodecError, Out, array, count};
use crate::id::Actor;
use crate::limits::Limits;

#[derive(Default)]
pub(super) struct ActorTable {
    list: Vec<Actor>,
    known: BTreeMap<Actor, u64>,
}

impl ActorTable {
    pub fn index(&mut self, actor: Actor) -> u64 {
        let next = self.list.len() as u64;
        let list = &mut self.list;
        *self.known.entry(actor).or_insert_with(|| {
            list.push(actor);
            next
        })
    }

    pub fn write(&self, e: &mut Out<'_>) {
        e.array(self.list.len() as u64).expect("memory");
        self.list.iter().for_each(|actor| _ = e.bytes(&actor.to_bytes()).expect("memory"));
    }
}

pub(super) fn read_actors(d: &mut Decoder<'_>, limits: &Limits) -> Result<Vec<Actor>, CodecError> {
    let len = array(d)?;
    count("actors in a list", len, limits.actors_max)?;
    let mut actors = Vec::new();
    for _ in 0..len {
        actors.push(read_actor(d)?);
    }
    Ok(actors)
}

pub(super) fn actor_at(actors: &[Actor], index: u64) -> Result<Actor, CodecError> {
    let found = usize::try_from(index).ok().and_then(|index| actors.get(index));
    found.copied().ok_or(CodecError::Impossible("an index beyond the list of actors"))
}
