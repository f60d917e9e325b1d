//! Links between nodes. Places in the table are used again, numbers are not.

use damson_core::node::LinkId;

/// A link: two ends, each at a node and up or down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    serial: u64,
    nodes: [u32; 2],
    up: [bool; 2],
    /// How long a frame takes, in microseconds.
    pub delay_us: u64,
}

/// All links.
#[derive(Debug, Default)]
pub(crate) struct LinkTable {
    slots: Vec<Link>,
    free: Vec<u32>,
    serial: u64,
}

/// A number is (serial, slot, end): greater for a younger link.
const SLOT_BITS: u32 = 24;

/// The same link, seen from its other end.
pub(crate) fn other_end(link: LinkId) -> LinkId {
    LinkId(link.0 ^ 1)
}

/// Is this the end of the node that dialled?
pub(crate) fn is_dialers(link: LinkId) -> bool {
    end_of(link) == 0
}

fn slot_of(link: LinkId) -> usize {
    usize::try_from(link.0 >> 1 & ((1 << SLOT_BITS) - 1)).expect("24 bits")
}

fn end_of(link: LinkId) -> usize {
    usize::from(link.0 & 1 == 1)
}

impl LinkTable {
    /// Makes a link that `a` has dialled, and returns the ends at `a` and at `b`.
    pub fn connect(&mut self, a: u32, b: u32, delay_us: u64) -> (LinkId, LinkId) {
        self.serial += 1;
        let link = Link { serial: self.serial, nodes: [a, b], up: [true; 2], delay_us };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = link;
                u64::from(slot)
            }
            None => {
                self.slots.push(link);
                self.slots.len() as u64 - 1
            }
        };
        assert!(slot >> SLOT_BITS == 0, "more than 2^24 links at once");
        let end = LinkId(self.serial << (SLOT_BITS + 1) | slot << 1);
        (end, other_end(end))
    }

    fn find(&self, link: LinkId) -> Option<&Link> {
        self.slots.get(slot_of(link)).filter(|found| found.serial == link.0 >> (SLOT_BITS + 1))
    }

    /// The link, if this end of it is up.
    pub fn up(&self, link: LinkId) -> Option<&Link> {
        self.find(link).filter(|found| found.up[end_of(link)])
    }

    /// The node at this end, if the end is up.
    pub fn node_at(&self, link: LinkId) -> Option<u32> {
        self.up(link).map(|found| found.nodes[end_of(link)])
    }

    /// The nodes at this end and at the other, if this end is up.
    pub fn nodes_of(&self, link: LinkId) -> Option<(u32, u32)> {
        self.up(link).map(|found| (found.nodes[end_of(link)], found.nodes[end_of(other_end(link))]))
    }

    /// This end is no more. Returns its node, unless it was down already.
    pub fn take_down(&mut self, link: LinkId) -> Option<u32> {
        let node = self.node_at(link)?;
        let slot = slot_of(link);
        let found = &mut self.slots[slot];
        found.up[end_of(link)] = false;
        if found.up == [false; 2] {
            found.serial = 0;
            self.free.push(u32::try_from(slot).expect("24 bits"));
        }
        Some(node)
    }

    /// The ends that are up at nodes of this kind.
    pub fn ends_at(&self, is_meant: impl Fn(u32) -> bool) -> Vec<LinkId> {
        let ends = self.slots.iter().zip(0_u64..).flat_map(|(link, slot)| {
            let number = link.serial << (SLOT_BITS + 1) | slot << 1;
            [0, 1].map(|end| (*link, LinkId(number | end)))
        });
        ends.filter(|(link, id)| link.up[end_of(*id)] && is_meant(link.nodes[end_of(*id)]))
            .map(|(_, id)| id)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_used_again_under_another_number() {
        let mut links = LinkTable::default();
        let (a, b) = links.connect(3, 4, 10);
        assert_eq!((links.node_at(a), links.node_at(b)), (Some(3), Some(4)));
        assert_eq!((links.nodes_of(a), links.nodes_of(b)), (Some((3, 4)), Some((4, 3))));
        assert_eq!(other_end(a), b);
        assert!(is_dialers(a) && !is_dialers(b));
        assert_eq!(links.take_down(a), Some(3));
        assert_eq!((links.take_down(a), links.node_at(b)), (None, Some(4)), "the other end stays");
        assert_eq!(links.take_down(b), Some(4));
        let (c, d) = links.connect(5, 6, 10);
        assert_eq!(links.slots.len(), 1);
        assert!(c > a && links.node_at(a).is_none() && links.node_at(c) == Some(5));
        assert_eq!(links.ends_at(|node| node == 6), [d]);
    }
}
