//! `damson bench sync`.

use crate::figures::{Figures, run};

fn sync(path: &str) -> Figures {
    Figures::of(&["sync", "--keys", "2000", "--diff", "10", "--path", path, "--runs", "3"])
}

#[test]
fn contexts_cost_what_differs_and_a_whole_transfer_what_is_there() {
    let [auto, context, full] = ["auto", "context", "full"].map(sync);
    for (figures, taken) in [(&auto, "context"), (&context, "context"), (&full, "full")] {
        assert_eq!(figures.text("taken"), taken);
        figures.assert_positive(&["bytes", "payload_bytes", "bound_bytes", "round_trips"]);
        // Handling frames takes time by the clock that is named.
        assert_eq!(figures.text("cpu_clock"), "thread");
        figures.assert_positive(&["cpu_ms_a", "cpu_ms_b"]);
        assert!((1.0..=64.0).contains(&figures.number("equal_bytes")));
        let ratio = figures.number("bytes") / figures.number("bound_bytes");
        assert!(ratio > 1.0 && (figures.number("ratio") / ratio - 1.0).abs() < 1e-6);
    }
    assert!(context.number("bytes") < full.number("bytes") / 20.0);
    assert!(context.number("cpu_ms_a") < full.number("cpu_ms_a"));
}

#[test]
fn what_cannot_be_measured_is_refused() {
    for (args, wanted) in [
        (["sync", "--diff", "0"], "difference of 0"),
        (["sync", "--path", "bloom"], "no path"),
        (["sync", "--keys", "3"], "too few"),
    ] {
        let output = run(&args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(wanted) && output.stdout.is_empty(), "{stderr}");
    }
}
