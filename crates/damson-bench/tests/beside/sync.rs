//! `damson-bench sync`.

use crate::figures::{Figures, run};

#[test]
fn what_each_said_until_both_were_equal_stands_side_by_side() {
    let args = ["sync", "--keys", "3000", "--diff", "100", "--runs", "1", "--gossip-ms", "10"];
    let figures = Figures::of(&args);
    assert_eq!((figures.parameter("diff"), figures.parameter("gossip_ms")), (&100.into(), &10.into()));
    figures.both("join_ms", "chitchat");
    // All keys and values went over; chitchat's compression saves a quarter at best.
    let (ours, theirs) = figures.both("join_bytes", "chitchat");
    assert!(ours > 3_000.0 * 80.0 && theirs.is_none_or(|theirs| theirs > 3_000.0 * 60.0));
    // A name of 64 bits for each difference, or of 256.
    let (ours, theirs) = figures.both("difference_bytes", "negentropy");
    assert!(ours > 100.0 * 7.0 && theirs.is_none_or(|theirs| theirs > 100.0 * 32.0));
    let (_, theirs) = figures.both("difference_bytes_riblt", "riblt");
    assert!(theirs.is_none_or(|theirs| theirs > 100.0 * 24.0));
    figures.both("round_trips", "negentropy");
    let payload = figures.beside("damson_payload_bytes");
    assert!(payload > 100.0 * 80.0 && figures.beside("damson_bytes_with_contents") > payload);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let output = run(&["sync", "--keys", "6", "--diff", "10"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("too few"));
}
