//! Neighbours given by hand, where no overlay shall decide.

use std::collections::BTreeSet;

use damson_core::membership::GivenNeighbors;
use damson_core::node::Config;

use crate::builder::NodeBuilder;
use crate::discovery::check_address;

/// Most neighbours that can be given.
const NEIGHBORS_MAX: usize = 250;
/// From so many members on each pushes to two others by default, and below to one.
const TWO_EAGER_FROM: usize = 5;
/// From so many members on there is a lazy peer.
const LAZY_FROM: usize = 3;

/// The members of a cluster by their addresses, and to whom this one links, in place of what the overlay would choose
/// ([`NodeBuilder::given_peers`]).
///
/// *Eager* peers are pushed to along the trees of the broadcast. *Lazy* ones hear of payloads at first, and are pushed to once they have
/// asked for one, or where no path over eager ones is half a second as long. Links are of both ends: who is another's peer
/// need not name it. Unless they are named, each of less than five members has one eager and (from three on) one lazy
/// peer, and in larger clusters at most two eager and one lazy: together they connect all, provided that all members are
/// given the same list, with each one's own address in it as the others dial it.
///
/// Should none of its peers answer, a node links to any other member. Members that start later are linked to by naming them here,
/// there, or with [`Node::add_peer`](crate::Node::add_peer).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GivenPeers {
    members: BTreeSet<String>,
    eager: Option<BTreeSet<String>>,
    lazy: Option<BTreeSet<String>>,
    at_random: bool,
}

/// Peers that were refused. The node was not started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GivenPeersError {
    /// It is no address.
    #[error("{address:?} is no address of a member: {reason}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There are too many.
    #[error("{given} {what} were given, and at most {limit} can be")]
    TooMany {
        /// Members, or peers.
        what: &'static str,
        /// How many there are.
        given: usize,
        /// The limit: [`DialConfig::contacts_max`](crate::DialConfig::contacts_max) for members, 250 for peers.
        limit: usize,
    },
    /// A peer that is not among the members.
    #[error("the {kind} peer {address:?} is none of the members that were given")]
    NoMember {
        /// `eager` or `lazy`.
        kind: &'static str,
        /// Its address.
        address: String,
    },
    /// A peer that is the node itself.
    #[error("the {kind} peer {address:?} is this node itself")]
    Itself {
        /// `eager` or `lazy`.
        kind: &'static str,
        /// Its address.
        address: String,
    },
    /// A peer that is to be eager and lazy.
    #[error("{address:?} was given as an eager and as a lazy peer, and can be one of them")]
    Both {
        /// Its address.
        address: String,
    },
    /// A lazy peer of two members: nobody else could push to it.
    #[error("of {members} members none can be a lazy peer: nobody else would push to it")]
    LazyOfTwo {
        /// How many there are, this one included.
        members: usize,
    },
    /// There are other members, and no peer among them.
    #[error("there are {members} members, and no peer among them was given")]
    Nobody {
        /// How many there are, this one included.
        members: usize,
    },
    /// Peers were named, and are to be drawn from all members.
    #[error("eager and lazy peers cannot be named where each push is to members drawn at random")]
    NamedAtRandom,
}

impl GivenPeers {
    /// The members by their addresses. The node's own may be among them; it counts as a member in any case.
    pub fn of<A: Into<String>>(members: impl IntoIterator<Item = A>) -> Self {
        Self { members: addresses(members), ..Self::default() }
    }

    /// The peers to push to. Default: one or two, as above.
    #[must_use]
    pub fn eager<A: Into<String>>(mut self, peers: impl IntoIterator<Item = A>) -> Self {
        self.eager = Some(addresses(peers));
        self
    }

    /// The peers that are only told at first. Default: one that is not eager, of three members and more.
    #[must_use]
    pub fn lazy<A: Into<String>>(mut self, peers: impl IntoIterator<Item = A>) -> Self {
        self.lazy = Some(addresses(peers));
        self
    }

    /// Links to all members, and pushes each payload to [`GossipConfig::fanout`](crate::gossip::GossipConfig::fanout) of them,
    /// drawn anew, instead of along trees: own writes each
    /// [`push_interval`](crate::gossip::GossipConfig::push_interval), those of others at once, and each once. A member that no push
    /// reaches hears of it with the next probe. Costs `fanout` payloads for each member and write, where trees cost one.
    #[must_use]
    pub fn at_random(mut self) -> Self {
        self.at_random = true;
        self
    }

    /// Does it name anybody but the node with this address?
    pub(crate) fn names_others(&self, own: &str) -> bool {
        self.members.iter().any(|member| member != own)
    }

    /// Enters all of it into the configuration of a node whose address is known.
    pub(crate) fn enter(mut self, config: &mut Config, any_form: bool) -> Result<(), GivenPeersError> {
        let limit = config.dial.contacts_max;
        if self.members.len() > limit {
            return Err(GivenPeersError::TooMany { what: "members", given: self.members.len(), limit });
        }
        for address in &self.members {
            let wrong = |reason| GivenPeersError::Address { address: address.clone(), reason };
            check_address(address, any_form).map_err(wrong)?;
        }
        self.members.insert(config.address.clone());
        let neighbors = self.neighbors(&config.address)?;
        if self.at_random {
            config.broadcast.fanout = Some(config.sync.fanout);
        }
        self.members.remove(&config.address);
        self.members.retain(|member| !config.contacts.contains(member));
        config.contacts.extend(self.members);
        config.overlay.given = Some(neighbors);
        Ok(())
    }

    fn neighbors(&self, own: &str) -> Result<GivenNeighbors, GivenPeersError> {
        self.check_named("eager", &self.eager, own)?;
        self.check_named("lazy", &self.lazy, own)?;
        let eager = match (&self.eager, self.at_random) {
            (Some(_), true) => return Err(GivenPeersError::NamedAtRandom),
            (Some(eager), false) => eager.clone(),
            (None, true) => self.members.iter().filter(|member| *member != own).cloned().collect(),
            (None, false) => self.chosen_eager(own),
        };
        let lazy = match (&self.lazy, self.at_random) {
            (Some(_), true) => return Err(GivenPeersError::NamedAtRandom),
            (Some(lazy), false) => lazy.clone(),
            (None, true) => BTreeSet::new(),
            (None, false) => self.chosen_lazy(own, &eager),
        };
        self.check(GivenNeighbors { eager, lazy })
    }

    fn check_named(
        &self,
        kind: &'static str,
        peers: &Option<BTreeSet<String>>,
        own: &str,
    ) -> Result<(), GivenPeersError> {
        for address in peers.iter().flatten() {
            let address = || address.clone();
            if address() == own {
                return Err(GivenPeersError::Itself { kind, address: address() });
            }
            if !self.members.contains(&address()) {
                return Err(GivenPeersError::NoMember { kind, address: address() });
            }
        }
        Ok(())
    }

    fn check(&self, mut neighbors: GivenNeighbors) -> Result<GivenNeighbors, GivenPeersError> {
        let members = self.members.len();
        let both = neighbors.eager.intersection(&neighbors.lazy).next().cloned();
        match both {
            Some(address) if self.eager.is_some() => return Err(GivenPeersError::Both { address }),
            // What is named counts, and not what was chosen beside it.
            Some(_) => neighbors.eager = &neighbors.eager - &neighbors.lazy,
            None => {}
        }
        if members < LAZY_FROM && !neighbors.lazy.is_empty() {
            return Err(GivenPeersError::LazyOfTwo { members });
        }
        let given = neighbors.all().count();
        if given > NEIGHBORS_MAX {
            return Err(GivenPeersError::TooMany { what: "peers", given, limit: NEIGHBORS_MAX });
        }
        if given == 0 && members > 1 {
            return Err(GivenPeersError::Nobody { members });
        }
        Ok(neighbors)
    }

    /// The next one in a ring of few members; in a larger cluster those that are twice as far as oneself: the graph of de Bruijn
    /// (1946), in which everybody is reached within log2(n) links.
    fn chosen_eager(&self, own: &str) -> BTreeSet<String> {
        let count = self.members.len();
        let at = self.members.iter().take_while(|member| *member != own).count();
        let chosen = match count < TWO_EAGER_FROM {
            true => [at + 1, at + 1],
            false => [2 * at + 1, 2 * at + 2],
        };
        let member = |at: usize| self.members.iter().nth(at % count).expect("below the count").clone();
        chosen.into_iter().map(member).filter(|member| member != own).collect()
    }

    /// The first one on the other side that is not eager.
    fn chosen_lazy(&self, own: &str, eager: &BTreeSet<String>) -> BTreeSet<String> {
        let count = self.members.len();
        if count < LAZY_FROM {
            return BTreeSet::new();
        }
        let at = self.members.iter().take_while(|member| *member != own).count();
        let from = self.members.iter().cycle().skip((at + count.div_ceil(2)) % count).take(count);
        from.filter(|member| *member != own && !eager.contains(*member)).take(1).cloned().collect()
    }
}

fn addresses<A: Into<String>>(all: impl IntoIterator<Item = A>) -> BTreeSet<String> {
    all.into_iter().map(Into::into).collect()
}

impl NodeBuilder {
    /// The members, and whom this one links to: there is no overlay then that decides. All nodes of a cluster should be given their
    /// peers: one whose overlay chooses drops a neighbour that it did not choose, which then links again.
    #[must_use]
    pub fn given_peers(mut self, peers: GivenPeers) -> Self {
        self.given = Some(peers);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(count: usize) -> Vec<String> {
        (0..count).map(|at| format!("10.0.0.{at}:7400")).collect()
    }

    fn entered(peers: GivenPeers, own: &str) -> Result<Config, GivenPeersError> {
        let mut config = Config::new("a", "r");
        config.address = own.into();
        peers.enter(&mut config, false).map(|()| config)
    }

    fn chosen(count: usize, at: usize) -> GivenNeighbors {
        let members = named(count);
        let config = entered(GivenPeers::of(members.clone()), &members[at]).unwrap();
        assert_eq!(config.contacts.len(), count - 1);
        config.overlay.given.unwrap()
    }

    #[test]
    fn by_default_there_are_as_many_peers_as_the_cluster_is_large() {
        assert_eq!(chosen(1, 0), GivenNeighbors::default());
        for (count, eager, lazy) in [(2, 1, 0), (3, 1, 1), (4, 1, 1), (5, 2, 1), (40, 2, 1)] {
            for at in 0..count {
                let given = chosen(count, at);
                assert!(given.eager.len() <= eager && !given.eager.is_empty(), "{count}: {given:?}");
                assert_eq!(given.lazy.len(), lazy, "{count}: {given:?}");
                assert!(given.eager.is_disjoint(&given.lazy));
                assert!(!given.has(&named(count)[at]));
            }
        }
    }

    #[test]
    fn those_that_are_chosen_by_default_connect_all_over_eager_links() {
        for count in 2..60 {
            let members: Vec<String> =
                named(count).into_iter().collect::<BTreeSet<_>>().into_iter().collect();
            let eager: Vec<_> = (0..count)
                .map(|at| entered(GivenPeers::of(members.clone()), &members[at]).unwrap())
                .map(|config| config.overlay.given.unwrap().eager)
                .collect();
            let mut reached = BTreeSet::from([members[0].clone()]);
            for _ in 0..count {
                let next = members.iter().zip(&eager).filter(|(member, _)| reached.contains(*member));
                let next: Vec<String> = next.flat_map(|(_, eager)| eager.iter().cloned()).collect();
                reached.extend(next);
            }
            assert_eq!(reached.len(), count);
        }
    }

    #[test]
    fn peers_that_make_no_sense_are_refused_with_the_reason() {
        let members = named(6);
        let [own, other, third] = [0, 1, 2].map(|at| members[at].clone());
        let given = || GivenPeers::of(members.clone());
        let refused = |peers: GivenPeers| entered(peers, &own).unwrap_err();
        let (eager, lazy) = ("eager", "lazy");
        let stranger = || "10.0.1.1:7400".to_string();
        let no_member = |kind| GivenPeersError::NoMember { kind, address: stranger() };
        assert_eq!(refused(given().eager([other.clone(), stranger()])), no_member(eager));
        assert_eq!(refused(given().lazy([stranger()])), no_member(lazy));
        let itself = |kind| GivenPeersError::Itself { kind, address: own.clone() };
        assert_eq!(refused(given().eager([own.clone()])), itself(eager));
        assert_eq!(refused(given().lazy([own.clone()])), itself(lazy));
        let both = refused(given().eager([other.clone()]).lazy([other.clone(), third.clone()]));
        assert_eq!(both, GivenPeersError::Both { address: other.clone() });
        let two = GivenPeers::of([own.clone(), other.clone()]);
        assert_eq!(refused(two.clone().lazy([other.clone()])), GivenPeersError::LazyOfTwo { members: 2 });
        let none: [&str; 0] = [];
        let nobody = refused(given().eager(none).lazy(none));
        assert_eq!(nobody, GivenPeersError::Nobody { members: 6 });
        assert_eq!(refused(given().eager([other]).at_random()), GivenPeersError::NamedAtRandom);
        assert!(matches!(refused(GivenPeers::of(["no port"])), GivenPeersError::Address { .. }));
        let many = GivenPeers::of((0..300).map(|at| format!("10.1.{}.{}:1", at / 200, at % 200)));
        let too_many = GivenPeersError::TooMany { what: "peers", given: 300, limit: 250 };
        assert_eq!(refused(many.clone().at_random()), too_many);
        assert!(entered(many, &own).is_ok(), "only peers are so few");
        let beyond = GivenPeers::of((0..5_000).map(|at| format!("10.1.{}.{}:1", at / 200, at % 200)));
        let too_many = GivenPeersError::TooMany { what: "members", given: 5_000, limit: 4_096 };
        assert_eq!(refused(beyond), too_many);
    }

    #[test]
    fn what_is_named_counts_before_what_would_be_chosen() {
        let members = named(6);
        let own = members[0].clone();
        let default = chosen(6, 0).eager.first().unwrap().clone();
        let config = entered(GivenPeers::of(members.clone()).lazy([default.clone()]), &own).unwrap();
        let given = config.overlay.given.unwrap();
        assert!(given.lazy.contains(&default) && !given.eager.contains(&default), "{given:?}");
        let config = entered(GivenPeers::of(members).at_random(), &own).unwrap();
        let given = config.overlay.given.unwrap();
        assert_eq!((given.eager.len(), given.lazy.len(), config.broadcast.fanout), (5, 0, Some(1)));
    }
}
