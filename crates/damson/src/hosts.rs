//! Who hosts a scope, and who has got how far.

use std::collections::BTreeSet;
use std::time::Duration;

use damson_core::crdt::NodeId;
use damson_core::node::{Ack, Token};

use crate::ack::ReadError;
use crate::scope::Scope;

impl Scope {
    /// The members that host the scope and live, this node included if it does, in the order of their ids.
    pub fn hosts(&self) -> Vec<NodeId> {
        self.driver().look(|node, _| node.hosts(self.name()))
    }

    /// The members that have the write which a token names, and all that its writer wrote in the scope before, each as durably
    /// as the scope asks there: asks all that host it and live, and ends when all have it or the time is over. In the order of
    /// their ids.
    ///
    /// # Errors
    /// [`ReadError`]; that somebody does not have it is none.
    pub async fn reached(&self, token: &Token, time_out: Duration) -> Result<Vec<NodeId>, ReadError> {
        if token.scope() != self.name() {
            return Err(ReadError::OtherScope { token: token.scope().clone(), scope: self.name().clone() });
        }
        let asked: BTreeSet<NodeId> = self.hosts().into_iter().collect();
        let begun = self.driver().wait(|node, now, fx| node.await_reached(token, Ack::All, now, fx))?;
        let mut waiting = begun.ok_or(ReadError::Stopped)?;
        let others = tokio::select! {
            ended = &mut waiting => match ended {
                // All that lived had it; who has come meanwhile was perhaps not asked.
                Some(_) => self.hosts().into_iter().filter(|id| asked.contains(id)).collect(),
                None => return Err(ReadError::Stopped),
            },
            () = tokio::time::sleep(time_out) => {
                self.driver().look(|node, _| node.wait_members(waiting.id()))
            }
        };
        Ok(self.driver().look(|node, _| {
            let own = node.id();
            let mut reached: BTreeSet<NodeId> = others.into_iter().filter(|id| *id != own).collect();
            reached.extend(node.has_reached(token).then_some(own));
            reached.into_iter().collect()
        }))
    }
}
