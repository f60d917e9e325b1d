//! The broadcast's parameters, and what it counts.

/// Timing and bounds of the broadcast.
#[derive(Debug, Clone)]
pub struct BroadcastConfig {
    /// Own writes gather for so long at most, in milliseconds. Default 1: they leave as soon as links are idle. With more they
    /// wait for that time, jittered by a quarter, whether links are idle or not: fewer frames, and later. What the system
    /// writes, and what somebody waits for, does not.
    pub gather_ms: u64,
    /// Payloads are pushed to so many neighbours, drawn for each, and not along trees. Default none: trees bring each payload to
    /// each member once and on the shortest path, and draws bring it to some several times and to some not at all, which then
    /// learn of it by announcements.
    pub fanout: Option<usize>,
    /// In calm an announcement that found no probe to ride on leaves after this time, in milliseconds. Default 6,000:
    /// pushes over healthy links do not get lost, so announcements only prove that.
    pub calm_ms: u64,
    /// The same after links have come or gone, or payloads had to be asked for, in milliseconds. Default 20.
    pub alert_ms: u64,
    /// How long such an alert lasts, in milliseconds. Default 5,000.
    pub alert_span_ms: u64,
    /// Announcements that ride on one probe. Default 64.
    pub ride_max: usize,
    /// Announcements in one frame; as many waiting for a link leave at once. Default 256.
    pub haves_max: usize,
    /// A payload is asked for at the earliest after this time, in milliseconds. Default 5; more on slower links: one and
    /// a half round trips.
    pub graft_ms_min: u64,
    /// Authors of whom something is missing, at most. Default 4,096. More comes by anti-entropy.
    pub missing_max: usize,
    /// Payloads kept for those who ask, in bytes. Default 8 MiB.
    pub log_bytes_max: usize,
    /// The same in payloads. Default 8,192.
    pub log_max: usize,
    /// The same in milliseconds. Default 60,000.
    pub log_ms_max: u64,
    /// Authors for whom distances are kept. Default 65,536, at about two bytes for each link of the overlay.
    pub sources_max: usize,
    /// Others, whose trees are grown by their payloads, at one bit for each link. Default 262,144. More take turns.
    pub grown_max: usize,
    /// Changes of distances wait for others to go with them, in milliseconds. Default 20.
    pub vector_hold_ms: u64,
    /// The next ones wait until this time after the last, in milliseconds, but for those that rose. Default 100: while many
    /// change at once most change again.
    pub vector_gap_ms: u64,
    /// What distances may use of each link, in bytes a second. Default 8 KiB: a thousand members in less than a second. Nothing is sent while nothing changes.
    pub vector_bytes_per_s: u64,
    /// Distances in one message. Default 2,048.
    pub vector_max: usize,
}

/// What the broadcast has done since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BroadcastCounters {
    /// Payloads pushed, counted for each link.
    pub payloads_sent: u64,
    /// Payloads that came.
    pub payloads_received: u64,
    /// Payloads that came and were known.
    pub duplicates: u64,
    /// Frames of announcements. Those that rode on probes are not counted.
    pub announcements_sent: u64,
    /// Requests for payloads.
    pub grafts_sent: u64,
    /// Corrections sent because of a duplicate.
    pub prunes_sent: u64,
    /// Messages with distances, corrections included.
    pub vectors_sent: u64,
    /// Their bytes.
    pub vector_bytes_sent: u64,
    /// Announcements that were dropped because too much is missing already.
    pub dropped: u64,
    /// Entries that could not be believed.
    pub refused: u64,
}

impl Default for BroadcastConfig {
    fn default() -> Self {
        Self {
            gather_ms: 1,
            fanout: None,
            calm_ms: 6_000,
            alert_ms: 20,
            alert_span_ms: 5_000,
            ride_max: 64,
            haves_max: 256,
            graft_ms_min: 5,
            missing_max: 4_096,
            log_bytes_max: 8 << 20,
            log_max: 8_192,
            log_ms_max: 60_000,
            sources_max: 65_536,
            grown_max: 1 << 18,
            vector_hold_ms: 20,
            vector_gap_ms: 100,
            vector_bytes_per_s: 8 << 10,
            vector_max: 2_048,
        }
    }
}
