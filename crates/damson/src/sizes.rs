//! Whether a node could work with the sizes and times that it is given.

use damson_core::membership::OverlayConfig;
use damson_core::node::Config;

use crate::error::StartError;

/// Scopes that the system keeps: the roster.
const SYSTEM_SCOPES: usize = 1;

/// Numbers with which a node could not work.
pub(crate) fn check(config: &Config) -> Result<(), StartError> {
    let wrong = |field, reason| Err(StartError::Config { field, reason });
    let Config { overlay, broadcast, scopes_max, .. } = config;
    if overlay.active < OverlayConfig::ACTIVE_MIN {
        return wrong("overlay.active", "must be at least 2, or nodes would displace each other without end");
    }
    if overlay.passive == 0 {
        return wrong("overlay.passive", "must be at least 1, or no lost neighbour could be replaced");
    }
    if overlay.shuffle_ms == 0 || overlay.fill_ms_min == 0 || overlay.reply_ms == 0 {
        return wrong("overlay.shuffle_ms, fill_ms_min and reply_ms", "must be at least 1");
    }
    if overlay.asked_max == 0 {
        return wrong("overlay.asked_max", "must be at least 1, or nobody would ever be asked");
    }
    if broadcast.haves_max == 0 || broadcast.vector_max == 0 {
        return wrong(
            "broadcast.haves_max and vector_max",
            "must be at least 1, or nothing would be announced",
        );
    }
    if broadcast.fanout == Some(0) {
        return wrong("broadcast.fanout", "must be at least 1, or nothing would be pushed");
    }
    if broadcast.vector_bytes_per_s == 0 {
        return wrong("broadcast.vector_bytes_per_s", "must be at least 1, or trees would never grow");
    }
    if *scopes_max <= SYSTEM_SCOPES {
        return wrong("scopes_max", "must be at least 2: the roster is one of them");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use damson_core::broadcast::BroadcastConfig;

    use super::*;
    use crate::builder::NodeBuilder;

    #[tokio::test]
    async fn sizes_that_make_no_sense_are_refused_with_their_name() {
        let named = async |builder: NodeBuilder| match builder.start().await {
            Err(StartError::Config { field, .. }) => field,
            other => panic!("{:?}", other.err()),
        };
        let overlay = |change: fn(&mut OverlayConfig)| {
            let mut config = OverlayConfig::default();
            change(&mut config);
            NodeBuilder::new("a").overlay(config)
        };
        let broadcast = |change: fn(&mut BroadcastConfig)| {
            let mut config = BroadcastConfig::default();
            change(&mut config);
            NodeBuilder::new("a").broadcast(config)
        };
        assert_eq!(named(overlay(|config| config.active = 1)).await, "overlay.active");
        assert_eq!(named(overlay(|config| config.passive = 0)).await, "overlay.passive");
        assert_eq!(named(overlay(|config| config.asked_max = 0)).await, "overlay.asked_max");
        assert!(named(overlay(|config| config.shuffle_ms = 0)).await.contains("shuffle_ms"));
        assert!(named(broadcast(|config| config.haves_max = 0)).await.contains("haves_max"));
        assert!(
            named(broadcast(|config| config.vector_bytes_per_s = 0)).await.contains("vector_bytes_per_s")
        );
        assert_eq!(named(broadcast(|config| config.fanout = Some(0))).await, "broadcast.fanout");
        assert_eq!(named(NodeBuilder::new("a").scopes_max(1)).await, "scopes_max");
    }
}
