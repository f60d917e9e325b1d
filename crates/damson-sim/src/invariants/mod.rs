//! What must hold: one file for each invariant, named after what it guards.
//!
//! Some are looked at every few virtual seconds on all running nodes, some whenever a node has been called, some at the
//! end, when everything is healed. They know nothing of faults or of broken rules.

mod acked_writes_stay;
mod all_nodes_converge;
mod batches_are_whole;
mod clocks_are_not_dragged;
mod contents_are_as_written;
mod context_is_closed;
mod counters_are_exact;
mod digest_tells;
mod equal_contexts_equal_state;
mod equal_state_equal_view;
mod live_is_as_written;
mod live_is_in_context;
mod numbers_are_used_once;
mod pushes_are_applied;
mod roster_agrees;
mod timers_move_on;
mod traces_are_removed;

use damson_core::node::Node;
use damson_core::replica::Replica;
use damson_core::scope::ScopeName;
use damson_crdt::codec;

use crate::oracle::Oracle;

pub(crate) use acked_writes_stay::lost_writes;
pub(crate) use all_nodes_converge::{agree, check as check_convergence};
pub(crate) use clocks_are_not_dragged::check as check_clock;
pub(crate) use digest_tells::{Twin, check as check_digest};
pub(crate) use live_is_as_written::tally;
pub(crate) use numbers_are_used_once::check as check_numbers;
pub(crate) use pushes_are_applied::check as check_push;
pub(crate) use roster_agrees::complete as roster_complete;
pub(crate) use timers_move_on::check as check_timers;
pub(crate) use traces_are_removed::check as check_traces;

/// A running node, as invariants see it.
pub(crate) struct Member<'a> {
    pub at: usize,
    pub node: &'a Node,
    /// Nothing that it wrote waits for the name of its author.
    pub certain: bool,
}

/// All running nodes at one instant.
pub(crate) struct Scene<'a> {
    pub members: Vec<Member<'a>>,
    pub oracle: &'a Oracle,
    /// One wall time at which all are looked at.
    pub wall_ms: u64,
    replicas: Vec<Seen<'a>>,
}

/// One user replica, and what it has seen.
pub(crate) struct Seen<'a> {
    pub at: usize,
    pub replica: &'a Replica,
    /// The name of the scope and the context, as bytes.
    pub context: Vec<u8>,
}

/// Something that must not be: at which node, which invariant, what.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub node: Option<usize>,
    pub invariant: &'static str,
    pub text: String,
}

impl Finding {
    pub fn at(node: usize, invariant: &'static str, text: impl Into<String>) -> Self {
        Self { node: Some(node), invariant, text: text.into() }
    }

    pub fn of_all(invariant: &'static str, text: impl Into<String>) -> Self {
        Self { node: None, invariant, text: text.into() }
    }
}

impl<'a> Scene<'a> {
    pub fn new(members: Vec<Member<'a>>, oracle: &'a Oracle, scopes: &'a [ScopeName], wall_ms: u64) -> Self {
        // What has no certain author yet is not in the log.
        let certain = members.iter().filter(|member| member.certain);
        let replicas = certain.flat_map(|member| {
            scopes
                .iter()
                .filter_map(|scope| member.node.replica(scope))
                .map(|replica| Seen::new(member.at, replica))
        });
        Self { replicas: replicas.collect(), members, oracle, wall_ms }
    }

    /// The user replicas of all running nodes.
    pub fn replicas(&self) -> impl Iterator<Item = &Seen<'a>> {
        self.replicas.iter()
    }

    /// One of all that hold the same, as far as their digests and live dots tell.
    pub fn distinct(&self) -> impl Iterator<Item = &Seen<'a>> {
        let same = |a: &Seen<'a>, b: &Seen<'a>| {
            a.context == b.context
                && a.replica.digest() == b.replica.digest()
                && a.replica.dots().map(|(dot, _)| dot).eq(b.replica.dots().map(|(dot, _)| dot))
        };
        let replicas = self.replicas.iter().enumerate();
        replicas
            .filter(move |(at, seen)| !self.replicas[..*at].iter().any(|other| same(other, seen)))
            .map(|(_, seen)| seen)
    }
}

impl<'a> Seen<'a> {
    fn new(at: usize, replica: &'a Replica) -> Self {
        let mut context = replica.name().as_str().as_bytes().to_vec();
        context.push(0);
        codec::encode_context(&mut context, replica.context());
        Self { at, replica, context }
    }
}

/// What is looked at every few virtual seconds.
pub(crate) fn check_running(scene: &Scene<'_>) -> Vec<Finding> {
    let mut out = Vec::new();
    live_is_in_context::check(scene, &mut out);
    live_is_as_written::check(scene, &mut out);
    context_is_closed::check(scene, &mut out);
    batches_are_whole::check(scene, &mut out);
    equal_contexts_equal_state::check(scene, &mut out);
    equal_state_equal_view::check(scene, &mut out);
    counters_are_exact::check(scene, &mut out);
    out
}

/// What is looked at when everything is healed and quiet.
pub(crate) fn check_final(scene: &Scene<'_>) -> Vec<Finding> {
    let mut out = check_running(scene);
    acked_writes_stay::check(scene, &mut out);
    roster_agrees::check(scene, &mut out);
    out
}

pub(crate) use contents_are_as_written::check as check_contents;
