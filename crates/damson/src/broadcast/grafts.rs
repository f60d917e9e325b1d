//! What nobody spreads any more is asked of handlers elsewhere.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use damson_core::crdt::NodeId;
use minicbor::{Decode, Encode};
use tokio::sync::oneshot;

use super::{Request, Running};
use crate::driver::Driver;
use crate::transport::BoxFuture;

/// Members that are asked besides the one that sent them.
const OTHERS_MAX: usize = 2;
/// How long a member is given to give them.
const GRAFT_TIME_OUT: Duration = Duration::from_secs(5);

/// Messages of one process that nobody spreads any more.
#[derive(Debug, Clone, Copy, Encode, Decode)]
pub(super) struct Gone {
    #[n(0)]
    pub node: NodeId,
    #[n(1)]
    pub boot: u64,
    #[n(2)]
    pub first: u64,
    #[n(3)]
    pub last: u64,
}

/// One of them, from a handler elsewhere.
#[derive(Debug, Clone, Encode, Decode)]
pub(super) struct Given {
    #[n(0)]
    pub number: u64,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub id: Vec<u8>,
    /// Absent when it is stale.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub payload: Option<Vec<u8>>,
}

/// Gives other members what their handlers of this name have lost.
pub(super) fn offer(driver: &Arc<Driver>, running: &Arc<Running>) {
    let name = graft_service(&running.name);
    let running = Arc::downgrade(running);
    let service = move |_: NodeId, body: Bytes| -> BoxFuture<'static, Result<Bytes, String>> {
        let running = running.clone();
        Box::pin(async move {
            let of: Gone = minicbor::decode(&body).map_err(|error| error.to_string())?;
            let running = running.upgrade().ok_or("the handler has ended")?;
            let (done, given) = oneshot::channel();
            running.requests.try_send(Request::Graft { of, done }).map_err(|_| "the handler is busy")?;
            let given = given.await.map_err(|_| "the handler has ended")?;
            Ok(minicbor::to_vec(&given).expect("memory").into())
        })
    };
    driver.offer(&name, Arc::new(service));
}

/// Asks other members for what nobody spreads any more: first the one that sent it.
pub(super) async fn fetch(driver: Arc<Driver>, running: Arc<Running>, of: Gone) {
    let near = driver.look(|node, _| node.active_view());
    let own = driver.look(|node, _| node.id());
    let others = near.into_iter().filter(|member| *member != of.node).take(OTHERS_MAX);
    let question = Bytes::from(minicbor::to_vec(of).expect("memory"));
    let service = graft_service(&running.name);
    let mut given: Vec<Given> = Vec::new();
    for member in std::iter::once(of.node).chain(others).filter(|member| *member != own) {
        let answer = driver.call(member, &service, question.clone(), GRAFT_TIME_OUT).await;
        let Some(more) = answer.ok().and_then(|body| minicbor::decode::<Vec<Given>>(&body).ok()) else {
            continue;
        };
        let is_new = |one: &Given, given: &[Given]| given.iter().all(|had| had.number != one.number);
        for one in more {
            if (of.first..=of.last).contains(&one.number) && is_new(&one, &given) {
                given.push(one);
            }
        }
        if given.len() as u64 == of.len() {
            break;
        }
    }
    if running.requests.send(Request::Take { of, given }).await.is_err() {
        running.counters.lock().lost += of.len();
    }
}

impl Gone {
    /// How many.
    pub fn len(&self) -> u64 {
        self.last - self.first + 1
    }
}

fn graft_service(name: &str) -> String {
    format!("g:{name}")
}
