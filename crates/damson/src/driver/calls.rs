//! Questions to services of other members, and services of this one.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use damson_core::crdt::NodeId;
use damson_core::node::{CallError, Caller};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Driver, State};
use crate::transport::BoxFuture;

/// What answers calls. It runs on a task of its own, outside the node's lock; what it says when it fails, its panic too, is
/// told to the caller.
pub type Service = Arc<dyn Fn(NodeId, Bytes) -> BoxFuture<'static, Result<Bytes, String>> + Send + Sync>;

/// The services of this node, by name.
#[derive(Default)]
pub(super) struct Services(Mutex<BTreeMap<String, Service>>);

/// A call that is under way. It ends when this is dropped.
struct Calling {
    driver: Arc<Driver>,
    call: u64,
    end: oneshot::Receiver<Result<Bytes, CallError>>,
}

impl Driver {
    /// Offers a service under a name, in place of one that had it.
    pub fn offer(self: &Arc<Self>, name: &str, service: Service) {
        self.services.0.lock().insert(name.to_string(), service);
        self.change(|node, _, _| node.offer(name, true));
    }

    /// Offers it no more.
    pub fn withdraw(self: &Arc<Self>, name: &str) {
        self.services.0.lock().remove(name);
        self.change(|node, _, _| node.offer(name, false));
    }

    /// Asks a service of a member, and waits for the answer.
    pub async fn call(
        self: &Arc<Self>,
        member: NodeId,
        service: &str,
        body: Bytes,
        time_out: Duration,
    ) -> Result<Bytes, CallError> {
        let time_out_ms = u64::try_from(time_out.as_millis()).unwrap_or(u64::MAX);
        let calling = self.begin_call(member, service, body, time_out_ms)?;
        calling.await
    }

    fn begin_call(
        self: &Arc<Self>,
        member: NodeId,
        service: &str,
        body: Bytes,
        time_out_ms: u64,
    ) -> Result<Calling, CallError> {
        let mut state = self.state.lock();
        if state.stopped {
            return Err(CallError::Stopped);
        }
        let mut effects = Vec::new();
        let begun = state.node.call(member, service, body, time_out_ms, self.clock.now(), &mut effects);
        let (waiter, end) = oneshot::channel();
        // Before the effects: it may have ended already.
        if let Ok(call) = &begun {
            state.calls.insert(*call, waiter);
        }
        self.carry_out(&mut state, effects);
        Ok(Calling { driver: self.clone(), call: begun?, end })
    }

    /// A member asks: its question is answered on a task.
    pub(super) fn called(self: &Arc<Self>, caller: Caller, service: &str, body: Bytes) {
        let Some(service) = self.services.0.lock().get(service).cloned() else { return };
        let driver = self.clone();
        tokio::spawn(async move {
            let asked = tokio::spawn(async move { service(caller.member, body).await });
            let answer = asked.await.unwrap_or_else(|_| Err("the service panicked".to_string()));
            driver.change(|node, _, fx| node.reply(caller, answer, fx));
        });
    }

    pub(super) fn returned(state: &mut State, call: u64, result: Result<Bytes, CallError>) {
        // Who asked may have gone.
        let _ = state.calls.remove(&call).map(|waiter| waiter.send(result));
    }
}

impl Future for Calling {
    type Output = Result<Bytes, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.end).poll(cx).map(|end| end.unwrap_or(Err(CallError::Stopped)))
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        let mut state = self.driver.state.lock();
        if state.calls.remove(&self.call).is_some() {
            state.node.end_call(self.call);
        }
    }
}
