//! Calls: a question to a service of one member, its answer, and a time-out.
//!
//! A member without a link is dialled as a guest. A call is sent once: when its link ends before the answer it has failed,
//! and whether the service was asked is not known. Both ends bound what is under way between two members.
//!
//! ```text
//!   call --> (dial) --> Call --> Effect::Called --> reply --> Return --> Effect::Returned
//! ```

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use damson_crdt::NodeId;

use super::effects::{Effect, Lane};
use super::{Node, Now};
use crate::membership::MemberState;
use crate::time::Time;
use crate::wire::{Call, Message, Return, Returned};

/// The longest question and the longest answer of a call, in bytes: 1 MiB.
pub const CALL_BYTES_MAX: usize = 1 << 20;
/// Calls under way to one member, and from one: 64.
pub const CALLS_MAX: usize = 64;
/// The longest name of a service, in bytes.
pub const SERVICE_BYTES_MAX: usize = 64;
/// A call ends at the latest after this time, in milliseconds: a day.
const CALL_MS_MAX: u64 = 86_400_000;
/// What a service says of its failure is cut there, in bytes.
const REASON_BYTES_MAX: usize = 1_024;

/// Whom to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Caller {
    /// The member that asks; perhaps this node itself.
    pub member: NodeId,
    /// Its number for the call.
    pub nonce: u64,
}

/// A call without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No member of this id is known, or it has left. Nothing was sent.
    #[error("no such member")]
    NoSuchMember,
    /// No link to the member came about in time, or it ended before the answer: then the member may have been asked.
    #[error("the member cannot be reached")]
    Unreachable,
    /// The member did not answer in time. It may still do what it was asked.
    #[error("the member did not answer in time")]
    TimedOut,
    /// The member does not offer this service.
    #[error("the member does not offer this service")]
    NotOffered,
    /// The question or the answer is too long.
    #[error("{got} bytes, the limit is {limit}")]
    TooLarge {
        /// Its length in bytes.
        got: usize,
        /// The longest permitted.
        limit: usize,
    },
    /// Too many calls between the two are under way. This one was not begun.
    #[error("the limit of {limit} calls of one member at once is reached")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The service has failed.
    #[error("the service has failed: {reason}")]
    Failed {
        /// What it says.
        reason: String,
    },
    /// This node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// What a node asks others, and what others ask it.
#[derive(Debug)]
pub(super) struct Calls {
    next: u64,
    asked: BTreeMap<u64, Asked>,
    /// Those of others that are not answered yet.
    taken: BTreeSet<Caller>,
    offered: BTreeSet<String>,
}

#[derive(Debug)]
struct Asked {
    member: NodeId,
    until: Time,
    /// What is sent once there is a link.
    unsent: Option<Message>,
}

impl Calls {
    /// Numbers begin at random: a member may remember our process before a restart.
    pub fn new(first: u64) -> Self {
        let (asked, taken, offered) = Default::default();
        Self { next: first >> 1, asked, taken, offered }
    }

    pub fn deadline(&self) -> Time {
        self.asked.values().map(|asked| asked.until).min().unwrap_or(Time(u64::MAX))
    }

    /// Is a call between us and this member under way? Its link is needed then.
    pub fn needs(&self, member: NodeId) -> bool {
        self.to(member) > 0 || self.from(member) > 0
    }

    fn to(&self, member: NodeId) -> usize {
        self.asked.values().filter(|asked| asked.member == member).count()
    }

    fn from(&self, member: NodeId) -> usize {
        let first = Caller { member, nonce: 0 };
        self.taken.range(first..).take_while(|caller| caller.member == member).count()
    }
}

impl Node {
    /// Asks a service of a member. Ends with [`Effect::Returned`] of the number returned, perhaps at once.
    pub fn call(
        &mut self,
        member: NodeId,
        service: &str,
        body: Bytes,
        time_out_ms: u64,
        now: Now,
        fx: &mut Vec<Effect>,
    ) -> Result<u64, CallError> {
        self.due = None;
        if body.len() > CALL_BYTES_MAX {
            return Err(CallError::TooLarge { got: body.len(), limit: CALL_BYTES_MAX });
        }
        if service.len() > SERVICE_BYTES_MAX {
            return Err(CallError::NotOffered);
        }
        let linked = member == self.id || self.links.of(member).is_some();
        let known = self.roster.get(member).filter(|member| member.state != MemberState::Left);
        let address = known.map(|member| member.address.clone());
        match address.as_deref() {
            _ if linked => {}
            None => return Err(CallError::NoSuchMember),
            Some("") => return Err(CallError::Unreachable),
            Some(_) => {}
        }
        if self.calls.to(member) >= CALLS_MAX {
            return Err(CallError::TooMany { limit: CALLS_MAX });
        }
        let nonce = self.calls.next;
        self.calls.next += 1;
        let call = Call { nonce, service: service.to_string(), body: body.into() };
        let until = now.time.plus_ms(time_out_ms.min(CALL_MS_MAX));
        if member == self.id {
            self.calls.asked.insert(nonce, Asked { member, until, unsent: None });
            self.on_call(member, call, fx);
            return Ok(nonce);
        }
        self.calls.asked.insert(nonce, Asked { member, until, unsent: Some(Message::Call(call)) });
        if linked {
            self.send_calls(member, fx);
        } else {
            address.iter().for_each(|address| self.dial_now(address, now, fx));
        }
        Ok(nonce)
    }

    /// Nobody waits for the answer any more.
    pub fn end_call(&mut self, call: u64) {
        self.due = None;
        self.calls.asked.remove(&call);
    }

    /// From now on calls of this service are told ([`Effect::Called`]), or no longer.
    pub fn offer(&mut self, service: &str, on: bool) {
        if on {
            self.calls.offered.insert(service.to_string());
        } else {
            self.calls.offered.remove(service);
        }
    }

    /// Answers a call, or says why not. No effect when the link it came over has ended.
    pub fn reply(&mut self, to: Caller, answer: Result<Bytes, String>, fx: &mut Vec<Effect>) {
        if !self.calls.taken.remove(&to) {
            return;
        }
        let said = match answer {
            Ok(body) if body.len() <= CALL_BYTES_MAX => Returned::Body(body.into()),
            Ok(body) => Returned::TooLarge(body.len() as u64),
            Err(mut reason) => {
                reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
                Returned::Failed(reason)
            }
        };
        self.give_back(to, said, fx);
    }

    pub(super) fn on_call(&mut self, peer: NodeId, call: Call, fx: &mut Vec<Effect>) {
        if call.service.len() > SERVICE_BYTES_MAX || call.body.len() > CALL_BYTES_MAX {
            self.counters.malformed += 1;
            return;
        }
        let caller = Caller { member: peer, nonce: call.nonce };
        if !self.calls.offered.contains(&call.service) {
            self.give_back(caller, Returned::NotOffered, fx);
        } else if self.calls.from(peer) >= CALLS_MAX {
            self.give_back(caller, Returned::TooMany(CALLS_MAX as u64), fx);
        } else if self.calls.taken.insert(caller) {
            fx.push(Effect::Called { caller, service: call.service, body: call.body.into() });
        }
    }

    pub(super) fn on_return(&mut self, peer: NodeId, answer: Return, fx: &mut Vec<Effect>) {
        let ours = self.calls.asked.get(&answer.nonce).is_some_and(|asked| asked.member == peer);
        if !ours {
            // It may be late.
            return;
        }
        let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
        let result = match answer.said {
            Returned::Body(body) if body.len() <= CALL_BYTES_MAX => Ok(body.into()),
            Returned::Body(body) => Err(CallError::TooLarge { got: body.len(), limit: CALL_BYTES_MAX }),
            Returned::NotOffered => Err(CallError::NotOffered),
            Returned::TooMany(limit) => Err(CallError::TooMany { limit: number(limit) }),
            Returned::TooLarge(got) => Err(CallError::TooLarge { got: number(got), limit: CALL_BYTES_MAX }),
            Returned::Failed(mut reason) => {
                reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
                Err(CallError::Failed { reason })
            }
        };
        self.finish_call(answer.nonce, result, fx);
    }

    /// A link to this peer is open: what waited for it leaves.
    pub(super) fn send_calls(&mut self, peer: NodeId, fx: &mut Vec<Effect>) {
        let waiting = self.calls.asked.values_mut().filter(|asked| asked.member == peer);
        let messages: Vec<Message> = waiting.filter_map(|asked| asked.unsent.take()).collect();
        messages.iter().for_each(|message| self.send(peer, Lane::Bulk, message, fx));
    }

    /// A peer has no link any more: it will not answer, nor can it be answered.
    pub(super) fn end_calls_with(&mut self, peer: NodeId, fx: &mut Vec<Effect>) {
        self.calls.taken.retain(|caller| caller.member != peer);
        self.fail_calls(|asked| asked.member == peer && asked.unsent.is_none(), fx);
    }

    /// A dial has failed: who waits for the member at this address waits in vain.
    pub(super) fn fail_calls_at(&mut self, address: &str, fx: &mut Vec<Effect>) {
        if self.calls.asked.is_empty() {
            return;
        }
        let there = self.roster.iter().filter(|member| member.address == address);
        let there: BTreeSet<NodeId> = there.map(|member| member.id).collect();
        self.fail_calls(|asked| asked.unsent.is_some() && there.contains(&asked.member), fx);
    }

    /// Ends the calls whose time is over.
    pub(super) fn tick_calls(&mut self, now: Now, fx: &mut Vec<Effect>) {
        let late = |(_, asked): &(&u64, &Asked)| asked.until <= now.time;
        let late = self.calls.asked.iter().filter(late);
        let late: Vec<(u64, bool)> = late.map(|(nonce, asked)| (*nonce, asked.unsent.is_none())).collect();
        for (nonce, sent) in late {
            let error = if sent { CallError::TimedOut } else { CallError::Unreachable };
            self.finish_call(nonce, Err(error), fx);
        }
    }

    fn fail_calls(&mut self, fails: impl Fn(&Asked) -> bool, fx: &mut Vec<Effect>) {
        let failed = self.calls.asked.iter().filter(|(_, asked)| fails(asked));
        let failed: Vec<u64> = failed.map(|(nonce, _)| *nonce).collect();
        failed.into_iter().for_each(|nonce| self.finish_call(nonce, Err(CallError::Unreachable), fx));
    }

    fn give_back(&mut self, to: Caller, said: Returned, fx: &mut Vec<Effect>) {
        let answer = Return { nonce: to.nonce, said };
        if to.member == self.id {
            self.on_return(to.member, answer, fx);
        } else {
            self.send(to.member, Lane::Bulk, &Message::Return(answer), fx);
        }
    }

    fn finish_call(&mut self, call: u64, result: Result<Bytes, CallError>, fx: &mut Vec<Effect>) {
        if self.calls.asked.remove(&call).is_some() {
            fx.push(Effect::Returned { call, result });
        }
    }
}
