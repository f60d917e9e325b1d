//! `damson bench cluster`.

use crate::figures::Figures;

fn cluster(sync: &str, nodes: u32) -> Figures {
    let nodes = nodes.to_string();
    Figures::of(&["cluster", "--nodes", &nodes, "--puts", "2000", "--singles", "50", "--sync", sync])
}

#[test]
fn a_cluster_becomes_equal_however_writes_are_acknowledged() {
    for (sync, nodes) in [("never", 3), ("interval", 3), ("always", 2)] {
        let figures = cluster(sync, nodes);
        assert!(figures.is_true("converged"));
        assert_eq!((figures.text("sync"), figures.number("nodes")), (sync, f64::from(nodes)));
        assert_eq!(figures.text("visible_by"), "watch");
        figures.assert_positive(&["visible_ms_p50", "acknowledged_puts_per_s", "converged_puts_per_s"]);
        assert!(figures.number("visible_ms_p99") >= figures.number("visible_ms_p50"));
        assert!(figures.number("converged_puts_per_s") <= figures.number("acknowledged_puts_per_s"));
        // Every put travels to each other node once at least, with its 16 bytes of key and 64 of value.
        let others = f64::from(nodes - 1);
        assert!(figures.number("minimal_wire_bytes") >= 2_000.0 * others * 80.0);
        assert!(figures.number("wire_bytes") > figures.number("minimal_wire_bytes"));
        figures.assert_positive(&["overhead_bytes_per_put", "frames_per_put"]);
    }
}
