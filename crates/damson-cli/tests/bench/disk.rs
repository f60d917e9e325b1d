//! `damson bench recovery` and `damson bench durable`.

use crate::figures::Figures;

#[test]
fn a_start_after_an_abort_finds_everything_and_its_figures_fit_together() {
    let figures = Figures::of(&["recovery", "--keys", "3000"]);
    figures.assert_positive(&["open_ms", "clean_open_ms", "bytes_on_disk"]);
    assert_eq!(figures.number("payload_bytes"), 3_000.0 * 80.0);
    let rate = 3_000.0 / figures.number("open_ms") * 1e3;
    assert!((figures.number("keys_per_s") / rate - 1.0).abs() < 1e-6);
    assert!(figures.number("bytes_on_disk_over_payload") >= 1.0);
}

#[test]
fn durable_puts_stand_beside_a_bare_log() {
    let figures = Figures::of(&["durable", "--writers", "4", "--turns", "1"]);
    figures.assert_positive(&["puts_per_s", "log_per_s", "ratio"]);
    let ratio = figures.number("puts_per_s") / figures.number("log_per_s");
    assert!((figures.number("ratio") / ratio - 1.0).abs() < 1e-6);
}
