//! How broadcasts stand, here and on other members: trees, announcements that wait, exchanges.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use damson_core::casts::Tag;
use damson_core::crdt::NodeId;
use damson_core::node::{CallError, Node as Core};
use minicbor::{Decode, Encode};
use tokio::task::JoinSet;

use super::{BegunBy, Exchange, ExchangeRef, exchanges};
use crate::driver::Driver;
use crate::node::Node;
use crate::transport::BoxFuture;
use crate::tree::TreeView;

/// The service that every node offers.
const SERVICE: &str = "inspect";
/// Entries of one answer.
const ENTRIES_MAX: usize = 4_096;

/// An announcement that waits to be sent to a neighbour. It is sent once; what answers it is the request for what was
/// announced, or that nothing is requested.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Outstanding {
    /// The neighbour.
    #[n(0)]
    pub to: NodeId,
    /// What it is about: a scope's name, or `t:` and a topic's or `h:` and a handler's.
    #[n(1)]
    pub about: String,
    /// The member that wrote or sent what is announced.
    #[n(2)]
    pub author: NodeId,
    /// The greatest of its numbers that is announced.
    #[n(3)]
    pub last: u64,
}

#[derive(Debug, Encode, Decode)]
enum Question {
    #[n(0)]
    Tree(#[n(0)] NodeId),
    #[n(1)]
    Outstanding,
    #[n(2)]
    Exchanges,
}

#[derive(Debug, Encode, Decode)]
struct Place {
    #[n(0)]
    parent: Option<NodeId>,
    #[n(1)]
    children: Vec<NodeId>,
    #[n(2)]
    lazy: Vec<NodeId>,
    #[n(3)]
    distance_ms: Option<u16>,
    #[n(4)]
    hops: Option<u16>,
}

#[derive(Debug, Encode, Decode)]
struct Shown {
    #[n(0)]
    handler: String,
    #[n(1)]
    peer: NodeId,
    #[n(2)]
    reference: u64,
    #[n(3)]
    since_ms: u64,
    #[n(4)]
    scope: Option<String>,
    /// Absent when its node asked for it.
    #[n(5)]
    begun_by: Option<NodeId>,
}

impl Node {
    /// The announcements of this node that wait to be sent.
    pub fn outstanding(&self) -> Vec<Outstanding> {
        self.driver().look(|node, _| outstanding(node))
    }

    /// Those of another member; at most 4,096.
    ///
    /// # Errors
    /// [`CallError`], when it does not answer in time for example.
    pub async fn outstanding_of(
        &self,
        member: NodeId,
        time_out: Duration,
    ) -> Result<Vec<Outstanding>, CallError> {
        ask(self.driver(), member, Question::Outstanding, time_out).await
    }

    /// The exchanges of another member that run, as it lists them ([`Node::exchanges`]); at most 4,096.
    ///
    /// # Errors
    /// [`CallError`], when it does not answer in time for example.
    pub async fn exchanges_of(&self, member: NodeId, time_out: Duration) -> Result<Vec<Exchange>, CallError> {
        let shown: Vec<Shown> = ask(self.driver(), member, Question::Exchanges, time_out).await?;
        Ok(shown.into_iter().map(Exchange::from).collect())
    }

    /// The place of a member in the tree over which the writes and messages of another, the root, travel. [`Node::tree`] is
    /// that of this node.
    ///
    /// # Errors
    /// [`CallError`], when it does not answer in time for example.
    pub async fn tree_of(
        &self,
        member: NodeId,
        root: NodeId,
        time_out: Duration,
    ) -> Result<TreeView, CallError> {
        tree_of(self.driver(), member, root, time_out).await
    }

    /// The places of these members in the tree of a root, in the order in which they are named; an error for each that does
    /// not answer. All are asked at once.
    pub async fn trees(
        &self,
        root: NodeId,
        members: &[NodeId],
        time_out: Duration,
    ) -> Vec<(NodeId, Result<TreeView, CallError>)> {
        let mut asked = JoinSet::new();
        for (at, member) in members.iter().copied().enumerate() {
            let driver = self.driver().clone();
            asked.spawn(async move { (at, tree_of(&driver, member, root, time_out).await) });
        }
        let mut answers = asked.join_all().await;
        answers.sort_unstable_by_key(|(at, _)| *at);
        members.iter().copied().zip(answers.into_iter().map(|(_, answer)| answer)).collect()
    }
}

/// Answers others.
pub(crate) fn offer(driver: &Arc<Driver>) {
    let weak = Arc::downgrade(driver);
    let service = move |_: NodeId, body: Bytes| -> BoxFuture<'static, Result<Bytes, String>> {
        let driver = weak.upgrade();
        Box::pin(async move {
            let driver = driver.ok_or("the node has stopped")?;
            answer(&driver, &body)
        })
    };
    driver.offer(SERVICE, Arc::new(service));
}

fn answer(driver: &Driver, body: &[u8]) -> Result<Bytes, String> {
    let question: Question = minicbor::decode(body).map_err(|error| error.to_string())?;
    let bytes = match question {
        Question::Tree(root) => {
            minicbor::to_vec(Place::from(driver.look(|node, _| TreeView::of(node, root))))
        }
        Question::Outstanding => {
            let mut all = driver.look(|node, _| outstanding(node));
            all.truncate(ENTRIES_MAX);
            minicbor::to_vec(all)
        }
        Question::Exchanges => {
            let all = exchanges::all(driver);
            minicbor::to_vec(all.into_iter().take(ENTRIES_MAX).map(Shown::from).collect::<Vec<_>>())
        }
    };
    Ok(bytes.expect("memory").into())
}

async fn ask<T: for<'b> Decode<'b, ()>>(
    driver: &Arc<Driver>,
    member: NodeId,
    question: Question,
    time_out: Duration,
) -> Result<T, CallError> {
    let question = minicbor::to_vec(question).expect("memory").into();
    let answer = driver.call(member, SERVICE, question, time_out).await?;
    minicbor::decode(&answer).map_err(|error| CallError::Failed { reason: error.to_string() })
}

async fn tree_of(
    driver: &Arc<Driver>,
    node: NodeId,
    root: NodeId,
    time_out: Duration,
) -> Result<TreeView, CallError> {
    let place: Place = ask(driver, node, Question::Tree(root), time_out).await?;
    let Place { parent, children, lazy, distance_ms, hops } = place;
    Ok(TreeView { root, node, parent, children, lazy, distance_ms, hops })
}

fn outstanding(node: &Core) -> Vec<Outstanding> {
    let about = |scope: &damson_core::scope::ScopeName| {
        scope.as_str().strip_prefix(Tag::PREFIX).unwrap_or(scope.as_str()).to_string()
    };
    let all = node.broadcast().outstanding();
    all.map(|(to, have)| Outstanding {
        to,
        about: about(&have.scope),
        author: have.actor.node,
        last: have.last,
    })
    .collect()
}

impl From<TreeView> for Place {
    fn from(view: TreeView) -> Self {
        let TreeView { parent, children, lazy, distance_ms, hops, .. } = view;
        Self { parent, children, lazy, distance_ms, hops }
    }
}

impl From<Exchange> for Shown {
    fn from(exchange: Exchange) -> Self {
        let Exchange { handler, peer, scope, begun_by, reference, since_ms } = exchange;
        let begun_by = (begun_by == BegunBy::Peer).then_some(peer);
        let scope = scope.map(|scope| scope.to_string());
        Self { handler, peer, reference: reference.0, since_ms, scope, begun_by }
    }
}

impl From<Shown> for Exchange {
    fn from(shown: Shown) -> Self {
        let Shown { handler, peer, reference, since_ms, scope, begun_by } = shown;
        let begun_by = if begun_by == Some(peer) { BegunBy::Peer } else { BegunBy::Node };
        // What is no name of a scope is not known here.
        let scope = scope.and_then(|scope| scope.parse().ok());
        Self { handler, peer, scope, begun_by, reference: ExchangeRef(reference), since_ms }
    }
}
