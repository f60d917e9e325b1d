//! The links of a node: which are being greeted, which are open, one for each peer.

use std::collections::BTreeMap;

use damson_crdt::NodeId;

use super::effects::LinkId;
use crate::time::Time;
use crate::wire::Hello;

#[derive(Debug)]
pub(super) struct Link {
    pub peer: NodeId,
    /// The address that we dialled.
    pub dialed: Option<String>,
    /// The peer's greeting.
    pub hello: Option<Hello>,
    /// Our greeting was accepted.
    pub welcomed: bool,
    /// Both greetings are done.
    pub open: bool,
    /// Another process claims the same id on another link; that one has been probed.
    pub contested: bool,
    /// When it came up.
    pub began: Time,
    /// When a frame came last.
    pub heard: Time,
    /// How long our hello took to be welcomed, in microseconds: the first measure of the round trip.
    pub greeting_us: u64,
}

#[derive(Debug, Default)]
pub(super) struct Links {
    all: BTreeMap<LinkId, Link>,
    open: BTreeMap<NodeId, LinkId>,
    /// When a greeting is given up, or a contest with another link of the same id is decided.
    greeting: BTreeMap<LinkId, Time>,
}

impl Links {
    pub fn insert(&mut self, id: LinkId, link: Link, deadline: Time) {
        self.all.insert(id, link);
        self.greeting.insert(id, deadline);
    }

    /// Gives a link's greeting until then.
    pub fn wait_until(&mut self, id: LinkId, deadline: Time) {
        self.greeting.insert(id, deadline);
    }

    /// Are all links greeted?
    pub fn all_greeted(&self) -> bool {
        self.greeting.is_empty()
    }

    pub fn get(&self, id: LinkId) -> Option<&Link> {
        self.all.get(&id)
    }

    pub fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.all.get_mut(&id)
    }

    /// Forgets a link. Says whether its peer has no open link any more because of that.
    pub fn remove(&mut self, id: LinkId) -> Option<(Link, bool)> {
        let link = self.all.remove(&id)?;
        self.greeting.remove(&id);
        let was_open = self.open.get(&link.peer) == Some(&id);
        if was_open {
            self.open.remove(&link.peer);
        }
        Some((link, was_open))
    }

    /// The open link of a peer.
    pub fn of(&self, peer: NodeId) -> Option<LinkId> {
        self.open.get(&peer).copied()
    }

    /// Makes a link the one of its peer. Returns the one that it replaces.
    pub fn open(&mut self, id: LinkId) -> Option<LinkId> {
        let link = self.all.get_mut(&id)?;
        link.open = true;
        self.greeting.remove(&id);
        self.open.insert(link.peer, id).filter(|old| *old != id)
    }

    /// Links whose greetings are done in both directions and that are not open yet.
    pub fn greeted(&self) -> Vec<LinkId> {
        let done = |id: &&LinkId| self.all.get(id).is_some_and(|link| link.welcomed && link.hello.is_some());
        self.greeting.keys().filter(done).copied().collect()
    }

    /// All links to peers of which something is so, greeted or not.
    pub fn with(&self, is_so: impl Fn(NodeId) -> bool) -> Vec<LinkId> {
        self.all.iter().filter(|(_, link)| is_so(link.peer)).map(|(id, _)| *id).collect()
    }

    /// The peers with an open link, in the order of their ids.
    pub fn peers(&self) -> impl Iterator<Item = NodeId> {
        self.open.keys().copied()
    }

    /// The greeting of a peer with an open link.
    pub fn hello_of(&self, peer: NodeId) -> Option<&Hello> {
        self.all.get(self.open.get(&peer)?)?.hello.as_ref()
    }

    /// Links whose time to be greeted is over.
    pub fn overdue(&self, now: Time) -> Vec<LinkId> {
        self.greeting.iter().filter(|(_, deadline)| now >= **deadline).map(|(id, _)| *id).collect()
    }

    /// Links that claim the id of a peer whose open link belongs to another process, oldest first.
    pub fn contested(&self, peer: NodeId) -> Vec<LinkId> {
        let claims = |id: &&LinkId| self.all.get(id).is_some_and(|link| link.peer == peer && link.contested);
        self.greeting.keys().filter(claims).copied().collect()
    }

    pub fn deadline(&self) -> Time {
        self.greeting.values().min().copied().unwrap_or(Time(u64::MAX))
    }
}
