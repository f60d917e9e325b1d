//! Nodes that say on a broadcaster that they are there.

use tokio::sync::watch;

use super::Report;

/// Passes on who is there, until the node or the broadcaster ends.
pub(super) async fn follow(mut heard: watch::Receiver<Vec<String>>, report: Report) {
    let mut stopping = report.stopping();
    loop {
        let list = heard.borrow_and_update().clone();
        report.put(list);
        tokio::select! {
            changed = heard.changed() => if changed.is_err() { return },
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}
