//! What is said of a cluster.

/// Of Damson or of the peer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    pub visible_ms_p50: f64,
    pub visible_ms_p99: f64,
    pub converged_puts_per_s: f64,
    /// What all nodes have sent for each put of the burst.
    pub bytes_per_put: f64,
}
