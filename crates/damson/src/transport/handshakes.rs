//! Inbound connections in their handshake: a bounded number, in which silent ones cannot keep others out.
//!
//! Whoever connects may say nothing. So when all places are taken the one that has had its place for longest loses it: an
//! honest handshake takes a few round trips. One remote address has only some of the places, except for this machine's
//! own, behind which a whole cluster may live.

use std::{collections::VecDeque, net::IpAddr};

use tokio::task::AbortHandle;

/// Who is in a handshake, oldest first.
pub(super) struct Handshakes {
    max: usize,
    per_address_max: usize,
    running: VecDeque<(IpAddr, AbortHandle)>,
}

impl Handshakes {
    pub(super) fn new(max: usize, per_address_max: usize) -> Handshakes {
        Handshakes { max, per_address_max, running: VecDeque::new() }
    }

    /// Makes room for a connection from this address. Returns whose handshake was ended for it.
    pub(super) fn make_room(&mut self, address: IpAddr) -> Option<IpAddr> {
        self.running.retain(|(_, handshake)| !handshake.is_finished());
        let of_address = |(other, _): &(IpAddr, AbortHandle)| *other == address;
        let own = self.running.iter().filter(|running| of_address(running)).count();
        let oldest = if own >= self.per_address_max && !address.to_canonical().is_loopback() {
            self.running.iter().position(of_address)
        } else {
            (self.running.len() >= self.max).then_some(0)
        };
        let (ended, handshake) = self.running.remove(oldest?)?;
        handshake.abort();
        Some(ended)
    }

    pub(super) fn add(&mut self, address: IpAddr, handshake: AbortHandle) {
        self.running.push_back((address, handshake));
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    /// Lets connections from these addresses come, and says whose handshakes were ended.
    fn ended(max: usize, per_address_max: usize, addresses: &[&str]) -> Vec<Option<String>> {
        let mut handshakes = Handshakes::new(max, per_address_max);
        let come = |address: &&str| {
            let address = address.parse().unwrap();
            let ended = handshakes.make_room(address);
            handshakes.add(address, tokio::spawn(pending::<()>()).abort_handle());
            ended.map(|address| address.to_string())
        };
        addresses.iter().map(come).collect()
    }

    #[tokio::test]
    async fn the_oldest_handshake_ends_for_a_new_one_when_all_places_are_taken() {
        let ended = ended(2, 9, &["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]);
        assert_eq!(ended, [None, None, Some("10.0.0.1".into()), Some("10.0.0.2".into())]);
    }

    #[tokio::test]
    async fn an_address_with_too_many_handshakes_loses_its_own_and_not_those_of_others() {
        let ended = ended(9, 2, &["10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.2"]);
        assert_eq!(ended, [None, None, None, Some("10.0.0.2".into())]);
    }

    #[tokio::test]
    async fn this_machines_own_addresses_have_all_places() {
        for own in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(ended(9, 1, &[own, own, own]), [None, None, None]);
        }
    }
}
