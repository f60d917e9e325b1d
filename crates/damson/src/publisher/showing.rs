//! From records to the view: who is seen, how far, and in which version one writes oneself.

use std::collections::{BTreeMap, BTreeSet};

use damson_core::crdt::NodeId;

use super::layout::At;
use super::published::Inner;
use super::state::Untranslated;
use super::{Owner, Publisher};
use crate::supervise::Failed;

/// Whom the view shows.
#[derive(Default)]
pub(super) struct Showing {
    /// How far of each.
    at: BTreeMap<NodeId, At>,
    /// Panics so far: after another the view shows nobody of these.
    panics: u64,
    /// Whose data nobody here can translate, and their version.
    pub untranslated: BTreeMap<NodeId, u16>,
}

impl<P: Publisher> Inner<P> {
    /// The members that run the publisher, with the versions that they speak; this node among them.
    pub(super) fn peers(&self) -> BTreeMap<NodeId, u16> {
        let own = (self.me, self.version);
        if self.is_alone() {
            return [own].into();
        }
        self.scope.driver().look(|node, _| {
            let present = node.roster().iter().filter(|member| member.state.is_present());
            let running = present.filter_map(|member| Some((member.id, member.runs(self.scope.name())?)));
            running.chain([own]).collect()
        })
    }

    fn is_peer(&self, member: NodeId) -> bool {
        self.scope.driver().look(|node, _| {
            let found = node.roster().get(member).filter(|found| found.state.is_present());
            found.is_some_and(|found| found.runs(self.scope.name()).is_some())
        })
    }

    /// Shows what is new of all, and withdraws those who do not take part any more.
    pub(super) async fn show_all(&self) {
        let showing = self.showing.lock().await;
        let known = showing.at.keys().chain(showing.untranslated.keys()).copied();
        let all: BTreeSet<NodeId> = self.peers().into_keys().chain(known).collect();
        drop(showing);
        for owner in all {
            self.show(owner).await;
        }
    }

    /// Is something shown of each who takes part?
    pub(super) async fn shows_all_peers(&self) -> bool {
        let showing = self.showing.lock().await;
        self.peers().keys().all(|peer| *peer == self.me || showing.at.contains_key(peer))
    }

    /// Shows what is new of one.
    pub(super) async fn show(&self, owner: NodeId) {
        // What is its own it knows better than its records do.
        if owner == self.me {
            return;
        }
        let mut showing = self.showing.lock().await;
        let panics = *self.worker.panics().borrow();
        if std::mem::replace(&mut showing.panics, panics) != panics {
            showing.at.clear();
        }
        loop {
            match self.show_some(&mut showing, owner).await {
                Ok(false) => return,
                Ok(true) => {}
                Err(_) => return,
            }
        }
    }

    /// Says whether there may be more.
    async fn show_some(&self, showing: &mut Showing, owner: NodeId) -> Result<bool, Failed> {
        let known = showing.at.get(&owner).copied();
        let news = if self.is_peer(owner) { self.shelf.news(owner, known) } else { None };
        let Some(news) = news else {
            showing.untranslated.remove(&owner);
            if showing.at.remove(&owner).is_some() {
                self.worker.run(move |state| state.withdraw(&Owner::Member(owner))).await?;
            }
            return Ok(false);
        };
        if news.is_empty() {
            return Ok(false);
        }
        let (at, shown) = self.worker.run(move |state| state.show(owner, news, known)).await?;
        at.map(|at| showing.at.insert(owner, at));
        match shown {
            Ok(()) => _ = showing.untranslated.remove(&owner),
            Err(Untranslated(version)) => {
                if showing.untranslated.insert(owner, version) != Some(version) {
                    let scope = self.scope.name();
                    tracing::error!(%scope, %owner, version, "published in a version that nobody here can translate: kept, and not seen");
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes what this node owns in the version that all who take part speak, if that has changed.
    pub(super) async fn agree_on_version(&self) {
        let lowest = self.peers().values().copied().min().unwrap_or(self.version);
        let mut writer = self.writer.lock().await;
        writer.wanted = lowest;
        if writer.version() == lowest {
            return;
        }
        if let Err(error) = self.rebase(&mut writer, lowest).await {
            let scope = self.scope.name();
            tracing::error!(%scope, version = lowest, %error, "what this node publishes stays in the version of before");
        }
    }
}
