//! Casts, wired: own ones go out, others' come in, are told and go on.

use bytes::Bytes;
use damson_crdt::{Actor, DotRange, NodeId};

use super::effects::{Effect, Lane};
use super::{Node, Now};
use crate::broadcast::Item;
use crate::casts::{CAST_BYTES_MAX, Cast, CastCounters, CastError, Tag, Taken};
use crate::scope::ScopeName;
use crate::wire::{Have, Message};

impl Node {
    /// Sends a message to every node that listens to a tag, this one included. Returns its number: those of one process on
    /// one tag begin with 1. Who listens hears it once, or is told that it is lost.
    pub fn cast(&mut self, tag: &Tag, body: Bytes, now: Now, fx: &mut Vec<Effect>) -> Result<u64, CastError> {
        self.due = None;
        if body.len() > CAST_BYTES_MAX {
            return Err(CastError::TooLarge { got: body.len(), limit: CAST_BYTES_MAX });
        }
        let number = self.scopes.casts.next(tag)?;
        let cast = Cast { from: self.scopes.casts.own(), number, body };
        let payload = cast.encode();
        self.tell_cast(tag, &cast, fx);
        self.pass_on(tag, &cast, payload, 0, None, now, fx);
        Ok(number)
    }

    /// From now on casts on this tag are told ([`Effect::Cast`], [`Effect::CastLost`]), or no longer.
    pub fn listen(&mut self, tag: Tag, on: bool) {
        self.scopes.casts.listen(tag, on);
    }

    /// How this process is named as the sender of casts.
    pub fn cast_process(&self) -> Actor {
        self.scopes.casts.own()
    }

    /// What happened with casts.
    pub fn cast_counters(&self) -> CastCounters {
        self.scopes.casts.counters()
    }

    pub(super) fn on_cast(
        &mut self,
        peer: NodeId,
        scope: &ScopeName,
        payload: Vec<u8>,
        round: u8,
        now: Now,
        fx: &mut Vec<Effect>,
    ) {
        let payload = Bytes::from(payload);
        let (Some(tag), Some(cast)) = (Tag::of(scope), Cast::decode(&payload)) else {
            self.counters.malformed += 1;
            return;
        };
        let (from, number) = (cast.from, cast.number);
        match self.scopes.casts.take_in(&tag, from, number, now.time) {
            Taken::New { lost } => {
                self.tell_cast(&tag, &cast, fx);
                lost.into_iter().for_each(|lost| self.tell_lost(&tag, from, lost, fx));
                self.pass_on(&tag, &cast, payload, round, Some(peer), now, fx);
                self.look_for_gap(&tag, from, number, peer, now);
            }
            Taken::Known => {
                let range = DotRange { actor: from, first: number, last: number };
                self.broadcast.duplicate(peer, scope, range, now.time);
            }
            Taken::Refused => self.counters.malformed += 1,
        }
    }

    /// Neighbours have announced: casts may be among it.
    pub(super) fn on_haves(&mut self, peer: NodeId, haves: &[Have], now: Now) {
        if self.overlay.is_neighbor(peer) {
            self.scopes.casts.announced(haves, now.time);
        }
        self.broadcast.on_have(peer, haves, &self.scopes, now.time);
    }

    /// Nobody has given what `by` had announced up to a number.
    pub(super) fn give_up_cast(
        &mut self,
        scope: &ScopeName,
        from: Actor,
        last: u64,
        by: NodeId,
        now: Now,
        fx: &mut Vec<Effect>,
    ) {
        let Some(tag) = Tag::of(scope) else { return };
        if let Some(lost) = self.scopes.casts.give_up(&tag, from, last) {
            self.tell_lost(&tag, from, lost, fx);
        }
        // What follows the lost piece may be had.
        self.look_for_gap(&tag, from, last, by, now);
    }

    /// A neighbour more hears how far casts have come, however long ago that was.
    pub(super) fn tell_cast_tops(&mut self, peer: NodeId, now: Now, fx: &mut Vec<Effect>) {
        self.scopes.casts.neighbor_up(now.time);
        for tops in self.scopes.casts.tops(now.time).chunks(self.config.broadcast.haves_max.max(1)) {
            self.send(peer, Lane::Bulk, &Message::CastTops(tops.to_vec()), fx);
        }
    }

    pub(super) fn on_cast_tops(&mut self, peer: NodeId, tops: &[Have], now: Now) {
        self.scopes.casts.begin_at(tops, now.time);
        if self.overlay.is_neighbor(peer) {
            self.on_haves(peer, tops, now);
        }
    }

    /// Has something before this number not come? Then `by`, who had this one, is likely to have that too.
    fn look_for_gap(&mut self, tag: &Tag, from: Actor, number: u64, by: NodeId, now: Now) {
        let missing = self.scopes.casts.first_missing(tag.scope(), from, number).is_some();
        if missing && self.overlay.is_neighbor(by) {
            let have = Have { scope: tag.scope().clone(), actor: from, last: number };
            self.broadcast.on_have(by, &[have], &self.scopes, now.time);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a payload, where it came from, and what to do")]
    fn pass_on(
        &mut self,
        tag: &Tag,
        cast: &Cast,
        payload: Bytes,
        round: u8,
        from: Option<NodeId>,
        now: Now,
        fx: &mut Vec<Effect>,
    ) {
        let range = DotRange { actor: cast.from, first: cast.number, last: cast.number };
        let item = Item { scope: tag.scope().clone(), range, round, payload };
        let mut effects = Vec::new();
        self.broadcast.deliver(item, from, now.time, &mut effects);
        self.carry_out_broadcast(effects, now, fx);
    }

    fn tell_cast(&self, tag: &Tag, cast: &Cast, fx: &mut Vec<Effect>) {
        if self.scopes.casts.is_listened(tag) {
            let Cast { from, number, body } = cast.clone();
            fx.push(Effect::Cast { tag: tag.clone(), from, number, body });
        }
    }

    fn tell_lost(&self, tag: &Tag, from: Actor, (first, last): (u64, u64), fx: &mut Vec<Effect>) {
        if self.scopes.casts.is_listened(tag) {
            fx.push(Effect::CastLost { tag: tag.clone(), from, first, last });
        }
    }
}
