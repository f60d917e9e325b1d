//! A transport whose links can be cut, around the real one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use damson::transport::{BoxFuture, Link, LinkSender, TcpTransport, Transport, TransportError};
use parking_lot::Mutex;

/// Which nodes cannot reach each other at the moment, shared by all transports of the demonstration.
#[derive(Clone, Default)]
pub struct Cuts(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The side on which each node is, while the network is cut.
    sides: Option<BTreeSet<[u8; 16]>>,
    addresses: BTreeMap<String, [u8; 16]>,
    links: Vec<([u8; 16], [u8; 16], LinkSender)>,
}

/// TCP with TLS, as every node has it, except that links across a cut end and cannot be made.
pub struct CuttableTransport {
    inner: TcpTransport,
    own: [u8; 16],
    cuts: Cuts,
}

impl Cuts {
    /// Cuts these nodes off from all others.
    pub fn cut(&self, side: BTreeSet<[u8; 16]>) {
        let mut state = self.0.lock();
        state.sides = Some(side);
        let State { sides, links, .. } = &mut *state;
        links.retain(|(a, b, sender)| {
            let across = is_across(sides.as_ref(), *a, *b);
            if across {
                sender.close();
            }
            !across
        });
    }

    /// Lets everybody reach everybody again.
    pub fn heal(&self) {
        self.0.lock().sides = None;
    }

    fn forbids(&self, own: [u8; 16], address: &str) -> bool {
        let state = self.0.lock();
        state.addresses.get(address).is_some_and(|peer| is_across(state.sides.as_ref(), own, *peer))
    }

    /// Takes note of a link; ends it at once when it crosses a cut.
    fn admit(&self, own: [u8; 16], link: &Link) -> bool {
        let mut state = self.0.lock();
        let across = is_across(state.sides.as_ref(), own, link.peer);
        if across {
            link.sender.close();
        } else {
            state.links.push((own, link.peer, link.sender.clone()));
        }
        !across
    }
}

impl CuttableTransport {
    /// Wraps the transport of a node.
    pub fn new(inner: TcpTransport, own: [u8; 16], cuts: Cuts) -> Self {
        cuts.0.lock().addresses.insert(inner.local_address(), own);
        Self { inner, own, cuts }
    }
}

impl Transport for CuttableTransport {
    fn dial<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<Link, TransportError>> {
        Box::pin(async move {
            let cut = || TransportError::Connect {
                address: address.to_string(),
                source: std::io::Error::new(
                    std::io::ErrorKind::HostUnreachable,
                    "the demonstration has cut the network",
                ),
            };
            if self.cuts.forbids(self.own, address) {
                return Err(cut());
            }
            let link = self.inner.dial(address).await?;
            if self.cuts.admit(self.own, &link) { Ok(link) } else { Err(cut()) }
        })
    }

    fn accept(&self) -> BoxFuture<'_, Result<Link, TransportError>> {
        Box::pin(async move {
            loop {
                let link = self.inner.accept().await?;
                if self.cuts.admit(self.own, &link) {
                    return Ok(link);
                }
            }
        })
    }

    fn local_address(&self) -> String {
        self.inner.local_address()
    }
}

fn is_across(side: Option<&BTreeSet<[u8; 16]>>, a: [u8; 16], b: [u8; 16]) -> bool {
    side.is_some_and(|side| side.contains(&a) != side.contains(&b))
}
