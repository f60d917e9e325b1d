//! The overlay's parameters.

use super::given::GivenNeighbors;

/// Sizes and timing of the overlay. Defaults without a source are the paper's (HyParView, section 5.1).
#[derive(Debug, Clone)]
pub struct OverlayConfig {
    /// Most neighbours; at least [`OverlayConfig::ACTIVE_MIN`]. Default 5, the paper's for 10,000 nodes: log(n) + 1. A cluster that fits is a full mesh.
    pub active: usize,
    /// Most known others. Default 30: with it a survivor of 90 % failures still knows a living node.
    pub passive: usize,
    /// Hops of a shuffle's walk, and half of a join's. Default 6.
    pub active_walk: u8,
    /// Hops that are left where a join's walk enters a passive view. Default 3.
    pub passive_walk: u8,
    /// Neighbours named in a shuffle. Default 3.
    pub shuffle_active: usize,
    /// Passive entries named in a shuffle. Default 4.
    pub shuffle_passive: usize,
    /// Each node begins a shuffle this often, in milliseconds, jittered by a quarter. Default 10,000. One *cycle*.
    pub shuffle_ms: u64,
    /// Hops that a walk looks for a node with room, once it is as far as a join goes. Default 16: cheap, and repeated until
    /// one is found.
    pub seek_walk: u8,
    /// The first pause between attempts to fill the active view, in milliseconds. Default 100; doubles up to a cycle.
    pub fill_ms_min: u64,
    /// A request to become neighbours is given up after this time, in milliseconds. Default 2,000.
    pub reply_ms: u64,
    /// Requests under way at once. Default 16: a thousand joins in a second must not open a thousand links.
    pub asked_max: usize,
    /// Ways back of other nodes' shuffles that are remembered. Default 256.
    pub routes_max: usize,
    /// The neighbours, chosen by somebody else: then nothing above counts but `reply_ms` and `asked_max`. Default none: the overlay
    /// chooses.
    pub given: Option<GivenNeighbors>,
}

impl OverlayConfig {
    /// Fewest neighbours. With one, whoever is linked displaces another who then has none, without end.
    pub const ACTIVE_MIN: usize = 2;
}

impl Default for OverlayConfig {
    fn default() -> Self {
        Self {
            active: 5,
            passive: 30,
            active_walk: 6,
            passive_walk: 3,
            shuffle_active: 3,
            shuffle_passive: 4,
            shuffle_ms: 10_000,
            seek_walk: 16,
            fill_ms_min: 100,
            reply_ms: 2_000,
            asked_max: 16,
            routes_max: 256,
            given: None,
        }
    }
}
